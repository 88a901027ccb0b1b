"""Status, repair and parts as commands; real processes where it matters."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mosdata.manifests.store import open_dataset

SLOW_ENGINE = """
import time
from dataclasses import replace
from mosdata.synth.tone import Tone

class Slow(Tone):
    info = replace(Tone.info, name="users-slow")

    def synthesize(self, request):
        time.sleep(0.1)
        return super().synthesize(request)
"""

MUTE_ENGINE = """
from dataclasses import replace
from pathlib import Path
from mosdata.errors import RecordRejected
from mosdata.synth.tone import Tone

class Mute(Tone):
    info = replace(Tone.info, name="users-mute")

    def synthesize(self, request):
        if "chicken" in request.text and not Path("voice").exists():
            raise RecordRejected("lost_voice", "The voice is gone.")
        return super().synthesize(request)
"""

BUILD = ("build", "-t", "transcripts.txt", "--systems", "tone", "--split", "2:1:1")
STATUS_KEYS = {
    *("folder", "run_folder", "stage", "set", "plan_id", "state", "num_records", "num_done"),
    *("num_missing", "num_rows", "num_rejected", "num_shards", "num_shards_done"),
    *("num_taken_over", "duration_s", "rejected_by_reason", "by_group", "driver"),
    *("num_underway", "rate_per_s", "last_activity", "strikes", "taken_over_from", "command"),
    *("summary", "next"),
}


@pytest.fixture
def users_engine(workspace, monkeypatch):
    """A slow and a mute engine in the workspace."""
    (workspace / "slow_engine.py").write_text(SLOW_ENGINE)
    (workspace / "mute_engine.py").write_text(MUTE_ENGINE)
    monkeypatch.syspath_prepend(str(workspace))
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(workspace), before]).strip(os.pathsep))
    return workspace


def test_from_plan_to_dataset_in_parts(mosdata, workspace, checksums_of):
    """--plan-only, two parts, the same command: the dataset of one command alone."""
    alone = mosdata(*BUILD, "--out", "alone", "--json")
    planned = mosdata(*BUILD, "--out", "parts", "--plan-only", "--no-reuse", "--json")
    parts = [
        mosdata("run-shards", "parts", "--shards", f"{i}/2", "--workers", 1, "--json")
        for i in (1, 2)
    ]
    whole = mosdata("status", "parts", "--json")
    made = mosdata(*BUILD, "--out", "parts", "--no-reuse", "--json")

    told = json.loads(planned.out)
    assert told["plan_only"]
    assert "mosdata run-shards parts --shards i/N" in planned.err
    assert sum(json.loads(part.out)["num_records"] for part in parts) == told["num_records"] == 6
    (said,) = json.loads(whole.out)
    assert STATUS_KEYS == {*said}
    assert (said["state"], said["num_missing"]) == ("unfinished", 0)
    assert "--plan-only" not in said["command"]
    ids = [json.loads(ended.out)["dataset_id"] for ended in (alone, made)]
    assert ids[0] == ids[1]
    assert checksums_of(workspace / "alone") == checksums_of(workspace / "parts")


def test_rows_are_taken_over_and_that_is_said(mosdata, workspace, sentences):
    """From the dataset beside, without being asked; not with --no-reuse."""
    texts = workspace / "transcripts.txt"
    texts.write_text("\n".join(sentences[:4]) + "\n")
    mosdata(*BUILD, "--out", "out/small")
    texts.write_text("\n".join(sentences) + "\n")

    large = mosdata(*BUILD, "--out", "out/large", "--json")
    fresh = mosdata(*BUILD, "--out", "out/fresh", "--no-reuse", "--json")
    far = mosdata(*BUILD, "--out", "far/large", "--reuse", "out/small", "--json")

    assert "4 of them taken over from out/small." in large.err
    assert "taken over" not in fresh.err
    assert "4 of them taken over from out/small." in far.err
    ids = {json.loads(ended.out)["dataset_id"] for ended in (large, fresh, far)}
    assert len(ids) == 1
    said = {one["folder"]: one for one in json.loads(mosdata("status", "--json").out)}
    assert said["out/large"]["num_taken_over"] == 4
    assert said["out/fresh"]["num_taken_over"] == 0


def test_a_budget_stops_and_retrying_goes_on(mosdata, users_engine):
    """Exit code 1, the reason, and the commands that help; each of them does."""
    command = [*BUILD, "--systems", "mute_engine:Mute", "--out", "out/mute", "--executor", "serial"]

    stopped = mosdata(*command, "--max-quarantine", "1%")
    shown = mosdata("status", "out/mute", "--rejected")
    retried = mosdata("repair", "out/mute.run", "--retry-rejected")
    (users_engine / "voice").touch()
    ended = mosdata(*command, "--max-quarantine", "0", "--json")

    assert stopped.code == 1
    assert "lost_voice: The voice is gone." in stopped.err
    assert "Traceback" not in stopped.err
    assert "[lost_voice] The voice is gone." in shown.err
    assert "last run: failed" in shown.err
    assert "will be made again" in retried.err
    assert (ended.code, json.loads(ended.out)["num_rejected"]) == (0, 0)


def test_a_damaged_dataset_is_repaired(mosdata, workspace, checksums_of):
    """Damage, repair, verify; and a second time nothing is to do."""
    mosdata(*BUILD, "--out", "out/speech")
    before = checksums_of(workspace / "out/speech")
    file = workspace / "out/speech" / open_dataset(workspace / "out/speech").files[0].path
    file.write_bytes(file.read_bytes()[:-9])

    looked = mosdata("repair", "out/speech", "--dry-run", "--json")
    mended = mosdata("repair", "out/speech", "--workers", 1, "--json")
    again = mosdata("repair", "out/speech")

    assert [json.loads(e.out)[0]["troubles"][0]["done"] for e in (looked, mended)] == [
        "would_mend",
        "mended",
    ]
    assert "are as written" in again.err
    assert before == checksums_of(workspace / "out/speech")
    assert mosdata("verify", "out/speech").code == 0


def test_what_cannot_be_mended_is_exit_code_1(mosdata, workspace):
    """Without the run folder, with the command to type."""
    mosdata(*BUILD, "--out", "out/speech")
    file = workspace / "out/speech" / open_dataset(workspace / "out/speech").files[0].path
    file.unlink()
    for path in sorted((workspace / "out/speech.run").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    ended = mosdata("repair", "out/speech")

    assert ended.code == 1
    assert "mosdata build --transcripts FILE --systems tone" in ended.err


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "nowhere"),
        ("repair", "nowhere"),
        ("run-shards", "nowhere", "--shards", "1/2"),
        ("run-shards", "nowhere", "--shards", "0/2"),
        (*BUILD, "--max-quarantine", "half"),
        (*BUILD, "--reuse", "nowhere"),
        (*BUILD, "--reuse", "nowhere", "--no-reuse"),
    ],
)
def test_wrong_use_is_refused(refused, command):
    """One message, exit code 2, nothing changes."""
    assert refused(*command)


def test_rejections_of_a_finished_dataset_are_not_retried(mosdata, workspace, refused):
    """They are part of what it is."""
    mosdata(*BUILD, "--out", "out/speech")

    assert "is finished" in refused("repair", "out/speech", "--retry-rejected")


@pytest.mark.slow
def test_two_parts_at_once_and_one_killed(users_engine, mosdata, checksums_of, sentences):
    """Two processes at the whole plan at once, one of them killed: the same dataset."""
    texts = "\n".join(f"{text} Again, number {i}." for i in range(40) for text in sentences)
    (users_engine / "transcripts.txt").write_text(texts)
    command = [*BUILD, "--systems", "slow_engine:Slow,tone", "--no-reuse"]
    assert mosdata(*command, "--out", "alone").code == 0
    assert mosdata(*command, "--out", "parts", "--plan-only").code == 0
    line = [sys.executable, "-m", "mosdata", "run-shards", "parts", "--workers", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "start_new_session": True}

    first = subprocess.Popen(line, **quiet)
    second = subprocess.Popen(line, **quiet)
    wait_for(Path("parts.run/receipts"), 2, first)
    said = json.loads(mosdata("status", "parts", "--json").out)[0]
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    _, complaint = second.communicate(timeout=300)
    ended = mosdata(*command, "--out", "parts", "--json")

    assert (said["state"], said["num_shards_done"] >= 2) == ("unfinished", True)
    assert second.returncode == 0, complaint
    assert json.loads(ended.out)["num_rejected"] == 0
    assert checksums_of(users_engine / "alone") == checksums_of(users_engine / "parts")


@pytest.mark.slow
def test_status_follows_a_run_and_its_death(users_engine, mosdata):
    """Running while the driver lives, unfinished after SIGKILL; the command to type works."""
    texts = "\n".join(f"This is number {i}." for i in range(300))
    (users_engine / "transcripts.txt").write_text(texts)
    command = [*BUILD, "--systems", "slow_engine:Slow", "--out", "out/speech", "--workers", "2"]
    command += ["--executor", "process"]
    driver = subprocess.Popen(
        [sys.executable, "-m", "mosdata", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(Path("out/speech.run/receipts"), 1, driver)
    (running,) = json.loads(mosdata("status", "--json").out)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    (killed,) = json.loads(mosdata("status", "--json").out)

    assert ("running", True) == (running["state"], running["driver"])
    assert ("unfinished", False) == (killed["state"], killed["driver"])
    assert 0 < killed["num_done"] < 300
    assert killed["command"] == killed["next"] == f"mosdata {' '.join(command)}"


def wait_for(folder, num_files, process):
    """Until a folder has some files, or the process that should write them has ended."""
    deadline = time.monotonic() + 120
    while len([*folder.glob("*.json")]) < num_files and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def checksums_of():
    """Contents of all files below a folder, by relative path."""

    def of(folder):
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    return of


def test_watching_ends_when_nothing_runs(mosdata, workspace):
    """A look, a pause, a look: until the lock is free."""
    mosdata(*BUILD, "--out", "out/speech")
    mosdata(*BUILD, "--out", "out/more", "--seed", "1", "--plan-only")
    lock = (workspace / "out/more.run/lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    timer = threading.Timer(1.0, lock.close)
    timer.start()

    ended = mosdata("status", "--watch", "--every", "0.2", "--json")

    looks = [json.loads(line) for line in ended.out.splitlines()]
    states = [{Path(one["folder"]).name: one["state"] for one in look} for look in looks]
    assert {"speech": "finished", "more": "running"} == states[0]
    assert {"speech": "finished", "more": "unfinished"} == states[-1]


def test_one_damaged_run_does_not_hide_the_others(mosdata, workspace):
    """It is told; named alone, it is an error."""
    mosdata(*BUILD, "--out", "out/speech")
    mosdata(*BUILD, "--out", "out/more", "--seed", "1", "--plan-only")
    (workspace / "out/more.run/plan.json").write_text("{")

    ended = mosdata("status", "--json")

    assert ["out/speech"] == [one["folder"] for one in json.loads(ended.out)]
    assert "cannot be read as a plan" in ended.err
    assert mosdata("status", "out/more").code == 1


def test_an_object_store_has_parts_and_a_status(mosdata, workspace, bucket):
    """Plan, parts, status and the dataset in a bucket; nobody can see its lock."""
    command = [*BUILD, "--out", f"{bucket}/speech"]

    planned = mosdata(*command, "--plan-only", "--json")
    part = mosdata("run-shards", f"{bucket}/speech", "--workers", 1, "--json")
    made = mosdata(*command, "--executor", "serial", "--json")
    said = mosdata("status", f"{bucket}/speech", "--json")

    assert json.loads(planned.out)["num_records"] == json.loads(part.out)["num_records"] == 6
    assert json.loads(made.out)["num_rows"] == 6
    (one,) = json.loads(said.out)
    assert (one["state"], one["driver"], one["num_done"]) == ("finished", None, 6)
    assert "a local one" in mosdata("repair", f"{bucket}/speech").err
