"""What a perfect predictor would score against labels as noisy as these.

A predictor that knows the true quality of every clip still disagrees with labels, since labels
are means of few ratings. With signal the variance of the true quality and noise that of the
labels about it, its LCC is ``sqrt(signal / (signal + noise))``: the square root of the labels'
reliability (Spearman 1904). SRCC has no such formula; it is that of a bivariate normal of this
LCC, ``6 / pi asin(LCC / 2)``, which is within about .01 for scores on five points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from mosdata.manifests.ids import JSON
from mosdata.raters.cells import Cells, cells
from mosdata.raters.components import VarianceComponents, spearman_brown, variance_components
from mosdata.raters.correlation import MIN_ITEMS, normal_of_spearman, spearman_of_normal
from mosdata.raters.counting import Floats, Ints, counts, dot, ratio, totals
from mosdata.raters.estimate import Estimate
from mosdata.raters.halves import Level, SplitHalf
from mosdata.raters.panel import Panel

NORMAL: Final = "; SRCC of a bivariate normal, 6/pi asin(LCC/2)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The correlation that a predictor which knows the true quality would reach.

    Args:
        level: ``utterance`` or ``system``.
        against: ``mean`` of the votes that there are, or a ``single`` rating.
        source: ``components`` or ``halves``: where the noise was estimated from.
        lcc: ceiling of LCC.
        srcc: ceiling of SRCC.
    """

    level: Level
    against: Literal["mean", "single"]
    source: Literal["components", "halves"]
    lcc: Estimate
    srcc: Estimate

    def to_json(self) -> dict[str, JSON]:
        """Keys level, against, source, lcc, srcc."""
        return {
            "level": self.level,
            "against": self.against,
            "source": self.source,
            "lcc": self.lcc.to_json(),
            "srcc": self.srcc.to_json(),
        }


def ceilings(
    panel: Panel,
    *,
    components: VarianceComponents | None = None,
    halves: Sequence[SplitHalf] = (),
    pairs: Cells | None = None,
) -> tuple[Ceiling, ...]:
    """Every ceiling, in a fixed order.

    Order: utterance/mean, utterance/single and system/mean from the variance components, then one
    from each of ``halves``. Those from components count the votes of each clip and who gave them:
    an offset that all clips share does not lower a correlation, so raters cost little where the
    design is crossed. Those from halves are stepped up to all votes by Spearman-Brown; they
    cannot see what both halves share.

    Args:
        panel: the ratings.
        components: ``variance_components(panel)``, where they are known already.
        halves: agreements without de-biasing, as of :func:`mosdata.raters.halves.split_half`.
        pairs: ``cells(panel)``, where they are known already.
    """
    found = cells(panel) if pairs is None else pairs
    parts = variance_components(panel, pairs=found) if components is None else components
    of_components = (
        _ceiling("utterance", "mean", _of_clip_means(panel, parts, found)),
        _ceiling("utterance", "single", _of_single(parts)),
        _ceiling("system", "mean", _of_systems(panel, parts, found)),
    )
    return (*of_components, *(_of_halves(half) for half in halves))


def _ceiling(level: Level, against: Literal["mean", "single"], lcc: Estimate) -> Ceiling:
    return Ceiling(level=level, against=against, source="components", lcc=lcc, srcc=_ranked(lcc))


def _ranked(lcc: Estimate) -> Estimate:
    if lcc.value is None:
        return Estimate.unknown(lcc.method + NORMAL, lcc.reason)
    return Estimate.of(spearman_of_normal(lcc.value), lcc.method + NORMAL)


def _of_single(parts: VarianceComponents) -> Estimate:
    single = parts.single_rating_reliability
    method = f"square root of the reliability of one rating; {parts.method}"
    if single.value is None:
        return Estimate.unknown(method, single.reason)
    return Estimate.of(math.sqrt(single.value), method)


def _of_clip_means(panel: Panel, parts: VarianceComponents, pairs: Cells) -> Estimate:
    method = f"clip variance over that of the clip means at their own votes; {parts.method}"
    if parts.known is None:
        return Estimate.unknown(method, parts.reason)
    clip, rater, residual = parts.known
    votes_C = panel.clips.votes_C
    if votes_C.size < MIN_ITEMS:
        return Estimate.unknown(method, f"there are fewer than {MIN_ITEMS} clips")
    own, shared = _rater_noise(panel, pairs, None, 1.0 / votes_C)
    spread = votes_C.size / (votes_C.size - 1)
    noise = residual * float(np.mean(1 / votes_C)) + rater * (own - shared) * spread
    return _from_variances(clip, clip + noise, method)


