"""Wrong use: exit code 2, one message that helps, and nothing is destroyed."""

import json
import os
import shutil
import subprocess
import sys

import pytest

BUILD = ("build", "--systems", "tone", "--executor", "serial", "--out", "result")


def damaged_texts(folder, kind):
    """A transcripts file with one fault."""
    path = folder / "bad.txt"
    contents = {
        "empty": b"",
        "blank": b"\n  \n\t\n",
        "latin-1": "Grüße aus Köln.\n".encode("latin-1"),
        "utf-16": "Hello there.\n".encode("utf-16"),
        "utf-16 without a mark": "Hello there.\n".encode("utf-16-le"),
        "60,000 characters": b"word " * 12_000,
    }
    if kind == "directory":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(contents[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("empty", "holds no text"),
        ("blank", "holds no text"),
        ("missing", "There is no file"),
        ("directory", "is a folder"),
        ("latin-1", "is not UTF-8: byte 0xfc in line 1"),
        ("utf-16", "iconv -f UTF-16 "),
        ("utf-16 without a mark", "iconv -f UTF-16"),
        ("60,000 characters", "Line 1 .* has 60,000 characters"),
    ],
)
def test_transcripts_that_cannot_be_read_as_texts(refused, workspace, kind, says):
    """Each fault has its own message, with what to do."""
    import re

    message = refused(*BUILD, "--transcripts", damaged_texts(workspace, kind))

    assert re.search(says, message)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["build", "-t", "transcripts.txt", "--systems", "espeak-formantt"], "'espeak-formant'"),
        (["build", "-t", "transcripts.txt", "--systems", "tone,ton"], "'tone'"),
        (["corrupt", "SOURCE", "--level", "0.3", "--kinds", "white-noise"], "'white_noise'"),
        (["train", "mo", "SOURCE"], "'moe'"),
        (["train", "moe", "SOURCE", "--encoder", "logmell"], "'logmel'"),
        (["train", "moe", "SOURCE", "--preset", "papr"], "'paper'"),
        (["label", "SOURCE", "--metrics", "dnsmoss"], "'dnsmos'"),
        (["label", "SOURCE", "--metrics", "dnsmos.p80"], "'p808'"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else "",
)
def test_a_name_that_nobody_knows_meets_the_nearest_one(refused, built, arguments, says):
    """System, corruption, model, encoder, preset, metric and dimension."""
    filled = [str(built) if argument == "SOURCE" else argument for argument in arguments]

    assert f"Did you mean {says}?" in refused(*filled)


@pytest.mark.parametrize(
    "level", ["1.5", "-0.1", "strong", "nan", "", "0.1,2", "1:0:0.1", "0:1:0", "0:1", "0.1;0.2"]
)
def test_a_level_is_a_number_from_0_to_1(refused, built, level):
    """Anything else is refused with what is allowed."""
    message = refused("corrupt", built, f"--level={level}")

    assert "from 0" in message


def test_a_level_must_be_given(refused, built):
    """With an example."""
    assert "mosdata corrupt --level 0.3" in refused("corrupt", built)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--executor", "threads"),
        ("--workers", "0"),
        ("--takes", "0"),
        ("--voices", "-1"),
        ("--seed", "-1"),
        ("--sample-rate", "11025"),
        ("--split", "8"),
        ("--split", "0:1:1"),
        ("--language", "klingon"),
    ],
)
def test_numbers_and_words_outside_what_is_allowed(refused, option, value):
    """Each option says what it takes."""
    systems = ("--systems", "espeak-formant") if option == "--language" else ()
    if systems:
        pytest.importorskip("espeakng_loader")

    assert value in refused(*BUILD, "-t", "transcripts.txt", *systems, option, value)


