"""FireRedTTS-2: the adapter against a stand-in with upstream's signatures, and against a checkout.

The second part runs where ``MOSDATA_FIREREDTTS2_DIR`` names a checkout, with the Python of
``MOSDATA_FIREREDTTS2_PYTHON`` (an environment made from ``locks/fireredtts2.txt``).
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from mosdata.synth.adapters import fireredtts2
from mosdata.synth.adapters.kit import LoadFailed
from mosdata.synth.engines.fireredtts import SPEC_2
from mosdata.testing.engines.tiny_fireredtts2 import write_tiny_fireredtts2
from tests.synth import adapters as shared

SENTENCE = "The birch canoe slid on the smooth planks."

CHECKOUT = os.environ.get("MOSDATA_FIREREDTTS2_DIR", "")
PYTHON = os.environ.get("MOSDATA_FIREREDTTS2_PYTHON", sys.executable)

needs_checkout = pytest.mark.skipif(
    not CHECKOUT, reason="MOSDATA_FIREREDTTS2_DIR names no checkout of FireRedTTS-2"
)


@pytest.fixture
def folder(tmp_path):
    """A model folder of the stand-in."""
    import torch

    model = tmp_path / "model"
    (model / "Qwen2.5-1.5B").mkdir(parents=True)
    for name in ("config_llm.json", "config_codec.json", "Qwen2.5-1.5B/tokenizer.json"):
        (model / name).write_text("{}")
    torch.save({"model": torch.zeros(1)}, model / "llm_pretrain.pt")
    torch.save({"generator": torch.zeros(1)}, model / "codec.pt")
    return model


@pytest.fixture
def options(folder):
    """Options that find the stand-in."""
    return {"model_dir": str(folder), "checkout": str(shared.HERE / "stubs" / "FireRedTTS2")}


@pytest.fixture
def adapter(options, tmp_path):
    """A loaded adapter with one cloned voice."""
    with shared.stand_ins("common", "FireRedTTS2"):
        made = fireredtts2.build(options)
        made.load()
        made.add_voice(shared.voice(shared.write_prompt(tmp_path / "ann.wav")))
        yield made


def test_the_stand_in_has_the_signatures_of_upstream():
    """What the other tests show of the stand-in holds of the checkout."""
    shared.check_signatures("fireredtts2", shared.HERE / "stubs" / "FireRedTTS2")


def test_limits_and_files_are_those_of_the_spec():
    """The host and the adapter refuse the same prompts and look for the same files."""
    limits = {name: getattr(SPEC_2.prompt, name) for name in vars(fireredtts2.LIMITS)}
    options = fireredtts2.Options(model_dir="", checkout="")

    assert vars(fireredtts2.LIMITS) == limits
    assert fireredtts2.FILES == SPEC_2.checkpoints[0].files
    assert SPEC_2.sampling == {name: getattr(options, name) for name in SPEC_2.sampling}


@pytest.mark.parametrize(("name", "num_frames"), [("ann", 23), ("random", 25)])
def test_speech_is_float32_and_follows_the_seed(adapter, name, num_frames):
    """With a recording and without one; 24 kHz, whatever upstream's attribute says."""
    said, again, other = (shared.say(adapter, SENTENCE, voice=name, seed=n) for n in (7, 7, 8))

    assert (np.float32, (1920 * num_frames,)) == (said["samples"].dtype, said["samples"].shape)
    assert (24_000, []) == (said["sample_rate_hz"], said["flags"])
    assert np.array_equal(said["samples"], again["samples"])
    assert not np.array_equal(said["samples"], other["samples"])


def test_a_prompt_is_encoded_once(adapter):
    """Its codes are computed once a voice."""
    for text in (SENTENCE, "Again.", "And again."):
        shared.say(adapter, text)

    assert 1 == adapter._tts.num_encoded


@pytest.mark.parametrize(
    ("text", "expected"), [("my friend", "my friend"), ("My friend.", "My friend"), ("(oh)", "oh")]
)
def test_a_transcript_keeps_its_last_letter(adapter, tmp_path, text, expected):
    """Upstream takes the last character for a mark and drops it: there is always one."""
    adapter.add_voice(shared.voice(shared.write_prompt(tmp_path / "b.wav"), text=text, name="bob"))
    shared.say(adapter, SENTENCE, voice="bob")

    assert (SENTENCE, expected) == adapter._tts.spoken[-1]


