"""Panels: every row is somewhere, scales are not mixed, names become codes."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.errors import InvalidRatings, NothingFound
from mosdata.manifests.rows import Rating
from mosdata.manifests.schema import ratings_table
from mosdata.raters.codes import encode
from mosdata.raters.panel import Panel


def table_of(*ratings):
    """Ratings as Arrow."""
    return ratings_table(ratings)


def rating(clip, value, **more):
    """A human rating on five points unless told."""
    given = {"kind": "human", "dimension": "mos", "scale": "acr_1_5", **more}
    return Rating(clip_id=clip, value=value, **given)


def test_every_row_is_single_or_published_or_of_another_kind():
    """The counts of a panel add up to the rows of its table."""
    table = table_of(
        rating("a", 3.0, rater="x"),
        rating("a", 4.0),
        rating("b", 2.5, votes=4, std=0.5),
        rating("b", 3.0, dimension="sig", rater="x"),
        rating("c", 3.0, kind="dnsmos"),
    )
    panel = Panel.from_ratings(table)

    assert (2, 1, 2) == (panel.num_ratings, panel.published.clip_M.size, panel.num_left_out)
    assert (1, 1, 2) == (panel.num_raters, panel.num_unnamed, panel.num_clips)


def test_statistics_of_clips_come_from_single_ratings_first():
    """A published mean counts where there is nothing else, with its votes and spread."""
    table = table_of(
        rating("a", 3.0, rater="x"),
        rating("a", 5.0, rater="y"),
        rating("a", 1.0, votes=9, std=1.0),
        rating("b", 2.5, votes=4, std=0.5),
        rating("c", 2.0, votes=3),
    )
    stats = Panel.from_ratings(table).clips

    assert [2, 4, 3] == stats.votes_C.tolist()
    assert [4.0, 2.5, 2.0] == stats.mean_C.tolist()
    assert [False, True, True] == stats.published_C.tolist()
    np.testing.assert_allclose([2.0, 0.75, np.nan], stats.ss_C)


def test_two_published_means_of_a_clip_are_pooled():
    """As the scores behind them would be."""
    first, second = [1.0, 2.0, 3.0], [3.0, 5.0]
    table = table_of(
        rating("a", np.mean(first), votes=3, std=np.std(first, ddof=1)),
        rating("a", np.mean(second), votes=2, std=np.std(second, ddof=1)),
    )
    stats = Panel.from_ratings(table).clips
    scores = np.array(first + second)

    assert 5 == stats.votes_C[0]
    np.testing.assert_allclose(scores.mean(), stats.mean_C[0])
    np.testing.assert_allclose(((scores - scores.mean()) ** 2).sum(), stats.ss_C[0])


def test_mixed_scales_are_refused():
    """Numbers of two scales have no common mean."""
    table = table_of(rating("a", 3.0), rating("b", 30.0, scale="mushra_0_100"))
    with pytest.raises(InvalidRatings, match="acr_1_5, mushra_0_100"):
        Panel.from_ratings(table)


@pytest.mark.parametrize("value", [0.0, 5.5, float("nan"), float("inf")])
def test_values_off_their_scale_are_refused(value):
    """And the clip is named."""
    with pytest.raises(InvalidRatings, match="'odd'"):
        Panel.from_ratings(table_of(rating("fine", 3.0), rating("odd", value)))


def test_a_mean_of_no_votes_is_refused():
    """Fewer than nobody cannot have said it."""
    with pytest.raises(InvalidRatings, match="fewer than no votes"):
        Panel.from_ratings(table_of(rating("a", 3.0, votes=-1)))


def test_a_mean_of_nobody_knows_how_many_is_kept_apart_and_counted():
    """It is no single score, and it counts as one vote."""
    panel = Panel.from_ratings(table_of(rating("a", 3.0, votes=0), rating("b", 4.0, votes=5)))

    assert (0, 1) == (panel.num_ratings, panel.published.num_unknown)
    assert [1, 5] == panel.clips.votes_C.tolist()


def test_nothing_of_the_kind_is_an_error():
    """An empty panel would answer every question with nothing."""
    with pytest.raises(NothingFound, match="'sig'"):
        Panel.from_ratings(table_of(rating("a", 3.0)), dimension="sig")


def test_a_table_without_clips_or_values_is_refused():
    """The missing column is named."""
    with pytest.raises(InvalidRatings, match="clip_id"):
        Panel.from_ratings(pa.table({"value": [3.0]}))


def test_a_rating_without_a_clip_is_refused():
    """It cannot be counted anywhere."""
    with pytest.raises(InvalidRatings, match="name no clip"):
        Panel.from_ratings(pa.table({"clip_id": ["a", None], "value": [3.0, 4.0]}))


@pytest.mark.parametrize("as_table", [False, True])
def test_systems_are_looked_up_by_clip(as_table):
    """From a mapping or a table; what is missing is counted."""
    table = pa.table({"clip_id": ["a", "b", "c", "d"], "value": [1.0, 2.0, 3.0, 4.0]})
    systems = {"b": "two", "a": "one", "z": "none", "d": ""}
    if as_table:
        systems = pa.table({"name": [*systems], "system": [*systems.values()]})
    panel = Panel.from_ratings(table, systems=systems)

    assert ["one", "two"] == panel.system_names.to_pylist()
    assert [0, 1, -1, -1] == panel.system_C.tolist()
    assert 2 == panel.num_clips_without_system


NAMES = st.lists(st.none() | st.text("abc", max_size=2), min_size=1)


@given(NAMES, st.sampled_from(["plain", "chunked", "dictionary", "chunked dictionary"]))
def test_codes_and_names_say_what_the_column_says(column, form):
    """Whatever Arrow makes of it: chunks, dictionaries, unused entries."""
    array = pa.array(column, pa.string())
    if "dictionary" in form:
        array = pa.concat_arrays([pa.array(["unused"]), array]).dictionary_encode()[1:]
    if "chunked" in form:
        half = len(column) // 2
        parts = [array[:half], array[half:]]
        if "dictionary" in form:
            parts = [pa.array(part.to_pylist(), pa.string()).dictionary_encode() for part in parts]
        array = pa.chunked_array(parts)
    codes, names = encode(array)

    named = names.to_pylist()
    assert [value or None for value in column] == [named[c] if c >= 0 else None for c in codes]
    assert {value for value in column if value} == set(named)
    assert len(named) == len(set(named))


def test_raters_are_sorted_by_name():
    """So that what is drawn for each does not depend on the rows."""
    table = pa.table(
        {"clip_id": ["a", "a", "b"], "rater": ["z", "y", "z"], "value": [1.0, 2.0, 3.0]}
    )
    panel = Panel.from_ratings(table)

    assert ["y", "z"] == panel.rater_names.to_pylist()
    assert [1, 0, 1] == panel.rater_N.tolist()
