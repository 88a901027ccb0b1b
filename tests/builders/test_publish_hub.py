"""What goes to the Hub arrives to the byte, or the push says so; nothing goes there unasked."""

import hashlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosdata.builders import papers as papers_module
from mosdata.builders.hub import push, repo_of
from mosdata.builders.publish import publish
from mosdata.builders.verify import read_checksums
from mosdata.errors import BuildFailed, DamagedDataset, InvalidValue, UsageError
from mosdata.manifests.store import open_dataset

SPEC = importlib.util.spec_from_file_location(
    "hub_stand_in", Path(__file__).with_name("hub_stand_in.py")
)
stand_in = importlib.util.module_from_spec(SPEC)
sys.modules["hub_stand_in"] = stand_in  # dataclasses look their module up
SPEC.loader.exec_module(stand_in)

REPO = "our-lab/speech-quality"


@pytest.fixture
def hub(monkeypatch):
    """A Hub on the loopback that the client takes for the real one."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http, close_session, disable_progress_bars

    with stand_in.running() as running:
        monkeypatch.setenv("HF_TOKEN", stand_in.TOKEN)
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        template = f"{running.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(_http.time, "sleep", lambda _: None)
        disable_progress_bars()
        close_session()
        yield running
        close_session()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, corrupted):
    """A published copy. Read only."""
    out = tmp_path_factory.mktemp("published") / "copy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(papers_module, "can_draw", lambda: False)
        publish(open_dataset(corrupted), out)
    return out


def contents(folder):
    """Every file of a folder by path."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def on_hub(hub, revision="main"):
    """Every file of a revision, without what the Hub puts there itself."""
    found = hub.files(REPO, revision)
    found.pop(".gitattributes")
    return found


def test_every_byte_arrives_and_is_tagged(hub, folder):
    """On a branch of its own, under a tag that names the dataset, and on main."""
    pushed = push(folder, REPO)

    dataset_id = open_dataset(folder).dataset_id
    checksum = hashlib.sha256((folder / "checksums.sha256").read_bytes()).hexdigest()
    assert pushed.tag == f"{dataset_id}-{checksum[:8]}"
    assert pushed.branch == f"mosdata-{dataset_id[:8]}"
    for revision in (pushed.tag, pushed.branch, pushed.commit, "main"):
        assert contents(folder) == on_hub(hub, revision)
    assert pushed.num_files == len(contents(folder))
    assert pushed.url == f"{hub.url}/datasets/{REPO}"


def test_pushing_again_sends_nothing(hub, folder):
    """No upload, no commit, no second tag."""
    first = push(folder, REPO)
    before = hub.requests.copy()

    again = push(folder, REPO)

    assert first == again
    changed = {name for name in hub.requests if hub.requests[name] != before[name]}
    assert not changed & {"preupload", "lfs_batch", "lfs_put", "commit", "tag"}


def test_main_gets_the_files_without_sending_them_twice(hub, folder):
    """Each large file goes over the wire once; main is one commit of copies."""
    push(folder, REPO)

    assert len(hub.sent) == len({*hub.sent})
    assert len(hub.repos[REPO].commits) == 3  # the Hub's own, the branch, main


def test_a_named_branch_leaves_main_alone(hub, folder):
    """For who wants to look before merging."""
    pushed = push(folder, REPO, branch="review")

    assert not pushed.main
    assert contents(folder) == on_hub(hub, "review")
    assert on_hub(hub, "main") == {}


def test_a_new_dataset_replaces_the_files_of_the_old(hub, folder, tmp_path, built, monkeypatch):
    """Files that only the old one had go, or load_dataset would mix the two; other files stay."""
    monkeypatch.setattr(papers_module, "can_draw", lambda: False)
    publish(open_dataset(built), tmp_path / "other")
    extra = tmp_path / "other" / "ratings" / "old" / "part.parquet"
    extra.parent.mkdir(parents=True)
    extra.write_bytes(b"old")
    with (tmp_path / "other" / "checksums.sha256").open("a") as file:
        file.write(f"{hashlib.sha256(b'old').hexdigest()}  ratings/old/part.parquet\n")
    push(tmp_path / "other", REPO)
    repo = hub.repos[REPO]
    files = {**repo.commits[repo.branches["main"]], "logo.txt": stand_in.File(b"ours", lfs=False)}
    repo.commit("main", files)

    pushed = push(folder, REPO)

    for revision in ("main", pushed.branch):
        found = on_hub(hub, revision)
        assert found.pop("logo.txt") == b"ours"
        assert contents(folder) == found


