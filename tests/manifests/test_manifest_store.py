"""The dataset on disk: what it is known by, and what it refuses to be opened as."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.builders.verify import verify_content, verify_files
from mosdata.errors import DamagedDataset, NothingFound
from mosdata.manifests.rows import Applied
from mosdata.manifests.store import (
    MANIFEST_NAME,
    content_id,
    content_sum,
    find_datasets,
    open_dataset,
)
from mosdata.testing import clip, human_ratings, utterance, write_dataset

ROWS = [utterance(i, clip(0.02, seed=i)) for i in range(6)]


@pytest.fixture
def dataset(tmp_path):
    """Four clips in two splits, one of them rated twice."""
    return write_dataset(
        tmp_path / "data-set",
        {"train": ROWS[:3], "test": ROWS[3:4]},
        ratings=human_ratings(ROWS[0].id, [4, 5]),
    )


def edit(dataset, **changes):
    """Change the manifest as somebody with an editor would."""
    path = dataset.folder / MANIFEST_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@given(st.permutations(ROWS), st.integers(0, 6), st.integers(0, 6))
def test_content_does_not_depend_on_order_or_on_how_it_is_cut(rows, first, second):
    """The digest of a set of rows is that of its parts, in any order."""
    low, high = sorted((first, second))
    parts = [rows[:low], rows[low:high], rows[high:]]

    assert content_id([content_sum(ROWS)]) == content_id(content_sum(part) for part in parts)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "another"},
        {"pcm_sha256": "0" * 64},
        {"synthesizer": "espeak-klatt"},
        {"system": "espeak-klatt"},
        {"text": "Another sentence."},
        {"mos": 3.5},
        {"sentence": "another"},
        {"parent_id": "another"},
        {"corruptions": (Applied(name="mp3", level=0.5, params={"bitrate_kbps": 32}),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_content_changes_with_every_label_and_with_the_samples(change):
    """One changed row is another content."""
    changed = [replace(ROWS[0], **change), *ROWS[1:]]

    assert content_sum(ROWS) != content_sum(changed)


def test_content_knows_what_was_drawn():
    """Another level or another parameter is another corruption."""
    low, high, other = (
        [replace(ROWS[0], corruptions=(Applied(name="mp3", level=level, params=params),))]
        for level, params in ((0.1, {"b": 1}), (0.2, {"b": 1}), (0.1, {"b": 2}))
    )

    assert len({content_sum(low), content_sum(high), content_sum(other)}) == 3


def test_content_does_not_depend_on_the_encoder():
    """Other FLAC bytes, or another mosdata that measures levels otherwise: the same content."""
    encoded = [replace(row, audio=b"other", peak_dbfs=-1.0) for row in ROWS]

    assert content_sum(ROWS) == content_sum(encoded)


def test_a_row_twice_is_not_a_row_less():
    """The sum notices a duplicate."""
    assert content_sum([*ROWS, ROWS[0]]) != content_sum(ROWS)


@settings(max_examples=20)
@given(st.floats(1, 5, allow_nan=False))
def test_the_content_that_was_written_is_the_content_that_is_read(tmp_path_factory, mos):
    """Labels of any value pass ``verify``: they are stored to the last digit."""
    rows = [replace(ROWS[0], mos=mos), *ROWS[1:]]

    written = write_dataset(tmp_path_factory.mktemp("mos") / "out", {"train": rows})

    verify_content(written)
    assert len(written.files) == verify_files(written)


def test_a_dataset_reads_its_rows_in_file_order(dataset):
    """All of them, or those of a split, whole."""
    assert [(row.id, row.audio) for row in ROWS[:4]] == [
        (row.id, row.audio) for row in dataset.utterances()
    ]
    assert [ROWS[3].id] == [row.id for row in dataset.utterances("test")]
    assert [*dataset.splits, dataset.num_rows] == ["train", "test", 4]


def test_a_table_of_some_columns_says_the_split(dataset):
    """Light columns of all clips at once."""
    table = dataset.table(["id"])

    assert [row.id for row in ROWS[:4]] == table["id"].to_pylist()
    assert table["split"].to_pylist() == ["train"] * 3 + ["test"]


def test_a_folder_without_a_manifest_is_not_a_dataset(tmp_path):
    """The message says what a dataset folder is."""
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(NothingFound, match="not a finished dataset"):
            open_dataset(folder)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("\xff\xfe", "is not JSON"),
        ("[1, 2]", "does not describe a mosdata dataset"),
        ("null", "does not describe a mosdata dataset"),
        ('{"format": "lhotse"}', "does not describe a mosdata dataset"),
        ('{"format": "mosdata-dataset", "schema_version": "99"}', "reads '2' and '3'"),
        ('{"format": "mosdata-dataset", "schema_version": "2"}', "cannot be read"),
        (
            '{"format": "mosdata-dataset", "schema_version": "2", "data": [{"name": 1}]}',
            "cannot be read",
        ),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused(tmp_path, text, says):
    """Not JSON, another program's, another version's, or half of one: one clear error each."""
    (tmp_path / MANIFEST_NAME).write_text(text, encoding="latin-1")

    with pytest.raises(DamagedDataset, match=says):
        open_dataset(tmp_path)


@pytest.mark.parametrize("path", ["../secret.parquet", "/etc/passwd", "data/../../x.parquet"])
@pytest.mark.parametrize("section", ["data", "quarantine", "ratings"])
def test_a_manifest_cannot_name_a_file_outside_its_folder(dataset, section, path):
    """A dataset from a stranger reads, verifies and publishes its own files only."""
    file = {**dataset.manifest["data"][0], "path": path}
    entry = {**dataset.manifest["ratings"][0], "files": [file]} if section == "ratings" else file
    edit(dataset, **{section: [entry]})

    with pytest.raises(DamagedDataset, match="names a file outside"):
        open_dataset(dataset.folder)


def test_a_link_that_leads_outside_is_not_followed(dataset, tmp_path):
    """Nor does a symbolic link open the way out."""
    file = dataset.folder / dataset.files[0].path
    file.rename(tmp_path / "elsewhere.parquet")
    file.symlink_to(tmp_path / "elsewhere.parquet")

    with pytest.raises(DamagedDataset, match="names a file outside"):
        open_dataset(dataset.folder)


def test_ratings_that_the_manifest_does_not_name_are_ignored(dataset):
    """A set that an interrupted run left behind does not exist."""
    stray = dataset.folder / "ratings" / "stray" / "part-0.parquet"
    stray.parent.mkdir()
    stray.write_bytes(dataset.rating_files[0].read_bytes())

    again = open_dataset(dataset.folder)

    assert [rating.value for rating in again.ratings()] == [4.0, 5.0]


def test_the_id_of_a_dataset_is_a_digest_of_its_files(tmp_path):
    """Same rows, same id; another row, another id; ratings added later do not change it."""
    plain, again, other = (
        write_dataset(tmp_path / name, {"train": rows})
        for name, rows in (("a", ROWS), ("b", ROWS), ("c", ROWS[1:]))
    )
    rated = write_dataset(tmp_path / "d", {"train": ROWS}, human_ratings(ROWS[0].id, [3]))

    assert plain.dataset_id == again.dataset_id == rated.dataset_id
    assert plain.dataset_id != other.dataset_id


def test_the_newest_dataset_comes_first(tmp_path):
    """By the time of the manifest, and by stage where one is asked for."""
    import os

    for age, (name, stage) in enumerate((("a", "build"), ("b", "corrupt"), ("c", "build"))):
        made = write_dataset(tmp_path / name, {"train": ROWS[:1]}, stage=stage)
        os.utime(made.folder / MANIFEST_NAME, ns=(0, 10**18 - age))
    (tmp_path / "unfinished.run").mkdir()

    assert [found.folder.name for found in find_datasets(tmp_path)] == ["a", "b", "c"]
    assert [found.folder.name for found in find_datasets(tmp_path, ("corrupt",))] == ["b"]
    assert find_datasets(tmp_path / "nothing") == []


def test_a_damaged_neighbour_is_told_of_and_left_out(tmp_path):
    """One folder of another version does not hide the others."""
    write_dataset(tmp_path / "good", {"train": ROWS[:1]})
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "mosdata.json").write_text("{}")
    told = []

    found = find_datasets(tmp_path, on_damaged=told.append)

    assert ["good"] == [dataset.folder.name for dataset in found]
    assert 1 == len(told)
    assert "bad" in told[0]


@pytest.mark.parametrize("damage", ["gone", "cut short", "garbage"])
def test_a_file_that_cannot_be_read_is_named(dataset, damage):
    """Whoever reads the rows is told which file is damaged, and what to do."""
    path = dataset.folder / dataset.files[0].path
    data = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(data[: len(data) // 2] if damage == "cut short" else b"x" * 5000)

    for read in (
        lambda: dataset.table(["id"]),
        lambda: list(dataset.utterances()),
        lambda: dataset.schema,
    ):
        with pytest.raises(DamagedDataset, match=rf"{dataset.files[0].path} cannot be read"):
            read()
