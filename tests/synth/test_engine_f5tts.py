"""F5-TTS: the adapter against a stand-in with upstream's signatures, and against the package.

The package comes from PyPI into an environment of its own, which the test makes and keeps beside
those of other engines: F5-TTS and what mosdata's own environment lacks, a few megabytes, on top of
torch, transformers and librosa from there.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from mosdata.synth.adapters import f5tts
from mosdata.synth.adapters.kit import LoadFailed
from mosdata.synth.engines.f5tts import SPEC
from mosdata.testing.engines.tiny_f5tts import OPTIONS, write_tiny_f5tts
from tests.synth import adapters as shared
from tests.synth.environments import KEPT

SENTENCE = "The birch canoe slid on the smooth planks."

FILES = ("model_1250000.safetensors", "vocos/config.yaml", "vocos/pytorch_model.bin")

PINNED = (
    *("audioop-lts", "einops", "einx", "encodec", "f5-tts", "frozendict", "loguru", "pydub"),
    *(
        "pypinyin",
        "rjieba",
        "torch-einops-utils",
        "torchaudio",
        "torchdiffeq",
        "vocos",
        "x-transformers",
    ),
)
"""What F5-TTS needs to speak and mosdata's own environment lacks; pins come from the lock file."""


@pytest.fixture
def folder(tmp_path):
    """A model folder of the stand-in."""
    (tmp_path / "model" / "vocos").mkdir(parents=True)
    for name in FILES:
        (tmp_path / "model" / name).write_text(name)
    return tmp_path / "model"


@pytest.fixture
def adapter(folder, tmp_path):
    """A loaded adapter with one voice."""
    with shared.stand_ins("common", "f5"):
        made = f5tts.build({"model_dir": str(folder)})
        made.load()
        made.add_voice(shared.voice(shared.write_prompt(tmp_path / "ann.wav")))
        yield made


def test_the_stand_in_has_the_signatures_of_upstream():
    """What the other tests show of the stand-in holds of the package."""
    shared.check_signatures("f5tts", shared.HERE / "stubs" / "f5")


def test_limits_and_files_are_those_of_the_spec():
    """The host and the adapter refuse the same prompts and look for the same files."""
    limits = {name: getattr(SPEC.prompt, name) for name in vars(f5tts.LIMITS)}
    options = f5tts.Options(model_dir="")

    assert vars(f5tts.LIMITS) == limits
    assert {options.ckpt_file, *SPEC.checkpoints[0].files} == {*FILES}
    assert SPEC.sampling == {name: getattr(options, name) for name in SPEC.sampling}


def test_speech_is_float32_and_follows_the_seed(adapter):
    """Upstream's float64 becomes float32; the same request gives the same samples."""
    said, again, other = (shared.say(adapter, SENTENCE, seed=seed) for seed in (7, 7, 8))

    assert np.float32 == said["samples"].dtype
    assert (1200 * len(SENTENCE),) == said["samples"].shape
    assert np.array_equal(said["samples"], again["samples"])
    assert not np.array_equal(said["samples"], other["samples"])


def test_a_prompt_is_prepared_once_and_leaves_nothing(adapter, tmp_path, monkeypatch):
    """Upstream's temporary file and its cache are gone; the transcript ends as upstream wants."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    upstream = sys.modules["f5_tts.infer.utils_infer"]
    shared.say(adapter, SENTENCE)
    monkeypatch.setattr(upstream, "preprocess_ref_audio_text", None)
    shared.say(adapter, SENTENCE)

    assert [] == list((tmp_path / "temporary").iterdir())
    assert {} == upstream._ref_audio_cache
    assert f"{shared.TRANSCRIPT} " == upstream.seen["ref_text"]


def test_the_trainer_is_not_imported(adapter):
    """Nobody needs wandb to speak: upstream's trainer stays out."""
    assert sys.modules["f5_tts.model.trainer"].Trainer is None


