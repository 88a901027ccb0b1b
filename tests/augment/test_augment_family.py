"""What every corruption promises, swept over the table."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.audio import Clip
from mosdata.augment.base import Corruption
from mosdata.augment.corruptions import CORRUPTIONS, KINDS, build_corruption
from mosdata.augment.pool import MemoryPool
from mosdata.errors import InvalidValue, MissingExtra, RecordRejected, UnknownName
from mosdata.manifests.ids import canonical_json, rng_for
from mosdata.manifests.rows import Applied
from mosdata.testing.clips import clips, speechlike

NAMES = sorted(CORRUPTIONS)


def hiss(num_samples: int, seed: int, fall: float = 0.0) -> Clip:
    """Noise for a file of the pool, decaying by ``fall`` nepers over its length."""
    noise = np.random.default_rng(seed).standard_normal(num_samples, dtype=np.float32)
    return Clip(noise * np.exp(np.linspace(0, -fall, num_samples, dtype=np.float32)), 16_000)


POOL = MemoryPool(
    {f"clip-{i}": (speechlike(1.1, seed=50 + i), f"text-{i}", f"voice-{i}") for i in range(3)},
    files={
        "noise": {f"noise-{i}.wav": hiss(9_000, i) for i in range(2)},
        "impulse_responses": {f"room-{i}.wav": hiss(4_000, i, 6) for i in range(2)},
    },
)
QUICK = settings(max_examples=8, deadline=None)


def build(name: str) -> Corruption:
    """The corruption, with a pool where it needs one; skipped only where a package is missing."""
    try:
        return build_corruption(name, pool=POOL, sentence="text-0", speaker="voice-0")
    except MissingExtra as missing:
        pytest.skip(str(missing))


def harm(name: str, level: float, clip: Clip, seed: int = 0) -> Clip:
    """Draw and apply."""
    corruption = build(name)
    return corruption.apply(clip, corruption.draw(level, clip, rng_for(seed, "record", name)))


def padded(clip: Clip, *, before_s: float, after_s: float) -> Clip:
    """The clip with digital silence around it."""
    pads = [round(s * clip.sample_rate_hz) for s in (before_s, after_s)]
    return Clip(np.pad(clip.samples, pads), clip.sample_rate_hz)


def spectra_db(clip: Clip) -> np.ndarray:
    """Short-time spectra in dB with a floor, shape (frames, bins)."""
    frames = np.lib.stride_tricks.sliding_window_view(clip.samples, 512)[::256]
    return 10 * np.log10(np.abs(np.fft.rfft(frames * np.hanning(512))) ** 2 + 1e-4)


def distance_db(a: Clip, b: Clip) -> float:
    """Log-spectral distance: root mean square over bins, mean over frames."""
    return float(np.sqrt(np.mean((spectra_db(a) - spectra_db(b)) ** 2, axis=1)).mean())


@pytest.mark.parametrize("name", NAMES)
def test_level_0_returns_the_very_clip(name: str) -> None:
    """Level 0 is no code path: the same object, nothing drawn, even for silence."""
    silence = Clip(np.zeros(100, np.float32), 16_000)
    applied = build(name).draw(0, silence, rng_for(0, "record", name))

    assert Applied(name=name, level=0.0) == applied
    assert build(name).apply(silence, applied) is silence


@pytest.mark.parametrize("name", NAMES)
@given(clip=clips(), level=st.floats(0.01, 1), seed=st.integers(0, 2**32))
@QUICK
def test_the_form_of_a_clip_is_kept(name: str, clip: Clip, level: float, seed: int) -> None:
    """Length, rate and dtype stay, samples are finite and within full scale, the input intact."""
    before = clip.samples.copy()
    clip.samples.setflags(write=False)

    harmed = harm(name, level, clip, seed)

    assert (clip.num_samples, clip.sample_rate_hz) == (harmed.num_samples, harmed.sample_rate_hz)
    assert np.float32 == harmed.samples.dtype
    assert np.abs(harmed.samples).max() <= 1
    assert np.array_equal(before, clip.samples)


@pytest.mark.parametrize("name", NAMES)
@given(clip=clips(), level=st.floats(0.01, 1))
@QUICK
def test_what_was_drawn_survives_json(name: str, clip: Clip, level: float) -> None:
    """The parameters are data: through canonical JSON and back they make the same samples."""
    corruption = build(name)
    applied = corruption.draw(level, clip, rng_for(7, "record", name))
    text = canonical_json(applied.params)
    again = Applied(name=name, level=level, params=json.loads(text))

    assert applied == again
    assert np.array_equal(
        corruption.apply(clip, applied).samples, build(name).apply(clip, again).samples
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_draws_ignores_the_level(name: str) -> None:
    """Equal generators end equal, and all that differs between levels is the ladder."""
    clip = speechlike(0.5)
    low_rng, high_rng = rng_for(1, "record", name), rng_for(1, "record", name)
    low = build(name).draw(0.05, clip, low_rng)
    high = build(name).draw(1.0, clip, high_rng)
    drawn = {*high.params} - {*build(name).parameters}

    assert low_rng.integers(2**60) == high_rng.integers(2**60)
    assert {key: low.params[key] for key in drawn} == {key: high.params[key] for key in drawn}


@pytest.mark.parametrize("name", NAMES)
def test_the_ladder_is_what_is_drawn(name: str) -> None:
    """The table in the documentation and the row say the same."""
    clip = speechlike(0.5, sample_rate_hz=24_000)
    applied = build(name).draw(0.35, clip, rng_for(1, "record", name))

    for key, value in build(name).ladder(0.35, 24_000).items():
        assert value == applied.params[key]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 48_000])
def test_the_scale_has_its_parameters(name: str, sample_rate_hz: int) -> None:
    """Each place has every parameter within what may be given; the first one moves one way.

    The others do so too, but for a gain, which begins anew on every rung of a bitrate.
    """
    corruption = build(name)
    rungs = [corruption.ladder(level, sample_rate_hz) for level in np.linspace(0.01, 1, 34)]

    assert rungs[0] != rungs[-1]
    for rung in rungs:
        assert [*corruption.parameters] == [*rung]
        assert all(corruption.parameters[key].allows(value) for key, value in rung.items())
    main = next(iter(corruption.parameters))
    for key in corruption.parameters:
        values = [rung[key] for rung in rungs]
        same_rung = [key != "error_gain" or a[main] == b[main] for a, b in pairwise(rungs)]
        steps = np.sign(np.diff(values))[same_rung]
        assert {*steps} <= {0.0, 1.0} or {*steps} <= {0.0, -1.0}
    moves = [a != b for a, b in pairwise(rungs)]
    assert all(moves) or sum(moves) >= 4  # a scale, or rungs


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0.07, 0.5, 0.93])
def test_values_in_place_of_a_level_are_the_same_damage(name: str, level: float) -> None:
    """The ladder's own values give what its level gives, at a level where the ladder has them."""
    clip = speechlike(0.4)
    corruption = build(name)
    at_level = corruption.draw(level, clip, rng_for(1, "record", name))
    values = corruption.ladder(level, clip.sample_rate_hz)
    at_values = corruption.draw_at(values, clip, rng_for(1, "record", name))

    assert at_level.params == at_values.params
    assert 0 < at_values.level <= 1
    again = corruption.ladder(at_values.level, clip.sample_rate_hz)
    main = next(iter(values))
    assert pytest.approx(values[main], rel=1e-3, abs=1e-3) == again[main]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sample_rate_hz", [8_000, 11_025, 16_000, 44_100])
