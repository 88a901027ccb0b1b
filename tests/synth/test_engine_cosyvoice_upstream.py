"""CosyVoice itself, all of its code, on tiny random models that we write in its format.

Needs a checkout (``MOSDATA_COSYVOICE_DIR``, with its submodule) and the interpreter of its
environment (``MOSDATA_COSYVOICE_PYTHON``, made from ``locks/cosyvoice.txt``).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mosdata.errors import RecordRejected
from mosdata.synth.base import Prompt, Speech, SpeechRequest
from mosdata.synth.hosting.configured import build_configured
from mosdata.synth.hosting.hosted import HostedEngine
from mosdata.synth.hosting.settings import read_engines
from mosdata.testing.engines import tiny_cosyvoice
from tests.synth.signatures import read_contract, signatures, wanted_of

CHECKOUT = os.environ.get("MOSDATA_COSYVOICE_DIR", "")
PYTHON = os.environ.get("MOSDATA_COSYVOICE_PYTHON", "")
SYSTEMS = {
    "cosyvoice-300m-sft": 1,
    "cosyvoice-300m": 1,
    "cosyvoice2-0.5b": 2,
    "fun-cosyvoice3-0.5b": 3,
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CHECKOUT, reason="MOSDATA_COSYVOICE_DIR names no checkout"),
]
needs_python = pytest.mark.skipif(
    not PYTHON, reason="MOSDATA_COSYVOICE_PYTHON names no interpreter"
)


def test_upstream_has_the_signatures_of_the_snapshot() -> None:
    """The stub of the unit tests is what upstream is."""
    contract = read_contract("cosyvoice")

    assert signatures(Path(CHECKOUT), wanted_of(contract)) == contract["files"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes each tiny model once."""
    root = tmp_path_factory.mktemp("cosyvoice")

    def write(release: int, *options: str) -> Path:
        out = root / "-".join([str(release), *(option.strip("-") for option in options)])
        if not out.is_dir():
            script = str(tiny_cosyvoice.__file__)
            command = [PYTHON, script, "--checkout", CHECKOUT, "--release", str(release)]
            subprocess.run([*command, "--out", str(out), *options], check=True)
        return out

    return write


Make = Callable[..., HostedEngine]


@pytest.fixture
def make(models: Callable[..., Path], tmp_path: Path) -> Iterator[Make]:
    """A system as users have it: from an engines.toml."""
    made: list[HostedEngine] = []

    def build(system: str, *options: str, model: Path | None = None, **more: Any) -> HostedEngine:
        sft = ["--sft"] if system.endswith("sft") else []
        folder = model or models(SYSTEMS[system], *sft, *options)
        (tmp_path / "engines.toml").write_text(
            f'[engines."{system}"]\npython = "{PYTHON}"\ncheckout = "{CHECKOUT}"\n'
            f'model_dir = "{folder}"\ndevice = "cpu"\n'
            + "".join(f"options.{key} = {value}\n" for key, value in more.items())
        )
        settings = read_engines(tmp_path / "engines.toml").systems[system]
        engine = build_configured(settings)  # prompts come later, so no voice is no mistake here
        assert isinstance(engine, HostedEngine)
        made.append(engine)
        return engine

    yield build
    for engine in made:
        engine.close()


def prompt(path: Path, name: str = "ann", *, text: str = "some words", **sound: Any) -> Prompt:
    """A recording that sounds a little like a voice."""
    import soundfile

    rate, seconds = sound.get("rate", 24_000), sound.get("seconds", 3.0)
    time_s = np.arange(int(rate * seconds)) / rate
    pitch_hz = 120 + 40 * np.sin(2 * np.pi * 2 * time_s)
    sound_of_it = np.sin(2 * np.pi * np.cumsum(pitch_hz) / rate) * sound.get("level", 0.3)
    file = path / f"{name}.wav"
    soundfile.write(file, sound_of_it.astype("float32"), rate)
    return Prompt(name=name, audio=file, audio_sha256=name, text=text, language="en", speaker=name)


def ask(voice: str, text: str = "Hello there.", seed: int = 1) -> SpeechRequest:
    """One utterance."""
    return SpeechRequest(text=text, language="en", voice=voice, seed=seed)


def same(first: Speech, second: Speech) -> bool:
    """Bit for bit."""
    return np.array_equal(first.clip.samples, second.clip.samples)


def reason_of(answer: Speech | RecordRejected) -> str:
    """Why it was rejected; nothing where it was not."""
    return answer.reason if isinstance(answer, RecordRejected) else ""


