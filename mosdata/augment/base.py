"""What a corruption is: draw once, then apply as often as you like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from mosdata.audio import Clip
from mosdata.manifests.rows import Applied


class Pool(Protocol):
    """Other clips that a corruption may mix in, by clip id; all at the rate of the dataset."""

    def candidates(self, *, sentence: str, speaker: str) -> tuple[str, ...]:
        """Ids of clips with another text and another speaker, in a stable order."""
        ...

    def clip(self, clip_id: str) -> Clip:
        """The clip of an id that ``candidates`` gave."""
        ...


class Corruption(Protocol):
    """One way to harm speech, on a scale from 0 (untouched) to 1 (very bad).

    ``draw`` takes the chance, ``apply`` takes none: same clip and same ``Applied``, same
    samples. Length, rate and dtype stay; level 0 returns the input bit for bit. ``draw`` at a
    higher level, with an equal generator, is the same damage and more of it.
    """

    name: str

    def draw(self, level: float, clip: Clip, rng: np.random.Generator) -> Applied:
        """Choose the physical parameters for one clip.

        Args:
            level: in [0, 1].
            clip: not changed.
            rng: the record's own generator; the order of draws does not depend on ``level``.

        Raises:
            RecordRejected: this clip cannot be corrupted this way (silence, too short).
        """
        ...

    def apply(self, clip: Clip, applied: Applied) -> Clip:
        """Do what was drawn; pure."""
        ...

    def ladder(self, level: float, sample_rate_hz: int) -> Mapping[str, float]:
        """The physical meaning of a level, for tables and docs: name with unit -> value."""
        ...
