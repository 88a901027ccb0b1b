"""De-biasing: the exact ridge solution, whatever the order of rows and the names of raters."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.errors import InvalidValue, UnknownName
from mosdata.raters.debias import debias
from mosdata.raters.halves import agreement_lift
from mosdata.raters.panel import Panel

METHODS = ("additive", "zscore", "affine")

ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.none() | st.integers(0, 4), st.integers(0, 100)),
    min_size=1,
    max_size=40,
)


def dense(panel, shrinkage):
    """Quality and offsets by one dense least-squares problem, with rows for the ridge."""
    clips, raters = panel.num_clips, panel.num_raters
    design = np.zeros((panel.num_ratings + raters, clips + raters))
    rows = np.arange(panel.num_ratings)
    design[rows, panel.clip_N] = 1
    named = panel.rater_N >= 0
    design[rows[named], clips + panel.rater_N[named]] = 1
    design[panel.num_ratings + np.arange(raters), clips + np.arange(raters)] = np.sqrt(shrinkage)
    target = np.r_[panel.value_N, np.zeros(raters)]
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    return solution[:clips], solution[clips:]


@given(ROWS, st.sampled_from([0.5, 5.0]))
@settings(max_examples=60)
def test_additive_is_the_ridge_solution(panel_of, rows, shrinkage):
    """To eight digits of that of a dense solver, on any design."""
    panel = panel_of(rows)
    found = debias(panel, shrinkage=shrinkage)
    quality, offset = dense(panel, shrinkage)

    np.testing.assert_allclose(quality, found.quality_C, atol=1e-6)
    np.testing.assert_allclose(offset, found.offset_R, atol=1e-6)


def test_alternating_least_squares_stays_where_we_are(drawn):
    """One more round between clips and raters changes nothing."""
    panel, _ = drawn(clips=300, raters=20, votes=4)
    found = debias(panel)
    votes = np.bincount(panel.clip_N)
    quality = np.bincount(panel.clip_N, panel.value_N - found.offset_R[panel.rater_N]) / votes
    left = panel.value_N - quality[panel.clip_N]
    offset = np.bincount(panel.rater_N, left) / (np.bincount(panel.rater_N) + 5)

    np.testing.assert_allclose(found.quality_C, quality, atol=1e-8)
    np.testing.assert_allclose(found.offset_R, offset, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
@given(rows=ROWS, seed=st.integers(0, 9))
@settings(max_examples=25)
def test_the_order_of_rows_does_not_matter(panel_of, method, rows, seed):
    """Clips and raters have the same numbers wherever their rows stand."""
    mixed = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    first, second = panel_of(rows), panel_of(mixed)
    one, other = debias(first, method=method), debias(second, method=method)

    place = [second.clip_names.to_pylist().index(name) for name in first.clip_names.to_pylist()]
    np.testing.assert_allclose(one.quality_C, other.quality_C[place], atol=1e-4)
    np.testing.assert_allclose(one.offset_R, other.offset_R, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_names_of_raters_do_not_matter(drawn, method):
    """Renamed in another order, everybody keeps their offset."""
    panel, _ = drawn(clips=100, raters=12)
    renamed = pa.array([f"x{(7 * r) % 12:02d}" for r in range(12)])
    table = pa.table({
        "clip_id": panel.clip_names.take(pa.array(panel.clip_N)),
        "rater": renamed.take(pa.array(panel.rater_N)),
        "value": panel.value_N,
        "scale": ["continuous_0_100"] * panel.num_ratings,
    })  # fmt: skip
    other = debias(Panel.from_ratings(table), method=method)
    place = [(7 * r) % 12 for r in range(12)]

    np.testing.assert_allclose(
        debias(panel, method=method).offset_R, other.offset_R[place], atol=1e-6
    )


@pytest.mark.parametrize("added", [0.25, -3.0])
def test_a_constant_of_one_rater_is_taken_out(drawn, added):
    """Without shrinkage the qualities move by no more than a constant for all."""
    panel, _ = drawn(clips=80, raters=8, crossed=True)
    rows = np.column_stack([panel.clip_N, panel.rater_N, panel.value_N])
    moved = rows[:, 2] + added * (rows[:, 1] == 3)
    table = {
        "clip_id": panel.clip_names.take(pa.array(panel.clip_N)),
        "rater": panel.rater_names.take(pa.array(panel.rater_N)),
        "scale": ["continuous_0_100"] * panel.num_ratings,
    }
    before = debias(panel, shrinkage=0)
    after = debias(Panel.from_ratings(pa.table({**table, "value": moved})), shrinkage=0)

    difference = after.quality_C - before.quality_C
    np.testing.assert_allclose(difference.mean(), difference, atol=1e-7)
    assert added == pytest.approx(
        (after.offset_R[3] - before.offset_R[3]) - (after.offset_R[0] - before.offset_R[0])
    )


@pytest.mark.parametrize("method", ["additive", "affine"])
@pytest.mark.parametrize("shrinkage", [0.0, 5.0])
def test_offsets_sum_to_zero_in_each_connected_part(panel_of, method, shrinkage):
    """Two halves that share no clip: nothing carries over from one to the other."""
    rows = [(c, r, 40 + 3 * c + 5 * r) for c in range(4) for r in range(3) if r < 2 or c < 1]
    rows += [(c, r, 60 + 2 * c - 4 * r) for c in range(10, 14) for r in range(5, 9)]
    found = debias(panel_of(rows), method=method, shrinkage=shrinkage)

    assert [0, 0, 0, 1, 1, 1, 1] == found.component_R.tolist()
    np.testing.assert_allclose([0, 0], np.bincount(found.component_R, found.offset_R), atol=1e-6)


def test_standard_errors_are_those_of_the_inverse(drawn):
    """Of offsets that sum to 0, within a few per cent: doubt that raters share is left out."""
    panel, _ = drawn(clips=200, raters=20, votes=6)
    found = debias(panel)
    votes = np.bincount(panel.clip_N)
    table = np.zeros((panel.num_clips, panel.num_raters))
    table[panel.clip_N, panel.rater_N] = 1
    reduced = np.diag(table.sum(0) + 5) - table.T @ (table / votes[:, None])
    left = found.value_N - found.quality_C[panel.clip_N]
    noise = left @ left / (panel.num_ratings - 200 - 20 + 1)

    centring = np.eye(20) - 1 / 20
    exact = np.sqrt(noise * np.diag(centring @ np.linalg.inv(reduced) @ centring))
    np.testing.assert_allclose(exact, found.offset_se_R, rtol=0.06)


def test_gains_are_found():
    """A rater who says everything at half the distance has half the gain, but for shrinkage."""
    rng = np.random.default_rng(3)
    quality = rng.uniform(20, 80, 300)
    gains = np.array([0.5, 1.0, 1.5])
    rows = [(c, r, 50 + 4 * (r - 1) + gains[r] * (quality[c] - 50) + rng.normal(0, 1))
            for c in range(300) for r in range(3)]  # fmt: skip
    clips, raters, values = zip(*rows, strict=True)
    table = pa.table({"clip_id": [str(c) for c in clips], "rater": [str(r) for r in raters],
                      "value": values, "scale": ["continuous_0_100"] * len(rows)})  # fmt: skip
    found = debias(Panel.from_ratings(table), method="affine")

    np.testing.assert_allclose(gains, found.gain_R, atol=0.03)
    assert np.corrcoef(quality, found.quality_C)[0, 1] > 0.998
    assert (found.gain_se_R < 0.02).all()


def test_the_lift_of_agreement_is_a_table(drawn):
    """Raw, one side, both sides; per utterance, then per system; each better than the last."""
    panel, _ = drawn(
        clips=600, raters=60, variances=(0.5, 0.5, 0.5), systems=12, system_variance=0.1
    )
    rows = agreement_lift(panel, num_splits=5)

    steps = ["none", "one side", "both sides"]
    assert [(level, step) for level in ("utterance", "system") for step in steps] == [
        (row.level, row.debiased) for row in rows
    ]
    srcc = [row.srcc.value for row in rows[:3]]
    assert sorted(srcc) == srcc
    assert srcc[2] - srcc[0] > 0.08


def test_unnamed_ratings_are_left_as_they_are(panel_of):
    """They count for their clip, and nobody's offset is theirs."""
    panel = panel_of([(0, None, 40), (0, "x", 60), (1, "x", 70), (1, None, 50)])
    found = debias(panel, shrinkage=0)

    np.testing.assert_allclose([40, 40, 50, 50], found.value_N, atol=1e-6)
    np.testing.assert_allclose([20], found.offset_R, atol=1e-6)


def test_wrong_settings_are_refused(panel_of):
    """The method by name, the shrinkage by value."""
    panel = panel_of([(0, 0, 1)])
    with pytest.raises(UnknownName, match="additive"):
        debias(panel, method="aditive")
    with pytest.raises(InvalidValue, match="shrinkage"):
        debias(panel, shrinkage=-1)


def test_tables_have_a_row_for_everybody(drawn):
    """Clips and raters with their numbers, ready for Parquet."""
    panel, _ = drawn(clips=10, raters=6)
    found = debias(panel)

    assert ["clip_id", "mean", "quality", "votes"] == found.clips_table(panel).column_names
    assert (10, 6) == (found.clips_table(panel).num_rows, found.raters_table(panel).num_rows)
