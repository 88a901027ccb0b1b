"""A rater nobody has heard of, known from a few ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mosdata.errors import InvalidValue
from mosdata.manifests.ids import JSON, rng_for
from mosdata.raters.codes import numpy_of
from mosdata.raters.correlation import pearson, spearman
from mosdata.raters.counting import Floats, Ints, counts, ratio, totals
from mosdata.raters.debias import SHRINKAGE, debias
from mosdata.raters.estimate import Estimate
from mosdata.raters.panel import Bools, Panel

FEW_SHOT_SHRINKAGE: Final = 2.0
"""An offset learnt from k ratings is their sum over k + 2: two ratings say it is nothing."""

METRICS: Final = ("mse", "lcc", "srcc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The habits of new raters, as far as their few ratings tell.

    Args:
        rater_names: the new raters, sorted.
        centre: score about which gains turn, in points.
        offset_R: what each adds to the panel's quality, in points.
        gain_R: how far each spreads scores; all 1 unless asked for.
        count_R: ratings that it was learnt from; 0 for raters without a clip of known quality.
        num_unmatched: ratings of clips whose quality is not known; left out.
        num_unnamed: ratings without a rater; left out.
    """

    rater_names: tuple[str, ...]
    centre: float
    offset_R: Floats
    gain_R: Floats
    count_R: Ints
    num_unmatched: int
    num_unnamed: int

    def predict(self, quality: Floats, rater_N: Ints) -> Floats:
        """What raters would say of clips of this quality, in points, not held to the scale."""
        spread: Floats = self.gain_R[rater_N] * (quality - self.centre)
        return self.centre + self.offset_R[rater_N] + spread

    def to_table(self) -> pa.Table:
        """Columns rater, ratings, offset, gain; one row a rater."""
        return pa.table({
            "rater": pa.array(self.rater_names, pa.string()),
            "ratings": self.count_R,
            "offset": self.offset_R,
            "gain": self.gain_R,
        })  # fmt: skip


