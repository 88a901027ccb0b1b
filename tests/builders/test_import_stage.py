"""A rated corpus becomes a dataset: what is kept, what is reported, what is refused."""

import json
import math
import os
import shutil
import statistics

import numpy as np
import pyarrow as pa
import pytest

from mosdata.audio import decode_audio
from mosdata.builders.findings import findings_of
from mosdata.builders.imported import ImportConfig, ImportStage
from mosdata.builders.plan import plan_id_of
from mosdata.builders.rated_clips import ratings_digest
from mosdata.builders.verify import verify_content, verify_files
from mosdata.corpora.table import CLIPS_SCHEMA, RATINGS_SCHEMA, RatedCorpus
from mosdata.errors import InvalidRatings, InvalidValue, NothingFound, RecordRejected
from mosdata.manifests.splits import SPLITS, SplitRule
from mosdata.manifests.store import open_dataset
from mosdata.testing import speechlike

RATES = (8_000, 16_000, 48_000)


def corpus_of(names, scores=(), **columns):
    """A corpus as a reader would give it; scores are (clip, value, rater) or ratings' columns."""
    rows = [{"name": name, "dataset": "demo", "audio": f"{name}.wav"} for name in names]
    for column, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[column] = value
    clips = [{**dict.fromkeys(CLIPS_SCHEMA.names), **row} for row in rows]
    blank = dict.fromkeys(RATINGS_SCHEMA.names)
    known = {"kind": "human", "dimension": "mos", "scale": "acr_1_5"}
    ratings = [
        {**blank, **known, **(score if isinstance(score, dict) else _score(*score))}
        for score in scores
    ]
    return RatedCorpus(
        layout="made-up",
        clips=pa.Table.from_pylist(clips, CLIPS_SCHEMA),
        ratings=pa.Table.from_pylist(ratings, RATINGS_SCHEMA),
        sources=("scores.csv",),
    )


def _score(clip, value, rater="ann"):
    return {"clip_id": clip, "value": float(value), "rater": rater, "test": "t1"}


