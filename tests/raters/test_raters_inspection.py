"""Inspection: worked examples, designs, system truth; and no panel is too odd for an answer."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.errors import InvalidRatings, InvalidValue, UnknownName
from mosdata.raters.adapt import adaptation_curve, calibrate, held_out_ratings
from mosdata.raters.debias import debias
from mosdata.raters.design import component_of_raters, design
from mosdata.raters.halves import agreement_lift
from mosdata.raters.human_error import rmse_human
from mosdata.raters.inspection import inspect
from mosdata.raters.panel import Panel
from mosdata.raters.truth import system_truth, truth_gap

WORKED = {"a": [3, 4, 4, 5], "b": [2, 2, 3], "c": [5, 5, 4, 4, 3]}

KEYS = [
    "kind", "dimension", "scale", "ratings", "clips", "raters", "systems", "tests",
    "unnamed_ratings", "published_means", "unknown_votes", "left_out_rows", "clips_without_system",
    "votes_per_clip", "repeated_pairs", "mismatches", "histogram", "rmse_human", "reliability",
    "split_half", "ceilings", "design", "rater_offsets", "system_truth", "findings", "reasons",
]  # fmt: skip


def worked_table(published, scale="acr_1_5"):
    """The worked example as single scores, or as votes with mean and standard deviation."""
    if not published:
        rows = [(clip, score) for clip, scores in WORKED.items() for score in scores]
        clips, scores = zip(*rows, strict=True)
        return pa.table({"clip_id": clips, "value": np.array(scores, float), "scale": [scale] * 12})
    return pa.table({
        "clip_id": [*WORKED],
        "value": [np.mean(scores) for scores in WORKED.values()],
        "votes": pa.array([len(scores) for scores in WORKED.values()], pa.int32()),
        "std": [np.std(scores, ddof=1) for scores in WORKED.values()],
        "scale": [scale] * 3,
    })  # fmt: skip


@pytest.mark.parametrize("published", [False, True])
def test_rmse_human_worked_by_hand(published):
    """sqrt(5.466667 / 12), and less 1/12; from scores, and from what is published of them."""
    found = rmse_human(Panel.from_ratings(worked_table(published)))

    assert 0.674949 == round(found.rmse.value, 6)
    assert 0.610100 == round(found.rmse_unquantised.value, 6)
    assert (3, 12, 0) == (found.num_clips, found.num_ratings, found.num_clips_one_vote)


def test_a_slider_has_no_rounding_to_take_away():
    """Both forms are the same number."""
    found = rmse_human(Panel.from_ratings(worked_table(published=False, scale="continuous_1_5")))

    assert found.rmse.value == found.rmse_unquantised.value


def test_clips_of_one_vote_are_left_out_of_rmse_human(panel_of):
    """And counted; with nothing else there is no number, but a reason."""
    found = rmse_human(panel_of([("a", 0, 3), ("a", 1, 5), ("b", 0, 4)], scale="acr_1_5"))
    nothing = rmse_human(panel_of([("a", 0, 3), ("b", 0, 4)], scale="acr_1_5"))

    assert 1.0 == found.rmse.value
    assert (1, 1) == (found.num_clips, found.num_clips_one_vote)
    assert (None, "no clip has two votes or more of known spread") == (
        nothing.rmse.value,
        nothing.rmse.reason,
    )


def test_listeners_who_agree_too_well_have_no_unquantised_error(panel_of):
    """Less than rounding alone would do: None, not the root of a negative number."""
    found = rmse_human(panel_of([("a", r, 3 + (r == 0)) for r in range(40)], scale="acr_1_5"))

    assert found.rmse.value > 0
    assert found.rmse_unquantised.value is None


DESIGNS = {
    "crossed": [(c, r) for c in range(4) for r in range(3)],
    "incomplete": [(c, r) for c in range(4) for r in range(3) if c != r],
    "nested": [(c, c // 2) for c in range(4)],
    "unknown": [(c, None) for c in range(4)],
}


@pytest.mark.parametrize("name", DESIGNS)
def test_designs_are_told_by_their_shape(panel_of, name):
    """And only what raters share makes them comparable."""
    found = design(panel_of([(c, r, 1.0 + c) for c, r in DESIGNS[name]]))

    parts = {"crossed": 1, "incomplete": 1, "nested": 2, "unknown": 0}
    filled = {"crossed": 1.0, "incomplete": 0.75, "nested": 0.5, "unknown": None}
    assert (name, parts[name], filled[name]) == (found.name, found.num_components, found.filled)
    words = {"crossed": "listening test", "incomplete": "the raters", "nested": "share"}
    assert words.get(name, "none is named") in found.recommendation


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), min_size=1, max_size=60))
@settings(max_examples=60)
def test_connected_parts_are_those_of_scipy(panel_of, edges):
    """On any graph, by whichever way round its rows come."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    panel = panel_of([(c, r, 1.0) for c, r in edges])
    size = panel.num_raters + panel.num_clips
    ends = (panel.rater_N, panel.clip_N + panel.num_raters)
    graph = coo_array((np.ones(len(edges)), ends), shape=(size, size))
    label_R = connected_components(graph, directed=False)[1][: panel.num_raters]
    _, first, place = np.unique(label_R, return_index=True, return_inverse=True)

    assert np.argsort(np.argsort(first))[place].tolist() == component_of_raters(panel).tolist()


