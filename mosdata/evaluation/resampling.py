"""Bootstrap replicates of every metric, all at once.

Clips of one system resemble each other, so clips are not drawn one by one: whole systems are
(the cluster bootstrap, Davison and Hinkley 1997, section 3.8). A replicate is then a vector that
says how often each unit came up, all replicates are one matrix, and no replicate is ever built:

- errors, LCC and CCC from sums per unit, so a replicate costs one row of a matrix product;
- SRCC from ranks under multiplicity: a value's rank follows from the weight below it;
- tau-b from the number of concordant pairs between units, a quadratic form in the counts.

The draws depend on the seed and the names of the units, not on what is predicted: two judges of
the same clips share them, which is what makes a difference paired.

Shapes: R replicates, U units (systems or sentences), N items (clips, or systems), K sums.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mosdata.errors import UnknownName
from mosdata.evaluation.metrics import ERRORS, METRICS, Floats, Ints, grouped, pair
from mosdata.manifests.ids import rng_for

Counts = NDArray[np.uint16]

REPLICATES: Final = 2000

MIN_UNITS: Final = 5
"""Fewer units than this cannot show how much units differ; no interval is given."""

KTAU_MAX_ITEMS: Final = 5000
KTAU_MAX_UNITS: Final = 1000
"""Tau-b compares all pairs; above these sizes its interval would take minutes."""

BLOCK_CELLS: Final = 500_000
"""Cells of the largest temporary matrix; replicates are worked on in blocks of this size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resamples:
    """Bootstrap draws: how often each unit came up in each replicate.

    ``unit`` names what was drawn ("systems", "sentences"); ``refusal`` is empty, or the reason
    why these draws cannot give an interval.
    """

    unit: str
    index: Ints
    counts: Counts

    @property
    def num_units(self) -> int:
        """Number of distinct units."""
        return int(self.counts.shape[1])

    @property
    def refusal(self) -> str:
        """Why no interval can be given; empty where one can."""
        if self.num_units >= MIN_UNITS:
            return ""
        return f"an interval needs {MIN_UNITS} {self.unit} or more, not {self.num_units}"

    def refusal_for(self, metric: str) -> str:
        """As ``refusal``, for one metric: tau-b has limits of its own."""
        large = self.index.size > KTAU_MAX_ITEMS or self.num_units > KTAU_MAX_UNITS
        if metric == "ktau" and large and not self.refusal:
            return f"no interval for tau-b above {KTAU_MAX_ITEMS} clips or {KTAU_MAX_UNITS} units"
        return self.refusal

    def blocks(self) -> Iterator[Floats]:
        """The counts as float64, a block of replicates at a time."""
        for block in _blocks(self.counts, max(self.num_units, self.index.size)):
            yield block.astype(np.float64)

    def weigh(self, sums_UK: Floats) -> Floats:
        """What sums per unit add up to in every replicate; shape ``(R, K)``."""
        return np.concatenate([block @ sums_UK for block in self.blocks()])


def resample(
    labels: Sequence[str], *, unit: str, seed: int, replicates: int = REPLICATES
) -> Resamples:
    """Draw units with replacement, as many as there are.

    Args:
        labels: the unit of each item; items of one unit are drawn together.
        unit: what the labels are, in the plural, for people.
        seed: with the names of the units, all the chance there is.
        replicates: number of draws.
    """
    names, index_N = grouped(labels, size=len(labels))
    digest = hashlib.blake2b("\x00".join(names).encode(), digest_size=16).hexdigest()
    rng = rng_for(seed, digest, f"bootstrap/{unit}")
    counts_RU = np.zeros((replicates, len(names)), dtype=np.uint16)
    for block in _blocks(counts_RU, len(names)):
        # Shifted by the row, all draws of a block are counted at once.
        rows, num_units = block.shape
        drawn = rng.integers(num_units, size=block.shape) + num_units * np.arange(rows)[:, None]
        block[:] = np.bincount(drawn.ravel(), minlength=block.size).reshape(block.shape)
    return Resamples(unit=unit, index=index_N, counts=counts_RU)


