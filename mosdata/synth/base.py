"""What a synthesizer is: one request in, one clip out, and a name that stands for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mosdata.audio import Clip
from mosdata.errors import RecordRejected
from mosdata.manifests.ids import JSON

if TYPE_CHECKING:
    from mosdata.synth.hosting.spec import PromptLimits

OUTPUT_TERMS = ("open", "non-commercial", "restricted", "unknown")
"""What the licences of code and weights allow to be done with the audio."""

NO_ENGINE_TERMS = "LicenseRef-no-engine-terms"
"""``SystemInfo.license`` where the engine's licence says nothing about its sound: what remains
are the rights in the text, which belong to whoever wrote it."""

ANY_LANGUAGE = "mul"
"""Language of a voice that does not care what it reads (ISO 639-2: multiple languages)."""


TEXT_FRONTENDS = ("engine", "mosdata")
"""Who puts a text into words: the engine itself, or :mod:`mosdata.synth.text` before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A recording whose voice is to be cloned, checked by :mod:`mosdata.synth.prompts`.

    Args:
        name: of the voice, as users type it.
        audio: the file, absolute; any rate and number of channels that libsndfile reads.
        audio_sha256: checksum of the file: with ``text`` and ``language`` it names the voice.
        text: what is said in it; empty where nobody wrote it down.
        language: of the recording, a BCP 47 tag.
        speaker: who speaks, as rows name them.
        license: SPDX id that the recording is under; empty where nobody says.
    """

    name: str
    audio: Path
    audio_sha256: str
    text: str
    language: str
    speaker: str
    license: str = ""

    @property
    def identity(self) -> dict[str, JSON]:
        """What a clip in this voice depends on: its sound and words, not where the file lies."""
        return {"audio": self.audio_sha256, "text": self.text, "language": self.language}


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A voice of an engine. ``name`` is what users type; ``language`` is a BCP 47 tag.

    ``prompt`` is the recording that a cloned voice comes from; None for voices of the engine.
    """

    name: str
    language: str
    prompt: Prompt | None = None

    @property
    def speaker(self) -> str:
        """Who speaks, as rows name them."""
        return self.name if self.prompt is None else self.prompt.speaker


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    """One utterance to be spoken.

    ``seed`` fits in 32 bits and fixes everything the engine draws: the same request gives the
    same samples, in any process, in any order.
    """

    text: str
    language: str
    voice: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemInfo:
    """A system: engine, checkpoint and vocoder; the class that a clip belongs to.

    ``license`` is what applies to its clips; ``code_license`` and ``weights_license`` say where
    that comes from (SPDX ids; empty where there are no weights). ``max_chars`` is the longest text
    the system speaks in one piece, longer ones are cut; ``text_frontend`` says whether it reads
    numbers and abbreviations itself (``"engine"``) or is given words (``"mosdata"``).
    ``needs_gpu`` makes ``auto`` execution choose Ray; ``seconds_per_char`` is a rough rate for
    estimates.
    """

    name: str
    family: str
    sample_rate_hz: int
    languages: tuple[str, ...]
    license: str
    code_license: str = ""
    weights_license: str = ""
    vocoder: str = ""
    output_terms: str = "unknown"
    max_chars: int = 1000
    text_frontend: str = "engine"
    needs_gpu: bool = False
    seconds_per_char: float = 0.065
    source_url: str = ""
    notes: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """What an engine said to one request, and what it noticed itself (``"runaway"``, say)."""

    clip: Clip
    flags: tuple[str, ...] = ()


def as_speech(said: Clip | Speech) -> Speech:
    """What an engine answered, with its flags; a bare clip has none."""
    return said if isinstance(said, Speech) else Speech(clip=said)


@runtime_checkable
class Synthesizer(Protocol):
    """A loaded system. Built once per worker process and used by one thread."""

    info: SystemInfo

    def voices(self) -> tuple[Voice, ...]:
        """Voices that can be asked for; the first is the default."""
        ...

    def revision(self) -> str:
        """Version of everything that shapes the sound: adapter, library, weights, options."""
        ...

    def synthesize(self, request: SpeechRequest) -> Clip | Speech:
        """Speak; the clip is at ``info.sample_rate_hz``.

        Raises:
            RecordRejected: this text or voice cannot be spoken (never another voice in silence).
        """
        ...


@runtime_checkable
class Fingerprinted(Protocol):
    """A system that can say in detail what shapes its sound."""

    def fingerprint(self) -> Mapping[str, JSON]:
        """Adapter, upstream version, digests of weights, packages, dtype, text front end."""
        ...


@runtime_checkable
class Batched(Protocol):
    """A system that takes several requests at once; each gets what it would get alone."""

    def synthesize_batch(self, requests: Sequence[SpeechRequest]) -> list[Speech | RecordRejected]:
        """One answer for each request, in their order; a bad one does not spoil the others."""
        ...


@runtime_checkable
class Cloning(Protocol):
    """A system that speaks in the voices of recordings."""

    @property
    def prompt_limits(self) -> PromptLimits | None:
        """What a recording must be like; None for a checkpoint that clones nobody."""
        ...

    def add_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Add a voice for each recording; what can be computed beforehand is, once a voice."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A system that holds a process, a model or a device."""

    def close(self) -> None:
        """Give it back; safe to call twice."""
        ...


def unknown_voice(synthesizer: Synthesizer, request: SpeechRequest) -> RecordRejected:
    """The error for a voice that an engine does not have, with those it has."""
    known = ", ".join(voice.name for voice in synthesizer.voices())
    return RecordRejected(
        "unknown_voice",
        f"{synthesizer.info.name} has no voice {request.voice!r}. Known: {known}.",
    )
