"""A room around the speaker, made of decaying noise."""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, draw_seed, normal_noise, number
from mosdata.augment.speech_level import gain_of, rms_db
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

GAP_S: Final = 0.002
"""Silence between the direct sound and the first reflection: 70 cm of detour."""

TAIL_IN_RT60: Final = 1.2
"""Length of the response in reverberation times: it ends 72 dB down."""


class Reverb(LadderCorruption):
    """Convolve with a room response: direct sound at lag 0, then exponentially decaying noise.

    The reverberation time grows while the direct-to-reverberant ratio falls: a longer
    reverberation alone, under a direct sound of full strength, would hardly harm. The model is
    Polack's (1988) statistical reverberation. The root mean square of the clip is kept; the
    decay beyond the end of the clip is cut.
    """

    name = "reverb"

    parameters: ClassVar = {
        "rt60_s": Parameter("time in which the reverberation falls by 60 dB", low=0.05, high=10),
        "drr_db": Parameter("direct over reverberant energy", low=-30, high=60),
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """0.1 * 20**position seconds, and 20 - 26 position dB."""
        return {"rt60_s": round(0.1 * 20**position, 4), "drr_db": round(20 - 26 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``room_seed``."""
        return {"room_seed": draw_seed(rng)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Convolve and restore the level."""
        from scipy.signal import fftconvolve

        response = room_response(applied, clip.sample_rate_hz)[: clip.num_samples]
        wet: Samples = fftconvolve(clip.samples, response)[: clip.num_samples]
        wet = wet.astype(np.float32, copy=False)
        return wet * gain_of(rms_db(clip.samples) - rms_db(wet))


def room_response(applied: Applied, sample_rate_hz: int) -> Samples:
    """The impulse response that was drawn: 1 at lag 0, a gap of 2 ms, the tail.

    Args:
        applied: what :class:`Reverb` drew.
        sample_rate_hz: rate of the clip; a seed gives another room at another rate.
    """
    rt60_s = number(applied, "rt60_s")
    gap = round(GAP_S * sample_rate_hz)
    length = max(gap + 2, math.ceil(TAIL_IN_RT60 * rt60_s * sample_rate_hz))
    tail = normal_noise(int(number(applied, "room_seed")), length - gap)
    time_s = np.arange(len(tail)) / sample_rate_hz
    tail *= np.exp(-math.log(1000) / rt60_s * time_s).astype(np.float32)
    tail_db = rms_db(tail) + 10 * math.log10(len(tail))
    response = np.zeros(length, np.float32)
    response[0] = 1
    response[gap:] = tail * gain_of(-number(applied, "drr_db") - tail_db)
    return response
