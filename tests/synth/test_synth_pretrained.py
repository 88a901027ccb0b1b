"""Models of ``transformers`` from end to end: real code, real formats, tiny random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mosdata.synth.adapters.kit import LoadFailed, Rejected
from mosdata.testing.engines.pretrained import (
    bark_folder,
    fastspeech2_folder,
    speecht5_folder,
    vits_folder,
)

MAKERS: dict[str, Callable[[Path], Path]] = {
    "vits": vits_folder,
    "speecht5": speecht5_folder,
    "fastspeech2": fastspeech2_folder,
    "bark": bark_folder,
}
RATES = {"vits": 16_000, "speecht5": 16_000, "fastspeech2": 22_050, "bark": 24_000}
DRAWS = {"vits", "speecht5", "bark"}
"""Engines whose takes differ with the seed."""


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder of each kind."""
    root = tmp_path_factory.mktemp("models")
    return {name: make(root / name) for name, make in MAKERS.items()}


@pytest.fixture(scope="session")
def engines(folders: dict[str, Path]) -> dict[str, Any]:
    """Each engine, loaded."""
    made = {name: build(name, folder) for name, folder in folders.items()}
    for engine in made.values():
        engine.load()
    return made


def build(name: str, folder: Path, **options: Any) -> Any:
    """The adapter as the worker builds it."""
    module = import_module(f"mosdata.synth.adapters.{name}")
    given = {"system": name, "checkout": "", "model_dir": str(folder), "device": "cpu"}
    return module.build({**given, "dtype": "float32", **options})


def say(engine: Any, text: str = "hello there", *, seed: int = 1, voice: str = "") -> Any:
    """One request."""
    named = voice or engine.describe()["voices"][0]["name"]
    return engine.synthesize({"text": text, "language": "en", "voice": named, "seed": seed})


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_said_is_sound_at_the_rate_promised(name: str, engines: dict[str, Any]) -> None:
    """Float32, one channel, finite, audible, at the rate that was described before loading."""
    said = say(engines[name])

    assert RATES[name] == said["sample_rate_hz"] == engines[name].describe()["sample_rate_hz"]
    assert np.float32 == said["samples"].dtype
    assert said["samples"].ndim == 1
    assert np.isfinite(said["samples"]).all()
    assert np.abs(said["samples"]).max() > 1e-3


@pytest.mark.parametrize("name", MAKERS)
def test_a_request_depends_on_nothing_before_it(name: str, engines: dict[str, Any]) -> None:
    """The same request gives the same samples, whatever was said in between; seeds matter."""
    first = say(engines[name])["samples"]
    other = say(engines[name], seed=2)["samples"]
    say(engines[name], "something else entirely", seed=3)

    assert np.array_equal(first, say(engines[name])["samples"])
    assert (name in DRAWS) == (not np.array_equal(first, other))


@pytest.mark.parametrize("name", MAKERS)
def test_describing_needs_no_model_and_keeps_its_word(
    name: str, folders: dict[str, Path], engines: dict[str, Any]
) -> None:
    """Before and after loading the description is the same, and it is JSON."""
    before = build(name, folders[name]).describe()

    assert before == engines[name].describe()
    assert before == json.loads(json.dumps(before))


@pytest.mark.parametrize("name", MAKERS)
def test_canaries_pass(name: str, engines: dict[str, Any]) -> None:
    """Each engine's self-checks hold for any weights."""
    assert all(canary["passed"] for canary in engines[name].canaries())


@pytest.mark.parametrize("name", MAKERS)
def test_other_weights_are_another_fingerprint(name: str, tmp_path: Path) -> None:
    """One changed byte in the weights, or in the configuration, is another revision."""
    folder = MAKERS[name](tmp_path)
    before = build(name, folder).describe()["fingerprint"]
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    after = build(name, folder).describe()["fingerprint"]

    assert before["weights"] != after["weights"]
    assert before["config"] != after["config"]


@pytest.mark.parametrize("name", MAKERS)
def test_an_unknown_voice_is_never_another_one(name: str, engines: dict[str, Any]) -> None:
    """It is rejected, with the voices that there are."""
    with pytest.raises(Rejected, match="has no voice 'nobody'") as rejected:
        say(engines[name], voice="nobody")

    assert rejected.value.reason == "unknown_voice"


@pytest.mark.parametrize("name", MAKERS)
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    """A model folder that lacks one file says which, before anything is loaded."""
    folder = MAKERS[name](tmp_path)
    (folder / "config.json").unlink()
    with pytest.raises(LoadFailed, match=r"lacks config\.json"):
        build(name, folder)
    with pytest.raises(LoadFailed, match="there is no folder"):
        build(name, tmp_path / "nowhere")


