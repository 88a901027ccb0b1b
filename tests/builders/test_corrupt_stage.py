"""Corrupted copies: sources untouched, ladders that nest, every copy with its parent."""

import json

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.augment.chain import apply_chain
from mosdata.builders.corrupt import CorruptConfig, CorruptStage
from mosdata.builders.split_check import check_dataset
from mosdata.builders.split_sets import make_split_set
from mosdata.builders.verify import verify_files
from mosdata.errors import InvalidValue, UnknownName
from mosdata.manifests.group_rules import GroupRule
from mosdata.manifests.store import open_dataset
from mosdata.testing import human_ratings, speechlike, utterance, write_dataset


@pytest.fixture(scope="module")
def sources(built):
    """Rows of the source by id."""
    return {row.id: row for row in open_dataset(built).utterances()}


@pytest.fixture(scope="module")
def rows(corrupted):
    """Rows of the result, in file order."""
    return list(open_dataset(corrupted).utterances())


def kinds_by_source(stage):
    """What each source gets, from the plan alone."""
    found = {}
    for record in stage.records():
        if "kinds" in record.payload:
            found.setdefault(json.dumps(record.payload["place"]), set()).add(
                record.payload["kinds"][0]
            )
    return found


def test_sources_are_kept_byte_for_byte(rows, sources):
    """Every field of every source row, audio included."""
    kept = {row.id: row for row in rows if row.parent_id is None}

    assert sources == kept


def test_each_clip_has_its_copies(rows, sources):
    """Two kinds at two levels make four copies a clip."""
    copies = [row for row in rows if row.parent_id is not None]

    assert len(copies) == 4 * len(sources)
    assert len({row.id for row in rows}) == len(rows)


def test_a_copy_follows_its_source(corrupted, built):
    """Split, sentence, class, voice and licence are those of the parent."""
    split_of = {row["id"]: row["split"] for row in open_dataset(built).table(["id"]).to_pylist()}
    columns = ["id", "parent_id", "sentence", "text", "synthesizer", "system", "speaker", "license"]
    everything = open_dataset(corrupted).table(columns).to_pylist()
    by_id = {row["id"]: row for row in everything}

    for row in everything:
        parent = row["parent_id"]
        if parent is not None:
            assert row["split"] == split_of[parent]
            same = ("sentence", "text", "synthesizer", "system", "speaker", "license")
            assert [row[name] for name in same] == [by_id[parent][name] for name in same]


def test_what_was_drawn_makes_the_copy_again(rows, sources):
    """Source and parameters are enough: the same samples, bit for bit, without the run."""
    for row in rows:
        if row.parent_id is not None and row.corruptions[0].name != "overlap":
            source = sources[row.parent_id]
            again = apply_chain(source.clip(), row.corruptions)

            step = 1 / 32768  # storage rounds to 16 bits
            assert np.abs(again.samples - row.clip().samples).max() <= step


def test_a_ladder_is_one_damage_and_more_of_it(rows):
    """At both levels the same masks, the same noise seed, the same stranger; only stronger."""
    rungs = {}
    for row in rows:
        for applied in row.corruptions:
            rungs.setdefault((row.parent_id, applied.name), []).append(applied)

    for low, high in rungs.values():
        assert (low.level, high.level) == (0.3, 0.9)
        for seed in ("seed", "noise_seed", "interferer_id"):
            assert low.params.get(seed) == high.params.get(seed)
        if "snr_db" in low.params:
            assert high.params["snr_db"] < low.params["snr_db"]


def test_the_kinds_of_a_clip_do_not_depend_on_the_levels(built):
    """Asking for more levels later climbs the ladders that are there."""
    dataset = open_dataset(built)
    few, many = (
        CorruptStage(dataset, CorruptConfig(levels=levels, per_clip=2))
        for levels in ((0.3,), (0.1, 0.2, 0.3, 1.0))
    )
    ids = [{record.id for record in stage.records()} for stage in (few, many)]

    assert kinds_by_source(few) == kinds_by_source(many)
    assert ids[0] <= ids[1]


def test_kinds_are_chosen_clip_by_clip(built):
    """Not the same for all, nor in turn with voices; all where all are asked for."""
    dataset = open_dataset(built)
    chosen = kinds_by_source(CorruptStage(dataset, CorruptConfig(levels=(0.3,), per_clip=1)))
    everything = kinds_by_source(CorruptStage(dataset, CorruptConfig(levels=(0.3,), per_clip=0)))

    assert len({frozenset(kinds) for kinds in chosen.values()}) >= 3
    assert {len(kinds) for kinds in everything.values()} == {7}


def test_people_judged_the_source_and_not_the_copy(tmp_path, run):
    """Human scores stay with the clip that was heard; the class of the system goes on."""
    rated = [utterance(i, mos=4.25, mos_std=0.5, mos_votes=4) for i in range(2)]
    source = write_dataset(tmp_path / "source", {"train": rated})
    config = CorruptConfig(levels=(0.5,), kinds=("white_noise",))

    outcome = run(CorruptStage(source, config), tmp_path / "out", parent=source)

    for row in outcome.dataset.utterances():
        expected = (4.25, 0.5, 4) if row.parent_id is None else (None, None, None)
        assert expected == (row.mos, row.mos_std, row.mos_votes)
        assert row.synthesizer == "tone"


