"""Metrics: worked numbers, agreement with scipy, and what happens where there is no number."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mosdata.errors import InvalidValue
from mosdata.evaluation.confusion import confusion
from mosdata.evaluation.gates import expert_use
from mosdata.evaluation.metrics import (
    METRICS,
    ccc,
    ktau,
    lcc,
    mae,
    mse,
    rmse,
    srcc,
    system_means,
    system_metrics,
    utterance_metrics,
    within_system_metrics,
)

TRUE = [3, 2.5, 4.5, 2.5, 3.5, 1, 4]
PRED = [3.1, 2, 4.2, 2.6, 3.1, 1.4, 3.3]
SYSTEMS = list("AAABBCD")

scores = st.integers(4, 20).map(lambda quarter: quarter / 4)
pairs = st.lists(st.tuples(scores, scores), min_size=2, max_size=40)


def test_utterance_metrics_of_the_worked_example():
    """Every metric of seven clips agrees with the numbers worked out by hand."""
    found = utterance_metrics(TRUE, PRED)

    assert {name: round(value, 6) for name, value in found.items()} == {
        "mse": 0.167143,
        "rmse": 0.408831,
        "mae": 0.357143,
        "lcc": 0.953868,
        "srcc": 0.981818,
        "ktau": 0.95,
        "ccc": 0.911831,
    }


def test_system_metrics_of_the_worked_example():
    """Systems are unweighted means of their clips, and count the same whatever their size."""
    means = system_means(TRUE, PRED, SYSTEMS)
    found = system_metrics(TRUE, PRED, SYSTEMS)

    assert means.names == ("A", "B", "C", "D")
    assert means.num_clips.tolist() == [3, 2, 1, 1]
    assert means.truth.round(6).tolist() == [3.333333, 3.0, 1.0, 4.0]
    assert means.predicted.round(6).tolist() == [3.1, 2.85, 1.4, 3.3]
    assert {name: round(found[name], 6) for name in ("mse", "lcc", "srcc", "ktau")} == {
        "mse": 0.181736,
        "lcc": 0.991463,
        "srcc": 1.0,
        "ktau": 1.0,
    }


@given(pairs)
def test_correlations_agree_with_scipy(values):
    """LCC, SRCC and KTAU are those of scipy, ties included."""
    true, pred = map(list, zip(*values, strict=True))
    if len(set(true)) < 2 or len(set(pred)) < 2:
        return

    assert lcc(true, pred) == pytest.approx(stats.pearsonr(true, pred).statistic, abs=1e-12)
    assert srcc(true, pred) == pytest.approx(stats.spearmanr(true, pred).statistic, abs=1e-12)
    assert ktau(true, pred) == pytest.approx(stats.kendalltau(true, pred).statistic, abs=1e-12)


@given(pairs)
def test_errors_agree_with_their_formulas(values):
    """MSE, MAE and RMSE are what a loop over the clips gives."""
    errors = [pred - true for true, pred in values]
    true, pred = zip(*values, strict=True)

    assert mse(true, pred) == pytest.approx(sum(e * e for e in errors) / len(errors))
    assert mae(true, pred) == pytest.approx(sum(map(abs, errors)) / len(errors))
    assert rmse(true, pred) == pytest.approx(math.sqrt(mse(true, pred)))


@given(pairs, st.floats(0.5, 3), st.floats(-2, 2))
def test_concordance_falls_with_scale_and_shift(values, scale, shift):
    """CCC is never beyond LCC, and 1 only for equal sides."""
    true, pred = (np.array(side) for side in zip(*values, strict=True))
    if len(set(true)) < 2 or len(set(pred)) < 2:
        return
    moved = scale * pred + shift

    assert abs(ccc(true, moved)) <= abs(lcc(true, moved)) + 1e-9
    assert ccc(true, true) == pytest.approx(1)


@pytest.mark.parametrize("name", ["lcc", "srcc", "ktau", "ccc"])
@pytest.mark.parametrize(
    ("true", "pred"),
    [
        ([3, 3, 3], [1, 2, 3]),
        ([1, 2, 3], [0.1 + 0.2, 0.3, 0.3]),
        ([1], [2]),
        ([], []),
    ],
    ids=["constant truth", "constant but for rounding", "one clip", "no clip"],
)
def test_no_correlation_is_nan(name, true, pred):
    """Where a correlation does not exist it is NaN, never 0, and nothing warns."""
    assert math.isnan(METRICS[name](true, pred))


def test_errors_of_no_clips_are_nan():
    """The mean of nothing is not 0."""
    assert math.isnan(mse([], []))
    assert math.isnan(mae([], []))
    assert math.isnan(rmse([], []))


@pytest.mark.parametrize(
    ("true", "pred"),
    [([1, 2], [1]), ([[1, 2]], [[1, 2]]), ([1, math.nan], [1, 2]), ([1, 2], [math.inf, 2])],
)
def test_sides_that_do_not_fit_are_refused(true, pred):
    """Lengths, shapes and missing values are the caller's to put right."""
    with pytest.raises(InvalidValue):
        mse(true, pred)


