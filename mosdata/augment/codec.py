"""What all codecs share: rungs of bitrates, and a continuous scale between and below them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples, fitted, resample
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, number
from mosdata.augment.speech_level import active_level_dbfs, gain_of
from mosdata.errors import RecordRejected
from mosdata.manifests.rows import Applied

ALMOST_WHOLE: Final = 0.003
"""What a rung leaves of the clean clip at its end: -50 dB."""

NOMINAL_DBFS: Final = -26.0
"""Active level at which speech codecs are fed in tests (ITU-T P.830)."""

SHORTEST_S: Final = 0.1
"""Shorter clips are padded with silence while they are coded."""

ERROR_GAIN: Final = Parameter(
    "the codec's error times this; 1 is the codec itself", low=0, high=100
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One setting of a codec.

    Args:
        bitrate_kbps: thousand bits a second.
        rate_hz: sampling rate of the coder, where the clip's is not lower.
        start: error gain at which the scale steps on this rung.
    """

    bitrate_kbps: float
    rate_hz: int
    start: float


class Codec(LadderCorruption):
    """There and back through a coder, with its error on a continuous scale.

    Bitrates are few, and the lowest may be too good. So the scale multiplies the error of the
    codec by ``error_gain``. On each rung the gain climbs to 1, which is the codec itself, in even
    steps of what is left of the clean clip in decibels; the next rung begins where it does as
    much harm or a little more, for clips differ. Past the last rung the gain goes on above 1: then
    only the noise that the codec adds inside its own band is amplified, for the band that it
    removes cannot be removed twice. Length and alignment stay. Nothing is drawn.
    """

    rungs: ClassVar[tuple[Rung, ...]]
    beyond: ClassVar[float] = 1.0
    """Error gain at which the scale goes on past the last rung."""

    worst: ClassVar[float]
    """Error gain at the end of the scale."""

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:
        """Rung by rung; on each the gain climbs to 1, and past the last one beyond."""
        place = position * (len(self.rungs) + 1)
        index = min(int(place), len(self.rungs))
        rung = self.rungs[min(index, len(self.rungs) - 1)]
        if index < len(self.rungs):
            clean = 1 - rung.start
            gain = 1 - clean * (ALMOST_WHOLE / clean) ** (place - index)
        else:
            gain = self.beyond * (self.worst / self.beyond) ** (place - index)
        return {**self.setting(rung.bitrate_kbps, sample_rate_hz), "error_gain": round(gain, 7)}

    def setting(self, bitrate_kbps: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - for those with several rates
        """The physical values of a rung beside the gain."""
        return {"bitrate_kbps": bitrate_kbps}

    def complete(
        self, given: Mapping[str, float], position: float, sample_rate_hz: int
    ) -> dict[str, float]:
        """A bitrate given alone is the codec itself."""
        values = {**self.scale(position, sample_rate_hz), "error_gain": 1.0, **given}
        if "bitrate_kbps" in given:
            values |= self.setting(given["bitrate_kbps"], sample_rate_hz) | {**given}
        elif "error_gain" in given:
            values |= self.setting(self.rungs[-1].bitrate_kbps, sample_rate_hz) | {**given}
        return {key: values[key] for key in self.parameters}

    @abstractmethod
    def coder_rate_hz(self, applied: Applied) -> int:
        """At which rate the coder runs."""

    @abstractmethod
    def code(self, clip: Clip, applied: Applied) -> Samples:
        """Encode and decode at the coder's rate; aligned, as long and as loud as before."""

    def inside_band(self, error: Samples, applied: Applied) -> Samples:  # noqa: ARG002 - for those that narrow the band
        """The part of the error that lies in the band of the coder."""
        return error

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Resample, encode, decode, scale the error, resample back."""
        num_samples = clip.num_samples
        clip = _at_least(clip, round(SHORTEST_S * clip.sample_rate_hz))
        gain = np.float32(number(applied, "error_gain"))
        inside = resample(clip, self.coder_rate_hz(applied))
        coded = self.code(inside, applied)
        share = min(np.float32(1), gain)
        if gain != 1:
            error = coded - inside.samples
            if gain > 1:
                coded += (gain - 1) * self.inside_band(error, applied)
            elif inside is clip:
                error *= gain
                return (clip.samples + error)[:num_samples]
            else:
                coded = share * inside.samples + gain * error
        heard = resample(Clip(coded, inside.sample_rate_hz), clip.sample_rate_hz).samples
        heard = fitted(heard, num_samples)
        return heard + (1 - share) * clip.samples[:num_samples] if share < 1 else heard


class TelephoneCodec(Codec):
    """A codec for speech at 8 kHz, fed at the nominal level of telephony."""

    parameters: ClassVar = {"error_gain": ERROR_GAIN}

    def coder_rate_hz(self, applied: Applied) -> int:  # noqa: ARG002 - the only one
        """8 kHz."""
        return 8_000

    def code(self, clip: Clip, applied: Applied) -> Samples:
        """Turn to the nominal level, code, and turn back."""
        gain = _nominal_gain(clip)
        coded = self.code_nominal(clip.samples * gain, applied)
        coded /= gain
        return coded

    @abstractmethod
    def code_nominal(self, samples: Samples, applied: Applied) -> Samples:
        """Encode and decode samples at 8 kHz; aligned and as long as before."""


def _nominal_gain(clip: Clip) -> np.float32:
    """To the nominal level, but not over full scale; 1 where the band holds nothing audible."""
    try:
        gain = gain_of(NOMINAL_DBFS - active_level_dbfs(clip))
    except RecordRejected:
        gain = np.float32(1)
    peak = max(float(clip.samples.max()), -float(clip.samples.min()), 1e-9)
    return min(gain, np.float32(0.99 / peak))


def _at_least(clip: Clip, num_samples: int) -> Clip:
    if clip.num_samples >= num_samples:
        return clip
    return Clip(fitted(clip.samples, num_samples), clip.sample_rate_hz)
