"""``build``: texts x systems x voices x takes, spoken, labelled with their synthesizer."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mosdata.audio import resample
from mosdata.builders.casting import Cast, Casting, Wanted
from mosdata.builders.licences import strictest_terms
from mosdata.builders.listening import ASR_INPUT, Listener
from mosdata.builders.stage import GPUS_INPUT, Estimate, Record, StageSpec
from mosdata.builders.transcripts import Transcript, Transcripts
from mosdata.errors import InvalidValue, MosdataError, RecordRejected, UsageError
from mosdata.manifests.durable import sha256_file
from mosdata.manifests.ids import JSON, canonical_json, seed_for, stable_id
from mosdata.manifests.rows import Utterance
from mosdata.manifests.splits import SPLITS, SplitRule
from mosdata.manifests.systems import class_names
from mosdata.synth.base import Cloning, Closing, Prompt, SpeechRequest, Synthesizer
from mosdata.synth.hosting.settings import Engines, engines_from_json, find_engines
from mosdata.synth.recognisers import revision_of
from mosdata.synth.speak import method_of, speak
from mosdata.synth.systems import build_system, num_gpus
from mosdata.synth.text.languages import parse_language
from mosdata.synth.text.tidy import tidy

SAMPLE_RATES_HZ: Final = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
FLAC_BYTES_PER_SECOND_AT_16K: Final = 20_000
"""Rough size of 16-bit speech as FLAC, for estimates only."""


ENGINES_INPUT: Final = "engines"
"""Key of :attr:`StageSpec.inputs`: tables of ``engines.toml``, for workers that have none."""

PROMPTS_INPUT: Final = "prompts"
"""Key of :attr:`StageSpec.inputs`: file of each voice of ``--prompts``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechConfig:
    """What to build.

    Args:
        systems: names, or import paths of users' own engines; empty for all that are here.
        language: language of the texts that have none of their own, a BCP 47 tag.
        voices: voices per system: how many, the first ones that speak the language (0 for all),
            or which, by name; None for one, or for all recordings where a system clones some.
        prompts: recordings of voices to clone, for the systems that can.
        takes: how often each text is spoken by each voice, with different seeds.
        seed: seed of the run; every random choice follows from it.
        sample_rate_hz: rate of the dataset.
        split: shares of train, validation and test, by text.
        asr: recogniser that listens to every clip (:mod:`mosdata.synth.recognisers`), or none.

    Raises:
        InvalidValue: a number out of range, a rate that is not usual, or no language tag.
    """

    systems: tuple[str, ...] = ()
    language: str = "en"
    voices: Wanted = None
    prompts: tuple[Prompt, ...] = ()
    takes: int = 1
    seed: int = 0
    sample_rate_hz: int = 16_000
    split: SplitRule = SplitRule()  # noqa: RUF009 - frozen, so sharing it is safe
    asr: str = ""

    def __post_init__(self) -> None:
        parse_language(self.language)
        if isinstance(self.voices, int) and self.voices < 0:
            raise InvalidValue("--voices", self.voices, "0 (all) or more, or names of voices")
        if self.takes < 1:
            raise InvalidValue("--takes", self.takes, "1 or more")
        if self.seed < 0:
            raise InvalidValue("--seed", self.seed, "0 or more")
        if self.sample_rate_hz not in SAMPLE_RATES_HZ:
            allowed = ", ".join(map(str, SAMPLE_RATES_HZ))
            raise InvalidValue("--sample-rate", self.sample_rate_hz, allowed)


@dataclass(frozen=True, slots=True)
class _Text:
    """One text with its sentence group and the split that follows from it; looked up once."""

    text: str
    sentence: str
    split: str
    language: str
    has_language: bool


def _named(transcript: Transcript, config: SpeechConfig) -> _Text:
    sentence = transcript.sentence
    return _Text(
        text=transcript.text,
        sentence=sentence,
        split=config.split.split_of(sentence),
        language=transcript.language or parse_language(config.language).tag,
        has_language=bool(transcript.language),
    )


