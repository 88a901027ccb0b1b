"""Sums and means by code: what every statistic of a large panel is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def counts(codes: Ints, size: int) -> Ints:
    """How often each of ``size`` codes occurs."""
    found: Ints = np.bincount(codes, minlength=size)
    return found


def totals(codes: Ints, values: NDArray[Any], size: int) -> Floats:
    """Sum of the values of each of ``size`` codes."""
    # bincount of nothing forgets that the weights are floats.
    found: Floats = np.bincount(codes, values, size).astype(np.float64, copy=False)
    return found


def ratio(sums: Floats, numbers: NDArray[Any]) -> Floats:
    """Means; 0 where there is nothing to take the mean of."""
    means: Floats = sums / np.maximum(numbers, 1)
    return means


def dot(first: Floats, second: Floats) -> float:
    """Sum of products; not by BLAS, whose last digits depend on how many threads it was given."""
    return float(np.einsum("i,i->", first, second))
