"""MP3 there and back."""

from __future__ import annotations

from bisect import bisect_left
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples, check_samples, resample
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, number
from mosdata.manifests.rows import Applied

RUNGS: Final = ((0.2, 48), (0.4, 32), (0.6, 24), (0.8, 16), (1.0, 8))
"""Up to which level, which constant bitrate in kbps."""

BITRATES_KBPS: Final = (8, 16, 24, 32, 40, 48, 56, 64)
"""What MPEG-2 layer 3 has at every one of its rates."""

ENCODER_RATES_HZ: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000)
"""MPEG-2 and 2.5 rates: MPEG-1 (32 kHz and up) has no bitrate below 32 kbps."""

TAIL_SAMPLES: Final = 2560
"""Silence after the clip while it is coded: fast_mp3_augment returns silence for the last frame
and the decoder's delay, and refuses less than 0.1 s. More than 0.1 s at every encoder rate."""


ENCODER_GAIN: Final = 0.95
"""LAME turns its input down to this against overshoot; undone, so that loudness is no cue."""


class Mp3(LadderCorruption):
    """Encode with LAME at a constant bitrate and decode: five rungs from 48 to 8 kbps.

    The encoder runs at the clip's rate, but at most at 24 kHz (16 kHz below 24 kbps): higher
    rates have no such bitrates, and a label of 8 kbps would be false. Length, alignment and
    level are kept. Nothing is drawn.
    """

    name = "mp3"

    parameters: ClassVar = {
        "bitrate_kbps": Parameter("constant bitrate", low=8, high=64, choices=BITRATES_KBPS),
        "encoder_rate_hz": Parameter(
            "sampling rate of the encoder", low=8_000, high=24_000, choices=ENCODER_RATES_HZ
        ),
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:
        """Five rungs."""
        rung = bisect_left([top for top, _ in RUNGS], position)
        bitrate_kbps = RUNGS[rung][1]
        limit_hz = min(sample_rate_hz, 24_000 if bitrate_kbps >= 24 else 16_000)
        rate_hz = max((rate for rate in ENCODER_RATES_HZ if rate <= limit_hz), default=8_000)
        return {"bitrate_kbps": bitrate_kbps, "encoder_rate_hz": rate_hz}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Resample, encode, decode, resample back; exactly as long as before."""
        inside = resample(clip, int(number(applied, "encoder_rate_hz")))
        coded = resample(
            round_trip(inside, int(number(applied, "bitrate_kbps"))), clip.sample_rate_hz
        )
        samples = coded.samples[: clip.num_samples]
        return np.pad(samples, (0, clip.num_samples - len(samples)))


def round_trip(clip: Clip, bitrate_kbps: int) -> Clip:
    """Encode and decode at the clip's own rate; aligned, as long and as loud as before.

    Raises:
        RecordRejected: NaN or infinity, on which LAME would end the whole process.
    """
    from fast_mp3_augment import compress_roundtrip

    padded = np.pad(clip.samples, (0, TAIL_SAMPLES))
    check_samples(Clip(padded, clip.sample_rate_hz))
    decoded = compress_roundtrip(padded, clip.sample_rate_hz, bitrate_kbps)
    samples: Samples = decoded[: clip.num_samples] / np.float32(ENCODER_GAIN)
    return Clip(samples, clip.sample_rate_hz)