def test_all_values_of_a_level_are_at_that_level(name: str, sample_rate_hz: int) -> None:
    """Also where the first of them stands still over a part of the scale, and at any rate."""
    clip = speechlike(0.4, sample_rate_hz=sample_rate_hz)
    corruption = build(name)
    for level in (0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 1.0):
        values = corruption.ladder(level, sample_rate_hz)
        applied = corruption.draw_at(values, clip, rng_for(1, "record", name))

        assert pytest.approx(level, abs=0.003) == applied.level, values


@pytest.mark.parametrize("name", NAMES)
def test_values_without_a_meaning_are_refused(name: str) -> None:
    """Unknown names, NaN and what is out of range; the message says what is allowed."""
    corruption, clip = build(name), speechlike(0.3)
    main, parameter = next(iter(corruption.parameters.items()))
    for wrong in (float("nan"), float("inf"), parameter.low - 1e6, parameter.high + 1e6):
        with pytest.raises(InvalidValue, match=re.escape(parameter.allowed)):
            corruption.draw_at({main: wrong}, clip, rng_for(0, "record", name))
    with pytest.raises(UnknownName, match=main):
        corruption.draw_at({f"{main}x": 1.0}, clip, rng_for(0, "record", name))
    with pytest.raises(InvalidValue, match=main):
        corruption.draw_at({}, clip, rng_for(0, "record", name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_harm_grows_with_the_level(name: str, seed: int) -> None:
    """With the same draw, a higher level is never nearer to the clean clip (within 0.1 dB).

    The rungs of codecs meet in PESQ on speech, and in this distance only within 0.6 dB.
    """
    clip = speechlike(2.0, seed=seed)
    levels = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    distances = np.array([distance_db(clip, harm(name, level, clip, seed)) for level in levels])

    assert distances[-1] > distances[0] + 0.5
    assert np.diff(distances).min() > (-0.6 if name in KINDS["codec"] else -0.1)


ROWS_OF_NO_CLIP = [
    ("high_pass", {"cutoff_hz": 9_000}, 16_000, RecordRejected),
    ("low_pass", {"cutoff_hz": 5_000, "num_poles": 8}, 8_000, RecordRejected),
    ("wide_band", {"low_hz": 50, "high_hz": 7_000, "low_poles": 8}, 8_000, RecordRejected),
    ("resampling", {"held_rate_hz": 12_000, "leakage": 0.5}, 8_000, RecordRejected),
    ("telephone_band", {"low_hz": 3_000, "high_hz": 2_000}, 16_000, InvalidValue),
    ("mp3", {"bitrate_kbps": 16, "encoder_rate_hz": 16_000, "error_gain": 2}, 16_000, InvalidValue),
    ("packet_loss", {"loss_fraction": 0.1, "burst_packets": 0, "packet_s": 0.02, "loss_seed": 1},
     16_000, InvalidValue),
    ("white_noise", {"snr_db": float("nan"), "noise_seed": 1}, 16_000, InvalidValue),
]  # fmt: skip


@pytest.mark.parametrize(("name", "params", "sample_rate_hz", "error"), ROWS_OF_NO_CLIP)
def test_rows_that_mean_nothing_are_refused(
    name: str, params: dict[str, float], sample_rate_hz: int, error: type[Exception]
) -> None:
    """Those drawn at a higher rate as a clip that cannot be made, edited ones as bad values."""
    row = Applied(name=name, level=0.5, params={**params})
    with pytest.raises(error):
        build(name).apply(speechlike(0.5, sample_rate_hz), row)


def test_rows_whose_edge_was_rounded_up_are_made_again() -> None:
    """As the ladder of old had it at 11,025 Hz."""
    params = {"low_hz": 48.83, "high_hz": 5506.99, "low_poles": 8}
    clip = speechlike(0.5, 11_025)
    made = build("wide_band").apply(clip, Applied(name="wide_band", level=0.3, params={**params}))

    assert made.num_samples == clip.num_samples


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 48_000])
def test_no_two_levels_are_the_same_values(name: str, sample_rate_hz: int) -> None:
    """A thousandth of the scale is something else, all along it."""
    corruption = build(name)
    ladder = [corruption.ladder(step / 1000, sample_rate_hz) for step in range(1, 1001)]

    assert [step for step, (a, b) in enumerate(pairwise(ladder), start=1) if a == b] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_two_levels_are_the_same_sound(name: str, seed: int) -> None:
    """Nor is any of them the clip's own, where most of it is digital silence as in made speech."""
    clip = padded(speechlike(1.2, seed=seed), before_s=1.0, after_s=1.3)
    before = clip.samples
    for level in np.linspace(0.05, 1, 20).tolist():
        harmed = harm(name, level, clip, seed).samples
        assert not np.array_equal(harmed, before), f"the same at {level:.2f} as one step below"
        before = harmed
        if level < 1:
            a_little_more = harm(name, level + 0.001, clip, seed).samples
            assert not np.array_equal(harmed, a_little_more), f"the same at {level:.2f} and .001 on"


