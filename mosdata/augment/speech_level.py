"""How loud the speech in a clip is, whatever the pauses around it: ITU-T P.56, method B.

The root mean square of a whole clip falls when silence is added to it; a signal-to-noise ratio
that uses it then means less noise on the same words. Ratios here refer to the *active speech
level*: the power over the time in which the envelope of the signal, smoothed twice with 30 ms, is
above a threshold, or was less than 200 ms ago; and the threshold lies 15.9 dB below that very
level. Thresholds are powers of two; between two of them the level is interpolated in dB, as the
ITU's own tool does (G.191, sv56).

The envelope is exact and looked at 694 times a second, the least that P.56 allows. So a block of
samples takes two weighted sums, and the rest is 694 numbers a second.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import (
    DOUBLES_AT_ONCE,
    Clip,
    Samples,
    check_samples,
    peak_of,
    sum_of_squares,
)
from mosdata.errors import RecordRejected

TIME_CONSTANT_S: Final = 0.030
HANGOVER_S: Final = 0.200
MARGIN_DB: Final = 15.9
BLOCKS_PER_S: Final = 694
LOWEST_THRESHOLD: Final = -28
"""As a power of two. The ITU's tool ends at the last bit of 16; floats go on."""

SILENT_BELOW_DBFS: Final = -80.0
"""A clip whose active level is lower has no speech: no ratio to it has a meaning."""

FRAME_S: Final = 0.020
KEPT: Final = 32
"""Clips of which something is remembered: all those of a group of kinds, and what they mix in."""


def active_level_dbfs(clip: Clip) -> float:
    """Level of the active speech, in dB re full scale (root mean square 1.0 is 0 dB).

    Rounded to a millionth of a dB, so that the last bit of a sum, which depends on the
    processor, does not reach the samples. The levels of the last few clips are remembered.

    Raises:
        RecordRejected: ``silence``: lower than -80 dBFS, or there is no sample.

    Example:
        >>> tone = np.sin(np.arange(16_000, dtype=np.float32))
        >>> padded = np.concatenate([tone, np.zeros(48_000, np.float32)])
        >>> round(active_level_dbfs(Clip(padded, 16_000)))
        -4
    """
    known = _known(clip)
    if known.level_db is None:
        known.level_db = _measured(clip) if known.mark[0] > 0 else -math.inf
    level_db = known.level_db
    if level_db <= SILENT_BELOW_DBFS:
        raise _silence()
    return level_db


def check_audible(clip: Clip) -> None:
    """Refuse what cannot be harmed, without looking for speech where the whole clip is loud enough.

    The active level is never below that of the clip, and a sum of squares is finite where all
    samples are.

    Raises:
        RecordRejected: ``silence``, as :func:`active_level_dbfs` does; ``empty_audio`` or
            ``not_finite``.
    """
    power = _known(clip).mark[0]
    if not 0 < power < math.inf:
        check_samples(clip)
    if power <= 2 * 10 ** (SILENT_BELOW_DBFS / 10) * clip.num_samples:
        active_level_dbfs(clip)


def checked_peak(clip: Clip) -> float:
    """Largest magnitude of a clip; remembered as the level is.

    Raises:
        RecordRejected: ``empty_audio`` or ``not_finite``.
    """
    known = _known(clip)
    if known.peak is None:
        known.peak = peak_of(clip)
    return known.peak


def next_active_sample(clip: Clip, start: int) -> int:
    """First sample of the first active frame at or after ``start``, going round at the end."""
    starts = _frame_length(clip) * np.flatnonzero(_active_frames(clip)[0])
    after = int(np.searchsorted(starts, start))
    return int(starts[after % len(starts)])


def active_samples(clip: Clip) -> Samples:
    """The samples of all active frames, one after the other; pauses are left out."""
    active, counts = _active_frames(clip)
    kept: Samples = clip.samples[np.repeat(active, counts)]
    return kept


def rms_db(samples: Samples) -> float:
    """Root mean square in dB re full scale, rounded like :func:`active_level_dbfs`."""
    power = sum_of_squares(samples) / len(samples)
    return round(10 * math.log10(power), 6) if power > 0 else -math.inf


def gain_of(db: float) -> np.float32:
    """Amplitude factor of a gain in dB."""
    return np.float32(10 ** (db / 20))