def save(path, samples, rate, **how):
    """An audio file of just these samples."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **how)
    return path


def write(folder, name, rate=16_000, seed=0):
    """An audio file of a corpus."""
    return save(folder / name, speechlike(0.3, rate, seed=seed).samples, rate)


NAMES = ("a", "b", "c", "d", "e", "f")
SCORES = [(name, 1 + i % 5, f"r{j}") for i, name in enumerate(NAMES) for j in range(2)]


@pytest.fixture
def folder(tmp_path):
    """Six files of three rates."""
    for i, name in enumerate(NAMES):
        write(tmp_path / "audio", f"{name}.wav", RATES[i % 3], seed=i)
    return tmp_path / "audio"


def rows_of(out):
    """Rows by id."""
    return {row.id: row for row in open_dataset(out).utterances()}


def codes(out):
    """Findings of a dataset, code by code."""
    provenance = json.loads((out / "provenance.json").read_text())
    return {finding.code: finding for finding in findings_of(provenance)}


def imported(run, tmp_path, corpus, folder=None, name="out", **config):
    """Import, and say where."""
    stage = ImportStage(corpus, ImportConfig(**config), audio=folder)
    run(stage, tmp_path / name, ratings=stage.ratings)
    return tmp_path / name


def test_clips_keep_their_own_rate(run, tmp_path, folder):
    """Sample for sample; the manifest and the schema name no rate, for there are three."""
    out = imported(run, tmp_path, corpus_of(NAMES, SCORES), folder)

    for i, name in enumerate(NAMES):
        row = rows_of(out)[name]
        clip = decode_audio(folder / f"{name}.wav")
        assert (RATES[i % 3],) * 2 == (row.sample_rate_hz, row.sample_rate_source_hz)
        np.testing.assert_array_equal(clip.samples, row.clip().samples)
        assert ("WAV/PCM_16", 1) == (row.encoding_source, row.num_channels_source)
    dataset = open_dataset(out)
    assert dataset.sample_rate_hz is None
    assert b'"sampling_rate"' not in dataset.schema.metadata[b"huggingface"]
    assert codes(out)["mixed_rates"].count == 3
    verify_files(dataset)
    verify_content(dataset)


def test_one_rate_is_the_rate_of_the_dataset(run, tmp_path):
    """As for built speech."""
    write(tmp_path / "audio", "a.wav", 48_000)

    out = imported(run, tmp_path, corpus_of(["a"], SCORES[:1]), tmp_path / "audio")

    assert 48_000 == open_dataset(out).sample_rate_hz


def test_a_row_says_what_the_corpus_says(run, tmp_path, folder):
    """Names, words and terms as given; what nobody knows has a name for that."""
    corpus = corpus_of(
        ["a", "b", "c"],
        SCORES,
        system=["A", "B", None],
        speaker=["s1", None, None],
        text=["Hello  there.", None, None],
        sentence=[None, "s-7", None],
        language=["en", None, None],
        parent=[None, "a", None],
    )

    out = imported(
        run,
        tmp_path,
        corpus,
        folder,
        classes={"A": "natural", "B": "my-tts"},
        license="CC-BY-4.0",
        output_terms="open",
    )

    from mosdata.builders.transcripts import Transcript

    spoken = Transcript(text="Hello there.", line=1).sentence
    found = {
        row.id: (row.system, row.speaker, row.text, row.sentence, row.language, row.parent_id)
        for row in rows_of(out).values()
    }
    assert found == {
        "a": ("A", "s1", "Hello  there.", spoken, "en", None),
        "b": ("B", "unknown", "", "s-7", "und", "a"),
        "c": ("unknown", "unknown", "", "c", "und", None),
    }
    classes = [rows_of(out)[name].synthesizer for name in "abc"]
    assert ["natural", "my-tts", "unknown"] == classes
    assert {("CC-BY-4.0", "open", "demo")} == {
        (row.license, row.output_terms, row.dataset) for row in rows_of(out).values()
    }
    assert codes(out)["no_system"].examples == ("c",)


def test_a_clip_made_from_another_says_the_same(run, tmp_path, folder):
    """Where nobody names its words, it has the sentence of its source, and so its split."""
    corpus = corpus_of(
        NAMES,
        SCORES,
        parent=[None, "a", "b", None, "d", None],
        sentence=["s-1", None, None, None, None, "s-2"],
    )

    out = imported(run, tmp_path, corpus, folder)

    wanted = ["s-1", "s-1", "s-1", "d", "d", "s-2"]
    assert wanted == [rows_of(out)[name].sentence for name in NAMES]


def test_single_scores_make_the_overall_score(run, tmp_path, folder):
    """Mean, deviation (n - 1) and count, on their scale; other dimensions are not in it."""
    scores = [("a", 5), ("a", 2), ("a", 4), ("b", 3)]
    scores += [{"clip_id": "a", "value": 1.0, "dimension": "noisiness"}]

    out = imported(run, tmp_path, corpus_of(["a", "b"], scores), folder)

    a, b = rows_of(out)["a"], rows_of(out)["b"]
    assert math.isclose(statistics.mean([5, 2, 4]), a.mos)
    assert math.isclose(statistics.stdev([5, 2, 4]), a.mos_std)
    assert (3, "acr_1_5") == (a.mos_votes, a.mos_scale)
    assert (3.0, None, 1) == (b.mos, b.mos_std, b.mos_votes)


def test_a_published_score_stays_as_it_is(run, tmp_path, folder):
    """Raw, on its scale, whatever the single scores say."""
    published = {"mos": [70.5], "mos_std": [12.0], "mos_votes": [20], "mos_scale": ["mushra_0_100"]}

    row = rows_of(imported(run, tmp_path, corpus_of(["a"], [("a", 5)], **published), folder))["a"]

    assert (70.5, 12.0, 20, "mushra_0_100") == (row.mos, row.mos_std, row.mos_votes, row.mos_scale)


def test_scores_on_two_scales_have_no_mean(run, tmp_path, folder):
    """They are kept and reported."""
    scores = [("a", 5), {"clip_id": "a", "value": 80.0, "scale": "mushra_0_100"}]

    out = imported(run, tmp_path, corpus_of(["a"], scores), folder)

    assert (None, None) == (rows_of(out)["a"].mos, rows_of(out)["a"].mos_scale)
    assert codes(out)["mixed_scales"].examples == ("a",)


def test_scores_are_one_set_in_the_order_of_the_tables(run, tmp_path, folder):
    """Each with its scale, rater and test; a set that the manifest vouches for."""
    out = imported(run, tmp_path, corpus_of(NAMES, SCORES), folder)

    found = [(r.clip_id, r.value, r.rater, r.test, r.scale) for r in open_dataset(out).ratings()]
    assert [(*score, "t1", "acr_1_5") for score in SCORES] == found
    (entry,) = open_dataset(out).manifest["ratings"]
    assert {"human": ["mos"]} == entry["kinds"]


def test_a_clip_without_its_file_is_put_aside_and_its_scores_stay(run, tmp_path, folder):
    """One row in the quarantine, one finding, all ratings."""
    (folder / "c.wav").unlink()

    stage = ImportStage(corpus_of(NAMES, SCORES), ImportConfig(), audio=folder)
    outcome = run(stage, tmp_path / "out", ratings=stage.ratings)

    assert {"no_audio": 1} == outcome.reasons
    assert {*NAMES} - {"c"} == {*rows_of(tmp_path / "out")}
    assert len(SCORES) == len(list(open_dataset(tmp_path / "out").ratings()))
    assert codes(tmp_path / "out")["no_audio"].examples == ("c",)


def test_broken_files_are_put_aside_with_their_reason(run, tmp_path, folder):
    """The others are imported."""
    (folder / "a.wav").write_bytes(b"")
    (folder / "b.wav").write_bytes(b"<html>not found</html>")
    write(folder, "c.wav").write_bytes((folder / "d.wav").read_bytes()[:4_000])
    save(folder / "e.wav", np.full(800, np.nan), 8_000, subtype="FLOAT")

    stage = ImportStage(corpus_of(NAMES, SCORES), ImportConfig(), audio=folder)
    outcome = run(stage, tmp_path / "out", ratings=stage.ratings)

    wanted = {"empty_file": 1, "unreadable_audio": 1, "truncated_audio": 1, "not_finite": 1}
    assert wanted == outcome.reasons
    assert {"d", "f"} == {*rows_of(tmp_path / "out")}


def test_nobody_s_files_are_named_and_left_out(run, tmp_path, folder):
    """All of them by name, so that one can look; --unrated takes them in without a score."""
    write(folder, "sub/more.wav")
    corpus = corpus_of(NAMES[:5], SCORES)

    out = imported(run, tmp_path, corpus, folder)
    whole = imported(run, tmp_path, corpus, folder, name="whole", unrated=True)

    assert {*NAMES[:5]} == {*rows_of(out)}
    assert codes(out)["unrated_audio"].examples == ("f.wav", "sub/more.wav")
    assert {*NAMES[:5], "f.wav", "sub/more.wav"} == {*rows_of(whole)}
    assert rows_of(whole)["f.wav"].mos is None
    assert "unrated_audio" not in codes(whole)


def test_clips_without_a_score_are_left_out_like_files(run, tmp_path, folder):
    """A table may list a test set that nobody may see the scores of."""
    out = imported(run, tmp_path, corpus_of(NAMES, SCORES[:4]), folder)

    assert {"a", "b"} == {*rows_of(out)}
    assert 4 == codes(out)["unrated_clips"].count


def test_odd_sound_is_kept_and_reported(run, tmp_path, folder):
    """Twins, mixed channels and samples beyond full scale: flags, findings, and the card."""
    shutil.copyfile(folder / "a.wav", folder / "b.wav")
    both = np.stack([speechlike(0.3, seed=1).samples, speechlike(0.3, seed=2).samples], axis=1)
    save(folder / "c.wav", both, 16_000)
    save(folder / "d.wav", np.array([2.0, 0.1] * 400), 8_000, subtype="FLOAT")

    out = imported(run, tmp_path, corpus_of(NAMES, SCORES), folder)

    found = codes(out)
    assert ("a = b",) == found["twin_audio"].examples
    assert ("c",) == found["downmixed"].examples
    assert ("d",) == found["over_full_scale"].examples
    assert "400 samples" in found["over_full_scale"].message
    card = (out / "README.md").read_text()
    assert all(f"`{code}`" in card for code in found)


@pytest.mark.parametrize("by", [None, "corpus"])
def test_the_split_of_the_corpus_is_kept(run, tmp_path, folder, by):
    """Where every clip has one, without being asked."""
    split = [SPLITS[i % 3] for i in range(6)]

    out = imported(run, tmp_path, corpus_of(NAMES, SCORES, split=split), folder, by=by)

    table = open_dataset(out).table(["id"])
    assert dict(zip(NAMES, split, strict=True)) == dict(
        zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True)
    )


def test_half_a_split_is_not_a_split(run, tmp_path, folder):
    """It is drawn anew, which is reported; asking for it is refused."""
    split = ["test", *[None] * 5]
    corpus = corpus_of(NAMES, SCORES, split=split)

    out = imported(run, tmp_path, corpus, folder)

    assert ("a",) == codes(out)["split_not_kept"].examples
    with pytest.raises(InvalidValue, match="5 clips have no split of its own"):
        ImportStage(corpus, ImportConfig(by="corpus"), audio=folder)


@pytest.mark.parametrize("by", ["sentence", "system", "speaker", "source"])
def test_a_split_keeps_its_key_together(folder, by):
    """As ``SplitRule`` deals them out; clips made from another follow it."""
    corpus = corpus_of(
        NAMES,
        SCORES,
        system=["A", "A", "B", "B", "C", "C"],
        speaker=["s"] * 3 + ["t"] * 3,
        sentence=["1", "2"] * 3,
        parent=[None, "a", None, "c", None, "e"],
    )
    rule = SplitRule(shares=(1, 1, 1), salt="x")

    stage = ImportStage(corpus, ImportConfig(by=by, split=rule), audio=folder)

    keys = {
        "sentence": ["1", "1", "1", "1", "1", "1"],
        "system": ["A", "A", "B", "B", "C", "C"],
        "speaker": ["s", "s", "s", "s", "t", "t"],
        "source": ["a", "a", "c", "c", "e", "e"],
    }[by]
    found = {record.payload["name"]: record.split for record in stage.records()}
    drawn = stage.split
    assert {name: drawn.split_of(key) for name, key in zip(NAMES, keys, strict=True)} == found
    assert rule.shares == drawn.shares


def test_few_groups_leave_no_split_empty(folder):
    """Another salt is drawn, said and stored; given again, it draws the same."""
    corpus = corpus_of(NAMES, SCORES, sentence=["1", "2", "3", "4", "5", "6"])
    empty = next(
        rule
        for rule in (SplitRule(shares=(8, 1, 1), salt=f"try {n}") for n in range(99))
        if len({rule.split_of(str(n)) for n in range(1, 7)}) < 3
    )

    stage = ImportStage(corpus, ImportConfig(by="sentence", split=empty), audio=folder)
    again = ImportStage(corpus, ImportConfig(by="sentence", split=stage.split), audio=folder)

    assert {"train", "validation", "test"} == {record.split for record in stage.records()}
    assert [f"--salt {stage.split.salt}"] == [
        example
        for finding in stage.findings
        if finding.code == "salt_chosen"
        for example in finding.examples
    ]
    assert stage.split == again.split
    assert [record.id for record in stage.records()] == [record.id for record in again.records()]


def test_splitting_by_what_is_not_known_is_refused(folder):
    """Or all of them would be one group."""
    with pytest.raises(InvalidValue, match="6 clips have no speaker"):
        ImportStage(corpus_of(NAMES, SCORES), ImportConfig(by="speaker"), audio=folder)


def test_the_plan_knows_content_and_no_place(tmp_path, folder):
    """Another folder and other times are the same plan; another byte or score is another."""
    corpus = corpus_of(NAMES, SCORES)
    plan = plan_id_of(ImportStage(corpus, ImportConfig(), audio=folder))
    copy = shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    (copy / "deep").mkdir()
    (copy / "a.wav").rename(copy / "deep" / "a.wav")
    os.utime(copy / "b.wav", (0, 0))

    assert plan == plan_id_of(ImportStage(corpus, ImportConfig(), audio=copy))
    other = corpus_of(NAMES, [("a", 4), *SCORES[1:]])
    assert plan != plan_id_of(ImportStage(other, ImportConfig(), audio=folder))
    write(copy, "b.wav", seed=99)
    assert plan != plan_id_of(ImportStage(corpus, ImportConfig(), audio=copy))


def test_the_digest_of_scores_does_not_know_chunks():
    """Two tables read as one are the same scores; another order is not."""
    one = corpus_of(NAMES, SCORES).ratings
    cut = pa.concat_tables([one.slice(0, 5), one.slice(5)])

    assert ratings_digest(one) == ratings_digest(cut)
    assert ratings_digest(one) != ratings_digest(pa.concat_tables([one.slice(5), one.slice(0, 5)]))


def test_ratings_come_without_audio(run, tmp_path):
    """A dataset all the same: no bytes, no samples, and a clip that says why."""
    out = imported(run, tmp_path, corpus_of(NAMES, SCORES))

    dataset = open_dataset(out)
    row = rows_of(out)["a"]
    assert (b"", 0, 0, 0.0, "") == (
        row.audio, row.num_samples, row.sample_rate_hz, row.duration_s, row.pcm_sha256
    )  # fmt: skip
    with pytest.raises(RecordRejected, match="--audio"):
        row.clip()
    assert dataset.table(["audio"])["audio"].null_count == len(NAMES)
    assert len(SCORES) == len(list(dataset.ratings()))
    verify_files(dataset)
    verify_content(dataset)


def test_a_folder_of_something_else_is_refused(tmp_path):
    """Before anything is made: not one clip has a file in it."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(NothingFound, match="None of the 6 clips has a file"):
        ImportStage(corpus_of(NAMES, SCORES), ImportConfig(), audio=tmp_path / "empty")
    with pytest.raises(NothingFound, match="not a folder"):
        ImportStage(corpus_of(NAMES, SCORES), ImportConfig(), audio=tmp_path / "gone")


