"""Reliability and ceilings: known truths come back, and halves agree as they should."""

import math

import numpy as np
import pyarrow as pa
import pytest

from mosdata.raters.ceilings import ceilings
from mosdata.raters.components import reliability, spearman_brown, variance_components
from mosdata.raters.correlation import (
    normal_of_spearman,
    pearson,
    ranks,
    spearman,
    spearman_of_normal,
)
from mosdata.raters.halves import split_half
from mosdata.raters.panel import Panel


def test_variances_of_a_balanced_table_are_those_of_the_textbook(panel_of):
    """Henderson's method 1 is the analysis of variance where every cell is filled.

    Shrout and Fleiss 1979, table 2: four judges, six targets; mean squares 11.24, 32.49 and 1.02.
    """
    scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    rows = [(i, j, x) for i, row in enumerate(scores) for j, x in enumerate(row)]
    panel = panel_of(rows, scale="acr_0_10")
    found = variance_components(panel)

    table = np.array(scores, dtype=float)
    residual = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    ms_residual = (residual**2).sum() / 15
    clip = (4 * table.mean(1).var(ddof=1) - ms_residual) / 4
    rater = (6 * table.mean(0).var(ddof=1) - ms_residual) / 6
    np.testing.assert_allclose([clip, rater, ms_residual], found.known)
    assert 0.17 == round(reliability(panel).icc1.value, 2)
    assert 0.29 == round(found.single_rating_reliability.value, 2)


@pytest.mark.parametrize(("seed", "votes"), [(1, 5), (2, 5), (3, 2), (4, 9)])
def test_known_variances_are_recovered(drawn, seed, votes):
    """Of clips and residual to 10 %, of 100 raters to 45 % (three standard errors)."""
    panel, _ = drawn(votes=votes, seed=seed)
    clip, rater, residual = variance_components(panel).known

    assert clip == pytest.approx(0.6, rel=0.10)
    assert rater == pytest.approx(0.3, rel=0.45)
    assert residual == pytest.approx(0.5, rel=0.10)


def test_repeated_cells_do_not_bias_the_variances(panel_of):
    """Some rate a clip five times over: the estimates are right on average over panels."""
    rng = np.random.default_rng(6)
    found = []
    for _ in range(30):
        quality_C, offset_R = rng.normal(0, 0.7, 40), rng.normal(0, 1.0, 8)
        pairs = [(c, r) for c in range(40) for r in rng.permutation(8)[:3]]
        times = [5 if r % 2 else 1 for _, r in pairs]
        rows = [pair for pair, n in zip(pairs, times, strict=True) for _ in range(n)]
        scores = [50 + quality_C[c] + offset_R[r] + rng.normal(0, 0.5) for c, r in rows]
        panel = panel_of([(c, r, x) for (c, r), x in zip(rows, scores, strict=True)])
        found.append(variance_components(panel).known)

    np.testing.assert_allclose([0.49, 1.0, 0.25], np.mean(found, axis=0), rtol=0.2)


def test_unnamed_raters_leave_one_way_analysis(drawn):
    """Clip variance as before, offsets inside the residual; ICC(1) is the single reliability."""
    panel, _ = drawn(named=False)
    found = reliability(panel)

    assert found.components.known[0] == pytest.approx(0.6, rel=0.1)
    assert found.components.known[1] == 0
    assert found.components.known[2] == pytest.approx(0.8, rel=0.1)
    assert found.icc1.value == found.single.value


def test_one_way_analysis_of_unequal_votes_by_hand(panel_of):
    """Votes 1, 2 and 4: n0 = (7 - 21/7) / 2 = 2 divides the difference of the mean squares."""
    rows = [
        ("a", None, 1),
        ("b", None, 3),
        ("b", None, 5),
        *[("c", None, x) for x in (6, 8, 8, 10)],
    ]
    found = variance_components(panel_of(rows))

    between = (1 * (1 - 41 / 7) ** 2 + 2 * (4 - 41 / 7) ** 2 + 4 * (8 - 41 / 7) ** 2) / 2
    within = (2 + 8) / 4
    np.testing.assert_allclose([(between - within) / 2, 0, within], found.known)


def test_published_means_with_spread_tell_as_much_as_their_scores(drawn):
    """Votes, mean and standard deviation are enough for one-way analysis of variance."""
    panel, _ = drawn(clips=200, named=False)
    ours = panel.clips
    table = pa.table({
        "clip_id": panel.clip_names,
        "value": ours.mean_C,
        "votes": pa.array(ours.votes_C, pa.int32()),
        "std": np.sqrt(ours.ss_C / (ours.votes_C - 1)),
        "scale": ["continuous_0_100"] * panel.num_clips,
    })  # fmt: skip

    expected = reliability(panel).icc1.value
    assert expected == pytest.approx(reliability(Panel.from_ratings(table)).icc1.value)