@pytest.mark.parametrize("kept", [True, False])
def test_ratings_come_along_with_the_sources_that_they_are_of(tmp_path, run, kept):
    """All scores of the parent where its clips are kept, none where they are not."""
    clips = [utterance(i) for i in range(2)]
    scores = [score for row in clips for score in human_ratings(row.id, [3, 5])]
    source = write_dataset(tmp_path / "source", {"train": clips}, scores)
    stage = CorruptStage(
        source, CorruptConfig(levels=(0.5,), kinds=("white_noise",), keep_sources=kept)
    )

    made = run(stage, tmp_path / "out", parent=source, keeps_parent=stage.keeps_sources).dataset

    assert (scores if kept else []) == list(made.ratings())
    verify_files(made)


@pytest.mark.parametrize("levels", [(0.5,), (0.0, 0.5)])
def test_without_sources_only_copies_are_made_unless_level_0_is_asked_for(
    tmp_path, built, run, levels
):
    """Level 0 is the source itself, never a second copy of it."""
    config = CorruptConfig(levels=levels, kinds=("white_noise",), keep_sources=False)

    outcome = run(CorruptStage(open_dataset(built), config), tmp_path / "out")

    parents = [row.parent_id for row in outcome.dataset.utterances()]
    assert parents.count(None) == (12 if 0 in levels else 0)
    assert len(parents) - parents.count(None) == 12


def test_the_result_knows_where_it_comes_from(corrupted, built):
    """The manifest names the parent's ids, provenance holds the parent's own."""
    source, made = open_dataset(built), open_dataset(corrupted)
    provenance = json.loads((corrupted / "provenance.json").read_text())

    assert made.manifest["parent"] == {
        "dataset_id": source.dataset_id,
        "content_id": source.content_id,
    }
    assert "tone" in provenance["parent"]["systems"]


def test_copies_of_copies_carry_the_whole_chain(tmp_path, corrupted, run):
    """Corrupting again appends to what was done before."""
    config = CorruptConfig(levels=(0.4,), kinds=("mp3",), keep_sources=False)

    outcome = run(CorruptStage(open_dataset(corrupted), config), tmp_path / "out")

    before = {row.id: row.corruptions for row in open_dataset(corrupted).utterances()}
    for row in outcome.dataset.utterances():
        assert row.corruptions[:-1] == before[row.parent_id]
        assert row.corruptions[-1].name == "mp3"


def test_a_silent_clip_is_put_aside_with_a_reason(tmp_path, run):
    """Silence has no quality to harm; its source stays."""
    silent = utterance(0, Clip(np.zeros(8000, np.float32), 16_000))
    source = write_dataset(tmp_path / "source", {"train": [silent, utterance(1)]})
    config = CorruptConfig(levels=(0.5,), kinds=("white_noise",))

    outcome = run(CorruptStage(source, config), tmp_path / "out")

    assert outcome.num_rows == 3
    assert outcome.num_rejected == 1
    assert "silen" in next(iter(outcome.reasons))


def test_overlap_is_left_out_where_nobody_else_speaks(tmp_path):
    """One voice cannot talk over itself; the plan says so."""
    source = write_dataset(tmp_path / "source", {"train": [utterance(i) for i in range(3)]})

    stage = CorruptStage(source, CorruptConfig(levels=(0.5,)))

    assert "overlap" not in stage.kinds
    assert len(stage.notes) == 1


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"levels": ()}, InvalidValue),
        ({"levels": (1.2,)}, InvalidValue),
        ({"levels": (-0.1,)}, InvalidValue),
        ({"levels": (float("nan"),)}, InvalidValue),
        ({"levels": (0.5,), "per_clip": 8}, InvalidValue),
        ({"levels": (0.5,), "per_clip": -1}, InvalidValue),
        ({"levels": (0.5,), "seed": -1}, InvalidValue),
        ({"levels": (0.5,), "kinds": ("white-noise",)}, UnknownName),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused(wrong, error):
    """When the question is asked, not when half of it is answered."""
    with pytest.raises(error):
        CorruptConfig(**wrong)


def test_the_same_corruption_again_makes_no_copy_twice(tmp_path, corrupted, run):
    """A copy that came along with the sources is not made a second time under its own name."""
    first = open_dataset(corrupted)
    config = first.manifest["config"]
    again = CorruptConfig(
        kinds=tuple(config["kinds"]),
        levels=tuple(config["levels"]),
        seed=config["seed"],
        per_clip=config["per_clip"],
    )

    run(CorruptStage(first, again), tmp_path / "again")

    ids = open_dataset(tmp_path / "again").table(["id"])["id"].to_pylist()
    assert len(ids) == len({*ids})
    assert {*first.table(["id"])["id"].to_pylist()} < {*ids}


