"""Many speakers at the same time."""

from __future__ import annotations

from itertools import cycle, islice
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import draw_seed, number
from mosdata.augment.mixing import looped_part, with_noise
from mosdata.augment.overlap import Overlap
from mosdata.augment.speech_level import active_level_dbfs, gain_of, next_active_sample
from mosdata.errors import InvalidValue, RecordRejected
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

TALKERS: Final = 6
"""From about this many on nobody is understood, and what masks is the sum."""


class Babble(Overlap):
    """Mix in six others at once, at a ratio of the active speech to the sum of them.

    Six clips of the same dataset, of another text and another speaker than the clip, are brought
    to the same active level and added, each looped without a seam from a drawn place on. Where
    the dataset has fewer, they are taken again from other places. They are chosen by a hash of
    their ids, like the interferer of ``overlap``.

    Args:
        pool: where talkers come from; needed to draw and to apply at levels above 0.
        sentence: sentence group of the clip; needed to draw. Its siblings are no talkers.
        speaker: speaker of the clip, who is no talker either.
    """

    name = "babble"
    parameters: ClassVar = {
        "snr_db": Parameter("active speech over the sum of the talkers", low=-40, high=100)
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """60 - 65 position dB."""
        return {"snr_db": round(60 - 65 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:
        """``talker_ids`` and ``start_samples``.

        Raises:
            InvalidValue: no pool, or no sentence, was given.
            RecordRejected: ``no_interferer``: the pool has no audible clip of someone else.
        """
        choice, places = draw_seed(rng), rng.random(TALKERS)
        audible = [*islice(filter(self._is_audible, self._candidates(choice)), TALKERS)]
        if not audible:
            raise RecordRejected(
                "no_interferer",
                f"The pool has no audible clip with another text and another speaker than "
                f"{self._speaker!r}. Build more voices or texts, or leave out 'babble'.",
            )
        talkers = [*islice(cycle(audible), TALKERS)]
        starts = [
            self._start(clip_id, float(place), clip.sample_rate_hz)
            for clip_id, place in zip(talkers, places, strict=True)
        ]
        return {"talker_ids": [*talkers], "start_samples": [*starts]}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Add the talkers at one level, then their sum under the clip."""
        sum_of_talkers = np.zeros(clip.num_samples, np.float32)
        for clip_id, start in _talkers(applied):
            other = self._clip(clip_id, clip.sample_rate_hz)
            level = gain_of(-active_level_dbfs(other))
            sum_of_talkers += level * looped_part(other, start, clip.num_samples)
        return with_noise(clip, sum_of_talkers, snr_db=number(applied, "snr_db"))

    def _is_audible(self, clip_id: str) -> bool:
        try:
            active_level_dbfs(self._require_pool().clip(clip_id))
        except RecordRejected:  # a silent or broken talker is not this clip's fault
            return False
        return True

    def _start(self, clip_id: str, place: float, sample_rate_hz: int) -> int:
        other = self._clip(clip_id, sample_rate_hz)
        return next_active_sample(other, int(place * other.num_samples))


def _talkers(applied: Applied) -> list[tuple[str, int]]:
    """Who speaks, and from where on.

    Raises:
        InvalidValue: the row does not say.
    """
    ids, starts = applied.params.get("talker_ids"), applied.params.get("start_samples")
    if not (isinstance(ids, list) and isinstance(starts, list) and len(ids) == len(starts) > 0):
        raise InvalidValue(
            f"{applied.name} parameters talker_ids, start_samples",
            (ids, starts),
            "two lists of one length",
        )
    return [(str(clip_id), int(str(start))) for clip_id, start in zip(ids, starts, strict=True)]
