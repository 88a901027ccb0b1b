"""Pitch of speech by autocorrelation, good enough to drive a vocoder.

After Boersma, "Accurate short-term analysis of the fundamental frequency..." (IFA Proceedings 17,
1993): the autocorrelation of a windowed frame, divided by that of the window, peaks near one at
the period of a voiced sound.

Shapes: T frames, L lags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip
from mosdata.vocoding.frames import cut_frames, hann, runs

LOWEST_HZ: Final = 60.0
HIGHEST_HZ: Final = 400.0
FRAME_S: Final = 0.04
ANALYSIS_HZ: Final = 5000
"""Harmonics above half of this say little about pitch; leaving them out makes it fast."""

FINER: Final = 4
"""Lags a sample; see :func:`_lag_scores`."""

VOICED: Final = 0.5
"""A frame is voiced where its autocorrelation peaks above this (Boersma: 0.45 to 0.5)."""

QUIET: Final = 0.02
"""... and its RMS is above this part of the loudest frame's."""

OCTAVE_COST: Final = 0.05
"""How much a peak one octave lower has to be higher; keeps the pitch from halving."""


@dataclass(frozen=True, slots=True)
class Pitch:
    """Pitch per frame: ``hz`` has shape ``(T,)`` and is 0 where the frame is unvoiced."""

    hz: NDArray[np.float64]


def track_pitch(clip: Clip, *, hop_s: float, num_frames: int) -> Pitch:
    """Pitch at ``num_frames`` instants, ``hop_s`` seconds apart, from the first sample on.

    Example:
        >>> time_s = np.arange(8000) / 16_000
        >>> buzz = Clip(np.float32(0.1) * np.sign(np.sin(2 * np.pi * 125 * time_s) - 0.8).astype(
        ...     np.float32), 16_000)
        >>> round(float(np.median(track_pitch(buzz, hop_s=0.01, num_frames=50).hz)))
        125
    """
    factor = max(1, clip.sample_rate_hz // ANALYSIS_HZ)
    rate_hz = clip.sample_rate_hz / factor
    frames = _centred_frames(_decimated(clip.samples, factor), rate_hz, hop_s, num_frames)
    lags, heights = np.empty(num_frames), np.empty(num_frames)
    for some in runs(num_frames):
        lags[some], heights[some] = _best_lags(*_lag_scores(frames[some], rate_hz))
    rms = np.sqrt(np.mean(frames**2, axis=1))
    voiced = (heights > VOICED) & (rms > QUIET * rms.max(initial=0.0))
    return Pitch(_without_outliers(np.where(voiced, FINER * rate_hz / lags, 0.0)))


def _decimated(samples: NDArray[np.float32], factor: int) -> NDArray[np.float64]:
    whole = samples[: len(samples) // factor * factor].astype(np.float64)
    means: NDArray[np.float64] = whole.reshape(-1, factor).mean(axis=1)
    return means


def _centred_frames(
    samples: NDArray[np.float64], rate_hz: float, hop_s: float, num_frames: int
) -> NDArray[np.float64]:
    length = round(FRAME_S * rate_hz)
    centres = np.rint(np.arange(num_frames) * hop_s * rate_hz).astype(int)
    needed = int(centres[-1]) + length
    padded = np.pad(samples, (length // 2, max(0, needed - len(samples))))
    frames = cut_frames(padded, frame_length=length, hop_length=1)[centres]
    centred: NDArray[np.float64] = frames - frames.mean(axis=1, keepdims=True)
    return centred


def _lag_scores(frames: NDArray[np.float64], rate_hz: float) -> tuple[NDArray[np.float64], int]:
    """Normalised autocorrelation between the shortest and the longest period.

    Lags are in samples of ``FINER * rate_hz``: a sharp peak between two lags would look lower
    than the one at twice the period that happens to lie on a lag.
    """
    window = hann(frames.shape[1])
    correlation_TL = _autocorrelation(frames * window)
    of_window = _autocorrelation(window[None])[0]
    energy = correlation_TL[:, :1] + 1e-12
    fine_hz = FINER * rate_hz
    first = int(fine_hz / HIGHEST_HZ)
    last = min(int(fine_hz / LOWEST_HZ) + 2, FINER * len(window) * 2 // 3)
    scores = correlation_TL[:, first:last] / energy / (of_window[first:last] / of_window[0])
    return scores, first


def _autocorrelation(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    size = 2 ** int(np.ceil(np.log2(2 * frames.shape[1])))
    power = np.abs(np.fft.rfft(frames, size)) ** 2
    return np.fft.irfft(power, FINER * size)[:, : FINER * frames.shape[1]]


def _best_lags(
    score_TL: NDArray[np.float64], first_lag: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lag of the best peak, refined by a parabola, and its height."""
    lags = first_lag + np.arange(score_TL.shape[1])
    cost = OCTAVE_COST * np.log2(lags / lags[0])
    middle = score_TL[:, 1:-1]
    is_peak = (middle >= score_TL[:, :-2]) & (middle > score_TL[:, 2:])
    best = np.where(is_peak, middle - cost[1:-1], -np.inf).argmax(axis=1)
    rows = np.arange(len(score_TL))
    before, here, after = (score_TL[rows, best + i] for i in range(3))
    curvature = np.minimum(before - 2 * here + after, -1e-12)
    shift = np.clip(0.5 * (before - after) / curvature, -0.5, 0.5)
    return lags[best + 1] + shift, here


def _without_outliers(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of five frames: single octave jumps and single voiced frames go."""
    padded = np.pad(hz, 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
