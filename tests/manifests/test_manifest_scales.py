"""Scales: what each allows, exact conversions there and back, and no comparison as MOS."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.errors import InvalidValue, UnknownName
from mosdata.manifests.scales import SCALES, Scale, opinion_scale, scale_map, scale_named

ABSOLUTE = sorted(name for name, scale in SCALES.items() if scale.kind == "absolute")
COMPARISON = sorted({*SCALES} - {*ABSOLUTE})
PAIRS = [(old, new) for old in ABSOLUTE for new in ABSOLUTE] + [(CMOS, CMOS) for CMOS in COMPARISON]


def grid(scale: Scale) -> list[float]:
    """Every score that a listener can give; a slider in hundredths."""
    step = scale.step or (scale.high - scale.low) / 100
    count = (scale.high - scale.low) / step
    return [float(scale.low + step * number) for number in range(int(count) + 1)]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_conversion_there_and_back_is_exact(old, new):
    """As a map it is the identity, and every score that can be given comes back to the bit."""
    there = scale_map(old, new)
    back = scale_map(new, old)

    assert there.inverse() == back
    for score in grid(SCALES[old]):
        exact = Fraction(score)
        assert exact == back.exact(there.exact(exact))
        assert score == pytest.approx(back(there(score)), rel=1e-14, abs=1e-14)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_ends_go_to_ends(old, new):
    """The worst score of one scale is the worst of the other, and the best the best."""
    there = scale_map(old, new)

    assert [float(SCALES[new].low), float(SCALES[new].high)] == [
        there(float(SCALES[old].low)),
        there(float(SCALES[old].high)),
    ]


def test_the_published_conversion_of_iub():
    """0, 37, 50 and 100 are 1, 2.48, 3 and 5 (ConferencingSpeech 2022)."""
    found = scale_map("mushra_0_100", "acr_1_5").array([0, 37, 50, 100])

    assert [1.0, 2.48, 3.0, 5.0] == found.tolist()


@pytest.mark.parametrize(
    ("logit", "mos"),
    [(-2, 1.476812), (-1, 2.075766), (0, 3.0), (0.5, 3.489837), (2, 4.523188)],
)
def test_the_end_of_a_sigmoid_as_a_mos(logit, mos):
    """``1 + 4 sigmoid(x)``, worked by hand: the way from 0..1 to 1..5, and back."""
    share = 1 / (1 + math.exp(-logit))
    found = scale_map("0_1", "acr_1_5")(share)

    assert mos == round(found, 6)
    assert share == pytest.approx(scale_map("acr_1_5", "0_1")(found), rel=1e-14)


def test_a_mos_between_0_and_1():
    """``(mos - 1) / 4``, worked by hand."""
    found = scale_map("acr_1_5", "0_1").array([3.2, 2.25])

    assert [0.55, 0.3125] == found.tolist()


@given(st.lists(st.floats(0, 100) | st.just(float("nan")), max_size=30))
def test_many_scores_are_converted_as_one_by_one(scores):
    """An array holds the same numbers, NaN included, in the same order."""
    there = scale_map("mushra_0_100", "acr_1_5")

    expected = [score if score != score else there(score) for score in scores]
    np.testing.assert_array_equal(expected, there.array(scores))


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_scale_allows_what_lies_between_its_ends(value):
    """NaN and infinity lie nowhere."""
    scale = SCALES["acr_1_5"]

    assert (1 <= value <= 5) == bool(scale.allows([value])[0])


@pytest.mark.parametrize("name", COMPARISON)
def test_a_comparison_is_no_mos(name):
    """Better than another clip does not say how good."""
    with pytest.raises(InvalidValue, match="judges one clip by itself"):
        opinion_scale(name)
    with pytest.raises(InvalidValue, match="two scales of one kind"):
        scale_map(name, "acr_1_5")


def test_an_unknown_scale_is_named():
    """The nearest one is offered."""
    with pytest.raises(UnknownName, match="Did you mean 'acr_1_5'"):
        scale_named("acr_1-5")


def test_a_score_that_is_no_number_is_not_converted():
    """NaN in, error out."""
    with pytest.raises(InvalidValue, match="finite"):
        scale_map("acr_1_5", "mushra_0_100")(float("nan"))