def test_a_file_that_the_hub_garbled_is_found(hub, folder):
    """Nothing is tagged, and main stays as it was; the message names the file."""
    hub.flips = {"data/test-00000-of-00001.parquet"}

    with pytest.raises(DamagedDataset, match=r"1 of \d+ files .*data/test-00000-of-00001"):
        push(folder, REPO)

    assert hub.repos[REPO].tags == {}
    assert on_hub(hub) == {}


def test_a_push_that_broke_off_goes_on_where_it_was(hub, folder):
    """The connection breaks after one large file; later only the others are sent."""
    hub.dead_after = 1
    with pytest.raises(BuildFailed, match="Run the same command again"):
        push(folder, REPO)
    sent = [*hub.sent]
    assert hub.repos[REPO].tags == {}

    hub.dead_after = None
    push(folder, REPO)

    assert len(sent) >= 1
    assert len(hub.sent) == len({*hub.sent})
    assert contents(folder) == on_hub(hub)


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (401, UsageError, "does not accept the token"),
        (403, UsageError, f"may not write to {REPO}"),
        (412, BuildFailed, "push again"),
        (418, BuildFailed, "answered 418"),
    ],
)
def test_refusals_say_what_to_do_and_nothing_of_the_token(hub, folder, status, kind, says):
    """Even where the server's answer repeats the token; nor does the traceback hold it."""
    import traceback

    hub.refuses = status

    with pytest.raises(kind, match=says) as caught:
        push(folder, REPO)

    assert stand_in.TOKEN not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__suppress_context__


def test_without_a_token_nothing_is_asked(hub, folder, monkeypatch, tmp_path):
    """The way to log in, before any request."""
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))

    with pytest.raises(UsageError, match="hf auth login"):
        push(folder, REPO)

    assert not hub.requests


def test_offline_is_respected(hub, folder, monkeypatch):
    """HF_HUB_OFFLINE says no; the message says what said it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(UsageError, match="HF_HUB_OFFLINE"):
        push(folder, REPO)

    assert not hub.requests


def test_private_is_not_pushed_to_a_public_place(hub, folder):
    """A repository that is there stays as it is, so private data must not go to a public one."""
    push(folder, REPO)
    sent = len(hub.sent)

    with pytest.raises(UsageError, match="public; nothing was sent"):
        push(folder, REPO, private=True)
    made = push(folder, "our-lab/secret", private=True)

    assert hub.repos["our-lab/secret"].private
    assert made.repo_id == "our-lab/secret"
    assert len(hub.sent) == 2 * sent


@pytest.mark.parametrize(
    "destination",
    [
        "hub:name",
        "hub:",
        "hub:a/b/c",
        "hub:/b",
        "hub:a/",
        "hub:a/b--c",
        "hub:a/b..c",
        "hub:a/b.git",
        "hub:a/-b",
        "hub:a/b c",
        "hub:a/b\n",
        "hub:../b",
        f"hub:a/{'b' * 96}",
        "our-lab/data",
        "https://huggingface.co/a/b",
        "./folder",
    ],
)
def test_a_name_that_is_not_one_of_the_hub(destination):
    """Refused before anything is read or sent, with the form that is right."""
    with pytest.raises(InvalidValue, match="hub:org/name"):
        repo_of(destination)


@pytest.mark.parametrize("name", ["a/b", "Our-Lab/speech_quality.v2", "x1/y"])
def test_our_names_are_names_of_the_client(name):
    """What we let through, the Hub's own client lets through."""
    from huggingface_hub.utils import validate_repo_id

    validate_repo_id(name)

    assert name == repo_of(f"hub:{name}")


# --- the command ---


@pytest.fixture
def command(monkeypatch, tmp_path):
    """``mosdata`` in this process; the result and what people see."""
    from mosdata.cli import app

    monkeypatch.setattr(papers_module, "can_draw", lambda: False)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


