"""``rating = quality of the clip + offset of the rater``, exactly and in few passes.

Least squares with ridge on the offsets has one solution (with ridge above 0), and alternating
between clips and raters walks to it. Putting the clips' best answer into the raters' equations
leaves one linear system in the offsets, symmetric and positive definite; conjugate gradients
solve it to the last digits in a few passes over the ratings, where alternating takes dozens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from mosdata.raters.counting import Floats, Ints, counts, dot, totals

MAX_ITERATIONS: Final = 1000
TOLERANCE: Final = 1e-8
"""Of the residual, relative to where it began: offsets are right to about as many digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditiveFit:
    """The solution; the last offset is 0 and stands for everybody who is not named.

    ``precision_R`` is what the ratings of each named rater say of the offset, in ratings' worth.
    """

    offset_R: Floats
    precision_R: Floats
    num_iterations: int


def fit_additive(
    clip_N: Ints,
    spare_N: Ints,
    value_N: Floats,
    *,
    num_clips: int,
    num_raters: int,
    shrinkage: float,
    tolerance: float = TOLERANCE,
) -> AdditiveFit:
    """The offsets of least squares with ``shrinkage`` times their squares added.

    Args:
        clip_N: code of the clip.
        spare_N: code of the rater; ``num_raters`` where not named.
        value_N: the rating.
        num_clips: number of clips.
        num_raters: number of named raters.
        shrinkage: ridge on the offsets.
        tolerance: of the residual, relative to where it began.
    """
    size = num_raters + 1
    weight_C = 1.0 / np.maximum(counts(clip_N, num_clips), 1)
    named_R = np.r_[np.ones(num_raters), 0.0]
    ridge_R = counts(spare_N, size) + shrinkage

    def without_clips(values_N: Floats) -> Floats:
        """What is left of the raters' sums when each clip has taken its own mean."""
        means_C = totals(clip_N, values_N, num_clips) * weight_C
        return totals(spare_N, means_C[clip_N], size)

    precision_R = ridge_R - totals(spare_N, weight_C[clip_N], size)
    scale_R = named_R / np.where(precision_R > 0, precision_R, 1.0)
    residual_R = named_R * (totals(spare_N, value_N, size) - without_clips(value_N))
    offset_R = np.zeros(size)
    step_R = scale_R * residual_R
    energy = first = dot(residual_R, step_R)
    iterations = 0
    while energy > tolerance**2 * first and iterations < MAX_ITERATIONS:
        image_R = named_R * (ridge_R * step_R - without_clips(step_R[spare_N]))
        curvature = dot(step_R, image_R)
        if curvature <= 0:
            break  # only rounding is left of a system that has no unique solution
        offset_R += energy / curvature * step_R
        residual_R = residual_R - energy / curvature * image_R
        preconditioned_R = scale_R * residual_R
        energy, before = dot(residual_R, preconditioned_R), energy
        step_R = preconditioned_R + energy / before * step_R
        iterations += 1
    return AdditiveFit(
        offset_R=offset_R,
        precision_R=precision_R[:-1],
        num_iterations=iterations,
    )
