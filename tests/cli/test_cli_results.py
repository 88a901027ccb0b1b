"""Right use: results on stdout, words on stderr, nothing done twice."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

BUILD = ("build", "-t", "transcripts.txt", "--systems", "tone", "--executor", "serial")

OUTCOME = {
    "folder",
    "dataset_id",
    "content_id",
    "plan_id",
    "num_records",
    "num_rows",
    "num_rejected",
    "rejected_by_reason",
    "was_complete",
}
DRY_RUN = {"dry_run", "folder", "plan_id", "notes", "num_clips", "duration_s", "num_bytes"}


def times(folder):
    """When each file below a folder was last written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def with_metrics(users_modules, monkeypatch):
    """A user's metrics can be imported."""
    monkeypatch.syspath_prepend(str(users_modules))


def test_the_result_of_a_build_is_its_folder(mosdata, workspace):
    """One line on stdout, so that a script can use it; the story is on stderr."""
    ended = mosdata(*BUILD)

    (line,) = ended.out.splitlines()
    assert (workspace / line / "mosdata.json").is_file()
    assert "Made 6 clips" in ended.err
    assert "Next: mosdata corrupt" in ended.err


def test_commands_follow_one_another_without_naming_folders(mosdata, workspace, with_metrics):
    """The newest dataset is taken, and said to be."""
    made = [
        mosdata(*BUILD),
        mosdata("corrupt", "--level", "0.3", "--kinds", "white_noise", "--executor", "serial"),
        mosdata("label", "--metrics", "users_metrics:loudness", "--executor", "serial"),
        mosdata("verify"),
        mosdata("publish", "--out", "copy"),
    ]

    assert [ended.code for ended in made] == [0] * 5
    assert all("Taking the newest dataset: out/" in ended.err for ended in made[1:])
    assert [len(ended.out.splitlines()) for ended in made] == [1] * 5


def test_the_second_time_nothing_is_done(mosdata, workspace, with_metrics):
    """Build, corrupt, label and publish again: no file changes, the answers stay."""
    commands = (
        BUILD,
        ("corrupt", "--level", "0.3", "--kinds", "white_noise", "--executor", "serial"),
        ("label", "--metrics", "users_metrics:loudness", "--executor", "serial"),
        ("publish", "--out", "copy"),
    )
    first = [json.loads(mosdata(*command, "--json").out) for command in commands]
    before = times(workspace)

    second = [json.loads(mosdata(*command, "--json").out) for command in commands]

    assert before == times(workspace)
    assert all(answer["was_complete"] for answer in second)
    for one, other in zip(first, second, strict=True):
        assert {**one, "was_complete": True} == other


def test_json_has_the_keys_that_scripts_rely_on(mosdata, workspace, with_metrics):
    """Every reporting command; the keys are a promise, new ones may be added."""
    keys = {
        BUILD: OUTCOME,
        (*BUILD, "--seed", "1", "--dry-run"): DRY_RUN
        | {"num_texts", "output_terms", "texts_by_split", "systems"},
        ("corrupt", "--level", "0.5", "--kinds", "mp3", "--dry-run"): DRY_RUN | {"kinds", "levels"},
        ("corrupt", "--level", "0.5", "--kinds", "mp3", "--executor", "serial"): OUTCOME,
        ("label", "--metrics", "users_metrics:loudness", "--executor", "serial"): {
            "folder",
            "set",
            "num_scores",
            "num_rejected",
            "rejected_by_reason",
            "without_reference",
            "was_complete",
        },
        ("verify",): {"folder", "dataset_id", "content_id", "num_files", "num_rows"},
        ("publish", "--out", "copy"): {
            "folder",
            "dataset_id",
            "num_files",
            "num_bytes",
            "output_terms",
            "was_complete",
        },
        ("doctor",): {
            "ok",
            "mosdata",
            "python",
            "platform",
            "cores",
            "free_disk_gb",
            "gpu",
            "packages",
            "systems",
            "metrics",
            "report",
        },
    }
    for command, expected in keys.items():
        ended = mosdata(*command, "--json")

        assert expected <= {*json.loads(ended.out)}, command


