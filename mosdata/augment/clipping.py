"""Peaks that are cut off."""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, number
from mosdata.augment.speech_level import active_level_dbfs, active_samples, gain_of
from mosdata.manifests.rows import Applied

QUIET_THRESHOLD: Final = np.float32(1e-3)
"""A threshold at which what is left may be too quiet to be measured."""


class Clipping(LadderCorruption):
    """Cut the samples at a threshold that a share of the active speech exceeds.

    The share counts samples of active speech alone, so pauses do not spare a clip. The threshold
    is the same for both signs, and the active speech level is kept: clipped speech is not soft.
    Between two magnitudes of the clip it moves evenly, so any greater share cuts deeper; of speech
    that was clipped before, the samples at the limit are cut already, and a share is of the others.
    Nothing is drawn.

    Source: clipping as a share of samples is what TCD-VoIP rates (Harte, Gillen & Hines, QoMEX
    2015); active speech and its level by ITU-T P.56.

    ``ClippingDistortion`` of audiomentations counts pauses as well, takes whole percents and
    halves them, and leaves the clip softer than it was.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"clipping": {"clipped_fraction": 0.1}}
        >>> _, clipped = harm(["clipping"], 1, clip, seed=1, record_id="a", values=values)
        >>> bool((clipped.samples == clipped.samples.max()).sum() > 100)
        True
    """

    name = "clipping"
    parameters: ClassVar = {
        "clipped_fraction": Parameter("share of the active speech that is cut", low=0, high=0.99)
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """0.6 position**3."""
        return {"clipped_fraction": round(0.6 * position**3, 9)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Cut and restore the level."""
        threshold = clipping_threshold(clip, number(applied, "clipped_fraction"))
        cut = np.clip(clip.samples, -threshold, threshold)
        if 0 < threshold < QUIET_THRESHOLD:
            cut /= threshold  # what is left would pass for silence
        after_db = active_level_dbfs(Clip(cut, clip.sample_rate_hz))
        return cut * gain_of(active_level_dbfs(clip) - after_db)


def clipping_threshold(clip: Clip, fraction: float) -> np.float32:
    """The magnitude that a share of the active speech exceeds; at least one sample does.

    From one magnitude to the next lower one it falls in proportion to the samples at the upper one.
    Of those at the peak one counts.
    """
    loud = np.abs(active_samples(clip))
    peak = loud.max()
    loud = np.append(loud[loud < peak], peak)
    count = fraction * len(loud)
    wanted = min(len(loud) - 1.0, math.sqrt(1 + count * count))  # one sample at least, exactly
    place = len(loud) - 1 - int(wanted)
    upper = float(np.partition(loud, place)[place])
    if upper == 0:
        return np.float32(loud[loud > 0].min())
    above, here = np.count_nonzero(loud > upper), np.count_nonzero(loud == upper)
    lower = float(np.max(loud, where=loud < upper, initial=0))
    return np.float32(upper - (upper - lower) * (wanted - above) / here)
