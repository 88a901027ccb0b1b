"""Splits by sentence: the right shares, and nobody ever moves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.builders.transcripts import Transcript
from mosdata.errors import InvalidValue
from mosdata.manifests.splits import SPLITS, SplitRule

NUM_TEXTS = 20_000


def roots(count: int) -> list[str]:
    """Ids of sentence groups, as a build gives them."""
    return [Transcript(text=f"Sentence {i}.", line=i).sentence for i in range(count)]


@pytest.mark.parametrize("text", ["8:1:1", "1:1:1", "0.7:0.2:0.1", "9:1:0", "1:0:0"])
def test_shares_are_those_that_were_asked_for(text):
    """Every split is as large as its share, to within five standard deviations."""
    rule = SplitRule.parse(text)
    found = [rule.split_of(root) for root in roots(NUM_TEXTS)]

    for name, share in zip(SPLITS, rule.shares, strict=True):
        p = share / sum(rule.shares)
        spread = 5 * math.sqrt(NUM_TEXTS * p * (1 - p))
        assert abs(found.count(name) - NUM_TEXTS * p) <= spread


@given(st.lists(st.text(min_size=1, max_size=20), min_size=2, unique=True))
def test_adding_texts_moves_nobody(texts):
    """The split of a text is its own affair."""
    rule = SplitRule()
    few = {text: rule.split_of(Transcript(text=text, line=1).sentence) for text in texts[:1]}
    many = {text: rule.split_of(Transcript(text=text, line=9).sentence) for text in texts}

    assert few.items() <= many.items()


def test_splits_are_those_of_every_earlier_version():
    """Written down once: a change would leak test sentences into training."""
    rule = SplitRule.parse("1:1:1")

    second_letters = "".join(rule.split_of(root)[1] for root in roots(12))
    assert second_letters == "reeeeearraer"  # train, test, validation


def test_a_split_shares_no_pattern_with_what_is_chosen_in_turn():
    """Within any system, corruption or voice that is dealt out in turn, the shares are the same.

    A split by ``index % k`` puts whole systems on one side where their number divides k.
    """
    rule = SplitRule()
    found = [rule.split_of(root) == "train" for root in roots(NUM_TEXTS)]

    for num_systems in (2, 3, 5, 7, 10):
        for turn in range(num_systems):
            part = found[turn::num_systems]
            assert abs(sum(part) / len(part) - 0.8) < 5 * math.sqrt(0.16 / len(part))


def test_a_salt_gives_another_split_of_the_same_shares():
    """Two datasets can be split independently."""
    plain, salted = SplitRule(), SplitRule(salt="x")
    differing = sum(plain.split_of(root) != salted.split_of(root) for root in roots(1000))

    assert 250 < differing < 430  # 1 - (0.8² + 0.1² + 0.1²) = 34 %


def test_two_shares_are_train_and_validation():
    """A set that choices are made on is not a test."""
    rule = SplitRule.parse("85:15")

    assert {"train", "validation"} == {rule.split_of(root) for root in roots(200)}


@pytest.mark.parametrize(
    "text", ["", "8", "8:x", "8:1:1:1", "a:b:c", "0:1:1", "-1:1:1", "8:-1:1", "nan:1:1", "inf:1:1"]
)
def test_shares_that_mean_nothing_are_refused(text):
    """The message names the option or the shares; nothing is split in silence."""
    with pytest.raises(InvalidValue, match="split"):
        SplitRule.parse(text)
