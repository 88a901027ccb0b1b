"""Ratings without the offsets of those who gave them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import pyarrow as pa

from mosdata.errors import InvalidValue, UnknownName
from mosdata.raters.additive import TOLERANCE, AdditiveFit, fit_additive
from mosdata.raters.affine import fit_affine
from mosdata.raters.counting import Floats, Ints, counts, dot, ratio, totals
from mosdata.raters.design import component_of_raters
from mosdata.raters.panel import Panel

Method = Literal["additive", "zscore", "affine"]

SHRINKAGE: Final = 5.0
"""Ratings' worth of belief that a rater is like the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Debiased:
    """A panel's ratings with the raters' habits taken out.

    Args:
        method: ``additive``, ``zscore`` or ``affine``.
        shrinkage: ratings' worth of belief that a rater is like the others.
        quality_C: quality of each clip; a published mean where a clip has nothing else.
        mean_C: mean of each clip as it was given.
        value_N: the ratings, de-biased; unnamed raters' as they were.
        offset_R: what each rater adds, in points.
        offset_se_R: its standard error, the clips taken as known; NaN where it cannot be told.
        gain_R: how far each rater spreads scores, 1 = as the panel; all 1 for ``additive``.
        gain_se_R: its standard error; 0 for ``additive``.
        count_R: ratings of each rater.
        component_R: connected part of the design; offsets compare within one only.
        num_iterations: until convergence; 1 where there is a closed form.
    """

    method: Method
    shrinkage: float
    quality_C: Floats
    mean_C: Floats
    value_N: Floats
    offset_R: Floats
    offset_se_R: Floats
    gain_R: Floats
    gain_se_R: Floats
    count_R: Ints
    component_R: Ints
    num_iterations: int

    def clips_table(self, panel: Panel) -> pa.Table:
        """Columns clip_id, mean, quality, votes; one row a clip."""
        return pa.table({
            "clip_id": panel.clip_names,
            "mean": self.mean_C,
            "quality": self.quality_C,
            "votes": panel.clips.votes_C,
        })  # fmt: skip

    def raters_table(self, panel: Panel) -> pa.Table:
        """Columns rater, ratings, offset, offset_se, gain, gain_se, component; one row a rater.

        A standard error that cannot be told is null.
        """
        return pa.table({
            "rater": panel.rater_names,
            "ratings": self.count_R,
            "offset": self.offset_R,
            "offset_se": pa.array(self.offset_se_R, from_pandas=True),
            "gain": self.gain_R,
            "gain_se": pa.array(self.gain_se_R, from_pandas=True),
            "component": self.component_R,
        })  # fmt: skip


def debias(
    panel: Panel,
    *,
    method: Method = "additive",
    shrinkage: float = SHRINKAGE,
    component_R: Ints | None = None,
) -> Debiased:
    """Quality of clips and habits of raters, estimated together.

    - ``additive``: ``rating = quality + offset``, least squares with ridge ``shrinkage`` on the
      offsets; the fixed point of alternating between clips and raters.
    - ``zscore``: each rater's scores are moved and stretched to the mean and spread of all. It
      takes a difference of clips for one of raters where raters heard different systems.
    - ``affine``: ``rating = centre + offset + gain (quality - centre)``, ridge on both.

    Offsets of the additive and the affine form sum to 0 over the raters of each connected part.
    Ratings without a rater are left as they are, and count for the quality of their clip.

    Args:
        panel: the ratings.
        method: one of the three.
        shrinkage: ridge; as so many ratings that say the rater is like the others. 0 for none.
        component_R: ``component_of_raters(panel)``, where it is known already.

    Raises:
        UnknownName: no such method.
        InvalidValue: a shrinkage below 0 or not finite.

    Example:
        >>> table = pa.table({
        ...     "clip_id": ["a", "a", "b", "b"], "rater": ["x", "y", "x", "y"],
        ...     "value": [3.0, 4.0, 2.0, 3.0],
        ... })
        >>> debias(Panel.from_ratings(table), shrinkage=0).offset_R.round(6).tolist()
        [-0.5, 0.5]
    """
    if method not in get_args(Method):
        raise UnknownName("way of de-biasing", method, get_args(Method))
    if not 0 <= shrinkage < math.inf:
        raise InvalidValue("The shrinkage", shrinkage, "0 or more ratings, finite")
    parts_R = component_of_raters(panel) if component_R is None else component_R
    if not panel.num_ratings or not panel.num_raters:
        return _untouched(panel, method, shrinkage, parts_R)
    if method == "additive":
        return _additive(panel, shrinkage, parts_R)
    if method == "zscore":
        return _zscore(panel, shrinkage, parts_R)
    return _affine(panel, shrinkage, parts_R)


