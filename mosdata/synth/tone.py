"""A system without a model, for dry runs and tests: every letter is a short chord.

It speaks any text in any language at once, its pitch and rhythm follow the text, and its bytes
depend on nothing but the request. It is not speech, so builds leave it out unless asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip
from mosdata.manifests.ids import unit_hash
from mosdata.synth.base import ANY_LANGUAGE, SpeechRequest, SystemInfo, Voice, unknown_voice
from mosdata.synth.prosody import draw_prosody

ADAPTER_VERSION: Final = "1"

SAMPLE_RATE_HZ: Final = 16_000

PITCH_HZ: Final = {"default": 150.0, "low": 105.0, "high": 210.0}
"""Voices and their mean pitch."""

NUM_HARMONICS: Final = 8
LETTER_S: Final = 0.07
PAUSE_S: Final = 0.05
SHORTEST_S: Final = 0.3


class Tone:
    """Chords instead of phones; numpy only.

    Example:
        >>> request = SpeechRequest(text="Hello there.", language="en", voice="default", seed=1)
        >>> Tone().synthesize(request).sample_rate_hz
        16000
    """

    info = SystemInfo(
        name="tone",
        family="test",
        sample_rate_hz=SAMPLE_RATE_HZ,
        languages=(ANY_LANGUAGE,),
        license="CC0-1.0",
        output_terms="open",
        seconds_per_char=0.066,
        notes="Not speech: for tests and dry runs.",
    )

    def voices(self) -> tuple[Voice, ...]:
        """``default``, ``low`` and ``high``, for any language."""
        return tuple(Voice(name=name, language=ANY_LANGUAGE) for name in PITCH_HZ)

    def revision(self) -> str:
        """Version of this module."""
        return f"tone/{ADAPTER_VERSION}"

    def synthesize(self, request: SpeechRequest) -> Clip:
        """One chord a letter, one pause a gap between words.

        Raises:
            RecordRejected: unknown voice.
        """
        if request.voice not in PITCH_HZ:
            raise unknown_voice(self, request)
        prosody = draw_prosody(request.seed, voice=request.voice)
        pitch_hz, loudness = _contours(request.text, 1 / prosody.tempo)
        samples = _chords(pitch_hz * PITCH_HZ[request.voice] * prosody.pitch, loudness)
        return Clip(samples, SAMPLE_RATE_HZ)


def _contours(text: str, stretch: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Relative pitch and loudness for every sample of a text."""
    pieces = list(_pieces(text, stretch))
    pitch = np.concatenate([np.full(length, height) for length, height, _ in pieces])
    loudness = np.concatenate(
        [loud * np.hanning(length + 2)[1:-1] ** 0.5 for length, _, loud in pieces]
    )
    missing = max(0, round(SHORTEST_S * SAMPLE_RATE_HZ) - len(pitch))
    return np.pad(pitch, (0, missing), mode="edge"), np.pad(loudness, (0, missing))


def _pieces(text: str, stretch: float) -> Iterable[tuple[int, float, float]]:
    """Length in samples, relative pitch and loudness, one per character."""
    for position, character in enumerate(text):
        sounds = character.isalnum()
        chance = unit_hash(character.lower())
        duration_s = stretch * (LETTER_S * (0.8 + 0.4 * chance) if sounds else PAUSE_S)
        declination = 1.1 - 0.2 * position / len(text)
        height = declination * (0.85 + 0.3 * chance)
        yield round(duration_s * SAMPLE_RATE_HZ), height, 0.6 + 0.4 * chance if sounds else 0.0


def _chords(pitch_hz: NDArray[np.float64], loudness: NDArray[np.float64]) -> NDArray[np.float32]:
    """Harmonics that fall by 6 dB an octave, with a phase that never jumps."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    chord = np.zeros_like(phase)
    for harmonic in range(1, NUM_HARMONICS + 1):
        chord += np.sin(harmonic * phase) / harmonic
    return (0.25 * loudness * chord).astype(np.float32)
