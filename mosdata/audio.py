"""Audio in memory and at the door: one type, mono float32 with its rate.

Everything inside the house is a :class:`Clip`. Files and bytes become clips here and nowhere
else, and clips become FLAC here and nowhere else. Storage is 16-bit PCM, so the samples that
are written, hashed and read back are the same integers on every machine.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mosdata.errors import InvalidValue, RecordRejected

Samples = NDArray[np.float32]
Pcm = NDArray[np.int16]

PCM16_SCALE = 32768.0
"""Full scale of 16-bit PCM: an integer ``n`` is the sample ``n / 32768``."""

BANDWIDTH_FRAME = 1024
"""Samples in a frame when the bandwidth of a clip is measured."""

FRAMES_AT_ONCE = 80
"""Frames that are measured together, 5 s at 16 kHz: what they need stays in a core's own cache."""

DOUBLES_AT_ONCE = 8_192
"""Samples that stay near the processor while double precision is needed; so few that no library of
linear algebra deals them out to threads, which would take longer."""

SAMPLES_AT_ONCE = 32_768
"""Samples that stay near the processor from one step to the next, in single precision."""

FULL_SCALE = 32767 / PCM16_SCALE
"""The largest sample that 16 bits hold."""

SILENCE_DBFS = -120.0
"""Level reported for digital silence, where the logarithm has no value."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Mono audio with its sampling rate.

    Args:
        samples: shape ``(num_samples,)``, float32; full scale is [-1, 1]. Not copied.
        sample_rate_hz: samples per second.

    Raises:
        InvalidValue: samples that are not one-dimensional, or a rate below 1 Hz.

    Example:
        >>> clip = Clip(np.zeros(8000, np.float32), 16_000)
        >>> clip.duration_s
        0.5
    """

    samples: Samples
    sample_rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            given = f"{self.samples.dtype} array of shape {self.samples.shape}"
            raise InvalidValue("Clip.samples", given, "a float32 array of shape (num_samples,)")
        if self.sample_rate_hz < 1:
            raise InvalidValue("Clip.sample_rate_hz", self.sample_rate_hz, "1 Hz or more")

    @property
    def num_samples(self) -> int:
        """Length in samples."""
        return len(self.samples)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What a clip's samples say about it; stored with every row.

    ``bandwidth_hz`` is the frequency below which 99.9 % of the energy lies.
    """

    peak_dbfs: float
    rms_dbfs: float
    clipped_fraction: float
    bandwidth_hz: float


@dataclass(frozen=True, slots=True)
class Rounded:
    """A clip in the 16-bit samples in which it will be kept, before it is encoded.

    ``peak`` is the largest magnitude of a sample before it was rounded, which may exceed 1.
    """

    pcm: Pcm
    sample_rate_hz: int
    peak: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.pcm) / self.sample_rate_hz


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A clip as it is kept: encoded, hashed and measured from the same 16-bit samples."""

    flac: bytes
    pcm_sha256: str
    levels: Levels


def to_pcm16(samples: Samples, *, peak: float = math.inf) -> Pcm:
    """Round samples to 16-bit integers; what lies beyond full scale is clipped, never wrapped.

    Args:
        samples: shape ``(num_samples,)``; not changed.
        peak: the largest magnitude, where it is known: what cannot clip is not looked at again.
    """
    pcm = np.empty(len(samples), "<i2")
    scaled = np.empty(min(SAMPLES_AT_ONCE, len(samples)), np.float32)
    for start in range(0, len(samples), SAMPLES_AT_ONCE):
        part = samples[start : start + SAMPLES_AT_ONCE]
        steps = np.multiply(part, np.float32(PCM16_SCALE), out=scaled[: len(part)])
        np.rint(steps, out=steps)
        if peak >= FULL_SCALE:
            np.clip(steps, -32768, 32767, out=steps)
        pcm[start : start + SAMPLES_AT_ONCE] = steps
    return pcm


def from_pcm16(pcm: Pcm) -> Samples:
    """The exact inverse of :func:`to_pcm16` on integers."""
    samples: Samples = pcm.astype(np.float32)
    samples /= np.float32(PCM16_SCALE)
    return samples


def pcm_sha256(clip: Clip) -> str:
    """Checksum of what is stored: the 16-bit samples, whatever the container or its encoder."""
    return _sha256(to_pcm16(clip.samples))