def test_a_long_chain_is_one_part(panel_of):
    """Each rater shares one clip with the next: the hardest case for passing labels on."""
    order = np.random.default_rng(0).permutation(3000)
    rows = [(c, order[c + side], 1.0) for c in range(2999) for side in (0, 1)]

    assert 1 == design(panel_of(rows)).num_components


def test_repeated_pairs_are_counted_within_a_test():
    """The same rater may hear a clip again in another test."""
    table = pa.table({
        "clip_id": ["a", "a", "a", "a", "b"],
        "rater": ["x", "x", "x", "x", "x"],
        "test": ["one", "one", "two", None, "one"],
        "value": [1.0, 2.0, 3.0, 4.0, 5.0],
    })  # fmt: skip
    found = design(Panel.from_ratings(table))
    without = design(Panel.from_ratings(table.drop_columns(["test"])))

    assert (1, 2) == (found.num_repeated_pairs, found.num_tests)
    assert (3, 0) == (without.num_repeated_pairs, without.num_tests)


def test_three_truths_of_a_system():
    """Mean of clip means, mean of ratings, published; each says which it is."""
    table = pa.table({
        "clip_id": ["a", "a", "a", "b", "c", "d"],
        "value": [1.0, 2.0, 3.0, 5.0, 4.0, 2.0],
    })  # fmt: skip
    panel = Panel.from_ratings(table, systems={"a": "A", "b": "A", "c": "B", "d": "C"})
    by_clips = system_truth(panel)
    by_ratings = system_truth(panel, definition="mean of ratings")
    given_table = system_truth(panel, definition="table", table={"A": 3.0, "B": 2.0, "C": 4.0})
    gap = truth_gap(by_clips, by_ratings)

    assert [3.5, 4.0, 2.0] == by_clips.value_S.tolist()
    assert [2.75, 4.0, 2.0] == by_ratings.value_S.tolist()
    assert [3.0, 2.0, 4.0] == given_table.value_S.tolist()
    assert [4, 1, 1] == by_clips.num_ratings_S.tolist()
    assert (0.75, 1.0) == (gap.max_difference.value, gap.srcc.value)
    assert -1.0 == truth_gap(by_clips, given_table).srcc.value


