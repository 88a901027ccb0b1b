"""Many speakers at the same time."""

from __future__ import annotations

from itertools import cycle, islice
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import draw_seed, number
from mosdata.augment.mixing import audible_start, checked_sound, looped_part, with_noise
from mosdata.augment.overlap import Overlap
from mosdata.augment.speech_level import active_level_dbfs, gain_of
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

    Source: levels by ITU-T P.56; around six to eight talkers are hardest to hear through (Simpson
    & Cooke, J. Acoust. Soc. Am. 118, 2005).

    audiomentations has no babble: its ``AddBackgroundNoise`` adds one file.

    Args:
        pool: where talkers come from; needed to draw and to apply at levels above 0.
        sentence: sentence group of the clip; needed to draw. Its siblings are no talkers.
        speaker: speaker of the clip, who is no talker either.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.augment.pool import MemoryPool
        >>> from mosdata.testing import speechlike
        >>> clip, other = speechlike(1.0), speechlike(1.0, seed=2)
        >>> pool = MemoryPool({"b": (other, "text-2", "bob")})
        >>> (applied,), _ = harm(
        ...     ["babble"], 0.5, clip, seed=1, record_id="a",
        ...     pool=pool, sentence="text-1", speaker="ann",
        ... )
        >>> len(applied.params["talker_ids"])
        6
    """

    name = "babble"
    parameters: ClassVar = {
        "snr_db": Parameter("active speech over the sum of the talkers", low=-40, high=100)
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """60 - 65 position dB."""
        return {"snr_db": round(60 - 65 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:
        """``talker_ids``, ``start_samples`` and ``talker_dbfs``, the active levels of the talkers.

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
        clips = {clip_id: self._clip(clip_id, clip.sample_rate_hz) for clip_id in audible}
        starts = [
            audible_start(clips[clip_id], float(place))
            for clip_id, place in zip(talkers, places, strict=True)
        ]
        levels = [active_level_dbfs(clips[clip_id]) for clip_id in talkers]
        return {"talker_ids": [*talkers], "start_samples": [*starts], "talker_dbfs": [*levels]}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Add the talkers at one level, then their sum under the clip."""
        sum_of_talkers = np.zeros(clip.num_samples, np.float32)
        for clip_id, start, level_dbfs in _talkers(applied):
            other = self._clip(clip_id, clip.sample_rate_hz)
            part = looped_part(other, start, clip.num_samples)
            part *= gain_of(-level_dbfs)
            sum_of_talkers += part
        return with_noise(clip, sum_of_talkers, snr_db=number(applied, "snr_db"))

    def _is_audible(self, clip_id: str) -> bool:
        pool = self._require_pool()
        try:
            active_level_dbfs(checked_sound(pool.clip(clip_id)))
        except RecordRejected:  # a silent or broken talker is not this clip's fault
            return False
        return True


def _talkers(applied: Applied) -> list[tuple[str, int, float]]:
    """Who speaks, from where on, and how loud they are.

    Raises:
        InvalidValue: the row does not say.
    """
    given = [applied.params.get(key) for key in ("talker_ids", "start_samples", "talker_dbfs")]
    lists = [column for column in given if isinstance(column, list) and column]
    if len(lists) < len(given) or len({len(column) for column in lists}) != 1:
        raise InvalidValue(
            f"{applied.name} parameters talker_ids, start_samples, talker_dbfs",
            given,
            "three lists of one length",
        )
    return [
        (str(who), int(str(start)), float(str(dbfs)))
        for who, start, dbfs in zip(*lists, strict=True)
    ]
