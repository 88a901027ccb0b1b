"""The leak finder: classic leaks are found with their exact size, clean splits pass."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.errors import UnknownName, UsageError
from mosdata.manifests.group_rules import GroupRule, balanced, deal
from mosdata.manifests.leaks import Column, find_leaks


def columns(splits, **keys):
    """Columns of rows that all keys share."""
    where = pa.array(splits)
    return {key: Column(splits=where, values=pa.array(v, pa.string())) for key, v in keys.items()}


def finding(report, key):
    """What a report says of one key."""
    return next(found for found in report.keys if found.key == key)


NAMES = st.sampled_from("abcdefgh")
SPLIT = st.sampled_from(["train", "validation", "test", "unused"])


@given(st.lists(st.tuples(SPLIT, st.one_of(st.none(), NAMES)), min_size=1, max_size=60))
def test_counts_are_those_of_a_slow_search(rows):
    """Values on both sides and rows that they spoil, by sets."""
    rows = [*rows, ("train", "x"), ("test", "y")]
    report = find_leaks(columns([s for s, _ in rows], clip=[v for _, v in rows]))

    found = {c.between: (c.num_values, c.num_rows, c.share) for c in report.keys[0].crossings}
    for first, second in [("train", "validation"), ("train", "test"), ("validation", "test")]:
        one = {v for s, v in rows if s == first and v}
        two = [v for s, v in rows if s == second]
        shared = one & {*two}
        spoiled = sum(v in shared for v in two)
        expected = (len(shared), spoiled, spoiled / len(two)) if shared else None
        assert expected == found.get((first, second))
    assert bool(found) == (report.keys[0].verdict == "leak")


def test_the_classic_leak_is_found_with_its_exact_size():
    """Single ratings split row by row: two thirds of the clips have four, the others one.

    The share is that of a count by sets, and near what the lottery predicts: a row of a clip with
    n ratings is spoiled unless the other n - 1 all went elsewhere.
    """
    rng = np.random.default_rng(2018)
    ratings = rng.permuted([4] * 14_000 + [1] * 7_000)
    clips = np.repeat([f"clip-{i}" for i in range(len(ratings))], ratings)
    splits = rng.choice(["train", "validation", "test"], p=[0.8, 0.1, 0.1], size=len(clips))
    report = find_leaks(columns(splits, clip=clips))

    trained = {*clips[splits == "train"]}
    tested = clips[splits == "test"]
    crossing = next(c for c in report.keys[0].crossings if c.between == ("train", "test"))
    assert sum(clip in trained for clip in tested) == crossing.num_rows
    predicted = 4 * 14_000 / len(clips) * (1 - 0.2**3)
    assert abs(predicted - crossing.share) < 0.01
    assert 0.87 < crossing.share < 0.90
    assert ("clip",) == report.leaks


@pytest.mark.parametrize("by", [("sentence",), ("system",), ("system", "sentence")])
def test_a_split_by_the_rules_passes_for_its_keys(by):
    """What was held out is held out; the rest is told, and no leak."""
    rng = np.random.default_rng(1)
    keys = {
        "system": pa.array([f"s{i}" for i in rng.integers(0, 20, 4000)]),
        "sentence": pa.array([f"t{i}" for i in rng.integers(0, 200, 4000)]),
    }
    splits = deal(balanced(GroupRule(by=by, shares=(2, 1, 1)), keys), keys).labels
    report = find_leaks(
        {key: Column(splits=splits, values=values) for key, values in keys.items()}, by=by
    )

    assert () == report.leaks
    for key in keys:
        assert ("clean" if key in by else "shared") == finding(report, key).verdict


@pytest.mark.parametrize("key", ["clip", "source", "audio"])
def test_some_things_are_a_leak_whatever_a_split_claims(key):
    """The same clip, source or samples on two sides."""
    same = {key: ["a", "a"], "system": ["x", "y"]}

    assert (key,) == find_leaks(columns(["train", "test"], **same), by=("system",)).leaks


def test_others_are_a_leak_only_where_they_are_claimed():
    """A shared speaker is for information, unless the split says that it holds speakers out."""
    rows = columns(["train", "test"], clip=["a", "b"], speaker=["p", "p"])

    assert () == find_leaks(rows).leaks
    assert ("speaker",) == find_leaks(rows, by=("speaker",)).leaks


def test_a_shared_sentence_is_a_leak_by_default_and_an_unknown_one_is_not():
    """Most splits claim it; where nobody knows the sentences, nobody can claim anything."""
    known = columns(["train", "test"], clip=["a", "b"], sentence=["t", "t"])
    unknown = columns(["train", "test"], clip=["a", "b"], sentence=[None, None])

    assert ("sentence",) == find_leaks(known).leaks
    assert "unknown" == finding(find_leaks(unknown), "sentence").verdict


def test_unused_rows_spoil_nothing():
    """They are on no side."""
    rows = columns(["train", "test", "unused", "unused"], clip=["a", "b", "a", "b"])

    assert () == find_leaks(rows).leaks


def test_validation_counts_too():
    """What chooses a model may not be in its test, nor in its training."""
    rows = columns(["train", "validation", "validation", "test"], clip=["a", "a", "b", "b"])
    found = find_leaks(rows).keys[0].crossings

    assert [("train", "validation"), ("validation", "test")] == [c.between for c in found]


def test_rows_without_a_value_are_counted():
    """They cannot be checked, and that is said."""
    rows = columns(["train", "test", "test"], clip=["a", "b", "c"], speaker=["p", None, "q"])

    assert 1 == finding(find_leaks(rows), "speaker").num_unknown


def test_keys_that_cannot_be_checked_are_refused():
    """Nobody gets a clean bill for what was not looked at."""
    rows = columns(["train", "test"], clip=["a", "b"], speaker=[None, None])

    with pytest.raises(UnknownName, match="'speaker'"):
        find_leaks(rows, by=("speeker",))
    with pytest.raises(UsageError, match="do not say their system"):
        find_leaks(rows, by=("system",))
    with pytest.raises(UsageError, match="do not say their speaker"):
        find_leaks(rows, by=("speaker",))
    with pytest.raises(UsageError, match="between two splits; here is train"):
        find_leaks(columns(["train", "unused"], clip=["a", "b"]))
