"""What a built row says of its engine, its licences and its text; and what its copies keep."""

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from mosdata.builders.corrupt import CorruptConfig, CorruptStage
from mosdata.builders.executors import Execution
from mosdata.builders.run import run_stage
from mosdata.builders.speech import SpeechConfig, SpeechStage
from mosdata.builders.transcripts import Transcript, Transcripts
from mosdata.builders.verify import verify_dataset
from mosdata.synth.tone import Tone

SERIAL = Execution(executor="serial")
LICENCES = {
    "license": "CC-BY-NC-4.0",
    "code_license": "MIT",
    "weights_license": "CC-BY-NC-4.0",
    "output_terms": "non-commercial",
}


class Weighty(Tone):
    """A tone with weights, licences and a fingerprint."""

    info = replace(Tone.info, name="weighty", **LICENCES)

    def fingerprint(self):
        """As an engine of another environment would give it."""
        return {"weights": {"model.pt": "fast:00"}, "adapter": "weighty/1"}


class Short(Tone):
    """A tone that takes thirty characters at a time."""

    info = replace(Tone.info, name="short", max_chars=30)


@pytest.fixture
def build(tmp_path):
    """Build a few texts with an engine of this file."""

    def run(engine, *texts, **settings):
        lines = tuple(Transcript(text=text, line=i) for i, text in enumerate(texts, 1))
        config = SpeechConfig(systems=(f"{engine.__module__}:{engine.__name__}",), **settings)
        stage = SpeechStage(Transcripts(texts=lines), config)
        return run_stage(stage, tmp_path / "built", execution=SERIAL).dataset

    return run


def test_a_row_carries_licences_and_fingerprint(build):
    """Those of the code, of the weights, and of the clip; and all that shapes its sound."""
    (row,) = build(Weighty, "Good morning.").utterances()

    assert LICENCES == {name: getattr(row, name) for name in LICENCES}
    assert Weighty().fingerprint() == json.loads(row.engine_fingerprint)
    assert ("Good morning.", "Good morning.", ()) == (row.text, row.text_spoken, row.boundaries_s)


def test_an_engine_without_a_fingerprint_has_none(build):
    """A bare engine of a user is fine; nothing is made up for it."""
    (row,) = build(Tone, "Good morning.").utterances()

    assert ("", "", "") == (row.engine_fingerprint, row.code_license, row.weights_license)


def test_provenance_names_them_too(build):
    """The fingerprint as JSON within JSON's own structure, not as a string."""
    path = build(Weighty, "Good morning.").folder / "provenance.json"
    about = json.loads(path.read_text())["systems"]["weighty"]

    assert Weighty().fingerprint() == about["fingerprint"]
    assert ("MIT", "CC-BY-NC-4.0") == (about["code_license"], about["weights_license"])


def test_corrupted_copies_carry_them(build, tmp_path):
    """Damage changes neither whose code it was nor what may be done with it."""
    source = build(Weighty, "Good morning.")
    stage = CorruptStage(source, CorruptConfig(levels=(0.5,), kinds=("white_noise",)))
    made = run_stage(stage, tmp_path / "worse", execution=SERIAL, parent=source).dataset
    copies = [row for row in made.utterances() if row.parent_id]
    (parent,) = source.utterances()

    assert verify_dataset(made).problems == ()
    for name in (*LICENCES, "engine_fingerprint", "text_spoken", "boundaries_s"):
        assert [getattr(parent, name)] == [getattr(row, name) for row in copies]


def test_bad_texts_are_rows_of_the_quarantine(build):
    """Each with its reason; the build goes on with the others."""
    texts = {
        "Good morning.": None,
        "Nice work \U0001f600!": None,
        "?!...": "no_letters",
        "\U0001f600\U0001f44d": "no_letters",
        "\u200b": "no_letters",
        "word " * 1_000: "text_too_long",
        "Good 早上 morning.": "script_mismatch",
        "Доброе утро.": "script_mismatch",
    }

    dataset = build(Weighty, *texts)
    path = dataset.folder / dataset.manifest["quarantine"][0]["path"]
    rejected = pq.read_table(path).to_pylist()

    assert {t for t, reason in texts.items() if reason is None} == {
        row.text for row in dataset.utterances()
    }
    assert {t: reason for t, reason in texts.items() if reason} == {
        json.loads(row["payload"])["text"]: row["reason"] for row in rejected
    }
    assert all(row["message"] for row in rejected)


def test_long_texts_are_one_clip_with_boundaries(build):
    """Pieces of an engine that takes little, in one row whose columns agree."""
    text = "The first sentence is here. The second one follows it, and then it ends."
    dataset = build(Short, text)
    (row,) = dataset.utterances()

    assert [text, text] == [row.text, row.text_spoken]
    assert 2 == len(row.boundaries_s)
    assert 0 < row.boundaries_s[0] < row.boundaries_s[1] < row.duration_s
    assert verify_dataset(dataset).is_sound