def _blocks(counts_RU: Counts, width: int) -> Iterator[Counts]:
    """Views of some replicates at a time, so that ``width`` columns of them fit in memory."""
    step = max(1, BLOCK_CELLS // max(1, width))
    for start in range(0, len(counts_RU) if counts_RU.size else 0, step):
        yield counts_RU[start : start + step]


def replicated(
    metric: str, truth: ArrayLike, predicted: ArrayLike, *, resamples: Resamples
) -> Floats:
    """A metric in every replicate; shape ``(R,)``, NaN where a replicate has no value.

    Raises:
        UnknownName: no such metric.
    """
    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    true, pred = pair(truth, predicted)
    if metric == "srcc":
        return _replicated_srcc(true, pred, resamples)
    if metric == "ktau":
        return _replicated_ktau(true, pred, resamples)
    if metric in ERRORS:
        return _replicated_error(metric, true, pred, resamples)
    return _replicated_linear(metric, true, pred, resamples)


def replicated_mean(values: Floats, *, resamples: Resamples) -> Floats:
    """The mean of some values in every replicate; shape ``(R,)``."""
    sums, counts = _sums(np.stack([values, np.ones_like(values)], axis=1), resamples).T
    mean_R: Floats = sums / counts
    return mean_R


def _replicated_error(metric: str, true: Floats, pred: Floats, resamples: Resamples) -> Floats:
    error = np.abs(pred - true)
    mean_R = replicated_mean(error if metric == "mae" else error**2, resamples=resamples)
    value_R: Floats = np.sqrt(mean_R) if metric == "rmse" else mean_R
    return value_R


def _replicated_linear(metric: str, true: Floats, pred: Floats, resamples: Resamples) -> Floats:
    # Centred first: sums of squares of raw scores would lose the digits that matter.
    shift = float(pred.mean() - true.mean())
    x, y = true - true.mean(), pred - pred.mean()
    sums_RK = _sums(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1), resamples)
    n, mean_x, mean_y, xx, yy, xy = (sums_RK / sums_RK[:, :1]).T
    var_x, var_y = xx - mean_x**2, yy - mean_y**2
    if metric == "lcc":
        below = np.sqrt(np.clip(var_x, 0, None) * np.clip(var_y, 0, None))
    else:
        below = (var_x + var_y + (mean_x - mean_y - shift) ** 2) / 2
    exists = _varies(var_x, x) & _varies(var_y, y)
    out = np.full(len(n), np.nan)
    value_R: Floats = np.divide(xy - mean_x * mean_y, below, out=out, where=exists)
    return value_R


def _varies(variance_R: Floats, values: Floats) -> NDArray[np.bool_]:
    """Replicates whose variance is more than rounding."""
    return variance_R > 1e-12 * max(float(np.mean(values**2)), 1e-300)


def _sums(columns_NK: Floats, resamples: Resamples) -> Floats:
    """Sums over the items of every replicate, column by column."""
    sums_UK = np.zeros((resamples.num_units, columns_NK.shape[1]))
    np.add.at(sums_UK, resamples.index, columns_NK)
    return resamples.weigh(sums_UK)


def _replicated_srcc(true: Floats, pred: Floats, resamples: Resamples) -> Floats:
    places = [_places(values) for values in (true, pred)]
    blocks = []
    for counts in resamples.blocks():
        weights = np.take(counts, resamples.index, axis=1)
        total = weights.sum(axis=1)
        ranks = [_weighted_ranks(weights, *place) for place in places]
        # Mean rank is (total + 1) / 2 on both sides, ties or not.
        x, y = (rank - (total[:, None] + 1) / 2 for rank in ranks)
        covariance = np.einsum("rn,rn,rn->r", weights, x, y)
        var_x, var_y = (np.einsum("rn,rn,rn->r", weights, side, side) for side in (x, y))
        below = np.sqrt(var_x * var_y)
        out = np.full(len(below), np.nan)
        blocks.append(np.divide(covariance, below, out=out, where=below > 1e-9))
    return np.concatenate(blocks)


def _places(values: Floats) -> tuple[Ints, Ints, Ints]:
    """Sorting order, the start of each run of equal values, and each item's run."""
    order = np.argsort(values, kind="stable")
    _, starts, runs = np.unique(values[order], return_index=True, return_inverse=True)
    inverse = np.empty_like(runs)
    inverse[order] = runs
    return order, starts, inverse


def _weighted_ranks(weights_RN: Floats, order: Ints, starts: Ints, inverse: Ints) -> Floats:
    """Ranks that the items would have if each were repeated by its weight."""
    runs = np.add.reduceat(np.take(weights_RN, order, axis=1), starts, axis=1)
    mean_rank = np.cumsum(runs, axis=1) - (runs - 1) / 2
    ranks: Floats = np.take(mean_rank, inverse, axis=1)
    return ranks


def _replicated_ktau(true: Floats, pred: Floats, resamples: Resamples) -> Floats:
    concordant, untied_true, untied_pred = _pairs_between_units(true, pred, resamples)
    blocks = []
    for counts in resamples.blocks():
        above, x, y = (
            np.einsum("ru,ru->r", counts @ pairs, counts)
            for pairs in (concordant, untied_true, untied_pred)
        )
        below = np.sqrt(x * y)
        blocks.append(np.divide(above, below, out=np.full(len(x), np.nan), where=below > 0))
    return np.concatenate(blocks)


def _pairs_between_units(
    true: Floats, pred: Floats, resamples: Resamples
) -> tuple[Floats, Floats, Floats]:
    """Concordant minus discordant pairs, and pairs untied on each side, between any two units."""
    order = np.argsort(resamples.index, kind="stable")
    x, y, units = true[order], pred[order], resamples.index[order]
    starts = np.searchsorted(units, np.arange(resamples.num_units))
    tables = np.zeros((3, resamples.num_units, resamples.num_units))
    for rows in np.array_split(np.arange(len(x)), max(1, len(x) // 256)):
        sign_x, sign_y = (np.sign(v[rows, None] - v[None, :]) for v in (x, y))
        for table, pairs in zip(
            tables, (sign_x * sign_y, np.abs(sign_x), np.abs(sign_y)), strict=True
        ):
            np.add.at(table, units[rows], np.add.reduceat(pairs, starts, axis=1))
    return tables[0], tables[1], tables[2]
