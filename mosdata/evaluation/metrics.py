"""How near scores are to the truth: one number each, with the conventions of the field.

The utterance truth is the mean rating of the clip. A system's value is the unweighted mean of its
utterances, for truth and prediction alike, and systems count the same however many clips they
have: the rule of the VoiceMOS and AudioMOS challenges. KTAU is Kendall's tau-b.

A number that does not exist is NaN, never 0: no clips, fewer than two for a correlation, or a
side that is constant. Rows without truth or prediction are the caller's to leave out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mosdata.errors import InvalidValue

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_CLIPS_WITHIN: Final = 3
"""Clips a system needs before its inner ranking means anything; two always give +1 or -1."""

CONSTANT_RANGE: Final = 1e-12
"""Relative range below which a side counts as constant: it differs by rounding only."""


def mse(truth: ArrayLike, predicted: ArrayLike, /) -> float:
    """Mean squared error."""
    true, pred = pair(truth, predicted)
    return float(np.mean((pred - true) ** 2)) if true.size else math.nan


def mae(truth: ArrayLike, predicted: ArrayLike, /) -> float:
    """Mean absolute error."""
    true, pred = pair(truth, predicted)
    return float(np.mean(np.abs(pred - true))) if true.size else math.nan


def rmse(truth: ArrayLike, predicted: ArrayLike, /) -> float:
    """Root of the mean squared error."""
    return math.sqrt(mse(truth, predicted))


def lcc(truth: ArrayLike, predicted: ArrayLike, /) -> float:
    """Linear correlation coefficient (Pearson)."""
    true, pred = pair(truth, predicted)
    return math.nan if no_correlation(true, pred) else _pearson(true, pred)


def srcc(truth: ArrayLike, predicted: ArrayLike, /) -> float:
    """Spearman's rank correlation coefficient; ties get their mean rank."""
    true, pred = pair(truth, predicted)
    return math.nan if no_correlation(true, pred) else _pearson(ranks(true), ranks(pred))


def ktau(truth: ArrayLike, predicted: ArrayLike, /) -> float:
    """Kendall's tau-b, the variant that every MOS challenge reports."""
    from scipy.stats import kendalltau

    true, pred = pair(truth, predicted)
    if no_correlation(true, pred):
        return math.nan
    found: Any = kendalltau(true, pred)  # scipy declares its result as a bare tuple
    return float(found.statistic)


def ccc(truth: ArrayLike, predicted: ArrayLike, /) -> float:
    """Concordance correlation coefficient (Lin 1989), with variances divided by N.

    A constant side is NaN here too, as for the other correlations, where the formula says 0.
    """
    true, pred = pair(truth, predicted)
    if no_correlation(true, pred):
        return math.nan
    covariance = float(np.mean((true - true.mean()) * (pred - pred.mean())))
    return float(2 * covariance / (true.var() + pred.var() + (true.mean() - pred.mean()) ** 2))


METRICS: Final[Mapping[str, Callable[[ArrayLike, ArrayLike], float]]] = {
    "mse": mse,
    "rmse": rmse,
    "mae": mae,
    "lcc": lcc,
    "srcc": srcc,
    "ktau": ktau,
    "ccc": ccc,
}
"""Every metric by its name, in the order reports show them."""

ERRORS: Final = frozenset({"mse", "rmse", "mae"})
"""Metrics where less is better; of the others, more."""


def utterance_metrics(truth: ArrayLike, predicted: ArrayLike, /) -> dict[str, float]:
    """All metrics over clips.

    Example:
        >>> round(utterance_metrics([1.0, 2.0, 4.0], [1.0, 2.5, 3.0])["lcc"], 6)
        0.891042
    """
    return {name: metric(truth, predicted) for name, metric in METRICS.items()}


def system_metrics(
    truth: ArrayLike, predicted: ArrayLike, systems: Sequence[str], /
) -> dict[str, float]:
    """All metrics over systems, each the unweighted mean of its clips."""
    means = system_means(truth, predicted, systems)
    return utterance_metrics(means.truth, means.predicted)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemMeans:
    """Truth and prediction of each system, in the order of the names."""

    names: tuple[str, ...]
    num_clips: Ints
    truth: Floats
    predicted: Floats


