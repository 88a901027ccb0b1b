"""Which systems the truth itself tells apart: the rest are not ranked.

The truth of a system is a mean over clips and so uncertain. Two systems are told apart where their
truths differ by more than the 95 % half-width of the difference, which is the root of the sum of
both half-widths squared; the rank of a system is the range of places that this leaves open.
Nothing is corrected for the number of pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mosdata.evaluation.intervals import CONFIDENCE
from mosdata.evaluation.metrics import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueValue:
    """Truth of one system; ``half_width`` is of the 95 % interval, None where it is not known."""

    value: float
    half_width: float | None

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return None if self.half_width is None else self.value - self.half_width

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return None if self.half_width is None else self.value + self.half_width


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Places of the systems that the truth leaves open, 1 = best, and how many pairs it decides.

    ``pairs`` counts those where both truths have an interval; a system without one keeps every
    place open.
    """

    best: tuple[int, ...]
    worst: tuple[int, ...]
    pairs: int
    told_apart: int


def mean_with_interval(values: Floats) -> TrueValue:
    """The mean of a system's clips with its 95 % interval (Student's t), for two clips or more.

    Example:
        >>> found = mean_with_interval(np.array([3.0, 4.0, 5.0]))
        >>> found.value, round(found.half_width, 6)
        (4.0, 2.484138)
    """
    from scipy.special import stdtrit

    mean = float(values.mean())
    if values.size < 2:
        return TrueValue(value=mean, half_width=None)
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    quantile = float(stdtrit(values.size - 1, (1 + CONFIDENCE) / 2))
    return TrueValue(value=mean, half_width=quantile * error)


def rank(systems: Sequence[TrueValue]) -> Ranks:
    """Places that the intervals leave open.

    Example:
        >>> known = [TrueValue(value=v, half_width=0.2) for v in (4.0, 3.9, 2.0)]
        >>> rank(known)
        Ranks(best=(1, 1, 3), worst=(2, 2, 3), pairs=3, told_apart=2)
    """
    values = np.array([system.value for system in systems], dtype=np.float64)
    widths = [math.inf if s.half_width is None else s.half_width for s in systems]
    half = np.array(widths, dtype=np.float64)
    # The half-width of a difference of independent means.
    noise = np.hypot(half[:, None], half[None, :])
    better = values[:, None] - values[None, :] > noise
    known = int(np.count_nonzero(np.isfinite(half)))
    return Ranks(
        best=tuple(int(n) + 1 for n in better.sum(axis=0)),
        worst=tuple(len(systems) - int(n) for n in better.sum(axis=1)),
        pairs=known * (known - 1) // 2,
        told_apart=int(np.count_nonzero(better)),
    )


def rank_sentence(ranks: Ranks, truth: str) -> str:
    """How far systems can be ranked at all; empty where there is no pair to tell apart."""
    if not ranks.pairs:
        return ""
    if ranks.told_apart == ranks.pairs:
        return f"The truth ({truth}) tells all {ranks.pairs} pairs of systems apart."
    return (
        f"The truth ({truth}) tells {ranks.told_apart} of {ranks.pairs} pairs of systems apart; "
        "the others are inside the noise and not ranked."
    )
