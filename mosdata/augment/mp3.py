"""MP3 there and back."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import numpy as np

from mosdata.audio import Clip, Samples, check_samples, resample
from mosdata.augment.ladder import LadderCorruption, check_level, number
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

RUNGS: Final = ((0.2, 48), (0.4, 32), (0.6, 24), (0.8, 16), (1.0, 8))
"""Up to which level, which constant bitrate in kbps."""

ENCODER_RATES_HZ: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000)
"""MPEG-2 and 2.5 rates: MPEG-1 (32 kHz and up) has no bitrate below 32 kbps."""

SHORTEST_S: Final = 0.1
"""LAME needs a little more than two frames; shorter clips are padded and cut again."""


class Mp3(LadderCorruption):
    """Encode with LAME at a constant bitrate and decode: five rungs from 48 to 8 kbps.

    The encoder runs at the clip's rate, but at most at 24 kHz (16 kHz below 24 kbps): higher
    rates have no such bitrates, and a label of 8 kbps would be false. Length and alignment are
    kept. Nothing is drawn.
    """

    name = "mp3"

    def ladder(self, level: float, sample_rate_hz: int) -> dict[str, float]:
        """``bitrate_kbps`` and ``encoder_rate_hz``."""
        rung = bisect_left([top for top, _ in RUNGS], check_level(level))
        bitrate_kbps = RUNGS[rung][1]
        limit_hz = min(sample_rate_hz, 24_000 if bitrate_kbps >= 24 else 16_000)
        rate_hz = max((rate for rate in ENCODER_RATES_HZ if rate <= limit_hz), default=8_000)
        return {"bitrate_kbps": bitrate_kbps, "encoder_rate_hz": rate_hz}

    def draw_params(
        self,
        level: float,
        clip: Clip,
        rng: np.random.Generator,  # noqa: ARG002 - a codec takes no chance
    ) -> dict[str, JSON]:
        """``bitrate_kbps`` and ``encoder_rate_hz``."""
        return {**self.ladder(level, clip.sample_rate_hz)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Resample, encode, decode, resample back; exactly as long as before."""
        inside = resample(clip, int(number(applied, "encoder_rate_hz")))
        coded = Clip(
            _round_trip(inside, int(number(applied, "bitrate_kbps"))), inside.sample_rate_hz
        )
        samples = resample(coded, clip.sample_rate_hz).samples[: clip.num_samples]
        return np.pad(samples, (0, clip.num_samples - len(samples)))


def _round_trip(clip: Clip, bitrate_kbps: int) -> Samples:
    from fast_mp3_augment import compress_roundtrip

    check_samples(clip)  # LAME ends the whole process on NaN
    shortest = round(SHORTEST_S * clip.sample_rate_hz) + 1
    samples = np.pad(clip.samples, (0, max(0, shortest - clip.num_samples)))
    decoded = compress_roundtrip(samples, clip.sample_rate_hz, bitrate_kbps)
    return np.asarray(decoded, dtype=np.float32)[: clip.num_samples]
