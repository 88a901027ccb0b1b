"""What a corruption is: draw once, then apply as often as you like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mosdata.audio import Clip
from mosdata.manifests.rows import Applied

Material = Literal["speech", "noise", "impulse_responses"]
"""What a corruption may need beside the clip: other clips of the dataset, or a folder of files."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A physical value that stands for a level; its key is its name with its unit.

    Args:
        about: what it is, in a few words: "active speech over noise".
        low: the least that may be given instead of a level.
        high: the most.
        choices: the only values there are, where it is no continuum (bitrates of a codec).
    """

    about: str
    low: float
    high: float
    choices: tuple[float, ...] = ()

    @property
    def allowed(self) -> str:
        """In words, for messages and tables."""
        if self.choices:
            return "one of " + ", ".join(f"{choice:g}" for choice in self.choices)
        return f"{self.low:g} to {self.high:g}"

    def allows(self, value: float) -> bool:
        """Whether a value may be given."""
        return value in self.choices if self.choices else self.low <= value <= self.high


class Pool(Protocol):
    """What corruptions may mix in: other clips of the dataset, and files from folders."""

    def candidates(self, *, sentence: str, speaker: str) -> tuple[str, ...]:
        """Ids of clips with another text and another speaker, in a stable order."""
        ...

    def clip(self, clip_id: str) -> Clip:
        """The clip of an id that ``candidates`` gave, at the rate of the dataset."""
        ...

    def files(self, material: Material) -> tuple[str, ...]:
        """Ids of the files of a material, in a stable order; none where no folder was given."""
        ...

    def file_clip(self, material: Material, file_id: str, sample_rate_hz: int) -> Clip:
        """A file that ``files`` named: mono, finite, not empty, at this rate; kept by the pool.

        Raises:
            NothingFound: no such file; the row was made with another folder.
        """
        ...


class Corruption(Protocol):
    """One way to harm speech, on a scale from 0 (untouched) to 1 (very bad).

    ``draw`` takes the chance, ``apply`` takes none: same clip and same ``Applied``, same
    samples. Length, rate and dtype stay; level 0 returns the input bit for bit. ``draw`` at a
    higher level, with an equal generator, is the same damage and more of it.
    """

    name: str

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The physical values that a level stands for, the main one first."""
        ...

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

    def draw_at(self, values: Mapping[str, float], clip: Clip, rng: np.random.Generator) -> Applied:
        """Like ``draw``, with physical values instead of a level: ``{"snr_db": 10}``."""
        ...

    def apply(self, clip: Clip, applied: Applied) -> Clip:
        """Do what was drawn; pure."""
        ...

    def ladder(self, level: float, sample_rate_hz: int) -> Mapping[str, float]:
        """The physical meaning of a level, for tables and docs: name with unit -> value."""
        ...

    def values_of(self, given: Mapping[str, float], sample_rate_hz: int) -> Mapping[str, float]:
        """All physical values where some are given; refuses those that have no meaning."""
        ...
