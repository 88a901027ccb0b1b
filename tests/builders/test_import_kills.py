"""SIGKILL at any moment of an import: the next one makes what no kill would have changed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mosdata.builders.verify import verify_content, verify_files
from mosdata.manifests.store import open_dataset
from mosdata.testing import speechlike

pytestmark = pytest.mark.slow


SLOW_EARS = '''
"""Takes files in as always, and takes its time."""

import time

import mosdata.corpora.sound as sound

quick = sound.take_in

def slow(data):
    time.sleep(0.05)
    return quick(data)

sound.take_in = slow
'''


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The real command on thirty files that take their time, by two workers."""
    import soundfile

    lines = ["clip_id,score,rater,system"]
    (tmp_path / "audio").mkdir()
    for i in range(30):
        rate = (8_000, 16_000, 48_000)[i % 3]
        samples = speechlike(0.2, rate, seed=i).samples
        soundfile.write(tmp_path / "audio" / f"c{i}.wav", samples, rate)
        lines += [f"c{i},{1 + i % 5},ann,s{i % 4}", f"c{i},{1 + i % 3},ben,s{i % 4}"]
    (tmp_path / "audio" / "c7.wav").write_bytes(b"broken")
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "ears").mkdir()
    (tmp_path / "ears" / "sitecustomize.py").write_text(SLOW_EARS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "ears"))
    line = [sys.executable, "-m", "mosdata", "import", "scores.csv", "--audio", "audio"]
    line += ["--split", "1:1:1", "--workers", "2", "--executor", "process"]
    return lambda out: [*line, "--out", str(tmp_path / out)]


@pytest.mark.parametrize("whom", ["group", "driver"])
def test_kills_of_an_import_change_nothing(
    tmp_path, command, checksums, killed_again_and_again, whom
):
    """The whole group, or the driver alone so that its workers are orphans: five times each."""
    last = killed_again_and_again(command, whom, latest=0.95)

    assert last.returncode == 0, last.stderr
    assert checksums(tmp_path / "undisturbed") == checksums(tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    verify_files(dataset)
    verify_content(dataset)
    assert (29, 60) == (dataset.num_rows, len(list(dataset.ratings())))


def test_a_dataset_is_never_there_without_its_scores(tmp_path, command):
    """Killed as soon as the folder appears: its ratings are in it already."""
    driver = subprocess.Popen(
        command("out"), cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL
    )
    out = Path(tmp_path / "out")
    deadline = time.monotonic() + 60
    while not out.is_dir() and driver.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()

    assert 60 == len(list(open_dataset(out).ratings()))
