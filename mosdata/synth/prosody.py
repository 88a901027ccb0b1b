"""How one reading of a sentence differs from the next: tempo and pitch, drawn from the seed.

Rule-based engines say a sentence the same way every time. Where a build asks for more takes of
one text, each take draws its prosody here, within what one calm speaker varies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mosdata.manifests.ids import rng_for

TEMPO_SPREAD: Final = 0.08
"""Largest relative change of tempo, both ways."""

PITCH_SPREAD: Final = 0.1
"""Largest relative change of mean pitch and of its range, both ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prosody:
    """Factors on an engine's own habits; 1 leaves them as they are."""

    tempo: float
    pitch: float
    pitch_range: float


def draw_prosody(seed: int, *, voice: str) -> Prosody:
    """The prosody of one take.

    Args:
        seed: seed of the request.
        voice: speakers with the same seed do not hurry together.

    Example:
        >>> draw_prosody(1, voice="en-us") == draw_prosody(1, voice="en-us")
        True
    """
    tempo, pitch, pitch_range = rng_for(seed, voice, "prosody").uniform(-1, 1, 3)
    return Prosody(
        tempo=1 + TEMPO_SPREAD * tempo,
        pitch=1 + PITCH_SPREAD * pitch,
        pitch_range=1 + PITCH_SPREAD * pitch_range,
    )
