"""A room around the speaker, made of decaying noise."""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.convolution import convolved
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.normals import normal_noise
from mosdata.augment.speech_level import active_level_dbfs, gain_of
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

GAP_S: Final = 0.0025
"""Silence between the direct sound and the first reflection: 86 cm of detour. It is also the window
in which measurements of DRR look for the direct sound (ACE challenge, Eaton et al. 2016)."""

BLOCK_S: Final = 0.0025
"""The noise has equal power in every block before it decays, so that chance does not bend the
decay: short reverberations are a few hundred random numbers."""

TAIL_IN_RT60: Final = 1.0
"""Length of the response in reverberation times: it ends 60 dB down."""


class Reverb(LadderCorruption):
    """Convolve with a room response: direct sound at lag 0, then exponentially decaying noise.

    The reverberation time grows while the direct-to-reverberant ratio falls: a longer
    reverberation alone, under a direct sound of full strength, would hardly harm. The active
    level of the clip is kept; the decay beyond the end of the clip is cut.

    Source: Polack's (1988) statistical model of late reverberation; a response measured by
    Schroeder's backward integration (1965; ISO 3382) has the reverberation time and the ratio
    that were drawn. One of the seven probes of the XLS-R study (Tamm et al. 2023, section 4).

    ``RoomSimulator`` of audiomentations shifts and lengthens the clip, makes it louder, misses
    its reverberation time, and costs more than twenty times as much.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"reverb": {"rt60_s": 0.8}}
        >>> (applied,), _ = harm(["reverb"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params["rt60_s"], applied.params["drr_db"] < 10
        (0.8, True)
    """

    name = "reverb"

    parameters: ClassVar = {
        "rt60_s": Parameter("time in which the reverberation falls by 60 dB", low=0.05, high=10),
        "drr_db": Parameter("direct over reverberant energy", low=-30, high=60),
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """0.15 to 2 s, and 34 down to -6 dB."""
        return {
            "rt60_s": round(0.15 * (2 / 0.15) ** position, 4),
            "drr_db": round(34 - 40 * position, 4),
        }

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``room_seed``."""
        return {"room_seed": draw_seed(rng)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Convolve and restore the level."""
        wet = convolved(clip.samples, room_response(applied, clip.sample_rate_hz))
        wet_db = active_level_dbfs(Clip(wet, clip.sample_rate_hz))
        wet *= gain_of(active_level_dbfs(clip) - wet_db)
        return wet


def room_response(applied: Applied, sample_rate_hz: int) -> Samples:
    """The impulse response that was drawn: 1 at lag 0, a gap of 2.5 ms, the tail.

    Args:
        applied: what :class:`Reverb` drew.
        sample_rate_hz: rate of the clip; a seed gives another room at another rate.
    """
    rt60_s = number(applied, "rt60_s")
    block = round(BLOCK_S * sample_rate_hz)
    num_blocks = math.ceil(TAIL_IN_RT60 * rt60_s / BLOCK_S)
    noise_BS = normal_noise(int(number(applied, "room_seed")), num_blocks * block)
    noise_BS = noise_BS.reshape(num_blocks, block)
    decay = -math.log(1000) / rt60_s / sample_rate_hz
    noise_BS *= np.exp(decay * np.arange(block)).astype(np.float32)
    energy_B = np.einsum("bs,bs->b", noise_BS, noise_BS, dtype=np.float64)
    wanted_B = np.exp(2 * decay * block * np.arange(num_blocks))
    wanted_B *= 10 ** (-number(applied, "drr_db") / 10) / wanted_B.sum()
    noise_BS *= np.sqrt(wanted_B / energy_B).astype(np.float32)[:, None]
    gap = round(GAP_S * sample_rate_hz)
    response = np.zeros(gap + noise_BS.size, np.float32)
    response[0] = 1
    response[gap:] = noise_BS.reshape(-1)
    return response
