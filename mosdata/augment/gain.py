"""Speech that is too soft."""

from __future__ import annotations

from typing import ClassVar

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, number
from mosdata.augment.speech_level import SILENT_BELOW_DBFS, active_level_dbfs, gain_of
from mosdata.errors import RecordRejected
from mosdata.manifests.rows import Applied


class Gain(LadderCorruption):
    """Turn the whole clip down.

    Loudness is a dimension of quality of its own. PESQ and its kin align levels before they
    compare and cannot hear this corruption, so its levels follow a model of what people said
    of soft speech on the telephone, the E-model. Nothing is drawn.

    Source: the levels follow ITU-T G.107 (06/2015), the E-model, for a sender that is so much
    softer.

    ``Gain`` of audiomentations does the same to the samples, but draws its decibels anew each
    time.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"gain": {"gain_db": -20}}
        >>> _, soft = harm(["gain"], 1, clip, seed=1, record_id="a", values=values)
        >>> round(float(soft.samples.max() / clip.samples.max()), 6)
        0.1
    """

    name = "gain"
    parameters: ClassVar = {"gain_db": Parameter("change of level", low=-60, high=0)}

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """-43 position dB: beyond, 16 bits keep too little of quiet clips."""
        return {"gain_db": round(-43 * position, 4)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Multiply.

        Raises:
            RecordRejected: ``silence``: 16 bits would keep nothing of the speech.
        """
        gain_db = number(applied, "gain_db")
        after_db = active_level_dbfs(clip) + gain_db
        if after_db < SILENT_BELOW_DBFS:
            raise RecordRejected(
                "silence", f"After {gain_db:g} dB the speech would be at {after_db:.0f} dBFS."
            )
        return clip.samples * gain_of(gain_db)
