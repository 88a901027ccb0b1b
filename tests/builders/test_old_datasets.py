"""Datasets that an earlier version wrote go on being read, judged, corrupted and learnt from."""

import json
from dataclasses import asdict

import pyarrow.parquet as pq
import pytest

from mosdata.builders.card import write_card
from mosdata.builders.corrupt import CorruptConfig, CorruptStage
from mosdata.builders.executors import Execution
from mosdata.builders.publish import publish
from mosdata.builders.run import run_stage
from mosdata.builders.verify import open_to_verify, verify_dataset
from mosdata.manifests.schema import ADDED_IN
from mosdata.manifests.store import describe_file, open_dataset, write_manifest
from mosdata.testing import human_ratings, utterance, write_dataset
from mosdata.training.data import MOS, load_examples

SERIAL = Execution(executor="serial")


def aged(dataset):
    """The dataset as version 2 wrote it: without the columns that came later."""
    files = []
    for file in dataset.files:
        path = dataset.folder / file.path
        table = pq.read_table(path)
        about = {"table": "clips", "schema_version": "2"}
        features = json.loads(table.schema.metadata[b"huggingface"])
        for name in ADDED_IN:
            del features["info"]["features"][name]
        kept = table.drop_columns([*ADDED_IN])
        metadata = {"huggingface": json.dumps(features), "mosdata": json.dumps(about)}
        pq.write_table(kept.replace_schema_metadata(metadata), path)
        files.append(describe_file(dataset.folder, path, split=file.split, rows=file.rows))
    data = [asdict(file) for file in files]
    manifest = {**dataset.manifest, "schema_version": "2", "data": data}
    write_manifest(dataset.folder, manifest)
    return open_dataset(dataset.folder)


@pytest.fixture
def young(tmp_path):
    """A dataset of this version, with three clips and two scores of the first."""
    rows = [utterance(i, mos=3.0 + i, mos_scale="acr_1_5") for i in range(3)]
    ratings = human_ratings(rows[0].id, [4, 5])
    return write_dataset(tmp_path / "old", {"train": rows[:2], "test": rows[2:]}, ratings)


@pytest.fixture
def rows(young):
    """Its rows."""
    return [*young.utterances()]


@pytest.fixture
def old(young, rows):
    """The same dataset as version 2 wrote it; its rows were read before."""
    assert rows
    return aged(young)


def test_an_old_dataset_is_as_sound_as_it_was(old):
    """Every check of verify, on the columns that its version has."""
    verified = verify_dataset(open_to_verify(old.folder))

    assert verified.problems == ()
    assert (verified.num_rows, verified.num_decoded) == (3, 3)


def test_an_old_dataset_that_lost_a_column_is_damaged(old):
    """Being old is no excuse for columns that its own version had."""
    path = old.folder / old.files[0].path
    pq.write_table(pq.read_table(path).drop_columns(["text"]), path)

    says = [str(problem) for problem in verify_dataset(open_dataset(old.folder)).problems]

    assert any("lacks the columns text, or" in problem for problem in says)


def test_what_an_old_dataset_does_not_know_is_blank(old, rows):
    """As rows, as a table, and in the order that was asked for."""
    columns = ["boundaries_s", "id", "code_license"]

    assert rows == [*old.utterances()]
    assert [
        {"boundaries_s": [], "id": row.id, "code_license": "", "split": split}
        for row, split in zip(rows, ["train", "train", "test"], strict=True)
    ] == old.table(columns).to_pylist()


def test_an_old_dataset_can_be_learnt_from(old):
    """Its scores and classes are those that it was written with."""
    examples = load_examples(old, MOS, carve=False)

    assert [4.5, 4.0, 5.0] == [row.value for row in examples.rows]
    assert [row.synthesizer for row in examples.rows] == ["tone"] * 3


def test_a_copy_of_an_old_dataset_is_of_this_version(tmp_path, old, rows):
    """Sources come along with blanks, and the whole passes every check."""
    stage = CorruptStage(old, CorruptConfig(levels=(0.5,), kinds=("white_noise",)))
    made = run_stage(
        stage, tmp_path / "new", execution=SERIAL, parent=old, keeps_parent=True
    ).dataset

    assert made.manifest["schema_version"] == "3"
    assert verify_dataset(made).problems == ()
    assert rows == [row for row in made.utterances() if row.parent_id is None]


def test_an_old_dataset_can_be_published(tmp_path, old, rows):
    """Its columns stay those of its version; nothing is added that nobody knew."""
    (old.folder / "provenance.json").write_text("{}")
    write_card(old)
    publish(old, tmp_path / "published")
    out = open_dataset(tmp_path / "published")

    assert out.manifest["schema_version"] == "2"
    assert verify_dataset(out).problems == ()
    assert rows == [*out.utterances()]
