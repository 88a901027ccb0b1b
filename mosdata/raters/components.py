"""How much of a rating is the clip, how much the rater, and how much is neither."""

from __future__ import annotations

from dataclasses import dataclass

from mosdata.manifests.ids import JSON
from mosdata.raters.estimate import Estimate
from mosdata.raters.panel import Panel


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
    def single_rating_reliability(self) -> Estimate:
        """Share of the variance of one rating that is the clip's; 0 to 1."""
        raise NotImplementedError

    def to_json(self) -> dict[str, JSON]:
        """Keys clip, rater, residual, method, reason, set_to_zero."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How far ratings repeat themselves.

    Args:
        components: what a rating is made of.
        single: reliability of one rating, from the components.
        icc1: the same from one-way ANOVA, blind to who rated (ICC(1) of Shrout and Fleiss 1979).
        mean_votes: harmonic mean of the votes per clip; 0 without clips.
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
        raise NotImplementedError


def variance_components(panel: Panel) -> VarianceComponents:
    """The variances of clips, raters and residual."""
    raise NotImplementedError


def reliability(panel: Panel) -> Reliability:
    """Reliability of one rating and of the clips' means."""
    raise NotImplementedError


def spearman_brown(single: float, votes: float) -> float:
    """Reliability of the mean of ``votes`` ratings of reliability ``single``."""
    raise NotImplementedError
