"""A disk that is too small is noticed before, and a disk that fills up is survived."""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

from mosdata.builders import run as run_module
from mosdata.builders.ground import check_space
from mosdata.errors import NotEnoughSpace


class DiskUsage(NamedTuple):
    """What ``shutil.disk_usage`` answers."""

    total: int
    used: int
    free: int


DISK_BYTES = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path):
    """A real filesystem of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a filesystem of its own needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip(f"mounting a filesystem is not allowed here: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def build(cwd, out):
    """The real command, on six texts by three voices."""
    command = [sys.executable, "-m", "mosdata", "build", "-t", "texts.txt", "--systems", "tone"]
    command += ["--voices", "3", "--executor", "process", "--workers", "1", "--no-reuse"]
    command += ["--out", str(out)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.slow
def test_a_full_disk_is_one_message_and_the_rest_is_made_elsewhere(
    tmp_path, small_disk, sentences, checksums, monkeypatch
):
    """Exit code 2 and one message; with both folders moved to a larger disk it goes on."""
    (tmp_path / "texts.txt").write_text("\n".join(sentences))
    fresh = build(tmp_path, tmp_path / "fresh")
    needed = sum(path.stat().st_size for path in (tmp_path / "fresh" / "data").iterdir())
    (small_disk / "ballast").write_bytes(b"x" * (DISK_BYTES - needed // 2))
    # The estimate would refuse at once: what must fail here is writing.
    (tmp_path / "sitecustomize.py").write_text(
        "import mosdata.builders.run as run\nrun.check_space = lambda *_: None\n"
    )
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        full = build(tmp_path, small_disk / "out")

    assert full.returncode == 2
    assert full.stderr.count("error: ") == 1
    assert "is full" in full.stderr
    assert "Traceback" not in full.stderr
    assert not (small_disk / "out").exists()

    shutil.copytree(small_disk / "out.run", tmp_path / "larger" / "out.run")
    moved = build(tmp_path, tmp_path / "larger" / "out")

    assert (moved.returncode, fresh.returncode) == (0, 0)
    assert checksums(tmp_path / "fresh") == checksums(tmp_path / "larger" / "out")


@pytest.mark.parametrize("name", ["save_receipt", "_make"])
def test_a_disk_that_fills_up_at_any_step_of_a_shard_is_explained(
    tmp_path, speech_stage, run, monkeypatch, name
):
    """While clips are written and while their receipt is."""
    from mosdata.builders import shard

    def full(*_):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(shard, name, full)
        with pytest.raises(NotEnoughSpace, match="run the same command again"):
            run(speech_stage(), tmp_path / "out")

    assert run(speech_stage(), tmp_path / "out").num_rows == 6


def test_a_disk_that_fills_up_at_the_end_is_explained(tmp_path, speech_stage, run, monkeypatch):
    """While the dataset is put together: nothing half-made is left in its place."""

    def full(*_, **__):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "commit_clips", full)
        with pytest.raises(NotEnoughSpace, match="run the same command again"):
            run(speech_stage(), tmp_path / "out")
    assert not (tmp_path / "out").exists()

    assert run(speech_stage(), tmp_path / "out").num_resumed == 4


def test_a_run_that_cannot_fit_is_refused_before_it_starts(
    tmp_path, speech_stage, run, monkeypatch
):
    """The message says how much is needed, how much is free and what helps."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(9, 9, 1000))

    with pytest.raises(NotEnoughSpace, match=r"needs about .* GB free.*--dry-run"):
        run(speech_stage(), tmp_path / "out")

    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "out.run").glob("attempts/*"))


@pytest.mark.parametrize(("num_bytes", "fits"), [(833, True), (835, False)])
def test_space_is_asked_for_with_a_margin(tmp_path, monkeypatch, num_bytes, fits):
    """A fifth more than the estimate must be free, on the disk that will hold the result."""
    asked = []

    def usage(path):
        asked.append(path)
        return DiskUsage(9, 9, 1000)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    if fits:
        check_space(tmp_path / "not" / "made" / "yet", num_bytes)
    else:
        with pytest.raises(NotEnoughSpace):
            check_space(tmp_path / "not" / "made" / "yet", num_bytes)

    assert asked == [tmp_path]
