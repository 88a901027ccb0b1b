"""Voices to clone: a manifest of recordings, and what they must be like.

A manifest is TOML (one table a voice), CSV or JSON Lines; audio lies beside it or below. Engines
take almost any recording and make of a bad one a voice that sounds bad for no reason that a
dataset knows of. So recordings are checked before anything is planned: length, rate, silence,
clipping, transcript.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np

from mosdata.audio import Clip, decode_audio
from mosdata.errors import InvalidPrompts, InvalidValue, RecordRejected
from mosdata.manifests.durable import sha256_file
from mosdata.manifests.places import stays_inside
from mosdata.synth.base import Prompt
from mosdata.synth.flags import FLAGS
from mosdata.synth.gates import CLIPPED, inspect_speech, is_beyond, script_of
from mosdata.synth.hosting.spec import PromptLimits
from mosdata.synth.text.languages import ANY, parse_language
from mosdata.synth.text.scripts import check_script
from mosdata.synth.text.tidy import tidy

USUAL_LIMITS: Final = PromptLimits(
    min_duration_s=1.0, max_duration_s=30.0, min_sample_rate_hz=16_000, needs_text=False
)
"""What a recording must be like where an engine does not say."""

LOWEST_ACTIVE_SHARE: Final = 0.3
HIGHEST_CLIPPED_SHARE: Final = 0.001
"""Samples at full scale: a tenth of a percent is heard as crackle, and cloned."""

NAME: Final = re.compile(r"[^\W_][\w.+-]*")
KEYS: Final = ("name", "audio", "text", "language", "speaker", "license")
NEEDED: Final = ("name", "audio", "language")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFindings:
    """What is wrong with a recording (it is not used), and what is odd (it is).

    ``problems`` are pairs of a short stable rule and words for people.
    """

    problems: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def read_prompts(path: Path) -> tuple[Prompt, ...]:
    """The recordings of a manifest, each with the checksum of its file.

    Their sound is not looked at here: what it must be like depends on the engine
    (:func:`inspect_prompt`).

    Args:
        path: ``.toml`` with one table ``[voices.NAME]`` for each, ``.csv`` with a header, or
            ``.jsonl``. Keys are ``name``, ``audio`` (relative to the manifest), ``language``,
            and, where known, ``text``, ``speaker`` and ``license``.

    Raises:
        InvalidPrompts: no such file, not readable as what its name says, a key that nobody knows,
            a name twice, or audio that is not there or lies outside the manifest's folder.
    """
    entries = list(_entries(path))
    if not entries:
        raise InvalidPrompts(f"{path} names no voice. docs/prompts.md shows how one looks.")
    prompts: dict[str, Prompt] = {}
    for where, entry in entries:
        prompt = _prompt(path, where, entry)
        if prompt.name in prompts:
            raise InvalidPrompts(f"{where} is the second voice called {prompt.name!r}.")
        prompts[prompt.name] = prompt
    return tuple(prompts.values())


def _entries(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each voice with the words for where it stands."""
    readers = {".toml": _from_toml, ".csv": _from_csv, ".jsonl": _from_jsonl}
    if path.suffix.lower() not in readers:
        raise InvalidPrompts(f"{path} is no manifest of voices; allowed: .toml, .csv or .jsonl.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidPrompts(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidPrompts(f"{path} is not UTF-8: {error}.") from error
    return readers[path.suffix.lower()](path, text)


def _from_toml(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidPrompts(f"{path} is no TOML: {error}.") from error
    voices = content.pop("voices", {})
    if content or not isinstance(voices, dict):
        given = ", ".join(content) or "voices"
        raise InvalidPrompts(
            f"{path} has {given}; allowed: one table [voices.NAME] for each voice."
        )
    for name, entry in voices.items():
        where = f"[voices.{name}] of {path}"
        if not isinstance(entry, dict):
            raise InvalidPrompts(f"{where} is no table.")
        yield where, {"name": name, **entry}


def _from_csv(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for entry in reader:
        where = f"Line {reader.line_num} of {path}"
        if None in entry or None in entry.values():
            raise InvalidPrompts(f"{where} has not as many fields as the header.")
        yield where, {key: value for key, value in entry.items() if value}


def _from_jsonl(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"Line {number} of {path}"
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise InvalidPrompts(f"{where} is no JSON: {error}.") from error
        if not isinstance(entry, dict):
            raise InvalidPrompts(f"{where} is no JSON object.")
        yield where, entry


def _prompt(path: Path, where: str, entry: Mapping[str, Any]) -> Prompt:
    for key, value in entry.items():
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InvalidPrompts(f"{where} has {key!r}.{hint} Known: {', '.join(KEYS)}.")
        if not isinstance(value, str):
            raise InvalidPrompts(f"{key} of {where} is {value!r}; allowed: a string.")
    lacking = [key for key in NEEDED if not entry.get(key, "").strip()]
    if lacking:
        raise InvalidPrompts(f"{where} lacks {', '.join(lacking)}.")
    name = entry["name"].strip()
    if not NAME.fullmatch(name):
        raise InvalidPrompts(f"{where} is called {name!r}; allowed: letters, digits and . _ + -")
    audio = _audio(path, where, entry["audio"])
    try:
        language = parse_language(entry["language"]).tag
    except InvalidValue as error:
        raise InvalidPrompts(f"{where}: {error}") from error
    return Prompt(
        name=name,
        audio=audio,
        audio_sha256=sha256_file(audio),
        text=tidy(entry.get("text", "")),
        language=language,
        speaker=entry.get("speaker", "").strip() or name,
        license=entry.get("license", "").strip(),
    )


def _audio(path: Path, where: str, given: str) -> Path:
    """The file of a voice; never one outside the folder of the manifest, whatever links say."""
    folder = path.parent
    name = given.replace("\\", "/")
    if PurePosixPath(name).is_absolute() or not stays_inside(folder, name):
        raise InvalidPrompts(
            f"audio of {where} is {given!r}, which leaves the folder of the manifest. Put the file "
            "beside it or below, and give a relative path."
        )
    audio = (folder / name).resolve()
    if not audio.is_file():
        raise InvalidPrompts(f"audio of {where} is {given!r}; there is no such file.")
    return audio


def inspect_prompt(prompt: Prompt, limits: PromptLimits | None) -> PromptFindings:
    """Check a recording against what an engine can clone; rules are in ``docs/prompts.md``.

    Args:
        prompt: from :func:`read_prompts`.
        limits: of the engine; :data:`USUAL_LIMITS` where it does not say.
    """
    limits = limits or USUAL_LIMITS
    try:
        clip = decode_audio(prompt.audio)
    except RecordRejected as error:
        return PromptFindings(problems=(("prompt_unreadable", str(error)),))
    problems = [*_problems_of_text(prompt, limits), *_problems_of_sound(clip, limits)]
    return PromptFindings(problems=tuple(problems), notes=tuple(_notes(prompt, clip)))


def _problems_of_text(prompt: Prompt, limits: PromptLimits) -> Iterator[tuple[str, str]]:
    if limits.needs_text and not prompt.text:
        yield "prompt_without_text", "has no text; this engine has to know what is said in it"
    if prompt.text and parse_language(prompt.language).primary not in ANY:
        try:
            check_script(prompt.text, prompt.language)
        except RecordRejected as error:
            yield "prompt_script_mismatch", f"has a text that does not fit its language: {error}"


def _problems_of_sound(clip: Clip, limits: PromptLimits) -> Iterator[tuple[str, str]]:
    low, high = limits.min_duration_s, limits.max_duration_s
    if clip.sample_rate_hz < limits.min_sample_rate_hz:
        yield (
            "prompt_low_rate",
            f"is at {clip.sample_rate_hz} Hz; allowed: {limits.min_sample_rate_hz} Hz or more",
        )
    if not low <= clip.duration_s <= high:
        rule = "prompt_too_short" if clip.duration_s < low else "prompt_too_long"
        yield rule, f"lasts {clip.duration_s:.2f} s; allowed: {low:g} to {high:g} s"
    active = inspect_speech(clip, "").values["mostly_silent"]
    if active < LOWEST_ACTIVE_SHARE:
        yield (
            "prompt_silent",
            f"is {1 - active:.0%} silence (below -50 dBFS); allowed: up to "
            f"{1 - LOWEST_ACTIVE_SHARE:.0%}",
        )
    clipped = float(np.mean(np.abs(clip.samples) >= CLIPPED))
    if clipped > HIGHEST_CLIPPED_SHARE:
        yield (
            "prompt_clipped",
            f"is at full scale in {clipped:.2%} of its samples; allowed: up to "
            f"{HIGHEST_CLIPPED_SHARE:.1%}",
        )


def _notes(prompt: Prompt, clip: Clip) -> Iterator[str]:
    """A text that is too long or too short for its sound is most often that of another file."""
    if not prompt.text:
        return
    rate = inspect_speech(clip, prompt.text).values["slow_speech"]
    script = script_of(prompt.text)
    if any(is_beyond(FLAGS[f], rate, script=script) for f in ("slow_speech", "fast_speech")):
        yield f"is spoken at {rate:.1f} characters a second: is this the text of that recording?"
