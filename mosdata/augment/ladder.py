"""What all corruptions with a ladder share: the checks before, the level 0, the full scale."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.calibration import level_at, position_of
from mosdata.augment.speech_level import check_audible, checked_peak
from mosdata.errors import InvalidValue, RecordRejected, UnknownName
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

MIN_SAMPLE_RATE_HZ: Final = 8_000
"""Below the rate of the telephone the ladders have no room to climb."""

AMPLE_RATE_HZ: Final = 192_000
"""At which all that a rate limits has room."""

SEED_BITS: Final = 53
"""Drawn seeds survive JSON readers that keep numbers as doubles."""

MIN_LEVEL: Final = 0.001
"""Recorded where physical values are milder than the foot of the ladder: 0 is untouched."""

HALVINGS: Final = 30
"""Of the scale, when a value is looked up on it: to a billionth."""


class LadderCorruption(ABC):
    """A corruption whose level is a place on a ladder of physical values.

    A subclass says what a place means (``scale``), what it draws (``draw_params``) and what it
    does (``corrupt``). It never sees level 0, silence, NaN or samples beyond full scale. What it
    draws cannot depend on the level, for it does not see that either: a higher level is the same
    damage and more of it.
    """

    name: str = ""
    parameters: ClassVar[Mapping[str, Parameter]] = {}

    @property
    def takes_a_chance(self) -> bool:
        """Whether anything is drawn at all; if not, no generator is looked at."""
        return type(self).draw_params is not LadderCorruption.draw_params

    def draw(self, level: float, clip: Clip, rng: np.random.Generator) -> Applied:
        """Choose the physical parameters for one clip; see :class:`Corruption`.

        Raises:
            InvalidValue: a level outside [0, 1].
            RecordRejected: ``silence``, ``not_finite``, ``empty_audio`` or
                ``sample_rate_too_low``.
        """
        if check_level(level) == 0:
            return Applied(name=self.name, level=0.0)
        self._check_audible(clip)
        return self._drawn(level, self.ladder(level, clip.sample_rate_hz), clip, rng)

    def draw_at(self, values: Mapping[str, float], clip: Clip, rng: np.random.Generator) -> Applied:
        """Draw at given physical values; the level on record is where the ladder has them.

        Args:
            values: one or more of ``parameters``; the others stand where the ladder has them.
            clip: not changed.
            rng: as for :meth:`draw`, with the same outcome.

        Raises:
            InvalidValue: a value that has no meaning here (UnknownName: an unknown one).
            RecordRejected: as :meth:`draw`.
        """
        self._check_audible(clip)
        level, whole = self._placed(values, clip.sample_rate_hz)
        return self._drawn(level, whole, clip, rng)

    def apply(self, clip: Clip, applied: Applied) -> Clip:
        """Do what was drawn; level 0 returns the very clip.

        A result that would leave full scale is turned down as a whole to a peak of 1, which
        changes no ratio within the clip; it is never clipped or wrapped.

        Raises:
            InvalidValue: the row has a value that this kind does not take.
            RecordRejected: ``sample_rate_too_low``: the row was drawn for a clip at a higher rate,
                and means nothing at this one; ``not_finite`` or ``empty_audio``.
        """
        if applied.level == 0:
            return clip
        self._check_rate(clip)
        self._check_row(applied, clip.sample_rate_hz)
        peak = checked_peak(clip)
        if peak > 1:
            clip = Clip(clip.samples / np.float32(peak), clip.sample_rate_hz)
        samples = self.corrupt(clip, applied)
        return Clip(within_full_scale(samples), clip.sample_rate_hz)

    def ladder(self, level: float, sample_rate_hz: int) -> dict[str, float]:
        """The physical meaning of a level in (0, 1]: name with unit -> value."""
        return self.scale(position_of(self.name, check_level(level)), sample_rate_hz)

    def values_of(self, given: Mapping[str, float], sample_rate_hz: int) -> dict[str, float]:
        """All physical values where some are given: the others as the ladder has them there.

        Raises:
            UnknownName: not a parameter of this corruption.
            InvalidValue: none given, or outside what it may be.
        """
        return self._placed(given, sample_rate_hz)[1]

    @abstractmethod
    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:
        """The physical values at a place of the scale, one for each of ``parameters``.

        Args:
            position: 0 is the least harm worth the name, 1 the most; strictly more between.
            sample_rate_hz: of the clip.
        """

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - not every kind takes a chance
        """What ``corrupt`` needs beside the clip and the physical values; nothing by default."""
        return {}

    def complete(
        self, given: Mapping[str, float], position: float, sample_rate_hz: int
    ) -> dict[str, float]:
        """All values where some are given: by default the others as the scale has them there."""
        return {**self.scale(position, sample_rate_hz), **given}

    def check_values(self, values: Mapping[str, float], sample_rate_hz: int) -> None:  # noqa: B027 - a hook that most kinds leave alone
        """Refuse values that do not go together, or not at this rate; all pass by default.

        Raises:
            InvalidValue: they do not.
        """

    @abstractmethod
    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """The harmed samples: same length, float32, finite; may exceed full scale."""

    def _drawn(
        self, level: float, values: Mapping[str, float], clip: Clip, rng: np.random.Generator
    ) -> Applied:
        params = {**values, **self.draw_params(clip, rng)}
        return Applied(name=self.name, level=float(level), params=params)

    def _placed(
        self, given: Mapping[str, float], sample_rate_hz: int
    ) -> tuple[float, dict[str, float]]:
        """The level that given values stand for, and all values there."""
        if not given:
            raise InvalidValue(f"values of {self.name}", "none", ", ".join(self.parameters))
        for key, value in given.items():
            if key not in self.parameters:
                raise UnknownName(f"parameter of {self.name}", key, self.parameters)
            if not math.isfinite(value) or not self.parameters[key].allows(value):
                raise InvalidValue(f"{key} of {self.name}", value, self.parameters[key].allowed)
        position = self._position(given, sample_rate_hz)
        values = self.complete(given, position, sample_rate_hz)
        self.check_values(values, sample_rate_hz)
        return max(MIN_LEVEL, round(level_at(self.name, position), 6)), values

    def _position(self, given: Mapping[str, float], sample_rate_hz: int) -> float:
        """Where the scale has the given values that move along it: the middle of a rung.

        The first of them says where, the next ones where within that: edges, rates and bitrates
        stand still over parts of a scale. Where none moves, it is that of level 1.
        """
        start, stop = 0.0, 1.0
        moved = False
        for key in self.parameters:
            if key not in given:
                continue
            first, last = (self.scale(place, sample_rate_hz)[key] for place in (start, stop))
            if first == last:
                continue
            moved, sign = True, 1 if last > first else -1

            def excess(position: float, key: str = key, sign: int = sign) -> float:
                return sign * (self.scale(position, sample_rate_hz)[key] - given[key])

            _, reached = _edge(lambda position: excess(position) >= 0, start, stop)
            kept, _ = _edge(lambda position: excess(position) > 0, start, stop)
            start, stop = reached, max(reached, kept)
        return (start + stop) / 2 if moved else position_of(self.name, 1.0)

    def _check_audible(self, clip: Clip) -> None:
        check_audible(clip)  # silence has no quality to harm
        self._check_rate(clip)

    def _check_row(self, applied: Applied, sample_rate_hz: int) -> None:
        values = {key: number(applied, key) for key in self.parameters if key in applied.params}
        for key, value in values.items():
            if not self.parameters[key].allows(value):
                what = f"{key} in a row of {self.name}"
                raise InvalidValue(what, value, self.parameters[key].allowed)
        try:
            self.check_values(values, sample_rate_hz)
        except KeyError:
            return  # what a row must have is asked for where it is needed
        except InvalidValue as error:
            self.check_values(values, AMPLE_RATE_HZ)  # raises where no rate is to blame
            raise RecordRejected(
                "sample_rate_too_low", f"The row was drawn at another sampling rate: {error}"
            ) from error

    def _check_rate(self, clip: Clip) -> None:
        if clip.sample_rate_hz < MIN_SAMPLE_RATE_HZ:
            raise RecordRejected(
                "sample_rate_too_low",
                f"{self.name} needs {MIN_SAMPLE_RATE_HZ} Hz or more; the clip has "
                f"{clip.sample_rate_hz} Hz. Resample the dataset.",
            )


def _edge(holds: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    """The places on a stretch right before and after a condition that stays true begins to hold."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return low, high


