"""Builds with engines in processes of their own: same dataset, one load, nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mosdata.audio import encode_flac
from mosdata.builders.plan import read_plan
from mosdata.builders.speech import SpeechConfig, SpeechStage
from mosdata.builders.stage import open_bench
from mosdata.builders.transcripts import Transcript, Transcripts
from mosdata.errors import UsageError
from mosdata.manifests.store import open_dataset
from mosdata.synth.prompts import read_prompts
from mosdata.testing import speechlike

TEXTS = [f"This is sentence number {i}." for i in range(8)]


def hosted_workers(folder):
    """Those of the workers that have loaded a model which are running still."""
    pids = [path.name.rpartition("-")[2] for path in (folder / "loads").glob("*-*-*")]
    return [pid for pid in pids if is_running(pid)]


def is_running(pid):
    """Whether a process is there and not merely waiting to be counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_processes_make_the_same_dataset_and_load_once(
    tmp_path, hosted, speech_stage, run, checksums
):
    """Two systems, many shards in three splits: each is loaded once a worker, at most."""
    loads = hosted(ann="cpu", bob="cpu")
    stage = speech_stage(TEXTS, systems=("ann", "tone", "bob"), voices=2)

    one = run(stage, tmp_path / "one", executor="serial")
    loads_of_one = loads()
    two = run(stage, tmp_path / "two", executor="process", workers=2)
    loads_of_two = loads()

    plan = read_plan(tmp_path / "one.run")
    assert plan is None or len(plan.shards) >= 12
    assert one.dataset.dataset_id == two.dataset.dataset_id
    assert checksums(one.folder) == checksums(two.folder)
    assert (one.num_rows, one.num_rejected) == (2 * 2 * 8 + 2 * 8, 0)
    assert sorted(name.partition("-")[0] for name in loads_of_one) == ["ann", "bob"]
    each = [*loads_of_one.values(), *loads_of_two.values()]
    assert {len(workers) for workers in each} == {1}
    assert 2 <= len(loads_of_two) <= 4
    assert not any(is_running(worker) for workers in each for worker in workers)
    assert not list((tmp_path / "engine-logs").glob("*"))


def test_rows_carry_what_the_engine_says(tmp_path, hosted, speech_stage, run):
    """Revision and fingerprint of the adapter; a class after the committed ones."""
    hosted(ann="cpu")
    outcome = run(speech_stage(TEXTS[:2], systems=("ann",)), tmp_path / "out")

    (row, *_) = outcome.dataset.tables(["synthesizer", "system", "engine_fingerprint", "license"])
    values = row.to_pylist()[0]
    fingerprint = json.loads(values["engine_fingerprint"])
    assert fingerprint["adapter"] == "fake_adapter/3"
    assert values["system"] == "ann"
    assert values["license"] == "CC0-1.0"
    assert outcome.dataset.class_names[-1] == "ann"


def test_settings_are_no_part_of_the_identity(tmp_path, hosted, speech_stage, run, monkeypatch):
    """Moved to another folder, the same engine makes the same dataset."""
    hosted(ann="cpu")
    first = run(speech_stage(TEXTS[:2], systems=("ann",)), tmp_path / "first").dataset.dataset_id
    moved = tmp_path / "moved"
    moved.mkdir()
    settings = (tmp_path / "engines.toml").read_text()
    (moved / "engines.toml").write_text(
        f"{settings}\n[engines.other]\nengine = 'command'\n"
        "command = ['cat']\nsample_rate_hz = 8000\nlanguages = ['en']\nvoices = ['x']\n"
    )
    monkeypatch.setenv("MOSDATA_ENGINES", str(moved / "engines.toml"))

    again = run(speech_stage(TEXTS[:2], systems=("ann",)), tmp_path / "again").dataset.dataset_id

    assert first == again


