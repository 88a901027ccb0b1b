"""Transforms of audiomentations under our rules."""

from __future__ import annotations

import random

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.augment.corruptions import build_corruption
from mosdata.augment.transform_spec import TransformSpec
from mosdata.errors import InvalidValue, UnknownName, UsageError
from mosdata.manifests.ids import rng_for
from mosdata.testing.clips import speechlike

TRANSFORMS = [
    "am:AddGaussianSNR",
    "am:BitCrush",
    "am:ClippingDistortion",
    "am:Mp3Compression",
    "am:PitchShift",
    "am:TanhDistortion(min_distortion=0.1,max_distortion=0.5)",
    "am:TimeMask",
    "am:TimeStretch(leave_length_unchanged=False)",
]


def harm(name: str, clip: Clip, seed: int = 0) -> Clip:
    """Draw and apply at level 1."""
    corruption = build_corruption(name)
    return corruption.apply(clip, corruption.draw(1.0, clip, rng_for(seed, "record", name)))


def numpy_state() -> np.ndarray:
    """State of the global generator of numpy."""
    return np.random.get_state()[1].copy()  # noqa: NPY002 - the generator that the library uses


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_is_repeatable_and_leaves_no_trace(name: str) -> None:
    """Same record, same samples, and the global generators stand where they stood."""
    clip = speechlike(0.6, seed=3)
    before = random.getstate(), numpy_state(), clip.samples.copy()
    first = harm(name, clip)
    after = random.getstate(), numpy_state(), clip.samples
    np.random.seed(99)  # noqa: NPY002 - the generator that the library uses
    random.seed(99)

    assert np.array_equal(first.samples, harm(name, clip).samples)
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])
    assert np.array_equal(before[2], after[2])
    assert (clip.num_samples, np.float32) == (first.num_samples, first.samples.dtype)


def test_records_draw_their_own_parameters() -> None:
    """Two records get two sounds: p is 1 and the seed is the record's."""
    clip = speechlike(0.6)

    assert not np.array_equal(
        harm("am:AddGaussianSNR", clip, 1).samples, harm("am:AddGaussianSNR", clip, 2).samples
    )


def test_only_the_ends_of_the_scale_have_a_meaning() -> None:
    """A transform has no ladder: level 0 is the clip, 1 the transform, between them an error."""
    corruption = build_corruption("am:BitCrush")
    clip = speechlike(0.3)
    untouched = corruption.draw(0, clip, rng_for(0, "r", "am"))

    assert corruption.apply(clip, untouched) is clip
    for call in (
        lambda: corruption.draw(0.5, clip, rng_for(0, "r", "am")),
        lambda: corruption.ladder(0.5, 16_000),
    ):
        with pytest.raises(InvalidValue, match="0 or 1"):
            call()


def test_a_name_has_one_spelling() -> None:
    """Spaces and the order of arguments do not make another corruption."""
    text = "am:TanhDistortion( max_distortion=0.5, min_distortion = 0.1 )"
    name = str(TransformSpec.parse(text))

    assert name == "am:TanhDistortion(max_distortion=0.5,min_distortion=0.1)"
    assert name == build_corruption(text).name


@pytest.mark.parametrize(
    "name",
    [
        "am:",
        "am:os.system('true')",
        "am:Gain(__import__('os').getcwd())",
        "am:Gain(min_gain_db=print(1))",
        "am:Gain(**{'min_gain_db': 1})",
        "am:Gain(1, 2)",
        "am:Gain(p=0.5)",
        "am:Gain; am:Gain",
    ],
)
def test_only_literals_are_read(name: str) -> None:
    """Nothing in a name is ever evaluated, and p stays 1."""
    with pytest.raises(InvalidValue, match="literal"):
        build_corruption(name)


def test_what_cannot_work_is_noticed_when_built() -> None:
    """Unknown classes and arguments fail before the first record."""
    with pytest.raises(UnknownName, match="'ClippingDistortion'"):
        build_corruption("am:ClipingDistortion")
    with pytest.raises(UsageError, match="unexpected keyword"):
        build_corruption("am:BitCrush(depth=3)")
    with pytest.raises(UsageError, match="cannot be used"):
        build_corruption("am:ApplyImpulseResponse")