def _of_systems(panel: Panel, parts: VarianceComponents, pairs: Cells) -> Estimate:
    method = f"variance of system means, less the noise of their ratings; {parts.method}"
    if parts.known is None:
        return Estimate.unknown(method, parts.reason)
    if panel.num_systems < MIN_ITEMS:
        return Estimate.unknown(method, f"fewer than {MIN_ITEMS} systems are known")
    _, rater, residual = parts.known
    votes_C, system_C = panel.clips.votes_C, panel.system_C
    known_C = system_C >= 0
    size = panel.num_systems
    clips_S = counts(system_C[known_C], size)
    mean_S = ratio(totals(system_C[known_C], panel.clips.mean_C[known_C], size), clips_S)
    # Each clip weighs 1 / clips of its system, and each of its ratings 1 / votes of that.
    weight_C = np.where(known_C, 1.0 / (votes_C * clips_S[system_C]), 0.0)
    residual_S = totals(system_C[known_C], (weight_C**2 * votes_C)[known_C], size)
    own, shared = _rater_noise(panel, pairs, system_C, weight_C)
    noise = residual * float(residual_S.mean()) + rater * (own - shared) * size / (size - 1)
    observed = float(np.var(mean_S, ddof=1))
    return _from_variances(observed - noise, observed, method)


def _rater_noise(
    panel: Panel, pairs: Cells, group_C: Ints | None, weight_C: Floats
) -> tuple[float, float]:
    """What a rater variance of 1 adds to group means: to each by itself, and to all alike.

    ``own`` is the mean over groups of the squared weights of raters in it, ``shared`` the same of
    the mean of all groups. Ratings without a name count as a rater each.

    Args:
        panel: the ratings.
        pairs: its cells.
        group_C: group of each clip, below 0 for none; None where each clip is one.
        weight_C: what one rating of the clip weighs in the mean of its group; 0 without a group.
    """
    num_groups = panel.num_clips if group_C is None else int(group_C.max()) + 1
    clip_K, rater_K = pairs.clip_K, pairs.rater_K
    weight_K = weight_C[clip_K] * pairs.count_K if pairs.repeated else weight_C[clip_K]
    if group_C is None:
        own = dot(weight_K, weight_K)
    else:
        # Clips without a group weigh nothing, wherever they are counted.
        group_K = np.maximum(group_C, 0)[clip_K]
        own = _squares(group_K, rater_K, weight_K, panel.num_raters)
    all_R = totals(rater_K, weight_K, panel.num_raters) / num_groups
    lone_N = weight_C[panel.clip_N[panel.rater_N < 0]]
    lone = dot(lone_N, lone_N)
    return (own + lone) / num_groups, dot(all_R, all_R) + lone / num_groups**2


def _squares(group_K: Ints, rater_K: Ints, weight_K: Floats, num_raters: int) -> float:
    """Sum of the squared total weights of each rater in each group."""
    if not weight_K.size:
        return 0.0
    key_K = group_K * num_raters + rater_K
    size = (int(group_K.max()) + 1) * num_raters
    if size > 2 * weight_K.size:
        found, key_K = np.unique(key_K, return_inverse=True)
        size = found.size
    sums = totals(key_K, weight_K, size)
    return dot(sums, sums)


def _from_variances(signal: float, observed: float, method: str) -> Estimate:
    if observed <= 0:
        return Estimate.unknown(method, "all ratings are the same")
    if signal <= 0:
        return Estimate.unknown(method, "differences are no larger than the noise of the ratings")
    return Estimate.of(math.sqrt(min(1.0, signal / observed)), method)


def _of_halves(half: SplitHalf) -> Ceiling:
    method = f"square root of the stepped-up agreement of halves; {half.lcc.method}"
    by_rank = f"{method}; SRCC by way of its normal LCC, 2 sin(pi SRCC/6), and back"
    srcc = Estimate.unknown(by_rank, half.srcc.reason)
    lcc = Estimate.unknown(method, half.lcc.reason)
    if half.lcc.value is not None:
        lcc = _stepped_up(half.lcc.value, method)
    if half.srcc.value is not None:
        normal = _stepped_up(normal_of_spearman(half.srcc.value), by_rank)
        srcc = normal
        if normal.value is not None:
            srcc = Estimate.of(spearman_of_normal(normal.value), by_rank)
    return Ceiling(level=half.level, against="mean", source="halves", lcc=lcc, srcc=srcc)


def _stepped_up(agreement: float, method: str) -> Estimate:
    if agreement <= 0:
        return Estimate.unknown(method, "the halves do not agree at all")
    return Estimate.of(math.sqrt(spearman_brown(min(1.0, agreement), 2)), method)
