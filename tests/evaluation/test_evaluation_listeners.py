"""New listeners: intervals that hold what they promise, and what they would say elsewhere."""

import numpy as np
import pyarrow as pa
import pytest

from mosdata.evaluation.listeners import known_listeners, residual_variance, told_ratings
from mosdata.raters.adapt import calibrate
from mosdata.raters.panel import Panel


def newcomers(*, num_raters, shots, rater_std=0.5, noise=0.7, seed=0):
    """Quality of clips, what newcomers say of a few of them, and their true habits."""
    rng = np.random.default_rng(seed)
    quality = {f"c{i}": float(q) for i, q in enumerate(rng.normal(50, 5, 200))}
    habit = rng.normal(0, rater_std, num_raters)
    names, raters, values = [], [], []
    for rater in range(num_raters):
        for clip in rng.choice(200, shots, replace=False):
            names.append(f"c{clip}")
            raters.append(f"r{rater:03d}")
            values.append(quality[f"c{clip}"] + habit[rater] + rng.normal(0, noise))
    table = {"clip_id": names, "rater": raters, "value": values}
    table["scale"] = ["continuous_0_100"] * len(names)
    return quality, Panel.from_ratings(pa.table(table)), habit


@pytest.mark.parametrize("shots", [1, 3, 10])
def test_intervals_hold_the_true_offset_as_often_as_they_say(shots):
    """95 % of 400 newcomers, where the shrinkage is that of their habits."""
    quality, ratings, habit = newcomers(num_raters=400, shots=shots)
    shrinkage = (0.7 / 0.5) ** 2
    found = calibrate(quality, ratings, shrinkage=shrinkage)
    rows = known_listeners(found, quality, ratings, residual=0.49, shrinkage=shrinkage)
    held = [row.low <= true <= row.high for row, true in zip(rows, habit, strict=True)]

    assert np.mean(held) == pytest.approx(0.95, abs=0.03)


def test_the_spread_is_told_by_the_ratings_where_they_can():
    """Pooled over raters; too few say nothing, and the panel's stands in."""
    quality, many, _ = newcomers(num_raters=40, shots=10)
    _, few, _ = newcomers(num_raters=2, shots=2)
    found = calibrate(quality, few)

    assert residual_variance(calibrate(quality, many), quality, many) == pytest.approx(
        0.49, abs=0.1
    )
    assert residual_variance(found, quality, few) is None
    (row, _) = known_listeners(found, quality, few, residual=1.0)
    assert row.high - row.offset == pytest.approx(1.96 / np.sqrt(2 + 2))
    (row, _) = known_listeners(found, quality, few, residual=None)
    assert (None, None) == (row.low, row.high)


def test_what_was_rated_is_not_told_again():
    """Each newcomer gets every other clip, at its quality and his or her offset."""
    quality = {"a": 50.0, "b": 60.0, "c": 99.9}
    rows = {"clip_id": ["a", "a", "b"], "rater": ["x", "y", "y"], "value": [56.0, 50.0, 60.0],
            "scale": ["continuous_0_100"] * 3}  # fmt: skip
    ratings = Panel.from_ratings(pa.table(rows))
    told = told_ratings(calibrate(quality, ratings), quality, ratings).to_pylist()

    assert [("x", "b", 60.0, 62.0), ("x", "c", 99.9, 101.9), ("y", "c", 99.9, 99.9)] == [
        (row["rater"], row["clip_id"], row["quality"], pytest.approx(row["score"])) for row in told
    ]
