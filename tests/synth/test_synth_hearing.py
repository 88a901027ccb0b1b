"""Error rates against a reference, flags of transcripts, recognisers from folders and modules."""

from __future__ import annotations

import unicodedata
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.audio import resample
from mosdata.errors import InvalidValue, NothingFound, UsageError
from mosdata.synth.hearing import compare, error_rate, num_repeats, tokens_of
from mosdata.synth.recognisers import build_recogniser, revision_of
from mosdata.testing import speechlike
from mosdata.testing.recognisers import write_tiny_ctc, write_tiny_whisper

TEXT = "The boat drifted slowly past the old stone bridge."


def distance(a, b):
    """Edits between two sequences, by trying all of them."""

    @cache
    def rest(i, j):
        if i == len(a) or j == len(b):
            return len(a) - i + len(b) - j
        if a[i] == b[j]:
            return rest(i + 1, j + 1)
        return 1 + min(rest(i + 1, j), rest(i, j + 1), rest(i + 1, j + 1))

    return rest(0, 0)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), st.text("abc", max_size=9))
@settings(max_examples=200, deadline=None)
def test_error_rates_are_edit_distances(reference, heard):
    """As many edits as the best of all ways, for each token of the text."""
    assert distance(tuple(reference), tuple(heard)) / len(reference) == error_rate(reference, heard)


@pytest.mark.parametrize(
    ("said", "heard", "rate", "flags"),
    [
        (TEXT, "the boat drifted slowly past the old stone bridge", 0, ()),
        (TEXT, "THE BOAT -- DRIFTED, slowly: past the old stone bridge!!", 0, ()),
        (TEXT, "the boat drifted slowly past the old stone fridge", 1 / 9, ("asr_mismatch",)),
        (TEXT, "", 1, ("asr_mismatch", "asr_bad")),
        ("Don’t well-known", "dont well known", 0, ()),
        ("今天天气很好我们去公园", "今天 天气很好，我们去公园。", 0, ()),
        ("今天天气很好我们去公园", "今天天气很好我们去花园", 1 / 11, ()),
        ("今天天气很好我们去公园", "今天天气不好我们去花园", 2 / 11, ("asr_mismatch",)),
        ("Über straße", "uber strasse", 1 / 2, ("asr_mismatch", "asr_bad")),
        ("one two three four five six seven eight nine ten",
         "one two three four five six seven eight nine", 0.1, ()),
    ],
)  # fmt: skip
def test_what_is_heard_is_held_against_the_text(said, heard, rate, flags):
    """Words or characters, without case and punctuation; the limits are exclusive."""
    found = compare([said], heard)

    assert found.error_rate == pytest.approx(rate)
    assert flags == found.flags


def test_the_nearest_spelling_counts():
    """Digits may be heard as words or as digits."""
    assert compare(["At 7 pm", "At seven pm"], "at seven pm").error_rate == 0
    assert compare(["At 7 pm", "At seven pm"], "at 7 pm").error_rate == 0


@pytest.mark.parametrize(
    ("said", "heard", "repeats"),
    [
        ("to be or not to be", "to be or not to be", 0),
        ("to be or not to be", "to be or not to be or not to be", 1),
        ("one two three four", "one two three one two three one two three four", 2),
        ("no no no no", "no no no no", 0),
        ("it was very good", "it was very very very very good", 3),
        ("it was very good", "it was very very good", 0),
        ("a b c d", "x y z w", 0),
        ("say it thrice say it thrice", "say it thrice", 0),
    ],
)
def test_repeats_are_those_that_the_text_has_not(said, heard, repeats):
    """Runs of words that come again, and words that do not end; not those of the text."""
    assert num_repeats(said.split(), heard.split(), 3) == repeats


def test_words_of_the_prompt_are_a_leak():
    """Three in a row that the text has not; fewer are chance, and common ones are allowed."""
    prompt = "Some call me nature, others call me mother nature."

    leaked = compare([TEXT], f"others call me mother nature {TEXT}", prompt=prompt)
    chance = compare([TEXT], f"call me {TEXT}", prompt=prompt)
    common = compare([prompt], prompt, prompt=prompt)
    chinese = compare(["今天天气很好"], "对不起我没听清今天天气很好", prompt="对不起我没听清")

    assert "prompt_leak" in leaked.flags
    assert "prompt_leak" in chinese.flags
    assert not {*chance.flags, *common.flags} & {"prompt_leak", "repeated_words"}