def test_torchaudio_reads_through_soundfile(adapter, tmp_path):
    """The same samples with every torchaudio, and no FFmpeg."""
    import soundfile

    path = shared.write_prompt(tmp_path / "read.wav", duration_s=0.1)
    read, rate = sys.modules["torchaudio"].load(path)

    assert 24_000 == rate
    assert np.array_equal(soundfile.read(path, dtype="float32")[0][None], read.numpy())


def test_bad_prompts_are_refused(adapter, tmp_path):
    """8 kHz, silence, too short, no audio: each with its own reason."""
    shared.check_bad_prompts(adapter, tmp_path)


def test_a_long_prompt_and_one_without_transcript_are_refused(adapter, tmp_path):
    """Upstream clips the one but not its transcript, and downloads a recogniser for the other."""
    long = shared.write_prompt(tmp_path / "long.wav", duration_s=12.01)
    short = shared.write_prompt(tmp_path / "short.wav", duration_s=12.0)
    with pytest.raises(f5tts.Rejected, match=r"12\.01 s; allowed: up to 12\.0 s"):
        adapter.add_voice(shared.voice(long))
    with pytest.raises(f5tts.Rejected, match="has no transcript"):
        adapter.add_voice(shared.voice(short, text=" . "))
    adapter.add_voice(shared.voice(short))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no_letters"),
        ("... !?", "no_letters"),
        ("Жук", "unspeakable_characters"),
        ("nothing", "empty_audio"),
        (f"{SENTENCE} " * 120, "text_too_long"),
        ("a" * 5000, "text_too_long"),
    ],
)
def test_what_cannot_be_spoken_is_refused(adapter, text, expected):
    """Nothing is guessed, clipped or left out in silence."""
    assert expected == shared.refusal(adapter, text)


def test_an_unknown_voice_is_never_another_one(adapter):
    """The voice before is not used again."""
    assert "unknown_voice" == shared.refusal(adapter, SENTENCE, voice="bob")


def test_one_call_is_one_chunk(adapter):
    """Just as much as upstream speaks at once is spoken; one byte more is refused."""
    duration_s = 4.0
    limit = int(len(f"{shared.TRANSCRIPT} ") / duration_s * (22 - duration_s))
    shared.say(adapter, "a" * limit)
    batches = sys.modules["f5_tts.infer.utils_infer"].seen["batches"]

    assert ["a" * limit] == batches
    assert "text_too_long" == shared.refusal(adapter, "a" * (limit + 1))


def test_the_fingerprint_is_the_same_before_and_after_loading(folder):
    """What a run is called does not depend on when it is asked."""
    with shared.stand_ins("common", "f5"):
        made = f5tts.build({"model_dir": str(folder), "nfe_step": 16})
        before = made.describe()
        made.load()

        assert before == made.describe()
        assert 16 == before["fingerprint"]["sampling"]["nfe_step"]
        assert "1.1.22" == before["fingerprint"]["upstream"]["version"]
        assert {*FILES, "vocab.txt"} == set(before["fingerprint"]["weights"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "float32"),
        ({"device": "cuda"}, "float16"),
        ({"device": "cuda", "dtype": "float32"}, "float32"),
    ],
)
def test_the_type_is_upstreams_choice_unless_it_is_given(folder, options, expected):
    """float16 on a GPU, as upstream; always in the fingerprint."""
    with shared.stand_ins("common", "f5"):
        made = f5tts.build({"model_dir": str(folder), **options})

        assert expected == made.describe()["fingerprint"]["dtype"]


def test_the_model_is_loaded_in_the_type_that_was_promised(folder):
    """Upstream picks one by the GPU that it finds; the option wins."""
    import torch

    with shared.stand_ins("common", "f5"):
        made = f5tts.build({"model_dir": str(folder), "dtype": "bfloat16"})
        made.load()

        assert torch.bfloat16 == made._model.dtype


def _fails(folder, message, **options):
    with shared.stand_ins("common", "f5"), pytest.raises(LoadFailed, match=message):
        f5tts.build({"model_dir": str(folder), **options}).load()


