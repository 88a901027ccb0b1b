"""Transforms of audiomentations under our rules."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.augment.audiomentations_adapter import Transform, build_transform, transform_names
from mosdata.augment.chain import apply_chain
from mosdata.augment.chain import harm as harm_by_chain
from mosdata.augment.corruptions import build_corruption
from mosdata.augment.transform_spec import TransformSpec
from mosdata.errors import InvalidValue, MissingExtra, UnknownName, UsageError
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
    "class_name", ["AddBackgroundNoise", "AddShortNoises", "ApplyImpulseResponse"]
)
def test_the_order_of_a_folder_is_no_chance(
    class_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders come in another order from another file system; what is drawn is the same file."""
    import soundfile

    noise = np.random.default_rng(0)
    for name in "abcd":
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "x.wav", 0.1 * noise.standard_normal(8_000), 16_000)
    argument = "ir_path" if class_name == "ApplyImpulseResponse" else "sounds_path"
    spec = TransformSpec.parse(f"am:{class_name}({argument}={str(tmp_path)!r})")
    made, walk = [], os.walk
    for is_reversed in (False, True):

        def walked(top: str, *args: object, **kwargs: object) -> object:
            found = sorted(walk(top, *args, **kwargs), reverse=is_reversed)  # type: ignore[call-overload]  # noqa: B023
            return iter(found)

        monkeypatch.setattr(os, "walk", walked)
        transform, clip = Transform(spec), speechlike(0.5)
        drawn = transform.draw(1, clip, rng_for(3, "record", "am"))
        made.append(transform.apply(clip, drawn).samples)

    assert np.array_equal(*made)


@pytest.mark.parametrize(
    "names", [["am:Gain", "am: Gain"], ["am:Gain", "am:Gain (min_gain_db=-3.0)"]]
)
def test_one_kind_is_one_however_it_is_spaced(names: list[str]) -> None:
    """Twice in a chain it is refused."""
    with pytest.raises(InvalidValue, match="each corruption once"):
        harm_by_chain(names, 1, speechlike(0.3), seed=1, record_id="a")


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
    with pytest.raises(
        UsageError, match=r"am:ApplyImpulseResponse\(ir_path='folder or file.wav'\)"
    ):
        build_corruption("am:ApplyImpulseResponse")
    with pytest.raises(UsageError, match="a name cannot hold"):
        build_corruption("am:Lambda")
    with pytest.raises(UsageError, match="It takes: duration_samples, duration_seconds"):
        build_corruption("am:AdjustDuration")


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rooms, loudness and limiters come with an extra of audiomentations, and so of ours."""
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    build_transform.cache_clear()

    with pytest.raises(MissingExtra, match=r"pip install 'mosdata\[audiomentations\]'"):
        build_corruption("am:RoomSimulator")


ARGUMENTS = {
    "AddBackgroundNoise": "sounds_path='{folder}'",
    "AddShortNoises": "sounds_path='{folder}'",
    "ApplyImpulseResponse": "ir_path='{folder}'",
    "AdjustDuration": "duration_seconds=0.4",
}
"""What transforms need; no others of the installed version may need anything."""


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one decaying noise."""
    import soundfile

    folder = tmp_path_factory.mktemp("sounds")
    noise = np.random.default_rng(0).standard_normal(8_000) * np.exp(-np.arange(8_000) / 800)
    soundfile.write(folder / "noise.wav", 0.1 * noise, 16_000)
    return folder


@pytest.mark.parametrize("class_name", sorted({*transform_names()} - {"Lambda"}))
def test_every_transform_is_reachable(class_name: str, sounds: Path) -> None:
    """Each waveform transform of the installed version runs, twice the same, as long as before."""
    name = f"am:{class_name}({ARGUMENTS.get(class_name, '').format(folder=sounds)})"
    clip = speechlike(0.6)
    try:
        first, second = harm(name, clip, 4), harm(name, clip, 4)
    except MissingExtra as missing:
        pytest.skip(str(missing))

    assert np.array_equal(first.samples, second.samples)
    assert (clip.num_samples, 16_000) == (first.num_samples, first.sample_rate_hz)


def theirs(name: str, clip: Clip) -> np.ndarray:
    """Samples of a transform."""
    return harm(f"am:{name}", clip).samples


def ours(name: str, clip: Clip, **values: float) -> np.ndarray:
    """Samples of our corruption at physical values."""
    corruption = build_corruption(name)
    return corruption.apply(clip, corruption.draw_at(values, clip, rng_for(0, "r", name))).samples


@pytest.fixture(scope="module")
def steady() -> Clip:
    """Noise without pauses, whose active level is its plain one; room for what is added."""
    noise = np.random.default_rng(1).standard_normal(32_000, dtype=np.float32)
    return Clip(np.float32(0.05) * noise, 16_000)


