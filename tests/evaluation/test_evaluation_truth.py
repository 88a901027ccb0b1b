"""What systems are held against: their clips or a table, named, checked and never mixed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mosdata.errors import InvalidRatings
from mosdata.evaluation.evaluate import evaluate
from mosdata.evaluation.metrics import system_metrics, utterance_metrics
from mosdata.evaluation.ranking import TrueValue, mean_with_interval, rank
from mosdata.evaluation.report import write_report
from mosdata.evaluation.truth import FROM_CLIPS, TruthTable, read_truth_table
from mosdata.manifests.predictions import Prediction

# The worked example of seven clips of four systems.
TRUE = (3, 2.5, 4.5, 2.5, 3.5, 1, 4)
PRED = (3.1, 2, 4.2, 2.6, 3.1, 1.4, 3.3)
SYSTEMS = "AAABBCD"


def seven(**changes):
    """The clips of the worked example."""
    return [
        dataclasses.replace(
            Prediction(
                clip_id=f"c{i}", split="test", system=system, sentence=f"t{i}",
                mos_true=true, mos_pred=pred,
            ),
            **changes,
        )
        for i, (true, pred, system) in enumerate(zip(TRUE, PRED, SYSTEMS, strict=True))
    ]  # fmt: skip


def values_of(level):
    """The metrics of a level, rounded to six digits."""
    return {name: round(found.value, 6) for name, found in level.metrics.items()}


def write(tmp_path, text, name="truth.csv"):
    """A table on disk."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_worked_example_of_clips_and_systems_to_six_digits():
    """Utterances, then systems as unweighted means of their utterances."""
    split = evaluate(seven(), target_name="mos").splits["test"]

    assert {
        "mse": 0.167143, "rmse": 0.408831, "mae": 0.357143, "lcc": 0.953868, "srcc": 0.981818,
        "ktau": 0.95, "ccc": 0.911831,
    } == values_of(split.utterance)  # fmt: skip
    found = values_of(split.system)
    assert (0.181736, 0.991463, 1.0, 1.0) == tuple(found[k] for k in ("mse", "lcc", "srcc", "ktau"))
    assert (FROM_CLIPS, "target of each clip") == (split.system.truth, split.utterance.truth)
    assert utterance_metrics(TRUE, PRED)["lcc"] == split.utterance.metrics["lcc"].value
    assert system_metrics(TRUE, PRED, list(SYSTEMS))["mse"] == pytest.approx(
        split.system.metrics["mse"].value
    )


def test_a_table_replaces_the_truth_of_systems_and_of_nothing_else(tmp_path):
    """Numbers over systems follow the table and name it; those over clips stay."""
    path = write(tmp_path, "system,value,ci\nA,3.5,0.1\nB,2,0.2\nC,1.5,\nD,4.5,0.3\n")
    plain, held = (
        evaluate(seven(), target_name="mos", scale="acr_1_5", system_truth=table).splits["test"]
        for table in (None, read_truth_table(path))
    )

    assert "external table truth.csv" == held.system.truth
    assert round(np.mean([0.4**2, 0.85**2, 0.1**2, 1.2**2]), 6) == values_of(held.system)["mse"]
    assert plain.utterance == held.utterance
    row = held.systems[0]
    assert (3.5, 3.4, 3.6, pytest.approx(10 / 3)) == (
        row.truth, row.truth_low, row.truth_high, row.mean_true,
    )  # fmt: skip
    assert row.bias == pytest.approx(3.1 - 3.5)
    assert (None, None) == (held.systems[2].truth_low, held.systems[2].truth_high)


def test_systems_on_one_side_only_are_counted_by_name():
    """A system that the table lacks is left out; one that nobody judged is noted."""
    table = TruthTable(name="t.csv", values={"A": 3.0, "B": 2.0, "Z": 1.0}, ci={})
    found = evaluate(seven(), target_name="mos", system_truth=table)
    split = found.splits["test"]

    assert 2 == split.system.n
    assert ("1 systems of t.csv are not judged here: Z.",) == found.notes
    assert any("2 of 4 systems are not in t.csv" in n and "C, D" in n for n in split.notes)
    assert [None, None] == [row.truth for row in split.systems if row.system in "CD"]


