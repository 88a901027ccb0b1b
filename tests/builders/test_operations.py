"""A run can be watched, repaired, dealt out and bounded; none of it changes what is made."""

import fcntl
import json
import math
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.builders.budget import Budget
from mosdata.builders.executors import Execution
from mosdata.builders.label import LabelConfig, LabelStage
from mosdata.builders.orders import Orders
from mosdata.builders.parts import Part, run_part, shards_of
from mosdata.builders.plan import read_plan
from mosdata.builders.receipts import load_receipts
from mosdata.builders.repair import command_for, repair
from mosdata.builders.run import plan_stage, run_ratings
from mosdata.builders.status import homes_below, homes_of, rejections_of, status_of
from mosdata.builders.summary import summary_of
from mosdata.errors import BuildFailed, InvalidValue, NothingFound, OutputConflict
from mosdata.manifests.store import open_dataset

SERIAL = Execution(executor="serial")
TWO_SHARDS = 2


class Stopped(Exception):
    """What the tests raise in the middle of a run."""


def stop_after(num_shards):
    """A progress callback that ends the run after some shards."""

    def on_progress(now):
        if now.num_shards >= num_shards:
            raise Stopped

    return on_progress


@pytest.fixture
def stopped(tmp_path, speech_stage, run):
    """A run of twelve clips that ended after two of its shards; its dataset folder to be."""
    with pytest.raises(Stopped):
        run(speech_stage(voices=2), tmp_path / "out", on_progress=stop_after(TWO_SHARDS))
    return tmp_path / "out"


@pytest.fixture
def finished(tmp_path, built):
    """A finished dataset with its run folder, which a test may harm."""
    shutil.copytree(built, tmp_path / "out")
    shutil.copytree(built.with_name(f"{built.name}.run"), tmp_path / "out.run")
    return tmp_path / "out"


def flip(path):
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def status(folder):
    """Status of the first run of a folder."""
    return status_of(homes_of(folder)[0])


# Status


def test_an_unfinished_run_says_what_is_done_and_what_is_missing(stopped):
    """After it was stopped, by its dataset folder or by its run folder."""
    said = status(stopped)

    assert said == status(stopped.with_name("out.run"))
    assert (said.state, said.driver) == ("unfinished", False)
    assert (said.tally.num_records, said.tally.num_done, said.tally.num_shards_done) == (12, 4, 2)
    assert [("tone", 12, 4, 0)] == [
        (one.group, one.num_records, one.num_done, one.num_rejected) for one in said.tally.by_group
    ]
    assert said.last_activity is not None


