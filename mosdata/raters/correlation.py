"""Agreement of two columns of numbers; NaN where there is none to speak of."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from mosdata.raters.counting import Floats, dot

MIN_ITEMS: Final = 3
"""Items that a correlation needs before it means anything; two always give +1 or -1."""

CONSTANT_RANGE: Final = 1e-12
"""Relative range below which a side counts as constant: it differs by rounding only."""


def pearson(first: Floats, second: Floats) -> float:
    """Linear correlation; NaN for fewer than ``MIN_ITEMS`` or a constant side."""
    if first.size < MIN_ITEMS or _constant(first) or _constant(second):
        return math.nan
    x, y = first - first.mean(), second - second.mean()
    value = dot(x, y) / math.sqrt(dot(x, x) * dot(y, y))
    return float(np.clip(value, -1.0, 1.0))


def spearman(first: Floats, second: Floats) -> float:
    """Rank correlation; ties get their mean rank. NaN as for :func:`pearson`.

    Example:
        >>> import numpy as np
        >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0]))
        1.0
    """
    return pearson(ranks(first), ranks(second))


def ranks(values: Floats) -> Floats:
    """Ranks from 1, tied values at the mean of their places."""
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], values.size]
    rank = np.empty(values.size)
    rank[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return rank


def spearman_of_normal(rho: float) -> float:
    """Rank correlation of a bivariate normal of linear correlation ``rho``.

    ``6 / pi asin(rho / 2)`` (Pearson 1907; Kruskal 1958, eq. 2.4).

    Example:
        >>> spearman_of_normal(1.0)
        1.0
    """
    return 1.0 if rho >= 1 else 6 / math.pi * math.asin(rho / 2)


def normal_of_spearman(rank_rho: float) -> float:
    """The way back: ``2 sin(pi rank_rho / 6)``."""
    return 2 * math.sin(math.pi * rank_rho / 6)


def _constant(values: Floats) -> bool:
    return bool(np.ptp(values) <= CONSTANT_RANGE * np.abs(values).max())