def system_means(truth: ArrayLike, predicted: ArrayLike, systems: Sequence[str], /) -> SystemMeans:
    """Mean of the utterance values of every system."""
    true, pred = pair(truth, predicted)
    names, index = grouped(systems, size=true.size)
    counts = np.bincount(index, minlength=len(names))
    return SystemMeans(
        names=names,
        num_clips=counts.astype(np.int64),
        truth=np.bincount(index, true, len(names)) / counts,
        predicted=np.bincount(index, pred, len(names)) / counts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinSystem:
    """How well clips of one system are told apart, for each system and on average.

    ``systems`` were judged, with their ``srcc`` and ``lcc``; ``too_few`` had fewer than
    ``MIN_CLIPS_WITHIN`` clips and ``constant`` clips of one truth only.
    """

    systems: tuple[str, ...]
    srcc: Floats
    lcc: Floats
    too_few: tuple[str, ...]
    constant: tuple[str, ...]

    def mean(self, metric: str) -> float:
        """Unweighted mean over the judged systems; NaN where there is none."""
        values: Floats = getattr(self, metric)
        return float(values.mean()) if values.size else math.nan


def within_system_metrics(
    truth: ArrayLike, predicted: ArrayLike, systems: Sequence[str], /
) -> WithinSystem:
    """Correlations inside each system: what is left when knowing the system does not help.

    A judge that says the same of every clip of a system orders nothing and gets 0 there; leaving
    such systems out would flatter it.
    """
    true, pred = pair(truth, predicted)
    names, index = grouped(systems, size=true.size)
    judged: dict[str, tuple[float, float]] = {}
    too_few, constant = [], []
    for number, name in enumerate(names):
        true_s, pred_s = true[index == number], pred[index == number]
        if true_s.size < MIN_CLIPS_WITHIN:
            too_few.append(name)
        elif is_constant(true_s):
            constant.append(name)
        else:
            silent = is_constant(pred_s)
            judged[name] = (0.0, 0.0) if silent else (srcc(true_s, pred_s), lcc(true_s, pred_s))
    values = np.array([*judged.values()], dtype=np.float64).reshape(-1, 2)
    return WithinSystem(
        systems=tuple(judged),
        srcc=values[:, 0],
        lcc=values[:, 1],
        too_few=tuple(too_few),
        constant=tuple(constant),
    )


def pair(truth: ArrayLike, predicted: ArrayLike, /) -> tuple[Floats, Floats]:
    """Both sides as float64 vectors.

    Raises:
        InvalidValue: not two vectors of one length, or a value that is not finite.
    """
    true = np.asarray(truth, dtype=np.float64)
    pred = np.asarray(predicted, dtype=np.float64)
    if true.ndim != 1 or true.shape != pred.shape:
        given = f"shapes {true.shape} and {pred.shape}"
        raise InvalidValue("truth and predicted", given, "two vectors of one length")
    if not (np.isfinite(true).all() and np.isfinite(pred).all()):
        raise InvalidValue(
            "truth and predicted", "NaN or infinite", "finite numbers",
            "Leave out clips that have no truth or no prediction, and count them.",
        )  # fmt: skip
    return true, pred


def no_correlation(true: Floats, pred: Floats) -> bool:
    """True where no correlation exists: fewer than two clips, or a constant side."""
    return true.size < 2 or is_constant(true) or is_constant(pred)


def is_constant(values: Floats) -> bool:
    """True where all values are one number, but for rounding."""
    return bool(np.ptp(values) <= CONSTANT_RANGE * np.abs(values).max())


def ranks(values: Floats) -> Floats:
    """Ranks from 1, tied values at the mean of their places."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank: Floats = mean_rank[inverse]
    return rank


def grouped(labels: Sequence[Any], *, size: int) -> tuple[tuple[str, ...], Ints]:
    """Distinct labels, sorted, and the index of each item's label.

    Raises:
        InvalidValue: not one label per item.
    """
    if len(labels) != size:
        raise InvalidValue("systems", f"{len(labels)} names for {size} clips", "one per clip")
    names, index = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
    return tuple(str(name) for name in names), index.astype(np.int64)


def _pearson(true: Floats, pred: Floats) -> float:
    true, pred = true - true.mean(), pred - pred.mean()
    value = (true @ pred) / (np.linalg.norm(true) * np.linalg.norm(pred))
    return float(np.clip(value, -1.0, 1.0))
