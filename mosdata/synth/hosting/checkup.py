"""What an engine needs, and whether what is here really speaks.

A checkup goes from what costs nothing (is everything named there?) to what costs a model load (do
the canaries hold, does one sentence pass the gates?) and stops at the first thing that is missing.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mosdata.errors import MosdataError, RecordRejected, UsageError
from mosdata.synth.base import ANY_LANGUAGE, Closing, Fingerprinted, SpeechRequest, Synthesizer
from mosdata.synth.engines import ENGINES, engine_spec
from mosdata.synth.hosting.configured import facts_of
from mosdata.synth.hosting.hosted import HostedEngine
from mosdata.synth.hosting.settings import COMMAND, OWN, Engines, EngineSettings
from mosdata.synth.hosting.spec import Checkpoint, EngineSpec
from mosdata.synth.speak import speak
from mosdata.synth.systems import (
    SYSTEMS,
    TEST_SYSTEMS,
    build_system,
    known_systems,
    why_unavailable,
)

SENTENCES: Final = {
    "en": "The quick brown fox jumps over the lazy dog.",
    "zh": "今天天气很好。",
    "ja": "今日はいい天気ですね。",
    "de": "Heute scheint die Sonne, und wir gehen in den Park.",
    "es": "Hoy hace sol y vamos al parque.",
    "fr": "Il fait beau aujourd'hui, et nous allons au parc.",
}
"""What is said in a checkup; English where a language has no sentence of its own here."""

SEED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. ``passed`` is None for what is only good to know."""

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """What was found out about one system.

    ``state`` is ``ready``, ``broken`` or ``missing``: it speaks, it is there and does not speak,
    or something that it needs is not there.
    """

    system: str
    engine: str
    state: str
    checks: tuple[Check, ...]

    @property
    def first_problem(self) -> str:
        """What to mend first; empty where there is nothing."""
        return next((check.detail for check in self.checks if check.passed is False), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What people have to bring for a system; what mosdata brings is left out."""

    system: str
    engine: str
    sample_rate_hz: int
    languages: tuple[str, ...]
    code_license: str
    weights_license: str
    license: str
    output_terms: str
    why_not: str | None
    environment: str = ""
    repository: str = ""
    weights: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    prompt: str = ""
    needs_gpu: bool = False
    gpu_memory_gb: float = 0.0
    notes: str = ""


def needs_of_all(engines: Engines) -> list[Needs]:
    """Every system that can be asked for, in the order of the class list; nothing is started."""
    return [_needs(name, engines) for name in known_systems(engines) if name not in TEST_SYSTEMS]


def check_system(name: str, engines: Engines, *, loads: bool = True) -> Checkup:
    """Look at one system from the files that it needs to a sentence that it says.

    Args:
        name: a system that is known here.
        engines: the settings.
        loads: whether to load its model, run its canaries and let it speak.

    Raises:
        UnknownName: no such system.
    """
    checks: list[Check] = []
    why_not = why_unavailable(name, engines=engines)
    if why_not is not None:
        checks.append(Check(name="needs", passed=False, detail=why_not))
        return _checkup(name, engines, "missing", checks)
    for check in _looked_at(name, engines, loads=loads):
        checks.append(check)
        if check.passed is False:
            return _checkup(name, engines, "broken", checks)
    return _checkup(name, engines, "ready", checks)


def _looked_at(name: str, engines: Engines, *, loads: bool) -> Iterator[Check]:
    if name in engines.systems and engines.systems[name].engine != COMMAND:
        spec, _ = facts_of(engines.systems[name])
        yield from _checkout_check(spec, engines.systems[name])
    try:
        synthesizer = build_system(name, engines=engines)
        yield from _described(synthesizer)
    except MosdataError as error:
        yield Check(name="describe", passed=False, detail=str(error))
        return
    if not loads:
        return
    try:
        if isinstance(synthesizer, HostedEngine):
            yield from _canaries(synthesizer)
        yield from _spoken(synthesizer)
    finally:
        if isinstance(synthesizer, Closing):
            synthesizer.close()


def _checkout_check(spec: EngineSpec, settings: EngineSettings) -> Iterator[Check]:
    if not spec.commit:
        return
    command = ["git", "-C", settings.checkout, "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = done.stdout.strip()
    detail = f"{found[:12] or 'unknown version'}"
    if found != spec.commit:
        detail += f"; mosdata was tried with {spec.commit[:12]}"
    yield Check(name="checkout", passed=None if found != spec.commit else True, detail=detail)


def _described(synthesizer: Synthesizer) -> Iterator[Check]:
    voices = synthesizer.voices()
    names = ", ".join(voice.name for voice in voices[:5]) + (", ..." if len(voices) > 5 else "")
    if not voices:
        yield Check(
            name="voices",
            passed=False,
            detail=f"{synthesizer.info.name} has no voice of its own: give it recordings to clone "
            "('prompts' in engines.toml, see docs/prompts.md)",
        )
        return
    yield Check(name="voices", passed=True, detail=f"{len(voices)}: {names}")
    yield Check(name="revision", passed=True, detail=synthesizer.revision())
    if isinstance(synthesizer, Fingerprinted):
        told: Mapping[str, Any] = synthesizer.fingerprint()
        facts = [
            f"{key} {told[key]}" for key in ("device", "dtype", "text_frontend") if key in told
        ]
        yield Check(name="fingerprint", passed=None, detail=", ".join(facts) or "none")


def _canaries(engine: HostedEngine) -> Iterator[Check]:
    began = time.perf_counter()
    try:
        canaries = engine.canaries()
    except (RecordRejected, UsageError) as error:
        yield Check(name="load", passed=False, detail=str(error))
        return
    took = f"loaded, and {len(canaries)} canaries, in {time.perf_counter() - began:.1f} s"
    yield Check(name="load", passed=True, detail=took)
    for canary in canaries:
        name = f"canary: {canary['name']}"
        yield Check(name=name, passed=bool(canary["passed"]), detail=str(canary["detail"]))


def _spoken(synthesizer: Synthesizer) -> Iterator[Check]:
    voice = synthesizer.voices()[0]
    language = "en" if voice.language == ANY_LANGUAGE else voice.language
    text = SENTENCES.get(language.partition("-")[0].lower(), SENTENCES["en"])
    request = SpeechRequest(text=text, language=language, voice=voice.name, seed=SEED)
    began = time.perf_counter()
    try:
        spoken = speak(synthesizer, request)
    except RecordRejected as error:
        yield Check(name="speech", passed=False, detail=f"{error.reason}: {error}")
        return
    seconds = time.perf_counter() - began
    detail = (
        f"{spoken.clip.duration_s:.2f} s at {spoken.clip.sample_rate_hz} Hz by {voice.name}, "
        f"{seconds / spoken.clip.duration_s:.2f} times real time"
    )
    yield Check(name="speech", passed=True, detail=detail)
    if spoken.flags:
        yield Check(name="gates", passed=None, detail=f"flags: {', '.join(spoken.flags)}")
    else:
        yield Check(name="gates", passed=True, detail="no flag")


def _checkup(name: str, engines: Engines, state: str, checks: list[Check]) -> Checkup:
    return Checkup(
        system=name, engine=engine_name(name, engines), state=state, checks=tuple(checks)
    )


def engine_name(system: str, engines: Engines) -> str:
    """The engine family of a system; ``built-in`` for those that live in this process."""
    if system in engines.systems:
        return engines.systems[system].engine
    if system in SYSTEMS or ":" in system:
        return "built-in"
    return next(spec.name for spec in _specs() if system in {c.system for c in spec.checkpoints})


def _specs() -> Iterator[EngineSpec]:
    return (engine_spec(name) for name in ENGINES)


def _needs(name: str, engines: Engines) -> Needs:
    why_not = why_unavailable(name, engines=engines)
    if name in engines.systems:
        settings = engines.systems[name]
        if settings.engine == COMMAND:
            return _command_needs(settings, why_not)
        spec, checkpoint = facts_of(settings)
        return _hosted_needs(name, spec, checkpoint, why_not)
    if name in SYSTEMS:
        return _built_in_needs(name, why_not)
    spec = next(s for s in _specs() if name in {c.system for c in s.checkpoints})
    checkpoint = next(c for c in spec.checkpoints if c.system == name)
    return _hosted_needs(name, spec, checkpoint, why_not)


def _built_in_needs(name: str, why_not: str | None) -> Needs:
    info = build_system(name).info if why_not is None else None
    return Needs(
        system=name,
        engine="built-in",
        sample_rate_hz=info.sample_rate_hz if info else 0,
        languages=info.languages if info else (),
        code_license=info.code_license if info else "",
        weights_license="",
        license=info.license if info else "",
        output_terms=info.output_terms if info else "unknown",
        why_not=why_not,
    )


def _command_needs(settings: EngineSettings, why_not: str | None) -> Needs:
    return Needs(
        system=settings.system,
        engine=COMMAND,
        sample_rate_hz=settings.sample_rate_hz,
        languages=settings.languages,
        code_license=settings.code_license,
        weights_license=settings.weights_license,
        license=settings.license or "unknown",
        output_terms=settings.output_terms or "unknown",
        why_not=why_not,
    )


def _hosted_needs(
    name: str, spec: EngineSpec, checkpoint: Checkpoint, why_not: str | None
) -> Needs:
    prompt = ""
    if spec.prompt is not None and checkpoint.clones:
        text = " with its transcript" if spec.prompt.needs_text else ""
        prompt = (
            f"{spec.prompt.min_duration_s:g} to {spec.prompt.max_duration_s:g} s at "
            f"{spec.prompt.min_sample_rate_hz / 1000:g} kHz or more{text}"
        )
    own = f"mosdata engines install {spec.name}" if spec.lock and spec.name != OWN else ""
    return Needs(
        system=name,
        engine=spec.name,
        sample_rate_hz=checkpoint.sample_rate_hz,
        languages=checkpoint.languages,
        code_license=spec.code_license,
        weights_license=checkpoint.weights_license,
        license=checkpoint.license,
        output_terms=checkpoint.output_terms,
        why_not=why_not,
        environment=own,
        repository=f"{spec.repository} at {spec.commit[:12]}" if spec.repository else "",
        weights=checkpoint.weights_ids,
        files=checkpoint.files,
        prompt=prompt,
        needs_gpu=spec.needs_gpu,
        gpu_memory_gb=spec.gpu_memory_gb,
        notes=" ".join(filter(None, (checkpoint.notes, spec.terms_note))),
    )
