"""A hosted engine as a synthesizer: voices, revision, losses and limits, with a real worker."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mosdata.errors import RecordRejected, UsageError
from mosdata.synth import base
from mosdata.synth.base import Prompt, Speech, SpeechRequest
from mosdata.synth.hosting.configured import ANY_PROMPT
from mosdata.synth.hosting.hosted import HostedEngine, Limits
from mosdata.synth.hosting.worker_process import Launch, WorkerProcess
from mosdata.synth.speak import speak

INFO = base.SystemInfo(
    name="fake", family="test", sample_rate_hz=24_000, languages=("en",), license="CC0-1.0"
)
HELLO = "Hello there, all of you."


@pytest.fixture
def host(bare_python, fake_adapter, tmp_path):
    """Make engines; all are closed afterwards."""
    made = []

    def make(*, limits=Limits(), info=INFO, facts=(), prompts=ANY_PROMPT, **options):  # noqa: B008
        (tmp_path / "loads").mkdir(exist_ok=True)
        given = {"system": "fake", "loads": str(tmp_path / "loads"), **options}
        launch = Launch(system="fake", python=bare_python, adapter=fake_adapter, options=given)
        told = dict(facts)
        made.append(HostedEngine(info, launch, limits=limits, prompt_limits=prompts, facts=told))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def num_loads(tmp_path):
    """How often a model was loaded, over all processes."""
    return lambda: len(list((tmp_path / "loads").glob("fake-*")))


def ask(text, *, voice="ann", seed=1):
    """One request."""
    return SpeechRequest(text=text, language="en", voice=voice, seed=seed)


def reasons(answers):
    """Reasons of rejections; None for speech."""
    return [a.reason if isinstance(a, RecordRejected) else None for a in answers]


def test_it_is_what_protocols_ask_for(host):
    """All that others may ask of a system."""
    engine = host()
    for protocol in (
        base.Synthesizer,
        base.Fingerprinted,
        base.Batched,
        base.Closing,
        base.Cloning,
    ):
        assert isinstance(engine, protocol)


def test_what_it_is_costs_no_load(host, num_loads):
    """Voices, revision and fingerprint come from a worker that has loaded nothing."""
    engine = host()

    assert [voice.name for voice in engine.voices()] == ["ann", "bob"]
    assert engine.revision().startswith("fake_adapter/3 ")
    assert engine.fingerprint()["device"] == "cpu"
    assert num_loads() == 0
    assert speak(engine, ask(HELLO)).clip.num_samples == 240 * len(HELLO)
    assert num_loads() == 1


def test_the_revision_is_of_what_shapes_the_sound(host):
    """The same in another process; another gain or another fact of the settings is another one."""
    revisions = [host().revision(), host().revision(), host(gain=0.5).revision()]
    revisions.append(host(facts={"threads": 2}).revision())

    assert revisions[0] == revisions[1]
    assert len(set(revisions)) == 3


def test_a_batch_is_its_singles(host):
    """Bit for bit, in any company, and with bad ones in between."""
    texts = [f"Sentence {i}." * (1 + i % 3) for i in range(70)]
    requests = [ask(t, seed=i, voice=("ann", "bob")[i // 40]) for i, t in enumerate(texts)]
    spoiled = [*requests[:5], ask("reject no_phone"), ask("runaway"), *requests[5:]]

    singles = [host_one.synthesize(r) for host_one in [host()] for r in requests]
    batch = host().synthesize_batch(spoiled)

    assert reasons(batch) == [None] * 5 + ["no_phone"] + [None] * 66
    assert batch[6].flags == ("runaway",)
    for single, one in zip(singles, [*batch[:5], *batch[7:]], strict=True):
        assert single.clip.samples.tobytes() == one.clip.samples.tobytes()


def test_an_unknown_voice_is_never_another_one(host):
    """Refused before the engine is asked."""
    with pytest.raises(RecordRejected, match=r"no voice 'eve'\. Known: ann, bob") as error:
        host().synthesize(ask(HELLO, voice="eve"))

    assert error.value.reason == "unknown_voice"


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        ("kill", "engine_crashed", "fake, 2 times in a row: the worker was ended by SIGKILL"),
        ("exit 9", "engine_crashed", "exit code 9"),
        ("segv", "engine_crashed", "SIGSEGV"),
        ("hang", "engine_timeout", "no answer to 'synth' within 2 s"),
        ("fatal", "engine_failed", "CUDA error: device-side assert"),
    ],
)
def test_a_poison_text_is_put_aside_alone(host, num_loads, text, reason, message):
    """Two workers, no more; those before and after it are spoken, with the same samples."""
    clean = host().synthesize_batch([ask("One."), ask("Two.")])
    before = num_loads()
    limits = Limits(shortest_s=2) if text == "hang" else Limits()
    engine = host(limits=limits, info=replace(INFO, seconds_per_char=0.001))

    answers = engine.synthesize_batch([ask("One."), ask(text), ask("Two.")])

    assert reasons(answers) == [None, reason, None]
    assert message in str(answers[1])
    assert num_loads() - before == 3
    for now, then in zip((answers[0], answers[2]), clean, strict=True):
        assert now.clip.samples.tobytes() == then.clip.samples.tobytes()


def test_a_worker_that_somebody_kills_costs_nothing(host, num_loads):
    """At work or idle: the text is tried again, and nothing is rejected."""
    engine = host()
    at_work = engine.synthesize(ask("crash-once"))
    idle = [engine.synthesize(ask(HELLO))]
    os.kill(engine._process.pid, 9)
    idle.append(engine.synthesize(ask(HELLO)))

    assert at_work.clip.num_samples == 2400
    assert idle[0].clip.samples.tobytes() == idle[1].clip.samples.tobytes()
    assert num_loads() == 3


def test_an_engine_that_loses_every_worker_is_given_up(host, num_loads):
    """It is not the texts then; the rest is rejected without trying."""
    engine = host()
    answers = engine.synthesize_batch([ask("kill") for _ in range(20)])

    assert set(reasons(answers)) == {"engine_crashed", "engine_failed"}
    assert num_loads() == 8
    assert "8 workers were lost one after another" in str(answers[-1])


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("missing", "cannot be loaded: fake: /models/fake lacks llm.pt. Download the model anew."),
        ("crash", "cannot be loaded: the worker ended with exit code 7"),
        ("hang", "cannot be loaded: the worker gave no answer to 'load' within 0.5 s"),
    ],
)
def test_a_model_that_cannot_be_loaded(host, load, message):
    """Every record says why; only the first one waits for it."""
    engine = host(load=load, limits=Limits(load_s=0.5))
    first, *others = [engine.synthesize_batch([ask(HELLO)])[0] for _ in range(3)]
    started = time.monotonic()
    engine.synthesize_batch([ask(HELLO)] * 50)

    assert first.reason == "engine_failed"
    assert message in str(first)
    assert [str(other) for other in others] == [str(first)] * 2
    assert time.monotonic() - started < 0.2


def test_an_adapter_that_changes_its_mind_is_not_trusted(host):
    """What it says before its model is loaded is what the plan and the rows say."""
    with pytest.raises(RecordRejected, match=r"one thing before its model.*fingerprint: upstream"):
        host(changes=True).synthesize(ask(HELLO))


def test_an_adapter_that_does_not_fit_its_settings(host):
    """Another rate, an option that it does not know: said when it is planned."""
    with pytest.raises(UsageError, match="speaks at 16000 Hz; its settings say 24000 Hz"):
        host(rate=16_000).voices()
    with pytest.raises(UsageError, match="cannot be used: ValueError: no such option"):
        host(build="raise").voices()


def test_recycling_changes_no_sample(host, num_loads):
    """After so many utterances, or so much memory, a fresh worker goes on."""
    texts = [ask(f"Sentence {i}.", seed=i) for i in range(9)]
    plain = host().synthesize_batch(texts)
    before = num_loads()
    few = host(limits=Limits(recycle_after=2))
    recycled = [few.synthesize(text) for text in texts]
    loads_of_few = num_loads() - before

    assert loads_of_few == 5
    for one, other in zip(plain, recycled, strict=True):
        assert one.clip.samples.tobytes() == other.clip.samples.tobytes()


def test_a_worker_that_hoards_memory_is_recycled(host, num_loads):
    """Growth since it was warm counts, not what a model needs."""
    engine = host(limits=Limits(growth_bytes=30e6))
    for _ in range(22):
        engine.synthesize(ask("Warm."))
    for _ in range(6):
        engine.synthesize(ask("hoard 10000000"))

    assert num_loads() == 2


def test_prompts_become_voices(host, tmp_path):
    """Prepared once, in every worker that needs them; a bad one rejects its own records only."""
    prompts = [
        Prompt(name=n, audio=tmp_path / n, audio_sha256=n, text=t, language="en", speaker=n)
        for n, t in [("carl", "12"), ("dora", "bad")]
    ]
    engine = host()
    engine.add_prompts(prompts)
    engine.add_prompts(prompts[:1])
    voices = ["ann", "carl", "dora", "carl"]
    answers = engine.synthesize_batch([ask(HELLO, voice=voice) for voice in voices])

    assert [voice.name for voice in engine.voices()] == ["ann", "bob", "carl", "dora"]
    assert reasons(answers) == [None, None, "bad_prompt", None]
    assert answers[1].clip.num_samples == 3 * answers[0].clip.num_samples
    assert answers[1].clip.samples.tobytes() == answers[3].clip.samples.tobytes()
    with pytest.raises(UsageError, match="a voice 'ann' of its own"):
        engine.add_prompts([replace(prompts[0], name="ann")])
    with pytest.raises(UsageError, match="does not clone voices"):
        host(prompts=None).add_prompts(prompts)


def test_canaries_run_in_the_worker(host):
    """What an adapter checks of itself."""
    assert host().canaries() == [{"name": "sums", "passed": True, "detail": "1 + 1 = 2"}]


def test_closing_leaves_no_process_and_no_file(host, tmp_path):
    """Twice is once; afterwards it may speak again."""
    engine = host()
    engine.synthesize(ask("thread"))
    worker: WorkerProcess = engine._process
    folder = Path(worker._folder)
    assert folder.is_dir()

    engine.close()
    engine.close()

    with suppress(ProcessLookupError):
        os.kill(worker.pid, 0)
        pytest.fail("the worker is still there")
    assert not folder.exists()
    assert not list((tmp_path / "engine-logs").iterdir())
    assert isinstance(engine.synthesize(ask(HELLO)), Speech)


def test_long_texts_get_more_time():
    """Thirty times what they are expected to last, and never less than a minute."""
    engine = HostedEngine(INFO, Launch(system="fake", python="p", adapter="a"))

    assert engine._deadline_s(ask("Short.")) == 60
    assert engine._deadline_s(ask("x" * 1000)) == pytest.approx(30 * 65)
