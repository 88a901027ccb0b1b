"""One request through one engine, checked on the way in and on the way out.

A text that cannot be spoken and audio that is not audio are rejected, with a reason that
summaries count by. Speech that is merely bad is kept and flagged: a dataset about quality needs
bad speech, and only a mislabelled clip would harm it.

A text longer than an engine takes is cut into pieces (:mod:`mosdata.synth.text.sentences`), each
spoken with a seed of its own and joined with pauses, so that no engine cuts by itself; a piece that
an engine still finds too long is halved. What is
not audio is asked for again with other seeds: engines that draw fail now and then.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mosdata.audio import Clip
from mosdata.errors import RecordRejected
from mosdata.manifests.ids import seed_for
from mosdata.synth.base import (
    ANY_LANGUAGE,
    Speech,
    SpeechRequest,
    Synthesizer,
    SystemInfo,
    Voice,
    as_speech,
    unknown_voice,
)
from mosdata.synth.flags import in_order
from mosdata.synth.gates import check_speech, inspect_speech
from mosdata.synth.text.frontend import Words, frontend_id, in_words
from mosdata.synth.text.languages import primary_of
from mosdata.synth.text.scripts import SYLLABIC, check_script, script_of
from mosdata.synth.text.sentences import Piece, pieces
from mosdata.synth.text.tidy import tidy

JOIN_VERSION: Final = 1
"""Raised whenever a text of several pieces may be cut or joined otherwise."""

LONGEST_TEXT_CHARS: Final = 1000
"""About a minute of speech; a Han character, kana or Hangul counts as :data:`SYLLABLE_CHARS`."""

SYLLABLE_CHARS: Final = 3

PAUSES_S: Final = {"sentence": 0.3, "clause": 0.15, "word": 0.05, "cut": 0.0}
"""Silence after a piece, by how it ends; engines leave some of their own around it."""

ATTEMPTS: Final = 3
"""How often an engine is asked for a piece, each time with another seed."""

SHORTEST_PIECE_CHARS: Final = 20
"""What is too long for an engine is halved; a piece of so many characters no longer."""

ASKED_AGAIN: Final = frozenset(
    {"wrong_sample_rate", "empty_audio", "not_finite", "too_short", "silent", "runaway"}
)
"""Reasons that another seed may mend; what an engine refuses for another it refuses for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What an engine said, and what is worth knowing about it.

    Args:
        clip: at the rate of the engine.
        text: what the engine was given, all pieces together.
        flags: names of ``mosdata.synth.flags.FLAGS``, in their order.
        boundaries_s: where pieces after the first begin.
        speech_s: from the first sound to the last.
    """

    clip: Clip
    text: str
    flags: tuple[str, ...] = ()
    boundaries_s: tuple[float, ...] = ()
    speech_s: float | None = None


def speak(synthesizer: Synthesizer, request: SpeechRequest) -> Spoken:
    """Let an engine speak, and check what goes in and what comes out.

    Args:
        synthesizer: a loaded system.
        request: one utterance.

    Raises:
        RecordRejected: with one of the reasons ``empty_text``, ``not_unicode``, ``no_letters``,
            ``text_too_long``, ``script_mismatch``, ``unsupported_language``, ``unknown_voice``,
            ``voice_language_mismatch``, ``wrong_sample_rate``, ``empty_audio``, ``not_finite``,
            ``too_short`` and ``silent``, or the engine's own.

    Example:
        >>> from mosdata.synth.tone import Tone
        >>> request = SpeechRequest(text="Good morning.", language="en", voice="low", seed=7)
        >>> speak(Tone(), request).flags
        ()
    """
    text = checked_text(request.text)
    _check_voice(synthesizer, request)
    check_script(text, request.language)
    words = words_for(synthesizer.info, text, request.language)
    parts = pieces(words.text, max_chars=synthesizer.info.max_chars)
    told = [
        part
        for index, piece in enumerate(parts)
        for part in _said_whole(synthesizer, request, piece, str(index))
    ]
    said = [speech for _, speech in told]
    clip, boundaries_s = _joined([speech.clip for speech in said], [piece for piece, _ in told])
    found = inspect_speech(clip, words.text)
    flags = {*found.flags, *words.flags, *(flag for speech in said for flag in speech.flags)}
    return Spoken(
        clip=clip,
        text=words.text,
        flags=in_order(flags),
        boundaries_s=boundaries_s,
        speech_s=found.speech_s,
    )


def words_for(info: SystemInfo, text: str, language: str) -> Words:
    """What a system is given for a tidy text: words, or the text as it is."""
    return in_words(text, language) if info.text_frontend == "mosdata" else Words(text=text)


def method_of(info: SystemInfo, text: str, language: str) -> dict[str, str]:
    """What of this module and of the text front end shapes a clip: part of its identity.

    Empty for a text that an engine is given as it is and in one piece.

    Example:
        >>> from mosdata.synth.tone import Tone
        >>> method_of(Tone.info, "Good morning.", "en")
        {}
    """
    method = {}
    if info.text_frontend == "mosdata":
        method["text_frontend"] = frontend_id(language)
    if info.text_frontend == "mosdata" or len(text) > info.max_chars:
        method["pieces"] = f"{JOIN_VERSION} of {info.max_chars}"
    return method


def _said_whole(
    synthesizer: Synthesizer, request: SpeechRequest, piece: Piece, place: str
) -> Iterator[tuple[Piece, Speech]]:
    """A piece as the engine takes it: whole, or in halves where it says that it is too long.

    Engines count tokens, bytes or phonemes, and some by the length of a prompt; ``max_chars`` can
    only be near that. Where a piece is cut depends on the text and the engine alone.
    """
    try:
        yield piece, _said(synthesizer, request, piece, place)
    except RecordRejected as error:
        half = -(-len(piece.spoken) // 2)
        if error.reason != "text_too_long" or half < SHORTEST_PIECE_CHARS:
            raise
    else:
        return
    *parts, last = pieces(piece.text, max_chars=half)
    for number, part in enumerate([*parts, replace(last, end=piece.end)]):
        yield from _said_whole(synthesizer, request, part, f"{place}.{number}")


def _said(synthesizer: Synthesizer, request: SpeechRequest, piece: Piece, place: str) -> Speech:
    """One piece, asked for until it is audio."""
    failures: list[str] = []
    reason = ""
    for attempt in range(ATTEMPTS):
        seed = seed_of(request.seed, place, attempt)
        try:
            asked = replace(request, text=piece.spoken, seed=seed)
            speech = as_speech(synthesizer.synthesize(asked))
            check_speech(speech.clip, synthesizer.info)
        except RecordRejected as error:
            if error.reason not in ASKED_AGAIN:
                raise
            reason = error.reason
            failures.append(f"seed {seed}: {error}")
        else:
            retried = ("retried",) if attempt else ()
            return Speech(clip=speech.clip, flags=(*speech.flags, *retried))
    raise RecordRejected(
        reason, f"{piece.spoken[:40]!r} failed {ATTEMPTS} times: {' '.join(failures)}"
    )


def seed_of(seed: int, place: int | str, attempt: int) -> int:
    """Seed of a piece at an attempt; the first piece's first one is the request's own.

    Args:
        seed: of the request.
        place: number of the piece, from 0; ``"1.0"`` is the first half of the second one.
        attempt: from 0.

    Example:
        >>> seed_of(7, 0, 0), seed_of(7, 1, 0) == seed_of(7, 0, 1)
        (7, False)
    """
    if str(place) == "0" and attempt == 0:
        return seed
    return seed_for(seed, f"piece {place}", f"attempt {attempt}", bits=32)


def _joined(clips: Sequence[Clip], parts: Sequence[Piece]) -> tuple[Clip, tuple[float, ...]]:
    """All pieces with a pause after each but the last; and where they begin, but the first."""
    if len(clips) == 1:
        return clips[0], ()
    rate_hz = clips[0].sample_rate_hz
    samples = [clips[0].samples]
    starts, length = [], clips[0].num_samples
    for clip, before in zip(clips[1:], parts[:-1], strict=True):
        pause = np.zeros(round(PAUSES_S[before.end] * rate_hz), np.float32)
        length += len(pause)
        starts.append(length / rate_hz)
        samples += [pause, clip.samples]
        length += clip.num_samples
    return Clip(np.concatenate(samples), rate_hz), tuple(starts)


def voices_for(synthesizer: Synthesizer, language: str) -> tuple[Voice, ...]:
    """Voices that read a language; the first is the default for it, none where it has none.

    Example:
        >>> from mosdata.synth.tone import Tone
        >>> voices_for(Tone(), "en-GB")[0].name
        'default'
    """
    return tuple(v for v in synthesizer.voices() if reads(v.language, language))


def reads(spoken: str, language: str) -> bool:
    """Whether a voice of the first tag reads texts of the second; regions do not matter.

    Example:
        >>> reads("en-US", "en"), reads("zh", "cmn-Hans"), reads("de", "en")
        (True, True, False)
    """
    return spoken == ANY_LANGUAGE or primary_of(spoken) == primary_of(language)


def checked_text(text: str) -> str:
    """A text, tidied (:func:`mosdata.synth.text.tidy.tidy`), if it can be spoken at all.

    Raises:
        RecordRejected: ``empty_text``, ``not_unicode``, ``no_letters`` or ``text_too_long``.

    Example:
        >>> checked_text("  Good   morning. ")
        'Good morning.'
    """
    if not text.strip():
        raise RecordRejected("empty_text", "The text is empty; give at least one word.")
    if any(unicodedata.category(c) == "Cs" for c in text):
        raise RecordRejected("not_unicode", f"{text[:40]!a} holds half a character; save as UTF-8.")
    tidied = tidy(text)
    if not any(c.isalnum() for c in tidied):
        raise RecordRejected(
            "no_letters", f"{text[:40]!r} has no letter or digit, so there is nothing to say."
        )
    if (length := _length(tidied)) > LONGEST_TEXT_CHARS:
        counted = f" (of which syllables count as {SYLLABLE_CHARS})" if length > len(tidied) else ""
        raise RecordRejected(
            "text_too_long",
            f"The text has {length} characters{counted}; allowed: up to {LONGEST_TEXT_CHARS}, "
            "about a minute of speech. Split it into sentences.",
        )
    return tidied


def _length(text: str) -> int:
    if text.isascii():
        return len(text)
    return len(text) + (SYLLABLE_CHARS - 1) * sum(script_of(c) in SYLLABIC for c in text)


def _check_voice(synthesizer: Synthesizer, request: SpeechRequest) -> None:
    name, language = synthesizer.info.name, request.language
    if not any(reads(known, language) for known in synthesizer.info.languages):
        known = ", ".join(synthesizer.info.languages)
        raise RecordRejected(
            "unsupported_language", f"{name} does not speak {language!r}. Known: {known}."
        )
    voice = next((v for v in synthesizer.voices() if v.name == request.voice), None)
    if voice is None:
        raise unknown_voice(synthesizer, request)
    if not reads(voice.language, language):
        raise RecordRejected(
            "voice_language_mismatch",
            f"Voice {voice.name!r} of {name} speaks {voice.language}, not {language}.",
        )