class SpeechStage:
    """Plans a build."""

    def __init__(
        self, transcripts: Transcripts, config: SpeechConfig, *, reaches_gpus: bool | None = None
    ) -> None:
        """Find the systems and ask them what they are.

        Args:
            transcripts: what they will say.
            config: what to build.
            reaches_gpus: whether a GPU will be found where no system was named; None to look here.
        """
        self.config = config
        self._asr = revision_of(config.asr) if config.asr else ""
        self._engines = find_engines()
        self._texts = tuple(_named(text, config) for text in transcripts.texts)
        spoken = dict.fromkeys(text.language for text in self._texts)
        languages = tuple(spoken) or (parse_language(config.language).tag,)
        casting = Casting(languages=languages, voices=config.voices, prompts=config.prompts)
        self._cast = (
            casting.chosen(config.systems)
            if config.systems
            else casting.installed(reaches_gpus=reaches_gpus)
        )
        self.notes = tuple(casting.notes)

    @property
    def needs_gpu(self) -> bool:
        """Whether one of the systems does."""
        return any(member.info.needs_gpu for member in self._cast)

    @property
    def systems(self) -> list[str]:
        """Names of the systems, as they appear in the rows."""
        return [member.info.name for member in self._cast]

    @property
    def spec(self) -> StageSpec:
        """Identity: the systems with their revisions, and the config."""
        config: dict[str, JSON] = {
            "language": parse_language(self.config.language).tag,
            "sample_rate_hz": self.config.sample_rate_hz,
            "seed": self.config.seed,
            "split": list(self.config.split.shares),
            "systems": identities_of(self._cast),
            "takes": self.config.takes,
            **({"asr": self._asr} if self._asr else {}),
        }
        return StageSpec(
            name="build",
            table="clips",
            config=config,
            class_names=tuple(class_names(self.systems)),
            sample_rate_hz=self.config.sample_rate_hz,
            inputs=inputs_of(
                self._cast, self._engines, prompts=self.config.prompts, asr=self.config.asr
            ),
        )

    def records(self) -> Iterator[Record]:
        """By split, then system, then text, so that a worker keeps one engine busy."""
        for split in SPLITS:
            texts = [text for text in self._texts if text.split == split]
            for member in self._cast:
                for text in texts:
                    yield from self._spoken(text, split, member)

    def _spoken(self, text: _Text, split: str, member: Cast) -> Iterator[Record]:
        for voice in member.voices.get(text.language, ()):
            for take in range(self.config.takes):
                key: dict[str, JSON] = {
                    "text": text.text,
                    "system": member.info.name,
                    "revision": member.revision,
                    "voice": voice.name,
                    "take": take,
                    "seed": self.config.seed,
                    "sample_rate_hz": self.config.sample_rate_hz,
                    **method_of(member.info, tidy(text.text), text.language),
                    **({"prompt": voice.prompt.identity} if voice.prompt else {}),
                    **({"language": text.language} if text.has_language else {}),
                    **({"asr": self._asr} if self._asr else {}),
                }
                record_id = stable_id("clip", key)
                payload: dict[str, JSON] = {
                    "text": text.text,
                    "sentence": text.sentence,
                    "language": text.language,
                    "voice": voice.name,
                    "seed": seed_for(self.config.seed, record_id, "synth", bits=32),
                }
                yield Record(id=record_id, split=split, group=member.info.name, payload=payload)

    def estimate(self) -> Estimate:
        """Counts, hours and bytes per system, from typical speaking rates."""
        texts = Counter(text.language for text in self._texts)
        chars: Counter[str] = Counter()
        for text in self._texts:
            chars[text.language] += len(text.text)
        details: list[dict[str, JSON]] = []
        for member in self._cast:
            readings = {
                language: len(voices) * self.config.takes
                for language, voices in member.voices.items()
            }
            num_chars = sum(chars[language] * times for language, times in readings.items())
            terms = terms_of(member)
            details.append(
                {
                    "system": member.info.name,
                    "clips": sum(texts[language] * times for language, times in readings.items()),
                    "voices": ", ".join(voice.name for voice in member.all_voices),
                    "duration_s": num_chars * member.info.seconds_per_char,
                    "license": ", ".join(dict.fromkeys(licence for licence, _ in terms)),
                    "output_terms": strictest_terms(terms_of_one for _, terms_of_one in terms),
                    "gpu": member.info.needs_gpu,
                }
            )
        duration_s = sum(float(str(detail["duration_s"])) for detail in details)
        per_second = FLAC_BYTES_PER_SECOND_AT_16K * self.config.sample_rate_hz / 16_000
        return Estimate(
            num_records=sum(int(str(detail["clips"])) for detail in details),
            duration_s=duration_s,
            num_bytes=int(duration_s * per_second),
            details=tuple(details),
        )

    def split_counts(self) -> dict[str, int]:
        """Texts per split."""
        counts = Counter(text.split for text in self._texts)
        return {split: counts[split] for split in SPLITS}

    def provenance(self) -> dict[str, JSON]:
        """Each system with its revision, licence, terms and recordings; and what was left out."""
        left_out: dict[str, JSON] = {"left_out": list(self.notes)} if self.notes else {}
        return {
            **left_out,
            "systems": origins_of(self._cast),
        }


