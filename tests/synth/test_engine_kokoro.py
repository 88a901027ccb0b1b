"""Kokoro: the adapter against a stand-in with upstream's signatures, and against upstream itself.

The latter where ``MOSDATA_KOKORO_PYTHON`` names an environment that has it; its weights are random.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mosdata.errors import RecordRejected
from mosdata.synth.adapters import kokoro
from mosdata.synth.adapters.kit import LoadFailed, Rejected
from mosdata.synth.base import SpeechRequest
from mosdata.synth.hosting.settings import read_engines
from mosdata.synth.speak import speak
from mosdata.synth.systems import build_system
from mosdata.testing.engines import tiny_kokoro

PYTHON = os.environ.get("MOSDATA_KOKORO_PYTHON", "")
VOICES = ("af_ann", "bm_bob", "ff_zoe", "zf_mei")


class KModel:
    """Upstream's class as the adapter uses it: ``KModel(repo_id, config, model)``."""

    def __init__(self, repo_id: Any = None, config: Any = None, model: Any = None) -> None:
        assert repo_id == "local", "anything else could be fetched"
        assert model.endswith("model.pth")
        self.vocab = config["vocab"]
        self.context_length = 512

    def to(self, _device: str) -> KModel:
        """As torch has it."""
        return self

    def eval(self) -> KModel:
        """As torch has it."""
        return self

    def __call__(self, phonemes: str, ref_s: Any, speed: float = 1) -> Any:
        """Noise of the right length, around the mean of the voice."""
        import torch

        return torch.randn(int(2_400 * len(phonemes) / speed)) + ref_s.mean()


class EspeakG2P:
    """``misaki.espeak.EspeakG2P``: letters stand for their phonemes."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, text: str) -> tuple[str, None]:
        """Phonemes, and nothing."""
        return text.lower(), None


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A folder with the files of a real one."""
    import torch

    (tmp_path / "voices").mkdir()
    (tmp_path / "config.json").write_text(json.dumps(tiny_kokoro.CONFIG))
    (tmp_path / "model.pth").write_bytes(b"weights")
    for index, voice in enumerate(VOICES):
        torch.save(torch.full((510, 1, 256), float(index)), tmp_path / "voices" / f"{voice}.pt")
    return tmp_path


@pytest.fixture
def engine(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The adapter, loaded over the stand-in."""
    modules = {name: ModuleType(name) for name in ("kokoro", "misaki", "misaki.espeak")}
    modules["kokoro"].KModel = KModel  # type: ignore[attr-defined]
    modules["misaki.espeak"].EspeakG2P = EspeakG2P  # type: ignore[attr-defined]
    modules["misaki"].espeak = modules["misaki.espeak"]  # type: ignore[attr-defined]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    made = kokoro.build({"model_dir": str(model_dir), "g2p": "espeak"})
    before = made.describe()
    made.load()
    assert before == made.describe()
    return made


def say(engine: Any, text: str = "hello", voice: str = "af_ann", seed: int = 1) -> Any:
    """The samples of one request."""
    return engine.synthesize({"text": text, "voice": voice, "seed": seed})["samples"]


def test_voices_have_the_language_of_their_letter(engine: Any) -> None:
    """Those whose front end is not used here are not offered."""
    voices = {voice["name"]: voice["language"] for voice in engine.describe()["voices"]}

    assert {"af_ann": "en-US", "bm_bob": "en-GB", "ff_zoe": "fr-FR"} == voices


def test_requests_are_repeatable_and_voices_differ(engine: Any) -> None:
    """The seed is set for each request, and the voice asked for is the one that speaks."""
    one = say(engine)

    assert np.array_equal(one, say(engine))
    assert not np.array_equal(one, say(engine, seed=2))
    assert not np.array_equal(one, say(engine, voice="bm_bob"))
    assert np.float32 == one.dtype


@pytest.mark.parametrize(
    ("text", "voice", "reason"),
    [
        ("hello", "zf_mei", "unknown_voice"),
        ("...", "af_ann", "no_letters"),
        ("привет", "af_ann", "unspeakable_characters"),
        ("a" * 511, "af_ann", "text_too_long"),
    ],
)
def test_what_cannot_be_spoken_is_rejected(engine: Any, text: str, voice: str, reason: str) -> None:
    """Upstream drops unknown phonemes, and takes another voice's file from a hub."""
    with pytest.raises(Rejected) as rejected:
        say(engine, text, voice)

    assert rejected.value.reason == reason


def test_folders_that_cannot_be_used_say_why(model_dir: Path) -> None:
    """Two weights, no voice, no config, an option that is not known."""
    with pytest.raises(LoadFailed, match="no option 'pitch'"):
        kokoro.build({"model_dir": str(model_dir), "pitch": 1})
    (model_dir / "other.pth").write_bytes(b"")
    with pytest.raises(LoadFailed, match=r"one \*\.pth, not 2"):
        kokoro.build({"model_dir": str(model_dir)})
    (model_dir / "other.pth").unlink()
    for voice in VOICES:
        (model_dir / "voices" / f"{voice}.pt").unlink()
    with pytest.raises(LoadFailed, match="no voice that can be used"):
        kokoro.build({"model_dir": str(model_dir)})
    (model_dir / "config.json").unlink()
    with pytest.raises(LoadFailed, match=r"lacks config\.json"):
        kokoro.build({"model_dir": str(model_dir)})


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON, reason="MOSDATA_KOKORO_PYTHON names no environment with kokoro")
def test_upstream_speaks_from_random_weights(tmp_path: Path) -> None:
    """The real package, in its environment, behind its worker."""
    model = tmp_path / "model"
    subprocess.run([PYTHON, tiny_kokoro.__file__, "--out", str(model)], check=True)
    (tmp_path / "engines.toml").write_text(
        f'[engines."kokoro-82m"]\npython = "{PYTHON}"\nmodel_dir = "model"\n'
        'options = { g2p = "espeak" }\n'
    )
    engine = build_system("kokoro-82m", engines=read_engines(tmp_path / "engines.toml"))
    request = SpeechRequest(text="Hello there.", language="en", voice="af_tiny", seed=1)
    one, again = (speak(engine, request).clip for _ in range(2))

    assert 24_000 == one.sample_rate_hz
    assert np.array_equal(one.samples, again.samples)
    assert not np.array_equal(one.samples, speak(engine, replace(request, seed=2)).clip.samples)
    with pytest.raises(RecordRejected, match="no voice"):
        speak(engine, replace(request, voice="af_nobody"))