@pytest.mark.parametrize("name", NAMES)
def test_silence_is_refused(name: str) -> None:
    """A corruption of silence would be a clean clip with a false label."""
    hiss = 1e-5 * np.random.default_rng(0).standard_normal(16_000, np.float32)

    for samples in (np.zeros(16_000, np.float32), hiss):
        with pytest.raises(RecordRejected) as refused:
            harm(name, 0.5, Clip(samples.astype(np.float32), 16_000))
        assert refused.value.reason == "silence"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_is_refused(name: str, bad: float) -> None:
    """Both draw and apply refuse NaN and infinity."""
    good = speechlike(0.5)
    applied = build(name).draw(0.5, good, rng_for(0, "record", name))
    samples = good.samples.copy()
    samples[100] = bad

    for call in (
        lambda clip: build(name).draw(0.5, clip, rng_for(0, "record", name)),
        lambda clip: build(name).apply(clip, applied),
    ):
        with pytest.raises(RecordRejected) as refused:
            call(Clip(samples, 16_000))
        assert refused.value.reason == "not_finite"


@pytest.mark.parametrize("name", NAMES)
def test_empty_and_slow_clips_are_refused(name: str) -> None:
    """No sample, or fewer than 8000 a second, is a reason of its own."""
    with pytest.raises(RecordRejected) as empty:
        harm(name, 0.5, Clip(np.zeros(0, np.float32), 16_000))
    with pytest.raises(RecordRejected) as slow:
        harm(name, 0.5, speechlike(0.5, sample_rate_hz=4_000))

    assert empty.value.reason == "empty_audio"
    assert slow.value.reason == "sample_rate_too_low"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_samples", [1, 2, 160, 1599, 1600])
