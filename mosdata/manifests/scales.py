"""The scales that people and metrics score on; values are stored raw and converted when read.

A score means nothing without its scale. Every rating names one of these, the registry says what
it allows, and a conversion is a straight line between the ends of two scales, held as exact
fractions: there and back is the identity. Scores of a comparison (better or worse than another
clip) are not opinions of one clip; they have no map to MOS and are refused as such.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mosdata.errors import InvalidValue, UnknownName

Floats = NDArray[np.float64]

ACR: Final = "acr_1_5"
"""The scale of a mean opinion score where nothing else is said."""

CMOS: Final = "cmos_-3_3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A scale of scores.

    Args:
        name: how ratings refer to it.
        low: worst score.
        high: best score.
        step: distance of two neighbouring scores that a listener can give; 0 for a slider.
        kind: ``absolute`` judges one clip; ``comparison`` one clip against another.
        source: the standard or corpus that it comes from.
    """

    name: str
    low: Fraction
    high: Fraction
    step: Fraction
    kind: Literal["absolute", "comparison"] = "absolute"
    source: str

    def allows(self, values: ArrayLike) -> NDArray[np.bool_]:
        """True for each value on the scale: finite and between its ends.

        Example:
            >>> SCALES["acr_1_5"].allows([1, 4.5, 5.5, float("nan")]).tolist()
            [True, True, False, False]
        """
        given = np.asarray(values, dtype=np.float64)
        return (given >= float(self.low)) & (given <= float(self.high))

    def __str__(self) -> str:
        return f"{self.name} ({float(self.low):g} to {float(self.high):g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleMap:
    """``y = slope x + offset`` in exact fractions.

    Example:
        >>> there = scale_map("mushra_0_100", "acr_1_5")
        >>> there(37.0), there.inverse()(there(37.0))
        (2.48, 37.0)
        >>> there.inverse().inverse() == there
        True
    """

    slope: Fraction
    offset: Fraction

    def __call__(self, value: float) -> float:
        """The converted score, rounded once, at the end.

        Raises:
            InvalidValue: the score is NaN or infinite.
        """
        if not math.isfinite(value):
            raise InvalidValue("A score", value, "a finite number")
        return float(self.exact(Fraction(value)))

    def exact(self, value: Fraction) -> Fraction:
        """The converted score, not rounded at all."""
        return self.slope * value + self.offset

    def array(self, values: ArrayLike) -> Floats:
        """Many scores; each the same as one by one. NaN stays NaN.

        Scores come from few distinct values, so each is converted once.
        """
        given = np.asarray(values, dtype=np.float64)
        distinct, place = np.unique(given, return_inverse=True)
        converted = [self(value) if math.isfinite(value) else value for value in distinct.tolist()]
        result: Floats = np.array(converted, dtype=np.float64)[place].reshape(given.shape)
        return result

    def inverse(self) -> ScaleMap:
        """The way back, exactly."""
        return ScaleMap(slope=1 / self.slope, offset=-self.offset / self.slope)


def _scale(
    name: str,
    low: int,
    high: int,
    source: str,
    *,
    step: Fraction | int = 1,
    kind: Literal["absolute", "comparison"] = "absolute",
) -> Scale:
    ends = {"low": Fraction(low), "high": Fraction(high)}
    return Scale(name=name, **ends, step=Fraction(step), kind=kind, source=source)


SCALES: Final[Mapping[str, Scale]] = {
    scale.name: scale
    for scale in (
        _scale("acr_1_5", 1, 5, "ITU-T P.800 and P.808, absolute category rating"),
        _scale("continuous_1_5", 1, 5, "absolute rating from 1 to 5 with a slider", step=0),
        _scale("p835_1_5", 1, 5, "ITU-T P.835: signal, background, overall"),
        _scale("dcr_1_5", 1, 5, "ITU-T P.800 Annex D, degradation category rating"),
        _scale("acr_1_7", 1, 7, "seven-point category scale"),
        _scale("acr_0_9", 0, 9, "ten-point category scale"),
        _scale("acr_0_10", 0, 10, "eleven-point category scale"),
        _scale("acr_1_10", 1, 10, "ten-point scale, as of Audiobox Aesthetics"),
        _scale("mushra_0_100", 0, 100, "ITU-R BS.1534 (MUSHRA), whole points"),
        _scale("continuous_0_100", 0, 100, "absolute rating from 0 to 100 with a slider", step=0),
        _scale("0_1", 0, 1, "a share, such as STOI", step=0),
        _scale(CMOS, -3, 3, "ITU-T P.800 Annex E, comparison category rating", kind="comparison"),
        _scale("preference", -1, 1, "A or B: -1, 0, 1", kind="comparison"),
    )
}
"""Every scale by its name."""


def scale_named(name: str) -> Scale:
    """A scale of the registry.

    Raises:
        UnknownName: there is none of this name.
    """
    if name not in SCALES:
        raise UnknownName("scale", name, SCALES)
    return SCALES[name]


def opinion_scale(name: str) -> Scale:
    """A scale on which one clip is judged by itself, as MOS needs.

    Raises:
        UnknownName: there is no scale of this name.
        InvalidValue: it compares two clips.
    """
    scale = scale_named(name)
    if scale.kind == "comparison":
        absolute = ", ".join(sorted(s.name for s in SCALES.values() if s.kind == "absolute"))
        raise InvalidValue(
            "The scale of a MOS",
            name,
            f"a scale that judges one clip by itself ({absolute})",
            "A comparison says which of two clips is better, not how good one is.",
        )
    return scale


def scale_map(source: str, target: str) -> ScaleMap:
    """The straight line that takes the ends of one scale to the ends of another.

    Raises:
        UnknownName: there is no scale of one of the names.
        InvalidValue: one judges a clip, the other compares two.
    """
    old, new = scale_named(source), scale_named(target)
    if old.kind != new.kind:
        raise InvalidValue(
            "A conversion",
            f"{source} to {target}",
            "two scales of one kind",
            "Scores of a comparison have no place on a scale of opinions, nor the other way.",
        )
    slope = (new.high - new.low) / (old.high - old.low)
    return ScaleMap(slope=slope, offset=new.low - slope * old.low)
