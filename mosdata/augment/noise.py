"""White noise under the whole clip."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, draw_seed, normal_noise, number
from mosdata.augment.speech_level import active_level_dbfs, gain_of, rms_db
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

MEASURED_SAMPLES: Final = 65_536
"""The power of so many is known to 0.03 dB (one standard deviation), and twice as fast."""


class WhiteNoise(LadderCorruption):
    """Add white Gaussian noise at a ratio to the active speech.

    The noise fills the band up to half the sampling rate, so at 48 kHz an equal ratio is milder
    to the ear than at 16 kHz. One of the seven probes of the XLS-R study (Tamm et al. 2023,
    section 4), whose grid is not published; the ladder is ours.
    """

    name = "white_noise"

    parameters: ClassVar = {"snr_db": Parameter("active speech over noise", low=-40, high=100)}

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """60 - 65 position dB."""
        return {"snr_db": round(60 - 65 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``noise_seed``."""
        return {"noise_seed": draw_seed(rng)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Add the noise, scaled by its own measured level: the ratio is exact.

        White noise is the same everywhere: of a long clip the first samples are measured.
        """
        noise = normal_noise(int(number(applied, "noise_seed")), clip.num_samples)
        noise_db = active_level_dbfs(clip) - number(applied, "snr_db")
        noise *= gain_of(noise_db - rms_db(noise[:MEASURED_SAMPLES]))
        noise += clip.samples
        return noise
