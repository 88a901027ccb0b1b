"""Folders on object stores keep the promises that folders on a disk keep."""

import subprocess
import sys
from pathlib import Path

import pytest

from mosdata.errors import InvalidValue
from mosdata.manifests.durable import create_text, sha256_file, write_json, write_text
from mosdata.manifests.places import copy, is_remote, parquet_file, place_of, remove_tree

WRITERS = """
import sys
from mosdata.manifests.durable import create_text
from mosdata.manifests.places import place_of

sys.stdin.readline()
print(create_text(place_of(sys.argv[1]), sys.argv[2]))
"""


@pytest.fixture(params=["disk", "s3"])
def folder(request, tmp_path):
    """An empty folder, on either."""
    if request.param == "disk":
        return tmp_path / "folder"
    return place_of(f"{request.getfixturevalue('bucket')}/folder")


def test_a_name_says_where_it_is(bucket):
    """Paths are paths; addresses keep their two slashes."""
    assert isinstance(place_of("out/build"), Path)
    assert Path("/tmp/x") == place_of("file:///tmp/x")
    assert is_remote(place_of(f"{bucket}/out"))
    assert f"{bucket}/out/a" == str(place_of(f"{bucket}/out") / "a")


def test_an_address_of_no_known_kind_is_refused():
    """With the kinds that there are."""
    with pytest.raises(InvalidValue, match="fsspec can open"):
        place_of("quark://bucket/out")


def test_what_is_written_is_read(folder):
    """Texts and their checksums; a second write replaces the first."""
    write_text(folder / "a.txt", "old")
    write_text(folder / "a.txt", "new")
    write_json(folder / "b" / "c.json", {"x": 1})

    assert "new" == (folder / "a.txt").read_text()
    assert (folder / "b" / "c.json").is_file()
    assert sha256_file(folder / "a.txt") == sha256_file(folder / "a.txt")
    assert ["a.txt", "b"] == sorted(path.name for path in folder.iterdir())


def test_the_first_writer_wins_everywhere(folder):
    """The second is told so, and changes nothing."""
    answers = [create_text(folder / "receipt.json", text) for text in ("first", "second")]

    assert [True, False] == answers
    assert "first" == (folder / "receipt.json").read_text()


def test_of_many_processes_at_once_one_wins(folder):
    """Real processes, let go together."""
    command = [sys.executable, "-c", WRITERS, str(folder / "receipt.json")]
    writers = [
        subprocess.Popen(
            [*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(4)
    ]
    said = [writer.communicate("go\n")[0].strip() for writer in writers]

    assert ["False"] * 3 + ["True"] == sorted(said)
    assert str(said.index("True")) == (folder / "receipt.json").read_text()


def test_files_are_copied_between_places(folder, tmp_path, built):
    """Down, up and across; Parquet is read where it lies."""
    source = built / "data"
    file = next(iter(sorted(source.glob("*.parquet"))))
    folder.mkdir(parents=True, exist_ok=True)

    copy(file, folder / "up.parquet")
    copy(folder / "up.parquet", folder / "across.parquet")
    copy(folder / "across.parquet", tmp_path / "down.parquet")

    assert file.read_bytes() == (tmp_path / "down.parquet").read_bytes()
    assert parquet_file(file).metadata == parquet_file(folder / "across.parquet").metadata


def test_a_tree_goes_as_a_whole(folder):
    """And what is not there may be removed, too."""
    write_text(folder / "run" / "a" / "b.txt", "x")
    write_text(folder / "kept.txt", "x")

    remove_tree(folder / "run")
    remove_tree(folder / "run")

    assert ["kept.txt"] == [path.name for path in folder.iterdir()]
