"""A file that exists is complete: what is interrupted leaves what was there."""

import json
import os
import signal
import subprocess
import sys

import pytest

from mosdata.manifests.durable import create_text, sha256_file, write_json, write_text

KILLED_BEFORE_THE_RENAME = """
import os, pathlib, signal, sys
from mosdata.manifests import durable

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

pathlib.Path.replace = die
os.link = die
getattr(durable, sys.argv[1])(pathlib.Path(sys.argv[2]), "new " * 100_000)
"""


@pytest.mark.parametrize("function", ["write_text", "create_text"])
@pytest.mark.parametrize("before", ["old", None])
def test_a_kill_between_write_and_rename_leaves_the_old_file(tmp_path, function, before):
    """The file is the old one, whole, or still absent; never half of the new one."""
    path = tmp_path / "file.json"
    if before is not None:
        path.write_text(before)

    ended = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_THE_RENAME, function, str(path)], check=False
    )

    assert ended.returncode == -signal.SIGKILL
    assert before == (path.read_text() if path.exists() else None)


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    """The partial file goes where the process lives to clear up."""
    path = tmp_path / "file.json"
    write_text(path, "old")

    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")

    assert path.read_text() == "old"
    assert [path] == list(tmp_path.iterdir())


def test_the_first_writer_wins(tmp_path):
    """Of two that create a file, one is told that it did, and its text stays."""
    path = tmp_path / "receipt.json"

    answers = [create_text(path, "first"), create_text(path, "second")]

    assert answers == [True, False]
    assert path.read_text() == "first"
    assert [path] == list(tmp_path.iterdir())


def test_one_of_many_processes_creates_a_file(tmp_path):
    """Four at once: exactly one wins, and the file is the winner's, whole."""
    path = tmp_path / "receipt.json"
    code = (
        "import os, pathlib, sys; from mosdata.manifests.durable import create_text\n"
        "sys.stdin.readline()\n"
        "text = f'{os.getpid()} ' * 20_000\n"
        "print(os.getpid() if create_text(pathlib.Path(sys.argv[1]), text) else '')"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    winners = [answer for writer in writers if (answer := writer.communicate()[0].strip())]

    assert len(winners) == 1
    assert path.read_text() == f"{winners[0]} " * 20_000


def test_json_is_written_for_people_and_for_diffs(tmp_path):
    """Sorted keys, letters as they are, a newline at the end."""
    path = tmp_path / "deep" / "value.json"

    write_json(path, {"b": 1, "a": "Grüße"})

    assert path.read_text("utf-8") == '{\n  "a": "Grüße",\n  "b": 1\n}\n'
    assert json.loads(path.read_bytes()) == {"a": "Grüße", "b": 1}


def test_a_checksum_is_that_of_sha256sum(tmp_path):
    """The digest of three letters, from FIPS 180-2, appendix B.1."""
    path = tmp_path / "abc"
    path.write_bytes(b"abc")

    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert expected == sha256_file(path)


def test_files_are_readable_by_others(tmp_path):
    """A dataset is there to be shared: the usual mode, not that of a temporary file."""
    path = tmp_path / "file"
    mask = os.umask(0o022)
    try:
        write_text(path, "x")
    finally:
        os.umask(mask)

    assert path.stat().st_mode & 0o777 == 0o644
