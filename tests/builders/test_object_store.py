"""A dataset on an object store is the one on a disk, whoever dies on the way."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosdata.builders import commit
from mosdata.builders import shard as shard_module
from mosdata.builders.executors import Execution
from mosdata.builders.plan import read_plan, write_plan
from mosdata.builders.receipts import load_receipts, sizes, those_there
from mosdata.builders.run import run_stage
from mosdata.builders.shard import run_shard
from mosdata.builders.stage import run_folder
from mosdata.builders.strikes import load_strikes, strike
from mosdata.builders.verify import verify_dataset
from mosdata.cli import app
from mosdata.errors import MosdataError, NothingFound, OutputConflict, StoreTrouble
from mosdata.manifests.places import place_of, reaching
from mosdata.manifests.store import open_dataset

SERIAL = Execution(executor="serial")
ANSWER_S = 15

ONE_SHARD = """
import sys
from mosdata.builders.shard import run_shard

sys.stdin.readline()
run_shard(sys.argv[1], 0)
"""


def build(stage, out, execution=SERIAL):
    """A dataset in shards of three records."""
    return run_stage(stage, out, execution=execution, records_per_shard=3)


def mosdata(*arguments, **options):
    """The real command; its standard output."""
    command = [sys.executable, "-m", "mosdata", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def files_in(folder):
    """Files below a remote folder, relative to it."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_a_store_of_any_kind_will_do(built, speech_stage):
    """The same ids as on a disk, and nothing to do the second time."""
    out = place_of(f"memory://{uuid.uuid4().hex}/build")
    made = build(speech_stage(voices=2), out)
    again = build(speech_stage(voices=2), out)

    assert [False, True] == [made.was_complete, again.was_complete]
    assert open_dataset(built).dataset_id == open_dataset(out).dataset_id
    assert verify_dataset(open_dataset(out)).is_sound


def test_only_the_dataset_and_its_receipts_remain(built, bucket, speech_stage):
    """The files of a store are those of a disk; attempts are gone."""
    out = place_of(f"{bucket}/build")
    build(speech_stage(voices=2), out)
    disk = sorted(p.relative_to(built).as_posix() for p in built.rglob("*") if p.is_file())

    assert disk == files_in(out)
    assert not sizes(run_folder(out) / "attempts")
    assert open_dataset(built).manifest == open_dataset(out).manifest


