"""FireRedTTS: the adapter against a stand-in with upstream's signatures, and against a checkout.

The second part runs where ``MOSDATA_FIREREDTTS_DIR`` names a checkout, with the Python of
``MOSDATA_FIREREDTTS_PYTHON`` (an environment made from ``locks/fireredtts.txt``).
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from mosdata.synth.adapters import fireredtts
from mosdata.synth.adapters.kit import LoadFailed
from mosdata.synth.engines.fireredtts import SPEC
from mosdata.testing.engines.tiny_fireredtts import OPTIONS, write_tiny_fireredtts
from tests.synth import adapters as shared

SENTENCE = "The birch canoe slid on the smooth planks."

CHECKOUT = os.environ.get("MOSDATA_FIREREDTTS_DIR", "")
PYTHON = os.environ.get("MOSDATA_FIREREDTTS_PYTHON", sys.executable)

needs_checkout = pytest.mark.skipif(
    not CHECKOUT, reason="MOSDATA_FIREREDTTS_DIR names no checkout of FireRedTTS"
)


@pytest.fixture
def folder(tmp_path):
    """A model folder of the stand-in: three files of tensors."""
    import torch

    (tmp_path / "model").mkdir()
    for name in fireredtts.FILES:
        torch.save({"model": torch.zeros(1)}, tmp_path / "model" / name)
    return tmp_path / "model"


@pytest.fixture
def options(folder):
    """Options that find the stand-in."""
    return {"model_dir": str(folder), "checkout": str(shared.HERE / "stubs" / "FireRedTTS")}


@pytest.fixture
def adapter(options, tmp_path):
    """A loaded adapter with one voice."""
    with shared.stand_ins("common", "FireRedTTS"):
        made = fireredtts.build(options)
        made.load()
        made.add_voice(shared.voice(shared.write_prompt(tmp_path / "ann.wav"), text=""))
        yield made


def test_the_stand_in_has_the_signatures_of_upstream():
    """What the other tests show of the stand-in holds of the checkout."""
    shared.check_signatures("fireredtts", shared.HERE / "stubs" / "FireRedTTS")


def test_limits_and_files_are_those_of_the_spec():
    """The host and the adapter refuse the same prompts and look for the same files."""
    limits = {name: getattr(SPEC.prompt, name) for name in vars(fireredtts.LIMITS)}

    assert vars(fireredtts.LIMITS) == limits
    assert fireredtts.FILES == SPEC.checkpoints[0].files
    assert fireredtts.LANGUAGES == SPEC.checkpoints[0].languages


def test_speech_is_float32_and_follows_the_seed(adapter):
    """The same request gives the same samples, and the model is called once, with one piece."""
    said, again, other = (shared.say(adapter, SENTENCE, seed=seed) for seed in (7, 7, 8))

    assert (np.float32, (24_000,), []) == (
        said["samples"].dtype,
        said["samples"].shape,
        said["flags"],
    )
    assert np.array_equal(said["samples"], again["samples"])
    assert not np.array_equal(said["samples"], other["samples"])
    assert [(SENTENCE, "en")] * 3 == adapter._tts.calls


def test_a_prompt_is_encoded_once(adapter):
    """The speaker's vector is computed once a voice, on the device that was asked for."""
    seen = sys.modules["fireredtts.utils.utils"].seen
    seen.clear()
    for text in (SENTENCE, "Again.", "And again."):
        shared.say(adapter, text)

    assert 1 == len(seen)


@pytest.mark.parametrize(("num_failures", "expected"), [(1, "spoken"), (2, "spoken"), (3, "no")])
def test_what_never_ends_is_tried_again_with_other_seeds(adapter, num_failures, expected):
    """A candidate without an end costs an attempt, not the row; the result follows the seed."""
    adapter._tts.failures = num_failures
    if expected == "no":
        assert "runaway" == shared.refusal(adapter, SENTENCE)
        return
    said = shared.say(adapter, SENTENCE)["samples"]
    adapter._tts.failures = num_failures

    assert np.array_equal(said, shared.say(adapter, SENTENCE)["samples"])
    assert not np.array_equal(said, shared.say(adapter, SENTENCE)["samples"])


@pytest.mark.parametrize(("num_codes", "expected"), [(599, []), (600, ["runaway"])])
def test_speech_that_goes_on_to_the_limit_is_flagged(adapter, num_codes, expected):
    """24 s for a sentence is babble: data, but marked."""
    adapter._tts.num_codes = num_codes

    assert expected == shared.say(adapter, SENTENCE)["flags"]