def encode_flac(clip: Clip) -> bytes:
    """Encode as FLAC, 16-bit, mono.

    Raises:
        RecordRejected: the clip holds NaN or infinity, or no sample at all.
    """
    return _flac(rounded(clip).pcm, clip.sample_rate_hz)


def rounded(clip: Clip) -> Rounded:
    """The 16-bit samples of a clip that can be stored.

    Raises:
        RecordRejected: the clip holds NaN or infinity, or no sample at all.
    """
    peak = peak_of(clip)
    return Rounded(to_pcm16(clip.samples, peak=peak), clip.sample_rate_hz, peak)


def stored(clips: Sequence[Rounded]) -> list[Stored]:
    """All that is kept of some clips, step by step.

    Measuring, hashing and encoding drive each other's code and tables out of the processor: some
    short clips together take less time than one after the other.
    """
    levels = [_levels(clip) for clip in clips]
    sums = [_sha256(clip.pcm) for clip in clips]
    flacs = [_flac(clip.pcm, clip.sample_rate_hz) for clip in clips]
    return [
        Stored(flac=flac, pcm_sha256=pcm_sha256, levels=level)
        for flac, pcm_sha256, level in zip(flacs, sums, levels, strict=True)
    ]


def _sha256(pcm: Pcm) -> str:
    return hashlib.sha256(pcm.data).hexdigest()


def _flac(pcm: Pcm, sample_rate_hz: int) -> bytes:
    """By way of a file in memory, where the system has them.

    Into an object of ours libsndfile would write by calls back into Python, one for every few
    thousand samples.
    """
    import soundfile

    how = {"samplerate": sample_rate_hz, "format": "FLAC", "subtype": "PCM_16"}
    file = _memory_file()
    if file is None:
        buffer = io.BytesIO()
        soundfile.write(buffer, pcm, **how)
        return buffer.getvalue()
    try:
        soundfile.write(file, pcm, closefd=False, **how)
        return os.pread(file, os.fstat(file).st_size, 0)
    finally:
        os.close(file)


def _memory_file() -> int | None:
    """Descriptor of a new file in memory; None where there are none, or no more."""
    try:
        return os.memfd_create("clip.flac")  # Linux
    except (AttributeError, OSError):
        return None


def check_samples(clip: Clip) -> Clip:
    """Return the clip if it can be stored and fed to native encoders; some abort on NaN.

    Raises:
        RecordRejected: empty, or not finite.
    """
    peak_of(clip)
    return clip


def peak_of(clip: Clip) -> float:
    """Largest magnitude of a sample, of a clip that can be stored.

    Raises:
        RecordRejected: empty, or not finite.
    """
    if not clip.num_samples:
        raise RecordRejected("empty_audio", "The clip has no samples; at least one is needed.")
    peak = max(-float(clip.samples.min()), float(clip.samples.max()))  # NaN where one is NaN
    if not math.isfinite(peak):
        bad = int(np.count_nonzero(~np.isfinite(clip.samples)))
        raise RecordRejected(
            "not_finite", f"{bad} of {clip.num_samples} samples are NaN or infinite."
        )
    return peak


def decode_audio(data: bytes | Path) -> Clip:
    """Read audio bytes or a file of any format that libsndfile knows; channels are averaged.

    The samples cannot be written to: what was found out about them holds, and many may share them.

    Raises:
        RecordRejected: the bytes are not audio, or hold no sample.
    """
    import soundfile

    source = data if isinstance(data, Path) else io.BytesIO(data)
    try:
        samples, rate = soundfile.read(source, dtype="float32")
    except (soundfile.SoundFileError, OSError, MemoryError) as error:  # a header may lie
        name = data if isinstance(data, Path) else "audio bytes"
        raise RecordRejected("unreadable_audio", f"{name} cannot be read: {error}") from error
    mono = samples if samples.ndim == 1 else samples.mean(axis=1, dtype=np.float32)
    mono.flags.writeable = False
    return check_samples(Clip(mono, int(rate)))