@pytest.mark.parametrize("name", MAKERS)
def test_unknown_options_are_refused(name: str, folders: dict[str, Path]) -> None:
    """A typing error in the settings is no silent default."""
    with pytest.raises(LoadFailed, match="has no option 'noise'"):
        build(name, folders[name], noise=1)
    with pytest.raises(LoadFailed, match="dtype is 'int8'"):
        build(name, folders[name], dtype="int8")


def test_vits_loses_no_letter_in_silence(engines: dict[str, Any]) -> None:
    """Upstream's tokenizer drops letters that it does not know; here the text is rejected."""
    with pytest.raises(Rejected, match="é") as lost:
        say(engines["vits"], "café")
    with pytest.raises(Rejected) as empty:
        say(engines["vits"], "...")

    assert (lost.value.reason, empty.value.reason) == ("unspeakable_characters", "no_letters")


def test_vits_has_a_voice_for_each_speaker(tmp_path: Path) -> None:
    """The speakers of a model sound different and are named by their number."""
    engine = build("vits", vits_folder(tmp_path, num_speakers=3, language="deu"))
    engine.load()
    voices = engine.describe()["voices"]

    assert [{"name": f"speaker-{i}", "language": "de"} for i in range(3)] == voices
    one, two = (say(engine, voice=f"speaker-{i}")["samples"] for i in (0, 2))
    assert not np.array_equal(one, two)


def test_speecht5_tells_that_it_never_ended(engines: dict[str, Any]) -> None:
    """Random weights do not say when they have done: the cut is flagged as a runaway."""
    assert "runaway" in say(engines["speecht5"])["flags"]


def test_speecht5_speaks_with_the_voice_asked_for(engines: dict[str, Any]) -> None:
    """Two x-vectors, two voices."""
    one, two = (say(engines["speecht5"], voice=voice)["samples"] for voice in ("ann", "bob"))

    assert not np.array_equal(one, two)


def test_speecht5_names_what_its_folder_lacks(tmp_path: Path) -> None:
    """Vocoder and x-vectors are parts of the model."""
    folder = speecht5_folder(tmp_path)
    (folder / "vocoder" / "config.json").unlink()
    with pytest.raises(LoadFailed, match="no vocoder"):
        build("speecht5", folder)


def test_fastspeech2_reads_from_the_dictionary(engines: dict[str, Any]) -> None:
    """Words become their ARPAbet; a word that the dictionary lacks is named."""
    symbols = json.loads((engines["fastspeech2"].folder / "vocab.json").read_text())
    expected = [symbols[p] for p in ("HH", "AH0", "L", "OW1", ",", "D", "EY1", ".", "<sos/eos>")]

    assert expected == engines["fastspeech2"].ids("Hello; day.")
    with pytest.raises(Rejected, match="zyxwvut") as rejected:
        say(engines["fastspeech2"], "hello zyxwvut")
    assert rejected.value.reason == "unknown_words"


def test_bark_knows_its_presets_and_draws_others(engines: dict[str, Any]) -> None:
    """A preset has the language of its name; ``random`` reads any and differs by seed."""
    voices = {voice["name"]: voice["language"] for voice in engines["bark"].describe()["voices"]}

    assert {"v2/en_speaker_0": "en", "random": "mul"} == voices
    one, two = (say(engines["bark"], voice="random", seed=seed)["samples"] for seed in (1, 2))
    assert not np.array_equal(one, two)


def test_bark_reads_all_or_nothing(engines: dict[str, Any]) -> None:
    """More tokens than the model reads would be cut off: a wrong text on a clip."""
    with pytest.raises(Rejected, match="reads up to") as rejected:
        say(engines["bark"], "abcdefghij " * 30)

    assert rejected.value.reason == "text_too_long"


def test_another_preset_is_another_fingerprint(tmp_path: Path) -> None:
    """Presets are arrays beside the weights, and shape the sound as these do."""
    folder = bark_folder(tmp_path)
    before = build("bark", folder).describe()["fingerprint"]
    preset = next(iter((folder / "speaker_embeddings").glob("*_fine_prompt.npy")))
    np.save(preset, np.load(preset) + 1)

    assert before != build("bark", folder).describe()["fingerprint"]


def test_speecht5_loses_no_letter_in_silence(engines: dict[str, Any]) -> None:
    """Letters that its vocabulary lacks would all become the same token."""
    with pytest.raises(Rejected, match="é") as lost:
        say(engines["speecht5"], "café")

    assert lost.value.reason == "unspeakable_characters"
