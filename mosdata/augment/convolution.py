"""Convolution with long responses."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Samples

ROWS: Final = 4
"""Blocks that are transformed together: so many fit into one vector of the processor, which makes
each more than twice as fast."""

LENGTHS: Final = tuple(round(1024 * 2 ** (step / 4)) for step in range(37))
"""Samples of a clip in a block that come into question, up to half a million."""

ALONE: Final = 2.0
"""How much longer a block takes by itself."""

COSTS: Final = (
    (2_000, 7.5),
    (6_000, 5.1),
    (12_800, 5.6),
    (32_768, 6),
    (65_536, 7.2),
    (98_304, 9),
    (163_840, 11),
    (1_048_576, 20),
)
"""Length of a block, and how long a sample of it takes, in some unit: beyond a few ten thousand
blocks leave the processor's own cache."""

UNIT: Final = 64
"""Lengths of blocks are multiples of this: transforms of many twos are the fastest."""


def convolved(
    samples: Samples, response: Samples, *, delay: int = 0, exact: bool = False
) -> Samples:
    """As many samples of a convolution as there were before, by overlap and add.

    Blocks are of equal length and so short that four of them stay in the processor's cache: up to
    four times as fast as one transform of the whole clip, and memory does not grow with it. The
    response is transformed beside the first three blocks: alone it would take as long as those do.

    Args:
        samples: of a clip.
        response: from lag 0 on.
        delay: samples to take off the start of what comes out.
        exact: whether every processor shall give the same bits. Some multiply and add without
            rounding in between; where that is kept from them, it takes a tenth longer.

    Example:
        >>> convolved(np.float32([1, 1, 0, 1]), np.float32([1, 0.5])).round(3).tolist()
        [1.0, 1.5, 0.5, 1.0]
    """
    from scipy import fft

    response = response[: len(samples) + delay]
    count, step, size = blocks_of(len(samples), len(response))
    padded = np.zeros((min(ROWS, count + 1), size), np.float32)  # beyond a step it stays silent
    padded[0, : len(response)] = response
    fill_rows(padded[1:, :step], samples[: (ROWS - 1) * step])
    spectra = fft.rfft(padded, axis=1)
    spectrum, spectra = spectra[0].copy(), spectra[1:]
    padded[0] = 0
    sums = np.zeros(count * step + max(size, delay), np.float32)
    parts = np.empty_like(padded)
    first = 0
    while True:
        if exact:
            spectra = np.einsum("rb,b->rb", spectra, spectrum)
        else:
            spectra *= spectrum
        made = parts[: len(spectra)]
        # As fast for three rows as for four, and it writes where it is told to, single precision
        # too.
        np.fft.irfft(spectra, size, axis=1, out=made)  # type: ignore[arg-type]
        for part in made:
            sums[first * step : first * step + size] += part
            first += 1
        if first >= count:
            return sums[delay : delay + len(samples)]
        fill_rows(padded[:, :step], samples[first * step : (first + ROWS) * step])
        spectra = fft.rfft(padded, axis=1)


def fill_rows(rows: Samples, samples: Samples) -> None:
    """Write samples into rows one after the other, and silence after the last."""
    width = rows.shape[1]
    whole = len(samples) // width
    rows[:whole] = samples[: whole * width].reshape(whole, width)
    if whole < len(rows):
        rest = len(samples) - whole * width
        rows[whole, :rest] = samples[whole * width :]
        rows[whole, rest:] = 0
        rows[whole + 1 :] = 0


@lru_cache(maxsize=256)
def blocks_of(num_samples: int, num_response: int) -> tuple[int, int, int]:
    """How many blocks, samples of the clip in each, and length of their transform.

    Example:
        >>> blocks_of(160_000, 4_000)
        (7, 22858, 27648)
    """
    from scipy import fft

    def blocks(count: int) -> tuple[int, int, int]:
        step = -(-num_samples // count)
        units = -(-(step + num_response - 1) // UNIT)
        return count, step, UNIT * fft.next_fast_len(units, real=True)

    def cost(plan: tuple[int, int, int]) -> float:
        count, _, size = plan
        rows = 3 * ALONE if count == 1 else 2 * count + 1
        return rows * size * float(np.interp(size, *_costs()))

    counts = {ROWS * -(-(num_samples // length + 1) // ROWS) - 1 for length in LENGTHS}
    if num_samples <= LENGTHS[-1]:
        counts.add(1)
    return min((blocks(count) for count in sorted(counts)), key=cost)


@lru_cache(maxsize=1)
def _costs() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lengths, costs = zip(*COSTS, strict=True)
    return np.array(lengths, np.float64), np.array(costs)
