"""What is checked of a clip that an engine made: is it audio, and what looks wrong with it.

Audio that is not audio is rejected. Speech that is merely bad is kept and flagged: a dataset about
quality needs bad speech, and only a mislabelled clip would harm it. So there is no floor on
naturalness either. Every flag stands in ``mosdata/synth/flags.py``, with its limits.

Everything here is a pure function of the 16-bit samples and the text, and costs well under a
millisecond a clip; the one slow look, for speech that repeats itself, is only taken at clips that
last too long for their text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, peak_of
from mosdata.errors import RecordRejected
from mosdata.synth.base import SystemInfo
from mosdata.synth.flags import CLIP_FLAGS, Flag
from mosdata.synth.loops import longest_loop_s
from mosdata.synth.text.scripts import is_syllabic

SHORTEST_S: Final = 0.2
SILENT_PEAK: Final = 10 ** (-60 / 20)

FRAME_S: Final = 0.01
ACTIVE_RMS: Final = 10 ** (-50 / 20)
"""A frame below -50 dBFS is silence."""

LEVEL_WINDOW_FRAMES: Final = 10
"""Frames of a window whose level is compared with the other windows': 0.1 s."""

LEVEL_JUMP_DB: Final = 12.0

CLIPPED: Final = 0.999
LOWEST_PLATEAU_PEAK: Final = 0.1
"""Below -20 dBFS the steps of 16 bits are wide enough for honest tops to look flat."""

UNHURRIED: Final = 0.5
"""Of the usual rate: below, there is time for something to be said twice."""

USUAL_CHARS_PER_S: Final = {"alphabetic": 14.0, "cjk": 5.0}

DIGIT_CHARS: Final = 4
"""A digit is read as a word: about four letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What was found in a clip.

    Args:
        flags: names of ``mosdata.synth.flags.FLAGS``, in their order.
        values: what each flag of a single clip was judged by, in the unit of the flag.
        speech_s: seconds from the first active frame to the last.
    """

    flags: tuple[str, ...]
    values: Mapping[str, float]
    speech_s: float


@dataclass(frozen=True, slots=True)
class _Activity:
    """Power of each frame, and which hold sound; frames last :data:`FRAME_S`."""

    power: NDArray[np.float32]
    is_active: NDArray[np.bool_]

    @property
    def edges(self) -> tuple[int, int]:
        """First active frame and the one after the last; the whole clip where none is."""
        where = np.flatnonzero(self.is_active)
        return (int(where[0]), int(where[-1]) + 1) if len(where) else (0, len(self.is_active))

    @property
    def rms(self) -> float:
        """Of the active frames; 0 where there is none."""
        return float(np.sqrt(self.power[self.is_active].mean())) if self.is_active.any() else 0.0


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
    """What looks wrong with a clip; see :func:`inspect_speech`."""
    return inspect_speech(clip, text).flags


def inspect_speech(clip: Clip, text: str) -> Inspected:
    """Measure a clip against the limits of every flag of a single clip.

    Args:
        clip: finite and not empty, as :func:`check_speech` lets pass.
        text: what is said in it, digits and all.

    Example:
        >>> from mosdata.testing import speechlike
        >>> inspect_speech(speechlike(1.0), "A few words.").flags
        ()
    """
    activity = _activity(clip)
    first, end = activity.edges
    speech_s = max(1, end - first) * FRAME_S
    script = script_of(text)
    rate = spoken_chars(text) / speech_s
    values = {
        "slow_speech": rate,
        "fast_speech": rate,
        "leading_silence": first * FRAME_S,
        "trailing_silence": (len(activity.is_active) - end) * FRAME_S,
        "long_gap": _longest_gap(activity.is_active) * FRAME_S,
        "mostly_silent": float(activity.is_active.mean()) if len(activity.is_active) else 0.0,
        "low_level": _db(activity.rms),
        "level_jump": _longest_jump_s(activity),
        "dc_offset": abs(float(clip.samples.mean())),
        "clipping": float(_num_clipped(clip)),
        "flat_peaks": float(_longest_plateau(clip)),
        "repeated_sound": 0.0,
    }
    if rate < UNHURRIED * USUAL_CHARS_PER_S[script]:
        values["repeated_sound"] = longest_loop_s(clip, activity.is_active, frame_s=FRAME_S)
    flags = tuple(f.name for f in CLIP_FLAGS if is_beyond(f, values[f.name], script=script))
    return Inspected(flags=flags, values=values, speech_s=speech_s)


