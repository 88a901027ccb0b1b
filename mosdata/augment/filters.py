"""Band limits: low-pass and high-pass of 8th order."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, number
from mosdata.errors import InvalidValue
from mosdata.manifests.rows import Applied

ORDER: Final = 8
LOWEST_LOW_PASS_HZ: Final = 250.0
LOWEST_HIGH_PASS_HZ: Final = 240.0
"""Below, PESQ dips and rises again from 100 to 240 Hz, while people hear little."""

HIGHEST_HIGH_PASS_HZ: Final = 4000.0
NYQUIST_SHARE: Final = 0.4995
"""Of the sampling rate: the highest cutoff there is."""


DENORMAL_GUARD: Final = 1e-20
"""Added to every other sample (a constant and the highest frequency in one): in digital silence
the filter would otherwise ring on in numbers too small for the processor's fast path."""


CHUNK: Final = 32_768
"""Samples that stay near the processor while double precision is needed; an even number."""


class _Filter(LadderCorruption):
    """A causal Butterworth filter; nothing about it is drawn."""

    kind: Literal["low", "high"]

    parameters: ClassVar = {"cutoff_hz": Parameter("3 dB below the pass band", low=20, high=48_000)}

    def check_values(self, values: Mapping[str, float], sample_rate_hz: int) -> None:
        """A digital filter has no cutoff at half the rate itself, or above."""
        if values["cutoff_hz"] > NYQUIST_SHARE * sample_rate_hz:
            allowed = f"20 to {NYQUIST_SHARE * sample_rate_hz:g}, below half the sampling rate"
            raise InvalidValue(f"cutoff_hz of {self.name}", values["cutoff_hz"], allowed)

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Filter in double precision; the delay stays below 2 ms in the pass band."""
        from scipy.signal import sosfilt

        sections = _sections(self.kind, number(applied, "cutoff_hz"), clip.sample_rate_hz)
        state = np.zeros((len(sections), 2))
        filtered = np.empty_like(clip.samples)
        for start in range(0, clip.num_samples, CHUNK):
            part = clip.samples[start : start + CHUNK].astype(np.float64)
            part[::2] += DENORMAL_GUARD
            filtered[start : start + CHUNK], state = sosfilt(sections, part, zi=state)
        return filtered


class LowPass(_Filter):
    """Remove what lies above a cutoff: mel-linear from half the rate down to 250 Hz.

    Mel scale of O'Shaughnessy, ``2595 log10(1 + f / 700)``.
    """

    name = "low_pass"
    kind = "low"

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:
        """Mel-linear from half the rate down to 250 Hz."""
        top, bottom = _mel(sample_rate_hz / 2), _mel(LOWEST_LOW_PASS_HZ)
        cutoff_hz = _hz(top + (bottom - top) * position)
        return {"cutoff_hz": round(min(cutoff_hz, NYQUIST_SHARE * sample_rate_hz), 1)}


class HighPass(_Filter):
    """Remove what lies below a cutoff: exponential from 240 Hz to 4 kHz.

    Below 16 kHz sampling rate the ladder ends at a quarter of the rate.
    """

    name = "high_pass"
    kind = "high"

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:
        """Exponential from 240 Hz to 4 kHz."""
        span = min(HIGHEST_HIGH_PASS_HZ, sample_rate_hz / 4) / LOWEST_HIGH_PASS_HZ
        return {"cutoff_hz": round(LOWEST_HIGH_PASS_HZ * span**position, 1)}


@lru_cache(maxsize=256)
def _sections(kind: str, cutoff_hz: float, sample_rate_hz: int) -> NDArray[np.float64]:
    from scipy.signal import butter

    sections = butter(ORDER, cutoff_hz, kind, fs=sample_rate_hz, output="sos")
    return np.asarray(sections, dtype=np.float64)


def _mel(hz: float) -> float:
    return 2595 * float(np.log10(1 + hz / 700))


def _hz(mel: float) -> float:
    return float(700 * (10 ** (mel / 2595) - 1))
