"""A rater nobody has heard of, known from a few ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from mosdata.manifests.ids import JSON
from mosdata.raters.estimate import Estimate
from mosdata.raters.counting import Floats, Ints
from mosdata.raters.panel import Panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The habits of new raters, as far as their few ratings tell.

    Args:
        rater_names: the new raters, sorted.
        offset_R: what each adds to the panel's quality, in points.
        gain_R: how far each spreads scores; all 1 unless asked for.
        count_R: ratings that it was learnt from.
        num_unmatched: ratings of clips whose quality is not known; left out.
        num_unnamed: ratings without a rater; left out.
    """

    rater_names: tuple[str, ...]
    offset_R: Floats
    gain_R: Floats
    count_R: Ints
    num_unmatched: int
    num_unnamed: int

    def to_table(self) -> pa.Table:
        """Columns rater, ratings, offset, gain."""
        raise NotImplementedError


def calibrate(
    quality: Panel | Mapping[str, float],
    ratings: Panel,
    *,
    shrinkage: float = 2.0,
    gain: bool = False,
) -> Calibration:
    """Offsets (and gains) of raters against a quality that others, or a predictor, gave.

    Args:
        quality: a panel, which is de-biased; or quality (or prediction) by clip name.
        ratings: the new raters' ratings.
        shrinkage: the offset is the sum of the k differences over k + ``shrinkage``.
        gain: estimate the gain too.
    """
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationPoint:
    """What k ratings of each unseen rater are worth, on the clips that were not among the k.

    ``before`` and ``after`` hold mse, lcc and srcc of the panel's quality against the unseen
    raters' clip means, without and with their offsets; means over splits.
    """

    k: int
    before: Mapping[str, Estimate]
    after: Mapping[str, Estimate]
    num_clips: float
    num_raters: float

    def to_json(self) -> dict[str, JSON]:
        """Keys k, before, after, num_clips, num_raters."""
        raise NotImplementedError


def adaptation_curve(
    panel: Panel,
    *,
    ks: Sequence[int] = (1, 2, 5, 10, 20),
    num_splits: int = 20,
    seed: int = 0,
    gain: bool = False,
) -> tuple[AdaptationPoint, ...]:
    """Half of the raters are the panel, the other half are unseen but for k ratings each."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Single ratings that were held out, predicted by their clip, then by clip and rater.

    Args:
        mse_clip: by the mean of the clip's other ratings.
        mse_clip_rater: by the de-biased quality and the rater's offset.
        num_ratings: predicted in all.
    """

    mse_clip: Estimate
    mse_clip_rater: Estimate
    num_ratings: int

    def to_json(self) -> dict[str, JSON]:
        """Every field by its name."""
        raise NotImplementedError


def held_out_ratings(
    panel: Panel, *, num_folds: int = 10, shrinkage: float = 5.0, seed: int = 0
) -> HeldOut:
    """How much better a single rating is told where its rater is known."""
    raise NotImplementedError