def test_level_0_alone_is_the_sources_and_nothing_else(tmp_path, built, run, sources):
    """No copy under another label, and no score lost."""
    config = CorruptConfig(levels=(0.0,), kinds=("white_noise",), keep_sources=False)
    stage = CorruptStage(open_dataset(built), config)

    made = run(stage, tmp_path / "out").dataset

    assert sources == {row.id: row for row in made.utterances()}
    assert stage.estimate().num_records == len(sources)


def voices(split, num_clips):
    """Clips of a split; every one of another text and another voice."""
    return [
        utterance(sum(map(ord, split)) * 10 + i, speaker=f"{split}-{i}", sentence=f"{split}-{i}")
        for i in range(num_clips)
    ]


@pytest.mark.parametrize("kind", ["overlap", "babble"])
def test_what_is_mixed_in_comes_from_the_same_split(tmp_path, run, kind):
    """Train never hears another split; a test clip that is alone hears train."""
    rows = {"train": voices("train", 4), "validation": voices("validation", 3)}
    source = write_dataset(tmp_path / "source", {**rows, "test": voices("test", 1)})
    config = CorruptConfig(levels=(0.5,), kinds=(kind,), keep_sources=False)

    made = run(CorruptStage(source, config), tmp_path / "out").dataset

    split_of = {row.id: split for split in source.splits for row in source.utterances(split)}
    heard = {}
    for row in made.utterances():
        (applied,) = row.corruptions
        others = applied.params.get("talker_ids") or [applied.params["interferer_id"]]
        heard.setdefault(split_of[row.parent_id], set()).update(split_of[who] for who in others)
    assert heard == {"train": {"train"}, "validation": {"validation"}, "test": {"train"}}


@pytest.mark.parametrize("kept", [True, False], ids=["with sources", "copies alone"])
@pytest.mark.parametrize("kind", ["overlap", "babble"])
def test_clips_that_are_heard_where_they_are_not_are_a_leak(tmp_path, run, kind, kept):
    """As corrupted there is none; dealt out anew, train hears clips of validation."""
    rows = {"train": voices("train", 8), "validation": voices("validation", 1)}
    source = write_dataset(tmp_path / "source", rows)
    config = CorruptConfig(levels=(0.5,), kinds=(kind,), keep_sources=kept)
    made = run(CorruptStage(source, config), tmp_path / "out").dataset
    make_split_set(made, GroupRule(by=("speaker",), shares=(1, 1, 0)), name="anew")
    made = open_dataset(made.folder)

    before, after = check_dataset(made), check_dataset(made, splits="anew")

    assert "mixed_in" not in before.report.leaks
    (found,) = [key for key in after.report.keys if key.key == "mixed_in"]
    assert found.verdict == "leak"
    (crossing,) = found.crossings
    split_of = made.split_set("anew")
    rows_by_id = {row.id: row for row in made.utterances()}
    source_of = {row.id: row.parent_id or row.id for row in rows_by_id.values()}
    heard = {
        who
        for row in rows_by_id.values()
        if split_of[row.id] == "train"
        for applied in row.corruptions
        for who in applied.params.get("talker_ids") or [applied.params["interferer_id"]]
    }
    spoiled = [
        clip_id
        for clip_id, split in split_of.items()
        if split == "validation" and source_of[clip_id] in heard
    ]
    assert crossing.between == ("train", "validation")
    assert crossing.num_rows == len(spoiled)


def test_a_value_that_one_clip_cannot_have_is_its_own_fate(tmp_path, run):
    """5 kHz is no cutoff at 8 kHz; the other clip is made."""
    both = [utterance(0), utterance(1, speechlike(0.5, 8_000, seed=1))]
    source = write_dataset(tmp_path / "source", {"train": both})
    kinds = ("low_pass",)
    config = CorruptConfig(kinds=kinds, values={"cutoff_hz": 5_000}, keep_sources=False)

    outcome = run(CorruptStage(source, config), tmp_path / "out")

    assert [row.parent_id for row in outcome.dataset.utterances()] == [both[0].id]
    assert dict(outcome.reasons) == {"value_not_possible": 1}
    with pytest.raises(InvalidValue, match="cutoff_hz"):
        CorruptStage(source, CorruptConfig(kinds=kinds, values={"cutoff_hz": 9_000}))


def test_a_copy_that_is_its_source_is_put_aside(tmp_path, run):
    """A constant has no times that could jitter: no false label."""
    constant = utterance(0, Clip(np.full(16_000, 0.25, np.float32), 16_000))
    source = write_dataset(tmp_path / "source", {"train": [constant, utterance(1)]})
    config = CorruptConfig(levels=(1.0,), kinds=("jitter",), keep_sources=False)

    outcome = run(CorruptStage(source, config), tmp_path / "out")

    assert outcome.num_rows == 1
    assert dict(outcome.reasons) == {"unchanged": 1}
