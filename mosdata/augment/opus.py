"""Opus at the bitrates of calls."""

from __future__ import annotations

import io
from typing import ClassVar, Final

from mosdata.audio import Clip, Samples, fitted, from_pcm16, to_pcm16
from mosdata.augment.base import Parameter
from mosdata.augment.codec import ERROR_GAIN, Codec, Rung
from mosdata.augment.ladder import number
from mosdata.manifests.rows import Applied

LOWEST_KBPS: Final = 6.0
SPAN_KBPS: Final = 250.0
"""libsndfile turns its compression level 1..0 into 6 to 256 kbit/s."""


class Opus(Codec):
    """Opus (RFC 6716) at 24, 12 and 6 kbps, as calls and meetings use it.

    Through libsndfile (libopus in an Ogg file in memory, variable bitrate, complexity 10), at
    16 kHz, at 8 kHz for the lowest bitrate: wide band at most, and at these rates the decoded clip
    lies on the clean one to the sample. Between 12 and 6 kbps libopus changes its mode, and a lower
    rate may sound better. Opus stays good down to its lowest bitrate; the scale goes on by
    amplifying its noise.

    audiomentations has no codec but MP3.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"opus": {"bitrate_kbps": 16}}
        >>> (applied,), _ = harm(["opus"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'bitrate_kbps': 16, 'encoder_rate_hz': 16000, 'error_gain': 1.0}
    """

    name = "opus"
    parameters: ClassVar = {
        "bitrate_kbps": Parameter("bitrate asked for", low=6, high=64),
        "encoder_rate_hz": Parameter(
            "sampling rate of the encoder", low=8_000, high=16_000, choices=(8_000, 16_000)
        ),
        "error_gain": ERROR_GAIN,
    }
    rungs: ClassVar = (
        Rung(bitrate_kbps=24, rate_hz=16_000, start=0.3),
        Rung(bitrate_kbps=12, rate_hz=16_000, start=0.48),
        Rung(bitrate_kbps=6, rate_hz=8_000, start=0.87),
    )
    worst = 4.8

    def setting(self, bitrate_kbps: float, sample_rate_hz: int) -> dict[str, float]:
        """16 kHz, but 8 kHz at the lowest bitrate and for clips below 16 kHz."""
        is_wide = bitrate_kbps > LOWEST_KBPS and sample_rate_hz >= 16_000
        return {"bitrate_kbps": bitrate_kbps, "encoder_rate_hz": 16_000 if is_wide else 8_000}

    def coder_rate_hz(self, applied: Applied) -> int:
        """As drawn."""
        return int(number(applied, "encoder_rate_hz"))

    def code(self, clip: Clip, applied: Applied) -> Samples:
        """Write a file in memory and read it."""
        import soundfile

        level = 1 - (number(applied, "bitrate_kbps") - LOWEST_KBPS) / SPAN_KBPS
        file, rate_hz = io.BytesIO(), clip.sample_rate_hz
        soundfile.write(
            file, to_pcm16(clip.samples), rate_hz, format="OGG", subtype="OPUS",
            compression_level=level,
        )  # fmt: skip
        file.seek(0)
        decoded, _ = soundfile.read(file, dtype="int16", frames=clip.num_samples)
        return fitted(from_pcm16(decoded), clip.num_samples)