@pytest.mark.parametrize(
    ("values", "scale", "says"),
    [
        ({"X": 3.0}, None, "has none of the systems that are judged: it has 'X'"),
        ({"A": 30.0, "B": 2.0}, "acr_1_5", r"value of 'A' is off the scale acr_1_5 \(1 to 5\)"),
    ],
)
def test_a_table_of_something_else_is_refused(values, scale, says):
    """Other systems or another scale are a mistake, not a result."""
    table = TruthTable(name="t.csv", values=values, ci={})

    with pytest.raises(InvalidRatings, match=says):
        evaluate(seven(), target_name="mos", scale=scale, system_truth=table)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("system,score\nA,3\n", "it needs 'system' and 'value'"),
        ("name,value\nA,3\n", "it needs 'system' and 'value'"),
        ("", r"columns \(none\)"),
        ("system,value\n", "it has no systems"),
        ("system,value\nA,3\nA,3\n", "line 3: 'A' is there a second time"),
        ("system,value\nA,good\n", "line 2: a system and a number are needed"),
        ("system,value\nA,nan\n", "a system and a number are needed"),
        ("system,value\nA,\n", "a system and a number are needed"),
        ("system,value\nA\n", "a system and a number are needed"),
        ("system,value\n,3\n", "a system and a number are needed"),
        ("system,value,ci\nA,3,-1\n", "is not a half-width"),
        ("system,value,ci\nA,3,wide\n", "is not a half-width"),
        ("system,value\n" + "A,x\n" * 8, "and 3 more"),
    ],
)
def test_a_table_with_a_fault_is_refused_with_its_line(tmp_path, text, says):
    """What is wrong, and where."""
    with pytest.raises(InvalidRatings, match=says):
        read_truth_table(write(tmp_path, text))


def test_a_table_that_is_not_there_is_named(tmp_path):
    """And one that is not text is not CSV."""
    with pytest.raises(InvalidRatings, match="cannot be read"):
        read_truth_table(tmp_path / "gone.csv")
    (tmp_path / "x.csv").write_bytes(b"system,value\n\xff,3\n")
    with pytest.raises(InvalidRatings, match="not CSV in UTF-8"):
        read_truth_table(tmp_path / "x.csv")


def test_usual_headers_are_understood(tmp_path):
    """In any case, with a byte-order mark, as spreadsheets write them."""
    path = write(tmp_path, "\ufeffSystem_ID, MOS ,CI95\r\nA,3,0.5\r\n")

    assert ({"A": 3.0}, {"A": 0.5}) == (read_truth_table(path).values, read_truth_table(path).ci)


true_values = st.builds(
    TrueValue,
    value=st.floats(1, 5),
    half_width=st.one_of(st.none(), st.floats(0, 1)),
)


@given(st.lists(true_values, min_size=1, max_size=12))
def test_places_hold_the_rank_by_value(systems):
    """The range that is left open always holds the place that the values alone would give."""
    found = rank(systems)
    values = [system.value for system in systems]

    for place, value in enumerate(values):
        at_best = 1 + sum(other > value for other in values)
        at_worst = len(values) - sum(other < value for other in values)
        assert found.best[place] <= at_best
        assert at_worst <= found.worst[place]
    assert found.told_apart <= found.pairs <= len(systems) * (len(systems) - 1) // 2


def test_a_system_without_an_interval_keeps_every_place_open():
    """One clip says nothing about how sure its system is."""
    known = [TrueValue(value=v, half_width=w) for v, w in ((5, 0.1), (3, None), (1, 0.1))]
    found = rank(known)

    assert ((1, 1, 2), (2, 3, 3)) == (found.best, found.worst)
    assert (1, 1) == (found.pairs, found.told_apart)


@given(st.lists(st.floats(1, 5), min_size=2, max_size=30))
def test_intervals_of_systems_are_those_of_students_t(values):
    """As scipy has them."""
    found = mean_with_interval(np.array(values))
    error = float(np.std(values, ddof=1)) / np.sqrt(len(values))

    assert found.half_width == pytest.approx(stats.t.ppf(0.975, len(values) - 1) * error, abs=1e-9)


def test_systems_inside_the_noise_are_not_ranked():
    """Two systems of one quality share their places, and the verdict counts the pair."""
    rng = np.random.default_rng(0)
    rows = [
        Prediction(
            clip_id=f"{system}{i}", split="test", system=system, sentence=f"t{i}",
            mos_true=float(quality + rng.normal(0, 0.3)), mos_pred=quality,
        )
        for system, quality in (("a", 4.0), ("b", 4.0), ("c", 2.0))
        for i in range(20)
    ]  # fmt: skip
    split = evaluate(rows, target_name="mos").splits["test"]

    assert [(1, 2), (1, 2), (3, 3)] == [(r.rank_best, r.rank_worst) for r in split.systems]
    assert (3, 2) == (split.system_pairs.pairs, split.system_pairs.told_apart)
    assert any("tells 2 of 3 pairs of systems apart" in sentence for sentence in split.verdict)


def test_the_report_names_the_truth_and_the_scale(tmp_path):
    """On the page, beside the numbers over systems."""
    table = TruthTable(name="organisers.csv", values=dict.fromkeys("ABCD", 3.0), ci={})
    rows = seven()
    found = evaluate(rows, target_name="mos", scale="acr_1_5", system_truth=table)
    write_report(tmp_path / "r.html", evaluation=found, predictions=rows)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")

    assert "Truth of systems: external table organisers.csv" in text
    assert "<dt>scale</dt><dd>acr_1_5</dd>" in text
