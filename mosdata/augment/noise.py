"""White noise under the whole clip."""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.normals import normal_noise
from mosdata.augment.speech_level import active_level_dbfs, gain_of, rms_db
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

MEASURED_SAMPLES: Final = 65_536
"""The power of so many is known to 0.03 dB (one standard deviation), and twice as fast."""

CHUNK: Final = 32_768
"""Samples that stay near the processor from one step to the next."""


class WhiteNoise(LadderCorruption):
    """Add white Gaussian noise at a ratio to the active speech.

    The noise fills the band up to half the sampling rate. A level means the same density of noise
    at every rate, so at 48 kHz its ratio is 4.8 dB lower than at 16 kHz, for there is three times
    as much of it.

    Source: the ratio is that of the active speech level (ITU-T P.56, method B) to the power of
    the noise. The probe is one of the seven of the XLS-R study (Tamm et al. 2023, section 4),
    whose grid is not published; the ladder is ours. The noise is scaled by what its first 65,536
    samples measure: exact for clips up to that long, within 0.03 dB (one standard deviation)
    beyond.

    ``AddGaussianSNR`` of audiomentations takes the power of the whole clip, so a clip with long
    pauses gets less speech for the same ratio, and its noise has no seed of its own.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"white_noise": {"snr_db": 10}}
        >>> (applied,), noisy = harm(["white_noise"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params["snr_db"], noisy.num_samples == clip.num_samples
        (10, True)
    """

    name = "white_noise"

    parameters: ClassVar = {"snr_db": Parameter("active speech over noise", low=-40, high=100)}

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:
        """60 - 65 position dB at 16 kHz; at other rates the same density of noise."""
        wider_db = 10 * math.log10(sample_rate_hz / 16_000)
        return {"snr_db": round(60 - 65 * position - wider_db, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``noise_seed``."""
        return {"noise_seed": draw_seed(rng)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Add the noise, scaled by its own measured level.

        White noise is the same everywhere: of a long clip the first samples are measured, and the
        ratio is within 0.03 dB (one standard deviation); of others it is exact.
        """
        noise = normal_noise(int(number(applied, "noise_seed")), clip.num_samples)
        noise_db = active_level_dbfs(clip) - number(applied, "snr_db")
        gain = gain_of(noise_db - rms_db(noise[:MEASURED_SAMPLES]))
        for start in range(0, clip.num_samples, CHUNK):
            part = noise[start : start + CHUNK]
            part *= gain
            part += clip.samples[start : start + CHUNK]
        return noise
