"""A system that speaks in a process of its own, as a :class:`~mosdata.synth.base.Synthesizer`.

What it is, it says before its model is loaded: voices, revision and fingerprint cost a second and
no GPU. The model is loaded for the first utterance. A worker that dies or hangs is replaced, and
the text it was at is tried once more: a text that is the end of two workers is rejected.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from mosdata.audio import Clip
from mosdata.errors import RecordRejected, UsageError
from mosdata.manifests.ids import JSON, canonical_json
from mosdata.synth.base import Prompt, Speech, SpeechRequest, SystemInfo, Voice, unknown_voice
from mosdata.synth.hosting.spec import PromptLimits
from mosdata.synth.hosting.wire import Frame
from mosdata.synth.hosting.worker_process import (
    DESCRIBE_S,
    Launch,
    WorkerLost,
    WorkerProcess,
    WorkerSaid,
)

MAX_ATTEMPTS: Final = 2
"""Workers that one text may cost."""

MAX_LOADS: Final = 2
"""Attempts to load a model, one after another."""

MAX_LOSSES_IN_A_ROW: Final = 8
"""Workers lost with nothing said in between: then it is the engine, not its texts."""

PATIENCE: Final = 30.0
"""An utterance may take this many times as long as it is expected to last."""

BATCH: Final = 32
"""Requests in one order; they are answered one by one."""

WARM_UP: Final = 20
"""Utterances after which memory counts as growing."""

VOICE_S: Final = 120.0
"""What preparing one voice may take."""

REVISION_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an engine may take before it is stopped or started afresh.

    Args:
        load_s: for loading its model.
        shortest_s: for an utterance, however short.
        recycle_after: utterances; 0 for no limit.
        growth_bytes: of its memory, or of the GPU's, since it was warm.
    """

    load_s: float = 600.0
    shortest_s: float = 60.0
    recycle_after: int = 0
    growth_bytes: float = 2048 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Description:
    """What an adapter says of itself."""

    sample_rate_hz: int
    voices: tuple[Voice, ...]
    fingerprint: Mapping[str, JSON]