def envelope(clip: Clip) -> NDArray[np.float64]:
    """The envelope of P.56 at the end of every block; the last block may be shorter.

    Two equal first-order filters in a row, over the magnitudes. What a block adds to the states
    of both is a weighted sum of its samples; from block to block they are one filter with a pole
    of order two.
    """
    return _envelope_and_energy(clip)[0]


def _envelope_and_energy(clip: Clip) -> tuple[NDArray[np.float64], float]:
    """The envelope, and the sum of squares, while the samples are in double precision anyway."""
    from scipy.signal import lfilter

    block = _block(clip.sample_rate_hz)
    decay = math.exp(-1 / (clip.sample_rate_hz * TIME_CONSTANT_S))
    sums, energy = _weighted_sums(clip.samples, _weights(block, decay))
    over_block = decay**block
    added = sums[:, 1].copy()
    added[1:] += over_block * (block * sums[:-1, 0] - sums[:-1, 1])
    added *= (1 - decay) ** 2
    smoothed = lfilter([1.0], [1.0, -2 * over_block, over_block**2], added)
    return np.asarray(smoothed), energy


def _measured(clip: Clip) -> float:
    """Active level of a clip that is not all zero; P.56 steps through thresholds from below."""
    block = _block(clip.sample_rate_hz)
    below = 2.0 ** (LOWEST_THRESHOLD - 1)
    smoothed, energy = _envelope_and_energy(clip)
    octaves = (np.frexp(np.maximum(smoothed, below))[1] - LOWEST_THRESHOLD).astype(np.int8)
    held = _held(octaves, round(HANGOVER_S * clip.sample_rate_hz / block))
    in_octave = block * np.bincount(held)
    in_octave[held[-1]] -= block * len(held) - clip.num_samples  # the last block is shorter
    active = np.cumsum(in_octave[::-1])[::-1][1:]  # samples above each threshold
    if not len(active):
        return -math.inf
    levels_db = 10 * np.log10(energy / active)
    thresholds_db = 20 * math.log10(2) * (LOWEST_THRESHOLD + np.arange(len(active)))
    return round(_where_margin_is_met(levels_db, levels_db - thresholds_db), 6)


def _held(values: NDArray[np.int8], num_blocks: int) -> NDArray[np.int8]:
    """The largest of each value and the ``num_blocks`` before it, in steps of doubled reach."""
    held, reach = values.copy(), 0
    while reach < num_blocks:
        step = min(reach + 1, num_blocks - reach)
        held[step:] = np.maximum(held[step:], held[:-step])
        reach += step
    return held


def _where_margin_is_met(levels_db: NDArray[np.float64], margins_db: NDArray[np.float64]) -> float:
    """The level where it is 15.9 dB above its threshold, between two thresholds linear in dB.

    A click never comes that near to its envelope: then the highest threshold that was met counts.
    """
    met = np.flatnonzero(margins_db <= MARGIN_DB)
    if not len(met) or met[0] == 0:
        return float(levels_db[-1 if not len(met) else 0])
    after = int(met[0])
    step = margins_db[after - 1] - margins_db[after]
    share = (margins_db[after - 1] - MARGIN_DB) / step
    return float(levels_db[after - 1] + share * (levels_db[after] - levels_db[after - 1]))


