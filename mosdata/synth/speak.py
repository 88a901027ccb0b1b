"""One request through one engine, checked on the way in and on the way out.

A text that cannot be spoken and audio that is not audio are rejected, with a reason that
summaries count by. Speech that is merely bad is kept and flagged: a dataset about quality needs
bad speech, and only a mislabelled clip would harm it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from mosdata.audio import Clip
from mosdata.errors import RecordRejected
from mosdata.synth.base import (
    ANY_LANGUAGE,
    SpeechRequest,
    Synthesizer,
    Voice,
    as_speech,
    unknown_voice,
)
from mosdata.synth.gates import check_speech, inspect_speech


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What an engine said, what is worth knowing about it, and how long it is without its edges.

    Flags are those of ``mosdata.synth.flags``, and the engine's own.
    """

    clip: Clip
    flags: tuple[str, ...] = ()
    speech_s: float | None = None


def speak(synthesizer: Synthesizer, request: SpeechRequest) -> Spoken:
    """Let an engine speak, and check what goes in and what comes out.

    Args:
        synthesizer: a loaded system.
        request: one utterance.

    Raises:
        RecordRejected: with one of the reasons ``empty_text``, ``not_unicode``, ``no_letters``,
            ``text_too_long``, ``unsupported_language``, ``unknown_voice``,
            ``voice_language_mismatch``, ``wrong_sample_rate``, ``empty_audio``, ``not_finite``,
            ``too_short`` and ``silent``, or the engine's own.

    Example:
        >>> from mosdata.synth.tone import Tone
        >>> request = SpeechRequest(text="Good morning.", language="en", voice="low", seed=7)
        >>> speak(Tone(), request).flags
        ()
    """
    check_text(request.text, max_chars=synthesizer.info.max_chars)
    _check_voice(synthesizer, request)
    speech = as_speech(synthesizer.synthesize(request))
    clip = check_speech(speech.clip, synthesizer.info)
    found = inspect_speech(clip, request.text)
    flags = tuple(dict.fromkeys((*speech.flags, *found.flags)))
    return Spoken(clip=clip, flags=flags, speech_s=found.speech_s)


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
    return spoken == ANY_LANGUAGE or _primary(spoken) == _primary(language)


def _primary(tag: str) -> str:
    first = tag.replace("_", "-").partition("-")[0].lower()
    return {"cmn": "zh"}.get(first, first)  # Mandarin is what "zh" stands for in practice


def check_text(text: str, *, max_chars: int) -> None:
    """Reject what no engine can speak.

    Raises:
        RecordRejected: ``empty_text``, ``not_unicode``, ``no_letters`` or ``text_too_long``.
    """
    if not text.strip():
        raise RecordRejected("empty_text", "The text is empty; give at least one word.")
    if any(unicodedata.category(c) == "Cs" for c in text):
        raise RecordRejected("not_unicode", f"{text[:40]!a} holds half a character; save as UTF-8.")
    if not any(c.isalnum() for c in text):
        raise RecordRejected(
            "no_letters", f"{text[:40]!r} has no letter or digit, so there is nothing to say."
        )
    if len(text) > max_chars:
        raise RecordRejected(
            "text_too_long",
            f"The text has {len(text)} characters; allowed: up to {max_chars}. Split it into "
            "sentences.",
        )


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
