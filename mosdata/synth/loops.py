"""Speech that repeats itself: the longest stretch that sounds like another of the same clip.

Autoregressive engines that miss their end say a phrase again, or hold a sound. Both show in the
self-similarity of the clip's spectra: along one diagonal, a second or more looks like what was a
fixed lag earlier. Steps of 20 ms fit the 25 and 50 speech tokens a second of such engines.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip

LONGEST_S: Final = 40.0
"""What lies beyond is not looked at: the work grows with the square of the length."""

SHORTEST_LAG_S: Final = 0.2
STEP: Final = 2
"""Frames that are summed into one step: 20 ms."""

NUM_BANDS: Final = 24
HIGHEST_HZ: Final = 6_000.0
FLOOR_DB: Final = 50.0
"""Below a clip's loudest band nothing counts: there the noise of 16 bits would decide."""

SIMILAR: Final = 0.9
"""Mean cosine of a stretch and the one a lag earlier, spectra less the clip's mean.

Loops of speech tokens come close to 1. Text that has the same words twice stays below in the
offline engines, and the same sentence read twice mostly too: this finds machines, not echoes.
"""

STRETCH_S: Final = 1.0
LEAST_SOUND: Final = 0.5
"""Share of a stretch in which one side or the other must sound: pauses are all alike."""


def longest_loop_s(clip: Clip, is_active: NDArray[np.bool_], *, frame_s: float) -> float:
    """Seconds of the longest stretch that is like the stretch a fixed lag earlier; 0 for none.

    Args:
        clip: speech.
        is_active: which frames hold sound.
        frame_s: length of a frame.
    """
    frame = max(1, round(frame_s * clip.sample_rate_hz)) * STEP
    step_s = frame_s * STEP
    num = min(clip.num_samples // frame, round(LONGEST_S / step_s))
    sounds = np.asarray(is_active[: num * STEP].reshape(num, STEP).any(axis=1))
    spectra = _spectra(clip, frame, num)
    spectra -= spectra[sounds].mean(axis=0) if sounds.any() else 0.0
    length = np.sqrt(np.einsum("nb,nb->n", spectra, spectra))
    spectra /= np.maximum(length, 1e-9)[:, None]
    spectra[~sounds] = 0.0
    width = round(STRETCH_S / step_s)
    longest = 0
    for lag in range(round(SHORTEST_LAG_S / step_s), num - width):
        alike = _sums(np.einsum("nb,nb->n", spectra[lag:], spectra[:-lag]), width)
        heard = _sums(sounds[lag:] | sounds[:-lag], width)
        is_loop = (alike >= SIMILAR * heard) & (heard >= LEAST_SOUND * width)
        where = np.flatnonzero(np.concatenate([[True], ~is_loop, [True]]))
        run = int(np.diff(where).max()) - 1
        longest = max(longest, run + width - 1 if run else 0)
    return longest * step_s


def _sums(values: NDArray[Any], width: int) -> NDArray[np.float64]:
    """Of every ``width`` neighbours."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(sums[width:] - sums[:-width])


def _spectra(clip: Clip, frame: int, num: int) -> NDArray[np.float64]:
    """Log energies of bands, step by step; windows of two steps."""
    padded = np.concatenate([clip.samples[: num * frame], np.zeros(frame, np.float32)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * frame)[::frame][:num]
    power = np.abs(np.fft.rfft(windows * np.hanning(2 * frame), axis=1)) ** 2
    hz = np.fft.rfftfreq(2 * frame, 1 / clip.sample_rate_hz)
    top = min(HIGHEST_HZ, clip.sample_rate_hz / 2)
    edges = np.searchsorted(_mel(hz), np.linspace(_mel(60.0), _mel(top), NUM_BANDS + 1))
    edges = np.maximum.accumulate(np.maximum(edges, np.arange(NUM_BANDS + 1)))
    bands = np.add.reduceat(power, edges[:-1], axis=1)
    energies = 10 * np.log10(bands + 1e-20)
    return np.asarray(np.maximum(energies, energies.max() - FLOOR_DB))


def _mel(hz: NDArray[Any] | float) -> NDArray[np.float64]:
    return np.asarray(2595 * np.log10(1 + np.asarray(hz) / 700))
