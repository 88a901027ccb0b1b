"""Targets, labels and splits as the judge sees them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mosdata.errors import InvalidRatings, InvalidValue, UnknownName
from mosdata.manifests.rows import DEBIASED, Applied, Rating, Utterance
from mosdata.manifests.store import Dataset
from mosdata.testing import clip, human_ratings, utterance, write_dataset
from mosdata.training.data import MOS, Target, class_indices, load_examples, targets_in

SOUND = clip(0.02)


def _row(index: int, **changes: object) -> Utterance:
    return utterance(index, SOUND, **changes)


def _metric(row: Utterance, kind: str, dimension: str, value: float) -> Rating:
    return Rating(
        clip_id=row.id, kind=kind, dimension=dimension, scale="acr_1_5", value=value, revision="1"
    )


@pytest.fixture
def labelled(tmp_path: Path) -> Dataset:
    """Three clips: rated by people, by two metrics, and by nobody but the column."""
    rows = [_row(0), _row(1), _row(2, mos=2.5)]
    ratings = [
        *human_ratings(rows[0].id, [3, 4, 5]),
        _metric(rows[0], "dnsmos", "p808", 3.25),
        _metric(rows[1], "dnsmos", "p808", float("nan")),
        _metric(rows[1], "dnsmos", "sig", 2.0),
        _metric(rows[1], "pesq", "mos_lqo", 1.5),
    ]
    return write_dataset(tmp_path / "ds", {"train": rows}, ratings)


def _values(dataset: Dataset, target: Target) -> list[float | None]:
    return [row.value for row in load_examples(dataset, target, carve=False).rows]


def test_mos_is_the_mean_of_people_and_else_the_column(labelled: Dataset) -> None:
    """Clip by clip; a clip that nobody rated has no score."""
    assert _values(labelled, Target.parse("mos", labelled)) == [4.0, None, 2.5]


def test_a_metric_is_a_target_of_its_own(labelled: Dataset) -> None:
    """Not-a-number is no score, and people's scores never stand in for a metric's."""
    assert _values(labelled, Target.parse("dnsmos.p808", labelled)) == [3.25, None, None]


def test_a_single_dimension_may_be_left_out(labelled: Dataset) -> None:
    """PESQ has one here, DNSMOS two."""
    assert str(Target.parse("pesq", labelled)) == "pesq.mos_lqo"
    with pytest.raises(UnknownName, match=r"Known: dnsmos\.p808, dnsmos\.sig, mos, pesq\.mos_lqo"):
        Target.parse("dnsmos", labelled)


def test_an_unknown_target_lists_what_there_is(labelled: Dataset) -> None:
    """The nearest name is offered."""
    with pytest.raises(UnknownName, match=r"Did you mean 'dnsmos\.p808'"):
        Target.parse("dnsmos.p8", labelled)


def test_mos_can_be_asked_for_before_anybody_rated(tmp_path: Path) -> None:
    """Training then waits; the name is right."""
    dataset = write_dataset(tmp_path / "ds", {"train": [_row(0)]})

    assert Target.parse("mos", dataset) == MOS
    assert targets_in(dataset) == []
    assert _values(dataset, MOS) == [None]


def test_the_later_run_of_a_metric_counts(tmp_path: Path) -> None:
    """Two revisions are not averaged."""
    row = _row(0)
    ratings = [_metric(row, "dnsmos", "p808", 2.0), _metric(row, "dnsmos", "p808", 3.0)]
    dataset = write_dataset(tmp_path / "ds", {"train": [row]}, ratings)

    assert _values(dataset, Target.parse("dnsmos", dataset)) == [3.0]


def test_scores_on_two_scales_are_refused(tmp_path: Path) -> None:
    """A mean of 1 to 5 and 0 to 100 means nothing."""
    row = _row(0)
    first, second = human_ratings(row.id, [3, 4])
    ratings = [first, replace(second, scale="mushra_0_100")]
    dataset = write_dataset(tmp_path / "ds", {"train": [row]}, ratings)
    with pytest.raises(InvalidRatings, match="acr_1_5, mushra_0_100"):
        load_examples(dataset, MOS)


@pytest.mark.parametrize("scale", ["mushra_0_100", "acr_0_10", "acr_1_5"])
def test_scores_stay_raw_on_their_own_scale(tmp_path: Path, scale: str) -> None:
    """Nothing is converted behind the user's back; the examples say which scale it is."""
    row = _row(0)
    ratings = [replace(rating, scale=scale) for rating in human_ratings(row.id, [3, 5])]
    examples = load_examples(write_dataset(tmp_path / "ds", {"train": [row]}, ratings), MOS)

    assert (scale, 4.0) == (examples.scale, examples.rows[0].value)


def test_the_scale_of_the_column_counts_where_it_stands_in(tmp_path: Path) -> None:
    """A published mean on 0 to 100 is no company for ratings from 1 to 5, unless never used."""
    rated, unrated = (_row(i, mos=70.0, mos_scale="mushra_0_100") for i in range(2))
    mixed = write_dataset(
        tmp_path / "mixed", {"train": [rated, unrated]}, human_ratings(rated.id, [3])
    )
    covered = write_dataset(tmp_path / "one", {"train": [rated]}, human_ratings(rated.id, [3]))
    alone = write_dataset(tmp_path / "alone", {"train": [unrated]})

    with pytest.raises(InvalidRatings, match="acr_1_5, mushra_0_100"):
        load_examples(mixed, MOS)
    assert "acr_1_5" == load_examples(covered, MOS).scale
    assert "mushra_0_100" == load_examples(alone, MOS).scale
    assert [70.0] == _values(alone, MOS)


