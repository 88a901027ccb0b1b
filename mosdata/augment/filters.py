"""Band limits: low-pass and high-pass of 8th order."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.augment.ladder import LadderCorruption, check_level, number
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

ORDER: Final = 8
LOWEST_LOW_PASS_HZ: Final = 500.0
LOWEST_HIGH_PASS_HZ: Final = 100.0
HIGHEST_HIGH_PASS_HZ: Final = 4000.0


DENORMAL_GUARD: Final = 1e-20
"""Added to every other sample (a constant and the highest frequency in one): in digital silence
the filter would otherwise ring on in numbers too small for the processor's fast path."""


class _Filter(LadderCorruption):
    """A causal Butterworth filter; nothing about it is drawn."""

    kind: Literal["low", "high"]

    def draw_params(
        self,
        level: float,
        clip: Clip,
        rng: np.random.Generator,  # noqa: ARG002 - a filter takes no chance
    ) -> dict[str, JSON]:
        """``cutoff_hz``."""
        return {**self.ladder(level, clip.sample_rate_hz)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Filter in double precision; the delay stays below 2 ms in the pass band."""
        from scipy.signal import sosfilt

        sections = _sections(self.kind, number(applied, "cutoff_hz"), clip.sample_rate_hz)
        samples = clip.samples.astype(np.float64)
        samples[::2] += DENORMAL_GUARD
        return np.asarray(sosfilt(sections, samples), dtype=np.float32)


class LowPass(_Filter):
    """Remove what lies above a cutoff: mel-linear from half the rate down to 500 Hz.

    Mel scale of O'Shaughnessy, ``2595 log10(1 + f / 700)``.
    """

    name = "low_pass"
    kind = "low"

    def ladder(self, level: float, sample_rate_hz: int) -> dict[str, float]:
        """``cutoff_hz``: 3 dB below the pass band."""
        top, bottom = _mel(sample_rate_hz / 2), _mel(LOWEST_LOW_PASS_HZ)
        cutoff_hz = _hz(top + (bottom - top) * check_level(level))
        # A digital filter has no cutoff at half the rate itself.
        return {"cutoff_hz": round(min(cutoff_hz, 0.4995 * sample_rate_hz), 1)}


class HighPass(_Filter):
    """Remove what lies below a cutoff: exponential from 100 Hz to 4 kHz.

    Below 16 kHz sampling rate the ladder ends at a quarter of the rate.
    """

    name = "high_pass"
    kind = "high"

    def ladder(self, level: float, sample_rate_hz: int) -> dict[str, float]:
        """``cutoff_hz``: 3 dB below the pass band."""
        span = min(HIGHEST_HIGH_PASS_HZ, sample_rate_hz / 4) / LOWEST_HIGH_PASS_HZ
        return {"cutoff_hz": round(LOWEST_HIGH_PASS_HZ * span ** check_level(level), 1)}


@lru_cache(maxsize=256)
def _sections(kind: str, cutoff_hz: float, sample_rate_hz: int) -> NDArray[np.float64]:
    from scipy.signal import butter

    sections = butter(ORDER, cutoff_hz, kind, fs=sample_rate_hz, output="sos")
    return np.asarray(sections, dtype=np.float64)


def _mel(hz: float) -> float:
    return 2595 * float(np.log10(1 + hz / 700))


def _hz(mel: float) -> float:
    return float(700 * (10 ** (mel / 2595) - 1))
