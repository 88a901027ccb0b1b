"""The bands of telephony."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.biquads import Sections, filtered
from mosdata.augment.filters import NYQUIST_SHARE, ROUNDING_HZ, highest_cutoff_hz
from mosdata.augment.ladder import LadderCorruption, number
from mosdata.errors import InvalidValue
from mosdata.manifests.rows import Applied

LOW_ORDER: Final = 8
HIGH_ORDER: Final = 10

LOW_ORDERS: Final = (3, 4, 5, 6, 7, 8)
"""The low edge grows steeper before it moves: PESQ rates a voice better again where an edge climbs
from 100 to 240 Hz, which ears do not."""

Band = tuple[float, float]


class _BandLimit(LadderCorruption):
    """A Butterworth band-pass that narrows; nothing is drawn.

    The low edge has 8th order at most, the high edge 10th, both 3 dB down at the edge. The filter
    is causal; its delay at the middle of the band is taken off, to the sample.
    """

    widest: ClassVar[Band]
    middle: ClassVar[Band]
    narrowest: ClassVar[Band]
    low_orders: ClassVar[tuple[int, ...]] = (LOW_ORDER,)

    parameters: ClassVar = {
        "low_hz": Parameter("lower edge, 3 dB down", low=10, high=20_000),
        "high_hz": Parameter("upper edge, 3 dB down", low=100, high=48_000),
        "low_poles": Parameter(
            "of the lower edge, 6 dB an octave each", low=1, high=8, choices=tuple(range(1, 9))
        ),
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:
        """Edges that move exponentially: the widest band at 0, the standard's at 0.5."""
        top_hz = highest_cutoff_hz(sample_rate_hz)
        # Above the clip's own band the upper edge would have nothing to do.
        bands = [(low, min(high, top_hz)) for low, high in self._bands()]
        first, last = bands[:2] if position <= 0.5 else bands[1:]
        share = 2 * position if position <= 0.5 else 2 * position - 1
        low_hz, high_hz = (
            start * (stop / start) ** share for start, stop in zip(first, last, strict=True)
        )
        steepness = min(1.0, 2 * position) * (len(self.low_orders) - 1)
        return {
            "low_hz": round(low_hz, 4),
            "high_hz": round(high_hz, 4),
            "low_poles": self.low_orders[round(steepness)],
        }

    def complete(
        self, given: Mapping[str, float], position: float, sample_rate_hz: int
    ) -> dict[str, float]:
        """An edge given alone is as steep as that of the standard."""
        default = {"low_poles": LOW_ORDER} if "low_hz" in given else {}
        return {**self.scale(position, sample_rate_hz), **default, **given}

    def check_values(self, values: Mapping[str, float], sample_rate_hz: int) -> None:
        """Edges in order, below half the rate."""
        low_hz, high_hz = values["low_hz"], values["high_hz"]
        top_hz = NYQUIST_SHARE * sample_rate_hz + ROUNDING_HZ
        if not low_hz < high_hz <= top_hz:
            allowed = f"low_hz < high_hz <= {NYQUIST_SHARE * sample_rate_hz:g} Hz at this rate"
            raise InvalidValue(f"band of {self.name}", (low_hz, high_hz), allowed)

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Filter, and take off the delay."""
        low_hz, high_hz = number(applied, "low_hz"), number(applied, "high_hz")
        order = int(number(applied, "low_poles", of_old=LOW_ORDER))
        sections, delay = _sections(order, low_hz, high_hz, clip.sample_rate_hz)
        return filtered(clip.samples, sections, delay=delay)

    def _bands(self) -> tuple[Band, Band, Band]:
        return self.widest, self.middle, self.narrowest


class TelephoneBand(_BandLimit):
    """Narrow the band to that of the telephone, 300 to 3400 Hz at position 0.5, and on.

    The edges are those of ITU-T G.712. Up to position 0.5 the lower one, at 270 to 300 Hz, grows
    from 3 poles to 8; beyond, the band narrows to 1400 to 1700 Hz, where hardly a word is left.
    PESQ evens out linear filters to a degree and finds them milder than ears do.

    ``BandPassFilter`` of audiomentations draws the slope and both edges at every call, and its
    delay stays in the clip.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"telephone_band": {"low_hz": 300, "high_hz": 3400}}
        >>> (applied,), _ = harm(["telephone_band"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'low_hz': 300, 'high_hz': 3400, 'low_poles': 8}
    """

    name = "telephone_band"
    widest = (270.0, 24_000.0)
    middle = (300.0, 3400.0)
    narrowest = (1400.0, 1700.0)
    low_orders = LOW_ORDERS


class WideBand(_BandLimit):
    """Narrow the band to that of wide-band telephony, 50 to 7000 Hz at position 0.5, and on.

    The edges are those of ITU-T P.341. The lower one comes up from 12 Hz and stays there; beyond
    position 0.5 the upper one falls on to that of the telephone. A mild kind: clips at 16 kHz
    hardly reach beyond wide band, and PESQ, which has no wider one, hardly hears it.

    ``BandPassFilter`` of audiomentations draws the slope and both edges at every call, and its
    delay stays in the clip.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0, sample_rate_hz=48_000)
        >>> values = {"wide_band": {"high_hz": 7000}}
        >>> (applied,), _ = harm(["wide_band"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'low_hz': 50.0, 'high_hz': 7000, 'low_poles': 8}
    """

    name = "wide_band"
    widest = (12.0, 24_000.0)
    middle = (50.0, 7000.0)
    narrowest = (50.0, 3400.0)


@lru_cache(maxsize=256)
def _sections(
    low_order: int, low_hz: float, high_hz: float, sample_rate_hz: int
) -> tuple[Sections, int]:
    """Second-order sections, and the delay in samples at the middle of the band."""
    from scipy.signal import butter

    high_pass = butter(low_order, low_hz, "high", fs=sample_rate_hz, output="sos")
    low_pass = butter(HIGH_ORDER, high_hz, "low", fs=sample_rate_hz, output="sos")
    sections = np.concatenate([high_pass, low_pass]).astype(np.float64)
    return sections, round(_delay(sections, math.sqrt(low_hz * high_hz), sample_rate_hz))


def _delay(sections: Sections, hz: float, sample_rate_hz: int) -> float:
    """Group delay in samples: what the phase falls by over a step of frequency."""
    from scipy.signal import sosfreqz

    step = 1e-3 * hz
    _, response = sosfreqz(sections, worN=[hz - step, hz + step], fs=sample_rate_hz)
    turn = float(np.angle(response[0] / response[1]))
    return max(0.0, turn / (2 * math.pi * 2 * step) * sample_rate_hz)