@pytest.mark.slow
def test_the_commands_make_on_a_store_what_they_make_on_a_disk(
    tmp_path, bucket, sentences, users_modules, monkeypatch
):
    """Build in two processes, corrupt, label and verify; no credential is written anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.syspath_prepend(str(users_modules))
    Path("texts.txt").write_text("\n".join(sentences[:4]))
    two, one = ["--executor", "process", "--workers", "2"], ["--executor", "serial"]
    for root in (tmp_path, bucket):
        for line in (
            ["build", "-t", "texts.txt", "--systems", "tone", "--out", f"{root}/build", *two],
            ["corrupt", f"{root}/build", "--level", "0.3", "--out", f"{root}/harmed", *one],
            ["label", f"{root}/harmed", "--metrics", "users_metrics:distance", *one],
            ["verify", f"{root}/harmed"],
        ):
            done = CliRunner().invoke(app, line, catch_exceptions=False)
            assert 0 == done.exit_code, done.output

    local, remote = open_dataset(tmp_path / "harmed"), open_dataset(f"{bucket}/harmed")
    assert local.dataset_id == remote.dataset_id
    assert list(local.ratings()) == list(remote.ratings())
    for out in (place_of(f"{bucket}/build"), place_of(f"{bucket}/harmed")):
        for folder in (out, run_folder(out)):
            texts = [(folder / n).read_bytes() for n in files_in(folder) if "parquet" not in n]
            assert texts
            assert not any(b"hush-hush" in text or b"AWS_" in text for text in texts)


@pytest.mark.slow
def test_kills_of_the_driver_change_nothing(tmp_path, bucket, sentences, engines_folder):
    """SIGKILL at random moments, and the same command again."""
    (tmp_path / "texts.txt").write_text("\n".join(sentences))
    environment = {**os.environ, "PYTHONPATH": str(engines_folder)}
    line = ["build", "-t", "texts.txt", "--voices", "3", "--split", "1:1:1"]
    line += ["--systems", "users_engines:Slow,tone", "--workers", "2", "--executor", "process"]
    command = [sys.executable, "-m", "mosdata", *line, "--out", f"{bucket}/build"]
    moments = random.Random(7)
    for _ in range(3):
        driver = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            driver.wait(timeout=moments.uniform(1.5, 5))
        except subprocess.TimeoutExpired:
            driver.send_signal(signal.SIGKILL)
            driver.wait()
    last = mosdata(*command[3:], cwd=tmp_path, env=environment)
    assert 0 == last.returncode, last.stderr
    done = mosdata(*line, "--out", "local", cwd=tmp_path, env=environment)
    assert 0 == done.returncode, done.stderr

    assert open_dataset(tmp_path / "local").dataset_id == open_dataset(f"{bucket}/build").dataset_id
    assert verify_dataset(open_dataset(f"{bucket}/build")).is_sound


def test_of_two_workers_on_a_shard_one_counts(bucket, speech_stage):
    """The other takes its file away again."""
    run = place_of(f"{bucket}/build.run")
    plan = write_plan(run, speech_stage(voices=2), records_per_shard=3)
    command = [sys.executable, "-c", ONE_SHARD, str(run)]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True) for _ in range(2)]
    for worker in workers:
        worker.communicate("go\n")

    assert [0, 0] == [worker.returncode for worker in workers]
    receipt = load_receipts(run, plan)[0]
    assert {receipt.file: receipt.num_bytes} == {
        f"attempts/{name}": size for name, size in sizes(run / "attempts").items()
    }


def test_a_receipt_whose_answer_was_lost_counts(speech_stage, monkeypatch):
    """The second try finds a receipt there, which is its own: its file stays."""
    run = place_of(f"memory://{uuid.uuid4().hex}/build.run")
    plan = write_plan(run, speech_stage(voices=2), records_per_shard=3)
    save = shard_module.save_receipt
    monkeypatch.setattr(shard_module, "save_receipt", lambda *given: save(*given) and False)
    run_shard(str(run), 0)

    assert [0] == list(those_there(run, load_receipts(run, plan)))


def test_an_interrupted_commit_is_done_again(built, bucket, speech_stage, monkeypatch):
    """Without a manifest there is no dataset; the same command finishes it, no other may."""
    out = place_of(f"{bucket}/build")
    with monkeypatch.context() as patch:
        patch.setattr(commit, "write_manifest", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(speech_stage(voices=2), out)
    with pytest.raises(NothingFound):
        open_dataset(out)
    with pytest.raises(OutputConflict, match="not empty"):
        build(speech_stage(voices=1), out)
    made = build(speech_stage(voices=2), out)

    assert 12 == made.num_rows
    assert open_dataset(built).manifest == open_dataset(out).manifest


def test_two_drivers_join(built, bucket, speech_stage, monkeypatch):
    """One finds at its commit that the other has finished and tidied up."""
    out = place_of(f"{bucket}/build")
    real, calls = commit.write_card, []

    def meanwhile(*arguments):
        if not calls:
            calls.append("the other")
            build(speech_stage(voices=2), out)
        real(*arguments)

    monkeypatch.setattr(commit, "write_card", meanwhile)
    build(speech_stage(voices=2), out)

    assert open_dataset(built).manifest == open_dataset(out).manifest


def test_two_plans_for_one_folder_are_refused(bucket, speech_stage):
    """Also where both look before either writes."""
    run = place_of(f"{bucket}/build.run")
    first = write_plan(run, speech_stage(voices=1), records_per_shard=3)
    with pytest.raises(OutputConflict, match="something else"):
        write_plan(run, speech_stage(voices=2), records_per_shard=3)

    assert first == read_plan(run)


def test_a_killer_on_another_machine_is_found(
    tmp_path, bucket, speech_stage, engines_folder, monkeypatch
):
    """The first death has the shard watched; two more put the record aside, and no other."""
    monkeypatch.syspath_prepend(str(engines_folder))
    run = place_of(f"{bucket}/build.run")
    stage = speech_stage(systems=("users_engines:Killer",))
    plan = write_plan(run, stage, records_per_shard=6)
    ours = {"PYTHONPATH": os.pathsep.join([str(engines_folder), *sys.path])}
    elsewhere = {**os.environ, **ours, "TMPDIR": str(tmp_path)}  # another disk
    blamed = []
    for shard in plan.shards:
        command = [sys.executable, "-c", ONE_SHARD.replace("0)", f"{shard.index})"), str(run)]
        ended = {"env": elsewhere, "input": "go\n", "text": True, "check": False}
        while subprocess.run(command, **ended).returncode:  # noqa: PLW1510 - check is in ended
            blamed.append((shard, strike(run, shard)))
    receipts = load_receipts(run, plan)
    rejected = [r for receipt in receipts.values() for r in receipt.rejections]
    (shard,) = {shard for shard, _ in blamed}

    assert ["worker_crash"] == [rejection.reason for rejection in rejected]
    assert [shard.key, *[rejected[0].record_id] * 2] == [name for _, name in blamed]
    assert [rejected[0].record_id] == list(load_strikes(run, shard))


def test_an_unknown_bucket_is_one_message(bucket, speech_stage):
    """For what is built, and for what is read."""
    out = place_of(f"{bucket}-not/build")

    with pytest.raises(StoreTrouble, match="no such bucket"):
        build(speech_stage(), out)
    with pytest.raises(MosdataError, match="bucket"):
        open_dataset(out)


def test_refused_credentials_are_one_message(bucket):
    """Without the traceback of a package."""
    with pytest.raises(StoreTrouble, match="Check the credentials"), reaching(place_of(bucket)):
        raise PermissionError("Forbidden")


@pytest.fixture
def silent_store(monkeypatch):
    """An address where somebody listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "nobody")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield


@pytest.mark.slow
@pytest.mark.parametrize(
    "ask",
    [
        lambda folder, stage: build(stage, place_of(folder)),
        lambda folder, _: run_shard(folder, 0),
    ],
    ids=["build", "worker"],
)
def test_a_store_that_does_not_answer_is_an_error(ask, silent_store, speech_stage):
    """Within seconds, and in words."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    started = time.monotonic()
    with pytest.raises(StoreTrouble, match="does not answer"):
        ask("s3://bucket/build", speech_stage())
    S3FileSystem.clear_instance_cache()

    assert time.monotonic() - started < ANSWER_S


@pytest.mark.ray
@pytest.mark.slow
def test_ray_needs_no_shared_folder(built, bucket, speech_stage, monkeypatch):
    """Its workers find the run by its address."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    out = place_of(f"{bucket}/build")
    execution = replace(SERIAL, executor="ray", workers=2)
    build(speech_stage(voices=2), out, execution)

    assert open_dataset(built).dataset_id == open_dataset(out).dataset_id