def test_spearman_brown_of_one_vote_is_itself():
    """And of two it is 2 r / (1 + r)."""
    assert 0.3 == pytest.approx(spearman_brown(0.3, 1))
    assert 0.6 / 1.3 == pytest.approx(spearman_brown(0.3, 2))


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("steps", [False, True])
def test_ceilings_are_what_a_perfect_predictor_scores(drawn, crossed, steps):
    """Against the clip means: to .02 with a slider, .03 on five steps; LCC and SRCC."""
    from scipy import stats

    votes = {"clips": 1500, "raters": 10} if crossed else {"clips": 3000, "raters": 150}
    panel, quality = drawn(crossed=crossed, steps=steps, seed=7, **votes)
    found = ceilings(panel, halves=[split_half(panel, num_splits=5)])
    by_components, by_halves = found[0], found[-1]

    tolerance = 0.03 if steps else 0.02
    true_lcc = np.corrcoef(quality, panel.clips.mean_C)[0, 1]
    true_srcc = stats.spearmanr(quality, panel.clips.mean_C).statistic
    assert true_lcc == pytest.approx(by_components.lcc.value, abs=tolerance)
    assert true_srcc == pytest.approx(by_components.srcc.value, abs=tolerance)
    assert true_lcc == pytest.approx(by_halves.lcc.value, abs=0.04)
    assert true_srcc == pytest.approx(by_halves.srcc.value, abs=0.04)


def test_the_ceiling_against_one_rating(drawn):
    """A perfect predictor against every single rating."""
    panel, quality = drawn(clips=4000, raters=300, seed=8)
    single = ceilings(panel)[1]

    assert np.corrcoef(quality[panel.clip_N], panel.value_N)[0, 1] == pytest.approx(
        single.lcc.value, abs=0.02
    )


@pytest.mark.parametrize("crossed", [False, True])
def test_the_ceiling_of_systems(drawn, crossed):
    """Mean over drawn panels of what perfect system means score; small systems, noisy votes."""
    truths, found = [], []
    for seed in range(12):
        panel, quality = drawn(
            clips=120, raters=12, votes=3, systems=30, system_variance=0.2, crossed=crossed,
            variances=(0.2, 0.4, 1.2), seed=seed,
        )  # fmt: skip
        means = [
            [values[panel.system_C == s].mean() for s in range(panel.num_systems)]
            for values in (quality, panel.clips.mean_C)
        ]
        truths.append(np.corrcoef(*means)[0, 1])
        found.append(ceilings(panel)[2].lcc.value)

    assert np.mean(truths) == pytest.approx(np.mean(found), abs=0.03)


def test_halves_are_other_people_and_always_the_same(drawn):
    """Two runs give the same numbers; another seed gives others."""
    panel, _ = drawn(clips=300, raters=30)
    first, again, other = (split_half(panel, seed=seed) for seed in (3, 3, 4))

    assert first == again
    assert first.lcc.value != other.lcc.value
    assert "raters" == first.halves


def test_halves_agree_as_often_as_their_reliability_says(drawn):
    """Two means of k crossed raters correlate as Spearman-Brown of one rating, offsets aside."""
    panel, _ = drawn(clips=3000, raters=8, crossed=True, variances=(0.5, 0.3, 0.5), seed=2)

    assert spearman_brown(0.5, 4) == pytest.approx(split_half(panel).lcc.value, abs=0.02)


def test_debiasing_raises_agreement_where_the_design_is_incomplete(drawn):
    """And leaves it nearly alone where everybody rated everything."""
    panel, _ = drawn(clips=600, raters=60, votes=6, variances=(0.5, 0.5, 0.5))
    crossed, _ = drawn(clips=300, raters=8, crossed=True, variances=(0.5, 0.5, 0.5))

    lift = split_half(panel, debias="additive").srcc.value - split_half(panel).srcc.value
    none = split_half(crossed, debias="additive").srcc.value - split_half(crossed).srcc.value
    assert lift > 0.08
    assert abs(none) < 1e-9


def test_correlations_are_those_of_scipy():
    """With ties."""
    from scipy import stats

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, (2, 200)).astype(float)

    np.testing.assert_array_equal(stats.rankdata(x), ranks(x))
    assert stats.pearsonr(x, y).statistic == pytest.approx(pearson(x, y))
    assert stats.spearmanr(x, y).statistic == pytest.approx(spearman(x, y))
    assert math.isnan(pearson(x, np.ones(200)))
    assert math.isnan(pearson(x[:2], y[:2]))


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9, 1.0])
def test_normal_rank_correlation_there_and_back(rho):
    """The two maps undo each other, and agree with a large sample."""
    assert rho == pytest.approx(normal_of_spearman(spearman_of_normal(rho)))
    rng = np.random.default_rng(0)
    x, e = rng.normal(size=(2, 100_000))
    y = rho * x + math.sqrt(1 - rho**2) * e
    assert spearman(x, y) == pytest.approx(spearman_of_normal(rho), abs=0.01)
