"""A run may end at any moment; the next one does what is missing and nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from mosdata.builders.corrupt import CorruptConfig, CorruptStage
from mosdata.builders.plan import read_plan
from mosdata.builders.receipts import load_receipts
from mosdata.errors import OutputConflict
from mosdata.manifests.store import MANIFEST_NAME, open_dataset


class Stopped(Exception):
    """What the tests raise in the middle of a run."""


def stop_after(num_shards):
    """A progress callback that ends the run after some shards."""

    def on_progress(now):
        if now.num_shards >= num_shards:
            raise Stopped

    return on_progress


def interrupt(run, stage, out, num_shards, **how):
    """Start a run and end it after some shards; the receipts that it left."""
    with pytest.raises(Stopped):
        run(stage, out, on_progress=stop_after(num_shards + 1), **how)
    folder = out.with_name(f"{out.name}.run")
    return load_receipts(folder, read_plan(folder))


@pytest.mark.parametrize("executor", ["serial", "process"])
def test_only_what_is_missing_is_made(tmp_path, speech_stage, run, checksums, built, executor):
    """Receipts of an interrupted run stay as they are; the result equals an uninterrupted one."""
    stage, out = speech_stage(voices=2), tmp_path / "out"
    how = {"executor": executor, "workers": 1, "records_per_shard": 3}
    before = interrupt(run, stage, out, 2, **how)
    assert not out.exists()

    outcome = run(stage, out, **how)

    folder = tmp_path / "out.run"
    after = load_receipts(folder, read_plan(folder))
    assert outcome.num_resumed == len(before) >= 2
    assert before.items() <= after.items()
    assert checksums(built) == checksums(out)


def test_a_finished_run_is_not_run_again(tmp_path, speech_stage, run):
    """The second time nothing is touched: no file changes, not even its time."""
    stage, out = speech_stage(), tmp_path / "out"
    run(stage, out)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    again = run(stage, out)

    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert before == after
    assert again.was_complete
    assert again.num_rows == 6


def test_run_state_may_be_deleted(tmp_path, speech_stage, run):
    """The dataset stands for itself: without its run folder it is still complete."""
    out = tmp_path / "out"
    run(speech_stage(), out)
    shutil.rmtree(tmp_path / "out.run")

    assert run(speech_stage(), out).was_complete
    assert not (tmp_path / "out.run").exists()


def test_a_deleted_dataset_is_made_again(tmp_path, speech_stage, run, checksums):
    """Receipts without their files count for nothing, and are not called resumed."""
    out = tmp_path / "out"
    run(speech_stage(), out)
    before = checksums(out)
    shutil.rmtree(out)

    outcome = run(speech_stage(), out)

    assert before == checksums(out)
    assert outcome.num_resumed == 0


def damaged(kind, path):
    """Harm a file as disks and people do."""
    data = path.read_bytes()
    if kind == "deleted":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
    else:
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


@pytest.mark.parametrize("kind", ["deleted", "truncated", "bit-flipped"])
def test_a_damaged_file_is_found_and_made_again(
    tmp_path, speech_stage, run, checksums, built, kind
):
    """What differs from its receipt never reaches the dataset."""
    stage, out = speech_stage(voices=2), tmp_path / "out"
    receipts = interrupt(run, stage, out, 2, records_per_shard=3)
    damaged(kind, tmp_path / "out.run" / receipts[0].file)

    run(stage, out, records_per_shard=3)

    assert checksums(built) == checksums(out)


def test_an_unreadable_receipt_is_no_receipt(tmp_path, speech_stage, run, checksums, built):
    """A receipt that a full disk or a bad sector left half is made again."""
    stage, out = speech_stage(voices=2), tmp_path / "out"
    interrupt(run, stage, out, 2, records_per_shard=3)
    receipt = min((tmp_path / "out.run" / "receipts").iterdir())
    receipt.write_bytes(receipt.read_bytes()[:20])

    run(stage, out, records_per_shard=3)

    assert checksums(built) == checksums(out)


def test_two_builds_at_once_do_not_share_a_folder(tmp_path, speech_stage, run):
    """The second is refused in words, and the first is not disturbed."""
    refused = []

    def try_again(_now):
        if not refused:
            with pytest.raises(OutputConflict, match="Another mosdata process is working") as error:
                run(speech_stage(), tmp_path / "out")
            refused.append(error)

    outcome = run(speech_stage(), tmp_path / "out", on_progress=try_again)

    assert refused
    assert outcome.num_rows == 6


def test_a_run_that_waited_out_another_finds_its_work_done(
    tmp_path, speech_stage, run, monkeypatch, checksums
):
    """Between looking and locking another process may finish: then there is nothing to do."""
    from mosdata.builders import run as module

    stage, out = speech_stage(), tmp_path / "out"
    locked = module.run_lock
    slipped_in = []

    def late(folder):
        if not slipped_in:
            slipped_in.append(True)
            run(stage, out)
            slipped_in.append(checksums(out))
        return locked(folder)

    monkeypatch.setattr(module, "run_lock", late)
    outcome = run(stage, out)

    assert outcome.was_complete
    assert slipped_in[1] == checksums(out)


def occupy(out, kind):
    """Put something of somebody else's in the way."""
    if kind == "file":
        out.write_text("mine")
    elif kind == "folder":
        out.mkdir()
        (out / "thesis.tex").write_text("mine")
    elif kind == "run":
        out.with_name("out.run").mkdir()
        (out.with_name("out.run") / "thesis.tex").write_text("mine")
    elif kind == "foreign manifest":
        out.mkdir()
        (out / MANIFEST_NAME).write_text("{}")


