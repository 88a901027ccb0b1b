"""What all corruptions with a ladder share: the checks before, the level 0, the full scale."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

import numpy as np

from mosdata.audio import Clip, Samples, check_samples
from mosdata.augment.speech_level import check_audible
from mosdata.errors import InvalidValue, RecordRejected
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

MIN_SAMPLE_RATE_HZ: Final = 8_000
"""Below the rate of the telephone the ladders have no room to climb."""

SEED_BITS: Final = 53
"""Drawn seeds survive JSON readers that keep numbers as doubles."""


class LadderCorruption(ABC):
    """A corruption whose level is a place on a ladder of physical values.

    A subclass says what a level means (``ladder``), what it draws (``draw_params``) and what it
    does (``corrupt``). It never sees level 0, silence, NaN or samples beyond full scale.
    """

    name: str = ""

    def draw(self, level: float, clip: Clip, rng: np.random.Generator) -> Applied:
        """Choose the physical parameters for one clip; see :class:`Corruption`.

        Raises:
            InvalidValue: a level outside [0, 1].
            RecordRejected: ``silence``, ``not_finite``, ``empty_audio`` or
                ``sample_rate_too_low``.
        """
        if check_level(level) == 0:
            return Applied(name=self.name, level=0.0)
        self._check(clip)
        check_audible(clip)  # silence has no quality to harm
        params = self.draw_params(level, clip, rng)
        return Applied(name=self.name, level=float(level), params=params)

    def apply(self, clip: Clip, applied: Applied) -> Clip:
        """Do what was drawn; level 0 returns the very clip.

        A result that would leave full scale is turned down as a whole to a peak of 1, which
        changes no ratio within the clip; it is never clipped or wrapped.
        """
        if applied.level == 0:
            return clip
        self._check(clip)
        inside = Clip(within_full_scale(clip.samples), clip.sample_rate_hz)
        samples = self.corrupt(inside, applied)
        return Clip(within_full_scale(samples), clip.sample_rate_hz)

    @abstractmethod
    def ladder(self, level: float, sample_rate_hz: int) -> Mapping[str, float]:
        """The physical meaning of a level in (0, 1]: name with unit -> value."""

    @abstractmethod
    def draw_params(self, level: float, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:
        """What ``corrupt`` needs beside the clip; draws in an order that ignores ``level``."""

    @abstractmethod
    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """The harmed samples: same length, float32, finite; may exceed full scale."""

    def _check(self, clip: Clip) -> None:
        check_samples(clip)
        if clip.sample_rate_hz < MIN_SAMPLE_RATE_HZ:
            raise RecordRejected(
                "sample_rate_too_low",
                f"{self.name} needs {MIN_SAMPLE_RATE_HZ} Hz or more; the clip has "
                f"{clip.sample_rate_hz} Hz. Resample the dataset.",
            )


def check_level(level: float) -> float:
    """Return a level that lies in [0, 1].

    Raises:
        InvalidValue: it does not, or is NaN.
    """
    if math.isnan(level) or not 0 <= level <= 1:
        raise InvalidValue("level", level, "a number from 0 (untouched) to 1 (strongest)")
    return float(level)


def within_full_scale(samples: Samples) -> Samples:
    """The samples, divided by their peak where it exceeds 1."""
    peak = max(float(samples.max()), -float(samples.min()))
    return samples / np.float32(peak) if peak > 1 else samples


def draw_seed(rng: np.random.Generator) -> int:
    """A seed that stands in a row for the noise that grows from it."""
    return int(rng.integers(2**SEED_BITS))


def normal_noise(seed: int, num_samples: int) -> Samples:
    """Standard normal noise; a longer noise of the same seed begins with the shorter one."""
    generator = np.random.Generator(np.random.SFC64(seed))
    return generator.standard_normal(num_samples, dtype=np.float32)


def number(applied: Applied, name: str) -> float:
    """One numeric parameter of what was drawn.

    Raises:
        InvalidValue: it is missing or not a number, as in a row made by something else.
    """
    value = applied.params.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(f"{applied.name} parameter {name}", value, "a number")
    return value