def test_people_can_rate_from_the_command_line(mosdata, workspace):
    """A CSV file is added once, with its keys as JSON."""
    mosdata(*BUILD, "--out", "result")
    rows = json.loads(mosdata("verify", "result", "--json").out)["num_rows"]
    from mosdata.manifests.store import open_dataset

    ids = open_dataset("result").table(["id"])["id"].to_pylist()
    (workspace / "scores.csv").write_text("clip,mos\n" + "".join(f"{i},3\n" for i in ids))

    answers = [
        json.loads(mosdata("label", "result", "--ratings", "scores.csv", "--json").out)
        for _ in range(2)
    ]

    assert [answer.pop("was_complete") for answer in answers] == [False, True]
    assert answers[0] == answers[1]
    keys = {"folder", "set", "layout", "num_scores", "num_clips", "num_raters", "findings"}
    assert keys == {*answers[0]}
    assert answers[0]["num_scores"] == rows


def test_a_dry_run_makes_nothing(mosdata, workspace):
    """The plan is shown; no folder appears, not even an empty one."""
    before = times(workspace)

    ended = mosdata(*BUILD, "--dry-run")

    assert ended.code == 0
    assert "Nothing was made" in ended.err
    assert [*before] == list(workspace.rglob("*"))


def test_a_dry_run_names_the_folder_and_the_plan_of_the_run(mosdata, workspace):
    """What is announced is what happens."""
    announced = json.loads(mosdata(*BUILD, "--dry-run", "--json").out)
    made = json.loads(mosdata(*BUILD, "--json").out)

    assert (announced["folder"], announced["plan_id"]) == (made["folder"], made["plan_id"])
    assert announced["num_clips"] == made["num_rows"]


def test_a_dataset_can_be_labelled_from_within(mosdata, workspace, with_metrics, monkeypatch):
    """``.`` is a dataset folder like any other."""
    mosdata(*BUILD, "--out", "result")
    monkeypatch.chdir(workspace / "result")

    label = mosdata("label", ".", "--metrics", "users_metrics:loudness", "--executor", "serial")

    assert label.code == 0
    assert mosdata("verify", ".").code == 0


@pytest.mark.slow
def test_ctrl_c_stops_a_build_that_goes_on_later(tmp_path, sentences):
    """SIGINT to the whole group, as a terminal sends it: 130, one message, and a way on."""
    (tmp_path / "slow_engine.py").write_text(
        "import time\nfrom mosdata.synth.tone import Tone\n\n"
        "class Slow(Tone):\n"
        "    def synthesize(self, request):\n"
        "        time.sleep(0.3)\n"
        "        return super().synthesize(request)\n"
    )
    (tmp_path / "texts.txt").write_text("\n".join(sentences))
    command = [sys.executable, "-m", "mosdata", "build", "-t", "texts.txt", "--voices", "3"]
    command += ["--systems", "slow_engine:Slow", "--workers", "2", "--executor", "process"]
    command += ["--out", "result"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    build = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "result.run").glob("receipts/*.json")) and build.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(build.pid, signal.SIGINT)
    out, err = build.communicate(timeout=60)

    assert (build.returncode, out) == (130, "")
    assert (err.count("stopped: "), err.count("error: ")) == (1, 0)
    assert "run the same command again" in err
    assert "Traceback" not in err
    again = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0
    assert "were done before" in again.stderr


@pytest.mark.slow
def test_the_three_commands_in_an_empty_folder_and_then_again(tmp_path, sentences):
    """Build, corrupt, train, with nothing but a text file; the second time nothing is done."""
    (tmp_path / "transcripts.txt").write_text("\n".join(sentences))
    commands = (
        ["build", "--transcripts", "transcripts.txt", "--systems", "tone,espeak-formant"],
        ["corrupt", "--level", "0.3"],
        ["train", "moe"],
    )

    def run_all():
        ended = [
            subprocess.run(
                [sys.executable, "-m", "mosdata", *command, "--json"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                timeout=240,
            )
            for command in commands
        ]
        assert [run.returncode for run in ended] == [0, 0, 0], ended[-1].stderr
        return [json.loads(run.stdout) for run in ended]

    pytest.importorskip("espeakng_loader")
    first = run_all()
    before = times(tmp_path)
    second = run_all()

    assert before == times(tmp_path)
    for key in ("dataset_id", "content_id", "plan_id", "folder"):
        assert [answer[key] for answer in first[:2]] == [answer[key] for answer in second[:2]]
