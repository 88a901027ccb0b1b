"""Who speaks in a build: systems, voices by language, and what was left out of it and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mosdata.builders.licences import (
    LICENCES,
    NO_DERIVATIVES,
    NON_COMMERCIAL,
    UNKNOWN,
    strictest_terms,
    together,
)
from mosdata.errors import InvalidPrompts, UnknownName, UsageError
from mosdata.manifests.ids import JSON, canonical_json
from mosdata.synth.base import (
    NO_ENGINE_TERMS,
    Cloning,
    Closing,
    Fingerprinted,
    Prompt,
    Synthesizer,
    SystemInfo,
    Voice,
)
from mosdata.synth.prompts import inspect_prompt
from mosdata.synth.speak import voices_for
from mosdata.synth.systems import build_system, default_systems

Wanted = int | tuple[str, ...] | None
"""Voices per system: the first so many (0 for all), those of these names, or None for what goes
without saying: one of the engine's own, or all recordings where it clones some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """One system and the voices of it that will speak, by language of the texts."""

    name: str
    info: SystemInfo
    voices: Mapping[str, tuple[Voice, ...]]
    revision: str
    fingerprint: str

    @property
    def all_voices(self) -> tuple[Voice, ...]:
        """Each voice once, in the order of the languages."""
        return tuple({v.name: v for voices in self.voices.values() for v in voices}.values())

    @property
    def recordings(self) -> dict[str, JSON]:
        """What rows of cloned voices are about, by voice: sound, words, speaker and terms."""
        return {
            voice.name: {
                **voice.prompt.identity,
                "speaker": voice.prompt.speaker,
                **cloned_terms(self.info, voice.prompt),
            }
            for voice in self.all_voices
            if voice.prompt is not None
        }


@dataclass(slots=True, kw_only=True)
class Casting:
    """Chooses systems and voices, and asks each system once what it is.

    Args:
        languages: of the texts, BCP 47 tags.
        voices: how many of each system, or which.
        prompts: recordings to clone, for all systems that can.
        notes: what was left out, and why.
    """

    languages: tuple[str, ...]
    voices: Wanted = None
    prompts: tuple[Prompt, ...] = ()
    notes: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _has_cloned: bool = False

    def chosen(self, systems: Iterable[str]) -> list[Cast]:
        """The systems that were asked for by name; each must be able to do it.

        Raises:
            UnknownName: no such system or voice, or it speaks none of the languages.
            MissingExtra: a package that it needs is not installed.
            InvalidPrompts: a recording that is needed breaks a rule.
            UsageError: there are recordings, and no system clones.
        """
        casts = []
        for name in dict.fromkeys(systems):
            engine = build_system(name)
            try:
                cast = self._cast(engine, name)
                if cast is None:
                    raise self._speechless(engine, name)
            finally:
                _put_away(engine)
            casts.append(cast)
        self._check_all_were_heard()
        return casts

    def installed(self, *, reaches_gpus: bool | None) -> list[Cast]:
        """All systems that are installed and speak one of the languages.

        Raises:
            UsageError: there is none, or there are recordings, and no system clones.
            UnknownName: no system has a voice that was asked for.
        """
        casts = []
        names = default_systems(reaches_gpus=reaches_gpus)
        for name in names:
            engine = build_system(name)
            try:
                if (cast := self._cast(engine, name)) is not None:
                    casts.append(cast)
            finally:
                _put_away(engine)
        self._check_all_were_heard()
        if not casts:
            lacking = f"No installed synthesizer speaks {' or '.join(map(repr, self.languages))}."
            raise UsageError(
                f"{lacking if names else 'No synthesizer is installed.'} pip install "
                "'mosdata[espeak]' brings eSpeak NG; 'mosdata doctor' lists what else can be had."
            )
        return casts

    def _cast(self, engine: Synthesizer, name: str) -> Cast | None:
        """A system with its voices; None where it has none for any of the languages."""
        if self.prompts and isinstance(engine, Cloning) and engine.prompt_limits is not None:
            engine.add_prompts(self.prompts)
            self._has_cloned = True
        self._known |= {voice.name for voice in engine.voices()}
        faults: dict[str, str] = {}
        voices = {
            language: self._voices(engine, language, faults)
            for language in self.languages
            if voices_for(engine, language)
        }
        self.notes += [fault for fault in faults.values() if fault]
        voices = {language: found for language, found in voices.items() if found}
        if not voices:
            return None
        silent = [repr(language) for language in self.languages if language not in voices]
        if silent:
            self.notes.append(f"{engine.info.name} reads no texts in {', '.join(silent)}")
        return Cast(
            name=name,
            info=engine.info,
            voices=voices,
            revision=engine.revision(),
            fingerprint=fingerprint_of(engine),
        )

    def _voices(
        self, engine: Synthesizer, language: str, faults: dict[str, str]
    ) -> tuple[Voice, ...]:
        """Those that will read a language; recordings come first, as nobody gives them idly."""
        fitting = voices_for(engine, language)
        if isinstance(self.voices, tuple):
            asked = [voice for voice in fitting if voice.name in self.voices]
            for voice in asked:
                if fault := self._fault(engine, voice, faults):
                    raise InvalidPrompts(fault)
            return tuple(asked)
        cloned = [
            voice
            for voice in fitting
            if voice.prompt is not None and not self._fault(engine, voice, faults)
        ]
        own = [voice for voice in fitting if voice.prompt is None]
        if self.voices is None:
            return tuple(cloned or own[:1])
        return tuple([*cloned, *own][: self.voices or None])

    def _fault(self, engine: Synthesizer, voice: Voice, faults: dict[str, str]) -> str:
        """Why the recording of a voice will not do; empty where it will. Looked at once."""
        if voice.prompt is None:
            return ""
        if voice.name not in faults:
            limits = engine.prompt_limits if isinstance(engine, Cloning) else None
            found = inspect_prompt(voice.prompt, limits)
            what = f"{voice.prompt.audio.name}, the recording of voice {voice.name!r}"
            self.notes += [f"{what}, {note}" for note in found.notes if self._is_new(note, what)]
            wrong = "; ".join(f"{says} [{rule}]" for rule, says in found.problems)
            faults[voice.name] = f"{engine.info.name} cannot clone {what}: it {wrong}" * bool(wrong)
        return faults[voice.name]

    def _is_new(self, note: str, what: str) -> bool:
        return f"{what}, {note}" not in self.notes

    def _speechless(self, engine: Synthesizer, name: str) -> UsageError:
        """Why a system that was asked for has no voice."""
        if not engine.voices():
            return UsageError(
                f"{name} speaks in the voices of recordings, and was given none: name some with "
                "--prompts, or with prompts in engines.toml (docs/prompts.md)."
            )
        fitting = [voice for language in self.languages for voice in voices_for(engine, language)]
        if not fitting:
            languages = {voice.language for voice in engine.voices()}
            return UnknownName(f"language of {name}", self.languages[0], languages)
        if isinstance(self.voices, tuple):
            known = {voice.name for voice in fitting}
            return UnknownName(f"voice of {name}", self.voices[0], known)
        return InvalidPrompts(f"{name} has no voice. {'. '.join(self.notes)}.")

    def _check_all_were_heard(self) -> None:
        if isinstance(self.voices, tuple):
            for voice in self.voices:
                if voice not in self._known:
                    raise UnknownName("voice of these systems", voice, self._known)
        if self.prompts and not self._has_cloned:
            raise UsageError(
                "There are recordings to clone, and none of the systems clones voices. Name one "
                "that does with --systems ('mosdata engines list'), or leave --prompts out."
            )


