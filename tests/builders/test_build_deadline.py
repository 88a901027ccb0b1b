"""A record that hangs is stopped, tried once more, and put aside; the live view never stands."""

import faulthandler
import json
import math
import signal
import subprocess
import sys
import textwrap

import pyarrow.parquet as pq
import pytest

from mosdata.builders.executors import RECORD_DEADLINE_S, Execution
from mosdata.builders.plan import read_plan, write_plan
from mosdata.builders.strikes import (
    DEADLINE,
    MADE,
    MAX_ACQUITTALS,
    WORKER_CRASH,
    WORKER_KILLED,
    Mark,
    SelfStop,
    acquit,
    is_put_aside,
    kind_of_death,
    load_strikes,
    open_marker,
    read_marker,
    strike,
    strikes_of,
    told_off,
)
from mosdata.cli import options
from mosdata.errors import InvalidValue
from mosdata.manifests.splits import SplitRule
from mosdata.manifests.store import open_dataset

DEADLINE_S = 5.0


def test_a_record_that_hangs_is_put_aside_and_the_others_are_made(
    tmp_path, speech_stage, run, engines
):
    """Even where it holds the interpreter lock; the log says where it hung."""
    stage = speech_stage(systems=("users_engines:Hanger",))

    outcome = run(
        stage,
        tmp_path / "out",
        executor="process",
        workers=2,
        records_per_shard=3,
        record_deadline_s=DEADLINE_S,
    )

    (entry,) = open_dataset(outcome.folder).manifest["quarantine"]
    (row,) = pq.read_table(outcome.folder / entry["path"]).to_pylist()
    assert (outcome.num_rows, outcome.reasons) == (5, {DEADLINE: 1})
    assert "chicken" in json.loads(row["payload"])["text"]
    assert "--record-deadline" in row["message"]
    logs = "".join(path.read_text() for path in (tmp_path / "out.run" / "logs").iterdir())
    assert logs.count("users_engines.py") >= 2


def test_slow_records_are_not_hanging_records(tmp_path, speech_stage, run, engines):
    """The clock starts anew with every record: a shard may take longer than a record."""
    outcome = run(
        speech_stage(
            [f"Sentence {i}." for i in range(150)],
            systems=("users_engines:Slow",),
            split=SplitRule(shares=(1, 0, 0)),
        ),
        tmp_path / "out",
        executor="process",
        workers=1,
        records_per_shard=150,
        record_deadline_s=DEADLINE_S,
    )

    assert (outcome.num_rows, outcome.num_rejected) == (150, 0)


def test_the_live_view_moves_within_a_shard(tmp_path, speech_stage, run, engines):
    """Records are counted before their shard is finished, and none is counted twice."""
    news = []
    run(
        speech_stage(
            [f"Sentence {i}." for i in range(60)],
            systems=("users_engines:Slow",),
            split=SplitRule(shares=(1, 0, 0)),
        ),
        tmp_path / "out",
        executor="process",
        workers=1,
        records_per_shard=60,
        on_progress=news.append,
    )

    counts = [now.num_done for now in news]
    assert any(0 < now.num_done < 60 and not now.num_shards for now in news)
    assert counts[-1] == 60 == max(counts)
    assert all(now.by_group["users-slow"] == (now.num_done, now.num_records) for now in news[1:-1])


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan])
def test_no_time_at_all_is_refused(seconds):
    """Before anything starts."""
    with pytest.raises(InvalidValue, match="--record-deadline"):
        Execution(record_deadline_s=seconds)


def test_a_deadline_is_the_default():
    """Five minutes; and none at all can be asked for."""
    assert Execution().record_deadline_s == RECORD_DEADLINE_S == options.RECORD_DEADLINE_S == 300.0
    assert Execution(record_deadline_s=math.inf).record_deadline_s == math.inf


@pytest.fixture
def planned(tmp_path, speech_stage):
    """A run folder with a plan, and its first shard."""
    write_plan(tmp_path, speech_stage(), records_per_shard=4)
    return tmp_path, read_plan(tmp_path).shards[0]


def test_a_marker_says_what_and_how_far(planned):
    """Long names are cut, never mixed with the count."""
    run_folder, shard = planned
    with open_marker(run_folder, shard) as marker:
        process_id = int(marker.path.name.split(".")[1])
        empty = read_marker(run_folder, shard.index, process_id)
        marker.point_at("a" * 70, 1_234)
        long = read_marker(run_folder, shard.index, process_id)
        marker.point_at("b", 7)
        short = read_marker(run_folder, shard.index, process_id)

    assert (empty, long, short) == (None, Mark("a" * 64, 1_234), Mark("b", 7))
    assert read_marker(run_folder, shard.index, process_id) is None


