"""What tests of adapters share: stand-ins for upstream's packages, prompts, and real workers."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mosdata.synth.adapters.kit import Rejected
from mosdata.synth.hosting.worker_process import Launch, WorkerProcess, WorkerSaid
from tests.synth.signatures import read_contract, signatures, wanted_of

HERE = Path(__file__).parent

TRANSCRIPT = "Some call me nature, others call me mother nature."


@contextmanager
def stand_ins(*folders):
    """Let packages of ``tests/synth/stubs`` be imported, and forget them afterwards."""
    paths = [str(HERE / "stubs" / folder) for folder in folders]
    names = {child.stem for path in paths for child in Path(path).iterdir()}
    before, known = list(sys.path), set(sys.modules)
    sys.path[:0] = paths
    try:
        yield paths[-1]
    finally:
        sys.path[:] = before
        for name in set(sys.modules) - known:
            if name.partition(".")[0] in names:
                del sys.modules[name]


def check_signatures(engine, root):
    """What lies below a folder, upstream or a stand-in, has the signatures of the snapshot."""
    contract = read_contract(engine)

    assert contract["files"] == signatures(Path(root), wanted_of(contract))


def write_prompt(path, *, duration_s=4.0, rate=24_000, gain=0.3):
    """Noise with the level of speech; pauses are none, so that nobody trims it."""
    import soundfile

    samples = gain * np.random.default_rng(0).uniform(-1, 1, round(duration_s * rate))
    soundfile.write(path, samples, rate)
    return str(path)


def voice(path, *, name="ann", language="en", text=TRANSCRIPT):
    """A voice as the host gives it to an adapter."""
    return {"name": name, "language": language, "audio": path, "text": text}


BAD_PROMPTS = {
    "prompt_low_rate": {"rate": 8_000},
    "prompt_silent": {"gain": 0.0},
    "prompt_too_short": {"duration_s": 0.5},
}
"""Reason -> what is wrong with a recording, for every engine that clones."""


def check_bad_prompts(adapter, tmp_path):
    """Every recording that cannot be cloned is refused, each for its own reason."""
    for expected, faults in BAD_PROMPTS.items():
        path = write_prompt(tmp_path / f"{expected}.wav", **faults)
        with pytest.raises(Rejected) as refused:
            adapter.add_voice(voice(path))

        assert expected == refused.value.reason
    (tmp_path / "text.wav").write_text("this is no audio")
    for expected, path in (("prompt_unreadable", "text.wav"), ("prompt_missing", "none.wav")):
        with pytest.raises(Rejected) as refused:
            adapter.add_voice(voice(str(tmp_path / path)))

        assert expected == refused.value.reason


def refusal(adapter, text, **changes):
    """Why an adapter does not speak a text."""
    request = {"text": text, "language": "en", "voice": "ann", "seed": 1, "options": {}, **changes}
    with pytest.raises(Rejected) as refused:
        adapter.synthesize(request)
    return refused.value.reason


def say(adapter, text, **changes):
    """What an adapter says to a request."""
    request = {"text": text, "language": "en", "voice": "ann", "seed": 1, "options": {}, **changes}
    return adapter.synthesize(request)


class Hosted:
    """An adapter in a worker of its own, in its engine's environment."""

    def __init__(self, engine, python, options):
        self.process = WorkerProcess(Launch(system=engine, python=python, adapter=engine))
        self.described = self.process.ask("describe", deadline_s=120, options=options).header
        self.loaded = self.process.ask("load", deadline_s=280).header

    def add_voice(self, a_voice):
        """Add a voice; None, or why not."""
        try:
            self.process.ask("add_voice", deadline_s=60, voice=a_voice)
        except WorkerSaid as said:
            return said.reason
        return None

    def say(self, *texts, **changes):
        """Answers to several texts in one order: samples, or the reason of a refusal."""
        shared = {"language": "en", "voice": "ann", "seed": 1, "options": {}, **changes}
        requests = [{**shared, "text": text} for text in texts]
        answers = self.process.ask_each("synth", [120.0] * len(texts), requests=requests)
        return [said.reason if isinstance(said, WorkerSaid) else said.samples for said in answers]

    def canaries(self):
        """What the adapter checks of itself: name -> passed."""
        said = self.process.ask("canaries", deadline_s=280).header["canaries"]
        return {canary["name"]: canary["passed"] for canary in said}


def why_not_loaded(engine, python, options):
    """The message with which an engine refuses to start."""
    process = WorkerProcess(Launch(system=engine, python=python, adapter=engine))
    try:
        process.ask("describe", deadline_s=120, options=options)
        process.ask("load", deadline_s=280)
    except WorkerSaid as said:
        return str(said)
    finally:
        process.kill()
    return ""
