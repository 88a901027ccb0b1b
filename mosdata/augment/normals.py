"""Normal random numbers by inversion: the same on every processor, far faster than numpy's.

Sixteen random bits choose one of 65,536 equally likely quantiles from a table. A turn of each pair
by 45 degrees, which leaves independent normal numbers independent and normal, then makes 2**31
values of them and lets the tails reach six standard deviations instead of four.

numpy's own (a ziggurat) decides number by number, and that would take most of the time of adding
noise to a clip.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from mosdata.audio import Samples

TABLE_SIZE: Final = 2**16
TABLE_STEP: Final = 2.0**-22
"""To which quantiles are rounded: the last bit of a logarithm depends on the processor."""

BLOCK: Final = 16_384
"""Numbers that are made together, and whose halves are pairs; they stay near the processor."""


def normal_noise(seed: int, num_samples: int) -> Samples:
    """Standard normal noise; a longer noise of the same seed begins with the shorter one.

    Example:
        >>> bool((normal_noise(7, 20_000)[:100] == normal_noise(7, 100)).all())
        True
    """
    bits = np.random.SFC64(seed)
    table = _quantiles()
    noise = np.empty(-(-num_samples // BLOCK) * BLOCK, np.float32)
    drawn = np.empty(BLOCK, np.float32)
    first, second = drawn[: BLOCK // 2], drawn[BLOCK // 2 :]
    for start in range(0, num_samples, BLOCK):
        chosen = bits.random_raw(BLOCK // 4).astype("<u8", copy=False).view("<u2")
        np.take(table, chosen, out=drawn, mode="wrap")
        middle = start + BLOCK // 2
        np.add(first, second, out=noise[start:middle])
        np.subtract(first, second, out=noise[middle : start + BLOCK])
    return noise[:num_samples]


@lru_cache(maxsize=1)
def _quantiles() -> Samples:
    """The middle of each of 65,536 equally likely parts; half a unit of power, for two add up."""
    from scipy.special import ndtri

    upper = ndtri(0.5 + (np.arange(TABLE_SIZE // 2) + 0.5) / TABLE_SIZE)
    upper *= np.sqrt(0.5 / np.mean(upper**2))
    upper = np.rint(upper / TABLE_STEP) * TABLE_STEP
    return np.concatenate([-upper[::-1], upper]).astype(np.float32)
