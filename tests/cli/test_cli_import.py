"""``mosdata import``: what it says, what it answers, and what comes next."""

import json

import pytest

from mosdata.manifests.store import open_dataset
from mosdata.testing import speechlike

SERIAL = ("--executor", "serial")


@pytest.fixture
def corpus(workspace):
    """Six clips of two rates by two systems, rated twice, and a file that nobody rated."""
    import soundfile

    (workspace / "wav").mkdir()
    lines = ["clip_id,score,rater,system,speaker"]
    for i in range(6):
        rate = (16_000, 48_000)[i % 2]
        samples = speechlike(0.3, rate, seed=i).samples
        soundfile.write(workspace / "wav" / f"c{i}.wav", samples, rate)
        lines += [f"c{i},{1 + i % 5},{who},s{i % 2},p{i % 3}" for who in ("ann", "ben")]
    soundfile.write(workspace / "wav" / "spare.wav", speechlike(0.3, seed=9).samples, 16_000)
    (workspace / "scores.csv").write_text("\n".join(lines) + "\n")
    return workspace


def test_an_import_says_what_it_read_and_what_was_odd(mosdata, corpus):
    """Layout, audio, split, findings and the next step on stderr; the folder on stdout."""
    ended = mosdata("import", "scores.csv", "--audio", "wav", *SERIAL)

    assert ended.code == 0, ended.err
    assert (corpus / ended.out.strip() / "mosdata.json").is_file()
    for words in (
        "Read scores.csv as 'generic'",
        "6 clips, 12 scores",
        "6 clips have a file",
        "Split by sentence:",
        "unrated_audio: 1 audio files are in no table",
        "(spare.wav)",
        "mixed_rates: 2",
        "Made 6 clips",
        "Next: mosdata ratings inspect",
        "mosdata train moe",
    ):
        assert words in ended.err


def test_json_of_an_import_has_its_keys(mosdata, corpus):
    """Those of every build, and what was read."""
    command = ("import", "scores.csv", "--audio", "wav", *SERIAL, "--json")
    planned = json.loads(mosdata(*command, "--dry-run").out)
    made = json.loads(mosdata(*command).out)
    again = json.loads(mosdata(*command).out)

    about = {"layout", "num_scores", "has_audio", "split_by", "clips_by_split", "findings"}
    assert about | {"files_by_rate_hz", "dataset_id", "rejected_by_reason"} <= {*made}
    assert about | {"dry_run", "folder", "plan_id", "num_clips", "duration_s"} <= {*planned}
    assert (planned["folder"], planned["plan_id"]) == (made["folder"], made["plan_id"])
    assert made["files_by_rate_hz"] == {"16000": 3, "48000": 3}
    assert {**made, "was_complete": True} == again
    codes = {finding["code"] for finding in made["findings"]}
    assert {"unrated_audio", "mixed_rates"} <= codes


def test_a_dry_run_of_an_import_makes_nothing(mosdata, corpus):
    """Not even a folder."""
    before = sorted(corpus.rglob("*"))

    ended = mosdata("import", "scores.csv", "--audio", "wav", "--dry-run")

    assert ended.code == 0
    assert "Nothing was made" in ended.err
    assert before == sorted(corpus.rglob("*"))


def test_options_of_an_import_reach_the_rows(mosdata, corpus):
    """Name, class, terms, split."""
    ended = mosdata(
        "import", "scores.csv", "--audio", "wav", "--dataset", "demo", "--license", "CC-BY-4.0",
        "--output-terms", "open", "--system-class", "s0=natural", "--system-class", "my-tts",
        "--by", "speaker", "--split", "1:1:1", "--salt", "x", "--unrated", "--out", "d", *SERIAL,
    )  # fmt: skip

    assert ended.code == 0, ended.err
    rows = {row.id: row for row in open_dataset("d").utterances()}
    assert {"c0", "c1", "c2", "c3", "c4", "c5", "spare.wav"} == {*rows}
    assert ["natural", "my-tts"] == [rows[name].synthesizer for name in ("c0", "c1")]
    terms = {(row.dataset, row.license, row.output_terms) for row in rows.values()}
    assert {("demo", "CC-BY-4.0", "open")} == terms
    by_speaker = {}
    table = open_dataset("d").table(["speaker", "id"]).to_pylist()
    for row in table:
        if row["id"] != "spare.wav":
            by_speaker.setdefault(row["speaker"], set()).add(row["split"])
    assert {1} == {len(splits) for splits in by_speaker.values()}
    assert "train" in {row["split"] for row in table if row["id"] == "spare.wav"}