@needs_python
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_tiny_model_speaks(make: Make, tmp_path: Path, system: str) -> None:
    """Right rate, same bytes in any order, alone or in a batch, and after the worker was killed."""
    engine = make(system)
    names = [voice.name for voice in engine.voices()]
    if system.endswith("sft"):
        assert names == list(tiny_cosyvoice.SFT_SPEAKERS)
    else:
        assert names == []
        engine.add_prompts([prompt(tmp_path), prompt(tmp_path, "bob", text="")])
        names = ["ann", "bob"]
    texts = ("Hello there.", "One more sentence, and a longer one.")
    requests = [ask(name, text, seed) for name in names for text in texts for seed in (1, 2)]
    singles = [speech_of(engine, request) for request in requests]
    spoken = [speech for speech in singles if isinstance(speech, Speech)]

    assert len(spoken) >= len(requests) // 2, [reason_of(answer) for answer in singles]
    assert {engine.info.sample_rate_hz} == {each.clip.sample_rate_hz for each in spoken}
    assert all(np.isfinite(each.clip.samples).all() for each in spoken)
    assert len({each.clip.samples.tobytes() for each in spoken}) > len(spoken) // 2
    backwards = engine.synthesize_batch(requests[::-1])[::-1]
    assert [reason_of(answer) for answer in singles] == [reason_of(each) for each in backwards]
    kill(engine)
    for first, batch, request in zip(singles, backwards, requests, strict=True):
        again = speech_of(engine, request)
        if isinstance(first, Speech):
            assert isinstance(batch, Speech)
            assert isinstance(again, Speech)
            assert same(first, batch)
            assert same(first, again)
    assert [] == [canary for canary in engine.canaries() if not canary["passed"]]


def speech_of(engine: HostedEngine, request: SpeechRequest) -> Speech | RecordRejected:
    """One answer, alone."""
    return engine.synthesize_batch([request])[0]


def kill(engine: HostedEngine) -> None:
    """As the kernel does it when memory runs out."""
    assert engine._process is not None
    os.killpg(engine._process.pid, signal.SIGKILL)


@needs_python
@pytest.mark.parametrize("system", ["cosyvoice-300m", "cosyvoice2-0.5b"])
def test_what_cannot_be_spoken_says_why(make: Make, tmp_path: Path, system: str) -> None:
    """A reason for each, and the engine goes on."""
    engine = make(system)
    engine.add_prompts(
        [
            prompt(tmp_path),
            prompt(tmp_path, "narrow", rate=8000),
            prompt(tmp_path, "long", seconds=31.0),
            prompt(tmp_path, "silent", level=0.0),
        ]
    )
    asked = {
        ("narrow", "Hello."): "prompt_low_rate",
        ("long", "Hello."): "prompt_too_long",
        ("silent", "Hello."): "prompt_silent",
        ("nobody", "Hello."): "unknown_voice",
        ("ann", ""): "empty_text",
        ("ann", "...!"): "no_letters",
        ("ann", "word " * 1000): "text_too_long",
    }
    answers = engine.synthesize_batch([ask(*each) for each in asked])

    assert [reason_of(answer) for answer in answers] == list(asked.values())
    assert isinstance(speech_of(engine, ask("ann", "Hello there, again.")), Speech)


@needs_python
@pytest.mark.parametrize("system", ["cosyvoice-300m", "cosyvoice2-0.5b", "fun-cosyvoice3-0.5b"])
def test_a_model_that_cannot_stop_is_flagged(make: Make, tmp_path: Path, system: str) -> None:
    """Random weights with a bias against the end run into the limit of 20 tokens a token."""
    engine = make(system, "--end-bias=-20")
    engine.add_prompts([prompt(tmp_path)])
    answers = engine.synthesize_batch([ask("ann", "Hello.", seed) for seed in range(3)])
    flags = [answer.flags for answer in answers if isinstance(answer, Speech)]

    assert flags
    assert all("runaway" in each for each in flags)


@needs_python
def test_a_model_folder_with_a_file_missing(make: Make, models: Any, tmp_path: Path) -> None:
    """The row says which, and nothing is downloaded in its place."""
    engine = make("cosyvoice2-0.5b", model=whole_but(models(2), tmp_path / "model", ""))
    engine.add_prompts([prompt(tmp_path)])
    assert engine.fingerprint()
    (tmp_path / "model" / "flow.pt").write_bytes(b"not a checkpoint")
    answer = speech_of(engine, ask("ann"))

    assert isinstance(answer, RecordRejected)
    assert reason_of(answer) == "engine_failed"


def whole_but(model: Path, copy: Path, name: str) -> Path:
    """A copy of a model folder without one file."""
    shutil.copytree(model, copy)
    if name:
        (copy / name).unlink()
    return copy


@needs_python
def test_upstreams_normaliser_is_looked_for(make: Make) -> None:
    """With wetext in the environment it is there, and the fingerprint says so."""
    engine = make("cosyvoice-300m-sft", text_frontend="true")

    assert engine.fingerprint()["text_frontend"] == "wetext"
    checks = {canary["name"]: canary for canary in engine.canaries()}
    assert checks["text front end"]["passed"], checks["text front end"]["detail"]