def test_short_speech_is_made_again_but_not_for_ever(adapter):
    """Nothing, one second, then enough; and after as many attempts as allowed a refusal."""
    adapter._tts.lengths = [0, 12, 18, 30]

    assert (28 * 1920,) == shared.say(adapter, SENTENCE)["samples"].shape

    adapter._tts.lengths = [18] * 8 + [30]

    assert "too_short" == shared.refusal(adapter, SENTENCE)
    assert [30] == adapter._tts.lengths


def test_nothing_said_by_a_drawn_speaker_is_refused(adapter):
    """Without a recording upstream does not try again; there is no clip."""
    adapter._tts.lengths = [0]

    assert "empty_audio" == shared.refusal(adapter, SENTENCE, voice="random")


@pytest.mark.parametrize(
    ("voice", "length", "expected"),
    [("ann", 374, []), ("ann", 400, ["runaway"]), ("random", 375, ["runaway"])],
)
def test_speech_that_goes_on_to_the_limit_is_flagged(adapter, voice, length, expected):
    """30 s for a sentence is babble: data, but marked."""
    adapter._tts.lengths = [length]

    assert expected == shared.say(adapter, SENTENCE, voice=voice)["flags"]


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("", {}, "no_letters"),
        ("?!...", {}, "no_letters"),
        ("Yes <|breath|> no", {}, "control_tokens"),
        (f"{SENTENCE} " * 10, {}, "text_too_long"),
        ("a" * 5000, {}, "text_too_long"),
        (SENTENCE, {"voice": "bob"}, "unknown_voice"),
    ],
)
def test_what_cannot_be_spoken_is_refused(adapter, text, changes, expected):
    """Nothing is obeyed, cut or spoken by somebody else in silence."""
    assert expected == shared.refusal(adapter, text, **changes)


def test_lost_letters_are_refused(adapter, monkeypatch):
    """Marks and emojis may go; words may not."""
    shared.say(adapter, "(Yes) \N{GRINNING FACE} no.")
    spliter = sys.modules["fireredtts2.utils.spliter"]
    monkeypatch.setattr(spliter, "split_text", lambda text, length: [text[: min(length, 9)]])

    assert "text_lost" == shared.refusal(adapter, SENTENCE)


def test_bad_prompts_are_refused(adapter, tmp_path):
    """8 kHz, silence, too short, no audio, too long, no transcript: each with its own reason."""
    shared.check_bad_prompts(adapter, tmp_path)
    long = shared.write_prompt(tmp_path / "long.wav", duration_s=30.1, rate=16_000)
    with pytest.raises(fireredtts2.Rejected, match=r"30\.10 s; allowed: up to 30\.0 s"):
        adapter.add_voice(shared.voice(long))
    with pytest.raises(fireredtts2.Rejected, match="has no transcript"):
        adapter.add_voice(shared.voice(shared.write_prompt(tmp_path / "short.wav"), text=""))


def test_the_fingerprint_is_the_same_before_and_after_loading(options):
    """What a run is called does not depend on when it is asked."""
    with shared.stand_ins("common", "FireRedTTS2"):
        made = fireredtts2.build(options)
        before = made.describe()
        made.load()

        assert before == made.describe()
        assert {"llm_pretrain.pt", "codec.pt", "Qwen2.5-1.5B/tokenizer.json"} == set(
            before["fingerprint"]["weights"]
        )


class _Innocent:
    """What stands in a checkpoint that holds more than tensors."""


def test_what_upstream_would_unpickle_is_refused_by_name(options, folder):
    """``weights_only=False`` is upstream's word, not ours."""
    with (folder / "llm_pretrain.pt").open("wb") as file:
        pickle.dump(_Innocent(), file, protocol=2)
    message = r"llm_pretrain\.pt holds more than tensors.*convert it once"
    with shared.stand_ins("common", "FireRedTTS2"), pytest.raises(LoadFailed, match=message):
        fireredtts2.build(options).load()


