"""``mosdata splits``: sets are made, kept, followed and used; leaks end with exit code 1."""

import csv
import json
import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest

from mosdata.errors import DamagedDataset, InvalidValue, UnknownName
from mosdata.manifests.store import open_dataset
from mosdata.testing import clip, human_ratings, utterance, write_dataset

PARTS = {"train", "validation", "test"}


@pytest.fixture
def speech(tmp_path, built):
    """A copy of the built dataset that may be written to."""
    return shutil.copytree(built, tmp_path / "speech")


@pytest.fixture(scope="module")
def rows():
    """Sixty clips of six systems and ten sentences, all short; the splits of their files leak."""
    sound = clip(0.02)
    return [
        utterance(
            i,
            sound,
            system=f"s{i % 6}",
            sentence=f"t{i // 6}",
            speaker=f"p{i % 2}",
            pcm_sha256=f"{i:064d}",
        )
        for i in range(60)
    ]


@pytest.fixture
def rated(tmp_path, rows):
    """These clips with four scores each, by raters r0 to r3."""
    scores = [r for n, row in enumerate(rows) for r in human_ratings(row.id, [1 + n % 5] * 4)]
    return write_dataset(
        tmp_path / "rated", {"train": rows[:48], "test": rows[48:]}, ratings=scores
    ).folder


def write_csv(path, header, lines):
    """A table with a header."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return path


def read_csv(path):
    """Lines of a table as dictionaries."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_set_is_added_beside_the_clips(mosdata, speech):
    """Named in the manifest with rule and counts; clips, ids and files are as before."""
    before = open_dataset(speech)
    ended = mosdata("splits", "make", speech, "--by", "sentence", "--shares", "1:1:1", "--json")
    made, after = json.loads(ended.out), open_dataset(speech)

    assert 0 == ended.code
    assert (before.dataset_id, before.content_id) == (after.dataset_id, after.content_id)
    (entry,) = after.manifest["split_sets"]
    assert made["rule"] == entry["rule"]
    assert "by-sentence-1-1-1" == made["name"] == entry["name"]
    found = Counter(after.split_set(made["name"]).values())
    assert made["counts"] == {**found, "unused": 0}
    assert 0 == mosdata("verify", speech).code


def test_making_it_again_changes_nothing(mosdata, speech):
    """Not one byte of it."""
    made = [mosdata("splits", "make", speech, "--by", "sentence", "--folds", "3")]
    manifest = (speech / "mosdata.json").read_bytes()
    made.append(mosdata("splits", "make", speech, "--by", "sentence", "--folds", "3"))

    assert [0, 0] == [ended.code for ended in made]
    assert "was there already" in made[1].err
    assert manifest == (speech / "mosdata.json").read_bytes()


def test_another_rule_of_the_same_name_is_refused(mosdata, refused, speech):
    """A judge may have been trained on it."""
    mosdata("splits", "make", speech, "--by", "sentence", "--folds", "3", "--name", "mine")

    message = refused("splits", "make", speech, "--by", "speaker", "--folds", "2", "--name", "mine")
    assert "another split set called 'mine'" in message


def test_a_damaged_set_is_found(mosdata, speech):
    """By verify and by whoever reads it."""
    mosdata("splits", "make", speech, "--by", "sentence", "--folds", "3", "--name", "mine")
    path = speech / "splits" / "mine.parquet"
    path.write_bytes(path.read_bytes()[:-9])

    assert 1 == mosdata("verify", speech).code
    with pytest.raises(DamagedDataset, match=r"mine\.parquet"):
        open_dataset(speech).split_set("mine:0")


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "not kept"])
def test_copies_of_copies_follow_their_source(mosdata, speech, tmp_path, keep):
    """Through two corruptions, whether the sources are kept or not."""
    mosdata("splits", "make", speech, "--by", "sentence", "--folds", "3", "--name", "mine")
    where = open_dataset(speech).split_set("mine:1")
    parents = {}
    source = speech
    for kind in ("low_pass", "white_noise"):
        out = tmp_path / kind
        keeping = ("--keep-sources" if keep else "--no-keep-sources", "--executor", "serial")
        kinds = ("--level", "0.5", "--kinds", kind)
        assert 0 == mosdata("corrupt", source, *kinds, *keeping, "--out", out).code
        table = open_dataset(out).table(["id", "parent_id"])
        parents |= dict(zip(table["id"].to_pylist(), table["parent_id"].to_pylist(), strict=True))
        source = out

    def root(clip_id):
        return root(parents[clip_id]) if parents.get(clip_id) else clip_id

    found = open_dataset(source).split_set("mine:1")
    assert {clip_id: where[root(clip_id)] for clip_id in found} == found
    assert PARTS == {*found.values()}
    assert 0 == mosdata("verify", source).code
    assert 0 == mosdata("splits", "check", source, "--splits", "mine:1").code