def test_a_truth_that_cannot_be_told_is_refused(panel_of):
    """No systems, no table, half a table, a name that nobody knows."""
    rows = [("a", 0, 1.0), ("b", 0, 2.0)]
    panel = panel_of(rows, systems={"a": "A", "b": "B"})
    with pytest.raises(InvalidRatings, match="has a system"):
        system_truth(panel_of(rows))
    with pytest.raises(InvalidValue, match="by its name"):
        system_truth(panel, definition="table")
    with pytest.raises(InvalidValue, match="1 systems \\(B\\)"):
        system_truth(panel, definition="table", table={"A": 1.0})
    with pytest.raises(UnknownName, match="mean of clip means"):
        system_truth(panel, definition="mean of means")


@dataclass
class Odd:
    """What a reader found."""

    code: str = "repeated_pair"
    count: int = 3
    message: str = "Three pairs."
    examples: tuple[str, ...] = ("row 4",)


def test_the_keys_of_an_inspection_are_stable(drawn):
    """Programs read them; findings of the reader are passed on."""
    panel, _ = drawn(clips=120, raters=12, systems=6, steps=True)
    found = inspect(panel, findings=[Odd()], num_splits=2).to_json()

    assert KEYS == [*found]
    assert found["findings"] == [
        {"code": "repeated_pair", "count": 3, "message": "Three pairs.", "examples": ["row 4"]}
    ]
    assert {"tests", "mismatches"} == found["reasons"].keys()
    assert 600 == sum(found["histogram"]["counts"])
    assert [0.5, 1.5, 2.5, 3.5, 4.5, 5.5] == found["histogram"]["edges"]
    assert (
        0.3 < found["rater_offsets"]["std"] < 0.6
    )  # drawn with .55; 12 raters, edges of the scale


@pytest.mark.parametrize("as_table", [False, True])
def test_published_means_are_compared_with_their_ratings(panel_of, as_table):
    """Rounding is no mismatch; what is further apart is named."""
    panel = panel_of([("a", 0, 3), ("a", 1, 4), ("b", 0, 2), ("b", 1, 2), ("c", 0, 1)])
    published = {"a": 3.504, "b": 3.0, "z": 1.0}
    if as_table:
        published = pa.table({"name": [*published, "c"], "mos": [*published.values(), None]})
    found = inspect(panel, published=published).mismatches

    assert (2, 1, ("b",)) == (found.num_compared, found.num_apart, found.examples)
    assert 1.0 == found.largest


def test_scores_between_steps_are_counted(panel_of):
    """In the nearest bin."""
    histogram = inspect(panel_of([("a", 0, 3.4), ("a", 1, 4)], scale="acr_1_5")).histogram

    assert ((0, 0, 1, 1, 0), 1) == (histogram.counts, histogram.num_between_steps)


def test_a_slider_has_ten_bins(panel_of):
    """Both ends are in one."""
    histogram = inspect(panel_of([("a", 0, 0), ("a", 1, 100), ("b", 1, 99.5)])).histogram

    assert (1, 0, 0, 0, 0, 0, 0, 0, 0, 2) == histogram.counts