def additive_offsets(
    panel: Panel, *, shrinkage: float = SHRINKAGE, tolerance: float = TOLERANCE
) -> Floats:
    """The offsets alone, as ``debias`` finds them with a shrinkage above 0; shape ``(R,)``.

    Args:
        panel: the ratings.
        shrinkage: ridge on the offsets.
        tolerance: how exact they must be, relative to the largest; a larger one takes fewer
            passes over the ratings.
    """
    return _fit(panel, shrinkage, tolerance).offset_R[:-1]


def _fit(panel: Panel, shrinkage: float, tolerance: float = TOLERANCE) -> AdditiveFit:
    return fit_additive(
        panel.clip_N,
        panel.rater_or_spare,
        panel.value_N,
        num_clips=panel.num_clips,
        num_raters=panel.num_raters,
        shrinkage=shrinkage,
        tolerance=tolerance,
    )


def _additive(panel: Panel, shrinkage: float, component_R: Ints) -> Debiased:
    spare_N, fit = panel.rater_or_spare, _fit(panel, shrinkage)
    offset_R = fit.offset_R if shrinkage else _centred(fit.offset_R, component_R, panel)
    value_N = panel.value_N - offset_R[spare_N]
    votes_C = counts(panel.clip_N, panel.num_clips)
    quality_C = ratio(totals(panel.clip_N, value_N, panel.num_clips), votes_C)
    free = panel.num_ratings - panel.num_clips - panel.num_raters + 1
    left_N = value_N - quality_C[panel.clip_N]
    noise = dot(left_N, left_N) / free if free > 0 else math.nan
    count_R = counts(spare_N, panel.num_raters + 1)[:-1]
    ones_R = np.ones(panel.num_raters)
    return Debiased(
        method="additive",
        shrinkage=shrinkage,
        quality_C=_or_published(panel, quality_C),
        mean_C=panel.clips.mean_C,
        value_N=value_N,
        offset_R=offset_R[:-1],
        offset_se_R=_standard_error(noise, fit.precision_R),
        gain_R=ones_R,
        gain_se_R=0 * ones_R,
        count_R=count_R,
        component_R=component_R,
        num_iterations=fit.num_iterations,
    )


def _centred(offset_R: Floats, component_R: Ints, panel: Panel) -> Floats:
    """Offsets that sum to 0 in each connected part; ridge does it by itself.

    Where somebody in a part is not named, nothing has to be settled: an unnamed rater adds 0.
    """
    clip_N, rater_N, _ = panel.named()
    part_C = np.full(panel.num_clips, -1, np.intp)
    part_C[clip_N] = component_R[rater_N]
    num_parts = int(component_R.max()) + 1
    raters_P = counts(component_R, num_parts)
    shift_P = ratio(totals(component_R, offset_R[:-1], num_parts), raters_P)
    settled = part_C[panel.clip_N[panel.rater_N < 0]]
    shift_P[settled[settled >= 0]] = 0.0
    centred_R: Floats = np.append(offset_R[:-1] - shift_P[component_R], 0.0)
    return centred_R