def calibrate(
    quality: Panel | Mapping[str, float],
    ratings: Panel,
    *,
    shrinkage: float = FEW_SHOT_SHRINKAGE,
    gain: bool = False,
) -> Calibration:
    """Offsets (and gains) of raters against a quality that others, or a predictor, gave.

    Args:
        quality: a panel, whose additive de-biasing gives the quality; or quality (or a
            prediction) by clip name.
        ratings: the new raters' ratings.
        shrinkage: the offset is the sum of the k differences over k + ``shrinkage``.
        gain: estimate the gain too: ridge on two unknowns, drawn to 0 and 1.

    Raises:
        InvalidValue: a shrinkage below 0, or a quality that is not finite.

    Example:
        >>> table = pa.table({"clip_id": ["a", "b"], "rater": ["x", "x"], "value": [4.0, 5.0]})
        >>> calibrate({"a": 3.0, "b": 4.0}, Panel.from_ratings(table)).offset_R.tolist()
        [0.5]
    """
    if not 0 <= shrinkage < math.inf:
        raise InvalidValue("The shrinkage", shrinkage, "0 or more ratings, finite")
    quality_C = _quality_of(ratings.clip_names, quality)
    named_N = ratings.rater_N >= 0
    known_N = named_N & np.isfinite(quality_C[ratings.clip_N])
    offset_R, gain_R, centre = _fit(
        quality_C[ratings.clip_N[known_N]],
        ratings.value_N[known_N],
        ratings.rater_N[known_N],
        num_raters=ratings.num_raters,
        shrinkage=shrinkage,
        gain=gain,
    )
    return Calibration(
        rater_names=tuple(ratings.rater_names.to_pylist()),
        centre=centre,
        offset_R=offset_R,
        gain_R=gain_R,
        count_R=counts(ratings.rater_N[known_N], ratings.num_raters),
        num_unmatched=int(np.count_nonzero(named_N & ~known_N)),
        num_unnamed=ratings.num_unnamed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationPoint:
    """What k ratings of each unseen rater are worth, on the ratings that were not among the k.

    ``before`` and ``after`` hold mse, lcc and srcc of the panel's quality against the unseen
    raters' clip means, without and with their offsets; means over splits. A rater with k ratings
    or fewer has none left to be scored on.
    """

    k: int
    before: Mapping[str, Estimate]
    after: Mapping[str, Estimate]
    num_clips: float
    num_raters: float

    def to_json(self) -> dict[str, JSON]:
        """Keys k, before, after, num_clips, num_raters."""
        return {
            "k": self.k,
            "before": {name: value.to_json() for name, value in self.before.items()},
            "after": {name: value.to_json() for name, value in self.after.items()},
            "num_clips": self.num_clips,
            "num_raters": self.num_raters,
        }


def adaptation_curve(
    panel: Panel,
    *,
    ks: Sequence[int] = (1, 2, 5, 10, 20),
    num_splits: int = 20,
    seed: int = 0,
    shrinkage: float = FEW_SHOT_SHRINKAGE,
    gain: bool = False,
) -> tuple[AdaptationPoint, ...]:
    """Half of the raters are the panel, the other half are unseen but for k ratings each.

    The panel's half is de-biased; it predicts the mean of what the unseen raters said of a clip,
    as it is and with the mean of the learnt offsets of those who said it.

    Raises:
        InvalidValue: a k or a number of splits below 1.
    """
    if min(ks, default=1) < 1 or num_splits < 1:
        raise InvalidValue("k and the number of splits", (*ks, num_splits), "1 or more each")
    found: dict[int, list[tuple[float, ...]]] = {k: [] for k in ks}
    order_N = _by_rater_and_clip(panel)
    for number in range(num_splits if panel.num_raters > 1 else 0):
        rng = rng_for(seed, f"split {number}", "adaptation")
        seen_R = np.zeros(panel.num_raters, np.bool_)
        seen_R[rng.permutation(panel.num_raters)[: panel.num_raters // 2]] = True
        known = panel.select(seen_R[panel.rater_N] & (panel.rater_N >= 0))
        quality_C = debias(known).quality_C
        quality_C = np.where(counts(known.clip_N, panel.num_clips) > 0, quality_C, math.nan)
        unseen_N = order_N[~seen_R[panel.rater_N[order_N]]]
        unseen_N = unseen_N[np.isfinite(quality_C[panel.clip_N[unseen_N]])]
        place_N = _places(panel.rater_N[unseen_N], rng)
        for k in ks:
            shots = (unseen_N, place_N < k)
            found[k].append(_worth(panel, quality_C, shots, shrinkage=shrinkage, gain=gain))
    return tuple(_point(k, found[k]) for k in ks)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Single ratings that were held out, predicted by their clip, then by clip and rater.

    Args:
        mse_clip: by the mean of the clip's other ratings.
        mse_clip_rater: by the de-biased quality and the rater's offset.
        num_ratings: predicted in each split.
    """

    mse_clip: Estimate
    mse_clip_rater: Estimate
    num_ratings: int

    def to_json(self) -> dict[str, JSON]:
        """Every field by its name."""
        return {
            "mse_clip": self.mse_clip.to_json(),
            "mse_clip_rater": self.mse_clip_rater.to_json(),
            "num_ratings": self.num_ratings,
        }


def held_out_ratings(
    panel: Panel, *, num_splits: int = 20, shrinkage: float = SHRINKAGE, seed: int = 0
) -> HeldOut:
    """How much better a single rating is told where its rater is known.

    In each split one rating of every clip with two or more is held out, among named raters.

    Raises:
        InvalidValue: fewer than one split.
    """
    if num_splits < 1:
        raise InvalidValue("The number of splits", num_splits, "1 or more")
    method = f"mean over {num_splits} splits that hold out one rating of each clip"
    order_N = _by_rater_and_clip(panel)
    found = []
    for number in range(num_splits):
        rng = rng_for(seed, f"split {number}", "held_out")
        place_N = _places(panel.clip_N[order_N], rng)
        several_N = counts(panel.clip_N[order_N], panel.num_clips)[panel.clip_N[order_N]] > 1
        out_N = order_N[(place_N == 0) & several_N]
        found.append(_held_out(panel, out_N, shrinkage))
    table = np.array(found)
    few = "no clip has two ratings by named raters"
    return HeldOut(
        mse_clip=Estimate.mean(table[:, 0], method, reason=few),
        mse_clip_rater=Estimate.mean(table[:, 1], method, reason=few),
        num_ratings=int(table[0, 2]),
    )


def _quality_of(clip_names: pa.Array, quality: Panel | Mapping[str, float]) -> Floats:
    """Quality of each of the named clips; NaN where it is not known."""
    if isinstance(quality, Panel):
        names, values = quality.clip_names, debias(quality).quality_C
    else:
        names = pa.array(quality.keys(), pa.string())
        values = np.fromiter(quality.values(), np.float64, len(quality))
        if not np.isfinite(values).all():
            raise InvalidValue("A quality", "NaN or infinite", "finite numbers")
    place = pc.index_in(clip_names, value_set=names).fill_null(-1)
    found: Floats = np.r_[values, math.nan][numpy_of(place)]
    return found


def _fit(
    quality_N: Floats,
    value_N: Floats,
    rater_N: Ints,
    *,
    num_raters: int,
    shrinkage: float,
    gain: bool,
) -> tuple[Floats, Floats, float]:
    """Offset and gain of each rater, and the centre that gains turn about."""
    centre = float(quality_N.mean()) if gain and quality_N.size else 0.0
    left_N = value_N - quality_N
    count_R = counts(rater_N, num_raters) + shrinkage
    sums_R = totals(rater_N, left_N, num_raters)
    if not gain:
        return sums_R / np.where(count_R > 0, count_R, 1.0), np.ones(num_raters), centre
    x_N = quality_N - centre
    x_R = totals(rater_N, x_N, num_raters)
    xx_R = totals(rater_N, x_N**2, num_raters) + shrinkage * (float(x_N.var()) if x_N.size else 0)
    xy_R = totals(rater_N, x_N * left_N, num_raters)
    determinant_R = count_R * xx_R - x_R**2
    solvable_R = determinant_R > 1e-9 * count_R * xx_R
    extra_R = (count_R * xy_R - x_R * sums_R) / np.where(solvable_R, determinant_R, 1.0)
    extra_R = np.where(solvable_R, extra_R, 0.0)
    return (sums_R - extra_R * x_R) / np.where(count_R > 0, count_R, 1.0), 1 + extra_R, centre


def _worth(
    panel: Panel, quality_C: Floats, shots: tuple[Ints, Bools], *, shrinkage: float, gain: bool
) -> tuple[float, ...]:
    """Mse, lcc, srcc before, the same after, and the numbers of clips and raters."""
    unseen_N, few_N = shots
    few, rest = unseen_N[few_N], unseen_N[~few_N]
    offset_R, gain_R, centre = _fit(
        quality_C[panel.clip_N[few]],
        panel.value_N[few],
        panel.rater_N[few],
        num_raters=panel.num_raters,
        shrinkage=shrinkage,
        gain=gain,
    )
    clip, rater = panel.clip_N[rest], panel.rater_N[rest]
    votes_C = counts(clip, panel.num_clips)
    adapted = centre + offset_R[rater] + gain_R[rater] * (quality_C[clip] - centre)
    adapted_C = ratio(totals(clip, adapted, panel.num_clips), votes_C)[votes_C > 0]
    truth_C = ratio(totals(clip, panel.value_N[rest], panel.num_clips), votes_C)[votes_C > 0]
    before = _scores(truth_C, quality_C[votes_C > 0])
    num_raters = np.count_nonzero(counts(rater, panel.num_raters))
    return (*before, *_scores(truth_C, adapted_C), float(truth_C.size), float(num_raters))


def _scores(truth: Floats, predicted: Floats) -> tuple[float, float, float]:
    if not truth.size:
        return math.nan, math.nan, math.nan
    mse = float(np.mean((truth - predicted) ** 2))
    return mse, pearson(truth, predicted), spearman(truth, predicted)


def _point(k: int, found: Sequence[tuple[float, ...]]) -> AdaptationPoint:
    table = np.array(found, dtype=np.float64).reshape(-1, 8)
    method = f"mean over {len(found)} splits; half of the raters unseen but for {k} ratings each"
    few = "it takes two named raters who share clips, with more than k ratings each"
    before, after = (
        {
            name: Estimate.mean(table[:, start + i], method, reason=few)
            for i, name in enumerate(METRICS)
        }
        for start in (0, 3)
    )
    clips, raters = (float(table[:, i].mean()) if len(found) else 0.0 for i in (6, 7))
    return AdaptationPoint(k=k, before=before, after=after, num_clips=clips, num_raters=raters)


def _held_out(panel: Panel, out_N: Ints, shrinkage: float) -> tuple[float, float, float]:
    if not out_N.size:
        return math.nan, math.nan, 0.0
    keep_N = np.ones(panel.num_ratings, np.bool_)
    keep_N[out_N] = False
    rest = panel.select(keep_N)
    fit = debias(rest, shrinkage=shrinkage)
    clip, rater, value = panel.clip_N[out_N], panel.rater_N[out_N], panel.value_N[out_N]
    by_clip = float(np.mean((value - rest.clips.mean_C[clip]) ** 2))
    by_both = float(np.mean((value - fit.quality_C[clip] - fit.offset_R[rater]) ** 2))
    return by_clip, by_both, float(out_N.size)


def _by_rater_and_clip(panel: Panel) -> Ints:
    """The named ratings by rater, clip name and value: an order that rows cannot change."""
    order_N = np.lexsort((panel.value_N, panel.clip_ranks()[panel.clip_N], panel.rater_N))
    return order_N[panel.rater_N[order_N] >= 0]


def _places(group_N: Ints, rng: np.random.Generator) -> Ints:
    """The place of each item in an order of chance inside its group, from 0."""
    shuffled_N = np.lexsort((rng.random(group_N.size), group_N))
    ordered_N = group_N[shuffled_N]
    place_N = np.empty(group_N.size, np.intp)
    place_N[shuffled_N] = np.arange(group_N.size) - np.searchsorted(ordered_N, ordered_N)
    return place_N