def test_comparisons_of_two_clips_are_no_target(tmp_path: Path) -> None:
    """Better or worse than another clip is not how good a clip is."""
    row = _row(0)
    ratings = [replace(rating, scale="cmos_-3_3") for rating in human_ratings(row.id, [1, 2])]
    dataset = write_dataset(tmp_path / "ds", {"train": [row]}, ratings)

    with pytest.raises(InvalidValue, match="judges one clip by itself"):
        load_examples(dataset, MOS)


def test_a_published_mean_counts_as_often_as_it_has_votes(tmp_path: Path) -> None:
    """Three votes of 4 and one of 2 are 3.5, however they were stored."""
    row = _row(0)
    mean, single = human_ratings(row.id, [4, 2])
    ratings = [replace(mean, votes=3, rater=None), single]
    dataset = write_dataset(tmp_path / "ds", {"train": [row]}, ratings)

    assert [3.5] == _values(dataset, MOS)


def test_debiased_scores_are_a_target_that_comes_from_people(tmp_path: Path) -> None:
    """They are named by what was judged, and lie beside the raw scores."""
    row = _row(0)
    raw = human_ratings(row.id, [3, 4])
    debiased = replace(raw[0], kind=DEBIASED, value=3.75, votes=2, rater=None, test=None)
    dataset = write_dataset(tmp_path / "ds", {"train": [row]}, [*raw, debiased])
    target = Target.parse("debiased.mos", dataset)

    assert (target.is_opinion, str(target)) == (True, "debiased.mos")
    assert target == Target.parse("debiased", dataset)
    assert ([3.75], [3.5]) == (_values(dataset, target), _values(dataset, MOS))
    assert not Target(kind="dnsmos", dimension="p808").is_opinion


def test_the_chain_of_corruptions_is_one_name_and_its_highest_level(tmp_path: Path) -> None:
    """Sources have an empty chain at level 0."""
    chain = (Applied(name="mp3", level=0.25), Applied(name="white_noise", level=0.75))
    dataset = write_dataset(tmp_path / "ds", {"train": [_row(0), _row(1, corruptions=chain)]})
    rows = load_examples(dataset, MOS).rows

    assert [(row.corruption, row.level) for row in rows] == [("", 0.0), ("mp3+white_noise", 0.75)]


def test_classes_are_the_systems_of_train(tmp_path: Path) -> None:
    """Unknown is no class; a system that only test has cannot be learned."""
    rows = {
        "train": [
            _row(i, synthesizer=name, system=name) for i, name in enumerate(["b", "a", "unknown"])
        ],
        "test": [_row(9, synthesizer="c", system="c")],
    }
    examples = load_examples(write_dataset(tmp_path / "ds", rows), MOS, carve=False)

    assert examples.class_names == ("a", "b")
    assert class_indices(examples.rows, examples.class_names) == [1, 0, -1, -1]


def test_missing_splits_are_carved_by_sentence_and_said(tmp_path: Path) -> None:
    """A tenth of the sentences each, all clips of a sentence together."""
    roots = [f"root{i // 2}" for i in range(60)]
    rows = [_row(i, sentence=root) for i, root in enumerate(roots)]
    examples = load_examples(write_dataset(tmp_path / "ds", {"train": rows}), MOS)
    parts = {
        split: {row.sentence for row in examples.of(split)}
        for split in ("train", "validation", "test")
    }

    assert {split: len(part) for split, part in parts.items()} == {
        "train": 24,
        "validation": 3,
        "test": 3,
    }
    assert not parts["train"] & parts["validation"]
    assert not parts["train"] & parts["test"]
    assert "No validation split: 6 clips of 3 of 30 train sentences" in examples.notes[0]
    assert "No test split" in examples.notes[1]


def test_carving_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    """A hash of the sentence decides, nothing else."""
    rows = [_row(i) for i in range(20)]
    forward = load_examples(write_dataset(tmp_path / "a", {"train": rows}), MOS)
    backward = load_examples(write_dataset(tmp_path / "b", {"train": rows[::-1]}), MOS)

    assert {r.clip_id: r.split for r in forward.rows} == {r.clip_id: r.split for r in backward.rows}
    assert forward.digest == backward.digest


def test_splits_that_exist_are_kept(tmp_path: Path) -> None:
    """Nothing is carved and nothing is said."""
    rows = {"train": [_row(0)], "validation": [_row(1)], "test": [_row(2)]}
    examples = load_examples(write_dataset(tmp_path / "ds", rows), MOS)

    assert [row.split for row in examples.rows] == ["train", "validation", "test"]
    assert examples.notes == ()


def test_one_sentence_is_never_split(tmp_path: Path) -> None:
    """All of it is for training, and early stopping is gone: said in words."""
    rows = [_row(i, sentence="only") for i in range(4)]
    examples = load_examples(write_dataset(tmp_path / "ds", {"train": rows}), MOS)

    assert {row.split for row in examples.rows} == {"train"}
    assert "without early stopping" in examples.notes[0]


def test_a_dataset_without_train_is_split_anew(tmp_path: Path) -> None:
    """A tiny build may hash all its sentences into test."""
    rows = [_row(i) for i in range(4)]
    examples = load_examples(write_dataset(tmp_path / "ds", {"test": rows}), MOS)

    assert len(examples.of("train")) == 2
    assert "No train split (splits: test)" in examples.notes[0]


def test_the_digest_sees_every_label(labelled: Dataset, tmp_path: Path) -> None:
    """Another target, another label or another sound is another lesson."""
    mos = load_examples(labelled, MOS)
    other = load_examples(labelled, Target.parse("pesq", labelled))
    changed = replace(mos, rows=(replace(mos.rows[0], value=4.5), *mos.rows[1:]))

    assert len({mos.digest, other.digest, changed.digest}) == 3
