"""How sure the numbers are: percentile intervals, and differences between two judges.

Every number comes as a :class:`Measure`: the value, its 95 % interval from bootstrap replicates,
and, where one of them does not exist, the reason. Nothing is missing in silence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from mosdata.evaluation.confusion import class_metric, confusion
from mosdata.evaluation.metrics import METRICS, Floats, is_constant, pair
from mosdata.evaluation.resampling import Resamples, replicated, replicated_mean

CONFIDENCE: Final = 0.95

MAX_UNDEFINED: Final = 0.05
"""Share of replicates that may have no value (a constant side) before the interval is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number with its interval; what is missing is None, and ``reason`` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """First judge minus second on the same clips; ``p_value`` is two-sided."""

    value: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    reason: str = ""


def measure(
    metric: str, truth: ArrayLike, predicted: ArrayLike, *, resamples: Resamples
) -> Measure:
    """A metric with its percentile interval, or with the reason why there is none."""
    true, pred = pair(truth, predicted)
    value = METRICS[metric](true, pred)
    if math.isnan(value):
        return Measure(value=None, n=true.size, reason=why_undefined(true))
    refusal = resamples.refusal_for(metric)
    if refusal:
        return Measure(value=value, n=true.size, reason=refusal)
    return with_interval(value, replicated(metric, true, pred, resamples=resamples), n=true.size)


def measure_mean(values: ArrayLike, *, resamples: Resamples) -> Measure:
    """The mean of some values with its interval."""
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        return Measure(value=None, n=0, reason="no values")
    if resamples.refusal:
        return Measure(value=float(array.mean()), n=array.size, reason=resamples.refusal)
    replicates_R = replicated_mean(array, resamples=resamples)
    return with_interval(float(array.mean()), replicates_R, n=array.size)


def measure_class(
    metric: str, truth: Sequence[str], predicted: Sequence[str], *, resamples: Resamples
) -> Measure:
    """A classification metric with its interval."""
    table = confusion(truth, predicted)
    value = table.metrics()[metric]
    if math.isnan(value):
        return Measure(value=None, n=0, reason="no clips with a true and a predicted class")
    if resamples.refusal:
        return Measure(value=value, n=len(truth), reason=resamples.refusal)
    place = {name: i for i, name in enumerate(table.names)}
    size = len(place)
    counts_UK = np.zeros((resamples.num_units, size * size))
    for unit, true, pred in zip(resamples.index, truth, predicted, strict=True):
        counts_UK[unit, place[true] * size + place[pred]] += 1
    replicates_R = class_metric(metric, resamples.weigh(counts_UK))
    return with_interval(value, replicates_R, n=len(truth))


def with_interval(value: float, replicates_R: Floats, *, n: int) -> Measure:
    """A value with the percentile interval of its replicates."""
    kept = replicates_R[np.isfinite(replicates_R)]
    undefined = 1 - kept.size / max(1, replicates_R.size)
    if undefined > MAX_UNDEFINED:
        reason = f"{100 * undefined:.0f} % of the replicates have no value: a side is constant"
        return Measure(value=value, n=n, reason=reason)
    low, high = np.quantile(kept, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Measure(value=value, low=float(low), high=float(high), n=n)


def paired_difference(
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    metric: str,
    resamples: Resamples,
) -> Difference:
    """Metric of the first judge minus that of the second, on the same clips and replicates.

    The p-value is twice the smaller share of replicates on either side of 0, counting one more
    replicate than there are so that it is never 0 (Davison and Hinkley 1997, section 4.2).
    """
    values = [METRICS[metric](truth, predicted) for predicted in (first, second)]
    if any(math.isnan(value) for value in values):
        return Difference(value=None, reason=why_undefined(pair(truth, first)[0]))
    value = values[0] - values[1]
    refusal = resamples.refusal_for(metric)
    if refusal:
        return Difference(value=value, reason=refusal)
    replicates = replicated(metric, truth, first, resamples=resamples) - replicated(
        metric, truth, second, resamples=resamples
    )
    return _difference(value, replicates)


def _difference(value: float, replicates_R: Floats) -> Difference:
    spread = with_interval(value, replicates_R, n=0)
    if spread.low is None:
        return Difference(value=value, reason=spread.reason)
    kept = replicates_R[np.isfinite(replicates_R)]
    smaller = min(np.count_nonzero(kept <= 0), np.count_nonzero(kept >= 0))
    p_value = min(1.0, float(2 * (smaller + 1) / (kept.size + 1)))
    return Difference(value=value, low=spread.low, high=spread.high, p_value=p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for having asked several questions (Holm 1979).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    worst = 0.0
    for place, number in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (len(p_values) - place) * p_values[number]))
        corrected[number] = worst
    return corrected


def why_undefined(true: Floats) -> str:
    """Why a metric has no value, judged by the truth; else it is the prediction's fault."""
    if not true.size:
        return "no clips with truth and prediction"
    if true.size < 2:
        return "one value only; a correlation needs two"
    side = "the truth" if is_constant(true) else "the prediction"
    return f"{side} is constant, so nothing can be correlated with it"