class HostedEngine:
    """An engine in an environment of its own.

    Args:
        info: facts of the system.
        launch: how its worker is started.
        limits: what it may take.
        prompt_limits: what a recording to clone must be like; None for an engine that clones
            nobody.
        facts: what its settings say that shapes the sound, for its fingerprint.
    """

    def __init__(
        self,
        info: SystemInfo,
        launch: Launch,
        *,
        limits: Limits = Limits(),
        prompt_limits: PromptLimits | None = None,
        facts: Mapping[str, JSON] = MappingProxyType({}),
    ) -> None:
        self.info = info
        self._facts = facts
        self.prompt_limits = prompt_limits
        self._launch = launch
        self._limits = limits
        self._process: WorkerProcess | None = None
        self._known: _Description | None = None
        self._describer: WorkerProcess | None = None
        self._cloned: dict[str, Voice] = {}
        self._prepared: dict[str, RecordRejected | None] = {}
        self._is_loaded = False
        self._failure = ""
        self._losses = 0
        self._num_said = 0
        self._warm_bytes: Counter[str] = Counter()

    def voices(self) -> tuple[Voice, ...]:
        """The engine's own voices, then those of the recordings.

        Raises:
            UsageError: the engine cannot be started here; the message says what to do.
        """
        return (*self._description().voices, *self._cloned.values())

    def revision(self) -> str:
        """Adapter, and a digest of the fingerprint."""
        fingerprint = self.fingerprint()
        digest = hashlib.sha256(canonical_json(fingerprint).encode()).hexdigest()
        return f"{fingerprint.get('adapter')} {digest[:REVISION_DIGITS]}"

    def fingerprint(self) -> Mapping[str, JSON]:
        """What the adapter says shapes its sound, and what the settings say."""
        return {**self._description().fingerprint, **self._facts}

    def add_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Add a voice for each recording; each is prepared once, when it is first asked for.

        Raises:
            UsageError: the engine clones nobody, or has a voice of that name.
        """
        if prompts and self.prompt_limits is None:
            raise UsageError(f"{self.info.name} does not clone voices; leave its prompts out.")
        taken = {voice.name for voice in self._description().voices}
        for prompt in prompts:
            if prompt.name in taken:
                raise UsageError(
                    f"{self.info.name} has a voice {prompt.name!r} of its own; give the prompt "
                    "another name."
                )
            voice = Voice(name=prompt.name, language=prompt.language, prompt=prompt)
            if self._cloned.get(prompt.name, voice) != voice:
                raise UsageError(f"Two prompts of {self.info.name} are called {prompt.name!r}.")
            self._cloned[prompt.name] = voice

    def synthesize(self, request: SpeechRequest) -> Speech:
        """Speak; the model is loaded before the first utterance.

        Raises:
            RecordRejected: the adapter's own reasons, ``unknown_voice``, ``engine_failed``,
                ``engine_crashed`` or ``engine_timeout``.
        """
        answer = self.synthesize_batch([request])[0]
        if isinstance(answer, RecordRejected):
            raise answer
        return answer

    def synthesize_batch(self, requests: Sequence[SpeechRequest]) -> list[Speech | RecordRejected]:
        """Several utterances, a few in one order; each is what it would be alone."""
        answers: dict[int, Speech | RecordRejected] = dict(self._unspeakable(requests))
        waiting = deque(index for index in range(len(requests)) if index not in answers)
        attempts: Counter[int] = Counter()
        while waiting:
            some = (requests[index] for index in islice(waiting, BATCH))
            _, same_voice = next(groupby(some, key=attrgetter("voice")))
            try:
                for answer in self._answers(self._ready(), list(same_voice)):
                    answers[waiting.popleft()] = answer
            except WorkerLost as error:  # while it was at the first of those that still wait
                self._lost(error)
                attempts[waiting[0]] += 1
                if attempts[waiting[0]] == MAX_ATTEMPTS:
                    answers[waiting.popleft()] = self._put_aside(error)
            except RecordRejected as error:  # it cannot be loaded: nobody's turn comes
                answers |= dict.fromkeys(waiting, error)
                waiting.clear()
        return [answers[index] for index in range(len(requests))]

    def canaries(self) -> list[dict[str, Any]]:
        """What the adapter checks of itself, with the model loaded: name, passed, detail.

        Raises:
            RecordRejected: the engine cannot be loaded.
            UsageError: it cannot be started.
        """
        try:
            found = self._ready().ask("canaries", deadline_s=self._limits.load_s).header
        except (WorkerLost, WorkerSaid) as error:
            raise RecordRejected("engine_failed", f"{self.info.name}: {error}") from error
        return [dict(canary) for canary in found["canaries"]]

    def close(self) -> None:
        """End the worker; the next utterance would start another one."""
        if self._process is not None:
            self._process.close()
            self._forget_process()

    def _unspeakable(
        self, requests: Sequence[SpeechRequest]
    ) -> Iterator[tuple[int, RecordRejected]]:
        """Those that ask for a voice that is not there; all, where there is no engine."""
        try:
            known = {voice.name for voice in self.voices()}
        except UsageError as error:
            failed = RecordRejected("engine_failed", str(error))
            yield from ((index, failed) for index in range(len(requests)))
            return
        for index, request in enumerate(requests):
            if request.voice not in known:
                yield index, unknown_voice(self, request)

    def _answers(
        self, process: WorkerProcess, requests: Sequence[SpeechRequest]
    ) -> Iterator[Speech | RecordRejected]:
        """Answers to requests for one voice, in their order.

        Raises:
            WorkerLost: at the one whose answer did not come.
        """
        if (error := self._voice_trouble(process, requests[0].voice)) is not None:
            yield from (error for _ in requests)
            return
        orders: list[JSON] = [_order(request) for request in requests]
        deadlines_s = [self._deadline_s(request) for request in requests]
        for answer in process.ask_each("synth", deadlines_s, requests=orders):
            yield self._speech(answer)
        self._recycle()

    def _voice_trouble(self, process: WorkerProcess, name: str) -> RecordRejected | None:
        """Prepare a cloned voice, once in the life of a worker; why it does not take it, if so."""
        if name in self._cloned and name not in self._prepared:
            try:
                process.ask("add_voice", deadline_s=VOICE_S, voice=_voice_order(self._cloned[name]))
            except WorkerSaid as error:
                self._prepared[name] = self._refusal(error)
            else:
                self._prepared[name] = None
        return self._prepared.get(name)

    def _refusal(self, said: WorkerSaid) -> RecordRejected:
        """An error of the adapter as ours.

        Raises:
            WorkerLost: it was a fatal one.
        """
        if said.is_fatal:
            raise WorkerLost("engine_failed", str(said), said.traceback)
        reason = said.reason if said.kind == "rejected" else "engine_failed"
        return RecordRejected(reason, f"{self.info.name}: {said}")

    def _speech(self, answer: Frame | WorkerSaid) -> Speech | RecordRejected:
        """One answer as ours.

        Raises:
            WorkerLost: after a fatal error, or where the answer is not what it says.
        """
        if isinstance(answer, WorkerSaid):
            refusal = self._refusal(answer)
            self._losses = 0
            return refusal
        header = answer.header
        if header.get("num_samples") != len(answer.samples) or not header.get("sample_rate_hz"):
            assert self._process is not None
            self._process.kill()
            said = f"{header.get('num_samples')} samples at {header.get('sample_rate_hz')} Hz"
            raise WorkerLost("engine_crashed", f"sent {len(answer.samples)} samples for {said}")
        self._losses = 0
        self._num_said += 1
        self._watch(header)
        clip = Clip(answer.samples, int(header["sample_rate_hz"]))
        return Speech(clip=clip, flags=tuple(map(str, header.get("flags", ()))))

    def _put_aside(self, error: WorkerLost) -> RecordRejected:
        times = f"{MAX_ATTEMPTS} times in a row"
        return RecordRejected(error.reason, f"{self.info.name}, {times}: {error}")

    def _deadline_s(self, request: SpeechRequest) -> float:
        expected_s = len(request.text) * self.info.seconds_per_char
        return max(self._limits.shortest_s, PATIENCE * expected_s)

    def _description(self) -> _Description:
        """What the engine is, from a worker that has loaded nothing yet.

        Raises:
            UsageError: it cannot be started, or says nonsense.
        """
        if self._known is None:
            self._known = self._description_by(self._started())
        return self._known

    def _described(self, process: WorkerProcess) -> _Description:
        name = self.info.name
        try:
            options = dict(self._launch.options)
            said = process.ask("describe", deadline_s=DESCRIBE_S, options=options).header
        except (WorkerLost, WorkerSaid) as error:
            self._drop_process()
            raise UsageError(f"{name} cannot be used: {_in_full(error)}") from error
        try:
            description = _parsed(said)
        except (KeyError, TypeError, ValueError) as error:
            self._drop_process()
            raise UsageError(f"{name}: its adapter describes it wrongly: {error!r}.") from error
        if description.sample_rate_hz != self.info.sample_rate_hz:
            self._drop_process()
            raise UsageError(
                f"{name} speaks at {description.sample_rate_hz} Hz; its settings say "
                f"{self.info.sample_rate_hz} Hz (sample_rate_hz, or 'base', in engines.toml)."
            )
        return description

    def _started(self) -> WorkerProcess:
        """A running worker, loaded or not.

        Raises:
            UsageError: it cannot be started.
        """
        if self._process is None or not self._process.is_alive:
            self._drop_process()
            self._process = WorkerProcess(self._launch)
        return self._process

    def _ready(self) -> WorkerProcess:
        """A worker with its model loaded.

        Raises:
            RecordRejected: it cannot be loaded, now or ever.
        """
        num_loads = 0
        while not self._failure:
            try:
                process = self._started()
                if not self._is_loaded:
                    self._load(process)
            except WorkerLost as error:
                self._lost(error)
                num_loads += 1
                if num_loads == MAX_LOADS:
                    self._failure = f"it cannot be loaded: {_in_full(error)}"
            except WorkerSaid as error:
                self._drop_process()
                self._failure = f"it cannot be loaded: {error}"
            except UsageError as error:
                self._failure = str(error)
            else:
                return process
        raise RecordRejected("engine_failed", f"{self.info.name}: {self._failure}")

    def _load(self, process: WorkerProcess) -> None:
        self._known = before = self._description_by(process)
        after = _parsed(process.ask("load", deadline_s=self._limits.load_s).header)
        if after != before:
            self._drop_process()
            raise UsageError(
                f"its adapter says one thing before its model is loaded and another afterwards "
                f"({_difference(before, after)}), so no revision of it can be trusted."
            )
        self._is_loaded = True

    def _description_by(self, process: WorkerProcess) -> _Description:
        """What this very worker says, which has to be what the one before it said.

        Raises:
            UsageError: it is something else, or nonsense.
        """
        if self._describer is process and self._known is not None:
            return self._known
        said = self._described(process)
        if self._known is not None and said != self._known:
            self._drop_process()
            raise UsageError(
                f"it is not what it was before ({_difference(self._known, said)}). Do not change "
                "an engine while it is in use."
            )
        self._describer = process
        return said

    def _lost(self, error: WorkerLost) -> None:
        self._losses += 1
        self._drop_process()
        if self._losses >= MAX_LOSSES_IN_A_ROW:
            self._failure = f"{self._losses} workers were lost one after another: {_in_full(error)}"

    def _drop_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._forget_process()

    def _forget_process(self) -> None:
        self._process = self._describer = None
        self._is_loaded = False
        self._prepared.clear()
        self._num_said = 0
        self._warm_bytes.clear()

    def _watch(self, header: Mapping[str, Any]) -> None:
        for kind in ("memory_bytes", "gpu_bytes"):
            held = int(header.get(kind, 0))
            if self._num_said <= WARM_UP:
                self._warm_bytes[kind] = max(self._warm_bytes[kind], held)
            self._warm_bytes[f"{kind} now"] = held

    def _recycle(self) -> None:
        """Start afresh where the worker has done enough, or keeps what it should not."""
        limits, held = self._limits, self._warm_bytes
        is_due = 0 < limits.recycle_after <= self._num_said
        has_grown = self._num_said > WARM_UP and any(
            held[f"{kind} now"] - held[kind] > limits.growth_bytes
            for kind in ("memory_bytes", "gpu_bytes")
        )
        if is_due or has_grown:
            self.close()


def _order(request: SpeechRequest) -> dict[str, JSON]:
    return {
        "text": request.text,
        "language": request.language,
        "voice": request.voice,
        "seed": request.seed,
        "options": {},
    }


def _voice_order(voice: Voice) -> dict[str, JSON]:
    assert voice.prompt is not None, "only cloned voices are prepared"
    return {
        "name": voice.name,
        "language": voice.language,
        "audio": str(voice.prompt.audio),
        "text": voice.prompt.text,
    }


def _parsed(said: Mapping[str, Any]) -> _Description:
    """What a worker says of itself, in our types.

    Raises:
        KeyError, TypeError, ValueError: it says something else.
    """
    voices = tuple(Voice(name=str(v["name"]), language=str(v["language"])) for v in said["voices"])
    fingerprint: Mapping[str, JSON] = dict(said["fingerprint"])
    canonical_json(fingerprint)
    return _Description(
        sample_rate_hz=int(said["sample_rate_hz"]), voices=voices, fingerprint=fingerprint
    )


def _difference(before: _Description, after: _Description) -> str:
    """Which facts differ, in a few words."""
    if before.fingerprint != after.fingerprint:
        keys = sorted({*before.fingerprint, *after.fingerprint})
        names = [k for k in keys if before.fingerprint.get(k) != after.fingerprint.get(k)]
        return f"fingerprint: {', '.join(names)}"
    return "voices" if before.voices != after.voices else "sample_rate_hz"


def _in_full(error: WorkerLost | WorkerSaid) -> str:
    """With the last lines that a lost worker wrote, for people who have to mend something."""
    details = error.details if isinstance(error, WorkerLost) else ""
    return f"{error}" + (f"\n{details}" if details else "")
