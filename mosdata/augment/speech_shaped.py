"""Noise with the spectrum of the speech that it covers."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples, to_pcm16
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import (
    LadderCorruption,
    draw_seed,
    number,
    within_full_scale,
)
from mosdata.augment.mixing import with_noise
from mosdata.augment.normals import normal_noise
from mosdata.errors import InvalidValue
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

MAX_ORDER: Final = 20
FLOOR: Final = 1e-5
"""White noise added to the model, relative to the clip's power: holes in a spectrum end 50 dB
down, and a clip without any bandwidth still has a stable filter."""

DIGITS: Final = 5
WARM_UP_S: Final = 0.05


class SpeechShapedNoise(LadderCorruption):
    """Add stationary noise with the clip's own long-term spectrum, at a ratio to active speech.

    White Gaussian noise through an all-pole model of the whole clip (autocorrelation method, two
    poles and one for every kHz of rate, at most 20). In every band the ratio is about the same,
    so no part of the speech is spared: the strongest stationary masker at a ratio, and the usual
    one of hearing tests. The model is drawn from the clip and kept with the row, as reflection
    coefficients of five digits.

    Source: linear prediction by the autocorrelation method (Makhoul, Proc. IEEE 63, 1975); noise
    with the long-term spectrum of speech is that of hearing tests (ICRA noise, Dreschler et al.
    2001).

    audiomentations has no such noise.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> (applied,), _ = harm(["speech_shaped_noise"], 0.5, clip, seed=1, record_id="a")
        >>> len(applied.params["reflections"])
        18
    """

    name = "speech_shaped_noise"
    parameters: ClassVar = {"snr_db": Parameter("active speech over noise", low=-40, high=100)}

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """60 - 65 position dB."""
        return {"snr_db": round(60 - 65 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:
        """``noise_seed`` and ``reflections``."""
        return {"noise_seed": draw_seed(rng), "reflections": [*reflections_of(clip)]}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Shape white noise and add it, scaled by its own measured level: the ratio is exact."""
        from scipy.signal import lfilter

        extra = round(WARM_UP_S * clip.sample_rate_hz)
        seed = int(number(applied, "noise_seed"))
        white = normal_noise(seed, clip.num_samples + extra).astype(np.float64)
        shaped = lfilter([1.0], all_pole(_reflections(applied)), white)
        noise = np.asarray(shaped[extra:], dtype=np.float32)
        return with_noise(clip, noise, snr_db=number(applied, "snr_db"))


def reflections_of(clip: Clip) -> tuple[float, ...]:
    """Reflection coefficients of the clip's long-term spectrum, each in (-1, 1).

    From the samples as 16-bit integers, whose products have exact sums in any order.
    """
    order = min(MAX_ORDER, 2 + clip.sample_rate_hz // 1000)
    pcm = to_pcm16(within_full_scale(clip.samples)).astype(np.float64)
    powers = [float(pcm[lag:] @ pcm[: len(pcm) - lag]) for lag in range(min(order + 1, len(pcm)))]
    powers += [0.0] * (order + 1 - len(powers))
    powers[0] = max(powers[0], 1.0) * (1 + FLOOR)
    return tuple(_levinson(powers))


def all_pole(reflections: tuple[float, ...]) -> NDArray[np.float64]:
    """Denominator of the filter with these reflections; stable where all are below 1."""
    a = np.ones(1)
    for k in reflections:
        longer = np.append(a, 0.0)
        a = longer + k * longer[::-1]
    return a


def _levinson(powers: list[float]) -> list[float]:
    """Reflection coefficients of autocorrelations, by Levinson's recursion."""
    a, error, found = [1.0], powers[0], []
    for order in range(1, len(powers)):
        miss = sum(weight * powers[order - i] for i, weight in enumerate(a))
        k = round(max(-0.9999, min(0.9999, -miss / error)), DIGITS)
        found.append(k)
        longer = [*a, 0.0]
        a = [left + k * right for left, right in zip(longer, longer[::-1], strict=True)]
        error *= 1 - k * k
    return found


def _reflections(applied: Applied) -> tuple[float, ...]:
    """What was drawn, checked: a filter that is not stable would fill the clip with infinity.

    Raises:
        InvalidValue: not a list of numbers between -1 and 1.
    """
    given = applied.params.get("reflections")
    if not isinstance(given, list) or not all(
        isinstance(k, int | float) and -1 < k < 1 for k in given
    ):
        raise InvalidValue(
            f"{applied.name} parameter reflections", given, "a list of numbers between -1 and 1"
        )
    return tuple(float(k) for k in given if isinstance(k, int | float))