def _zscore(panel: Panel, shrinkage: float, component_R: Ints) -> Debiased:
    spare_N, size = panel.rater_or_spare, panel.num_raters + 1
    count_R = counts(spare_N, size).astype(np.float64)
    centre, spread = float(panel.value_N.mean()), float(panel.value_N.std())
    moved_N = panel.value_N - centre
    offset_R = ratio(totals(spare_N, moved_N, size), count_R + shrinkage)
    within_N = (moved_N - offset_R[spare_N]) ** 2
    variance_R = (totals(spare_N, within_N, size) + shrinkage * spread**2) / np.maximum(
        count_R + shrinkage, 1
    )
    # A rater of one opinion has no spread to stretch: only the offset is taken out.
    variance_R = np.where(variance_R > 0, variance_R, spread**2)
    gain_R = np.sqrt(variance_R) / spread if spread else np.ones(size)
    offset_R[-1], gain_R[-1] = 0.0, 1.0
    value_N = centre + (moved_N - offset_R[spare_N]) / gain_R[spare_N]
    votes_C = counts(panel.clip_N, panel.num_clips)
    quality_C = ratio(totals(panel.clip_N, value_N, panel.num_clips), votes_C)
    return Debiased(
        method="zscore",
        shrinkage=shrinkage,
        quality_C=_or_published(panel, quality_C),
        mean_C=panel.clips.mean_C,
        value_N=value_N,
        offset_R=offset_R[:-1],
        offset_se_R=np.sqrt(variance_R / np.maximum(count_R, 1))[:-1],
        gain_R=gain_R[:-1],
        gain_se_R=(gain_R / np.sqrt(2 * np.maximum(count_R, 1)))[:-1],
        count_R=count_R[:-1].astype(np.intp),
        component_R=component_R,
        num_iterations=1,
    )


def _affine(panel: Panel, shrinkage: float, component_R: Ints) -> Debiased:
    spare_N = panel.rater_or_spare
    fit = fit_affine(
        panel.clip_N,
        spare_N,
        panel.value_N,
        num_clips=panel.num_clips,
        component_R=component_R,
        shrinkage=shrinkage,
    )
    moved_N = panel.value_N - fit.centre - fit.offset_R[spare_N]
    return Debiased(
        method="affine",
        shrinkage=shrinkage,
        quality_C=_or_published(panel, fit.quality_C),
        mean_C=panel.clips.mean_C,
        value_N=fit.centre + moved_N / fit.gain_R[spare_N],
        offset_R=fit.offset_R[:-1],
        offset_se_R=_standard_error(fit.noise, fit.offset_precision_R),
        gain_R=fit.gain_R[:-1],
        gain_se_R=_standard_error(fit.noise, fit.gain_precision_R),
        count_R=counts(spare_N, panel.num_raters + 1)[:-1],
        component_R=component_R,
        num_iterations=fit.num_iterations,
    )


def _untouched(panel: Panel, method: Method, shrinkage: float, component_R: Ints) -> Debiased:
    """Nobody is named: there is nothing to take out."""
    nothing_R = np.zeros(panel.num_raters)
    return Debiased(
        method=method,
        shrinkage=shrinkage,
        quality_C=panel.clips.mean_C,
        mean_C=panel.clips.mean_C,
        value_N=panel.value_N,
        offset_R=nothing_R,
        offset_se_R=nothing_R + math.nan,
        gain_R=nothing_R + 1,
        gain_se_R=nothing_R,
        count_R=np.zeros(panel.num_raters, np.intp),
        component_R=component_R,
        num_iterations=0,
    )


def _or_published(panel: Panel, quality_C: Floats) -> Floats:
    stats = panel.clips
    if not stats.published_C.any():
        return quality_C
    merged: Floats = np.where(stats.published_C, stats.mean_C, quality_C)
    return merged


def _standard_error(noise: float, precision_R: Floats) -> Floats:
    """Root of noise over precision; NaN without either."""
    known_R = precision_R > 0
    error_R: Floats = np.sqrt(noise / np.where(known_R, precision_R, 1.0))
    return np.where(known_R, error_R, math.nan)
