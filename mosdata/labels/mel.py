"""Mel features of the P.808 model, in plain arithmetic.

The model was trained on ``librosa.feature.melspectrogram`` with a frame of 321 samples and a hop
of 160 (DNS-Challenge, ``dnsmos_local.py``); this is that function for that purpose, without the
seconds that importing librosa costs. Projections are sums in a fixed order rather than matrix
products, so the bytes do not depend on how many threads a BLAS has.

Mel scale and filters: M. Slaney, Auditory Toolbox, 1998: linear to 1 kHz, logarithmic above,
triangles of equal area.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Samples

SAMPLE_RATE_HZ: Final = 16_000
NUM_MELS: Final = 120
FRAME: Final = 321
HOP: Final = 160
WINDOW_FRAMES: Final = 900
"""Frames of one window of 9 s."""

FRAMES_PER_S: Final = SAMPLE_RATE_HZ // HOP
WINDOW: Final = WINDOW_FRAMES * HOP

_FLOOR_POWER: Final = np.float32(1e-10)
_DYNAMIC_RANGE_DB: Final = 80.0
_BLOCK_FRAMES: Final = 1024  # keeps the spectra of long clips within the cache


def p808_features(signal: Samples, seconds: Iterable[int]) -> Iterator[NDArray[np.float32]]:
    """Log-mel windows of 9 s.

    Windows overlap by up to 8 s, so a frame is computed once for all that hold it. Only the first
    and the last frame of a window reach beyond it, where the model was trained on zeros.

    Args:
        signal: at 16 kHz; at least 9 s from the last start on.
        seconds: where windows start.

    Yields:
        Shape ``(900, 120)``: dB below the window's loudest bin, scaled to ``[-1, 1]``.
    """
    seconds = tuple(seconds)
    inner_db = _mel_db(np.lib.stride_tricks.sliding_window_view(signal, FRAME)[::HOP])
    windows = [signal[second * SAMPLE_RATE_HZ :][:WINDOW] for second in seconds]
    edges_db = _mel_db(np.concatenate([_edge_frames(window) for window in windows]))
    for number, second in enumerate(seconds):
        first_db, last_db = edges_db[2 * number :][:2]
        middle_db = inner_db[second * FRAMES_PER_S :][: WINDOW_FRAMES - 2]
        yield _scaled(np.vstack([first_db, middle_db, last_db]))


def _edge_frames(window: Samples) -> Samples:
    """First and last frame of a window with zeros beyond its ends, shape ``(2, 321)``."""
    reach = FRAME // 2
    frames = np.zeros((2, FRAME), np.float32)
    frames[0, reach:] = window[: FRAME - reach]
    last = window[WINDOW - HOP - reach :]
    frames[1, : len(last)] = last
    return frames


def _scaled(mel_db: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decibel below the loudest bin, from 0 to -80, on the model's scale from 1 to -1."""
    relative_db = np.maximum(mel_db - mel_db.max(), np.float32(-_DYNAMIC_RANGE_DB))
    scaled: NDArray[np.float32] = (relative_db + 40) / 40
    return scaled


def _mel_db(frames: Samples) -> NDArray[np.float32]:
    """Mel power of frames in dB: ``(num_frames, 321)`` to ``(num_frames, 120)``."""
    mel_db = np.empty((len(frames), NUM_MELS), np.float32)
    for start in range(0, len(frames), _BLOCK_FRAMES):
        power = _mel_power(frames[start : start + _BLOCK_FRAMES])
        mel_db[start : start + _BLOCK_FRAMES] = 10 * np.log10(np.maximum(power, _FLOOR_POWER))
    return mel_db


def _mel_power(frames: Samples) -> NDArray[np.float32]:
    import scipy.fft  # transforms float32 several frames at a time; numpy takes twice as long

    spectra: NDArray[np.complex64] = np.asarray(scipy.fft.rfft(frames * _hann(), axis=1))
    power_by_bin = np.ascontiguousarray((spectra.real**2 + spectra.imag**2).T)
    mels = np.zeros((NUM_MELS, len(frames)), np.float32)
    for mel, fft_bin, weight in _filters():
        mels[mel] += weight * power_by_bin[fft_bin]
    return mels.T


@cache
def _hann() -> NDArray[np.float32]:
    """Hann window of one period, so that its last sample is not zero."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)


@cache
def _filters() -> tuple[tuple[int, int, np.float32], ...]:
    """Weights that are not zero: (mel band, frequency bin, weight)."""
    weights = mel_filters()
    return tuple((int(m), int(b), np.float32(weights[m, b])) for m, b in np.argwhere(weights))


def mel_filters() -> NDArray[np.float32]:
    """Triangles from 0 Hz to 8 kHz, shape ``(120, 161)``."""
    highest = _mel_of(SAMPLE_RATE_HZ / 2)
    corners_hz = np.array([_hz_of(mel) for mel in np.linspace(0, highest, NUM_MELS + 2)])
    bins_hz = np.arange(FRAME // 2 + 1) * SAMPLE_RATE_HZ / FRAME
    low, centre, high = corners_hz[:-2, None], corners_hz[1:-1, None], corners_hz[2:, None]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    filters: NDArray[np.float32] = (triangles * 2 / (high - low)).astype(np.float32)
    return filters


_LINEAR_HZ_PER_MEL: Final = 200 / 3
_BREAK_HZ: Final = 1000.0
_BREAK_MEL: Final = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP: Final = float(np.log(6.4)) / 27


def _mel_of(frequency_hz: float) -> float:
    if frequency_hz < _BREAK_HZ:
        return frequency_hz / _LINEAR_HZ_PER_MEL
    return _BREAK_MEL + float(np.log(frequency_hz / _BREAK_HZ)) / _LOG_STEP


def _hz_of(mel: float) -> float:
    if mel < _BREAK_MEL:
        return mel * _LINEAR_HZ_PER_MEL
    return _BREAK_HZ * float(np.exp(_LOG_STEP * (mel - _BREAK_MEL)))