def test_what_is_missing_is_named(folder, monkeypatch):
    """A file, a folder, an option, a model, the package."""
    (folder / "vocos" / "pytorch_model.bin").rename(folder / "kept")
    _fails(folder, r"lacks vocos/pytorch_model\.bin")
    _fails(folder.parent / "none", "there is no folder")
    (folder / "kept").rename(folder / "vocos" / "pytorch_model.bin")
    _fails(folder, "has no option 'nfe_steps'", nfe_steps=3)
    _fails(folder, "has no model 'F5TTS_v2'. Known: F5TTS_Base_bigvgan, F5TTS_v1", model="F5TTS_v2")
    _fails(folder, "is for bigvgan at 24000 Hz", model="F5TTS_Base_bigvgan")
    _fails(folder, "nfe_step from 1 to 256", nfe_step=0)
    with pytest.raises(LoadFailed, match="f5-tts is not installed"):
        f5tts.build({"model_dir": str(folder)}).describe()


def test_a_checkpoint_of_another_size_is_named(folder):
    """Upstream names tensors; the message names the folder too."""
    (folder / "model_1250000.safetensors").write_text("size mismatch")
    _fails(folder, r"model does not fit F5TTS_v1_Base\.yaml: .*size mismatch")


def test_an_upstream_that_changed_is_refused(folder, monkeypatch):
    """A parameter that is gone would be an option without effect, or an error in every row."""
    with shared.stand_ins("common", "f5"):
        upstream = f5tts._import_upstream()
        monkeypatch.setattr(upstream, "chunk_text", lambda text: [text])
        with pytest.raises(LoadFailed, match="chunk_text has no parameter max_chars"):
            f5tts.build({"model_dir": str(folder)}).load()


def test_the_canaries_notice(adapter, monkeypatch):
    """They pass on the stand-in, and each fails when what it watches breaks."""
    upstream = sys.modules["f5_tts.infer.utils_infer"]
    monkeypatch.setattr(adapter, "_probe", lambda: adapter._prepare(adapter._prompts["ann"]))
    ok = {canary["name"]: canary["passed"] for canary in adapter.canaries()}
    monkeypatch.setattr(upstream, "chunk_text", lambda text, **_: [text])
    monkeypatch.setattr(upstream, "convert_char_to_pinyin", lambda *_: [[" "]])
    monkeypatch.setattr(f5tts, "seed_everything", lambda *_: None)
    broken = {canary["name"]: canary["passed"] for canary in adapter.canaries()}

    assert {"single chunk", "same seed, same samples", "pinyin"} == set(ok)
    assert all(ok.values())
    assert not any(broken.values())


def _pins():
    """Pins of the lock file for what this environment lacks."""
    lock = Path(f5tts.__file__).parents[1] / "engines" / "locks" / SPEC.lock
    return [line for line in lock.read_text().splitlines() if line.partition("==")[0] in PINNED]


def _core_packages():
    """Folder of torch and the others that are shared."""
    import torch

    return str(Path(torch.__file__).parents[1])


@pytest.fixture(scope="session")
def f5_python():
    """Interpreter of an environment with F5-TTS from PyPI; made once, then kept."""
    key = "\n".join([*_pins(), sys.version, _core_packages()])
    folder = KEPT / f"f5tts-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not folder.exists():
        _make_environment(folder)
    return str(folder / "bin" / "python")


