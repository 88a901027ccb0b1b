"""Gain that rides on the speech."""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.normals import normal_noise
from mosdata.augment.speech_level import active_level_dbfs, gain_of, rms_db
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

FRAME_S: Final = 0.005
SHORTEST_ATTACK_S: Final = 0.005
LONGEST_ATTACK_S: Final = 0.030
SHORTEST_RELEASE_S: Final = 0.100
LONGEST_RELEASE_S: Final = 0.400
FLOOR_DB: Final = -100.0
"""Of a frame below active speech: where the meter ends."""


class AgcPumping(LadderCorruption):
    """Send the clip through an automatic gain control that overdoes it.

    A meter follows the level of frames of 5 ms, up with an attack of 5 to 30 ms and down with a
    release of 100 to 400 ms (both drawn); the gain brings what it shows to the level of active
    speech, by at most ``range_db`` up or down. Onsets overshoot, words sink, and between them the
    room comes up: a hiss at ``floor_snr_db`` below the active speech stands for it, for built
    speech has no room. The active speech level is kept.

    Source: levels by ITU-T P.56; ITU-T G.169 says what a good automatic level control does, and
    this one does not: it is too fast, and has no gate for pauses.

    audiomentations has none; its ``Limiter`` turns peaks down and never pauses up.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"agc_pumping": {"range_db": 30, "floor_snr_db": 35}}
        >>> (applied,), _ = harm(["agc_pumping"], 1, clip, seed=1, record_id="a", values=values)
        >>> 0.005 <= applied.params["attack_s"] <= 0.03
        True
    """

    name = "agc_pumping"
    parameters: ClassVar = {
        "range_db": Parameter("largest gain up and down", low=0, high=60),
        "floor_snr_db": Parameter("active speech over the noise of the room", low=10, high=100),
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """25 position dB of range, over a room 75 - 65 position dB down."""
        return {
            "range_db": round(25 * position, 4),
            "floor_snr_db": round(75 - 65 * position, 4),
        }

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - no clip is too short
        """``attack_s``, ``release_s`` and ``noise_seed``."""
        attack_s = SHORTEST_ATTACK_S * (LONGEST_ATTACK_S / SHORTEST_ATTACK_S) ** rng.random()
        release_s = SHORTEST_RELEASE_S * (LONGEST_RELEASE_S / SHORTEST_RELEASE_S) ** rng.random()
        return {
            "attack_s": round(attack_s, 4),
            "release_s": round(release_s, 4),
            "noise_seed": draw_seed(rng),
        }

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Add the room, ride the gain, restore the level."""
        speech_db = active_level_dbfs(clip)
        room = normal_noise(int(number(applied, "noise_seed")), clip.num_samples)
        room *= gain_of(speech_db - number(applied, "floor_snr_db") - rms_db(room))
        room += clip.samples
        ridden = room * ridden_gain(
            Clip(room, clip.sample_rate_hz),
            speech_db,
            range_db=number(applied, "range_db"),
            attack_s=number(applied, "attack_s"),
            release_s=number(applied, "release_s"),
        )
        after_db = active_level_dbfs(Clip(ridden, clip.sample_rate_hz))
        return ridden * gain_of(speech_db - after_db)


def ridden_gain(
    clip: Clip, target_dbfs: float, *, range_db: float, attack_s: float, release_s: float
) -> Samples:
    """The factor of every sample: linear between frames.

    Args:
        clip: what the meter hears.
        target_dbfs: level that the gain control wants.
        range_db: the gain lies within plus and minus this.
        attack_s: time in which the meter goes up by 63 % of a step, in dB.
        release_s: the same for down.
    """
    length = max(1, round(FRAME_S * clip.sample_rate_hz))
    shown = metered(
        _frame_levels(clip, length) - target_dbfs, attack_s=attack_s, release_s=release_s
    )
    gains_db = np.clip(-shown, -range_db, range_db)
    # Rounded, so that the last bit of a power, which depends on the processor, is nowhere heard.
    gains = np.round(10 ** (gains_db / 20) * 2**20) / 2**20
    starts = np.concatenate([gains[:1], gains[:-1]])
    steps = np.arange(1, length + 1) / length
    ramps = starts[:, None] + (gains - starts)[:, None] * steps
    return np.asarray(ramps.reshape(-1)[: clip.num_samples], dtype=np.float32)


def metered(
    levels_db: NDArray[np.float64], *, attack_s: float, release_s: float
) -> NDArray[np.float64]:
    """Levels of frames as a meter shows them that is fast up and slow down; starts at the first."""
    attack, release = (1 - math.exp(-FRAME_S / time_s) for time_s in (attack_s, release_s))
    shown, readings = float(levels_db[0]), []
    for level in levels_db.tolist():
        shown += (level - shown) * (attack if level > shown else release)
        readings.append(shown)
    return np.array(readings)


def _frame_levels(clip: Clip, length: int) -> NDArray[np.float64]:
    """Level of every frame in dB, rounded; the last one is filled up with silence."""
    padded = np.zeros(-(-clip.num_samples // length) * length, np.float32)
    padded[: clip.num_samples] = clip.samples
    frames = padded.reshape(-1, length)
    powers = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / length
    levels_db = 10 * np.log10(np.maximum(powers, 10 ** (FLOOR_DB / 10)))
    return np.asarray(np.round(levels_db, 6), dtype=np.float64)