def test_what_is_missing_or_wrong_is_named(options, folder):
    """A file, the checkout, an option, a type."""

    def fails(message, **changes):
        with shared.stand_ins("common", "FireRedTTS2"), pytest.raises(LoadFailed, match=message):
            fireredtts2.build({**options, **changes}).load()

    fails("git clone https://github.com/FireRedTeam/FireRedTTS2", checkout=str(folder))
    fails("has no option 'top_k'", top_k=1)
    fails("allowed: float32, bfloat16", dtype="float16")
    fails("bfloat16 needs device cuda", dtype="bfloat16")
    fails("topk 0", topk=0)
    (folder / "codec.pt").unlink()
    fails(r"lacks codec\.pt")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Options for a model folder with random weights and a checkout that knows its size."""
    folder = tmp_path_factory.mktemp("fireredtts2")
    model_dir, checkout = write_tiny_fireredtts2(PYTHON, Path(CHECKOUT), folder)
    return {"model_dir": str(model_dir), "checkout": str(checkout)}


@pytest.fixture(scope="session")
def hosted(tiny, tmp_path_factory):
    """The engine in its worker, loaded, with one cloned voice."""
    made = shared.Hosted("fireredtts2", PYTHON, tiny)
    path = shared.write_prompt(tmp_path_factory.mktemp("prompt") / "ann.wav", duration_s=2.0)

    assert made.add_voice(shared.voice(path)) is None
    yield made
    made.process.close()


@needs_checkout
def test_the_snapshot_is_upstreams():
    """The signatures that were committed are those of the checkout."""
    shared.check_signatures("fireredtts2", CHECKOUT)


@needs_checkout
@pytest.mark.slow
def test_fireredtts2_speaks_from_a_tiny_folder(hosted):
    """From text to samples through all of upstream: 1,920 samples a frame."""
    cloned, drawn = hosted.say(SENTENCE, seed=3)[0], hosted.say(SENTENCE, seed=3, voice="random")[0]

    assert hosted.described["fingerprint"] == hosted.loaded["fingerprint"]
    assert np.float32 == cloned.dtype == drawn.dtype
    assert 0 == len(cloned) % 1920 == len(drawn) % 1920
    assert 17 * 1920 <= len(cloned)
    assert 1e-3 < np.abs(cloned).max() <= 1.0


@needs_checkout
@pytest.mark.slow
def test_fireredtts2_says_the_same_in_every_batch_and_order(hosted):
    """A request gives its samples alone, in a batch, after others and after a refusal."""
    texts = [SENTENCE, "Glue the sheet.", "..."]
    together = hosted.say(*texts, seed=5)
    alone = [hosted.say(text, seed=5)[0] for text in reversed(texts)][::-1]
    other = hosted.say(SENTENCE, seed=6)[0]

    assert together[2] == alone[2] == "no_letters"
    assert all(np.array_equal(a, b) for a, b in zip(together[:2], alone[:2], strict=True))
    assert not np.array_equal(other, together[0])


@needs_checkout
@pytest.mark.slow
def test_fireredtts2_passes_its_canaries(hosted):
    """No sentence is lost, the cache changes nothing, the same seed gives the same samples."""
    expected = dict.fromkeys(
        ("no sentence is lost", "step by step equals at once", "same seed, same samples"), True
    )

    assert expected == hosted.canaries()


@needs_checkout
@pytest.mark.slow
def test_fireredtts2_refuses_by_name(hosted, tmp_path):
    """Bad texts and prompts are refused with their reasons, and the worker goes on."""
    faults = {**shared.BAD_PROMPTS, "prompt_too_long": {"duration_s": 30.1, "rate": 16_000}}
    prompts = {
        reason: hosted.add_voice(shared.voice(shared.write_prompt(tmp_path / f"{n}.wav", **fault)))
        for n, (reason, fault) in enumerate(faults.items())
    }
    texts = hosted.say("hello " * 900, "a <|breath|> b")
    (unknown,) = hosted.say(SENTENCE, voice="bob")

    assert {reason: reason for reason in prompts} == prompts
    assert ["text_too_long", "control_tokens"] == texts
    assert "unknown_voice" == unknown
    assert np.float32 == hosted.say(SENTENCE)[0].dtype


@needs_checkout
@pytest.mark.slow
def test_fireredtts2_names_the_file_that_is_missing(tiny, tmp_path):
    """A folder with one file missing starts nothing, and says which."""
    (tmp_path / "model").mkdir()
    for path in Path(tiny["model_dir"]).iterdir():
        if path.name != "codec.pt":
            (tmp_path / "model" / path.name).symlink_to(path)
    options = {**tiny, "model_dir": str(tmp_path / "model")}

    assert "lacks codec.pt" in shared.why_not_loaded("fireredtts2", PYTHON, options)
