"""What a receiver plays where packets are missing: repeated pitch periods.

In the manner of ITU-T G.711 Appendix I, with its times kept at any sampling rate. The pitch is
looked for between 5 and 15 ms in the last 20 ms that were heard. The first 10 ms of a gap repeat
one period, the next two, then three; seams are overlapped by a quarter of a period. From 10 ms on
the sound falls by a fifth of its amplitude every 10 ms and is silent after 60 ms; the first packet
after a gap fades in from it. The Appendix delays its output by 3.75 ms to smooth what came before
a gap; here the whole clip is at hand and nothing is delayed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Samples, to_pcm16

BLOCK_S: Final = 0.010
SHORTEST_PITCH_S: Final = 0.005
LONGEST_PITCH_S: Final = 0.015
MATCHED_S: Final = 0.020
MOST_PERIODS: Final = 3
FADE_PER_BLOCK: Final = 0.2
LONGEST_RETURN_S: Final = 0.010
RETURN_PER_BLOCK_S: Final = 0.004
SEARCH_RATE_HZ: Final = 8_000


def conceal(samples: Samples, start: int, stop: int, *, sample_rate_hz: int) -> None:
    """Fill one gap from what lies before it, in place, and fade into what lies after it.

    Args:
        samples: the clip as heard so far; earlier gaps are filled already.
        start: first sample of the gap.
        stop: first sample that arrived again, or the end of the clip.
        sample_rate_hz: of the clip.
    """
    heard = _heard(samples, start, sample_rate_hz)
    period = pitch_period(heard, sample_rate_hz=sample_rate_hz)
    quarter = period // 4
    returning = min(_return_length(stop - start, quarter, sample_rate_hz), len(samples) - stop)
    filling = repeated(heard, stop - start + returning, period, sample_rate_hz=sample_rate_hz)
    filling *= fade(len(filling), sample_rate_hz)
    before = min(quarter, start)  # the tail that leads over to the first repetition
    samples[start - before : start] = _smoothed(heard, period, 1)[len(heard) - before :]
    samples[start:stop] = filling[: stop - start]
    rise = _ramp(returning)
    samples[stop : stop + returning] *= rise
    samples[stop : stop + returning] += (1 - rise) * filling[stop - start :]


def pitch_period(heard: Samples, *, sample_rate_hz: int) -> int:
    """Samples of the pitch period at the end of what was heard: 5 to 15 ms.

    The largest normalised correlation of the last 20 ms with what came one period earlier. First
    over every second or nth sample, then around the best over all. Samples are taken as 16-bit
    integers: their products have exact sums, so every processor finds the same period.
    """
    pcm = to_pcm16(heard).astype(np.float64)
    matched = round(MATCHED_S * sample_rate_hz)
    step = max(1, sample_rate_hz // SEARCH_RATE_HZ)
    shortest = round(SHORTEST_PITCH_S * sample_rate_hz)
    longest = round(LONGEST_PITCH_S * sample_rate_hz)
    thinned = pcm[(len(pcm) - matched) % step :: step]
    length = -(-matched // step)
    best = step * _best_lag(thinned, -(-shortest // step), longest // step, length)
    if step == 1:
        return best
    return _best_lag(pcm, max(shortest, best - step), min(longest, best + step), matched)


def repeated(heard: Samples, length: int, period: int, *, sample_rate_hz: int) -> Samples:
    """The continuation of what was heard: one period, then two, then three, again and again."""
    block = round(BLOCK_S * sample_rate_hz)
    quarter = period // 4
    filling = np.empty(length, np.float32)
    loop, offset = _smoothed(heard, period, 1)[-period:], 0
    for place in range(0, length, block):
        periods = min(MOST_PERIODS, 1 + place // block)
        stop = min(place + block, length)
        part = _looped(loop, offset, stop - place)
        if len(loop) < periods * period:
            longer = _smoothed(heard, period, periods)[-periods * period :]
            offset %= period
            next_part = _looped(longer, offset, stop - place)
            seam = min(quarter, stop - place)
            rise = _ramp(quarter)[:seam]
            next_part[:seam] = part[:seam] * (1 - rise) + next_part[:seam] * rise
            loop, part = longer, next_part
        filling[place:stop] = part
        offset = (offset + block) % len(loop)
    return filling


def fade(length: int, sample_rate_hz: int) -> Samples:
    """1 for 10 ms, then down by a fifth every 10 ms, 0 after 60 ms."""
    blocks = np.arange(length, dtype=np.float64) / (BLOCK_S * sample_rate_hz)
    gain = np.clip(1 - FADE_PER_BLOCK * (blocks - 1), 0, 1)
    return np.asarray(gain, dtype=np.float32)


def _heard(samples: Samples, start: int, sample_rate_hz: int) -> Samples:
    """As much of the past as the search and three periods need; silence before the clip."""
    longest = round(LONGEST_PITCH_S * sample_rate_hz)
    matched = round(MATCHED_S * sample_rate_hz)
    length = max(matched + longest, (MOST_PERIODS + 1) * longest)
    past = samples[max(0, start - length) : start]
    return np.concatenate([np.zeros(length - len(past), np.float32), past])


def _best_lag(pcm: NDArray[np.float64], shortest: int, longest: int, matched: int) -> int:
    """The lag whose correlation with the end is largest, by the power at that lag."""
    first, last = len(pcm) - matched - longest, len(pcm) - shortest
    products = np.correlate(pcm[first:last], pcm[len(pcm) - matched :], "valid")
    power = np.concatenate([[0.0], np.cumsum(pcm[first:last] ** 2)])
    powers = power[matched:] - power[:-matched]
    return longest - int(np.argmax(products / np.sqrt(np.maximum(powers, 1.0))))


def _smoothed(heard: Samples, period: int, periods: int) -> Samples:
    """What was heard, its last quarter period led over to what came before the loop."""
    quarter = period // 4
    smoothed = heard.copy()
    if quarter:
        before = len(heard) - periods * period
        rise = _ramp(quarter)
        smoothed[-quarter:] *= 1 - rise
        smoothed[-quarter:] += rise * heard[before - quarter : before]
    return smoothed


def _looped(loop: Samples, offset: int, length: int) -> Samples:
    repeats = -(-(offset + length) // len(loop))
    return np.tile(loop, repeats)[offset : offset + length]


@lru_cache(maxsize=1024)
def _ramp(length: int) -> Samples:
    """From just above 0 to just below 1; read only, for it is shared."""
    ramp: Samples = np.arange(1, length + 1, dtype=np.float32) / np.float32(length + 1)
    ramp.setflags(write=False)
    return ramp


def _return_length(gap: int, quarter: int, sample_rate_hz: int) -> int:
    """How long the filling goes on under the packet after a gap: longer after a longer gap."""
    blocks = max(1, round(gap / (BLOCK_S * sample_rate_hz)))
    length = quarter + round((blocks - 1) * RETURN_PER_BLOCK_S * sample_rate_hz)
    return min(length, round(LONGEST_RETURN_S * sample_rate_hz))
