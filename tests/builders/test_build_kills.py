"""SIGKILL at any moment: the next run makes the dataset that no kill would have changed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def command(tmp_path, sentences, engines_folder, monkeypatch):
    """The real command on a slow engine: 18 clips in two workers, in shards of at most a few."""
    (tmp_path / "texts.txt").write_text("\n".join(sentences))
    monkeypatch.setenv("PYTHONPATH", str(engines_folder))
    line = [sys.executable, "-m", "mosdata", "build", "-t", "texts.txt", "--voices", "3"]
    line += ["--split", "1:1:1", "--systems", "users_engines:Slow,tone", "--workers", "2"]
    line += ["--no-reuse"]  # what is beside must be made again here
    return lambda out: [*line, "--executor", "process", "--out", str(tmp_path / out)]


def workers_of(run_folder):
    """Worker processes of a run that are alive, whoever their parent is now."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone in the meantime
            if str(run_folder).encode() in (process / "cmdline").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


@pytest.mark.parametrize("whom", ["group", "driver"])
def test_kills_at_random_moments_change_nothing(
    tmp_path, command, checksums, killed_again_and_again, whom
):
    """The whole group, or the driver alone so that its workers are orphans: five times each."""
    last = killed_again_and_again(command, whom, latest=0.9)

    assert last.returncode == 0, last.stderr
    assert checksums(tmp_path / "undisturbed") == checksums(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out.run").iterdir() if path.is_dir()) == [
        "logs",
        "receipts",
    ]
    deadline = time.monotonic() + 20
    while workers_of(tmp_path / "out.run") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not workers_of(tmp_path / "out.run")


def test_a_record_under_way_when_the_driver_is_killed_is_innocent(tmp_path, command):
    """Nobody is put aside because somebody pulled the plug."""
    for _ in range(3):
        driver = subprocess.Popen(
            command("out"), cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL
        )
        marked = tmp_path / "out.run" / "wip"
        deadline = time.monotonic() + 60
        while not list(marked.glob("*.cur")) and driver.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    subprocess.run(command("out"), cwd=tmp_path, check=True, capture_output=True)

    assert not (tmp_path / "out" / "quarantine").exists()
