"""How loud the speech in a clip is, whatever the pauses around it.

The root mean square of a whole clip falls when silence is added to it; a signal-to-noise ratio
that uses it then means less noise on the same words. Ratios here refer to the level of *active*
speech, in the spirit of ITU-T P.56: its meter counts time above an adaptive threshold 15.9 dB
below the result, after smoothing the envelope. Ours cuts the clip into frames of 20 ms and calls
a frame active where its mean power is within 35 dB of the loudest frame's; the active level is
the mean power over all active frames. This needs no smoothing filter and keeps weak consonants.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.errors import RecordRejected

FRAME_S: Final = 0.020
ACTIVE_RANGE_DB: Final = 35.0
SILENT_BELOW_DBFS: Final = -80.0
"""A clip whose active level is lower has no speech: no ratio to it has a meaning."""


def active_level_dbfs(clip: Clip) -> float:
    """Level of the active speech, in dB re full scale (root mean square 1.0 is 0 dB).

    Rounded to a millionth of a dB, so that the last bit of a sum, which depends on the
    processor, does not reach the samples.

    Raises:
        RecordRejected: ``silence``: no frame is louder than -80 dBFS, or there is no sample.

    Example:
        >>> tone = np.sin(np.arange(16_000, dtype=np.float32))
        >>> padded = np.concatenate([tone, np.zeros(48_000, np.float32)])
        >>> round(active_level_dbfs(Clip(padded, 16_000)), 1)
        -3.0
    """
    energies, counts = _frames(clip)
    if not len(energies):
        raise _silence()
    active = _active(energies, counts)
    power = float(energies[active].sum()) / int(counts[active].sum())
    if power <= 10 ** (SILENT_BELOW_DBFS / 10):
        raise _silence()
    return round(10 * math.log10(power), 6)


def check_audible(clip: Clip) -> None:
    """Refuse silence, without looking at frames where the whole clip is loud enough.

    Inactive frames are the quietest, so the active level is never below that of the clip.

    Raises:
        RecordRejected: ``silence``, as :func:`active_level_dbfs` does.
    """
    power = float(np.dot(clip.samples, clip.samples)) / max(1, clip.num_samples)
    if power <= 2 * 10 ** (SILENT_BELOW_DBFS / 10):
        active_level_dbfs(clip)


def next_active_sample(clip: Clip, start: int) -> int:
    """First sample of the first active frame at or after ``start``, going round at the end."""
    energies, counts = _frames(clip)
    starts = _frame_length(clip) * np.flatnonzero(_active(energies, counts))
    after = int(np.searchsorted(starts, start))
    return int(starts[after % len(starts)])


def active_samples(clip: Clip) -> Samples:
    """The samples of all active frames, one after the other; pauses are left out."""
    energies, counts = _frames(clip)
    kept: Samples = clip.samples[np.repeat(_active(energies, counts), counts)]
    return kept


def rms_db(samples: Samples) -> float:
    """Root mean square in dB re full scale, rounded like :func:`active_level_dbfs`."""
    power = float(_energies(samples, 256).sum()) / len(samples)
    return round(10 * math.log10(power), 6) if power > 0 else -math.inf


def gain_of(db: float) -> np.float32:
    """Amplitude factor of a gain in dB."""
    return np.float32(10 ** (db / 20))


def _frame_length(clip: Clip) -> int:
    return max(1, round(FRAME_S * clip.sample_rate_hz))


def _frames(clip: Clip) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Energy and number of samples of every frame; the last frame may be shorter."""
    length = _frame_length(clip)
    counts = np.diff(np.arange(0, clip.num_samples, length), append=clip.num_samples)
    return _energies(clip.samples, length), counts


def _energies(samples: Samples, length: int) -> NDArray[np.float64]:
    """Sum of squares of every frame, in double precision without a copy of all samples."""
    whole = len(samples) // length * length
    frames = samples[:whole].reshape(-1, length)
    energies = np.einsum("ij,ij->i", frames, frames, dtype=np.float64)
    rest = samples[whole:].astype(np.float64)
    return np.append(energies, rest @ rest) if len(rest) else energies


def _active(energies: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    powers = energies / counts
    active: NDArray[np.bool_] = powers >= powers.max() * 10 ** (-ACTIVE_RANGE_DB / 10)
    return active


def _silence() -> RecordRejected:
    return RecordRejected(
        "silence",
        f"No speech is louder than {SILENT_BELOW_DBFS:g} dBFS; a corruption of silence says "
        "nothing about quality. Leave the clip out, or check its recording.",
    )
