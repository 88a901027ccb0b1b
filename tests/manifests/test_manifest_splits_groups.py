"""Rules by several keys, folds and leave-one-out: nobody on two sides, and nobody ever moves."""

from collections import Counter, defaultdict

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mosdata.errors import DamagedDataset, InvalidValue, UnknownName, UsageError
from mosdata.manifests.group_rules import GroupRule, balanced, deal, splits_of_fold
from mosdata.manifests.groups import components, keys_of, nested
from mosdata.manifests.splits import SPLITS, UNUSED

SOME = settings(max_examples=40)
KEYS = ("system", "sentence", "speaker")
SHARES = st.sampled_from([(8, 1, 1), (1, 1, 1), (2, 1, 1), (0.7, 0.2, 0.1), (85, 15, 0)])
ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 40), st.integers(0, 5)), min_size=40, max_size=120
)
BY = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True).map(tuple)


def keys_from(rows):
    """Key columns of rows of numbers, each value with its key's name."""
    columns = zip(*rows, strict=True)
    return {
        key: pa.array([f"{key}-{n}" for n in column])
        for key, column in zip(KEYS, columns, strict=True)
    }


def dealt_or_not(rule, keys):
    """What a rule makes of rows; an example where a part stays empty is of no interest."""
    try:
        return deal(rule, keys)
    except UsageError:
        assume(False)


def sides(values, splits):
    """Splits in which each value occurs, the unused ones aside."""
    found = defaultdict(set)
    for value, split in zip(values.to_pylist(), splits.to_pylist(), strict=True):
        found[value] |= {split} - {UNUSED}
    return found


@SOME
@given(ROWS, BY, SHARES)
def test_no_value_of_any_key_is_on_two_sides(rows, by, shares):
    """Whatever the keys and the shares."""
    keys = keys_from(rows)
    rule = balanced(GroupRule(by=by, shares=shares), keys)
    dealt = dealt_or_not(rule, keys)

    for key in by:
        assert all(len(found) <= 1 for found in sides(keys[key], dealt.labels).values())


@SOME
@given(ROWS, BY, st.integers(2, 5))
def test_no_value_of_any_key_is_in_train_and_test_of_a_fold(rows, by, folds):
    """Whatever the keys and the number of folds; nor in validation and either."""
    keys = keys_from(rows)
    rule = balanced(GroupRule(by=by, folds=folds), keys)
    dealt = dealt_or_not(rule, keys)

    for fold in dealt.parts:
        splits = splits_of_fold(dealt.labels, fold, rule, dealt.parts)
        for key in by:
            assert all(len(found) <= 1 for found in sides(keys[key], splits).values())


@SOME
@given(ROWS, st.integers(2, 5))
def test_folds_partition_the_rows(rows, folds):
    """Every row is in the test of exactly one fold, and in the validation of one."""
    keys = keys_from(rows)
    rule = balanced(GroupRule(by=("sentence",), folds=folds), keys)
    dealt = dealt_or_not(rule, keys)
    each = [splits_of_fold(dealt.labels, f, rule, dealt.parts).to_pylist() for f in dealt.parts]

    by_row = [Counter(row) for row in zip(*each, strict=True)]
    validation = 1 if folds > 2 else 0
    expected = {"test": 1, "validation": validation, "train": folds - 1 - validation}
    assert all(expected == {name: row[name] for name in expected} for row in by_row)


@SOME
@given(ROWS)
def test_leave_one_out_covers_every_group_exactly_once(rows):
    """One fold a group, whose test is the whole group and nothing else."""
    keys = keys_from(rows)
    assume(len(set(keys["system"].to_pylist())) > 1)
    rule = GroupRule(by=("system",))
    dealt = deal(rule, keys)

    assert sorted(dealt.parts) == sorted(set(keys["system"].to_pylist()))
    for fold in dealt.parts:
        splits = splits_of_fold(dealt.labels, fold, rule, dealt.parts).to_pylist()
        tested = [split == "test" for split in splits]
        assert tested == [system == fold for system in keys["system"].to_pylist()]


@SOME
@given(ROWS, ROWS, BY, st.one_of(SHARES, st.integers(2, 5)))
def test_adding_clips_moves_nobody(rows, more, by, how):
    """A rule that was made for a few rows says the same of them when there are many."""
    kind = {"folds": how} if isinstance(how, int) else {"shares": how}
    rule = balanced(GroupRule(by=by, **kind), keys_from(rows))
    few = dealt_or_not(rule, keys_from(rows))
    many = dealt_or_not(rule, keys_from(rows + more))

    assert few.labels.to_pylist() == many.labels.to_pylist()[: len(rows)]


