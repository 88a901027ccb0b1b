"""A published copy, cut anew, is read by everybody else as we read it."""

import io
import json

import numpy as np
import pytest

from mosdata.builders import papers as papers_module
from mosdata.builders.publish import publish
from mosdata.manifests.store import open_dataset
from mosdata.testing import clip, human_ratings, utterance, write_dataset


@pytest.fixture(scope="module")
def published(tmp_path_factory, corrupted):
    """A copy with Arrow files, from a dataset with several files a split. Read only."""
    out = tmp_path_factory.mktemp("readers") / "copy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(papers_module, "can_draw", lambda: False)
        publish(open_dataset(corrupted), out, arrow=True)
    return out


@pytest.fixture(scope="module")
def expected(corrupted):
    """The rows of the dataset that was published, by id."""
    return {row.id: row for row in open_dataset(corrupted).utterances()}


def heard(data):
    """Samples as somebody without us decodes them."""
    import soundfile

    return soundfile.read(io.BytesIO(data), dtype="float32")[0]


def test_pandas_reads_a_published_copy(published, expected):
    """Every id, every sound, every label."""
    import pandas as pd

    frame = pd.read_parquet(published / "data")

    assert {*expected} == {*frame["id"]}
    for values in frame.itertuples():
        row = expected[values.id]
        assert np.array_equal(row.clip().samples, heard(values.audio["bytes"]))
        assert (row.text, row.license) == (values.text, values.license)


def test_pyarrow_reads_a_published_copy(published, expected):
    """As one dataset, with a filter inside the files."""
    import pyarrow.dataset as ds

    table = ds.dataset(published / "data", format="parquet").to_table(
        columns=["id"], filter=ds.field("parent_id").is_valid()
    )

    assert {i for i, row in expected.items() if row.parent_id} == {*table["id"].to_pylist()}


def test_duckdb_reads_a_published_copy(published, expected):
    """SQL over lists, structs and audio."""
    duckdb = pytest.importorskip("duckdb")

    found = duckdb.sql(
        f"""SELECT id, corruptions[1].level, audio.bytes FROM '{published}/data/*.parquet'
        WHERE len(corruptions) > 0"""
    ).fetchall()

    assert {i for i, row in expected.items() if row.corruptions} == {one[0] for one in found}
    for clip_id, level, data in found:
        assert expected[clip_id].corruptions[0].level == level
        assert expected[clip_id].audio == bytes(data)


@pytest.mark.parametrize("streaming", [False, True], ids=["loaded", "streamed"])
def test_datasets_reads_a_published_copy(published, expected, tmp_path, streaming):
    """With and without streaming, without a decoder; the Arrow files beside do not disturb."""
    from datasets import Audio, load_dataset

    splits = load_dataset(str(published), streaming=streaming, cache_dir=str(tmp_path))

    seen = {}
    for part in splits.values():
        plain = part.decode(False) if streaming else part.cast_column("audio", Audio(decode=False))
        seen |= {row["id"]: row for row in plain}
    assert {*expected} == {*seen}
    for clip_id, values in seen.items():
        row = expected[clip_id]
        assert row.audio == values["audio"]["bytes"]
        assert [a.params for a in row.corruptions] == [
            json.loads(a["params"]) for a in values["corruptions"]
        ]


def test_scores_of_mixed_rates_are_a_second_table(tmp_path, monkeypatch):
    """``load_dataset(copy, "ratings")``: one row a score, whatever the rates of the clips."""
    from datasets import load_dataset

    from mosdata.builders.card import write_card

    monkeypatch.setattr(papers_module, "can_draw", lambda: False)
    rows = [utterance(0, clip(0.2, 8_000)), utterance(1, clip(0.2, 44_100))]
    scores = human_ratings(rows[0].id, [1, 5])
    dataset = write_dataset(tmp_path / "in", {"train": rows}, scores)
    (dataset.folder / "provenance.json").write_text("{}")
    write_card(dataset)
    publish(dataset, tmp_path / "copy")

    table = load_dataset(
        str(tmp_path / "copy"), "ratings", split="scores", cache_dir=str(tmp_path / "cache")
    )

    assert [(s.clip_id, s.value) for s in scores] == [(r["clip_id"], r["value"]) for r in table]


def test_the_hub_could_show_it(published):
    """Row groups under 100 MB, a page index, and audio bytes that are not compressed again."""
    import pyarrow.parquet as pq

    for path in (published / "data").glob("*.parquet"):
        metadata = pq.read_metadata(path)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            assert group.total_byte_size < 100_000_000
            columns = [group.column(i) for i in range(group.num_columns)]
            (audio,) = [column for column in columns if column.path_in_schema == "audio.bytes"]
            assert audio.compression == "UNCOMPRESSED"
            assert audio.has_offset_index