def test_within_systems_averages_what_is_left_inside():
    """Systems that cannot be judged are named; a judge that is flat inside a system gets 0."""
    systems = list("aaabbbccdddd")
    true = [1, 2, 3, 1, 2, 3, 1, 5, 2, 2, 2, 2]
    pred = [1, 2, 3, 4, 4, 4, 1, 5, 1, 2, 3, 4]

    found = within_system_metrics(true, pred, systems)

    assert found.systems == ("a", "b")
    assert found.srcc == pytest.approx([1.0, 0.0])
    assert found.mean("srcc") == pytest.approx(0.5)
    assert (found.too_few, found.constant) == (("c",), ("d",))


def test_within_no_system_is_nan():
    """Two clips always rank perfectly, so they are not judged."""
    assert math.isnan(within_system_metrics([1, 2], [1, 2], ["a", "a"]).mean("srcc"))


def test_confusion_of_a_worked_example():
    """Rows are true classes; recall averages over true ones, F1 over all that occur."""
    table = confusion(["a", "a", "a", "b", "b", "c"], ["a", "a", "b", "b", "x", "a"])
    found = table.metrics()

    assert table.names == ("a", "b", "c", "x")
    assert table.counts.tolist() == [[2, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert found["accuracy"] == pytest.approx(3 / 6)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert found["macro_f1"] == pytest.approx((4 / 6 + 2 / 4 + 0 + 0) / 4)
    assert found["chance_majority"] == pytest.approx(3 / 6)
    assert found["chance_uniform"] == pytest.approx(1 / 3)
    assert table.majority == "a"


def test_confusion_of_nothing_is_nan():
    """No clips, no accuracy."""
    assert all(math.isnan(value) for value in confusion([], []).metrics().values())


GATES = np.array(
    [
        [0.7, 0.1, 0.1, 0.1],
        [0.2, 0.5, 0.2, 0.1],
        [0.6, 0.2, 0.1, 0.1],
        [0.25, 0.25, 0.25, 0.25],
        [0.1, 0.1, 0.2, 0.6],
    ]
)


def test_expert_use_of_the_worked_example():
    """Mean gate, leading share (ties to the first) and mutual information by hand."""
    use = expert_use(GATES, classes=["x", "x", None, "y", "y"], systems=list("aabbb"))

    assert np.round(use.mean_gate, 6).tolist() == [0.37, 0.23, 0.17, 0.23]
    assert use.leading_share == pytest.approx((0.6, 0.2, 0.0, 0.2))
    assert use.dead == (2,)
    assert round(use.mean_entropy, 6) == 1.145030
    assert round(use.mutual_information, 6) == 0.200127
    assert [(row.name, row.n) for row in use.per_class] == [("x", 2), ("y", 2)]
    assert use.per_system[0].mean_gate == pytest.approx((0.45, 0.3, 0.15, 0.1))


@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 999))
def test_mutual_information_is_between_zero_and_log_experts(num_clips, num_experts, seed):
    """Whatever the gates, the information lies within its bounds and shares sum to 1."""
    gates = np.random.default_rng(seed).dirichlet(np.full(num_experts, 0.3), num_clips)

    use = expert_use(gates, classes=[None] * num_clips, systems=["s"] * num_clips)

    assert 0 <= use.mutual_information <= math.log(num_experts) + 1e-9
    assert sum(use.leading_share) == pytest.approx(1)


@pytest.mark.parametrize("gates", [np.zeros((0, 2)), np.ones(3), np.full((2, 2), 0.9)])
def test_what_is_not_a_gate_is_refused(gates):
    """Weights must be shares of experts, per clip."""
    with pytest.raises(InvalidValue):
        expert_use(gates, classes=[None] * len(gates), systems=["s"] * len(gates))
