"""``build``: texts x systems x voices x takes, spoken, labelled with their synthesizer."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mosdata.audio import resample
from mosdata.builders.stage import GPUS_INPUT, Estimate, Record, StageSpec
from mosdata.builders.transcripts import Transcript, Transcripts
from mosdata.errors import InvalidValue, MosdataError, RecordRejected, UnknownName, UsageError
from mosdata.manifests.ids import JSON, canonical_json, seed_for, stable_id
from mosdata.manifests.rows import Utterance
from mosdata.manifests.splits import SPLITS, SplitRule
from mosdata.manifests.systems import class_names
from mosdata.synth.base import (
    Closing,
    Fingerprinted,
    SpeechRequest,
    Synthesizer,
    SystemInfo,
    Voice,
)
from mosdata.synth.hosting.settings import engines_from_json, find_engines
from mosdata.synth.speak import method_of, speak, voices_for
from mosdata.synth.systems import build_system, default_systems, num_gpus
from mosdata.synth.text.tidy import tidy

SAMPLE_RATES_HZ: Final = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
FLAC_BYTES_PER_SECOND_AT_16K: Final = 20_000
"""Rough size of 16-bit speech as FLAC, for estimates only."""


ENGINES_INPUT: Final = "engines"
"""Key of :attr:`StageSpec.inputs`: tables of ``engines.toml``, for workers that have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechConfig:
    """What to build.

    Args:
        systems: names, or import paths of users' own engines; empty for all that are here.
        language: language of the texts, a BCP 47 tag.
        voices: voices per system, the first ones that speak the language; 0 for all.
        takes: how often each text is spoken by each voice, with different seeds.
        seed: seed of the run; every random choice follows from it.
        sample_rate_hz: rate of the dataset.
        split: shares of train, validation and test, by text.

    Raises:
        InvalidValue: a number out of range, or a rate that is not usual.
    """

    systems: tuple[str, ...] = ()
    language: str = "en"
    voices: int = 1
    takes: int = 1
    seed: int = 0
    sample_rate_hz: int = 16_000
    split: SplitRule = SplitRule()  # noqa: RUF009 - frozen, so sharing it is safe

    def __post_init__(self) -> None:
        if self.voices < 0:
            raise InvalidValue("--voices", self.voices, "0 (all) or more")
        if self.takes < 1:
            raise InvalidValue("--takes", self.takes, "1 or more")
        if self.seed < 0:
            raise InvalidValue("--seed", self.seed, "0 or more")
        if self.sample_rate_hz not in SAMPLE_RATES_HZ:
            allowed = ", ".join(map(str, SAMPLE_RATES_HZ))
            raise InvalidValue("--sample-rate", self.sample_rate_hz, allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cast:
    """One system and the voices of it that will speak."""

    name: str
    info: SystemInfo
    voices: tuple[Voice, ...]
    revision: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Text:
    """One text with its sentence group and the split that follows from it; looked up once."""

    text: str
    sentence: str
    split: str


def _named(transcript: Transcript, rule: SplitRule) -> _Text:
    sentence = transcript.sentence
    return _Text(transcript.text, sentence, rule.split_of(sentence))


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
        self._engines = find_engines()
        self._texts = tuple(_named(text, config.split) for text in transcripts.texts)
        self._cast = _chosen(config) if config.systems else _installed(config, reaches_gpus)

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
        systems: dict[str, JSON] = {
            member.info.name: {
                "build": member.name,
                "revision": member.revision,
                **({"fingerprint": member.fingerprint} if member.fingerprint else {}),
                "voices": [voice.name for voice in member.voices],
            }
            for member in self._cast
        }
        config: dict[str, JSON] = {
            "language": self.config.language,
            "sample_rate_hz": self.config.sample_rate_hz,
            "seed": self.config.seed,
            "split": list(self.config.split.shares),
            "systems": systems,
            "takes": self.config.takes,
        }
        return StageSpec(
            name="build",
            table="clips",
            config=config,
            class_names=tuple(class_names(self.systems)),
            sample_rate_hz=self.config.sample_rate_hz,
            inputs=self._inputs(),
        )

    def _inputs(self) -> dict[str, str]:
        """Where engines lie, and who needs a GPU: for the workers, and no part of the identity."""
        names = {member.name for member in self._cast} & set(self._engines.systems)
        gpus: dict[str, JSON] = {
            member.info.name: num_gpus(member.name, engines=self._engines) or 1.0
            for member in self._cast
            if member.info.needs_gpu
        }
        told = {GPUS_INPUT: canonical_json(gpus)} if gpus else {}
        return {**told, **({ENGINES_INPUT: self._engines.to_json(sorted(names))} if names else {})}

    def records(self) -> Iterator[Record]:
        """By split, then system, then text, so that a worker keeps one engine busy."""
        for split in SPLITS:
            texts = [text for text in self._texts if text.split == split]
            for member in self._cast:
                for text in texts:
                    yield from self._spoken(text, split, member)

    def _spoken(self, text: _Text, split: str, member: _Cast) -> Iterator[Record]:
        for voice in member.voices:
            for take in range(self.config.takes):
                key: dict[str, JSON] = {
                    "text": text.text,
                    "system": member.info.name,
                    "revision": member.revision,
                    "voice": voice.name,
                    "take": take,
                    "seed": self.config.seed,
                    "sample_rate_hz": self.config.sample_rate_hz,
                    **method_of(member.info, tidy(text.text), self.config.language),
                }
                record_id = stable_id("clip", key)
                payload: dict[str, JSON] = {
                    "text": text.text,
                    "sentence": text.sentence,
                    "language": self.config.language,
                    "voice": voice.name,
                    "seed": seed_for(self.config.seed, record_id, "synth", bits=32),
                }
                yield Record(id=record_id, split=split, group=member.info.name, payload=payload)

    def estimate(self) -> Estimate:
        """Counts, hours and bytes per system, from typical speaking rates."""
        num_chars = sum(len(text.text) for text in self._texts)
        details: list[dict[str, JSON]] = []
        for member in self._cast:
            readings = len(member.voices) * self.config.takes
            details.append(
                {
                    "system": member.info.name,
                    "clips": len(self._texts) * readings,
                    "voices": ", ".join(voice.name for voice in member.voices),
                    "duration_s": num_chars * readings * member.info.seconds_per_char,
                    "license": member.info.license,
                    "output_terms": member.info.output_terms,
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
        """Each system with its revision, licence and terms."""
        return {
            "systems": {
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
                    "voices": [voice.name for voice in member.voices],
                }
                for member in self._cast
            }
        }


def _chosen(config: SpeechConfig) -> list[_Cast]:
    """The systems that were asked for by name; each must be able to do it.

    Raises:
        UnknownName: no such system, or it does not speak the language.
        MissingExtra: a package that it needs is not installed.
    """
    return [_cast(build_system(name), name, config) for name in dict.fromkeys(config.systems)]


def _installed(config: SpeechConfig, reaches_gpus: bool | None) -> list[_Cast]:
    """All systems that are installed and speak the language.

    Raises:
        UsageError: there is none.
    """
    engines = [(name, build_system(name)) for name in default_systems(reaches_gpus=reaches_gpus)]
    speaking = [(n, engine) for n, engine in engines if voices_for(engine, config.language)]
    if not speaking:
        lacking = f"No installed synthesizer speaks {config.language!r}."
        raise UsageError(
            f"{lacking if engines else 'No synthesizer is installed.'} pip install "
            "'mosdata[espeak]' brings eSpeak NG; 'mosdata doctor' lists what else can be had."
        )
    return [_cast(engine, name, config) for name, engine in speaking]


def _cast(synthesizer: Synthesizer, name: str, config: SpeechConfig) -> _Cast:
    fitting = voices_for(synthesizer, config.language)
    if not fitting:
        languages = {voice.language for voice in synthesizer.voices()}
        raise UnknownName(f"language of {name}", config.language, languages)
    cast = _Cast(
        name=name,
        info=synthesizer.info,
        voices=fitting[: config.voices] if config.voices else fitting,
        revision=synthesizer.revision(),
        fingerprint=fingerprint_of(synthesizer),
    )
    if isinstance(synthesizer, Closing):
        synthesizer.close()  # workers have their own
    return cast


def fingerprint_of(synthesizer: Synthesizer) -> str:
    """What shapes the sound of a system, as canonical JSON; empty where it does not say."""
    return (
        canonical_json(synthesizer.fingerprint()) if isinstance(synthesizer, Fingerprinted) else ""
    )


class SpeechBench:
    """Speaks records; each system is loaded when its first record comes.

    Systems that hold a process or a device give it back when another system's turn comes: records
    of one system come one after another, so each is loaded once.
    """

    def __init__(self, spec: StageSpec) -> None:
        self._systems: Mapping[str, Any] = spec.config["systems"]  # type: ignore[assignment] # JSON
        assert spec.sample_rate_hz is not None
        self._sample_rate_hz = spec.sample_rate_hz
        self._loaded: dict[str, Synthesizer] = {}
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
        spoken = speak(synthesizer, request)
        info = synthesizer.info
        about = Utterance(
            id=record.id,
            audio=b"",
            sample_rate_hz=self._sample_rate_hz,
            num_samples=0,
            duration_s=0.0,
            text=request.text,
            language=request.language,
            speaker=request.voice,
            synthesizer=info.name,
            system=info.name,
            engine_revision=self._systems[record.group]["revision"],
            engine_fingerprint=self._systems[record.group].get("fingerprint", ""),
            dataset="mosdata-build",
            sentence=values["sentence"],
            seed=request.seed,
            license=info.license,
            code_license=info.code_license,
            weights_license=info.weights_license,
            output_terms=info.output_terms,
            text_spoken=spoken.text,
            boundaries_s=spoken.boundaries_s,
            flags=spoken.flags,
            speech_s=spoken.speech_s,
            sample_rate_source_hz=spoken.clip.sample_rate_hz,
        )
        return [about.with_clip(resample(spoken.clip, self._sample_rate_hz))]

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
        return self._loaded[system]


def _check_revision(system: str, synthesizer: Synthesizer, planned: str) -> None:
    found = synthesizer.revision()
    if found != planned:
        raise UsageError(
            f"{system} is {found!r} on {platform.node()}; the plan was made for {planned!r}. "
            "Install the same version on every machine, or build anew with this one."
        )
