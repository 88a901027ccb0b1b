"""Noise ceilings: what they say against simulated listeners, and what is said without them."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from mosdata.evaluation.ceiling import (
    METRIC_TARGET,
    NO_RATINGS,
    Ceilings,
    LevelCeiling,
    ceiling_sentence,
    ceilings_by_split,
)
from mosdata.evaluation.evaluate import evaluate
from mosdata.evaluation.intervals import Measure
from mosdata.manifests.predictions import Prediction
from mosdata.manifests.rows import DEBIASED, HUMAN


def listened(*, num_clips=600, num_raters=60, votes=5, bias=0.6, noise=0.7, seed=0, split="test"):
    """Clips of known quality and what a few of many biased listeners say; means are the truth."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(3, 0.6, num_clips)
    habit = rng.normal(0, bias, num_raters)
    rows, predictions = [], []
    for clip in range(num_clips):
        raters = rng.choice(num_raters, votes, replace=False)
        scores = quality[clip] + habit[raters] + rng.normal(0, noise, votes)
        scores = np.clip(scores, 0, 100)
        name = f"{split}{clip}"
        rows += [(name, f"r{rater}", score) for rater, score in zip(raters, scores, strict=True)]
        predictions.append(
            Prediction(
                clip_id=name,
                split=split,
                system=f"s{clip % 12:02d}",
                sentence=f"t{clip}",
                mos_true=float(scores.mean()),
                mos_pred=float(quality[clip]),
            )
        )
    names, raters, values = zip(*rows, strict=True)
    size = len(rows)
    table = {
        "clip_id": names, "kind": [HUMAN] * size, "dimension": ["mos"] * size,
        "scale": ["continuous_0_100"] * size, "value": values, "rater": raters,
    }  # fmt: skip
    return pa.table(table), predictions