@given(st.text(max_size=30), st.sampled_from(["alphabetic", "cjk"]))
def test_any_text_has_tokens(text, script):
    """None of them empty, blank or punctuation, whatever the text is."""
    tokens = tokens_of(text, script)

    assert all(unicodedata.category(c)[0] in "LNM" for token in tokens for c in token)
    assert all(tokens)


@pytest.fixture(scope="module")
def ctc(tmp_path_factory):
    """A tiny CTC model on the disk."""
    return write_tiny_ctc(tmp_path_factory.mktemp("asr") / "ctc")


def test_a_ctc_folder_is_heard_as_by_hand(ctc):
    """The likeliest letter of each frame, repeats and blanks left out; the same again and again."""
    import torch
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    clip = speechlike(1.0, 24_000)
    samples = resample(clip, 16_000).samples
    inputs = Wav2Vec2FeatureExtractor()(samples, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        best = Wav2Vec2ForCTC.from_pretrained(ctc)(inputs.input_values).logits[0].argmax(-1)
    kept = [int(a) for a, b in zip(best, [-1, *best], strict=False) if a != b and a != 0]
    by_hand = "".join(
        {1: " ", 2: "<unk>"}.get(i, "abcdefghijklmnopqrstuvwxyz'"[i - 3]) for i in kept
    )
    recogniser = build_recogniser(f"hf:{ctc}")

    heard = recogniser.transcribe(clip, "en")

    assert heard == " ".join(by_hand.split())
    assert heard
    recogniser.transcribe(speechlike(0.5, seed=3), "en")
    assert heard == recogniser.transcribe(clip, "en")


def test_a_whisper_folder_is_heard(tmp_path):
    """Greedily, in the language that is asked for, alike each time, also beyond half a minute."""
    folder = write_tiny_whisper(tmp_path / "whisper")
    recogniser = build_recogniser(f"hf:{folder}")
    clip = speechlike(1.0)

    heard = recogniser.transcribe(clip, "en-US")

    assert heard
    assert heard != recogniser.transcribe(speechlike(31.0, 8_000), "en")
    assert heard == recogniser.transcribe(clip, "en-GB")
    assert heard == build_recogniser(f"hf:{folder}").transcribe(clip, "en")


def test_the_revision_follows_the_files(ctc, tmp_path):
    """Weights and vocabulary are in it; the place is not; nothing is loaded for it."""
    other = write_tiny_ctc(tmp_path / "other", seed=1)
    same = write_tiny_ctc(tmp_path / "same")
    before = revision_of(f"hf:{same}")
    (same / "vocab.json").write_text((same / "vocab.json").read_text() + " ")

    assert revision_of(f"hf:{ctc}") == before
    assert len({before, revision_of(f"hf:{other}"), revision_of(f"hf:{same}")}) == 3


@pytest.mark.parametrize(
    "missing", ["config.json", "model.safetensors", "preprocessor_config.json"]
)
def test_a_folder_that_lacks_a_file_is_refused(tmp_path, missing):
    """By the name of what is missing; pickled weights are never opened."""
    folder = write_tiny_ctc(tmp_path / "ctc")
    (folder / missing).rename(folder / "pytorch_model.bin")

    with pytest.raises(NothingFound, match=missing.replace("model.safetensors", "safetensors")):
        revision_of(f"hf:{folder}")


def test_what_is_no_recogniser_is_refused(tmp_path, monkeypatch):
    """No folder, no module, no such factory, no transcribe; a folder of something else."""
    (tmp_path / "users_asr.py").write_text("class Deaf:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = write_tiny_ctc(tmp_path / "broken")
    (broken / "config.json").write_text('{"model_type": "nothing"}')

    for spec, error in [
        ("hf:nowhere", NothingFound),
        ("whisper-large", InvalidValue),
        ("no_such_module:Asr", UsageError),
        ("users_asr:Mute", InvalidValue),
        ("users_asr:Deaf", InvalidValue),
        (f"hf:{broken}", UsageError),
    ]:
        with pytest.raises(error):
            build_recogniser(spec)


def test_your_own_takes_five_lines(tmp_path, monkeypatch):
    """One method; its source is its version, unless it says one."""
    path = tmp_path / "users_own_asr.py"
    path.write_text(
        "class Mine:\n    def transcribe(self, clip, language):\n"
        "        return f'{language} {clip.duration_s:.1f}'\n"
        "class Known(Mine):\n    def revision(self):\n        return 'seven'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    before = revision_of("users_own_asr:Mine")
    path.write_text(path.read_text() + "\n")

    assert build_recogniser("users_own_asr:Mine").transcribe(speechlike(1.0), "de") == "de 1.0"
    assert before != revision_of("users_own_asr:Mine")
    assert revision_of("users_own_asr:Known") == "seven"