def test_nothing_goes_out_unless_asked(command, corrupted, tmp_path, monkeypatch):
    """Publishing to a folder, and a dry run to the Hub, open no connection at all."""

    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    folder = command("publish", corrupted, "--out", tmp_path / "copy")
    plan = command("publish", corrupted, "--to", f"hub:{REPO}", "--dry-run", "--json")

    assert (folder.exit_code, plan.exit_code) == (0, 0)
    assert json.loads(plan.stdout)["repo"] == REPO
    assert not (corrupted.parent / f"{corrupted.name}.run" / ".published").exists()


def test_the_command_publishes_and_pushes(hub, command, corrupted, tmp_path):
    """One line of JSON with the Hub's part under its own key; the token nowhere."""
    ended = command(
        "publish", corrupted, "--to", f"hub:{REPO}", "--out", tmp_path / "copy", "--json"
    )

    value = json.loads(ended.stdout)
    assert value["hub"]["repo_id"] == REPO
    assert value["hub"]["num_files"] == len(contents(tmp_path / "copy"))
    assert contents(tmp_path / "copy") == on_hub(hub)
    every = [*contents(tmp_path / "copy").values(), ended.output.encode()]
    assert not [data for data in every if stand_in.TOKEN.encode() in data]


def test_scores_that_came_later_are_pushed_by_the_same_command(hub, command, tmp_path):
    """The copy in the run folder follows the dataset; the same clips, another tag."""
    from mosdata.builders.card import write_card
    from mosdata.builders.ratings_file import add_human_ratings
    from mosdata.testing import utterance, write_dataset

    dataset = write_dataset(tmp_path / "ours", {"train": [utterance(0)]})
    (dataset.folder / "provenance.json").write_text("{}")
    write_card(dataset)
    arguments = ("publish", dataset.folder, "--to", f"hub:{REPO}", "--json")
    first = json.loads(command(*arguments).stdout)["hub"]
    (tmp_path / "scores.csv").write_text(f"clip_id,score\n{utterance(0).id},4\n")
    add_human_ratings(dataset, tmp_path / "scores.csv")

    second = json.loads(command(*arguments).stdout)["hub"]

    assert first["branch"] == second["branch"]
    assert {first["tag"], second["tag"]} == {*hub.repos[REPO].tags}
    assert len(hub.repos[REPO].tags) == 2
    assert any(name.startswith("ratings/") for name in on_hub(hub))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--to", f"hub:{REPO}", "--arrow"],
        ["--out", "copy", "--private"],
        ["--out", "copy", "--revision", "x"],
        [],
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together(command, corrupted, arguments):
    """Said before any work."""
    ended = command("publish", corrupted, *arguments)

    assert isinstance(ended.exception, UsageError)
    assert not Path("copy").exists()


@pytest.mark.slow
def test_load_dataset_reads_it_back(hub, folder, tmp_path):
    """``load_dataset("org/name")`` in a process of its own: rows, classes, and bytes of audio."""
    pushed = push(folder, REPO)
    script = f"""
import json
from datasets import Audio, load_dataset
rows = load_dataset({REPO!r}, revision={pushed.tag!r})
plain = rows.cast_column("audio", Audio(decode=False))
one = next(iter(load_dataset({REPO!r}, split="test", streaming=True).decode(False)))
print(json.dumps({{
    "rows": {{name: part.num_rows for name, part in rows.items()}},
    "classes": rows["train"].features["synthesizer"].names,
    "audio": plain["train"][0]["audio"]["bytes"].hex(),
    "streamed": one["id"],
}}))
"""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_DATASETS_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_TOKEN": stand_in.TOKEN,
    }
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout.splitlines()[-1])

    dataset = open_dataset(folder)
    first = next(dataset.utterances("train"))
    assert found["rows"] == {
        split: sum(file.rows for file in dataset.files_of(split)) for split in dataset.splits
    }
    assert found["classes"] == dataset.class_names
    assert bytes.fromhex(found["audio"]) == first.audio
    assert found["streamed"] == next(dataset.utterances("test")).id


def test_the_list_of_checksums_is_what_is_compared(folder):
    """Every file but the list itself is in it."""
    names = {name for name, _ in read_checksums(folder / "checksums.sha256")}

    assert {*contents(folder)} == names | {"checksums.sha256"}