def identities_of(cast: Sequence[Cast]) -> dict[str, JSON]:
    """What of each system is part of a plan's identity, by name."""
    return {
        member.info.name: {
            "build": member.name,
            "revision": member.revision,
            **({"fingerprint": member.fingerprint} if member.fingerprint else {}),
            **({"prompts": member.recordings} if member.recordings else {}),
            "voices": [voice.name for voice in member.all_voices],
        }
        for member in cast
    }


def inputs_of(
    cast: Sequence[Cast], engines: Engines, *, prompts: Sequence[Prompt] = (), asr: str = ""
) -> dict[str, str]:
    """Where all lies that workers need, and who needs a GPU; no part of the identity."""
    names = {member.name for member in cast} & set(engines.systems)
    gpus: dict[str, JSON] = {
        member.info.name: num_gpus(member.name, engines=engines) or 1.0
        for member in cast
        if member.info.needs_gpu
    }
    told = {GPUS_INPUT: canonical_json(gpus)} if gpus else {}
    if names:
        told[ENGINES_INPUT] = engines.to_json(sorted(names))
    if prompts:
        files: dict[str, JSON] = {prompt.name: str(prompt.audio) for prompt in prompts}
        told[PROMPTS_INPUT] = canonical_json(files)
    if asr:
        told[ASR_INPUT] = asr
    return told


def origins_of(cast: Sequence[Cast]) -> dict[str, JSON]:
    """Each system with its revision, licences, terms and recordings, for people."""
    return {
        member.info.name: {
            "family": member.info.family,
            "revision": member.revision,
            "fingerprint": json.loads(member.fingerprint or "null"),
            "license": member.info.license,
            "code_license": member.info.code_license,
            "weights_license": member.info.weights_license,
            "output_terms": member.info.output_terms,
            "sample_rate_hz": member.info.sample_rate_hz,
            "source": member.info.source_url,
            "voices": [voice.name for voice in member.all_voices],
            **({"prompts": member.recordings} if member.recordings else {}),
        }
        for member in cast
    }


def terms_of(member: Cast) -> list[tuple[str, str]]:
    """Licence and terms of the clips in each voice."""
    cloned: dict[str, Any] = dict(member.recordings)
    own = {"license": member.info.license, "output_terms": member.info.output_terms}
    every = [cloned.get(voice.name, own) for voice in member.all_voices]
    return [(one["license"], one["output_terms"]) for one in every]


