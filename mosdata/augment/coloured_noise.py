"""Noise whose spectrum falls by a fixed slope: pink and brown."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.mixing import with_noise
from mosdata.augment.normals import normal_noise
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

CORNER_HZ: Final = 50.0
"""Below it the spectrum is flat: what lies there is power that nobody hears."""

OCTAVES_PER_POLE: Final = 2
"""A tilt is a row of poles, each with a zero after it; at this distance it ripples by 0.1 dB."""

WARM_UP_S: Final = 0.05
"""Noise that is thrown away while the slowest pole fills."""

TOP: Final = {0.5: (0.2925, 0.2046), 1.0: (0.3229, 0.1391)}
"""One more zero and pole (at -value) by the exponent of the slope, fitted by least squares: without
them the mirrored spectra of a sampled filter lift its top by up to 4 dB."""


class _ColouredNoise(LadderCorruption):
    """White Gaussian noise through a tilt filter: power falls as ``f ** (-2 exponent)``."""

    exponent: ClassVar[float]
    parameters: ClassVar = {"snr_db": Parameter("active speech over noise", low=-60, high=100)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``noise_seed``."""
        return {"noise_seed": draw_seed(rng)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Add the noise, scaled by its own measured level: the ratio is exact."""
        seed = int(number(applied, "noise_seed"))
        noise = coloured_noise(
            seed, clip.num_samples, exponent=self.exponent, sample_rate_hz=clip.sample_rate_hz
        )
        return with_noise(clip, noise, snr_db=number(applied, "snr_db"))


class PinkNoise(_ColouredNoise):
    """Add noise of equal power in every octave (-3.01 dB an octave), at a ratio to active speech.

    The slope holds from 150 Hz to 0.94 of half the rate within 0.02 dB an octave; below 50 Hz the
    spectrum is flat. An additive probe of low frequencies: rooms, ventilation, traffic.

    Source: 1/f noise by a chain of first-order sections, and the active speech level of ITU-T
    P.56.

    ``AddColorNoise`` of audiomentations shapes its noise at 128 points of frequency, so that
    there is no slope below 125 Hz at 16 kHz, and takes the power of the whole clip.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"pink_noise": {"snr_db": 20}}
        >>> (applied,), _ = harm(["pink_noise"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params["snr_db"], applied.level < 1
        (20, True)
    """

    name = "pink_noise"
    exponent = 0.5

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """60 - 65 position dB."""
        return {"snr_db": round(60 - 65 * position, 4)}


class BrownNoise(_ColouredNoise):
    """Add noise that falls by 6.02 dB an octave, at a ratio to active speech.

    Most of its power lies below the speech, so the ratios at an equal harm are far lower than
    those of white noise. The slope holds from 150 Hz to 0.94 of half the rate within 0.04 dB an
    octave; below 50 Hz the spectrum is flat. Cars and wind sound like it.

    Source: 1/f**2 noise by a chain of first-order sections, and the active speech level of ITU-T
    P.56.

    ``AddColorNoise`` of audiomentations shapes its noise at 128 points of frequency, so that
    there is no slope below 125 Hz at 16 kHz, and takes the power of the whole clip.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"brown_noise": {"snr_db": 20}}
        >>> (applied,), _ = harm(["brown_noise"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params["snr_db"], applied.level < 1
        (20, True)
    """

    name = "brown_noise"
    exponent = 1.0

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """65 - 65 position dB."""
        return {"snr_db": round(65 - 65 * position, 4)}


def coloured_noise(seed: int, num_samples: int, *, exponent: float, sample_rate_hz: int) -> Samples:
    """Noise with an amplitude spectrum of ``f ** -exponent`` above 50 Hz, at no certain level.

    Args:
        seed: of the white noise within.
        num_samples: length.
        exponent: 0.5 (pink) or 1 (brown).
        sample_rate_hz: the corner lies at 50 Hz whatever the rate.
    """
    from scipy.signal import sosfilt

    extra = round(WARM_UP_S * sample_rate_hz)
    white = normal_noise(seed, num_samples + extra).astype(np.float64)
    coloured = sosfilt(_sections(exponent, sample_rate_hz), white)
    return np.asarray(coloured[extra:], dtype=np.float32)


@lru_cache(maxsize=32)
def _sections(exponent: float, sample_rate_hz: int) -> NDArray[np.float64]:
    """The tilt as second-order sections.

    Poles every other octave from 50 Hz on, each followed by a zero: a staircase of -6 and 0 dB an
    octave whose mean slope the place of the zero sets. Coefficients are rounded, so that they do
    not depend on a processor's last bit.
    """
    from scipy.signal import zpk2sos

    zeros, poles = [], []
    if exponent == 1:
        poles.append(CORNER_HZ)
    else:
        octaves = math.log2(sample_rate_hz / 2 / CORNER_HZ)
        count = math.ceil(octaves / OCTAVES_PER_POLE) + 1
        poles += [CORNER_HZ * 2 ** (OCTAVES_PER_POLE * i) for i in range(count)]
        zeros += [pole * 2 ** (OCTAVES_PER_POLE * exponent) for pole in poles]
    top_zero, top_pole = TOP[exponent]
    sections = zpk2sos(
        [*_digital(zeros, sample_rate_hz), -top_zero],
        [*_digital(poles, sample_rate_hz), -top_pole],
        1.0,
    )
    rounded: NDArray[np.float64] = np.round(sections, 12)
    return rounded


def _digital(corners_hz: list[float], sample_rate_hz: int) -> list[float]:
    return [math.exp(-2 * math.pi * hz / sample_rate_hz) for hz in corners_hz]