@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 44_100, 96_000])
def test_the_shortest_clips_pass(name: str, num_samples: int, sample_rate_hz: int) -> None:
    """From one sample up, at any rate, a clip with sound in it keeps its length."""
    samples = np.full(num_samples, 0.5, np.float32)
    samples[::2] *= -1

    assert num_samples == harm(name, 1.0, Clip(samples, sample_rate_hz)).num_samples


@pytest.mark.parametrize("name", NAMES)
def test_samples_beyond_full_scale_are_turned_down(name: str) -> None:
    """A float clip that peaks at 1e6 is as harmed as the same clip at 1, and never wraps."""
    clip = speechlike(0.5)
    unit = Clip(clip.samples / np.abs(clip.samples).max(), 16_000)
    loud = Clip(unit.samples * np.float32(2**20), 16_000)
    applied = build(name).draw(0.7, loud, rng_for(0, "record", name))

    np.testing.assert_allclose(
        build(name).apply(unit, applied).samples,
        build(name).apply(loud, applied).samples,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [-0.01, 1.01, float("nan"), float("inf")])
def test_levels_outside_are_refused(name: str, level: float) -> None:
    """A level is in [0, 1]; NaN is not."""
    with pytest.raises(InvalidValue, match="0 \\(untouched\\) to 1"):
        build(name).draw(level, speechlike(0.3), rng_for(0, "record", name))


HASHES = """
import sys
sys.path.insert(0, {folder!r})
from test_augment_family import digests
print(digests())
"""


def digests() -> str:
    """One line per corruption: name and checksum of the float samples."""
    clip = speechlike(0.7, seed=4)
    lines = [
        f"{name} {hashlib.sha256(harm(name, 0.8, clip, 3).samples.tobytes()).hexdigest()}"
        for name in reversed(NAMES)
    ]
    return "\n".join(sorted(lines))


def test_another_process_makes_the_same_bytes() -> None:
    """Samples do not depend on the process, on hash seeds, or on what ran before."""
    folder = __file__.rsplit("/", 1)[0]
    fresh = subprocess.run(
        [sys.executable, "-c", HASHES.format(folder=folder)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert digests() == fresh.stdout.strip()
