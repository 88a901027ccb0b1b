"""``mosdata verify`` on the command line: everything that is wrong, then exit code 1."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from mosdata.cli import app
from mosdata.testing import utterance, write_dataset


@pytest.fixture
def verify(monkeypatch, tmp_path):
    """``mosdata verify`` in this process."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["verify", *map(str, arguments)])


@pytest.fixture
def dataset(tmp_path):
    """Three clips in two splits."""
    rows = {"train": [utterance(0), utterance(1)], "test": [utterance(2)]}
    return write_dataset(tmp_path / "dataset", rows)


def test_a_sound_dataset_is_said_to_be_one(verify, dataset):
    """The content id on standard output, the counts for people."""
    ended = verify(dataset.folder)

    assert (ended.exit_code, ended.stdout.strip()) == (0, dataset.content_id)
    assert "2 files, 3 rows (3 decoded) and 0 scores are as written" in " ".join(
        ended.stderr.split()
    )


def test_all_problems_are_listed(verify, dataset):
    """A line each, then one error, exit code 1, and nothing on standard output."""
    (dataset.folder / dataset.files[0].path).unlink()
    (dataset.folder / dataset.files[1].path).write_bytes(b"no")

    ended = verify(dataset.folder)

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.count("wrong: ") == 4
    assert ended.stderr.count("error: ") == 1
    assert "is missing" in ended.stderr
    assert "has 2 bytes" in ended.stderr
    assert "cannot be read" in ended.stderr
    assert "content id" in ended.stderr


def test_problems_as_json(verify, dataset):
    """Stable keys, exit code 1 all the same."""
    (dataset.folder / dataset.files[0].path).unlink()
    shutil.copy(dataset.folder / "mosdata.json", dataset.folder / "mine.json")

    ended = verify(dataset.folder, "--json", "--quick")

    value = json.loads(ended.stdout)
    assert ended.exit_code == 1
    assert value["problems"][0] == {"path": dataset.files[0].path, "says": "is missing"}
    assert (value["num_rows"], value["num_decoded"]) == (1, 0)
    assert "mine.json" in value["notes"][0]


def test_quick_says_that_nothing_was_decoded(verify, dataset):
    """Nobody should take the quick look for the whole one."""
    ended = verify(dataset.folder, "--quick")

    assert ended.exit_code == 0
    assert "(0 decoded)" in ended.stderr