def check_level(level: float) -> float:
    """Return a level that lies in [0, 1].

    Raises:
        InvalidValue: it does not, or is NaN or no number.
    """
    given: object = level  # from a config, it may be anything
    is_number = isinstance(given, int | float | np.number) and not isinstance(given, bool)
    if not (is_number and 0 <= level <= 1):  # nor NaN
        raise InvalidValue("level", level, "a number from 0 (untouched) to 1 (strongest)")
    return float(level)


def within_full_scale(samples: Samples) -> Samples:
    """The samples, divided by their peak where it exceeds 1."""
    peak = max(float(samples.max()), -float(samples.min()))
    return samples / np.float32(peak) if peak > 1 else samples


def draw_seed(rng: np.random.Generator) -> int:
    """A seed that stands in a row for the noise that grows from it."""
    return int(rng.integers(2**SEED_BITS))


def number(applied: Applied, name: str, *, of_old: float | None = None) -> float:
    """One numeric parameter of what was drawn.

    Args:
        applied: of a row.
        name: of the parameter.
        of_old: what it was in rows of old, which do not say so.

    Raises:
        InvalidValue: it is missing or not a number, as in a row made by something else.
    """
    value = applied.params.get(name, of_old)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(f"{applied.name} parameter {name}", value, "a number")
    return value