def test_parents_in_a_circle_are_refused(folder):
    """And what is its own parent, or has one that nobody knows, is reported."""
    with pytest.raises(InvalidRatings, match="a -> b -> a"):
        ImportStage(corpus_of(["a", "b"], SCORES, parent=["b", "a"]), ImportConfig(), audio=folder)
    stage = ImportStage(
        corpus_of(["a", "b"], SCORES, parent=["a", "zero"]), ImportConfig(), audio=folder
    )
    found = {finding.code: finding.examples for finding in stage.findings}
    assert (("a",), ("b",)) == (found["own_parent"], found["lost_parent"])


def test_names_longer_than_a_marker_are_ids_all_the_same(run, tmp_path):
    """Only the record has a shorter name."""
    name = "x" * 200
    write(tmp_path / "audio", f"{name}.wav")

    out = imported(run, tmp_path, corpus_of([name], [(name, 3)]), tmp_path / "audio")

    assert [name] == [*rows_of(out)]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"by": "colour"}, "--by is 'colour'"),
        ({"output_terms": "free"}, "--output-terms is 'free'"),
        ({"license": " "}, "--license"),
    ],
)
def test_config_that_cannot_be_is_refused(config, says):
    """In words, before anything is read."""
    with pytest.raises(InvalidValue, match=says):
        ImportConfig(**config)
