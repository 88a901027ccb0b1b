"""The dataset is plain Parquet: every usual reader sees the values that we wrote."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mosdata.audio import decode_audio
from mosdata.builders.executors import Execution
from mosdata.builders.label import LabelConfig, LabelStage
from mosdata.builders.run import run_ratings
from mosdata.manifests.store import open_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, corrupted, users_modules):
    """A corrupted dataset with one set of scores."""
    folder = shutil.copytree(corrupted, tmp_path_factory.mktemp("plain") / "dataset")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(users_modules))
        stage = LabelStage(open_dataset(folder), LabelConfig(metrics=("users_metrics:loudness",)))
        run_ratings(stage, folder, name=stage.name, execution=Execution(executor="serial"))
    return open_dataset(folder)


@pytest.fixture(scope="module")
def rows(dataset):
    """What we read ourselves, by id."""
    return {row.id: row for row in dataset.utterances()}


def corruptions(row):
    """A row's corruptions as they are on disk."""
    return [(a.name, a.level, a.params) for a in row.corruptions]


@pytest.fixture(scope="module")
def loaded(dataset, tmp_path_factory):
    """The folder as Hugging Face's ``datasets`` loads it."""
    from datasets import load_dataset

    cache = tmp_path_factory.mktemp("cache")
    return load_dataset(str(dataset.folder), cache_dir=str(cache))


def test_datasets_sees_splits_audio_and_classes(dataset, loaded):
    """Splits by name, an Audio column at the dataset's rate, a ClassLabel with our names."""
    from datasets import Audio, ClassLabel

    features = loaded["train"].features
    assert {name: part.num_rows for name, part in loaded.items()} == {
        split: sum(file.rows for file in dataset.files_of(split)) for split in dataset.splits
    }
    assert features["audio"] == Audio(sampling_rate=dataset.sample_rate_hz)
    assert features["synthesizer"] == ClassLabel(names=dataset.class_names)


def test_datasets_reads_every_value(rows, loaded):
    """Samples, labels and what was drawn, without torchcodec."""
    import soundfile
    from datasets import Audio

    seen = set()
    for part in loaded.values():
        plain = part.cast_column("audio", Audio(decode=False))
        for values in plain:
            row = rows[values["id"]]
            samples, rate_hz = soundfile.read(io.BytesIO(values["audio"]["bytes"]), dtype="float32")
            assert np.array_equal(row.clip().samples, samples)
            assert (row.sample_rate_hz, row.text) == (rate_hz, values["text"])
            assert row.synthesizer == part.features["synthesizer"].int2str(values["synthesizer"])
            assert corruptions(row) == [
                (a["name"], a["level"], json.loads(a["params"])) for a in values["corruptions"]
            ]
            seen.add(row.id)
    assert {*rows} == seen


def test_datasets_reads_scores_as_a_second_table(dataset, tmp_path):
    """``load_dataset(folder, "ratings")`` has one row a score."""
    from datasets import load_dataset

    table = load_dataset(str(dataset.folder), "ratings", split="scores", cache_dir=str(tmp_path))

    expected = [(r.clip_id, r.kind, r.value) for r in dataset.ratings()]
    assert expected == [(row["clip_id"], row["kind"], row["value"]) for row in table]


def test_pandas_reads_every_value(dataset, rows):
    """``pandas.read_parquet(folder / "data")``."""
    import pandas as pd

    frame = pd.read_parquet(dataset.folder / "data")

    assert {*rows} == {*frame["id"]}
    for values in frame.itertuples():
        row = rows[values.id]
        assert row.audio == values.audio["bytes"]
        assert (row.speaker, row.duration_s) == (values.speaker, values.duration_s)
        assert row.synthesizer == dataset.class_names[values.synthesizer]
        assert np.isnan(values.mos)


def test_pyarrow_reads_and_filters(dataset, rows):
    """``pyarrow.dataset`` finds the loud copies without reading the audio."""
    import pyarrow.dataset as ds

    table = ds.dataset(dataset.folder / "data", format="parquet").to_table(
        columns=["id", "rms_dbfs"], filter=ds.field("rms_dbfs") > -20
    )

    assert {i for i, row in rows.items() if row.rms_dbfs > -20} == {*table["id"].to_pylist()}


def test_duckdb_reads_inside_the_columns(dataset, rows):
    """Lists and structs can be asked for in SQL."""
    duckdb = pytest.importorskip("duckdb")

    found = duckdb.sql(
        f"""SELECT id, corruptions[1].name, corruptions[1].level, audio.bytes
        FROM '{dataset.folder}/data/*.parquet' WHERE parent_id IS NOT NULL"""
    ).fetchall()

    assert {i for i, row in rows.items() if row.parent_id} == {values[0] for values in found}
    for clip_id, name, level, data in found:
        (applied,) = rows[clip_id].corruptions
        assert (applied.name, applied.level) == (name, level)
        assert np.array_equal(decode_audio(bytes(data)).samples, rows[clip_id].clip().samples)


def test_a_set_that_a_killed_run_left_behind_is_not_loaded(dataset, tmp_path):
    """The card names the sets that the manifest names, so datasets reads no others."""
    folder = Path(shutil.copytree(dataset.folder, tmp_path / "copy"))
    listed = open_dataset(folder).rating_files
    (folder / "ratings" / "left-behind").mkdir()
    shutil.copy(listed[0], folder / "ratings" / "left-behind" / "part-00000-of-00001.parquet")

    from datasets import load_dataset

    table = load_dataset(str(folder), "ratings", split="scores", cache_dir=str(tmp_path / "cache"))

    assert len(list(open_dataset(folder).ratings())) == len(table)


def test_the_card_is_valid_yaml_that_names_what_is_there(dataset):
    """The front matter parses, and its patterns match the files."""
    import yaml

    front = yaml.safe_load((dataset.folder / "README.md").read_text().split("---\n")[1])

    assert [config["config_name"] for config in front["configs"]] == ["default", "ratings"]
    for config in front["configs"]:
        for entry in config["data_files"]:
            paths = entry["path"] if isinstance(entry["path"], list) else [entry["path"]]
            assert all(list(dataset.folder.glob(path)) for path in paths)
