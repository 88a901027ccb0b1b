"""Two disjoint halves of the listeners: how well they agree, before and after de-biasing.

Where raters are named, each half is other people. Where none is, the ratings of each clip are
dealt into two; the same person may then sit on both sides of different clips.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from mosdata.errors import InvalidValue
from mosdata.manifests.ids import JSON, rng_for
from mosdata.raters.correlation import MIN_ITEMS, pearson, spearman
from mosdata.raters.counting import Floats, Ints, counts, ratio, totals
from mosdata.raters.debias import SHRINKAGE, Method, debias
from mosdata.raters.estimate import Estimate
from mosdata.raters.panel import Bools, Panel

Level = Literal["utterance", "system"]
Sides = Literal["none", "one side", "both sides"]

NUM_SPLITS: Final = 20
BY_RATERS: Final = "raters"
WITHIN_CLIPS: Final = "ratings within a clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitHalf:
    """Agreement of two random halves, averaged over splits.

    Args:
        level: ``utterance`` or ``system``.
        halves: ``raters`` where each half is other people; ``ratings within a clip`` where raters
            are not named.
        debiased: ``none``, ``one side`` or ``both sides``.
        lcc: mean Pearson correlation of the two halves.
        srcc: mean Spearman correlation.
        mse: mean squared difference, in squared points.
        lcc_std: standard deviation of ``lcc`` over splits; None for fewer than two.
        srcc_std: the same of ``srcc``.
        num_splits: how many random splits.
        num_items: clips or systems that both halves rated, mean over splits.
        num_unnamed: ratings left out, since others name their rater and they do not.
    """

    level: Level
    halves: str
    debiased: Sides
    lcc: Estimate
    srcc: Estimate
    mse: Estimate
    lcc_std: float | None
    srcc_std: float | None
    num_splits: int
    num_items: float
    num_unnamed: int = 0

    def to_json(self) -> dict[str, JSON]:
        """Every field by its name."""
        return {
            "level": self.level,
            "halves": self.halves,
            "debiased": self.debiased,
            "lcc": self.lcc.to_json(),
            "srcc": self.srcc.to_json(),
            "mse": self.mse.to_json(),
            "lcc_std": self.lcc_std,
            "srcc_std": self.srcc_std,
            "num_splits": self.num_splits,
            "num_items": self.num_items,
            "num_unnamed": self.num_unnamed,
        }


def split_half(
    panel: Panel,
    *,
    level: Level = "utterance",
    num_splits: int = NUM_SPLITS,
    seed: int = 0,
    debias: Method | None = None,
    shrinkage: float = SHRINKAGE,
) -> SplitHalf:
    """Agreement of two disjoint halves of the listeners, over the items that both rated.

    Args:
        panel: the ratings.
        level: clips, or systems (the unweighted mean of a half's clip means).
        num_splits: how many random splits.
        seed: of the splits; with it and the names of the raters they are always the same.
        debias: None, or how each half is de-biased, apart from the other.
        shrinkage: of the de-biasing.
    """
    sides: Sides = "none" if debias is None else "both sides"
    wanted = [(level, sides)]
    method: Method = debias or "additive"
    return split_halves(
        panel, wanted, method=method, shrinkage=shrinkage, num_splits=num_splits, seed=seed
    )[0]


def agreement_lift(
    panel: Panel,
    *,
    method: Method = "additive",
    shrinkage: float = SHRINKAGE,
    num_splits: int = NUM_SPLITS,
    seed: int = 0,
) -> tuple[SplitHalf, ...]:
    """What de-biasing is worth: the agreement of halves raw, with one side and with both.

    Rows in this order: utterance none, one side, both sides; then the same of systems, where
    systems are known.
    """
    levels: tuple[Level, ...] = ("utterance", "system") if panel.num_systems else ("utterance",)
    steps: tuple[Sides, ...] = ("none", "one side", "both sides")
    wanted = [(level, sides) for level in levels for sides in steps]
    return split_halves(
        panel, wanted, method=method, shrinkage=shrinkage, num_splits=num_splits, seed=seed
    )


def split_halves(
    panel: Panel,
    wanted: Sequence[tuple[Level, Sides]],
    *,
    num_splits: int,
    seed: int,
    method: Method = "additive",
    shrinkage: float = SHRINKAGE,
) -> tuple[SplitHalf, ...]:
    """Several agreements of the same splits, in the order wanted.

    Raises:
        InvalidValue: fewer than one split.
    """
    if num_splits < 1:
        raise InvalidValue("The number of splits", num_splits, "1 or more")
    refusal = _refusal(panel, debiased=any(sides != "none" for _, sides in wanted))
    found: list[list[tuple[float, float, float, int]]] = [[] for _ in wanted]
    for first_N, second_N in () if refusal else _splits(panel, num_splits, seed):
        halves = _Halves(panel, first_N, second_N, method=method, shrinkage=shrinkage)
        for numbers, (level, sides) in zip(found, wanted, strict=True):
            numbers.append(halves.agreement(level, sides))
    return tuple(
        _summary(panel, level, sides, numbers, refusal=refusal)
        for numbers, (level, sides) in zip(found, wanted, strict=True)
    )


class _Halves:
    """One split: clip means of both sides, raw and de-biased, each computed once."""

    def __init__(
        self, panel: Panel, first_N: Bools, second_N: Bools, *, method: Method, shrinkage: float
    ) -> None:
        self._panel = panel
        self._rows = (first_N, second_N)
        self._method: Method = method
        self._shrinkage = shrinkage
        # Both sides in one pass: their codes lie side by side, ratings of neither are left out.
        side_N, value_N = 2 * panel.clip_N + second_N, panel.value_N
        if panel.num_raters and panel.num_unnamed:
            either_N = first_N | second_N
            side_N, value_N = side_N[either_N], value_N[either_N]
        votes = counts(side_N, 2 * panel.num_clips)
        means = ratio(totals(side_N, value_N, 2 * panel.num_clips), votes)
        self._votes = (votes[::2], votes[1::2])
        self._means = {(0, False): means[::2], (1, False): means[1::2]}

    def agreement(self, level: Level, sides: Sides) -> tuple[float, float, float, int]:
        """LCC, SRCC, MSE and the number of items."""
        first_C = self._mean(0, debiased=sides != "none")
        second_C = self._mean(1, debiased=sides == "both sides")
        if level == "utterance":
            both_C = (self._votes[0] > 0) & (self._votes[1] > 0)
            first, second = first_C[both_C], second_C[both_C]
        else:
            first, second = self._systems(first_C, second_C)
        if first.size < MIN_ITEMS:
            return math.nan, math.nan, math.nan, int(first.size)
        mse = float(np.mean((first - second) ** 2))
        return pearson(first, second), spearman(first, second), mse, int(first.size)

    def _mean(self, side: int, *, debiased: bool) -> Floats:
        key = (side, debiased)
        if key not in self._means:
            half = self._panel.select(self._rows[side])
            fit = debias(half, method=self._method, shrinkage=self._shrinkage)
            self._means[key] = fit.quality_C
        return self._means[key]

    def _systems(self, first_C: Floats, second_C: Floats) -> tuple[Floats, Floats]:
        system_C, size = self._panel.system_C, self._panel.num_systems
        sides = []
        both_S = np.ones(size, np.bool_)
        for votes_C, mean_C in zip(self._votes, (first_C, second_C), strict=True):
            rated_C = (votes_C > 0) & (system_C >= 0)
            clips_S = counts(system_C[rated_C], size)
            both_S &= clips_S > 0
            sides.append(ratio(totals(system_C[rated_C], mean_C[rated_C], size), clips_S))
        return sides[0][both_S], sides[1][both_S]


def _refusal(panel: Panel, *, debiased: bool) -> str:
    if panel.num_unnamed < panel.num_ratings:
        return "" if panel.num_raters > 1 else "only one rater is named"
    if debiased:
        return "no rater is named, so there are no offsets to take out"
    if not panel.num_ratings:
        return "there are published means only, no single ratings"
    return "" if counts(panel.clip_N, panel.num_clips).max() > 1 else "every clip has one rating"


def _splits(panel: Panel, num_splits: int, seed: int) -> Iterator[tuple[Bools, Bools]]:
    """Which ratings are in the first and in the second half, split by split."""
    if not panel.num_raters:
        order_N, clip_N = _by_clip_and_value(panel)
    for number in range(num_splits):
        rng = rng_for(seed, f"split {number}", "split_half")
        if panel.num_raters:
            first_R = np.zeros(panel.num_raters, np.bool_)
            first_R[rng.permutation(panel.num_raters)[: panel.num_raters // 2]] = True
            first_N = first_R[panel.rater_N]
            named_N = panel.rater_N >= 0 if panel.num_unnamed else np.True_
            yield first_N & named_N, ~first_N & named_N
        else:
            first_N = np.empty(panel.num_ratings, np.bool_)
            first_N[order_N] = _dealt(clip_N, rng)
            yield first_N, ~first_N


def _by_clip_and_value(panel: Panel) -> tuple[Ints, Ints]:
    """The order of the ratings by clip name, then value, and their clips' ranks in that order.

    Nameless ratings have nothing else to tell them apart, so chance goes by this order and not
    by the order of the rows.
    """
    rank_N = panel.clip_ranks()[panel.clip_N]
    order_N = np.lexsort((panel.value_N, rank_N))
    return order_N, rank_N[order_N]


def _dealt(clip_N: Ints, rng: np.random.Generator) -> Bools:
    """The ratings of each clip dealt in turn, in an order of chance; ``clip_N`` is sorted."""
    shuffled_N = np.argsort(clip_N + rng.random(clip_N.size))
    starts = np.searchsorted(clip_N, clip_N)
    coin_C = rng.integers(2, size=int(clip_N.max()) + 1)  # who gets the odd one
    first_N = np.empty(clip_N.size, np.bool_)
    first_N[shuffled_N] = (np.arange(clip_N.size) - starts + coin_C[clip_N]) % 2 == 0
    return first_N


def _summary(
    panel: Panel,
    level: Level,
    sides: Sides,
    numbers: Sequence[tuple[float, float, float, int]],
    *,
    refusal: str,
) -> SplitHalf:
    halves = BY_RATERS if panel.num_raters else WITHIN_CLIPS
    method = f"mean over {len(numbers)} splits, halves of {halves}"
    table = np.array(numbers, dtype=np.float64).reshape(-1, 4)
    items = float(table[:, 3].mean()) if len(numbers) else 0.0
    reason = refusal or (
        f"fewer than {MIN_ITEMS} {'clips' if level == 'utterance' else 'systems'} have ratings "
        "on both sides, or all of a side are the same"
    )
    lcc, srcc, mse = (Estimate.mean(table[:, place], method, reason=reason) for place in range(3))
    return SplitHalf(
        level=level,
        halves=halves,
        debiased=sides,
        lcc=lcc,
        srcc=srcc,
        mse=mse,
        lcc_std=_std_of(table[:, 0]),
        srcc_std=_std_of(table[:, 1]),
        num_splits=len(numbers),
        num_items=items,
        num_unnamed=panel.num_unnamed if panel.num_raters else 0,
    )


def _std_of(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if known.size > 1 else None
