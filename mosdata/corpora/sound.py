"""One audio file of a corpus, taken in as it is: its own rate, and what was odd about it.

Nothing is resampled and nothing is mended in silence. What a row can hold (one channel, 16 bits)
is made of what the file has, and every loss on the way is a flag of the row.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, check_samples
from mosdata.errors import RecordRejected

if TYPE_CHECKING:
    import soundfile

FLAGS: Final = {
    "downmixed": "the channels differed; the clip is their mean",
    "over_full_scale": "samples beyond full scale were clipped (floating-point and lossy files)",
    "silent": "every sample is zero",
    "truncated": "up to 1 % of the samples that the header announces is missing",
}
"""Flags of imported clips and what they mean; a flagged clip is kept."""

AUDIO_SUFFIXES: Final = frozenset(
    f".{name}"
    for name in (
        "aif", "aiff", "au", "caf", "flac", "mp3", "oga", "ogg", "opus", "rf64", "snd", "sph",
        "w64", "wav", "aac", "m4a", "mp4", "wma", "webm",
    )
)  # fmt: skip
"""What counts as audio; libsndfile cannot read the last five, which must not be overlooked."""

MIN_DURATION_S: Final = 0.01
"""Nobody can rate less: a file this short is what is left of one."""

MAX_MISSING: Final = 0.01
"""Share of the announced samples that may be missing before a file counts as cut off."""

MAX_RATE_HZ: Final = 655_350
"""FLAC stores no higher rate, and above ``FINE_RATE_HZ`` only whole tens."""

FINE_RATE_HZ: Final = 65_535

UNKNOWN_LENGTH: Final = 0x7FFF_0000
"""Writers that stream put a number like 0xFFFFFFFF where they do not know the length yet."""

_ANNOUNCED: Final = re.compile(r"^\s*(?:data|SSND) : (\d+) \(should be (\d+)\)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A file's sound with its true properties.

    Args:
        clip: one channel at the file's own rate.
        num_channels: channels of the file.
        encoding: container and samples, as libsndfile names them (``WAV/PCM_16``).
        flags: names of ``FLAGS``.
    """

    clip: Clip
    num_channels: int
    encoding: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file's header says, before anything is decoded."""

    sample_rate_hz: int
    duration_s: float


def read_header(data: bytes) -> Header | None:
    """Rate and length that a file announces; None where it is no audio."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate = int(file.samplerate)
            return Header(sample_rate_hz=rate, duration_s=max(0, file.frames) / rate)
    except (soundfile.SoundFileError, OSError):
        return None


def take_in(data: bytes) -> Sound:
    """Read one file of any format that libsndfile knows, whatever its rate and channels.

    Args:
        data: the whole file.

    Raises:
        RecordRejected: ``empty_file``, ``unreadable_audio``, ``empty_audio``, ``too_short``,
            ``truncated_audio``, ``not_finite`` or ``unsupported_rate``.

    Example:
        >>> import soundfile
        >>> file = io.BytesIO()
        >>> soundfile.write(file, np.zeros((800, 2)), 8000, format="WAV", subtype="PCM_16")
        >>> sound = take_in(file.getvalue())
        >>> sound.clip.sample_rate_hz, sound.num_channels, sound.encoding, sound.flags
        (8000, 2, 'WAV/PCM_16', ('silent',))
    """
    import soundfile

    if not data:
        raise RecordRejected("empty_file", "The file has no bytes; copy it again from its source.")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            samples = file.read(dtype="float32", always_2d=True)
            missing = _missing_share(file, len(samples))
            rate, encoding = int(file.samplerate), f"{file.format}/{file.subtype}"
    except (soundfile.SoundFileError, OSError) as error:
        raise RecordRejected(
            "unreadable_audio", "The file is damaged, or of a format that libsndfile cannot read."
        ) from error
    mono, flags = _one_channel(samples)
    clip = check_samples(Clip(mono, rate))
    _check_whole(clip, missing)
    if (peak := float(np.abs(mono).max())) > 1:
        flags.append("over_full_scale")
    if peak == 0:
        flags.append("silent")
    if missing > 0:
        flags.append("truncated")
    return Sound(
        clip=clip, num_channels=samples.shape[1], encoding=encoding, flags=tuple(sorted(flags))
    )


def _one_channel(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[str]]:
    """The channel that all are copies of, or the mean of different ones."""
    first = np.ascontiguousarray(samples[:, 0])
    if samples.shape[1] == 1 or np.array_equal(
        samples, np.broadcast_to(first[:, None], samples.shape)
    ):
        return first, []
    return samples.mean(axis=1, dtype=np.float64).astype(np.float32), ["downmixed"]


def _missing_share(file: soundfile.SoundFile, num_read: int) -> float:
    """Share of the samples that the header announces and the file does not have."""
    if file.frames > num_read:
        return 1 - num_read / float(file.frames)
    found = _ANNOUNCED.search(file.extra_info)
    if found is None:
        return 0.0
    announced, there = int(found[1]), int(found[2])
    return 0.0 if announced >= UNKNOWN_LENGTH else max(0.0, 1 - there / max(1, announced))


def _check_whole(clip: Clip, missing: float) -> None:
    rate = clip.sample_rate_hz
    if rate > MAX_RATE_HZ or (rate > FINE_RATE_HZ and rate % 10):
        raise RecordRejected(
            "unsupported_rate",
            f"The rate is {rate} Hz; FLAC stores up to {FINE_RATE_HZ} Hz, and whole tens up to "
            f"{MAX_RATE_HZ} Hz.",
        )
    if missing > MAX_MISSING:
        raise RecordRejected(
            "truncated_audio",
            f"{missing:.0%} of the samples that the header announces are missing: people heard "
            "more than this. Copy the file again from its source.",
        )
    if clip.duration_s < MIN_DURATION_S:
        raise RecordRejected(
            "too_short",
            f"The file has {clip.num_samples} samples at {clip.sample_rate_hz} Hz; at least "
            f"{MIN_DURATION_S:g} s is needed.",
        )