def test_a_set_that_knows_nothing_of_a_clip_is_damage(rated, mosdata):
    """Never a clip without a split, in silence."""
    mosdata("splits", "make", rated, "--by", "system", "--folds", "3", "--name", "mine")
    path = rated / "splits" / "mine.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)

    with pytest.raises(DamagedDataset, match="says nothing of 1 clips"):
        open_dataset(rated).split_set("mine:0")


def test_the_rule_of_one_dataset_splits_a_grown_one_alike(mosdata, tmp_path, rows):
    """Nobody moves, and the new ones find their places."""
    small = write_dataset(tmp_path / "small", {"train": rows[:40]}).folder
    grown = write_dataset(tmp_path / "grown", {"train": rows[::-1]}).folder
    mosdata("splits", "make", small, "--by", "system,sentence", "--shares", "1:1:1", "--name", "a")
    ended = mosdata("splits", "make", grown, "--rule", f"{small}:a", "--name", "b")

    assert 0 == ended.code, ended.err
    before, after = open_dataset(small).split_set("a"), open_dataset(grown).split_set("b")
    assert before.items() <= after.items()
    assert 60 == len(after)


def test_ratings_are_dealt_out_by_rater(mosdata, rated):
    """Every score of a rater is on one side; the clips are on several, and that is said."""
    ended = mosdata("splits", "make", rated, "--by", "rater", "--shares", "2:1:1", "--name", "r")
    found = open_dataset(rated).rating_split_set("r")

    assert "The same clips are on several sides" in ended.err
    assert 240 == len(found)
    sides = {rater: {s for (_, r), s in found.items() if r == rater} for _, rater in found}
    assert all(len(side) == 1 for side in sides.values())
    with pytest.raises(InvalidValue, match="deals out ratings"):
        open_dataset(rated).split_set("r")
    assert 1 == mosdata("splits", "check", rated, "--splits", "r").code
    mosdata("splits", "make", rated, "--by", "rater,sentence", "--shares", "2:1:1", "--name", "rs")
    assert 0 == mosdata("splits", "check", rated, "--splits", "rs", "--by", "rater,sentence").code


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("min:0", UnknownName, "Did you mean 'mine'"),
        ("mine:7", UnknownName, "Known: 0, 1, 2"),
        ("mine", InvalidValue, "mine:0"),
        ("shares:0", InvalidValue, "has no folds"),
    ],
)
def test_sets_and_folds_that_there_are_not(mosdata, speech, name, error, says):
    """With those that there are."""
    mosdata("splits", "make", speech, "--by", "sentence", "--folds", "3", "--name", "mine")
    mosdata("splits", "make", speech, "--by", "sentence", "--name", "shares", "--shares", "1:1:1")

    with pytest.raises(error, match=says):
        open_dataset(speech).split_set(name)


def test_a_judge_learns_and_is_judged_on_the_set(mosdata, rated, tmp_path):
    """Train, validation and test are those of the fold; another fold is refused."""
    mosdata("splits", "make", rated, "--by", "system,sentence", "--folds", "3", "--name", "f")
    where = Counter(open_dataset(rated).split_set("f:1").values())
    run = tmp_path / "judge"
    ended = mosdata("train", "moe", rated, "--splits", "f:1", "--out", run, "--json")

    assert dict(where) == json.loads(ended.out)["clips"]
    assert "stay unused" in ended.err
    assert 0 == mosdata("evaluate", run, "--dataset", rated).code
    (predictions,) = run.glob("evaluation-*/predictions.parquet")
    found = Counter(pq.read_table(predictions)["split"].to_pylist())
    assert {split: where[split] for split in PARTS} == found
    other = mosdata("evaluate", run, "--dataset", rated, "--splits", "f:2")
    assert (2, True) == (other.code, "'f:1', which the judge was trained on" in other.err)


def listening_test(tmp_path, order):
    """Single scores as a CSV: twelve clips with five scores, eight with one, in some order."""
    lines = [(f"c{c}", f"r{r}", 1 + (c + r) % 5) for c in range(12) for r in range(5)]
    lines += [(f"c{c}", "r0", 3) for c in range(12, 20)]
    mixed = [lines[(i * order) % len(lines)] for i in range(len(lines))]
    return ("clip", "rater", "score"), mixed


def test_a_row_split_of_single_scores_is_found_out(mosdata, tmp_path):
    """The classic: scores of one clip on both sides. Counted by hand, and valued."""
    header, lines = listening_test(tmp_path, 13)
    train = write_csv(tmp_path / "train.csv", header, lines[:48])
    test = write_csv(tmp_path / "test.csv", header, lines[48:])
    ended = mosdata("splits", "check", train, test, "--json")
    found = json.loads(ended.out)

    seen = {name for name, _, _ in lines[:48]}
    spoiled = sum(name in seen for name, _, _ in lines[48:])
    assert (1, ["clip"]) == (ended.code, found["leaks"])
    (crossing,) = found["keys"][0]["crossings"]
    assert (spoiled, spoiled / 20) == (crossing["num_rows"], crossing["share"])
    assert 15 < spoiled <= found["lookups"][0]["num_rows"]
    assert found["lookups"][0]["without_lcc"] is None