def numbers(json_value):
    """Every float of a JSON value by its path, without the largest offsets, which may tie."""
    found = {}

    def walk(path, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                walk((*path, key), inner)
        elif isinstance(value, list):
            for place, inner in enumerate(value):
                walk((*path, place), inner)
        elif isinstance(value, float) and "largest" not in path:
            found[path] = value

    walk((), json_value)
    return found


@pytest.mark.parametrize("named", [False, True])
def test_the_order_of_rows_changes_no_number(drawn, named):
    """Halves included, whether raters are named or not."""
    panel, _ = drawn(clips=60, raters=10, steps=True, named=named)
    place = np.random.default_rng(0).permutation(panel.num_ratings)
    raters = pa.array([None] * panel.num_ratings, pa.string())
    if named:
        raters = panel.rater_names.take(pa.array(panel.rater_N))
    table = pa.table({
        "clip_id": panel.clip_names.take(pa.array(panel.clip_N)),
        "rater": raters,
        "value": panel.value_N,
    })  # fmt: skip
    first, second = (
        numbers(inspect(Panel.from_ratings(rows), num_splits=3).to_json())
        for rows in (table, table.take(pa.array(place)))
    )

    assert first.keys() == second.keys()
    np.testing.assert_allclose([*first.values()], [*second.values()], rtol=1e-9, atol=1e-9)


DEGENERATE = {
    "one rating": [(0, 0, 3)],
    "one rater": [(c, 0, 1 + c % 5) for c in range(6)],
    "one clip": [(0, r, 1 + r % 5) for r in range(6)],
    "all the same": [(c, r, 3) for c in range(4) for r in range(4)],
    "nobody named": [(c, None, 1 + (c + k) % 5) for c in range(5) for k in range(3)],
    "one unnamed vote each": [(c, None, 1 + c % 5) for c in range(5)],
    "one vote each": [(c, c % 3, 1 + c % 5) for c in range(9)],
    "two halves": [
        (c + 9 * h, r + 9 * h, 1 + (c + r) % 5) for h in (0, 1) for c in range(4) for r in range(3)
    ],
    "some unnamed": [(c, r or None, 1 + (c * r) % 5) for c in range(5) for r in range(3)],
    "everything twice": [
        (c, r, 1 + (c + r + k) % 5) for c in range(4) for r in range(3) for k in (0, 1)
    ],
    "one rater, rest unnamed": [(c, r or None, 1 + (c + r) % 5) for c in range(4) for r in (0, 1)],
}


def check_whole(panel):
    """Every function answers, in JSON without NaN, and each null number has a reason."""
    found = inspect(panel, num_splits=3).to_json()
    text = json.dumps(found, allow_nan=False)
    assert '"value": null, "method": ""' not in text

    def walk(value):
        if isinstance(value, dict):
            if value.keys() == {"value", "method", "reason"}:
                assert (value["value"] is None) == bool(value["reason"])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(found)
    assert set(found["reasons"]) == {key for key, value in found.items() if value is None}
    others = [*agreement_lift(panel, num_splits=2), *adaptation_curve(panel, ks=(1,), num_splits=2)]
    json.dumps([other.to_json() for other in others], allow_nan=False)
    json.dumps(held_out_ratings(panel, num_splits=2).to_json(), allow_nan=False)
    calibrate(panel, panel, gain=True)
    for method in ("additive", "zscore", "affine"):
        for shrinkage in (0.0, 5.0):
            result = debias(panel, method=method, shrinkage=shrinkage)
            for values in (result.quality_C, result.value_N, result.offset_R, result.gain_R):
                assert np.isfinite(values).all()
            result.raters_table(panel)


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("with_systems", [False, True])
def test_odd_panels_get_answers_or_reasons(panel_of, name, with_systems):
    """Never NaN, never a crash."""
    rows = DEGENERATE[name]
    systems = {str(c): f"s{c % 3}" for c, _, _ in rows} if with_systems else None

    check_whole(panel_of(rows, scale="acr_1_5", systems=systems))


ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.none() | st.integers(0, 4), st.integers(1, 5)),
    min_size=1,
    max_size=25,
)


@given(ROWS, st.booleans())
@settings(max_examples=40)
def test_any_panel_gets_answers_or_reasons(panel_of, rows, with_systems):
    """Whoever rated what."""
    systems = {str(c): f"s{c % 4}" for c in range(5)} if with_systems else None

    check_whole(panel_of(rows, scale="acr_1_5", systems=systems))


@pytest.mark.parametrize("std", [False, True])
def test_published_means_alone_get_answers_or_reasons(std):
    """There is nobody to de-bias; with their spread there is still a reliability."""
    table = worked_table(published=True)
    if not std:
        table = table.drop_columns(["std"])
    panel = Panel.from_ratings(table, systems={"a": "A", "b": "B", "c": "C"})

    check_whole(panel)
    assert std == (inspect(panel).reliability.icc1.value is not None)