def test_a_driver_at_work_is_seen_and_not_disturbed(stopped, speech_stage, run):
    """The lock says that it runs; looking does not keep the next driver out."""
    with (stopped.with_name("out.run") / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = status(stopped)
        with pytest.raises(OutputConflict):
            run(speech_stage(voices=2), stopped)

    assert (said.state, said.driver) == ("running", True)
    assert "--watch" in said.next_step
    assert status(stopped).state == "unfinished"
    assert run(speech_stage(voices=2), stopped).num_rows == 12


def test_a_finished_dataset_needs_no_run_folder(finished):
    """Counts are the same with the run folder and without it."""
    said = status(finished)
    shutil.rmtree(finished.with_name("out.run"))
    alone = status(finished)

    assert said.state == alone.state == "finished"
    assert (12, 12, 12) == (said.tally.num_records, said.tally.num_done, said.tally.num_rows)
    assert said.tally.by_group == alone.tally.by_group
    assert alone.plan_id == said.plan_id


def test_ratings_have_a_status_of_their_own(finished):
    """A run of metrics lives below the run folder of its dataset."""
    stage = LabelStage(open_dataset(finished), LabelConfig(metrics=("dnsmos.p808",)))
    with pytest.raises(Stopped):
        run_ratings(stage, finished, name=stage.name, execution=SERIAL, on_progress=stop_after(0))

    said = [status_of(home) for home in homes_of(finished)]

    assert [("build", "finished"), ("label", "unfinished")] == [(s.stage, s.state) for s in said]
    assert said[1].name == stage.name
    assert said[1].tally.num_records == 12
    assert [said[1]] == [status_of(h) for h in homes_of(said[1].run)]
    assert len(homes_below(finished.parent)) == 2


def test_nothing_there_is_said(tmp_path):
    """With what was looked for."""
    with pytest.raises(NothingFound, match="neither a dataset nor a run"):
        homes_of(tmp_path / "out")


def test_strikes_and_rejections_are_told(tmp_path, speech_stage, run, engines):
    """Who was put aside and why, by reason, and each by name."""
    stage = speech_stage(systems=("users_engines:Killer",))
    with pytest.raises(BuildFailed, match="worker_crash"):
        run(
            stage,
            tmp_path / "out",
            executor="process",
            workers=1,
            orders=Orders(budget=Budget(count=0)),
        )

    said = status(tmp_path / "out")

    assert said.tally.rejected_by_reason == {"worker_crash": 1}
    assert [["worker_killed"] * 3] == [*said.strikes.values()]
    (rejection,) = rejections_of(homes_of(tmp_path / "out")[0])
    assert rejection.record_id in said.strikes
    assert json.loads(json.dumps(said.to_json()))["num_rejected"] == 1


# Budget


@pytest.mark.parametrize(
    ("text", "num_records", "allowed"),
    [("0", 10, 0), ("3", 10, 3), ("1%", 99, 0), ("1%", 100, 1), ("7%", 100, 7), ("100 %", 9, 9)],
)
def test_a_budget_is_a_share_or_a_count(text, num_records, allowed):
    """A share never rounds up."""
    assert Budget.parse(text).allowed(num_records) == allowed


@pytest.mark.parametrize("text", ["", "-1", "1.5", "101%", "%", "half", "nan%"])
def test_other_budgets_are_refused(text):
    """Neither a share nor a count."""
    with pytest.raises(InvalidValue, match="--max-quarantine"):
        Budget.parse(text)


@given(percent=st.integers(0, 100), num_records=st.integers(0, 10**9))
def test_a_share_is_exact(percent, num_records):
    """As integers have it."""
    assert percent * num_records // 100 == Budget.parse(f"{percent}%").allowed(num_records)


@pytest.mark.parametrize("executor", ["serial", "process"])
def test_more_rejections_than_allowed_stop_the_run(tmp_path, speech_stage, run, engines, executor):
    """At once, with reasons and words; a larger budget goes on with what is finished."""
    texts = [f"No chicken {i}." for i in range(8)] + [f"A fine line {i}." for i in range(8)]
    stage = speech_stage(texts, systems=("users_engines:Raiser",))
    how = {"executor": executor, "workers": 1, "records_per_shard": 1}

    with pytest.raises(BuildFailed) as failed:
        run(stage, tmp_path / "out", orders=Orders(budget=Budget.parse("20%")), **how)
    before = status(tmp_path / "out").tally
    outcome = run(stage, tmp_path / "out", orders=Orders(budget=Budget.parse("50%")), **how)

    assert before.num_done < 16
    first_too_many = math.floor(0.2 * 16) + 1
    if executor == "serial":
        assert before.num_rejected == first_too_many
    else:  # the one worker is at the next shard while this one is counted
        assert before.num_rejected in (first_too_many, first_too_many + 1)
    assert "error:LookupError: LookupError: no phone for chicken" in str(failed.value)
    assert "mosdata status" in str(failed.value)
    assert outcome.num_resumed == before.num_shards_done
    assert (outcome.num_rows, outcome.num_rejected) == (8, 8)


def test_rejected_records_can_be_tried_again(
    tmp_path, speech_stage, run, engines, monkeypatch, checksums
):
    """A run that stopped at its budget goes on once the cause is gone, as if nothing had been."""
    monkeypatch.setenv("USERS_VOICE", str(tmp_path / "voice"))
    stage = speech_stage(systems=("users_engines:Mute", "tone"))
    with pytest.raises(BuildFailed, match="lost_voice: The voice is gone"):
        run(stage, tmp_path / "out", orders=Orders(budget=Budget(count=1)))
    (tmp_path / "voice").touch()
    run(stage, tmp_path / "fresh")

    done = repair(homes_of(tmp_path / "out")[0], execution=SERIAL, retry_rejected=True)
    run(stage, tmp_path / "out", orders=Orders(budget=Budget(count=1)))

    assert {trouble.done for trouble in done.troubles} == {"dropped"}
    assert checksums(tmp_path / "fresh") == checksums(tmp_path / "out")


# Parts


@given(num_parts=st.integers(1, 9), num_shards=st.integers(1, 40))
def test_parts_are_even_and_make_up_the_whole(num_parts, num_shards):
    """Every shard in one part; no part has two more than another."""
    from mosdata.builders.plan import Plan, Shard
    from mosdata.builders.stage import StageSpec

    shards = tuple(
        Shard(index=i, key=f"{i * 2654435761 % 2**32:08x}", split="train", group="g", num_records=1)
        for i in range(num_shards)
    )
    plan = Plan(plan_id="p", spec=StageSpec(name="build", table="clips", config={}), shards=shards)

    parts = [shards_of(plan, Part(number=i, count=num_parts)) for i in range(1, num_parts + 1)]

    assert sorted(index for part in parts for index in part) == [*range(num_shards)]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4"])
def test_other_parts_are_refused(text):
    """Counted from 1."""
    with pytest.raises(InvalidValue, match="--shards"):
        Part.parse(text)


def test_parts_make_the_dataset_that_one_process_makes(
    tmp_path, speech_stage, run, checksums, built
):
    """Planned, made in three parts, put into place by the ordinary run, which makes nothing."""
    stage = speech_stage(voices=2)
    plan = plan_stage(stage, tmp_path / "out", records_per_shard=3)
    folder = tmp_path / "out.run"
    assert plan == read_plan(folder)
    assert load_receipts(folder, plan) == {}

    for number in (3, 1, 2, 1):
        run_part(folder, Part(number=number, count=3), execution=SERIAL)
    outcome = run(stage, tmp_path / "out", records_per_shard=3)

    assert outcome.num_resumed == len(plan.shards)
    assert checksums(built) == checksums(tmp_path / "out")
    assert plan_stage(stage, tmp_path / "out") is None


def test_a_driver_at_work_does_not_keep_parts_away(tmp_path, speech_stage):
    """Parts take no lock."""
    plan_stage(speech_stage(), tmp_path / "out", records_per_shard=2)
    with (tmp_path / "out.run" / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        done = run_part(tmp_path / "out.run", Part(number=1, count=1), execution=SERIAL)

    assert done.num_records == 6
    assert done.num_shards_missing == 0


def test_a_part_puts_aside_a_record_that_kills_its_worker(tmp_path, speech_stage, run, engines):
    """As the driver does: a few strikes, one row in the quarantine."""
    stage = speech_stage(systems=("users_engines:Killer",))
    plan_stage(stage, tmp_path / "out", records_per_shard=3)
    execution = Execution(executor="process", workers=1)

    done = run_part(tmp_path / "out.run", Part(number=1, count=1), execution=execution)

    assert (done.num_records, done.num_rejected) == (6, 1)
    assert run(stage, tmp_path / "out").reasons == {"worker_crash": 1}


def test_a_part_without_a_plan_is_refused(tmp_path):
    """It says how to write one."""
    with pytest.raises(NothingFound, match="--plan-only"):
        run_part(tmp_path, Part(number=1, count=1), execution=SERIAL)


# Repair


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "receipt"])
def test_a_damaged_shard_of_a_run_is_made_again(
    stopped, speech_stage, run, checksums, tmp_path, damage
):
    """Its receipt goes, the other stays; the dataset is what it would have been."""
    folder = stopped.with_name("out.run")
    plan = read_plan(folder)
    receipts = load_receipts(folder, plan)
    index = min(receipts)
    file = folder / receipts[index].file
    if damage == "flipped":
        flip(file)
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    elif damage == "gone":
        file.unlink()
    else:
        next(iter(sorted((folder / "receipts").iterdir()))).write_text("{")

    looked = repair(homes_of(stopped)[0], execution=SERIAL, dry_run=True)
    left = len([*(folder / "receipts").iterdir()])
    done = repair(homes_of(stopped)[0], execution=SERIAL)

    assert (left, ["would_drop"]) == (2, [trouble.done for trouble in looked.troubles])
    assert ["dropped"] == [trouble.done for trouble in done.troubles]
    assert f"shard {index} " in done.troubles[0].what
    assert {index} == {*receipts} - {*load_receipts(folder, plan)}
    run(speech_stage(voices=2), stopped)
    run(speech_stage(voices=2), tmp_path / "fresh")
    assert checksums(tmp_path / "fresh") == checksums(stopped)


