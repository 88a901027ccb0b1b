"""Another speaker at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from mosdata.audio import Clip, Samples, check_samples, resample
from mosdata.augment.base import Parameter, Pool
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.mixing import checked_sound
from mosdata.augment.speech_level import active_level_dbfs, gain_of, next_active_sample
from mosdata.errors import InvalidValue, RecordRejected
from mosdata.manifests.ids import JSON, unit_hash
from mosdata.manifests.rows import Applied


class Overlap(LadderCorruption):
    """Mix in another speaker with another text, at a ratio to the active speech.

    The interferer is looped or cut to the length of the clip and starts at a drawn place, moved
    on to where that speaker speaks. It is chosen by a hash of its id, so a pool that lost one
    clip gives every other record the same interferer as before.

    Source: both levels are active speech levels (ITU-T P.56), so pauses of either speaker count
    for nothing. One of the seven probes of the XLS-R study (Tamm et al. 2023, section 4);
    competing talkers at 10 to 50 dB are rated in TCD-VoIP (Harte, Gillen & Hines, QoMEX 2015).

    ``AddBackgroundNoise`` of audiomentations knows neither speakers nor texts, measures a file
    before it loops it, and takes the power of the whole clip.

    Args:
        pool: where interferers come from; needed to draw and to apply at levels above 0.
        sentence: sentence group of the clip; needed to draw. Its siblings are no interferers.
        speaker: speaker of the clip, who is no interferer either.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.augment.pool import MemoryPool
        >>> from mosdata.testing import speechlike
        >>> clip, other = speechlike(1.0), speechlike(1.0, seed=2)
        >>> pool = MemoryPool({"b": (other, "text-2", "bob")})
        >>> (applied,), both = harm(
        ...     ["overlap"], 0.5, clip, seed=1, record_id="a",
        ...     pool=pool, sentence="text-1", speaker="ann",
        ... )
        >>> applied.params["interferer_id"]
        'b'
    """

    name = "overlap"
    parameters: ClassVar = {
        "sir_db": Parameter("active speech over active interfering speech", low=-40, high=100)
    }

    def __init__(self, *, pool: Pool | None = None, sentence: str = "", speaker: str = "") -> None:
        self._pool = pool
        self._sentence = sentence
        self._speaker = speaker

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """55 - 55 position dB."""
        return {"sir_db": round(55 - 55 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:
        """``interferer_id``, ``start_sample``, and ``interferer_dbfs``: how loud that part is.

        Raises:
            InvalidValue: no pool, or no sentence, was given.
            RecordRejected: ``no_interferer``: the pool has no audible clip of someone else.
        """
        choice, place = draw_seed(rng), rng.random()
        for clip_id in self._candidates(choice):
            try:
                other = self._heard(clip_id, clip.sample_rate_hz)
                start = next_active_sample(other, int(place * other.num_samples))
                level_dbfs = active_level_dbfs(_part(other, start, clip.num_samples))
            except RecordRejected:  # a silent or broken interferer is not this clip's fault
                continue
            return {
                "interferer_id": clip_id,
                "start_sample": start,
                "interferer_dbfs": level_dbfs,
            }
        raise RecordRejected(
            "no_interferer",
            f"The pool has no audible clip with another text and another speaker than "
            f"{self._speaker!r}. Build more voices or texts, or leave out 'overlap'.",
        )

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Mix, with the interferer scaled by the active level of the part that is heard."""
        other = self._clip(str(applied.params.get("interferer_id")), clip.sample_rate_hz)
        part = _part(other, int(number(applied, "start_sample")), clip.num_samples)
        is_known = "interferer_dbfs" in applied.params  # not in rows of old
        part_dbfs = number(applied, "interferer_dbfs") if is_known else active_level_dbfs(part)
        gain_db = active_level_dbfs(clip) - number(applied, "sir_db") - part_dbfs
        mixed = part.samples * gain_of(gain_db)
        mixed += clip.samples
        return mixed

    def _candidates(self, choice: int) -> list[str]:
        """Ids of possible interferers in the order of this draw."""
        if not self._sentence:
            raise InvalidValue("sentence", self._sentence, "the sentence of the clip's row")
        ids = self._require_pool().candidates(sentence=self._sentence, speaker=self._speaker)
        return sorted(ids, key=lambda clip_id: unit_hash(f"{choice}/{clip_id}"))

    def _heard(self, clip_id: str, sample_rate_hz: int) -> Clip:
        """A clip that can be chosen: one with sound in it."""
        other = checked_sound(check_samples(self._require_pool().clip(clip_id)))
        return resample(other, sample_rate_hz)

    def _clip(self, clip_id: str, sample_rate_hz: int) -> Clip:
        return resample(check_samples(self._require_pool().clip(clip_id)), sample_rate_hz)

    def _require_pool(self) -> Pool:
        if self._pool is None:
            raise InvalidValue("pool", None, "a Pool of other clips: overlap mixes one of them in")
        return self._pool


def clips_heard(params: Mapping[str, JSON]) -> tuple[str, ...]:
    """Ids of the clips that a row mixed in, from what was drawn; none where it mixed in no speech.

    Example:
        >>> clips_heard({"talker_ids": ["b", "c"], "snr_db": 10})
        ('b', 'c')
    """
    talkers = params.get("talker_ids", [params.get("interferer_id")])
    return tuple(str(one) for one in talkers if one) if isinstance(talkers, list) else ()


def _part(other: Clip, start: int, num_samples: int) -> Clip:
    """``num_samples`` of a clip from ``start`` on, going round at its end."""
    samples = other.samples
    if start + num_samples > len(samples):
        samples = np.resize(np.concatenate((samples[start:], samples[:start])), num_samples)
        start = 0
    return Clip(samples[start : start + num_samples], other.sample_rate_hz)