def _make_environment(folder):
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    venv.create(unfinished, with_pip=False, symlinks=True)
    (site,) = unfinished.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site)]
    done = subprocess.run([*pip, *_pins()], capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(unfinished)
        told = f"F5-TTS cannot be installed from PyPI: {done.stderr[-1000:]}"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    (site / "core.pth").write_text(f"{_core_packages()}\n")
    try:
        unfinished.rename(folder)
    except OSError:  # another worker was faster
        shutil.rmtree(unfinished)


@pytest.fixture(scope="session")
def tiny(f5_python, tmp_path_factory):
    """A model folder with random weights, written by upstream's own classes."""
    return write_tiny_f5tts(f5_python, tmp_path_factory.mktemp("f5") / "tiny")


@pytest.fixture(scope="session")
def hosted(f5_python, tiny, tmp_path_factory):
    """The engine in its worker, loaded, with one voice."""
    made = shared.Hosted("f5tts", f5_python, {"model_dir": str(tiny), **OPTIONS})
    path = shared.write_prompt(tmp_path_factory.mktemp("prompt") / "ann.wav")

    assert made.add_voice(shared.voice(path)) is None
    yield made
    made.process.close()


@pytest.mark.slow
def test_the_snapshot_is_upstreams(f5_python):
    """The signatures that were committed are those of the package on PyPI."""
    (site,) = Path(f5_python).parents[1].glob("lib/python*/site-packages")
    shared.check_signatures("f5tts", site)


@pytest.mark.slow
def test_f5tts_speaks_from_a_tiny_folder(hosted):
    """From text to samples through all of upstream: just as long as its formula says."""
    (samples,) = hosted.say(SENTENCE)
    prompt_frames = round(24_000 * (4.0 + 0.05)) // 256  # it adds 50 ms of silence
    prompt_bytes = len(f"{shared.TRANSCRIPT}  ")  # and a space, twice
    num_frames = int(prompt_frames / prompt_bytes * len(SENTENCE))

    assert hosted.described["fingerprint"] == hosted.loaded["fingerprint"]
    assert np.float32 == samples.dtype
    assert 256 * (num_frames - 1) == len(samples)
    assert 1e-3 < np.abs(samples).max() <= 1.0


@pytest.mark.slow
def test_f5tts_says_the_same_in_every_batch_and_order(hosted):
    """A request gives its samples alone, in a batch, after others and after a refusal."""
    texts = [SENTENCE, "Glue the sheet.", "你好。", "..."]
    together = hosted.say(*texts, seed=5)
    alone = [hosted.say(text, seed=5)[0] for text in reversed(texts)][::-1]
    (other,) = hosted.say(SENTENCE, seed=6)

    assert together[3] == alone[3] == "no_letters"
    assert all(np.array_equal(a, b) for a, b in zip(together[:3], alone[:3], strict=True))
    assert other.shape == together[0].shape
    assert not np.array_equal(other, together[0])


@pytest.mark.slow
def test_f5tts_passes_its_canaries(hosted):
    """Single chunk, same seed, pinyin: with the package, on any weights."""
    assert {"single chunk": True, "same seed, same samples": True, "pinyin": True} == (
        hosted.canaries()
    )


@pytest.mark.slow
def test_f5tts_refuses_by_name(hosted, tmp_path):
    """Bad texts and prompts are refused with their reasons, and the worker goes on."""
    prompts = {
        reason: hosted.add_voice(shared.voice(shared.write_prompt(tmp_path / f"{n}.wav", **faults)))
        for n, (reason, faults) in enumerate(
            {**shared.BAD_PROMPTS, "prompt_too_long": {"duration_s": 12.1}}.items()
        )
    }
    untold = hosted.add_voice(shared.voice(shared.write_prompt(tmp_path / "t.wav"), text=""))
    texts = hosted.say("x" * 5000, "ऄ", "Emoji 😀 stay silent.")
    (unknown,) = hosted.say(SENTENCE, voice="bob")

    assert {reason: reason for reason in prompts} == prompts
    assert "prompt_without_text" == untold
    assert ["text_too_long", "unspeakable_characters"] == texts[:2]
    assert "unknown_voice" == unknown
    assert np.float32 == texts[2].dtype


@pytest.mark.slow
def test_f5tts_leaves_no_file(hosted, tmp_path):
    """Upstream's temporary prompts are gone while the worker lives."""
    hosted.add_voice(shared.voice(shared.write_prompt(tmp_path / "b.wav"), name="bob"))
    hosted.say("One more.", voice="bob")

    assert [] == list(Path(hosted.process._folder).rglob("*.wav"))


@pytest.mark.slow
def test_f5tts_names_the_file_that_is_missing(f5_python, tiny, tmp_path):
    """A folder with one file missing starts nothing, and says which."""
    shutil.copytree(tiny, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").unlink()
    said = shared.why_not_loaded(
        "f5tts", f5_python, {"model_dir": str(tmp_path / "broken"), **OPTIONS}
    )

    assert re.search(r"broken lacks model\.safetensors", said)