def is_beyond(flag: Flag, value: float, *, script: str = "alphabetic") -> bool:
    """Whether a value is outside what a flag allows for this kind of script."""
    low, high = flag.limits(script)
    return (low is not None and value < low) or (high is not None and value > high)


def _activity(clip: Clip) -> _Activity:
    frame = max(1, round(FRAME_S * clip.sample_rate_hz))
    whole = clip.samples[: clip.num_samples // frame * frame].reshape(-1, frame)
    power = np.einsum("nf,nf->n", whole, whole) / frame
    return _Activity(power, power > ACTIVE_RMS**2)


def _longest_gap(is_active: NDArray[np.bool_]) -> int:
    """Frames in the longest run of silence between active frames."""
    where = np.flatnonzero(is_active)
    return int(np.diff(where).max(initial=1)) - 1


def _longest_jump_s(activity: _Activity) -> float:
    """How long the level stays far from the clip's usual one: the longest such stretch.

    The usual level is the median of all windows with sound; silence ends a stretch.
    """
    n = len(activity.power) // LEVEL_WINDOW_FRAMES
    power = activity.power[: n * LEVEL_WINDOW_FRAMES].reshape(n, LEVEL_WINDOW_FRAMES).mean(axis=1)
    sounds = power > ACTIVE_RMS**2
    if not sounds.any():
        return 0.0
    usual, factor = np.median(power[sounds]), 10 ** (LEVEL_JUMP_DB / 10)
    loud, soft = sounds & (power > usual * factor), sounds & (power < usual / factor)
    return max(_longest_run(loud), _longest_run(soft)) * LEVEL_WINDOW_FRAMES * FRAME_S


def _longest_run(is_true: NDArray[np.bool_]) -> int:
    """How many neighbours are true together, at most."""
    ends = np.flatnonzero(np.concatenate([[True], ~is_true, [True]]))
    return int(np.diff(ends).max()) - 1


def _num_clipped(clip: Clip) -> int:
    if peak_of(clip) < CLIPPED:
        return 0
    return int(np.count_nonzero(np.abs(clip.samples) >= CLIPPED))


def _longest_plateau(clip: Clip) -> int:
    """Samples in the longest run that stays at the clip's own peak, whatever that is.

    Engines that limit their output (CosyVoice's vocoder stops at 0.99) clip below full scale.
    """
    peak = peak_of(clip)
    if peak < LOWEST_PLATEAU_PEAK:
        return 0
    step = 0.5 / (1 << 15)
    at_peak = np.concatenate([clip.samples >= peak - step, clip.samples <= step - peak])
    where = np.flatnonzero(at_peak)
    breaks = np.flatnonzero(np.diff(where) != 1)
    return int(np.diff(np.concatenate([[-1], breaks, [len(where) - 1]])).max())


def _db(amplitude: float) -> float:
    return float(20 * np.log10(max(amplitude, 1e-10)))


def spoken_chars(text: str) -> int:
    """Characters of a text, digits counted as the words that they are read as."""
    return len(text.strip()) + (DIGIT_CHARS - 1) * sum(c.isdigit() for c in text)


def script_of(text: str) -> str:
    """``cjk`` where most letters are Han, kana or Hangul, which are syllables or more each.

    Example:
        >>> script_of("Good morning."), script_of("早上好。")
        ('alphabetic', 'cjk')
    """
    return "cjk" if is_syllabic(text) else "alphabetic"