@pytest.mark.parametrize("what", ["file", "folder", "run folder", "other dataset", "below a file"])
def test_an_output_folder_that_holds_something_else(refused, workspace, built, what):
    """The folder is named, and what is in it is as before."""
    out = workspace / "result"
    if what == "file":
        out.write_text("mine")
    elif what == "folder":
        out.mkdir()
        (out / "thesis.tex").write_text("mine")
    elif what == "run folder":
        (workspace / "result.run").mkdir()
        (workspace / "result.run" / "thesis.tex").write_text("mine")
    elif what == "other dataset":
        shutil.copytree(built, out)
    else:
        out.write_text("mine")
        out = out / "deeper"

    message = refused(*BUILD[:-1], out, "-t", "transcripts.txt")

    assert "choose another --out" in message.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        ["corrupt", "--level", "0.3"],
        ["label", "--metrics", "dnsmos"],
        ["train", "moe"],
        ["publish", "--out", "copy"],
        ["verify"],
        ["score", "clip.wav"],
        ["evaluate"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_a_dataset_or_a_judge_the_way_to_make_one_is_shown(refused, arguments):
    """An empty folder: the message has the command that comes first."""
    assert "mosdata " in refused(*arguments)


@pytest.mark.parametrize("command", ["corrupt", "label", "verify", "train", "publish"])
def test_a_folder_that_is_not_a_dataset_is_named(refused, workspace, command):
    """Whichever command it is given to."""
    (workspace / "photos").mkdir()
    arguments = {
        "corrupt": ["photos", "--level", "0.3"],
        "label": ["photos", "--metrics", "dnsmos"],
        "verify": ["photos"],
        "train": ["moe", "photos"],
        "publish": ["photos", "--out", "copy"],
    }

    assert "photos is not a finished dataset" in refused(command, *arguments[command])


@pytest.mark.parametrize("given", [[], ["--metrics", "dnsmos", "--ratings", "scores.csv"]])
def test_label_wants_one_kind_of_scores(refused, built, given):
    """Either metrics or people."""
    assert "either --metrics" in refused("label", built, *given)


def test_publish_wants_a_place(refused, built):
    """There is no default for what is handed to others."""
    assert "--out FOLDER" in refused("publish", built)


def test_ratings_with_a_fault(refused, workspace, built):
    """The line and the fault."""
    (workspace / "scores.csv").write_text("clip_id,score\nnobody,3\n")

    assert "line 2" in refused("label", built, "--ratings", "scores.csv")


def test_a_damaged_dataset_fails_without_a_traceback(mosdata, workspace, built):
    """Exit code 1: the use was right, the files are not."""
    copy = shutil.copytree(built, workspace / "copy")
    data = next((copy / "data").iterdir())
    data.write_bytes(data.read_bytes()[:1000])

    for command in (["verify", copy], ["corrupt", copy, "--level", "0.3"]):
        ended = mosdata(*command)

        assert (ended.code, ended.out) == (1, "")
        assert ended.err.count("error: ") == 1
        assert data.name in ended.err


HIDE = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec

def hidden(name, path=None, target=None):
    return None if name.partition(".")[0] == "{package}" else find(name, path, target)

PathFinder.find_spec = hidden
"""


def test_a_missing_package_is_named_with_the_extra_that_brings_it(tmp_path, sentences):
    """``pip install 'mosdata[espeak]'`` can be copied from the message."""
    (tmp_path / "sitecustomize.py").write_text(HIDE.format(package="espeakng_loader"))
    (tmp_path / "transcripts.txt").write_text("\n".join(sentences))
    command = [sys.executable, "-m", "mosdata", "build", "-t", "transcripts.txt"]

    ended = subprocess.run(
        [*command, "--systems", "espeak-formant"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("error: ") == 1
    assert "pip install 'mosdata[espeak]'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_option_is_wrong_use(mosdata, workspace):
    """The parser's own refusals have the same exit code."""
    for arguments in (["build"], ["build", "--speed", "2"], ["bild"]):
        ended = mosdata(*arguments)

        assert (ended.code, ended.out) == (2, "")
        assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("tidied", "note"),
    [
        (lambda lines: b"\xef\xbb\xbf" + b"\n".join(lines), "byte-order mark"),
        (lambda lines: b"\r\n".join(lines) + b"\r\n", "Windows line ends"),
        (lambda lines: b"\n".join([*lines, lines[0], lines[2]]), "2 repeated lines left out"),
        (lambda lines: b"\n".join([lines[0], *lines]), "1 repeated line left out (line 2)"),
        (lambda lines: b"\n\n".join([b"", *lines, b"  "]), None),
        (lambda lines: b"\n".join(line.replace(b" ", b"  ") for line in lines), None),
    ],
    ids=["byte-order mark", "crlf", "repeated", "repeated early", "blank lines", "double spaces"],
)
def test_files_as_people_save_them_give_the_ids_of_the_clean_file(
    mosdata, workspace, sentences, tidied, note
):
    """Tidied with a note, and then the same plan, the same clips, the same dataset."""
    (workspace / "saved.txt").write_bytes(tidied([line.encode() for line in sentences]))
    arguments = (*BUILD[:-2], "--json", "--out")

    clean = mosdata(*arguments, "clean", "-t", "transcripts.txt")
    saved = mosdata(*arguments, "saved", "-t", "saved.txt")

    assert clean.code == saved.code == 0
    expected, found = json.loads(clean.out), json.loads(saved.out)
    for key in ("plan_id", "dataset_id", "content_id", "num_rows"):
        assert expected[key] == found[key]
    assert (note is None) == ("note: " not in saved.err)
    assert note is None or note in " ".join(saved.err.split())
