"""How much of a rating is the clip, how much the rater, and how much is neither.

Where raters are named, ``rating = mean + clip + rater + residual`` with all three random and
crossed; the variances come from Henderson's method 1 (Henderson 1953, Biometrics 9:226; Searle,
Casella and McCulloch 1992, section 5.3): four sums of squares that are not corrected for
anything, set equal to what is expected of them. It needs no balance and no iteration, and is
unbiased where clips were dealt to raters without regard to their quality. Where raters are not
named, one-way analysis of variance tells clips from all the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mosdata.manifests.ids import JSON
from mosdata.raters.cells import Cells, cells
from mosdata.raters.counting import counts, dot, ratio, totals
from mosdata.raters.estimate import Estimate
from mosdata.raters.panel import Panel

TWO_WAY: Final = "crossed random effects, Henderson's method 1"
ONE_WAY: Final = "one-way analysis of variance"
MIN_PIVOT: Final = 1e-9
"""Relative singular value below which the expectations cannot tell two variances apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceComponents:
    """Variances of ``rating = mean + clip + rater + residual``; None where they are not known.

    Args:
        clip: variance of the clips' true quality, in squared points of the scale.
        rater: variance of the raters' offsets.
        residual: variance of what is left: taste, inattention, rounding. Where raters are not
            named it holds their offsets too, and ``rater`` is 0.
        method: the estimator.
        reason: empty, or why there are none.
        set_to_zero: components whose estimate was below zero.
    """

    clip: float | None
    rater: float | None
    residual: float | None
    method: str
    reason: str = ""
    set_to_zero: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[float, float, float] | None:
        """Clip, rater and residual; None where they are not known."""
        if self.clip is None or self.rater is None or self.residual is None:
            return None
        return self.clip, self.rater, self.residual

    @property
    def single_rating_reliability(self) -> Estimate:
        """Share of the variance of one rating that is the clip's; 0 to 1."""
        if self.known is None:
            return Estimate.unknown(self.method, self.reason)
        if not sum(self.known):
            return Estimate.unknown(self.method, "all ratings are the same")
        return Estimate.of(self.known[0] / sum(self.known), self.method)

    def to_json(self) -> dict[str, JSON]:
        """Keys clip, rater, residual, method, reason, set_to_zero."""
        return {
            "clip": self.clip,
            "rater": self.rater,
            "residual": self.residual,
            "method": self.method,
            "reason": self.reason or None,
            "set_to_zero": list(self.set_to_zero),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How far ratings repeat themselves.

    Args:
        components: what a rating is made of.
        single: reliability of one rating, from the components.
        icc1: the same from one-way analysis of variance, blind to who rated (ICC(1), also written
            ICC(1,1); Shrout and Fleiss 1979).
        mean_votes: harmonic mean of the votes per clip.
        of_mean: reliability of a clip's mean at that many votes, by Spearman-Brown.
        rater_mean_std: standard deviation of the raters' mean scores, over raters with at least
            two ratings; in points.
    """

    components: VarianceComponents
    single: Estimate
    icc1: Estimate
    mean_votes: float
    of_mean: Estimate
    rater_mean_std: Estimate

    def to_json(self) -> dict[str, JSON]:
        """Keys components, single, icc1, mean_votes, of_mean, rater_mean_std."""
        return {
            "components": self.components.to_json(),
            "single": self.single.to_json(),
            "icc1": self.icc1.to_json(),
            "mean_votes": self.mean_votes,
            "of_mean": self.of_mean.to_json(),
            "rater_mean_std": self.rater_mean_std.to_json(),
        }


def variance_components(panel: Panel, *, pairs: Cells | None = None) -> VarianceComponents:
    """The variances of clips, raters and residual.

    Two-way where at least two raters are named (ratings without a name are left out of it),
    one-way otherwise and for published means. A variance below zero is reported as 0.

    Args:
        panel: the ratings.
        pairs: ``cells(panel)``, where they are known already.
    """
    if panel.num_raters < 2:
        return _one_way(panel)
    found = _two_way(panel, cells(panel) if pairs is None else pairs)
    method = TWO_WAY + (f"; {panel.num_unnamed} ratings name no rater" * bool(panel.num_unnamed))
    if found is None:
        return VarianceComponents(
            clip=None,
            rater=None,
            residual=None,
            method=method,
            reason="clips, raters and residual cannot be told apart in this design: it takes "
            "clips with several raters and raters with several clips",
        )
    return _positive(found, method)


def reliability(panel: Panel, *, components: VarianceComponents | None = None) -> Reliability:
    """Reliability of one rating and of the clips' means.

    Args:
        panel: the ratings.
        components: ``variance_components(panel)``, where they are known already.
    """
    parts = variance_components(panel) if components is None else components
    single = parts.single_rating_reliability
    one_way = _one_way(panel).single_rating_reliability
    votes_C = panel.clips.votes_C[panel.clips.votes_C > 0]
    votes = float(votes_C.size / np.sum(1 / votes_C))
    method = f"Spearman-Brown at {votes:.3g} votes (harmonic mean) of: {parts.method}"
    of_mean = Estimate.unknown(method, single.reason)
    if single.value is not None:
        of_mean = Estimate.of(spearman_brown(single.value, votes), method)
    return Reliability(
        components=parts,
        single=single,
        icc1=one_way,
        mean_votes=votes,
        of_mean=of_mean,
        rater_mean_std=_rater_mean_std(panel),
    )


def spearman_brown(single: float, votes: float) -> float:
    """Reliability of the mean of ``votes`` ratings of reliability ``single``.

    ``k r / (1 + (k - 1) r)`` (Spearman 1910; Brown 1910).

    Example:
        >>> round(spearman_brown(0.5, 3), 6)
        0.75
    """
    return votes * single / (1 + (votes - 1) * single)


def _two_way(panel: Panel, pairs: Cells) -> Mapping[str, float] | None:
    """Henderson's method 1 of the named ratings; None where its equations have no solution."""
    clip_N, rater_N, value_N = panel.named()
    value_N = value_N - value_N.mean()
    clips_C, raters_R = (
        counts(clip_N, panel.num_clips).astype(np.float64),
        counts(rater_N, panel.num_raters).astype(np.float64),
    )
    num, num_clips = float(value_N.size), float(np.count_nonzero(clips_C))
    num_raters = float(np.count_nonzero(raters_R))
    # How far the ratings of a clip are one rater's, summed over clips; and the other way round.
    raters_in_clips, clips_in_raters = num_clips, num_raters
    if pairs.repeated:
        square_K = pairs.count_K.astype(np.float64) ** 2
        raters_in_clips = ratio(totals(pairs.clip_K, square_K, clips_C.size), clips_C).sum()
        clips_in_raters = ratio(totals(pairs.rater_K, square_K, raters_R.size), raters_R).sum()
    squares = np.array([
        dot(value_N, value_N),
        ratio(totals(clip_N, value_N, clips_C.size) ** 2, clips_C).sum(),
        ratio(totals(rater_N, value_N, raters_R.size) ** 2, raters_R).sum(),
        value_N.sum() ** 2 / num,
    ])  # fmt: skip
    # Rows: all, clips, raters, mean. Columns: mean², clip, rater, residual.
    expected = np.array([
        [num, num, num, num],
        [num, num, raters_in_clips, num_clips],
        [num, clips_in_raters, num, num_raters],
        [num, dot(clips_C, clips_C) / num, dot(raters_R, raters_R) / num, 1.0],
    ]) / num  # fmt: skip
    # Without the mean, three differences remain; they are independent or there is no answer.
    differences = expected[:3, 1:] - expected[3, 1:]
    if np.linalg.svd(differences, compute_uv=False)[-1] < MIN_PIVOT:
        return None
    clip, rater, residual = np.linalg.solve(differences, (squares[:3] - squares[3]) / num).tolist()
    return {"clip": clip, "rater": rater, "residual": residual}


def _one_way(panel: Panel) -> VarianceComponents:
    """Variance between and within clips, raters unseen; ANOVA estimator for unequal votes."""
    stats = panel.clips
    known_C = np.isfinite(stats.ss_C) & (stats.votes_C > 0)
    votes = stats.votes_C[known_C].astype(np.float64)
    mean, within = stats.mean_C[known_C], stats.ss_C[known_C]
    num, num_clips = float(votes.sum()), votes.size
    if num_clips < 2 or num <= num_clips:
        few = "it takes two clips or more, and one of them with two ratings or more"
        return VarianceComponents(clip=None, rater=None, residual=None, method=ONE_WAY, reason=few)
    grand = dot(votes, mean) / num
    mean_square_within = float(within.sum()) / (num - num_clips)
    mean_square_between = dot(votes, (mean - grand) ** 2) / (num_clips - 1)
    typical_votes = (num - dot(votes, votes) / num) / (num_clips - 1)
    clip = (mean_square_between - mean_square_within) / typical_votes
    return _positive({"clip": clip, "rater": 0.0, "residual": mean_square_within}, ONE_WAY)


def _positive(found: Mapping[str, float], method: str) -> VarianceComponents:
    # Rounding of the sums of squares is no variance below zero.
    noise = 1e-12 * sum(abs(value) for value in found.values())
    below = tuple(name for name, value in found.items() if value < -noise)
    kept = {name: value if value > noise else 0.0 for name, value in found.items()}
    return VarianceComponents(
        clip=kept["clip"],
        rater=kept["rater"],
        residual=kept["residual"],
        method=method,
        set_to_zero=below,
    )


def _rater_mean_std(panel: Panel) -> Estimate:
    method = "standard deviation (n - 1) over raters with two ratings or more"
    spare_N, size = panel.rater_or_spare, panel.num_raters + 1
    count_R = counts(spare_N, size)[:-1]
    mean_R = ratio(totals(spare_N, panel.value_N, size)[:-1], count_R)[count_R >= 2]
    if mean_R.size < 2:
        return Estimate.unknown(method, "fewer than two such raters are named")
    return Estimate.of(math.sqrt(float(np.var(mean_R, ddof=1))), method)
