"""Band limits: low-pass and high-pass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar, Final, Literal

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.biquads import Sections, filtered
from mosdata.augment.ladder import LadderCorruption, number
from mosdata.errors import InvalidValue
from mosdata.manifests.rows import Applied

ORDER: Final = 8
"""Poles of a filter whose cutoff alone is given: 48 dB an octave."""

LOW_PASS_ORDERS: Final = (8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64)
LOWEST_LOW_PASS_HZ: Final = 460.0
SLOPE_LOW_PASS_HZ: Final = 520.0
"""From here on the low-pass grows steeper and its cutoff hardly falls. PESQ aligns levels in the
band above 325 Hz, and rates a voice better again where a cutoff nears it, which ears do not."""

SLOPE_LOW_PASS: Final = 0.7
"""Where on the scale that is."""

HIGH_PASS_ORDERS: Final = (3, 4, 5, 6, 7, 8)
LOWEST_HIGH_PASS_HZ: Final = 255.0
"""Below, PESQ dips and rises again from 100 to 240 Hz, while people hear little."""

SLOPE_HIGH_PASS_HZ: Final = 275.0
"""Up to here the high-pass grows steeper and its cutoff hardly climbs."""

SLOPE_HIGH_PASS: Final = 0.2
"""Where on the scale that is."""

HIGHEST_HIGH_PASS_HZ: Final = 420.0
STEEPEST: Final = 64
NYQUIST_SHARE: Final = 0.4995
"""Of the sampling rate: the highest cutoff there is."""

ROUNDING_HZ: Final = 0.01
"""By which rows of old may be above it."""


def highest_cutoff_hz(sample_rate_hz: int) -> float:
    """The highest cutoff at a rate, in hundredths of a hertz as ladders have it, rounded down."""
    return math.floor(round(100 * NYQUIST_SHARE * sample_rate_hz, 3)) / 100


class _Filter(LadderCorruption):
    """A causal Butterworth filter; nothing about it is drawn."""

    kind: Literal["low", "high"]

    parameters: ClassVar = {
        "cutoff_hz": Parameter("3 dB below the pass band", low=20, high=48_000),
        "num_poles": Parameter(
            "of the filter, 6 dB an octave each", low=1, high=64, choices=tuple(range(1, 65))
        ),
    }

    def complete(
        self, given: Mapping[str, float], position: float, sample_rate_hz: int
    ) -> dict[str, float]:
        """A cutoff given alone is one of 8th order."""
        default = {"num_poles": ORDER} if "cutoff_hz" in given else {}
        return {**self.scale(position, sample_rate_hz), **default, **given}

    def check_values(self, values: Mapping[str, float], sample_rate_hz: int) -> None:
        """A digital filter has no cutoff at half the rate itself, or above."""
        top_hz = NYQUIST_SHARE * sample_rate_hz + ROUNDING_HZ
        if values["cutoff_hz"] > top_hz:
            allowed = f"20 to {NYQUIST_SHARE * sample_rate_hz:g}, below half the sampling rate"
            raise InvalidValue(f"cutoff_hz of {self.name}", values["cutoff_hz"], allowed)

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Filter; what a steep low-pass lags more than one of 8th order is taken off."""
        order = int(number(applied, "num_poles", of_old=ORDER))
        cutoff_hz = number(applied, "cutoff_hz")
        sections = _sections(self.kind, order, cutoff_hz, clip.sample_rate_hz)
        delay = self.extra_delay(order, cutoff_hz, clip.sample_rate_hz)
        return filtered(clip.samples, sections, delay=delay)

    def extra_delay(self, order: int, cutoff_hz: float, sample_rate_hz: int) -> int:  # noqa: ARG002 - a high-pass has none
        """Samples by which the pass band lags more than behind a filter of 8th order."""
        return 0


