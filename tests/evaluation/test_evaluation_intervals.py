"""Intervals: fast replicates equal the slow ones, and say no where they know nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.errors import UnknownName
from mosdata.evaluation.confusion import confusion
from mosdata.evaluation.intervals import (
    holm,
    measure,
    measure_class,
    measure_mean,
    paired_difference,
    with_interval,
)
from mosdata.evaluation.metrics import METRICS
from mosdata.evaluation.resampling import REPLICATES, replicated, resample

scores = st.integers(4, 20).map(lambda quarter: quarter / 4)


def draw(num_clips: int, num_systems: int, seed: int = 0):
    """Truth, prediction and systems with an effect of the system."""
    rng = np.random.default_rng(seed)
    systems = [f"s{i % num_systems}" for i in range(num_clips)]
    level = rng.normal(3, 1, num_systems)
    true = np.round(level[np.arange(num_clips) % num_systems] + rng.normal(0, 0.5, num_clips), 1)
    return true, true + rng.normal(0, 0.5, num_clips), systems


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(scores, scores, st.sampled_from("abcdef")), min_size=2, max_size=30),
    st.integers(0, 99),
)
def test_a_replicate_is_the_metric_of_the_repeated_clips(rows, seed):
    """For every metric, the matrix way equals computing on the clips that were drawn."""
    true, pred, systems = (list(side) for side in zip(*rows, strict=True))
    draws = resample(systems, unit="systems", seed=seed, replicates=6)

    for name, metric in METRICS.items():
        values = replicated(name, true, pred, resamples=draws)
        for counts, value in zip(draws.counts, values, strict=True):
            chosen = np.repeat(np.arange(len(true)), counts[draws.index])
            expected = metric(np.array(true)[chosen], np.array(pred)[chosen])

            assert value == pytest.approx(expected, abs=1e-9, nan_ok=True), name


def test_every_replicate_draws_as_many_units_as_there_are():
    """Units are drawn with replacement, and stay whole."""
    draws = resample(list("aabbbc"), unit="systems", seed=3)

    assert draws.counts.shape == (REPLICATES, 3)
    assert set(draws.counts.sum(axis=1)) == {3}
    assert draws.index.tolist() == [0, 0, 1, 1, 1, 2]
    assert draws.counts.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.1)


def test_draws_depend_on_seed_and_names_only():
    """The order and the number of clips change nothing, so judges can be compared in pairs."""
    first = resample(list("aabc"), unit="systems", seed=0).counts
    same = resample(list("cbbbaa"), unit="systems", seed=0).counts
    other = resample(list("aabc"), unit="systems", seed=1).counts

    assert (first == same).all()
    assert (first != other).any()


def test_many_units_are_drawn_in_blocks():
    """Thousands of units work, and every block is filled."""
    draws = resample([str(i) for i in range(3000)], unit="clips", seed=0, replicates=400)

    assert set(draws.counts.sum(axis=1)) == {3000}


def test_an_interval_holds_its_value_and_grows_with_clustering():
    """Clips of a system are drawn together, which makes the interval honest and wider."""
    true, pred, systems = draw(400, 8)
    by_system = measure("lcc", true, pred, resamples=resample(systems, unit="systems", seed=0))
    names = [str(i) for i in range(400)]
    by_clip = measure("lcc", true, pred, resamples=resample(names, unit="clips", seed=0))

    assert by_system.low < by_system.value < by_system.high
    assert by_system.high - by_system.low > 1.5 * (by_clip.high - by_clip.low)


def test_the_interval_of_a_mean_has_the_textbook_width():
    """With every clip its own unit, it agrees with the normal interval."""
    values = np.random.default_rng(0).normal(0, 1, 500)
    found = measure_mean(values, resamples=resample([str(i) for i in range(500)], unit="c", seed=0))
    width = 2 * 1.96 * values.std() / np.sqrt(500)

    assert found.high - found.low == pytest.approx(width, rel=0.06)


def test_fewer_than_five_systems_give_no_interval_but_the_reason():
    """Four systems cannot show how much systems differ."""
    true, pred, systems = draw(40, 4)
    found = measure("mse", true, pred, resamples=resample(systems, unit="systems", seed=0))

    assert found.value is not None
    assert (found.low, found.high) == (None, None)
    assert found.reason == "an interval needs 5 systems or more, not 4"


@pytest.mark.parametrize(
    ("true", "pred", "reason"),
    [
        ([], [], "no clips with truth and prediction"),
        ([3.0], [3.0], "one value only; a correlation needs two"),
        ([3.0, 3.0], [1.0, 2.0], "the truth is constant, so nothing can be correlated with it"),
        (
            [1.0, 2.0],
            [3.0, 3.0],
            "the prediction is constant, so nothing can be correlated with it",
        ),
    ],
)
def test_a_missing_value_says_why(true, pred, reason):
    """None is never alone."""
    draws = resample([str(i) for i in range(len(true))], unit="systems", seed=0)
    found = measure("srcc", true, pred, resamples=draws)

    assert (found.value, found.reason) == (None, reason)


def test_an_interval_is_refused_where_many_replicates_have_no_value():
    """Leaving out a tenth of the replicates would bend what is left."""
    replicates = np.where(np.arange(100) < 10, np.nan, 0.5)

    found = with_interval(0.5, replicates, n=9)

    assert found.low is None
    assert found.reason.startswith("10 % of the replicates have no value")


def test_class_intervals_agree_with_the_point_value():
    """Accuracy and its kin sit inside their intervals; sentences are drawn."""
    rng = np.random.default_rng(0)
    true = [f"c{i % 4}" for i in range(200)]
    pred = [name if rng.random() < 0.7 else "c0" for name in true]
    draws = resample([str(i // 8) for i in range(200)], unit="sentences", seed=0)

    for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
        found = measure_class(metric, true, pred, resamples=draws)

        assert found.value == confusion(true, pred).metrics()[metric]
        assert found.low < found.value < found.high


def test_a_clearly_better_judge_wins():
    """The difference leaves out 0 and the p-value is the smallest that 2,000 replicates allow."""
    true, pred, systems = draw(300, 10)
    worse = pred + np.random.default_rng(1).normal(0, 1, 300)
    found = paired_difference(
        true, pred, worse, metric="mse", resamples=resample(systems, unit="systems", seed=0)
    )

    assert found.high < 0
    assert found.p_value == pytest.approx(2 / (REPLICATES + 1))


def test_equally_good_judges_are_not_told_apart():
    """Of 40 pairs of equal judges about one in twenty is called different, not many more."""
    wrong = 0
    for seed in range(40):
        true, pred, _ = draw(120, 12, seed)
        other = true + np.random.default_rng(1000 + seed).normal(0, 0.5, 120)
        draws = resample([str(i) for i in range(120)], unit="clips", seed=seed, replicates=500)
        found = paired_difference(true, pred, other, metric="mse", resamples=draws)
        wrong += found.low > 0 or found.high < 0

    assert wrong <= 6


def test_a_difference_is_antisymmetric():
    """Swapping the judges flips the sign and nothing else."""
    true, pred, systems = draw(100, 6)
    other = pred[::-1].copy()
    draws = resample(systems, unit="systems", seed=0)
    there = paired_difference(true, pred, other, metric="srcc", resamples=draws)
    back = paired_difference(true, other, pred, metric="srcc", resamples=draws)

    expected = pytest.approx((-back.value, -back.high, -back.low))
    assert (there.value, there.low, there.high) == expected
    assert there.p_value == back.p_value


def test_tau_of_very_many_clips_has_no_interval():
    """It would take minutes; the reason says so."""
    rng = np.random.default_rng(0)
    draws = resample([f"s{i % 9}" for i in range(5001)], unit="systems", seed=0, replicates=10)

    assert "tau-b" in draws.refusal_for("ktau")
    assert measure("ktau", rng.random(5001), rng.random(5001), resamples=draws).low is None


def test_an_unknown_metric_names_the_known():
    """Typos are met with the list."""
    with pytest.raises(UnknownName, match="ktau"):
        replicated("tau", [1, 2], [1, 2], resamples=resample("ab", unit="systems", seed=0))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_only_raises_and_keeps_the_order(p_values):
    """Corrected values are never smaller, at most 1, and ordered like the raw ones."""
    corrected = holm(p_values)

    assert all(raw <= held <= 1 for raw, held in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