@pytest.mark.parametrize("kind", ["file", "folder", "run", "foreign manifest"])
def test_what_is_in_the_way_is_left_alone(tmp_path, speech_stage, run, checksums, kind):
    """Refused, and not a byte of it changes."""
    occupy(tmp_path / "out", kind)
    before = checksums(tmp_path)

    with pytest.raises(OutputConflict, match=r"[Nn]othing (in it )?was touched"):
        run(speech_stage(), tmp_path / "out")

    assert before == checksums(tmp_path)


def test_another_finished_dataset_is_refused_with_the_difference(
    tmp_path, speech_stage, run, checksums
):
    """The message says which setting differs."""
    run(speech_stage(), tmp_path / "out")
    before = checksums(tmp_path / "out")

    with pytest.raises(OutputConflict, match=r"holds another dataset \(other seed\)"):
        run(speech_stage(seed=1), tmp_path / "out")
    with pytest.raises(OutputConflict, match=r"holds another dataset \(other texts"):
        run(speech_stage(texts=["One other text."]), tmp_path / "out")

    assert before == checksums(tmp_path / "out")


def test_an_unfinished_run_of_another_plan_is_refused(tmp_path, speech_stage, run, checksums):
    """Two questions never mix in one folder; the run that was begun can still be finished."""
    out = tmp_path / "out"
    interrupt(run, speech_stage(), out, 1)
    before = checksums(tmp_path)

    with pytest.raises(OutputConflict, match=r"unfinished run of something else \(other seed\)"):
        run(speech_stage(seed=1), out)

    assert before == checksums(tmp_path)
    assert run(speech_stage(), out).num_rows == 6


def test_one_process_may_build_two_plans_in_one_place(tmp_path, speech_stage, run):
    """A notebook that deletes a dataset and builds another there gets the other."""
    out = tmp_path / "out"
    run(speech_stage(), out)
    shutil.rmtree(out)
    shutil.rmtree(tmp_path / "out.run")

    outcome = run(speech_stage(texts=["Another text altogether."]), out)

    assert [row.text for row in outcome.dataset.utterances()] == ["Another text altogether."]


def test_a_source_may_move_between_two_runs(tmp_path, built, run):
    """Where a source lies is not part of the plan: the rest is read from its new place."""
    first, second = tmp_path / "here", tmp_path / "there"
    shutil.copytree(built, first)
    config = CorruptConfig(levels=(0.5,), kinds=("white_noise",))
    interrupt(run, CorruptStage(open_dataset(first), config), tmp_path / "out", 2)
    first.rename(second)

    outcome = run(CorruptStage(open_dataset(second), config), tmp_path / "out")

    assert (outcome.num_rows, outcome.num_rejected) == (24, 0)
    plan = json.loads((tmp_path / "out.run" / "plan.json").read_text())
    assert plan["spec"]["inputs"] == {"source": str(second)}


def test_a_dataset_folder_may_be_made_beforehand(tmp_path, speech_stage, run):
    """An empty folder is as good as none."""
    (tmp_path / "out").mkdir()

    assert run(speech_stage(), tmp_path / "out").num_rows == 6


@pytest.mark.parametrize("out", [".", "..", "/"])
def test_a_folder_that_cannot_be_put_into_place_is_refused(
    tmp_path, speech_stage, run, monkeypatch, out
):
    """The folder one stands in cannot be replaced by a finished one."""
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")

    with pytest.raises(OutputConflict, match="choose another --out"):
        run(speech_stage(), Path(out))

    assert list(tmp_path.rglob("*")) == [tmp_path / "deeper"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, speech_stage, run):
    """A place below a file, or on a disk that may only be read, is named in words."""
    (tmp_path / "file").write_text("mine")

    for out in (tmp_path / "file" / "out", Path("/proc/mosdata/out")):
        with pytest.raises(OutputConflict, match="cannot be made"):
            run(speech_stage(), out)

    assert (tmp_path / "file").read_text() == "mine"