class LowPass(_Filter):
    """Remove what lies above a cutoff, down to 460 Hz, and ever more sharply.

    Over the first 0.7 of the scale the cutoff of a filter of 8th order falls from half the rate to
    520 Hz, evenly in mel (O'Shaughnessy, ``2595 log10(1 + f / 700)``); then the filter gets up to
    64 poles, from 48 to 384 dB an octave, while the cutoff creeps to 460 Hz.

    Source: Butterworth's (1930) response by bilinear transform. One of the seven probes of the
    XLS-R study (Tamm et al. 2023, section 4).

    ``LowPassFilter`` of audiomentations draws a slope of 12, 18 or 24 dB an octave at every call.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"low_pass": {"cutoff_hz": 1000}}
        >>> (applied,), _ = harm(["low_pass"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'cutoff_hz': 1000, 'num_poles': 8}
    """

    name = "low_pass"
    kind = "low"

    def extra_delay(self, order: int, cutoff_hz: float, sample_rate_hz: int) -> int:
        """By the group delay of a Butterworth low-pass at 0 Hz, 1 / (w sin(pi / 2 n)).

        ``w`` is the angular cutoff that the bilinear transform bends onto the one that is wanted.
        """
        more = 1 / math.sin(math.pi / (2 * order)) - 1 / math.sin(math.pi / (2 * ORDER))
        return max(0, round(more / (2 * math.tan(math.pi * cutoff_hz / sample_rate_hz))))

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:
        """A falling cutoff, then a steeper slope."""
        top, bend = _mel(sample_rate_hz / 2), _mel(SLOPE_LOW_PASS_HZ)
        first = min(1.0, position / SLOPE_LOW_PASS)
        second = max(0.0, position - SLOPE_LOW_PASS) / (1 - SLOPE_LOW_PASS)
        cutoff_hz = _hz(top + (bend - top) * first)
        cutoff_hz *= (LOWEST_LOW_PASS_HZ / SLOPE_LOW_PASS_HZ) ** second
        return {
            "cutoff_hz": round(min(cutoff_hz, highest_cutoff_hz(sample_rate_hz)), 2),
            "num_poles": LOW_PASS_ORDERS[round(second * (len(LOW_PASS_ORDERS) - 1))],
        }


class HighPass(_Filter):
    """Remove what lies below a cutoff of 255 to 420 Hz, ever more sharply.

    Over the first fifth of the scale a filter of 3 poles gets 8 (18 to 48 dB an octave) while its
    cutoff creeps from 255 to 275 Hz; then it gets up to 64 poles, which ring, at 420 Hz. PESQ evens
    out gentle slopes, and rates a voice now worse, now better while a cutoff climbs through its
    harmonics, so the scale is one of steepness; ears may find its end milder. Other cutoffs can be
    given.

    Source: Butterworth's (1930) response by bilinear transform. One of the seven probes of the
    XLS-R study (Tamm et al. 2023, section 4).

    ``HighPassFilter`` of audiomentations draws a slope of 12, 18 or 24 dB an octave at every
    call.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"high_pass": {"cutoff_hz": 300, "num_poles": 4}}
        >>> (applied,), _ = harm(["high_pass"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'cutoff_hz': 300, 'num_poles': 4}
    """

    name = "high_pass"
    kind = "high"

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """A steeper slope, then a higher cutoff as well."""
        first = min(1.0, position / SLOPE_HIGH_PASS)
        second = max(0.0, position - SLOPE_HIGH_PASS) / (1 - SLOPE_HIGH_PASS)
        cutoff_hz = LOWEST_HIGH_PASS_HZ * (SLOPE_HIGH_PASS_HZ / LOWEST_HIGH_PASS_HZ) ** first
        cutoff_hz *= (HIGHEST_HIGH_PASS_HZ / SLOPE_HIGH_PASS_HZ) ** second
        num_poles = HIGH_PASS_ORDERS[round(first * (len(HIGH_PASS_ORDERS) - 1))]
        num_poles = round(num_poles * (STEEPEST / ORDER) ** second)
        return {"cutoff_hz": round(cutoff_hz, 4), "num_poles": num_poles}


@lru_cache(maxsize=256)
def _sections(kind: str, order: int, cutoff_hz: float, sample_rate_hz: int) -> Sections:
    from scipy.signal import butter

    sections = butter(order, cutoff_hz, kind, fs=sample_rate_hz, output="sos")
    return np.asarray(sections, dtype=np.float64)


def _mel(hz: float) -> float:
    return 2595 * float(np.log10(1 + hz / 700))


def _hz(mel: float) -> float:
    return float(700 * (10 ** (mel / 2595) - 1))