@pytest.mark.parametrize("damage", ["flipped", "gone"])
@pytest.mark.parametrize("has_receipts", [True, False])
def test_a_damaged_file_of_a_dataset_is_put_back(finished, built, checksums, damage, has_receipts):
    """Exactly the damaged files are made; afterwards nothing differs, and nothing is left."""
    paths = [finished / file.path for file in open_dataset(finished).files[:2]]
    untouched = finished / open_dataset(finished).files[2].path
    before = untouched.stat().st_mtime_ns
    for path in paths:
        flip(path) if damage == "flipped" else path.unlink()
    if not has_receipts:
        shutil.rmtree(finished.with_name("out.run") / "receipts")

    done = repair(homes_of(finished)[0], execution=SERIAL)

    assert ["mended", "mended"] == [trouble.done for trouble in done.troubles]
    assert done.is_whole
    assert checksums(built) == checksums(finished)
    assert before == untouched.stat().st_mtime_ns
    assert not [*finished.with_name("out.run").glob(".repair-*")]


def test_a_quarantine_is_put_back(tmp_path, speech_stage, run, engines, checksums):
    """From the receipts, which hold every row of it."""
    out = tmp_path / "out"
    run(speech_stage(systems=("users_engines:Raiser",)), out)
    before = checksums(out)
    next((out / "quarantine").iterdir()).unlink()

    done = repair(homes_of(out)[0], execution=SERIAL)

    assert ["mended"] == [trouble.done for trouble in done.troubles]
    assert before == checksums(out)