def _put_away(engine: Synthesizer) -> None:
    if isinstance(engine, Closing):
        engine.close()  # workers have their own


def fingerprint_of(synthesizer: Synthesizer) -> str:
    """What shapes the sound of a system, as canonical JSON; empty where it does not say."""
    return (
        canonical_json(synthesizer.fingerprint()) if isinstance(synthesizer, Fingerprinted) else ""
    )


def cloned_terms(info: SystemInfo, prompt: Prompt) -> dict[str, str]:
    """Licence and terms of clips in a cloned voice: the engine's and the recording's together.

    Example:
        >>> from pathlib import Path
        >>> from mosdata.synth.tone import Tone
        >>> recording = Prompt(name="a", audio=Path("a.wav"), audio_sha256="", text="",
        ...                    language="en", speaker="a", license="CC-BY-NC-4.0")
        >>> cloned_terms(Tone.info, recording)
        {'license': 'CC-BY-NC-4.0', 'output_terms': 'non-commercial'}
    """
    theirs = prompt.license or UNKNOWN
    terms = strictest_terms([info.output_terms, _terms_of(theirs)])
    return {"license": _both(info.license, theirs), "output_terms": terms}


def _both(ours: str, theirs: str) -> str:
    """The stricter of two licences, or an SPDX expression where neither says it all."""
    if UNKNOWN in (ours, theirs):
        return UNKNOWN
    if ours == NO_ENGINE_TERMS:
        return theirs
    licence = together([ours, theirs]).licence
    return f"{ours} AND {theirs}" if licence is None else licence.spdx


def _terms_of(licence: str) -> str:
    if licence not in LICENCES:
        return "unknown"
    asks = LICENCES[licence].asks
    if NO_DERIVATIVES in asks:
        return "restricted"
    return "non-commercial" if NON_COMMERCIAL in asks else "open"
