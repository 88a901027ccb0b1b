"""MP3 there and back."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples, check_samples, fitted, resample
from mosdata.augment.base import Parameter
from mosdata.augment.codec import ERROR_GAIN, Codec, Rung
from mosdata.augment.ladder import number
from mosdata.errors import InvalidValue
from mosdata.manifests.rows import Applied

BITRATES_KBPS: Final = (8, 16, 24, 32, 40, 48, 56, 64)
"""What MPEG-2 layer 3 has at every one of its rates."""

ENCODER_RATES_HZ: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000)
"""MPEG-2 and 2.5 rates: MPEG-1 (32 kHz and up) has no bitrate below 32 kbps."""

TAIL_SAMPLES: Final = 1152
"""Silence after the clip while it is coded, two frames: fast_mp3_augment returns silence for the
last frame and the decoder's delay of 529 samples."""

SHORTEST_S: Final = 0.1
"""Of what fast_mp3_augment takes; shorter clips get more silence after them."""

ENCODER_GAIN: Final = 0.95
"""LAME turns its input down to this against overshoot; undone, so that loudness is no cue. Undone
after it: a louder input would overshoot, and be clipped where the decoder ends."""

KEPT_SAMPLES: Final = 2_400_000
"""Most samples of the memory that a thread keeps for the next clip: 10 MB, 100 s at 24 kHz."""

LAST_BAND_HZ: Final = 5_600
"""Sampling rate of the band that LAME keeps at 8 kbps: it cuts at 2.8 to 3 kHz."""


class Mp3(Codec):
    """Encode with LAME at a constant bitrate and decode: 48, 32, 24, 16, 8 kbps, and worse.

    The encoder runs at the clip's rate, but at most at 24 kHz (8 kHz at 8 kbps): higher rates have
    no such bitrates, and a label of 8 kbps would be false. Length,
    alignment and level are kept. Through ``fast_mp3_augment`` (LAME 3.100, minimp3): five times
    as fast as libsndfile. Nothing is drawn.

    Source: MPEG audio layer III, ISO/IEC 11172-3 and 13818-3 (the lower rates). One of the seven
    probes of the XLS-R study (Tamm et al. 2023, section 4).

    ``Mp3Compression`` of audiomentations ends the whole process on NaN, and takes bitrates that
    the standard has not at that rate, so that the row would name a bitrate which the clip has not
    had.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"mp3": {"bitrate_kbps": 16}}
        >>> (applied,), _ = harm(["mp3"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'bitrate_kbps': 16, 'encoder_rate_hz': 16000, 'error_gain': 1.0}
    """

    name = "mp3"
    parameters: ClassVar = {
        "bitrate_kbps": Parameter("constant bitrate", low=8, high=64, choices=BITRATES_KBPS),
        "encoder_rate_hz": Parameter(
            "sampling rate of the encoder", low=8_000, high=24_000, choices=ENCODER_RATES_HZ
        ),
        "error_gain": ERROR_GAIN,
    }
    rungs: ClassVar = (
        Rung(bitrate_kbps=48, rate_hz=24_000, start=0.3),
        Rung(bitrate_kbps=32, rate_hz=24_000, start=0.75),
        Rung(bitrate_kbps=24, rate_hz=24_000, start=0.97),
        Rung(bitrate_kbps=16, rate_hz=24_000, start=0.95),
        Rung(bitrate_kbps=8, rate_hz=8_000, start=0.985),
    )
    beyond = 2.1
    worst = 8.0

    def setting(self, bitrate_kbps: float, sample_rate_hz: int) -> dict[str, float]:
        """The bitrate, and the highest rate of the encoder that suits it and the clip."""
        highest_hz = max(r.rate_hz for r in self.rungs if r.bitrate_kbps <= max(8, bitrate_kbps))
        limit_hz = min(sample_rate_hz, highest_hz)
        rate_hz = max((rate for rate in ENCODER_RATES_HZ if rate <= limit_hz), default=8_000)
        return {"bitrate_kbps": bitrate_kbps, "encoder_rate_hz": rate_hz}

    def check_values(self, values: Mapping[str, float], sample_rate_hz: int) -> None:  # noqa: ARG002 - of the encoder only
        """Above 1 the gain needs the last rung, whose band is known."""
        if values["error_gain"] > 1 and (values["bitrate_kbps"], values["encoder_rate_hz"]) != (
            8,
            8000,
        ):
            do = "Only bitrate_kbps=8 at encoder_rate_hz=8000 goes on beyond the codec itself."
            raise InvalidValue("error_gain of mp3", values["error_gain"], "0 to 1", do)

    def coder_rate_hz(self, applied: Applied) -> int:
        """As drawn."""
        return int(number(applied, "encoder_rate_hz"))

    def code(self, clip: Clip, applied: Applied) -> Samples:
        """LAME and minimp3."""
        return round_trip(clip, int(number(applied, "bitrate_kbps"))).samples

    def inside_band(self, error: Samples, applied: Applied) -> Samples:
        """What LAME adds below its own low-pass: an error beyond it is the missing band."""
        rate_hz = self.coder_rate_hz(applied)
        low = resample(resample(Clip(error, rate_hz), LAST_BAND_HZ), rate_hz)
        return fitted(low.samples, len(error))


class _Scratch(threading.local):
    """Memory for the padded clip, one piece a thread: fresh pages cost a twentieth of the codec."""

    def __init__(self) -> None:
        self._kept = np.empty(0, np.float32)

    def of_length(self, num_samples: int) -> Samples:
        """So many samples, of no particular value."""
        if num_samples > KEPT_SAMPLES:
            return np.empty(num_samples, np.float32)
        if num_samples > len(self._kept):
            self._kept = np.empty(num_samples, np.float32)
        return self._kept[:num_samples]


_SCRATCH: Final = _Scratch()


def round_trip(clip: Clip, bitrate_kbps: int) -> Clip:
    """Encode and decode at the clip's own rate; aligned, as long and as loud as before.

    Raises:
        RecordRejected: NaN or infinity, on which LAME would end the whole process.
    """
    from fast_mp3_augment import compress_roundtrip

    if not math.isfinite(np.dot(clip.samples, clip.samples)):  # quicker than a look at each
        check_samples(clip)
    shortest = math.ceil(SHORTEST_S * clip.sample_rate_hz)
    padded = _SCRATCH.of_length(max(shortest, clip.num_samples + TAIL_SAMPLES))
    padded[: clip.num_samples] = clip.samples
    padded[clip.num_samples :] = 0
    decoded = compress_roundtrip(padded, clip.sample_rate_hz, bitrate_kbps)
    samples: Samples = decoded[: clip.num_samples]
    samples *= np.float32(1 / ENCODER_GAIN)
    return Clip(samples, clip.sample_rate_hz)
