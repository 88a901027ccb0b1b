"""``rating = centre + offset + gain (quality - centre)``, by alternating least squares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from mosdata.raters.counting import Floats, Ints, counts, dot, ratio, totals

MAX_ITERATIONS: Final = 500
TOLERANCE: Final = 1e-9
"""Largest change of a clip's quality in the last round, in spreads of the ratings."""
GAIN_LIMITS: Final = (0.2, 5.0)
"""A rater who turns the scale round or flattens it is held here, or one rating would be worth a
hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineFit:
    """The solution; the last rater has offset 0 and gain 1 and stands for everybody not named."""

    centre: float
    quality_C: Floats
    offset_R: Floats
    gain_R: Floats
    offset_precision_R: Floats
    gain_precision_R: Floats
    noise: float
    num_iterations: int


def fit_affine(
    clip_N: Ints,
    spare_N: Ints,
    value_N: Floats,
    *,
    num_clips: int,
    component_R: Ints,
    shrinkage: float,
) -> AffineFit:
    """Quality, offsets and gains; offsets have mean 0 and gains mean 1 in each connected part.

    Ridge pulls offsets to 0 and gains to 1, as ``shrinkage`` ratings of typical clips would.
    """
    size = component_R.size + 1
    centre, variance = float(value_N.mean()), float(value_N.var())
    moved_N = value_N - centre
    votes_C = counts(clip_N, num_clips)
    quality_C = ratio(totals(clip_N, moved_N, num_clips), votes_C)
    offset_R, gain_R = np.zeros(size), np.ones(size)
    iterations, change = 0, math.inf
    while change > TOLERANCE * math.sqrt(variance) and iterations < MAX_ITERATIONS:
        iterations += 1
        ridge = (shrinkage, shrinkage * variance)
        offset_R, gain_R = _raters(quality_C[clip_N], moved_N, spare_N, size=size, ridge=ridge)
        offset_R, gain_R = _settled(offset_R, gain_R, component_R)
        weight_C = totals(clip_N, gain_R[spare_N] ** 2, num_clips)
        pulled_N = gain_R[spare_N] * (moved_N - offset_R[spare_N])
        before_C, quality_C = (
            quality_C,
            totals(clip_N, pulled_N, num_clips) / np.where(weight_C > 0, weight_C, 1.0),
        )
        change = float(np.abs(quality_C - before_C).max())
    left_N = moved_N - offset_R[spare_N] - gain_R[spare_N] * quality_C[clip_N]
    free = value_N.size - num_clips - 2 * component_R.size + 2
    count_R = counts(spare_N, size).astype(np.float64)
    return AffineFit(
        centre=centre,
        quality_C=quality_C + centre,
        offset_R=offset_R,
        gain_R=gain_R,
        offset_precision_R=(count_R + shrinkage)[:-1],
        gain_precision_R=(totals(spare_N, quality_C[clip_N] ** 2, size) + shrinkage * variance)[
            :-1
        ],
        noise=dot(left_N, left_N) / free if free > 0 else math.nan,
        num_iterations=iterations,
    )


def _raters(
    quality_N: Floats, moved_N: Floats, spare_N: Ints, *, size: int, ridge: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Offset and gain of each rater by ridge regression on two unknowns, in closed form."""
    count_R = counts(spare_N, size) + ridge[0]
    x_R = totals(spare_N, quality_N, size)
    xx_R = totals(spare_N, quality_N**2, size) + ridge[1]
    # With gain = 1 + extra, ridge pulls both unknowns to 0.
    y_N = moved_N - quality_N
    y_R, xy_R = totals(spare_N, y_N, size), totals(spare_N, quality_N * y_N, size)
    determinant_R = count_R * xx_R - x_R**2
    solvable_R = determinant_R > 1e-9 * count_R * xx_R
    safe_R = np.where(solvable_R, determinant_R, 1.0)
    extra_R = np.where(solvable_R, (count_R * xy_R - x_R * y_R) / safe_R, 0.0)
    extra_R = np.clip(extra_R, GAIN_LIMITS[0] - 1, GAIN_LIMITS[1] - 1)
    offset_R = (y_R - extra_R * x_R) / np.where(count_R > 0, count_R, 1.0)
    return offset_R, 1 + extra_R


def _settled(offset_R: Floats, gain_R: Floats, component_R: Ints) -> tuple[Floats, Floats]:
    """Mean offset 0 and mean gain 1 in each part: otherwise the clips could take any scale."""
    num_parts = int(component_R.max()) + 1
    raters_P = counts(component_R, num_parts)
    offset_P = ratio(totals(component_R, offset_R[:-1], num_parts), raters_P)
    gain_P = ratio(totals(component_R, gain_R[:-1], num_parts), raters_P)
    offset_R = np.r_[offset_R[:-1] - offset_P[component_R], 0.0]
    return offset_R, np.r_[gain_R[:-1] / gain_P[component_R], 1.0]
