"""Rooms and devices from recorded impulse responses."""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter, Pool
from mosdata.augment.convolution import convolved
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.speech_level import active_level_dbfs, gain_of
from mosdata.errors import InvalidValue, RecordRejected
from mosdata.manifests.ids import JSON, unit_hash
from mosdata.manifests.rows import Applied

DIRECT_S: Final = 0.0025
"""On either side of its peak: what counts as direct sound in a direct-to-reverberant ratio (the
half-width that the ACE challenge, Eaton et al. 2016, used)."""

ONSET: Final = 0.5
"""The direct sound is the first peak that reaches this share of the largest one."""

RISE_S: Final = 0.001


class ImpulseResponse(LadderCorruption):
    """Convolve with an impulse response from a file, its reverberation turned up by the level.

    The peak of the direct sound is moved to lag 0. What lies within 2.5 ms of it stays as it is;
    what follows is scaled so that the direct-to-reverberant ratio is the drawn one, whatever it
    was in the file: a level is the same room with the microphone further away. The active speech
    level is kept; what would ring on after the end of the clip is cut.

    Source: the ratio of direct to reverberant energy with 2.5 ms of direct sound (Zahorik, J.
    Acoust. Soc. Am. 112, 2002).

    ``ApplyImpulseResponse`` of audiomentations keeps the delay of the file, brings every clip to
    a peak of 0.5, and has no strength.

    Args:
        pool: with impulse responses; needed to draw and to apply at levels above 0.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.augment.pool import MemoryPool
        >>> from mosdata.testing import speechlike
        >>> import numpy as np
        >>> from mosdata.audio import Clip
        >>> noise = np.random.Generator(np.random.SFC64(1)).standard_normal(4000)
        >>> tail = noise * np.exp(-np.arange(4000) / 800)
        >>> room = Clip(np.concatenate(([8.0], tail)).astype(np.float32), 16_000)
        >>> pool = MemoryPool({}, files={"impulse_responses": {"hall.wav": room}})
        >>> values = {"impulse_response": {"drr_db": 3}}
        >>> clip = speechlike(1.0)
        >>> (applied,), _ = harm(
        ...     ["impulse_response"], 1, clip, seed=1, record_id="a", pool=pool, values=values
        ... )
        >>> applied.params
        {'drr_db': 3, 'response_file': 'hall.wav'}
    """

    name = "impulse_response"
    parameters: ClassVar = {
        "drr_db": Parameter("direct over reverberant energy of the response", low=-40, high=60)
    }

    def __init__(self, *, pool: Pool | None = None) -> None:
        self._pool = pool

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """50 - 60 position dB."""
        return {"drr_db": round(50 - 60 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:
        """``response_file``.

        Raises:
            InvalidValue: no impulse responses were given.
            RecordRejected: ``no_impulse_response``: none of the files has any reverberation.
        """
        choice = draw_seed(rng)
        files = self._require_files().files("impulse_responses")
        for file_id in sorted(files, key=lambda file_id: unit_hash(f"{choice}/{file_id}")):
            try:
                split_response(self._response(file_id, clip.sample_rate_hz))
            except RecordRejected:  # a dry or broken response is not this clip's fault
                continue
            return {"response_file": file_id}
        raise RecordRejected(
            "no_impulse_response",
            f"None of the {len(files)} files has sound later than {DIRECT_S * 1000:g} ms after "
            "its direct sound; give impulse responses of rooms.",
        )

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Convolve, take off the delay, restore the level."""
        file_id = str(applied.params.get("response_file"))
        response, delay = response_at(
            self._response(file_id, clip.sample_rate_hz), drr_db=number(applied, "drr_db")
        )
        wet = convolved(clip.samples, response, delay=delay)
        wet_db = active_level_dbfs(Clip(wet, clip.sample_rate_hz))
        wet *= gain_of(active_level_dbfs(clip) - wet_db)
        return wet

    def _response(self, file_id: str, sample_rate_hz: int) -> Clip:
        return self._require_files().file_clip("impulse_responses", file_id, sample_rate_hz)

    def _require_files(self) -> Pool:
        if self._pool is None or not self._pool.files("impulse_responses"):
            raise InvalidValue(
                "impulse responses",
                "no file",
                "a folder of impulse responses (--impulse-responses FOLDER)",
            )
        return self._pool


def response_at(response: Clip, *, drr_db: float) -> tuple[Samples, int]:
    """A response with another direct-to-reverberant ratio, and the place of its direct sound.

    Its direct sound is 1 at the peak, so responses of inverted polarity are turned over.

    Raises:
        RecordRejected: ``dry_response``, as :func:`split_response`.
    """
    direct, late, delay = split_response(response)
    wet = gain_of(_energy_db(direct) - _energy_db(late) - drr_db)
    return (direct + wet * late) / direct[delay], delay


def split_response(response: Clip) -> tuple[Samples, Samples, int]:
    """Direct sound and reverberation, of one length, and the place of the direct peak.

    Raises:
        RecordRejected: ``dry_response``: nothing follows the direct sound.
    """
    magnitude = np.abs(response.samples)
    rise = max(1, round(RISE_S * response.sample_rate_hz))
    onset = int(np.argmax(magnitude >= ONSET * magnitude.max()))
    peak = onset + int(np.argmax(magnitude[onset : onset + rise]))
    width = max(1, round(DIRECT_S * response.sample_rate_hz))
    first, last = max(0, peak - width), peak + width + 1
    late = response.samples[first:].copy()
    late[: last - first] = 0
    if not np.any(late):
        raise RecordRejected("dry_response", "Nothing follows the direct sound of the response.")
    direct = response.samples[first:] - late
    return direct, late, peak - first


def _energy_db(samples: Samples) -> float:
    """Sum of squares in dB, rounded like levels are: the last bit of a sum is the processor's."""
    part = samples.astype(np.float64)
    return round(10 * math.log10(float(part @ part)), 6)
