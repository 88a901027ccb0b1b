"""A voice to be cloned: is its recording one that the engine can use as it is?

mosdata checks prompts before an engine sees them. The adapters check again, because they are also
driven by others, and because upstream code does not: it clips what is too long and keeps the whole
transcript, upsamples telephone speech, and turns silence into NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mosdata.synth.adapters.kit import Rejected

SILENT_PEAK = 10 ** (-50 / 20)
"""A recording whose peak lies below -50 dBFS holds no speech worth cloning."""


@dataclass(frozen=True)
class Limits:
    """What an engine takes; durations in seconds, rate in Hz."""

    min_duration_s: float
    max_duration_s: float
    min_sample_rate_hz: int
    needs_text: bool


@dataclass(frozen=True)
class Prompt:
    """A checked recording of a voice, and what is said in it (empty where nobody wrote it down)."""

    name: str
    path: str
    text: str
    duration_s: float


def check_prompt(voice: dict[str, Any], limits: Limits) -> Prompt:
    """The recording of a voice, if it can be cloned as it is.

    Raises:
        Rejected: ``prompt_missing``, ``prompt_unreadable``, ``prompt_low_rate``,
            ``prompt_too_short``, ``prompt_too_long``, ``prompt_silent`` or
            ``prompt_without_text``.
    """
    name, path, text = str(voice["name"]), voice.get("audio"), str(voice.get("text") or "").strip()
    if not path or not Path(path).is_file():
        raise Rejected(
            "prompt_missing", f"Voice {name!r}: there is no recording {Path(path or '').name!r}."
        )
    if limits.needs_text and not any(c.isalnum() for c in text):
        raise Rejected(
            "prompt_without_text",
            f"Voice {name!r} has no transcript. Write down what is said in {Path(path).name}.",
        )
    sample_rate_hz, duration_s, peak = _measure(name, str(path))
    if sample_rate_hz < limits.min_sample_rate_hz:
        raise Rejected(
            "prompt_low_rate",
            f"Voice {name!r} is recorded at {sample_rate_hz} Hz; allowed: "
            f"{limits.min_sample_rate_hz} Hz or more. Resampling does not bring back what is gone.",
        )
    if duration_s < limits.min_duration_s:
        raise Rejected(
            "prompt_too_short",
            f"Voice {name!r} lasts {duration_s:.2f} s; allowed: {limits.min_duration_s} s or more.",
        )
    if duration_s > limits.max_duration_s:
        raise Rejected(
            "prompt_too_long",
            f"Voice {name!r} lasts {duration_s:.2f} s; allowed: up to {limits.max_duration_s} s. "
            "Cut the recording, and its transcript with it.",
        )
    if peak < SILENT_PEAK:
        raise Rejected("prompt_silent", f"Voice {name!r}: {Path(path).name} holds silence.")
    return Prompt(name=name, path=str(path), text=text, duration_s=duration_s)


def unknown_voice(name: str, known: Any) -> Rejected:
    """The error for a voice that nobody added, with those that are there."""
    names = ", ".join(sorted(known)) or "none; add prompts"
    return Rejected("unknown_voice", f"There is no voice {name!r}. Known: {names}.")


def check_letters(text: str) -> None:
    """Refuse what has nothing to say; upstream code makes noise of it.

    Raises:
        Rejected: ``no_letters``.
    """
    if not any(c.isalnum() for c in text):
        raise Rejected("no_letters", f"{text[:40]!r} has no letter or digit to speak.")


def _said(path: str, error: Exception) -> str:
    """An error without the folder, as rows are the same on every machine."""
    return str(error).replace(path, Path(path).name)


def _measure(name: str, path: str) -> tuple[int, float, float]:
    """Rate in Hz, duration in seconds and peak of a file."""
    import numpy as np
    import soundfile

    try:
        samples, sample_rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise Rejected("prompt_unreadable", f"Voice {name!r}: {_said(path, error)}") from error
    peak = float(np.abs(samples).max(initial=0.0))
    if not np.isfinite(peak):
        raise Rejected("prompt_unreadable", f"Voice {name!r}: {Path(path).name} has NaN.")
    return int(sample_rate_hz), len(samples) / sample_rate_hz, peak
