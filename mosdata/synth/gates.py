"""What is checked of a clip that an engine made: is it audio, and what looks wrong with it.

Audio that is not audio is rejected. Speech that is merely bad is kept and flagged: a dataset about
quality needs bad speech, and only a mislabelled clip would harm it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, peak_of
from mosdata.errors import RecordRejected
from mosdata.synth.base import SystemInfo

SHORTEST_S: Final = 0.2
SILENT_PEAK: Final = 10 ** (-60 / 20)

FRAME_S: Final = 0.01
ACTIVE_RMS: Final = 10 ** (-50 / 20)
"""A frame below -50 dBFS is silence."""

LONGEST_EDGE_SILENCE_S: Final = 1.0
LONGEST_GAP_S: Final = 2.0
LOWEST_ACTIVE_RATIO: Final = 0.3
LOWEST_ACTIVE_RMS: Final = 10 ** (-40 / 20)
HIGHEST_DC: Final = 0.01
CLIPPED: Final = 0.999
FEWEST_CLIPPED: Final = 3

RATES_CHARS_PER_S: Final = {"alphabetic": (4.0, 30.0), "cjk": (2.0, 10.0)}
"""Characters a second that a person could still speak, by kind of script."""

DIGIT_CHARS: Final = 4
"""A digit is read as a word: about four letters."""

FLAGS: Final = {
    "slow_speech": "fewer characters a second than a person speaks: repeats, pauses, babble",
    "fast_speech": "more characters a second than a person speaks: words are missing",
    "leading_silence": "more than 1 s before speech",
    "trailing_silence": "more than 1 s after speech",
    "long_gap": "more than 2 s of silence inside",
    "mostly_silent": "less than 30 % of the clip is active",
    "low_level": "active speech below -40 dBFS",
    "dc_offset": "mean above 0.01 of full scale",
    "clipping": "three samples or more at full scale",
}
"""Quality flags and what they mean; a flagged clip is kept."""


@dataclass(frozen=True, slots=True)
class _Activity:
    """Which frames hold sound, and how much; frames last :data:`FRAME_S`."""

    is_active: NDArray[np.bool_]
    rms: float

    @property
    def edges(self) -> tuple[int, int]:
        """First active frame and the one after the last; the whole clip where none is."""
        where = np.flatnonzero(self.is_active)
        return (int(where[0]), int(where[-1]) + 1) if len(where) else (0, len(self.is_active))


def check_speech(clip: Clip, info: SystemInfo) -> Clip:
    """Return the clip if it is audio at all.

    Raises:
        RecordRejected: ``wrong_sample_rate``, ``empty_audio``, ``not_finite``, ``too_short`` or
            ``silent``.
    """
    if clip.sample_rate_hz != info.sample_rate_hz:
        raise RecordRejected(
            "wrong_sample_rate",
            f"{info.name} spoke at {clip.sample_rate_hz} Hz; it promised {info.sample_rate_hz} Hz.",
        )
    peak = peak_of(clip)
    if clip.duration_s < SHORTEST_S:
        raise RecordRejected(
            "too_short",
            f"{info.name} made {clip.duration_s:.3f} s of audio; allowed: {SHORTEST_S} s or more.",
        )
    if peak < SILENT_PEAK:
        raise RecordRejected("silent", f"{info.name} made {clip.duration_s:.2f} s of silence.")
    return clip


def quality_flags(clip: Clip, text: str) -> tuple[str, ...]:
    """What looks wrong with a clip, in the order of :data:`FLAGS`."""
    activity = _activity(clip)
    first, end = activity.edges
    inner = activity.is_active[first:end]
    slowest, fastest = RATES_CHARS_PER_S["cjk" if _is_cjk(text) else "alphabetic"]
    chars_per_s = _spoken_chars(text) / (max(1, end - first) * FRAME_S)
    found = {
        "slow_speech": chars_per_s < slowest,
        "fast_speech": chars_per_s > fastest,
        "leading_silence": first * FRAME_S > LONGEST_EDGE_SILENCE_S,
        "trailing_silence": (len(activity.is_active) - end) * FRAME_S > LONGEST_EDGE_SILENCE_S,
        "long_gap": _longest_gap(inner) * FRAME_S > LONGEST_GAP_S,
        "mostly_silent": activity.is_active.mean() < LOWEST_ACTIVE_RATIO,
        "low_level": activity.rms < LOWEST_ACTIVE_RMS,
        "dc_offset": abs(float(clip.samples.mean())) > HIGHEST_DC,
        "clipping": _num_clipped(clip) >= FEWEST_CLIPPED,
    }
    return tuple(name for name in FLAGS if found[name])


def _activity(clip: Clip) -> _Activity:
    frame = max(1, round(FRAME_S * clip.sample_rate_hz))
    whole = clip.samples[: clip.num_samples // frame * frame].reshape(-1, frame)
    power = np.einsum("nf,nf->n", whole, whole) / frame
    is_active = power > ACTIVE_RMS**2
    rms = float(np.sqrt(power[is_active].mean())) if is_active.any() else 0.0
    return _Activity(is_active, rms)


def _longest_gap(is_active: NDArray[np.bool_]) -> int:
    """Frames in the longest run of silence between active frames."""
    where = np.flatnonzero(is_active)
    return int(np.diff(where).max(initial=1)) - 1


def _num_clipped(clip: Clip) -> int:
    if peak_of(clip) < CLIPPED:
        return 0
    return int(np.count_nonzero(np.abs(clip.samples) >= CLIPPED))


def _spoken_chars(text: str) -> int:
    return len(text.strip()) + (DIGIT_CHARS - 1) * sum(c.isdigit() for c in text)


def _is_cjk(text: str) -> bool:
    """Whether most letters are Han, kana or Hangul, where one character is a syllable or more."""
    letters = [c for c in text if c.isalpha()]
    return 2 * sum(map(_is_syllable, letters)) > len(letters)


def _is_syllable(character: str) -> bool:
    code = ord(character)
    return 0x2E80 <= code <= 0x9FFF or 0xAC00 <= code <= 0xD7AF or 0x20000 <= code <= 0x3FFFF