def test_what_would_differ_is_not_put_back(finished, monkeypatch, checksums):
    """An engine that sounds otherwise now: the damaged file stays as it is, and it is said."""
    from mosdata.audio import Clip
    from mosdata.synth.tone import Tone

    inner = Tone.synthesize

    def softer(self, request):
        clip = inner(self, request)
        return Clip(samples=clip.samples * 0.5, sample_rate_hz=clip.sample_rate_hz)

    flip(finished / open_dataset(finished).files[0].path)
    before = checksums(finished)
    monkeypatch.setattr(Tone, "synthesize", softer)

    done = repair(homes_of(finished)[0], execution=SERIAL)

    assert ["left"] == [trouble.done for trouble in done.troubles]
    assert "not what was made then" in done.troubles[0].advice
    assert not done.is_whole
    assert before == checksums(finished)


def test_without_its_run_folder_the_command_is_told(finished, checksums, run, speech_stage):
    """It names every option that the manifest knows."""
    shutil.rmtree(finished.with_name("out.run"))
    flip(finished / open_dataset(finished).files[0].path)
    before = checksums(finished)

    done = repair(homes_of(finished)[0], execution=SERIAL)

    assert ["left"] == [trouble.done for trouble in done.troubles]
    assert "mosdata build --transcripts FILE --systems tone" in done.troubles[0].advice
    command = command_for(open_dataset(finished))
    assert "--voices 2 --takes 1 --sample-rate 16000 --split 2:1:1 --seed 0" in command
    assert command.endswith(f" --out {finished}-again")
    assert before == checksums(finished)


def test_ratings_are_put_back(finished):
    """By the plan of their own run."""
    stage = LabelStage(open_dataset(finished), LabelConfig(metrics=("dnsmos.p808",)))
    run_ratings(stage, finished, name=stage.name, execution=SERIAL)
    (path,) = open_dataset(finished).rating_files
    before = path.read_bytes()
    flip(path)

    done = [repair(home, execution=SERIAL) for home in homes_of(finished)]

    assert [[], ["mended"]] == [[trouble.done for trouble in one.troubles] for one in done]
    assert before == path.read_bytes()


def test_a_run_at_work_is_not_repaired(stopped):
    """A dry run looks, for it changes nothing."""
    with (stopped.with_name("out.run") / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OutputConflict):
            repair(homes_of(stopped)[0], execution=SERIAL)

        assert repair(homes_of(stopped)[0], execution=SERIAL, dry_run=True).num_checked == 2


# Summary and clock


def test_a_run_leaves_a_summary(tmp_path, speech_stage, run):
    """What was asked, what became of it, and with which versions; as JSON and as text."""
    with pytest.raises(Stopped):
        run(speech_stage(voices=2), tmp_path / "out", on_progress=stop_after(2))
    first = summary_of(tmp_path / "out.run")
    orders = Orders(command=("mosdata", "build", "-t", "two words.txt"))
    run(speech_stage(voices=2), tmp_path / "out", orders=orders)
    last = summary_of(tmp_path / "out.run")

    assert (first["ended"], first["num_done"], first["num_resumed"]) == ("failed", 4, 0)
    assert (last["ended"], last["num_done"], last["num_resumed"]) == ("finished", 12, 4)
    assert last["by_group"] == [
        {"group": "tone", "num_records": 12, "num_done": 12, "num_rejected": 0}
    ]
    assert {"mosdata", "python", "numpy", "pyarrow"} <= {*last["versions"]}
    assert last["elapsed_s"] > 0
    assert "mosdata build -t 'two words.txt'" in (tmp_path / "out.run/summary.txt").read_text()
    assert last == status(tmp_path / "out").summary


@pytest.mark.parametrize("seconds", [0, 4_102_444_800])
def test_a_clock_that_jumps_does_not_matter(stopped, speech_stage, run, checksums, built, seconds):
    """Every file of the run from 1970, or from 2100: what is done stays done, and is not more."""
    for path in [stopped.with_name("out.run"), *stopped.with_name("out.run").rglob("*")]:
        os.utime(path, (seconds, seconds))

    said = status(stopped)
    outcome = run(speech_stage(voices=2), stopped)

    assert (said.tally.num_done, said.last_activity) == (4, seconds)
    assert outcome.num_resumed == TWO_SHARDS
    assert open_dataset(built).content_id == outcome.dataset.content_id