@pytest.mark.parametrize("votes", [2, 5, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_judge_that_knows_the_quality_scores_the_ceiling(votes, seed):
    """The ceiling is what it says, whatever the number of votes: within .05 of the measured."""
    ratings, predictions = listened(votes=votes, seed=seed)
    known = ceilings_by_split(ratings, predictions, kind=HUMAN, dimension="mos")
    judged = evaluate(predictions, target_name="mos", ceilings=known).splits["test"]
    ceiling = judged.utterance.ceiling

    assert ceiling.lcc == pytest.approx(judged.utterance.metrics["lcc"].value, abs=0.05)
    assert ceiling.srcc == pytest.approx(judged.utterance.metrics["srcc"].value, abs=0.05)
    assert ceiling.normalised_lcc == pytest.approx(1, abs=0.06)
    assert ceiling.reliability == pytest.approx(ceiling.lcc**2)


def test_a_perfect_judge_is_not_ranked_and_a_poor_one_is_told_what_is_missing():
    """The verdict refuses to rank what reaches the ceiling, and says how far the other is."""
    ratings, predictions = listened()
    known = ceilings_by_split(ratings, predictions, kind=HUMAN, dimension="mos")
    rng = np.random.default_rng(9)
    poor = [dataclasses.replace(p, mos_pred=p.mos_pred + rng.normal(0, 2)) for p in predictions]
    good, bad = (
        next(s for s in evaluated.splits["test"].verdict if s.startswith("SRCC over clips"))
        for evaluated in (
            evaluate(rows, target_name="mos", ceilings=known) for rows in (predictions, poor)
        )
    )

    assert "not ranked by them" in good
    assert "outside their noise" in bad


def test_de_biased_truth_has_a_higher_ceiling_where_raters_differ():
    """Offsets are noise in raw means of an incomplete design, and gone from de-biased ones."""
    ratings, predictions = listened(bias=1.0)
    raw, debiased = (
        ceilings_by_split(ratings, predictions, kind=kind, dimension="mos")["test"]
        for kind in (HUMAN, DEBIASED)
    )

    assert debiased.utterance.lcc > raw.utterance.lcc + 0.05


def test_ceilings_of_a_split_know_its_own_ratings_only():
    """Ratings of other splits change nothing."""
    first, mine = listened(num_clips=80)
    second, others = listened(num_clips=80, noise=3.0, seed=1, split="train")
    both = ceilings_by_split(
        pa.concat_tables([first, second]), [*mine, *others], kind=HUMAN, dimension="mos"
    )
    alone = ceilings_by_split(first, mine, kind=HUMAN, dimension="mos")

    assert alone["test"] == both["test"]
    assert both["train"].utterance.lcc < both["test"].utterance.lcc


def test_clips_without_ratings_are_counted():
    """A ceiling that speaks for some of the clips says for how many."""
    ratings, predictions = listened(num_clips=40)
    part = ratings.slice(0, 30 * 5)
    found = ceilings_by_split(part, predictions, kind=HUMAN, dimension="mos")["test"]

    assert found.utterance.source.endswith("; from the 30 of 40 clips that have ratings")


def test_published_means_with_their_spread_have_a_ceiling_too():
    """Votes and standard deviation tell the noise without a single rater."""
    rng = np.random.default_rng(0)
    quality = rng.normal(3, 0.6, 200)
    scores = quality[:, None] + rng.normal(0, 0.7, (200, 6))
    names = [f"c{i}" for i in range(200)]
    table = pa.table(
        {
            "clip_id": names, "kind": [HUMAN] * 200, "dimension": ["mos"] * 200,
            "scale": ["continuous_0_100"] * 200, "value": scores.mean(axis=1).clip(0, 100),
            "votes": pa.array([6] * 200, pa.int32()), "std": scores.std(axis=1, ddof=1),
        }
    )  # fmt: skip
    predictions = [
        Prediction(clip_id=name, split="test", system=f"s{i % 8}", sentence=name, mos_true=float(t))
        for i, (name, t) in enumerate(zip(names, scores.mean(axis=1), strict=True))
    ]
    found = ceilings_by_split(table, predictions, kind=HUMAN, dimension="mos")["test"]

    assert found.utterance.lcc == pytest.approx(0.6 / np.hypot(0.6, 0.7 / np.sqrt(6)), abs=0.03)


@pytest.mark.parametrize(
    ("kind", "reason"), [("dnsmos", METRIC_TARGET), (HUMAN, NO_RATINGS), (DEBIASED, NO_RATINGS)]
)
def test_without_listeners_there_is_no_ceiling_but_a_reason(kind, reason):
    """A metric has no listeners; published means alone do not tell their noise."""
    ratings, predictions = listened(num_clips=20)
    found = ceilings_by_split(ratings.slice(0, 0), predictions, kind=kind, dimension="mos")

    assert {"test": Ceilings.unknown(reason)} == found


def test_what_is_not_known_is_noted_once():
    """Both levels in one note, with the reason."""
    _, predictions = listened(num_clips=60)
    split = evaluate(predictions, target_name="mos").splits["test"]

    notes = [note for note in split.notes if "ceiling" in note]
    assert [f"Noise ceiling over clips and systems: n/a, {NO_RATINGS}."] == notes
    assert not any("perfect judge" in sentence for sentence in split.verdict)


def test_the_ceiling_of_the_split_is_not_that_of_a_table():
    """Whoever made an external table had other ratings; no system ceiling is claimed for it."""
    from mosdata.evaluation.truth import TruthTable

    ratings, predictions = listened(num_clips=120)
    known = ceilings_by_split(ratings, predictions, kind=HUMAN, dimension="mos")
    table = TruthTable(name="t.csv", values={f"s{i:02d}": 3 + i / 12 for i in range(12)}, ci={})
    split = evaluate(predictions, target_name="mos", ceilings=known, system_truth=table).splits[
        "test"
    ]

    assert split.utterance.ceiling.lcc is not None
    assert (None, "the ratings behind the external table t.csv are not known") == (
        split.system.ceiling.lcc,
        split.system.ceiling.reason,
    )


@pytest.mark.parametrize(
    ("measure", "ceiling", "says"),
    [
        (Measure(value=None, n=0), 0.9, ""),
        (Measure(value=0.8, n=4, reason="4 systems"), None, ""),
        (Measure(value=0.8, n=4, reason="4 systems"), 0.9, "cannot be decided: 4 systems."),
        (Measure(value=0.8, low=0.7, high=0.9, n=9), 0.9, "not ranked by them"),
        (Measure(value=0.8, low=0.7, high=0.89, n=9), 0.9, "(89 %), outside their noise"),
    ],
)
def test_sentences_say_no_more_than_is_known(measure, ceiling, says):
    """No value or no ceiling: no sentence. The interval decides, not the value."""
    sentence = ceiling_sentence("clips", "srcc", measure, ceiling)

    assert (says in sentence) if says else sentence == ""


def test_a_level_without_a_ceiling_has_no_share_of_it():
    """Nothing is divided by what is not known."""
    metrics = {name: Measure(value=0.5, n=3) for name in ("lcc", "srcc")}

    assert LevelCeiling(reason="x") == LevelCeiling(reason="x").against(metrics)
    assert 0.625 == LevelCeiling(lcc=0.8).against(metrics).normalised_lcc
