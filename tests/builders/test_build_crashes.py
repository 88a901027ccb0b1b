"""One bad record, one dead worker, one broken engine: the rest is made."""

import json
import os
import subprocess
import sys

import pytest

from mosdata.builders.executors import Execution
from mosdata.errors import BuildFailed, InvalidValue
from mosdata.manifests.splits import SplitRule
from mosdata.manifests.store import open_dataset


def children():
    """Processes that this one has started and that are still running."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=,args=", "--ppid", str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return [line for line in listed.splitlines() if "mosdata.builders.worker" in line]


def test_a_record_that_kills_its_worker_is_quarantined_alone(tmp_path, speech_stage, run, engines):
    """SIGKILL by one text, three times: that record is put aside, every other clip is made."""
    stage = speech_stage(systems=("users_engines:Killer",))

    outcome = run(stage, tmp_path / "out", executor="process", workers=2, records_per_shard=3)

    rows = open_dataset(outcome.folder).quarantined()
    assert [(row["reason"], row["group"]) for row in rows] == [("worker_crash", "users-killer")]
    assert "chicken" in json.loads(rows[0]["payload"])["text"]
    assert (outcome.num_rows, outcome.num_rejected) == (5, 1)
    assert outcome.reasons == {"worker_crash": 1}


def test_a_record_that_crashes_is_tried_twice_only(
    tmp_path, speech_stage, run, engines, monkeypatch
):
    """A segmentation fault is the record's own: nobody else sends that signal."""
    attempts = tmp_path / "attempts.txt"
    monkeypatch.setenv("USERS_ATTEMPTS", str(attempts))
    stage = speech_stage(systems=("users_engines:Crasher",))

    outcome = run(stage, tmp_path / "out", executor="process", workers=2, records_per_shard=3)

    (row,) = open_dataset(outcome.folder).quarantined()
    assert (outcome.num_rows, outcome.reasons) == (5, {"worker_crash": 1})
    assert "died 2 times" in row["message"]
    assert attempts.read_text().count("crash") == 2


def test_kills_that_hit_everybody_put_nobody_aside(
    tmp_path, speech_stage, run, engines, monkeypatch
):
    """Four kills at each record, which was made in between: all of them are made in the end."""
    monkeypatch.setenv("USERS_ATTEMPTS", str(tmp_path / "attempts.txt"))
    texts, split = ["One word.", "Another word."], SplitRule(shares=(1, 0, 0))
    stage = speech_stage(texts, systems=("users_engines:Unlucky",), split=split)

    outcome = run(stage, tmp_path / "out", executor="process", workers=1)

    attempts = (tmp_path / "attempts.txt").read_text().splitlines()
    assert attempts.count(attempts[0]) >= 6
    assert (outcome.num_rows, outcome.num_rejected) == (2, 0)


def test_many_records_that_kill_their_workers_are_all_found(tmp_path, speech_stage, run, engines):
    """Each death has somebody to blame, so the run goes on, however many there are."""
    texts = [f"Number {i} has chicken." for i in range(6)] + ["A last word."]
    stage = speech_stage(texts, systems=("users_engines:Killer",))

    outcome = run(stage, tmp_path / "out", executor="process", workers=1, records_per_shard=7)

    assert (outcome.num_rows, outcome.reasons) == (1, {"worker_crash": 6})


def test_a_record_that_raises_is_quarantined_with_what_was_raised(
    tmp_path, speech_stage, run, engines
):
    """An engine's own exception becomes one row, with its name and its words."""
    outcome = run(speech_stage(systems=("users_engines:Raiser",)), tmp_path / "out")

    (row,) = open_dataset(outcome.folder).quarantined()
    assert row["reason"] == "error:LookupError"
    assert "no phone for chicken" in row["message"]
    assert outcome.num_rows == 5


def test_an_engine_that_workers_cannot_load_leaves_the_others_alone(
    tmp_path, speech_stage, run, engines
):
    """Its records are put aside, with the reason; the other systems' clips are made."""
    stage = speech_stage(systems=("tone", "users_engines:fails_in_workers"))

    outcome = run(stage, tmp_path / "out", executor="process", workers=1)

    rows = open_dataset(outcome.folder).quarantined()
    assert {row["group"] for row in rows} == {"users-absent"}
    assert all("the weights are not on this machine" in row["message"] for row in rows)
    assert {row.system for row in outcome.dataset.utterances()} == {"tone"}
    assert (outcome.num_rows, outcome.num_rejected) == (6, 6)


def test_a_run_that_made_nothing_failed_and_tries_again(
    tmp_path, speech_stage, run, engines, monkeypatch
):
    """All rejected is a failure with its first reason; the same command then starts afresh."""
    monkeypatch.setenv("USERS_VOICE", str(tmp_path / "voice"))
    stage = speech_stage(systems=("users_engines:Mute",))

    with pytest.raises(BuildFailed, match=r"All 6 records were rejected.*lost_voice"):
        run(stage, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "voice").touch()
    outcome = run(stage, tmp_path / "out")

    assert (outcome.num_rows, outcome.num_resumed) == (6, 0)


def test_workers_that_cannot_start_end_the_run(tmp_path, speech_stage, run, monkeypatch):
    """When everything dies, the run says where the workers' last words are, and stops."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho broken install >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))

    with pytest.raises(BuildFailed, match=r"workers died one after another.*logs"):
        run(speech_stage(), tmp_path / "out", executor="process", workers=1)

    assert "broken install" in (tmp_path / "out.run" / "logs" / "worker-0.log").read_text()
    assert not children()


def test_no_worker_outlives_an_interrupted_run(tmp_path, speech_stage, run, engines):
    """An exception in the driver stops the workers at once, even while it is being handled."""

    def stop(now):
        if now.num_done:
            raise KeyboardInterrupt

    stage = speech_stage(systems=("users_engines:Slow",), voices=3)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(stage, tmp_path / "out", executor="process", workers=2, on_progress=stop)

    assert not children()
    del caught


@pytest.mark.parametrize(
    "wrong",
    [
        {"executor": "threads"},
        {"workers": 0},
        {"executor": "process", "on": "gpu_hall"},
        {"on": ""},
    ],
    ids=["executor", "workers", "resource without Ray", "resource without a name"],
)
def test_a_way_to_run_that_does_not_exist_is_refused(wrong):
    """Before anything starts."""
    with pytest.raises(InvalidValue):
        Execution(**wrong)
