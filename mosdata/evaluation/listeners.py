"""What listeners that nobody has heard before would say, told from a few of their ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from mosdata.evaluation.metrics import Floats
from mosdata.raters.adapt import FEW_SHOT_SHRINKAGE, Calibration
from mosdata.raters.panel import Panel

MIN_FREEDOM: Final = 10
"""Degrees of freedom below which ratings cannot tell their own spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One new rater; ``low`` and ``high`` are the 95 % interval of the offset, in points."""

    rater: str
    ratings: int
    offset: float
    low: float | None
    high: float | None


def known_listeners(
    found: Calibration,
    quality: Mapping[str, float],
    ratings: Panel,
    *,
    residual: float | None,
    shrinkage: float = FEW_SHOT_SHRINKAGE,
) -> tuple[Listener, ...]:
    """Each new rater's offset with its interval, by name.

    The offset of k ratings is shrunk as if it came from a normal distribution with the variance
    of a rating over ``shrinkage``; given the ratings, its variance is then that of a rating over
    ``k + shrinkage`` (the posterior of a normal mean).

    Args:
        found: ``calibrate(quality, ratings)``.
        quality: of each clip, by name.
        ratings: the new raters' ratings.
        residual: variance of a rating about clip and rater, for too few ratings to tell it.
        shrinkage: that ``found`` was made with.
    """
    variance = residual_variance(found, quality, ratings)
    variance = residual if variance is None else variance
    rows = []
    for code, name in enumerate(found.rater_names):
        count, offset = int(found.count_R[code]), float(found.offset_R[code])
        half = None
        if variance is not None and count + shrinkage > 0:
            half = 1.96 * math.sqrt(variance / (count + shrinkage))
        rows.append(
            Listener(
                rater=name,
                ratings=count,
                offset=offset,
                low=None if half is None else offset - half,
                high=None if half is None else offset + half,
            )
        )
    return tuple(rows)


def residual_variance(
    found: Calibration, quality: Mapping[str, float], ratings: Panel
) -> float | None:
    """Variance of ratings about quality and their rater's mean, pooled; None from too few."""
    names = ratings.clip_names.to_pylist()
    known_C = np.array([quality.get(name, math.nan) for name in names], dtype=np.float64)
    left_N = ratings.value_N - known_C[ratings.clip_N]
    kept_N = np.isfinite(left_N) & (ratings.rater_N >= 0)
    rater_N, left_N = ratings.rater_N[kept_N], left_N[kept_N]
    freedom = left_N.size - int(np.count_nonzero(found.count_R))
    if freedom < MIN_FREEDOM:
        return None
    sums_R = np.bincount(rater_N, left_N, len(found.rater_names))
    mean_R = sums_R / np.maximum(found.count_R, 1)
    return float(np.sum((left_N - mean_R[rater_N]) ** 2) / freedom)


def told_ratings(found: Calibration, quality: Mapping[str, float], ratings: Panel) -> pa.Table:
    """What each new rater would say of every clip that he or she has not rated.

    Returns:
        Columns rater, clip_id, quality, score; by rater and clip. Scores may lie outside the
        scale: they are not cut off.
    """
    names = ratings.clip_names.to_pylist()
    heard: dict[int, set[str]] = {}
    for rater, clip in zip(ratings.rater_N.tolist(), ratings.clip_N.tolist(), strict=True):
        heard.setdefault(rater, set()).add(names[clip])
    clips = sorted(quality)
    parts = []
    for code, rater_name in enumerate(found.rater_names):
        rest = [clip for clip in clips if clip not in heard.get(code, ())]
        values: Floats = np.array([quality[clip] for clip in rest], dtype=np.float64)
        scores = found.predict(values, np.full(len(rest), code, np.intp))
        parts.append(
            pa.table(
                {
                    "rater": pa.array([rater_name] * len(rest), pa.string()),
                    "clip_id": pa.array(rest, pa.string()),
                    "quality": pa.array(values, pa.float64()),
                    "score": pa.array(scores, pa.float64()),
                }
            )
        )
    return pa.concat_tables(parts)
