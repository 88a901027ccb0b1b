"""Piper, installed from its lock by our own installer, from end to end with a tiny voice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mosdata.errors import RecordRejected
from mosdata.synth.adapters import piper
from mosdata.synth.adapters.kit import LoadFailed
from mosdata.synth.base import SpeechRequest, Synthesizer
from mosdata.synth.hosting.settings import read_engines
from mosdata.synth.speak import speak
from mosdata.synth.systems import build_system
from mosdata.testing.engines.tiny_piper import piper_folder
from tests.synth.environments import python_of

REQUEST = SpeechRequest(text="Hello there. How are you?", language="en", voice="tiny", seed=1)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Synthesizer:
    """The system ``piper-lessac-medium`` with a voice that hums."""
    folder = tmp_path_factory.mktemp("piper")
    settings = {"python": python_of("piper"), "model_dir": str(piper_folder(folder / "voices"))}
    lines = ['[engines."piper-lessac-medium"]']
    lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (folder / "engines.toml").write_text("\n".join(lines) + "\n")
    return build_system("piper-lessac-medium", engines=read_engines(folder / "engines.toml"))


@pytest.mark.slow
def test_a_text_becomes_sound(engine: Synthesizer) -> None:
    """Two sentences through Piper's own phonemes and ONNX Runtime, in another environment."""
    spoken = speak(engine, REQUEST)

    assert (22_050, True) == (spoken.clip.sample_rate_hz, spoken.clip.duration_s > 1)


@pytest.mark.slow
def test_noise_follows_the_seed_and_nothing_else(engine: Synthesizer) -> None:
    """ONNX Runtime seeds a node once in the life of a session; a request must not notice."""
    one = speak(engine, REQUEST).clip.samples
    other = speak(engine, replace(REQUEST, seed=2)).clip.samples
    again = speak(engine, REQUEST).clip.samples

    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.slow
def test_a_text_without_a_word_is_rejected(engine: Synthesizer) -> None:
    """The gates reject it before Piper sees it, and Piper's adapter would too."""
    with pytest.raises(RecordRejected) as rejected:
        engine.synthesize(replace(REQUEST, text="..."))

    assert rejected.value.reason == "no_letters"


def test_voices_are_those_of_the_folder(tmp_path: Path) -> None:
    """One for each file, or for each speaker in it; described without Piper."""
    piper_folder(tmp_path, voice="one")
    piper_folder(tmp_path, voice="two", speakers=("ann", "bob"))
    described = piper.build({"model_dir": str(tmp_path)}).describe()

    assert ["one", "two/ann", "two/bob"] == [voice["name"] for voice in described["voices"]]
    assert {"en-US"} == {voice["language"] for voice in described["voices"]}


def test_folders_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    """No voice, a voice without its JSON, two rates, a front end that would be fetched."""
    with pytest.raises(LoadFailed, match=r"no \*\.onnx"):
        piper.build({"model_dir": str(tmp_path)})
    about = piper_folder(tmp_path) / "tiny.onnx.json"
    facts = json.loads(about.read_text())
    about.write_text(json.dumps({**facts, "phoneme_type": "pinyin"}))
    with pytest.raises(LoadFailed, match="would fetch"):
        piper.build({"model_dir": str(tmp_path)})
    about.write_text(json.dumps({**facts, "audio": {"sample_rate": 16_000}}))
    piper_folder(tmp_path, voice="other")
    with pytest.raises(LoadFailed, match="several rates"):
        piper.build({"model_dir": str(tmp_path)})
    about.unlink()
    with pytest.raises(LoadFailed, match=r"needs tiny\.onnx\.json"):
        piper.build({"model_dir": str(tmp_path)})