def test_other_errors_are_not_taken_for_missing_ends(adapter, monkeypatch):
    """Only upstream's own mistake is tried again."""

    def fails(**_):
        raise IndexError("list index out of range")

    monkeypatch.setattr(adapter._tts, "synthesize_base", fails)
    with pytest.raises(IndexError, match="list index"):
        shared.say(adapter, SENTENCE)


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("", {}, "no_letters"),
        ("?!...", {}, "no_letters"),
        ("Straße", {}, "text_lost"),
        ("Жук", {}, "text_lost"),
        (f"{SENTENCE} " * 120, {}, "text_too_long"),
        ("hello " * 90, {}, "text_too_long"),
        (SENTENCE, {"language": "de"}, "unsupported_language"),
        (SENTENCE, {"voice": "bob"}, "unknown_voice"),
    ],
)
def test_what_cannot_be_spoken_is_refused(adapter, text, changes, expected):
    """Nothing is deleted, cut or spoken by somebody else in silence."""
    assert expected == shared.refusal(adapter, text, **changes)


def test_nothing_said_is_refused(adapter):
    """Where the chosen candidate is empty in every attempt there is no clip."""
    adapter._tts.num_codes = 0

    assert "empty_audio" == shared.refusal(adapter, SENTENCE)


@pytest.mark.parametrize(
    ("tag", "expected"), [("cmn-Hans", "zh"), ("zh-CN", "zh"), ("en_GB", "en")]
)
def test_language_tags_are_read(adapter, tag, expected):
    """Upstream knows two names; ours are BCP 47."""
    shared.say(adapter, "你好", language=tag)

    assert ("你好", expected) == adapter._tts.calls[-1]


def test_bad_prompts_are_refused(adapter, tmp_path):
    """8 kHz, silence, too short, no audio, too long: each with its own reason."""
    shared.check_bad_prompts(adapter, tmp_path)
    long = shared.write_prompt(tmp_path / "long.wav", duration_s=30.1, rate=16_000)
    with pytest.raises(fireredtts.Rejected, match=r"30\.10 s; allowed: up to 30\.0 s"):
        adapter.add_voice(shared.voice(long))


def test_the_fingerprint_is_the_same_before_and_after_loading(options):
    """What a run is called does not depend on when it is asked; a changed line of code shows."""
    with shared.stand_ins("common", "FireRedTTS"):
        made = fireredtts.build(options)
        before = made.describe()
        made.load()

        assert before == made.describe()
        assert {*fireredtts.FILES, *fireredtts.TABLES} == set(before["fingerprint"]["weights"])


class _Innocent:
    """What stands in a checkpoint that holds more than tensors."""


def test_a_pickle_that_needs_more_than_tensors_is_refused_by_name(options, folder):
    """Nothing of others is unpickled; the message names the file and a way out."""
    with (folder / "fireredtts_speaker.bin").open("wb") as file:
        pickle.dump(_Innocent(), file)
    message = r"fireredtts_speaker\.bin holds more than tensors.*convert it once"
    with shared.stand_ins("common", "FireRedTTS"), pytest.raises(LoadFailed, match=message):
        fireredtts.build(options).load()


def test_what_is_missing_is_named(options, folder):
    """A file, the checkout, an option, a type."""

    def fails(message, **changes):
        with shared.stand_ins("common", "FireRedTTS"), pytest.raises(LoadFailed, match=message):
            fireredtts.build({**options, **changes}).load()

    fails("git clone https://github.com/FireRedTeam/FireRedTTS", checkout=str(folder))
    fails("git clone", checkout="")
    fails("has no option 'sedd'", sedd=1)
    fails("speaks in float32 only", dtype="float16")
    fails("max_attempts is 0", max_attempts=0)
    (folder / "fireredtts_gpt.pt").unlink()
    fails(r"lacks fireredtts_gpt\.pt")


def test_the_working_folder_is_as_before(adapter, tmp_path):
    """Upstream's codebook is found from anywhere, and the worker stays where it was."""
    assert Path.cwd() != shared.HERE / "stubs" / "FireRedTTS"
    assert adapter._tts.device == "cpu"


def test_transformers_that_took_generate_away_are_named(options, monkeypatch):
    """With 4.50 and later nothing is said until the first text, and then nonsense."""
    with shared.stand_ins("common", "FireRedTTS"):
        made = fireredtts.build(options)
        upstream = fireredtts._import_upstream(options["checkout"])

        def without(self, config_path, pretrained_path, device="cuda"):
            made_first(self, config_path, pretrained_path, device)
            del self.gpt.gpt_inference.generate

        made_first = upstream.__init__
        monkeypatch.setattr(upstream, "__init__", without)
        with pytest.raises(LoadFailed, match=r"needs transformers 4\.44\.2"):
            made.load()