class SpeechBench:
    """Speaks records; each system is loaded when its first record comes.

    Systems that hold a process or a device give it back when another system's turn comes: records
    of one system come one after another, so each is loaded once.
    """

    def __init__(self, spec: StageSpec) -> None:
        self._systems: Mapping[str, Any] = spec.config["systems"]  # type: ignore[assignment] # JSON
        self._sample_rate_hz = spec.sample_rate_hz or 0  # else each record has its own
        self._loaded: dict[str, Synthesizer] = {}
        self._recordings: dict[str, str] = json.loads(spec.inputs.get(PROMPTS_INPUT, "{}"))
        asr = spec.config.get("asr")
        self._listener = (
            Listener(spec.inputs[ASR_INPUT], revision=str(asr)) if asr is not None else None
        )
        told = spec.inputs.get(ENGINES_INPUT)
        self._engines = None if told is None else engines_from_json(told)

    def close(self) -> None:
        """End the processes of engines; the next record starts them again."""
        for name, synthesizer in list(self._loaded.items()):
            if isinstance(synthesizer, Closing):
                del self._loaded[name]
                synthesizer.close()

    def make(self, record: Record) -> list[Utterance]:
        """One clip."""
        synthesizer = self._synthesizer(record.group)
        values: dict[str, Any] = dict(record.payload)
        request = SpeechRequest(
            text=values["text"],
            language=values["language"],
            voice=values["voice"],
            seed=values["seed"],
        )
        info = synthesizer.info
        cloned = self._systems[record.group].get("prompts", {}).get(request.voice, {})
        heard: str | None = None
        if self._listener is None:
            spoken = speak(synthesizer, request)
        else:
            prompt = cloned.get("text", "")
            listened = self._listener.speak(synthesizer, request, prompt=prompt)
            request, spoken = listened.request, listened.spoken
            heard = listened.heard.text if listened.heard else None
        sample_rate_hz: int = values.get("sample_rate_hz") or self._sample_rate_hz
        about = Utterance(
            id=record.id,
            audio=b"",
            sample_rate_hz=sample_rate_hz,
            num_samples=0,
            duration_s=0.0,
            text=request.text,
            language=request.language,
            speaker=cloned.get("speaker", request.voice),
            voice=request.voice,
            synthesizer=info.name,
            system=info.name,
            engine_revision=self._systems[record.group]["revision"],
            engine_fingerprint=self._systems[record.group].get("fingerprint", ""),
            dataset=values.get("dataset", "mosdata-build"),
            sentence=values["sentence"],
            seed=request.seed,
            license=cloned.get("license", info.license),
            code_license=info.code_license,
            weights_license=info.weights_license,
            output_terms=cloned.get("output_terms", info.output_terms),
            text_spoken=spoken.text,
            boundaries_s=spoken.boundaries_s,
            flags=spoken.flags,
            speech_s=spoken.speech_s,
            heard=heard,
            sample_rate_source_hz=spoken.clip.sample_rate_hz,
        )
        return [about.with_clip(resample(spoken.clip, sample_rate_hz))]

    def _synthesizer(self, system: str) -> Synthesizer:
        """The loaded system; one that cannot be loaded rejects its records, not the build.

        Raises:
            UsageError: this worker has another version of the system than the plan was made for.
        """
        if system not in self._loaded:
            self.close()
            name = self._systems[system]["build"]
            try:
                self._loaded[system] = build_system(name, engines=self._engines)
            except MosdataError as error:
                raise RecordRejected("engine_failed", f"{system} cannot start: {error}") from error
            _check_revision(system, self._loaded[system], self._systems[system]["revision"])
            self._add_recordings(system, self._loaded[system])
        return self._loaded[system]

    def _add_recordings(self, system: str, synthesizer: Synthesizer) -> None:
        """Recordings of ``--prompts``; those of ``engines.toml`` the engine has found itself.

        Raises:
            UsageError: a recording is not here, or is another one than the plan was made for.
        """
        planned: dict[str, dict[str, str]] = self._systems[system].get("prompts", {})
        if told := [name for name in planned if name in self._recordings]:
            assert isinstance(synthesizer, Cloning), "the plan has recordings of it"
            synthesizer.add_prompts(
                [_prompt(name, planned[name], Path(self._recordings[name])) for name in told]
            )
        here = {v.name: v.prompt.identity for v in synthesizer.voices() if v.prompt is not None}
        for name, about in planned.items():
            if here.get(name) != {key: about[key] for key in ("audio", "text", "language")}:
                raise UsageError(
                    f"The recording of voice {name!r} of {system} is another one on "
                    f"{platform.node()} than the plan was made for. Put it back, or build anew."
                )


def _prompt(name: str, about: Mapping[str, str], path: Path) -> Prompt:
    """A recording of the plan as it is on this machine."""
    try:
        checksum = sha256_file(path)
    except OSError as error:
        raise UsageError(
            f"{path}, the recording of voice {name!r}, cannot be read: {error.strerror}. Do all "
            "workers see this folder?"
        ) from error
    return Prompt(
        name=name,
        audio=path,
        audio_sha256=checksum,
        text=about["text"],
        language=about["language"],
        speaker=about["speaker"],
    )


def _check_revision(system: str, synthesizer: Synthesizer, planned: str) -> None:
    found = synthesizer.revision()
    if found != planned:
        raise UsageError(
            f"{system} is {found!r} on {platform.node()}; the plan was made for {planned!r}. "
            "Install the same version on every machine, or build anew with this one."
        )