def test_one_table_with_a_split_column(mosdata, tmp_path):
    """Row by row, under the usual names of splits; unknown ones are refused."""
    lines = [("a", "train"), ("b", "dev"), ("a", "eval"), ("c", "")]
    ended = mosdata("splits", "check", write_csv(tmp_path / "all.csv", ("name", "split"), lines))
    wrong = mosdata(
        "splits", "check", write_csv(tmp_path / "bad.csv", ("name", "split"), [("a", "trian")])
    )

    assert (1, "leak: clip\n") == (ended.code, ended.out)
    assert (2, True) == (wrong.code, "Did you mean 'train'" in wrong.err)


def test_tables_are_split_and_pass_the_check(mosdata, tmp_path):
    """The CSV names every clip once, and what it says is clean."""
    lines = [(f"c{i}", f"r{r}", 3, f"s{i % 8}", f"t{i // 8}") for i in range(200) for r in range(2)]
    header = ("clip", "rater", "score", "system", "sentence")
    table = write_csv(tmp_path / "ratings.csv", header, lines)
    out = tmp_path / "made.csv"
    ended = mosdata("splits", "make", table, "--by", "system,sentence", "--out", out)

    assert 0 == ended.code, ended.err
    where = {line["clip"]: line["split"] for line in read_csv(out)}
    assert 200 == len(where)
    assert ["system", "sentence"] == json.loads((tmp_path / "made.rule.json").read_text())["by"]
    for split in PARTS:
        part = [line for line in lines if where[line[0]] == split]
        write_csv(tmp_path / f"{split}.csv", header, part)
    files = [tmp_path / f"{split}.csv" for split in sorted(PARTS)]
    assert 0 == mosdata("splits", "check", *files, "--by", "system,sentence").code
    again = mosdata("splits", "make", table, "--rule", tmp_path / "made.rule.json", "--out", out)
    assert (0, True) == (again.code, "was there already" in again.err)


def test_the_splits_of_a_datasets_files_are_checked(mosdata, rated, corrupted):
    """Copies follow their sources in what we make; a speaker that is claimed is found."""
    assert 0 == mosdata("splits", "check", corrupted).code
    ended = mosdata("splits", "check", rated, "--by", "system", "--json")

    assert (1, ["system"]) == (ended.code, json.loads(ended.out)["leaks"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["make", "DATA", "--by", "systm"], "Did you mean 'system'"),
        (["make", "DATA"], "Say what to split by"),
        (["make", "DATA", "--by", "system", "--shares", "8:x"], "--shares is '8:x'"),
        (["make", "DATA", "--by", "system", "--folds", "1"], "2 or more"),
        (["make", "DATA", "--by", "dataset"], "one dataset only"),
        (["make", "DATA", "--by", "system", "--shares", "1:1", "--folds", "3"], "not several"),
        (["make", "DATA", "--leave-out", "system", "--by", "speaker"], "Say what to split by"),
        (["make", "DATA", "--by", "system", "--name", "a:b"], "letters, digits"),
        (["make", "DATA", "--by", "system", "--out", "x.csv"], "--out is for tables"),
        (["make", "DATA", "--by", "speaker", "--folds", "5"], "2 values of speaker"),
        (["make", "DATA", "--rule", "nowhere"], "no such file"),
        (["make", "DATA", "--rule", "x:y", "--by", "system"], "leave out --by"),
        (["make", "TABLE", "--by", "system"], "no column for the system"),
        (["check", "TABLE"], "no column 'split'"),
        (["check", "TABLE", "TABLE"], "does not say which split"),
        (["check", "train=TABLE", "test=TABLE", "--by", "speaker"], "do not say their speaker"),
        (["check", "train=TABLE", "test=TABLE", "--by", "dataset"], "do not say their dataset"),
        (["check", "trian=TABLE", "test=TABLE"], "Did you mean 'train'"),
        (["check", "DATA", "--splits", "mine"], "The dataset has none yet"),
        (["check", "train.csv", "test.csv"], "train.csv cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_refused_with_what_to_do(refused, workspace, rated, arguments, says):
    """One message, and nothing is touched."""
    write_csv(workspace / "table.csv", ("clip", "score"), [("a", 3), ("b", 4)])
    filled = [a.replace("DATA", str(rated)).replace("TABLE", "table.csv") for a in arguments]

    assert says in refused("splits", *filled)


def test_without_a_name_the_newest_dataset_is_checked(mosdata, tmp_path, rows, monkeypatch):
    """As by the other commands, and the summary says which."""
    write_dataset(tmp_path / "out" / "mine", {"train": rows[:48], "test": rows[48:]})
    monkeypatch.chdir(tmp_path)

    named = mosdata("splits", "check", tmp_path / "out" / "mine")
    ended = mosdata("splits", "check")

    assert (named.code, named.out) == (ended.code, ended.out)
    assert "out/mine" in ended.err