def test_the_canary_of_lost_sentences_notices(adapter, monkeypatch):
    """It passes here, says what upstream's splitting would have lost, and sees a lost word."""
    monkeypatch.setattr(adapter, "_decode_gap", lambda *_: 1e-7)
    monkeypatch.setattr(adapter, "_speak", lambda *_: {"samples": np.zeros(9, np.float32)})
    lost, _, _ = adapter.canaries()
    tokenizer = adapter._tts.text_tokenizer
    monkeypatch.setattr(tokenizer.tokenizer, "decode", lambda *_: "the birch canoe slid")
    again, _, _ = adapter.canaries()

    assert (True, False) == (lost["passed"], again["passed"])
    assert f"keep 41 of {len(fireredtts.PROBE_TEXT)} characters" in lost["detail"]
    assert "planks glue" in again["detail"].replace("the ", "")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A model folder with random weights, written by upstream's own classes."""
    folder = tmp_path_factory.mktemp("fireredtts") / "tiny"
    return write_tiny_fireredtts(PYTHON, Path(CHECKOUT), folder)


@pytest.fixture(scope="session")
def hosted(tiny):
    """The engine in its worker, loaded, with one of the checkout's prompts as a voice."""
    options = {"model_dir": str(tiny), "checkout": CHECKOUT, **OPTIONS}
    made = shared.Hosted("fireredtts", PYTHON, options)

    assert made.add_voice(shared.voice(str(Path(CHECKOUT) / fireredtts.PROBE), text="")) is None
    yield made
    made.process.close()


@needs_checkout
def test_the_snapshot_is_upstreams():
    """The signatures that were committed are those of the checkout."""
    shared.check_signatures("fireredtts", CHECKOUT)


@needs_checkout
@pytest.mark.slow
def test_fireredtts_speaks_from_a_tiny_folder(hosted):
    """From text to samples through all of upstream: 960 samples a code."""
    (samples,) = hosted.say(SENTENCE)

    assert hosted.described["fingerprint"] == hosted.loaded["fingerprint"]
    assert np.float32 == samples.dtype
    assert 0 == len(samples) % 960
    assert 1e-3 < np.abs(samples).max() <= 1.0


@needs_checkout
@pytest.mark.slow
def test_fireredtts_says_the_same_in_every_batch_and_order(hosted):
    """A request gives its samples alone, in a batch, after others and after a refusal."""
    texts = [SENTENCE, "Glue the sheet. To the dark blue background.", "..."]
    together = hosted.say(*texts, seed=5)
    alone = [hosted.say(text, seed=5)[0] for text in reversed(texts)][::-1]
    others = [hosted.say(SENTENCE, seed=seed)[0] for seed in (6, 7, 8)]

    assert together[2] == alone[2] == "no_letters"
    assert all(np.array_equal(a, b) for a, b in zip(together[:2], alone[:2], strict=True))
    assert not any(np.array_equal(other, together[0]) for other in others)


@needs_checkout
@pytest.mark.slow
def test_fireredtts_passes_its_canaries(hosted):
    """No sentence is lost, the cache changes nothing, the same seed gives the same samples."""
    expected = dict.fromkeys(
        ("no sentence is lost", "step by step equals at once", "same seed, same samples"), True
    )

    assert expected == hosted.canaries()


@needs_checkout
@pytest.mark.slow
def test_fireredtts_refuses_by_name(hosted, tmp_path):
    """Bad texts and prompts are refused with their reasons, and the worker goes on."""
    faults = {**shared.BAD_PROMPTS, "prompt_too_long": {"duration_s": 30.1, "rate": 16_000}}
    prompts = {
        reason: hosted.add_voice(shared.voice(shared.write_prompt(tmp_path / f"{n}.wav", **fault)))
        for n, (reason, fault) in enumerate(faults.items())
    }
    texts = hosted.say("hello " * 1000, "Straße", "안녕하세요", "See (a_b) now.")
    (unknown,) = hosted.say(SENTENCE, voice="bob")
    (foreign,) = hosted.say(SENTENCE, language="de")

    assert {reason: reason for reason in prompts} == prompts
    assert ["text_too_long", "text_lost", "text_lost", "text_lost"] == texts
    assert ["unknown_voice", "unsupported_language"] == [unknown, foreign]
    assert np.float32 == hosted.say(SENTENCE)[0].dtype


@needs_checkout
@pytest.mark.slow
def test_fireredtts_names_the_file_that_is_missing(tiny, tmp_path):
    """A folder with one file missing starts nothing, and says which."""
    (tmp_path / "model").mkdir()
    for path in tiny.iterdir():
        if path.name != "fireredtts_token2wav.pt":
            (tmp_path / "model" / path.name).symlink_to(path)
    options = {"model_dir": str(tmp_path / "model"), "checkout": CHECKOUT, **OPTIONS}

    assert "lacks fireredtts_token2wav.pt" in shared.why_not_loaded("fireredtts", PYTHON, options)
