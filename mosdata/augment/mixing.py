"""Putting one sound under another: loops without a seam, and exact ratios."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.speech_level import (
    SILENT_BELOW_DBFS,
    active_level_dbfs,
    gain_of,
    next_active_sample,
    rms_db,
)
from mosdata.errors import RecordRejected

SEAM_S: Final = 0.010
HEARD_S: Final = 0.020
"""Of a sound, from where it begins: no silence on its own."""


def with_noise(clip: Clip, noise: Samples, *, snr_db: float) -> Samples:
    """The clip and a noise of the same length under it, scaled in place.

    Args:
        clip: its active speech is what the ratio refers to.
        noise: changed.
        snr_db: active speech over the root mean square of the noise.

    Raises:
        RecordRejected: ``silent_noise``: there is nothing to scale.
    """
    noise_db = rms_db(noise)
    if math.isinf(noise_db):
        raise RecordRejected(
            "silent_noise", "The noise is digital silence over the length of the clip."
        )
    noise *= gain_of(active_level_dbfs(clip) - snr_db - noise_db)
    noise += clip.samples
    return noise


def checked_sound(other: Clip) -> Clip:
    """A sound as it was recorded, if it can be mixed in: one that was resampled rings at its ends.

    Raises:
        RecordRejected: ``silence``: all its samples are the same; ``too_short``: looped, what there
            is would be a tone.
    """
    if other.num_samples < HEARD_S * other.sample_rate_hz:
        detail = (
            f"{other.num_samples} samples; a sound to mix in has {1000 * HEARD_S:g} ms or more."
        )
        raise RecordRejected("too_short", detail)
    beginning = other.samples[: round(HEARD_S * other.sample_rate_hz)]
    if np.ptp(beginning) == 0 and np.ptp(other.samples) == 0:  # the whole only where need be
        raise RecordRejected("silence", "All samples are the same.")
    return other


def audible_start(other: Clip, place: float) -> int:
    """A sample to begin from: at a share of a sound's length, or where it is heard next.

    Raises:
        RecordRejected: ``silence``: there is no sound in it.
    """
    start = int(place * other.num_samples)
    beginning = other.samples[start : start + round(HEARD_S * other.sample_rate_hz) + 1]
    if rms_db(beginning) > SILENT_BELOW_DBFS:
        return start
    active_level_dbfs(other)
    return next_active_sample(other, start)


def looped_part(other: Clip, start: int, num_samples: int) -> Samples:
    """A copy of ``num_samples`` of a sound from ``start`` on, going round where it ends.

    A sound that has to go round fades from its end into its start over 10 ms (at most a quarter of
    it), so that a loop does not click.
    """
    if start + num_samples <= other.num_samples:
        return other.samples[start : start + num_samples].copy()
    seam = min(round(SEAM_S * other.sample_rate_hz), other.num_samples // 4)
    rise = np.arange(1, seam + 1, dtype=np.float32) / np.float32(seam + 1)
    period = other.num_samples - seam
    loop = other.samples[:period].copy()
    loop[:seam] = rise * loop[:seam] + (1 - rise) * other.samples[period:]
    start %= period
    part: Samples = np.tile(loop, -(-(start + num_samples) // period))[start : start + num_samples]
    return part