def test_poison_texts_are_quarantined_alone(tmp_path, hosted, speech_stage, run):
    """A crash and a rejection are rows with reasons; the worker of the build lives on."""
    loads = hosted(ann="cpu")
    poison = ["kill it now, if you please", "segv it now, if you please"]
    texts = [*TEXTS[:4], *poison, "reject no_phone", "raise an exception of its own"]
    outcome = run(
        speech_stage(texts, systems=("ann",)), tmp_path / "out", executor="process", workers=1
    )

    rows = {row["reason"]: row["message"] for row in open_dataset(outcome.folder).quarantined()}
    assert sorted(rows) == ["engine_crashed", "engine_failed", "no_phone"]
    assert outcome.num_rows == 4
    assert str(tmp_path) not in json.dumps(rows)
    assert [len(workers) for workers in loads().values()] == [5]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_after_an_interruption(tmp_path, hosted, how):
    """Ctrl-C or ``kill -9`` of the whole command, in the middle; and it can be finished."""
    hosted(ann="cpu")
    (tmp_path / "texts.txt").write_text("\n".join([*TEXTS, "hang around for a while"]))
    command = [sys.executable, "-m", "mosdata", "build", "-t", "texts.txt", "--systems", "ann"]
    command += ["--out", "out", "--workers", "1", "--executor", "process"]
    driver = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "loads").glob("ann-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    assert hosted_workers(tmp_path)

    driver.send_signal(how)
    driver.wait(timeout=30)

    deadline = time.monotonic() + 10
    while hosted_workers(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not hosted_workers(tmp_path)
    assert (tmp_path / "out.run" / "plan.json").is_file()


def test_another_version_in_a_worker_stops_the_build(tmp_path, hosted, speech_stage, run):
    """Planned with one engine, made with another: said, with both, and nothing is made."""
    hosted(ann="cpu")
    stage = speech_stage(TEXTS, systems=("ann",))
    settings = (tmp_path / "engines.toml").read_text()
    other = tmp_path / "other.toml"
    other.write_text(settings.replace("gain = 0.5", "gain = 0.7"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOSDATA_ENGINES", str(other))
        with pytest.raises(UsageError, match=r"ann is 'fake_adapter/3 .*plan was made for"):
            run(stage, tmp_path / "out")


def test_a_bench_that_turns_to_another_system_ends_the_one_before(tmp_path, hosted, speech_stage):
    """One hosted engine at a time; systems without a process stay as they are."""
    hosted(ann="cpu", bob="cpu")
    stage = speech_stage(TEXTS, systems=("ann", "tone", "bob"))
    bench = open_bench(stage.spec)
    firsts = {record.group: record for record in reversed(list(stage.records()))}
    alive = []
    for name in ("ann", "tone", "bob"):
        assert len(bench.make(firsts[name])) == 1
        alive.append(len(hosted_workers(tmp_path)))

    bench.close()

    assert alive == [1, 0, 1]
    assert not hosted_workers(tmp_path)


def test_recordings_are_prepared_once_a_worker(tmp_path, hosted, run):
    """Given on the command line, they reach the engine in its own environment; same dataset."""
    hosted(ann="cpu")
    for name, seed in (("eve", 1), ("zoe", 2)):
        sound = encode_flac(speechlike(2.0, seed=seed))
        (tmp_path / f"{name}.flac").write_bytes(sound)
    (tmp_path / "prompts.csv").write_text(
        "name,audio,language,text,license\neve,eve.flac,en,x,CC0-1.0\nzoe,zoe.flac,en,,CC0-1.0\n"
    )
    config = SpeechConfig(systems=("ann",), prompts=read_prompts(tmp_path / "prompts.csv"))
    lines = tuple(Transcript(text=text, line=i) for i, text in enumerate(TEXTS, start=1))
    stage = SpeechStage(Transcripts(texts=lines), config)

    one = run(stage, tmp_path / "one", executor="serial")
    prepared = sorted(path.name.split()[1] for path in (tmp_path / "loads").glob("voice *"))
    two = run(stage, tmp_path / "two", executor="process", workers=2)

    assert ["eve", "zoe"] == prepared
    assert one.dataset.dataset_id == two.dataset.dataset_id
    assert (one.num_rows, one.num_rejected) == (2 * 8, 0)
    longer = {row.text: row.duration_s for row in one.dataset.utterances() if row.voice == "eve"}
    for row in one.dataset.utterances():
        if row.voice == "zoe":
            assert longer[row.text] == pytest.approx(2 * row.duration_s, rel=1e-3)