def test_strikes_remember_their_reasons(planned):
    """In order, for each record."""
    run_folder, shard = planned
    for record_id, reason in (("a", WORKER_CRASH), ("b", DEADLINE), ("a", DEADLINE)):
        marker = open_marker(run_folder, shard)
        marker.point_at(record_id, 0)
        assert strike(run_folder, shard, reason=reason) == record_id

    assert strike(run_folder, shard) is None
    assert load_strikes(run_folder, shard) == {"a": [WORKER_CRASH, DEADLINE], "b": [DEADLINE]}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *[(-one, WORKER_KILLED) for one in (signal.SIGKILL, signal.SIGTERM)],
        *[(-one, WORKER_CRASH) for one in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)],
        *[(-one, WORKER_CRASH) for one in (signal.SIGFPE, signal.SIGILL)],
        *[(1, WORKER_CRASH), (0, WORKER_CRASH), (None, WORKER_CRASH)],
    ],
)
def test_who_sends_a_signal_decides_what_it_proves(code, kind):
    """Others send SIGKILL and SIGTERM; what else ends a worker, it did itself."""
    assert kind_of_death(code) == kind


@pytest.mark.parametrize(
    ("reasons", "aside"),
    [
        ([], False),
        ([WORKER_CRASH], False),
        ([WORKER_CRASH] * 2, True),
        ([DEADLINE] * 2, True),
        ([WORKER_CRASH, DEADLINE], True),
        ([WORKER_KILLED] * 2, False),
        ([WORKER_KILLED] * 3, True),
        ([WORKER_CRASH, WORKER_KILLED], False),
        ([WORKER_CRASH, WORKER_KILLED, WORKER_KILLED], True),
        ([WORKER_KILLED, WORKER_KILLED, MADE, WORKER_KILLED], False),
        ([WORKER_CRASH, MADE, WORKER_CRASH, WORKER_CRASH], True),
    ],
)
def test_how_many_strikes_put_a_record_aside(reasons, aside):
    """Two of its own, three kills; an acquittal begins anew."""
    assert is_put_aside(reasons) == aside


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        ([WORKER_KILLED, MADE, WORKER_CRASH, WORKER_CRASH], (WORKER_CRASH, "died 2 times")),
        ([WORKER_KILLED] * 3, (WORKER_CRASH, "killed 3 times")),
        ([WORKER_CRASH, DEADLINE], (DEADLINE, "2 times")),
    ],
)
def test_the_quarantine_says_what_the_strikes_were_for(reasons, told):
    """Those that count."""
    reason, message = told_off(reasons)

    assert told[0] == reason
    assert told[1] in message


def test_a_record_that_is_made_after_all_is_acquitted_now_and_then(planned):
    """Not for ever: one that dies every other time would never end."""
    run_folder, shard = planned
    acquit(run_folder, shard, "a")
    assert load_strikes(run_folder, shard) == {}
    for _ in range(MAX_ACQUITTALS + 1):
        open_marker(run_folder, shard).point_at("a", 0)
        strike(run_folder, shard, reason=WORKER_CRASH)
        acquit(run_folder, shard, "a")

    once = [WORKER_CRASH, MADE]
    assert load_strikes(run_folder, shard) == {"a": once * MAX_ACQUITTALS + [WORKER_CRASH]}
    assert strikes_of(run_folder) == {"a": [WORKER_CRASH]}


def test_a_worker_nobody_watches_ends_itself(planned):
    """With the lock held, too; it leaves evidence, by which the record is judged."""
    run_folder, shard = planned
    program = f"""
        import ctypes
        import time
        from pathlib import Path
        from mosdata.builders.plan import read_plan
        from mosdata.builders.strikes import SelfStop, open_marker

        run = Path({str(run_folder)!r})
        shard = read_plan(run).shards[0]
        with open_marker(run, shard) as marker, SelfStop(marker, 0.5) as limit:
            for i in range(20):
                limit.begin("quick", i)
                time.sleep(0.05)
            limit.begin("hanging", 20)
            ctypes.PyDLL(None).sleep(600)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=False, timeout=60
    )

    assert ended.returncode == 1
    assert strike(run_folder, shard) == "hanging"
    assert load_strikes(run_folder, shard) == {"hanging": [DEADLINE]}
    (log,) = (run_folder / "logs").glob("deadline-*.log")
    assert "Timeout" in log.read_text()


def test_a_limit_that_was_kept_leaves_nothing(planned):
    """No file, and no clock that ticks on."""
    run_folder, shard = planned
    with open_marker(run_folder, shard) as marker, SelfStop(marker, 60.0) as limit:
        limit.begin("quick", 0)
        limit.begin("last", 1)

    assert not list((run_folder / "wip").iterdir())
    faulthandler.cancel_dump_traceback_later()
