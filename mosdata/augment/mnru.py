"""Noise that follows the speech, as the reference unit of listening tests makes it."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.normals import normal_noise
from mosdata.augment.speech_level import gain_of, rms_db
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied


class Mnru(LadderCorruption):
    """Multiply by Gaussian noise: ``y = x (1 + 10**(-Q/20) n)``, ITU-T P.810.

    The modulated noise reference unit is the ruler of listening tests: ``q_db`` is the ratio of
    speech to speech-correlated noise. Ours makes it exact for every clip: the noise is scaled by
    what it measures on this clip, not by what it would over a long time. The noise fills the band
    up to half the rate; the band filters of the Recommendation belong to the circuit under test
    (``telephone_band`` and ``wide_band`` here), not to the unit.

    audiomentations has no noise that follows the speech.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> import numpy as np
        >>> clip = speechlike(1.0)
        >>> values = {"mnru": {"q_db": 20}}
        >>> _, harmed = harm(["mnru"], 1, clip, seed=1, record_id="a", values=values)
        >>> noise = harmed.samples - clip.samples
        >>> round(float(10 * np.log10((clip.samples**2).sum() / (noise**2).sum())), 2)
        20.0
    """

    name = "mnru"
    parameters: ClassVar = {"q_db": Parameter("speech over modulated noise", low=-20, high=80)}

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """55 - 60 position dB."""
        return {"q_db": round(55 - 60 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``noise_seed``."""
        return {"noise_seed": draw_seed(rng)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Multiply and add."""
        noise = normal_noise(int(number(applied, "noise_seed")), clip.num_samples)
        noise *= clip.samples
        noise_db = rms_db(noise)
        if math.isinf(noise_db):  # no sample, or a clip that underflows against its noise
            return clip.samples.copy()
        noise *= gain_of(rms_db(clip.samples) - number(applied, "q_db") - noise_db)
        noise += clip.samples
        return noise