@SOME
@given(ROWS, BY, SHARES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, by, shares, random):
    """Neither for the salt that is chosen nor for where a row goes."""
    mixed = random.sample(rows, len(rows))
    rule = balanced(GroupRule(by=by, shares=shares), keys_from(rows))

    assert rule == balanced(GroupRule(by=by, shares=shares), keys_from(mixed))
    straight = dealt_or_not(rule, keys_from(rows)).labels.to_pylist()
    shuffled = dealt_or_not(rule, keys_from(mixed)).labels.to_pylist()
    assert dict(zip(rows, straight, strict=True)) == dict(zip(mixed, shuffled, strict=True))


def test_rules_are_those_of_every_earlier_version():
    """Written down once: a change would leak test groups into training."""
    names = [f"tts-{i}" for i in range(12)]
    shares = GroupRule(by=("system",), shares=(1, 1, 1))
    folds = GroupRule(by=("speaker",), folds=4, salt="x")

    assert "arearrrereae" == "".join(shares.part_of("system", name)[1] for name in names)
    assert "001011110100" == "".join(folds.part_of("speaker", name) for name in names)


def test_keys_of_one_rule_are_dealt_independently():
    """A speaker and a sentence of the same name do not go together."""
    rule = GroupRule(by=("speaker", "sentence"), shares=(1, 1, 1))
    names = [str(i) for i in range(300)]
    same = sum(rule.part_of("speaker", n) == rule.part_of("sentence", n) for n in names)

    assert 60 < same < 140


def test_few_groups_are_dealt_evenly():
    """Ten systems of one size, eight, one and one: a hash alone seldom does that."""
    keys = {"system": pa.array([f"s{i}" for i in range(10) for _ in range(7)])}
    rule = balanced(GroupRule(by=("system",), shares=(8, 1, 1)), keys)

    assert deal(rule, keys).counts == {"train": 56, "validation": 7, "test": 7, UNUSED: 0}


def test_many_groups_keep_the_salt_they_are_given():
    """Where chance is even enough, nothing is tried."""
    keys = {"source": pa.array([f"clip-{i}" for i in range(60_000)])}

    assert "mine" == balanced(GroupRule(by=("source",), folds=5, salt="mine"), keys).salt


def test_rows_without_a_key_are_unused_and_counted():
    """They cannot be kept apart from anything."""
    systems = [None, "", " ", *(f"s{i % 6}" for i in range(30))]
    clips = pa.table({"id": [str(i) for i in range(33)], "system": systems})
    keys = keys_of(clips, ("system",))
    dealt = deal(balanced(GroupRule(by=("system",), shares=(4, 1, 1)), keys), keys)

    assert [UNUSED] * 3 == dealt.labels.to_pylist()[:3]
    assert (3, 3) == (dealt.num_unknown, dealt.counts[UNUSED])


def family():
    """A source, its copy, the copy's copy, in an order that helps nobody; and a stranger."""
    return pa.table(
        {
            "id": ["grandchild", "stranger", "child", "source", "orphan"],
            "parent_id": ["child", None, "source", None, "gone"],
            "system": ["codec", "tts", "codec", "natural", "tts"],
        }
    )


def test_copies_follow_their_source_through_two_generations():
    """Keys are those of the first clip of the chain; a source that is gone is known by name."""
    keys = keys_of(family(), ("system", "source"))

    assert ["natural", "tts", "natural", "natural", "tts"] == keys["system"].to_pylist()
    assert ["source", "stranger", "source", "source", "gone"] == keys["source"].to_pylist()


def test_a_clip_that_is_its_own_parent_is_a_source():
    """Some tables say it so."""
    clips = pa.table({"id": ["a", "b"], "parent_id": ["a", "a"]})

    assert ["a", "a"] == keys_of(clips, ("source",))["source"].to_pylist()


@pytest.mark.parametrize("length", [2, 3, 7])
def test_parents_in_a_circle_are_damage(length):
    """However long the circle is."""
    ids = [str(i) for i in range(length)]
    clips = pa.table({"id": ids, "parent_id": ids[1:] + ids[:1]})

    with pytest.raises(DamagedDataset, match="parents of themselves"):
        keys_of(clips, ("source",))


def crossed(num_systems, num_sentences):
    """Every system says every sentence."""
    pairs = [(s, t) for s in range(num_systems) for t in range(num_sentences)]
    return {
        "system": pa.array([f"s{s}" for s, _ in pairs]),
        "sentence": pa.array([f"t{t}" for _, t in pairs]),
    }


def test_a_crossed_design_leaves_rows_unused_and_says_so():
    """Everything hangs together, so there is no other way."""
    keys = crossed(20, 50)
    dealt = deal(balanced(GroupRule(by=("system", "sentence"), shares=(2, 1, 1)), keys), keys)

    assert dealt.counts[UNUSED] > 0
    assert 1000 == sum(dealt.counts.values())
    assert "hang together" in dealt.notes[0]


