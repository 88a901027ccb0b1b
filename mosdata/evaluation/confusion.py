"""How well classes are named: counts of what was taken for what, and the numbers from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mosdata.errors import InvalidValue
from mosdata.evaluation.metrics import Floats, Ints

CLASS_METRICS: Final = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Counts of true (rows) and predicted (columns) classes; ``names`` holds both kinds."""

    names: tuple[str, ...]
    counts: Ints

    @property
    def num_clips(self) -> int:
        """Clips counted."""
        return int(self.counts.sum())

    @property
    def num_true_classes(self) -> int:
        """Classes that occur in the truth."""
        return int(np.count_nonzero(self.counts.sum(axis=1)))

    @property
    def majority(self) -> str:
        """The most frequent true class, the first by name where several are."""
        return self.names[int(self.counts.sum(axis=1).argmax())]

    def metrics(self) -> dict[str, float]:
        """Accuracy, balanced accuracy, macro-F1 and the two chance levels.

        Balanced accuracy averages recall over true classes; macro-F1 averages over all classes
        that occur on either side. ``chance_majority`` is the accuracy of always naming the most
        frequent class, ``chance_uniform`` of guessing among the true classes.
        """
        if not self.num_clips:
            return dict.fromkeys((*CLASS_METRICS, "chance_majority", "chance_uniform"), math.nan)
        flat = self.counts.reshape(1, -1).astype(np.float64)
        values = {name: float(class_metric(name, flat)[0]) for name in CLASS_METRICS}
        share = self.counts.sum(axis=1).max() / self.num_clips
        return values | {
            "chance_majority": float(share),
            "chance_uniform": 1 / self.num_true_classes,
        }


def confusion(truth: Sequence[str], predicted: Sequence[str], /) -> Confusion:
    """Count which class was taken for which."""
    if len(truth) != len(predicted):
        raise InvalidValue(
            "confusion", f"{len(truth)} true and {len(predicted)} predicted classes", "as many"
        )
    names = tuple(sorted({*truth, *predicted}))
    index = {name: i for i, name in enumerate(names)}
    counts_CC = np.zeros((len(names), len(names)), dtype=np.int64)
    for true, pred in zip(truth, predicted, strict=True):
        counts_CC[index[true], index[pred]] += 1
    return Confusion(names=names, counts=counts_CC)


def class_metric(name: str, counts_RCC: Floats) -> Floats:
    """One classification metric of many confusion tables at once, each flat in a row."""
    num_classes = math.isqrt(counts_RCC.shape[1])
    counts = counts_RCC.reshape(-1, num_classes, num_classes)
    hits = np.einsum("rcc->rc", counts)
    true, pred = counts.sum(axis=2), counts.sum(axis=1)
    if name == "accuracy":
        return _ratio(hits.sum(axis=1), true.sum(axis=1))
    if name == "balanced_accuracy":
        return _mean_present(hits, true)
    return _mean_present(2 * hits, true + pred)


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


def _mean_present(above_RC: Floats, below_RC: Floats) -> Floats:
    """Mean of the ratios that exist, row by row."""
    share = np.divide(above_RC, below_RC, out=np.zeros(above_RC.shape), where=below_RC > 0)
    return _ratio(share.sum(axis=1), (below_RC > 0).sum(axis=1).astype(np.float64))