@pytest.mark.parametrize("snr_db", [0, 10, 30])
def test_noise_is_as_loud_as_theirs(steady: Clip, snr_db: int) -> None:
    """Where nothing pauses, both definitions of the ratio give the same noise.

    Theirs meets its ratio as far as the chance of 32,000 numbers lets it: 0.15 dB.
    """
    noises = [
        ours("white_noise", steady, snr_db=snr_db) - steady.samples,
        theirs(f"AddGaussianSNR(min_snr_db={snr_db}.0,max_snr_db={snr_db}.0)", steady)
        - steady.samples,
    ]

    assert abs(20 * np.log10(noises[0].std() / noises[1].std())) < 0.15


@pytest.mark.parametrize("name", ["low_pass", "high_pass"])
def test_filters_are_theirs_at_the_same_slope(name: str) -> None:
    """48 dB an octave in both: the same Butterworth filter, but for how it begins.

    Theirs begins as if the first sample had always been there, ours from rest.
    """
    class_name = {"low_pass": "LowPassFilter", "high_pass": "HighPassFilter"}[name]
    clip = speechlike(1.0)
    wanted = "min_cutoff_freq=1500.0,max_cutoff_freq=1500.0,min_rolloff=48,max_rolloff=48"

    np.testing.assert_allclose(
        ours(name, clip, cutoff_hz=1500)[200:],
        theirs(f"{class_name}({wanted})", clip)[200:],
        atol=1e-4,
    )


def test_gain_is_theirs(steady: Clip) -> None:
    """Decibels are decibels."""
    np.testing.assert_allclose(
        ours("gain", steady, gain_db=-12),
        theirs("Gain(min_gain_db=-12.0,max_gain_db=-12.0)", steady),
        rtol=1e-5,
    )


@pytest.mark.parametrize("bitrate_kbps", [24, 48])
def test_mp3_is_theirs_but_for_gain_and_end(bitrate_kbps: int) -> None:
    """The same encoder: 0.95 of our amplitude, and silence at the end, where ours goes on."""
    clip = speechlike(1.0)
    wanted = f"min_bitrate={bitrate_kbps},max_bitrate={bitrate_kbps}"
    end = slice(2_000, -4_000)

    np.testing.assert_allclose(
        0.95 * ours("mp3", clip, bitrate_kbps=bitrate_kbps)[end],
        theirs(f"Mp3Compression({wanted})", clip)[end],
        atol=2e-3,
    )


def test_clipping_cuts_as_much_as_theirs(steady: Clip) -> None:
    """20 % of the samples at the limits, half on either side."""
    their_clip = theirs(
        "ClippingDistortion(min_percentile_threshold=20,max_percentile_threshold=20)", steady
    )
    our_clip = ours("clipping", steady, clipped_fraction=0.2)
    shares = [np.mean(np.abs(x) >= 0.9999 * np.abs(x).max()) for x in (our_clip, their_clip)]

    assert pytest.approx(0.2, abs=0.01) == shares[0]
    assert pytest.approx(0.2, abs=0.02) == np.mean(
        (their_clip >= their_clip.max() * 0.9999) | (their_clip <= their_clip.min() * 0.9999)
    )
    np.testing.assert_allclose(our_clip / our_clip.std(), their_clip / their_clip.std(), atol=0.05)


def test_masks_take_as_much_as_theirs(steady: Clip) -> None:
    """A tenth of the samples; ours in several holes, theirs in one."""
    ours_silent = np.mean(ours("time_mask", steady, masked_fraction=0.1) == 0)
    theirs_silent = np.mean(
        theirs("TimeMask(min_band_part=0.1,max_band_part=0.1,fade_duration=0.0)", steady) == 0
    )

    assert pytest.approx(0.1, abs=0.02) == theirs_silent
    assert pytest.approx(theirs_silent, abs=0.03) == ours_silent


@pytest.mark.parametrize("spelling", ["{}", "['{}']"])
def test_a_row_opens_no_file_unless_it_is_trusted(spelling: str, tmp_path: Path) -> None:
    """A dataset of somebody else may name any path; who made the row says so."""
    noise = tmp_path / "noise.wav"
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(noise, speechlike(0.5, seed=5).samples, 16_000)
    value = repr(str(noise)) if spelling == "{}" else spelling.format(noise)
    clip, name = speechlike(0.6), f"am:AddBackgroundNoise(sounds_path={value})"
    applied, harmed = harm_by_chain([name], 1.0, clip, seed=1, record_id="r")

    with pytest.raises(InvalidValue, match=r"sounds_path names\. Pass files=True"):
        apply_chain(clip, applied)
    assert np.array_equal(harmed.samples, apply_chain(clip, applied, files=True).samples)
    assert apply_chain(clip, harm_by_chain(["am:BitCrush"], 1.0, clip, seed=1, record_id="r")[0])