def test_scores_and_dimension_are_what_the_user_says(mosdata, corpus):
    """Raw on the scale that is named."""
    (corpus / "high.csv").write_text("clip_id,score,rater\nc0,88,ann\nc1,12.5,ann\n")

    ended = mosdata(
        "import", "high.csv", "--audio", "wav", "--scale", "continuous_0_100", "--dimension",
        "naturalness", "--out", "d", *SERIAL,
    )  # fmt: skip

    assert ended.code == 0, ended.err
    found = [(r.value, r.scale, r.dimension) for r in open_dataset("d").ratings()]
    scale = "continuous_0_100"
    assert [(88.0, scale, "naturalness"), (12.5, scale, "naturalness")] == found


def test_audio_beside_the_table_is_found(mosdata, corpus):
    """Files right there; nothing below is searched."""
    (corpus / "scores.csv").rename(corpus / "wav" / "scores.csv")
    (corpus / "wav" / "deep").mkdir()

    beside = mosdata("import", "wav/scores.csv", *SERIAL, "--json")

    assert json.loads(beside.out)["has_audio"]
    (corpus / "wav" / "scores.csv").rename(corpus / "scores.csv")
    away = mosdata("import", "scores.csv", *SERIAL, "--json")
    assert not json.loads(away.out)["has_audio"]
    assert "only ratings are imported" in away.err


def test_ratings_alone_end_where_sound_is_needed(mosdata, corpus):
    """Verify and publish work; corrupt, metrics and training say what to do."""
    assert mosdata("import", "scores.csv", "--out", "d", *SERIAL).code == 0
    assert mosdata("verify", "d").code == 0
    assert mosdata("publish", "d", "--out", "copy", "--accept-terms").code == 0

    for command in (
        ("corrupt", "d", "--level", "0.5", *SERIAL),
        ("label", "d", "--metrics", "dnsmos.p808", *SERIAL),
        ("train", "moe", "d"),
    ):
        ended = mosdata(*command)
        assert ended.code == 2, ended
        assert ended.err.count("error: ") == 1
        assert "Import it again with --audio FOLDER" in ended.err


def test_clips_that_were_put_aside_are_counted_by_reason(mosdata, corpus):
    """And the rest is made."""
    (corpus / "wav" / "c0.wav").unlink()
    (corpus / "wav" / "c1.wav").write_bytes(b"")

    ended = mosdata("import", "scores.csv", "--audio", "wav", "--json", *SERIAL)

    answer = json.loads(ended.out)
    assert {"no_audio": 1, "empty_file": 1} == answer["rejected_by_reason"]
    assert (4, 6) == (answer["num_rows"], answer["num_records"])
    assert "Rejected 2 of 6" in ended.err


def test_more_ratings_of_the_same_layout_can_be_added(mosdata, corpus):
    """``label --ratings`` reads what ``import`` reads; the same scores are there already."""
    mosdata("import", "scores.csv", "--audio", "wav", "--out", "d", *SERIAL)
    (corpus / "more.csv").write_text("clip_id,score,rater\nc0,2,cat\n")

    same = json.loads(mosdata("label", "d", "--ratings", "scores.csv", "--json").out)
    more = json.loads(mosdata("label", "d", "--ratings", "more.csv", "--json").out)

    assert (True, False) == (same["was_complete"], more["was_complete"])
    assert 13 == len(list(open_dataset("d").ratings()))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("scores.csv", "--by", "colour"), "--by is 'colour'"),
        (("scores.csv", "--split", "much"), "--split is 'much'"),
        (("scores.csv", "--output-terms", "free"), "--output-terms is 'free'"),
        (("scores.csv", "--system-class", "=x"), "--system-class is '=x'"),
        (("scores.csv", "--system-class", "a", "--system-class", "b"), "--system-class is 'a, b'"),
        (("scores.csv", "--system-class", "s=a", "--system-class", "s=b"), "--system-class"),
        (("scores.csv", "--system-class", "s9=a"), "No system of the corpus is called 's9'"),
        (("scores.csv", "--split", "a:b:c"), "--split is 'a:b:c'"),
        (("scores.csv", "scores.csv"), "scores.csv was given twice"),
        (("scores.csv", "--by", "corpus"), "6 clips have no split of its own"),
        (("scores.csv", "--audio", "nowhere"), "is not a folder"),
        (("scores.csv", "--layout", "gernic"), "Did you mean 'generic'"),
        (("scores.csv", "--scale", "preference"), "judges one clip"),
        (("gone.csv",), "There is no file"),
    ],
)
def test_an_import_that_cannot_be_is_refused(refused, corpus, arguments, says):
    """One message, exit code 2, and nothing is written."""
    assert says in refused("import", *arguments, *SERIAL)
