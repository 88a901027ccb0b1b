"""Recursive filters, run over a clip in the quicker of two ways."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Samples, fitted
from mosdata.augment.convolution import convolved

Sections = NDArray[np.float64]
"""Second-order sections, as scipy writes them: shape ``(num_sections, 6)``."""

MOST_RECURSIVE: Final = 4
"""Sections up to which it is quicker to run them than to convolve with their response."""

RING_DB: Final = -150.0
"""How far a filter rings before its response is cut: below the last bit of single precision."""

CHUNK: Final = 32_768
"""Samples that stay near the processor while double precision is needed; an even number."""

DENORMAL_GUARD: Final = 1e-20
"""Added to every other sample (a constant and the highest frequency in one): in digital silence
the filter would otherwise ring on in numbers too small for the processor's fast path."""


def filtered(samples: Samples, sections: Sections, *, delay: int = 0) -> Samples:
    """Filter samples; the result is as long as they are, and the same on every processor.

    However steep a filter is, this takes hardly longer than four sections do.

    Args:
        samples: not changed; silence before and after.
        sections: stable; not changed either.
        delay: samples to take off the start of what comes out.
    """
    if len(sections) > MOST_RECURSIVE:
        return convolved(samples, response_of(sections), delay=delay, exact=True)
    return _recursive(fitted(samples, len(samples) + delay), sections)[delay:]


def response_of(sections: Sections) -> Samples:
    """What a filter makes of an impulse, until it has rung out.

    Example:
        >>> from scipy.signal import butter
        >>> low_pass = butter(12, 4000, fs=16_000, output="sos")
        >>> round(float(response_of(low_pass).sum()), 3)
        1.0
    """
    return _response(np.asarray(sections, np.float64).tobytes())


@lru_cache(maxsize=64)
def _response(sections: bytes) -> Samples:
    from scipy.signal import sosfilt

    rows = np.frombuffer(sections).reshape(-1, 6).copy()
    radius = _largest_radius(rows)
    ringing = math.ceil(RING_DB / 20 * math.log(10) / math.log(radius)) if radius > 0 else 0
    impulse = np.zeros(1 + 2 * len(rows) + ringing)
    impulse[0] = 1
    return np.asarray(sosfilt(rows, impulse), np.float32)


def _largest_radius(sections: Sections) -> float:
    """Magnitude of the pole that rings longest, of ``1 + a z**-1 + b z**-2`` in every row."""
    a, b = sections[:, 4], sections[:, 5]
    inside = a**2 - 4 * b
    real = (np.abs(a) + np.sqrt(np.maximum(inside, 0))) / 2
    return float(np.where(inside < 0, np.sqrt(np.maximum(b, 0)), real).max())


def _recursive(samples: Samples, sections: Sections) -> Samples:
    """In double precision, chunk by chunk."""
    from scipy.signal import sosfilt

    state = np.zeros((len(sections), 2))
    result = np.empty(len(samples), np.float32)
    for start in range(0, len(samples), CHUNK):
        part = samples[start : start + CHUNK].astype(np.float64)
        part[::2] += DENORMAL_GUARD
        result[start : start + CHUNK], state = sosfilt(sections, part, zi=state)
    return result
