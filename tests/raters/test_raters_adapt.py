"""Few ratings of somebody new: shrunk offsets, and what they are worth."""

import numpy as np
import pytest

from mosdata.errors import InvalidValue
from mosdata.raters.adapt import adaptation_curve, calibrate, held_out_ratings


def test_an_offset_is_a_shrunk_mean(panel_of):
    """Sum over k + 2; clips of unknown quality and ratings without a name are counted."""
    new = panel_of([("a", "x", 40), ("b", "x", 50), ("c", "x", 9), ("a", "y", 20), ("a", None, 1)])
    found = calibrate({"a": 30.0, "b": 35.0}, new)

    assert ("x", "y") == found.rater_names
    assert [25 / 4, -10 / 3] == found.offset_R.tolist()
    assert [2, 1] == found.count_R.tolist()
    assert (1, 1) == (found.num_unmatched, found.num_unnamed)


def test_a_panel_lends_its_debiased_quality(drawn):
    """Raters of the panel itself come out near their own offsets."""
    panel, _ = drawn(clips=400, raters=10, votes=5)
    from mosdata.raters.debias import debias

    found = calibrate(panel, panel)
    np.testing.assert_allclose(debias(panel).offset_R, found.offset_R, atol=0.02)


def test_gains_of_new_raters(panel_of):
    """A rater at half the distance; the prediction is what they said."""
    quality = {f"c{i}": float(10 + i) for i in range(80)}
    new = panel_of([(name, "x", 30 + 0.5 * (value - 50)) for name, value in quality.items()])
    found = calibrate(quality, new, gain=True, shrinkage=0)

    assert 0.5 == pytest.approx(found.gain_R[0])
    said = new.value_N
    np.testing.assert_allclose(said, found.predict(np.array([*quality.values()]), new.rater_N))


def test_more_ratings_of_a_new_rater_help_more(drawn):
    """Error falls and correlations rise from nothing to five ratings each."""
    panel, _ = drawn(clips=800, raters=80, votes=6, variances=(0.5, 0.5, 0.5))
    one, five = adaptation_curve(panel, ks=(1, 5), num_splits=4)

    gains = [p.before["mse"].value - p.after["mse"].value for p in (one, five)]
    assert 0 < gains[0] < gains[1]
    assert five.after["srcc"].value > five.before["srcc"].value + 0.05


def test_the_curve_is_always_the_same(drawn):
    """Seed and ratings decide."""
    panel, _ = drawn(clips=100, raters=20)

    first = adaptation_curve(panel, ks=(2,), num_splits=2)
    assert first == adaptation_curve(panel, ks=(2,), num_splits=2)
    assert first != adaptation_curve(panel, ks=(2,), num_splits=2, seed=1)


def test_knowing_the_rater_helps_to_tell_a_rating(drawn):
    """By about the variance of the offsets, which is told apart from the residual."""
    panel, _ = drawn(clips=1500, raters=60, votes=8, variances=(0.5, 0.6, 0.4))
    found = held_out_ratings(panel, num_splits=3)

    # Clip mean of 7 others: (0.6 + 0.4)(1 + 1/7). With offsets known: 0.4 (1 + 1/7), and a bit.
    assert 1.0 * 8 / 7 == pytest.approx(found.mse_clip.value, rel=0.1)
    assert 0.4 * 8 / 7 == pytest.approx(found.mse_clip_rater.value, rel=0.1)


def test_what_was_learnt_from_is_not_scored_on(panel_of):
    """Raters of three ratings have one left after two, and none after three."""
    rows = [(c, r, 10 * c + r) for r in range(6) for c in range(3)]
    two, three = adaptation_curve(panel_of(rows), ks=(2, 3), num_splits=2)

    assert (3, 0) == (two.num_raters, three.num_raters)
    assert three.after["mse"].value is None


def test_the_order_of_rows_does_not_change_what_is_learnt(panel_of):
    """Which ratings are the few is drawn by rater and clip, not by row."""
    rng = np.random.default_rng(4)
    rows = [(c, r, rng.integers(0, 100)) for c in range(30) for r in rng.permutation(8)[:4]]
    mixed = [rows[i] for i in rng.permutation(len(rows))]

    first, second = (adaptation_curve(panel_of(r), ks=(2,), num_splits=2)[0] for r in (rows, mixed))
    assert first.after["mse"].value == pytest.approx(second.after["mse"].value)
    first, second = (held_out_ratings(panel_of(r), num_splits=2) for r in (rows, mixed))
    assert first.mse_clip_rater.value == pytest.approx(second.mse_clip_rater.value)


def test_one_rater_cannot_be_both_seen_and_unseen(panel_of):
    """No curve, with a reason."""
    (point,) = adaptation_curve(panel_of([(c, 0, c) for c in range(5)]), ks=(1,))

    assert point.after["mse"].value is None
    assert "two named raters" in point.after["mse"].reason


def test_senseless_settings_are_refused(panel_of):
    """Zero ratings each, a quality that is no number, a shrinkage below 0."""
    panel = panel_of([(0, 0, 1), (0, 1, 2)])
    with pytest.raises(InvalidValue, match="1 or more"):
        adaptation_curve(panel, ks=(0,))
    with pytest.raises(InvalidValue, match="finite"):
        calibrate({"a": float("nan")}, panel)
    with pytest.raises(InvalidValue, match="shrinkage"):
        calibrate({"a": 1.0}, panel, shrinkage=-1)
    with pytest.raises(InvalidValue, match="splits"):
        held_out_ratings(panel, num_splits=0)