def test_a_key_inside_another_is_named():
    """Where each speaker has one system, the system alone keeps both apart."""
    speakers = [f"p{i % 40}" for i in range(400)]
    keys = {
        "speaker": pa.array(speakers),
        "system": pa.array([f"s{int(p[1:]) % 10}" for p in speakers]),
    }
    dealt = deal(balanced(GroupRule(by=("system", "speaker"), shares=(2, 1, 1)), keys), keys)

    assert "--by system keeps both apart" in dealt.notes[0]


def test_parts_that_share_nothing_are_counted():
    """Two listening tests with their own systems and sentences could be split without loss."""
    one, two = crossed(6, 12), crossed(4, 8)
    keys = {
        key: pa.array([*one[key].to_pylist(), *(f"other-{v}" for v in two[key].to_pylist())])
        for key in one
    }
    dealt = deal(balanced(GroupRule(by=("system", "sentence"), shares=(2, 1, 1)), keys), keys)

    assert "fall into 2 parts" in dealt.notes[0]
    assert "69%" in dealt.notes[0]  # 72 of 104 rows


def test_components_are_those_of_a_slow_search():
    """Union by hand over rows that share any value."""
    import numpy as np

    rng = np.random.default_rng(5)
    rows = rng.integers(0, [40, 40, 40], size=(45, 3))
    groups = [{i} for i in range(len(rows))]
    for i in range(len(rows)):
        for j in range(i):
            if (rows[i] == rows[j]).any() and groups[i] is not groups[j]:
                merged = groups[i] | groups[j]
                for member in merged:
                    groups[member] = merged
    sizes = sorted((len(g) for g in {id(g): g for g in groups}.values()), reverse=True)

    assert sizes == components(rows, np.ones(len(rows), dtype=np.int64)).tolist()
    assert len(sizes) > 1


def test_keys_that_are_one_to_one_are_nested_both_ways():
    """Two names of the same thing."""
    import numpy as np

    combos = np.array([[0, 1], [1, 0], [2, 2]])

    assert [("a", "b"), ("b", "a")] == nested(combos, ("a", "b"))


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"by": ("systm",), "shares": (8, 1, 1)}, UnknownName, "Did you mean 'system'"),
        ({"by": (), "shares": (8, 1, 1)}, InvalidValue, "one or more of"),
        ({"by": ("system", "system"), "folds": 3}, InvalidValue, "each once"),
        ({"by": ("system",), "folds": 1}, InvalidValue, "2 or more"),
        ({"by": ("system",), "folds": 3, "shares": (8, 1, 1)}, InvalidValue, "one of the two"),
        ({"by": ("system",), "shares": (0, 1, 1)}, InvalidValue, "some for train"),
        ({"by": ("system", "speaker")}, InvalidValue, "--folds K"),
    ],
)
def test_rules_that_mean_nothing_are_refused(wrong, error, says):
    """With what is allowed."""
    with pytest.raises(error, match=says):
        GroupRule(**wrong)


@pytest.mark.parametrize(
    ("values", "kind", "says"),
    [
        (["a"] * 9, {"shares": (8, 1, 1)}, "one system only, 'a'"),
        (["a"] * 9, {"folds": 3}, "two or more"),
        (["a"] * 9, {}, "two or more"),
        ([None] * 9, {"folds": 3}, "no system at all"),
        (["a", "b"] * 5, {"shares": (8, 1, 1)}, "2 values of system.*--leave-out system"),
        (["a", "b"] * 5, {"folds": 3}, "fewer folds, or --leave-out system"),
    ],
)
def test_a_part_that_stays_empty_is_an_error_that_says_what_to_do(values, kind, says):
    """Nobody trains on a split without a test by accident."""
    keys = {"system": pa.array(values, pa.string())}

    with pytest.raises(UsageError, match=says):
        deal(balanced(GroupRule(by=("system",), **kind), keys), keys)


def test_a_fold_that_there_is_not_is_refused():
    """With those that there are."""
    rule = GroupRule(by=("system",), folds=3)

    with pytest.raises(UnknownName, match="Known: 0, 1, 2"):
        splits_of_fold(pa.array(["0", "1", "2"]), "3", rule, ("0", "1", "2"))


@given(BY, st.one_of(SHARES, st.integers(2, 9)), st.text(max_size=5))
def test_a_rule_survives_the_way_through_json(by, how, salt):
    """There and back is the same rule."""
    kind = {"folds": how} if isinstance(how, int) else {"shares": how}
    rule = GroupRule(by=by, salt=salt, **kind)

    assert rule == GroupRule.from_json(rule.to_json())


def test_json_that_is_no_rule_is_refused():
    """Somebody gave another file."""
    with pytest.raises(InvalidValue, match="splits make"):
        GroupRule.from_json({"shares": SPLITS})