def resample(clip: Clip, sample_rate_hz: int) -> Clip:
    """Change the rate with soxr (HQ); the same clip where the rate is right already."""
    if clip.sample_rate_hz == sample_rate_hz:
        return clip
    import soxr

    samples = soxr.resample(clip.samples, clip.sample_rate_hz, sample_rate_hz, quality="HQ")
    return Clip(np.asarray(samples, dtype=np.float32), sample_rate_hz)


def fitted(samples: Samples, num_samples: int) -> Samples:
    """The first samples, with silence after them where they are too few."""
    missing = num_samples - len(samples)
    return np.pad(samples, (0, missing)) if missing > 0 else samples[:num_samples]


def measure_levels(clip: Clip) -> Levels:
    """Peak, RMS, clipping and bandwidth of a clip as it is kept: of its 16-bit samples.

    Raises:
        RecordRejected: the clip holds NaN or infinity.
    """
    if not clip.num_samples:
        return Levels(
            peak_dbfs=SILENCE_DBFS, rms_dbfs=SILENCE_DBFS, clipped_fraction=0.0, bandwidth_hz=0.0
        )
    return _levels(rounded(clip))


def _levels(clip: Rounded) -> Levels:
    pcm, peak = clip.pcm, round(clip.peak * PCM16_SCALE)
    clipped = 0
    if peak >= 32767:
        peak = max(int(pcm.max()), -int(pcm.min()))
        clipped = int(np.count_nonzero((pcm >= 32767) | (pcm <= -32767)))
    rms = math.sqrt(sum_of_squares(pcm) / len(pcm))
    return Levels(
        peak_dbfs=_dbfs(peak / PCM16_SCALE),
        rms_dbfs=_dbfs(rms / PCM16_SCALE),
        clipped_fraction=clipped / len(pcm),
        bandwidth_hz=_bandwidth_hz(pcm, clip.sample_rate_hz),
    )


def sum_of_squares(samples: Samples | Pcm) -> float:
    """In double precision, without a copy of all samples.

    Of 16-bit samples it is exact, in any order: doubles hold sums of integers up to 2**53.
    """
    total, buffer = 0.0, np.empty(min(DOUBLES_AT_ONCE, len(samples)))
    for start in range(0, len(samples), DOUBLES_AT_ONCE):
        part = samples[start : start + DOUBLES_AT_ONCE]
        wide = buffer[: len(part)]
        wide[:] = part
        total += float(np.dot(wide, wide))
    return total


def _dbfs(amplitude: float) -> float:
    return max(SILENCE_DBFS, 20 * math.log10(amplitude)) if amplitude > 0 else SILENCE_DBFS


def _bandwidth_hz(pcm: Pcm, sample_rate_hz: int) -> float:
    """Frequency below which 99.9 % of the energy lies, to a bin of 1024; 0 for silence.

    Short windowed frames rather than one transform of the clip: a length with a large prime
    factor would cost more than speaking it. They lie side by side: the Hamming window is nowhere
    zero, so every sample has its say, and an overlap would cost twice as much for the same sum. A
    few frames at a time: memory does not grow with the clip, and what is summed up stays in the
    cache. ``scipy.fftpack`` has the same transform as ``scipy.fft``, in place and with fewer calls
    on the way to it.
    """
    import scipy.fftpack

    energy = np.zeros(BANDWIDTH_FRAME)  # of bin 0, then the real and imaginary part of each bin
    step = FRAMES_AT_ONCE * BANDWIDTH_FRAME
    for first in range(0, len(pcm), step):
        part = pcm[first : first + step]
        frames = np.empty((-(-len(part) // BANDWIDTH_FRAME), BANDWIDTH_FRAME), np.float32)
        line = frames.reshape(-1)
        line[: len(part)] = part
        line[len(part) :] = 0
        frames *= _window()
        spectrum = scipy.fftpack.rfft(frames, axis=1, overwrite_x=True)
        energy += np.einsum("fb,fb->b", spectrum, spectrum)
    below = np.cumsum(energy)
    place = int(np.searchsorted(below, 0.999 * below[-1]))
    return (place + 1) // 2 * sample_rate_hz / BANDWIDTH_FRAME


@lru_cache(maxsize=1)
def _window() -> Samples:
    """A Hamming window that also brings 16-bit integers to full scale."""
    window: Samples = (np.hamming(BANDWIDTH_FRAME) / PCM16_SCALE).astype(np.float32)
    return window
