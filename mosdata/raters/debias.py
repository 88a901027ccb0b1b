"""Ratings without the offsets of those who gave them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from mosdata.raters.panel import Floats, Ints, Panel

Method = Literal["additive", "zscore", "affine"]


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
        offset_se_R: its standard error; NaN where it cannot be told.
        gain_R: how far each rater spreads scores, 1 = as the panel; all 1 for ``additive``.
        gain_se_R: its standard error; 0 for ``additive``.
        count_R: ratings of each rater.
        component_R: connected part of the design; offsets compare within one only.
        num_iterations: until convergence.
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
        """Columns clip_id, mean, quality, votes."""
        raise NotImplementedError

    def raters_table(self, panel: Panel) -> pa.Table:
        """Columns rater, ratings, offset, offset_se, gain, gain_se, component."""
        raise NotImplementedError


def debias(panel: Panel, *, method: Method = "additive", shrinkage: float = 5.0) -> Debiased:
    """Quality of clips and habits of raters, estimated together.

    Raises:
        UnknownName: no such method.
        InvalidValue: a shrinkage below 0 or not finite.
    """
    raise NotImplementedError