def _block(sample_rate_hz: int) -> int:
    return max(1, sample_rate_hz // BLOCKS_PER_S)


@lru_cache(maxsize=64)
def _weights(block: int, decay: float) -> NDArray[np.float64]:
    """What each sample of a block adds to the first filter and, through it, to the second."""
    left = np.arange(block - 1, -1, -1)
    return np.stack([decay**left, (left + 1) * decay**left], axis=1)


def _weighted_sums(
    samples: Samples, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Of the magnitudes of each block, in double precision; the last one as if silence followed.

    With it the sum of squares of all samples.
    """
    block = len(weights)
    num_blocks = -(-len(samples) // block)
    sums = np.empty((num_blocks, weights.shape[1]))
    step = max(1, DOUBLES_AT_ONCE // block)
    buffer, energy = np.empty((step, block)), 0.0
    for first in range(0, num_blocks, step):
        part = samples[first * block : (first + step) * block]
        rows = buffer[: -(-len(part) // block)]
        flat = rows.reshape(-1)
        flat[: len(part)] = part
        flat[len(part) :] = 0
        energy += float(np.dot(flat, flat))
        np.abs(flat, out=flat)
        np.matmul(rows, weights, out=sums[first : first + step])
    return sums, energy


def _frame_length(clip: Clip) -> int:
    return max(1, round(FRAME_S * clip.sample_rate_hz))


def _active_frames(clip: Clip) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which frames of 20 ms hold speech, and how many samples each has.

    Those not more than 15.9 dB below the active level; the loudest frame always.
    """
    length = _frame_length(clip)
    counts = np.diff(np.arange(0, clip.num_samples, length), append=clip.num_samples)
    known = _known(clip)
    if known.active is None:
        threshold = 10 ** ((active_level_dbfs(clip) - MARGIN_DB) / 10)
        powers = _energies(clip.samples, length) / counts
        known.active = powers >= min(threshold, float(powers.max()))
    return known.active, counts


def _energies(samples: Samples, length: int) -> NDArray[np.float64]:
    """Sum of squares of every frame; the last one may be shorter."""
    whole = len(samples) // length * length
    frames = samples[:whole].reshape(-1, length)
    energies = np.einsum("ij,ij->i", frames, frames, dtype=np.float64)
    rest = samples[whole:].astype(np.float64)
    return np.append(energies, rest @ rest) if len(rest) else energies


def _mark(samples: Samples) -> tuple[float, float]:
    """Two sums, quickly: by them a clip is told from one that was written to since.

    Of the squares; and of the samples, each weighted by its place, for what was only moved.
    """
    length = len(_PLACES)
    whole = len(samples) // length * length
    rows = samples[:whole].reshape(-1, length) @ _PLACES
    weights = np.resize(_PLACES[::-1], len(rows))
    weighted = float(np.dot(rows, weights))
    weighted += float(np.dot(samples[whole:], _PLACES[: len(samples) - whole]))
    return float(np.dot(samples, samples)), weighted


_PLACES: Final = np.random.Generator(np.random.SFC64(0)).standard_normal(4096, dtype=np.float32)
"""Weights of places in a clip; of samples within a row, and of rows."""


@dataclass(slots=True)
class _Known:
    """What was found out about some samples."""

    owner: weakref.ref[NDArray[Any]] | None
    mark: tuple[float, float]
    level_db: float | None = None
    peak: float | None = None
    active: NDArray[np.bool_] | None = None


_clips: Final[dict[tuple[int, int, int, int], _Known]] = {}
"""By the place of their samples. Ladders and groups of kinds ask for one clip many times."""


def _known(clip: Clip) -> _Known:
    """What is known of these very samples, unless they were written to since; to be added to."""
    place, owner = _place(clip), _owner(clip.samples)
    known = _clips.get(place)
    if known and not (known.owner and known.owner() is owner):
        known = None
    if known and not (clip.samples.flags.writeable or _is_writeable(owner)):
        return known
    mark = _mark(clip.samples)
    if known and known.mark == mark:
        return known
    if not isinstance(owner, np.ndarray) or not math.isfinite(mark[0]):
        return _Known(None, mark)  # a life that we cannot follow, or no sound: forgotten at once
    oldest = [*_clips]  # copied at once: other threads add to it meanwhile
    for other in oldest[: max(0, len(oldest) - KEPT + 1)]:
        _clips.pop(other, None)
    _clips[place] = known = _Known(weakref.ref(owner), mark)
    return known


def _is_writeable(owner: object) -> bool:
    return not isinstance(owner, np.ndarray) or owner.flags.writeable


def _owner(samples: Samples) -> object:
    """The array whose memory it is: views of one clip come and go."""
    return samples if samples.base is None else samples.base


def _place(clip: Clip) -> tuple[int, int, int, int]:
    samples = clip.samples
    return samples.ctypes.data, samples.strides[0], len(samples), clip.sample_rate_hz


def _silence() -> RecordRejected:
    return RecordRejected(
        "silence",
        f"No speech is louder than {SILENT_BELOW_DBFS:g} dBFS; a corruption of silence says "
        "nothing about quality. Leave the clip out, or check its recording.",
    )
