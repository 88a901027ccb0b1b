"""What lines and converters do, measured by other means."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.augment.agc import ridden_gain
from mosdata.augment.clipping import clipping_threshold
from mosdata.augment.corruptions import build_corruption
from mosdata.augment.speech_level import active_level_dbfs, active_samples
from mosdata.errors import InvalidValue, RecordRejected
from mosdata.manifests.ids import JSON, rng_for
from mosdata.manifests.rows import Applied
from mosdata.testing.clips import clip as noise_clip
from mosdata.testing.clips import speechlike

RATES = [8_000, 16_000, 48_000]


def harmed(name: str, clip: Clip, **params: JSON) -> np.ndarray:
    """The samples after a corruption with these parameters."""
    applied = Applied(name=name, level=0.5, params=params)
    return build_corruption(name).apply(clip, applied).samples


def power_db(samples: np.ndarray) -> float:
    """Mean power."""
    return 10 * np.log10(np.mean(samples.astype(float) ** 2))


@pytest.mark.parametrize("sample_rate_hz", RATES)
@pytest.mark.parametrize("q_db", [-5.0, 10.0, 40.0])
def test_mnru_has_the_q_it_says(sample_rate_hz: int, q_db: float) -> None:
    """Speech over speech-correlated noise is Q (0.01 dB); the noise is silent where speech is."""
    speech = 0.1 * speechlike(1.0, sample_rate_hz).samples
    clip = Clip(np.concatenate([speech, np.zeros(4000, np.float32)]), sample_rate_hz)
    noise = harmed("mnru", clip, q_db=q_db, noise_seed=7) - clip.samples

    assert pytest.approx(q_db, abs=0.01) == power_db(clip.samples) - power_db(noise)
    assert not noise[-4000:].any()


def test_mnru_follows_the_formula() -> None:
    """Over a long clip the unit is x (1 + 10**(-Q/20) n) with n of mean 0 and variance 1."""
    clip = Clip(np.full(200_000, 0.01, np.float32), 16_000)
    n = (harmed("mnru", clip, q_db=6.0, noise_seed=3) / 0.01 - 1) / 10 ** (-6 / 20)

    assert pytest.approx(0, abs=0.01) == n.mean()
    assert pytest.approx(1, abs=0.01) == n.std()
    assert pytest.approx(3, abs=0.05) == np.mean(n**4)


@pytest.mark.parametrize("feedback", [0.0, 0.6])
def test_an_echo_is_a_recursive_filter(feedback: float) -> None:
    """Delay and gains are exact: as H(z) = (1 + (g - f) z^-d) / (1 - f z^-d) has them."""
    from scipy.signal import lfilter

    clip = Clip(0.1 * speechlike(2.0).samples, 16_000)
    delay, gain = 1777, 10 ** (-12 / 20)
    above, below = np.zeros(delay + 1), np.zeros(delay + 1)
    above[0], above[-1], below[0], below[-1] = 1, gain - feedback, 1, -feedback
    expected = lfilter(above, below, clip.samples)
    echoed = harmed("echo", clip, echo_db=-12.0, feedback=feedback, delay_samples=delay)
    scale = echoed @ expected / (expected @ expected)

    np.testing.assert_allclose(echoed, scale * expected, atol=2e-3 * np.abs(expected).max())
    assert np.array_equal(echoed[:delay] != 0, clip.samples[:delay] != 0)


def test_an_echo_keeps_the_level_and_draws_the_delay() -> None:
    """80 to 300 ms by the record alone; the active level stays within 0.01 dB."""
    clip = Clip(0.1 * speechlike(2.0).samples, 16_000)
    corruption = build_corruption("echo")
    delays_s = []
    for seed in range(40):
        applied = corruption.draw(0.8, clip, rng_for(seed, "r", "echo"))
        delays_s.append(int(str(applied.params["delay_samples"])) / 16_000)
        loudness_db = active_level_dbfs(corruption.apply(clip, applied))

        assert pytest.approx(active_level_dbfs(clip), abs=0.01) == loudness_db
    assert 0.08 <= min(delays_s) < 0.1
    assert 0.25 < max(delays_s) <= 0.3


@pytest.mark.parametrize("fraction", [0.003, 0.05, 0.3])
@pytest.mark.parametrize("padding", [0, 16_000])
def test_clipping_cuts_the_share_it_says(fraction: float, padding: int) -> None:
    """So many samples of the active speech stand at the limit, whatever pauses there are."""
    speech = 0.2 * speechlike(2.0, seed=1).samples
    clip = Clip(np.concatenate([speech, np.zeros(padding, np.float32)]), 16_000)
    cut = harmed("clipping", clip, clipped_fraction=fraction)
    limit = np.abs(cut).max()
    active = active_samples(clip)
    at_limit = np.count_nonzero(np.abs(cut) == limit)

    assert pytest.approx(fraction * len(active), abs=2) == at_limit
    assert pytest.approx(active_level_dbfs(clip), abs=0.01) == active_level_dbfs(Clip(cut, 16_000))


@pytest.mark.parametrize("fraction", [0.9, 0.97, 0.99])
@pytest.mark.parametrize("gain", [1.0, 0.1, 0.003])
def test_clipping_of_nearly_all_is_no_silence(fraction: float, gain: float) -> None:
    """However quiet what is left was: it comes back to the level of the clip."""
    hiss = np.random.default_rng(0).standard_normal(16_000, dtype=np.float32)
    clip = Clip(np.float32(0.1 * gain) * hiss, 16_000)
    cut = harmed("clipping", clip, clipped_fraction=fraction)

    assert np.isfinite(cut).all()
    before_db, after_db = (active_level_dbfs(Clip(x, 16_000)) for x in (clip.samples, cut))
    assert pytest.approx(before_db, abs=0.1) == after_db


@pytest.mark.parametrize("bits", [0, 8])
def test_clipping_cuts_what_was_clipped_before(bits: int) -> None:
    """Where many samples stand at the limit, or at every step: each share cuts deeper."""
    speech = np.clip(speechlike(1.0).samples, -0.05, 0.05)
    clip = Clip(np.round(speech * 2**bits) / np.float32(2**bits) if bits else speech, 16_000)
    shares = [0, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5]
    limits = [float(clipping_threshold(clip, share)) for share in shares]

    assert limits[0] < np.abs(clip.samples).max()  # one at least
    assert all(more > less > 0 for more, less in pairwise(limits))


def test_clipping_is_that_of_audiomentations() -> None:
    """On a clip of symmetric samples without pauses theirs is ours, but for the level."""
    from audiomentations import ClippingDistortion

    half = noise_clip(1.0).samples
    clip = Clip(np.concatenate([half, -half]), 16_000)
    theirs = ClippingDistortion(20, 20, p=1.0)(clip.samples, 16_000)
    ours = harmed("clipping", clip, clipped_fraction=0.2)

    np.testing.assert_allclose(ours / ours.max(), theirs / theirs.max(), atol=1e-3)


@pytest.mark.parametrize("bits", [3.0, 5.5, 8.0, 12.25])
def test_bit_depth_has_the_steps_it_says(bits: float) -> None:
    """No error is larger than half a step, and so many steps there are."""
    clip = Clip(0.3 * speechlike(2.0).samples, 16_000)
    peak = float(np.abs(clip.samples).max())
    step = 2 * peak / 2**bits
    rounded = harmed("bit_depth", clip, bits=bits)

    assert np.abs(rounded - clip.samples).max() <= step / 2 * (1 + 1e-5)
    assert len(np.unique(rounded)) <= 2**bits + 1
    assert pytest.approx(step, rel=1e-3) == np.diff(np.unique(rounded)).min()


@pytest.mark.parametrize("bits", [4, 8])
def test_bit_depth_is_that_of_audiomentations(bits: int) -> None:
    """BitCrush has 2**bits + 2 steps to full scale; asked for as many, ours are the same."""
    from audiomentations import BitCrush

    samples = speechlike(1.0).samples
    clip = Clip(samples / np.abs(samples).max(), 16_000)
    theirs = BitCrush(bits, bits, p=1.0)(clip.samples, 16_000)
    ours = harmed("bit_depth", clip, bits=float(np.log2(2**bits + 2)))

    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("gain_db", [-3.0, -40.0])
def test_gain_is_exact(gain_db: float) -> None:
    """Every sample by the same factor."""
    clip = speechlike(0.5)
    factor = np.float32(10 ** (gain_db / 20))

    assert np.array_equal(clip.samples * factor, harmed("gain", clip, gain_db=gain_db))


def test_gain_does_not_end_in_silence() -> None:
    """What 16 bits could not keep is a reason, not a row."""
    clip = Clip(0.001 * speechlike(0.5).samples, 16_000)

    with pytest.raises(RecordRejected, match="-60 dB") as refused:
        harmed("gain", clip, gain_db=-60.0)
    assert refused.value.reason == "silence"


@pytest.mark.parametrize("sample_rate_hz", RATES)
@pytest.mark.parametrize("name", ["telephone_band", "wide_band"])
@pytest.mark.parametrize("position", [0.3, 0.5, 1.0])
def test_bands_end_where_they_say(name: str, sample_rate_hz: int, position: float) -> None:
    """3 dB at both edges, flat between, and the standard's own edges in the middle."""
    corruption = build_corruption(name)
    band = corruption.scale(position, sample_rate_hz)  # type: ignore[attr-defined]
    impulse = np.zeros(4 * sample_rate_hz, np.float32)
    impulse[1000] = 1
    response = np.abs(np.fft.rfft(harmed(name, Clip(impulse, sample_rate_hz), **band)))

    def gain_db(hz: float) -> float:
        return 20 * np.log10(response[round(4 * hz)])

    # In a narrow band each edge is felt at the other one and in the middle.
    narrow = band["high_hz"] < 2 * band["low_hz"]
    assert pytest.approx(-3.01, abs=0.3 if narrow else 0.03) == gain_db(band["low_hz"])
    if band["high_hz"] < 0.49 * sample_rate_hz:
        assert pytest.approx(-3.01, abs=0.3 if narrow else 0.03) == gain_db(band["high_hz"])
    assert gain_db((band["low_hz"] * band["high_hz"]) ** 0.5) > (-1.5 if narrow else -0.01)
    if position == 0.5 and (name, sample_rate_hz) != ("wide_band", 8_000):
        edges = {"telephone_band": (300, 3400), "wide_band": (50, 7000)}[name]
        assert edges == (band["low_hz"], band["high_hz"])


@pytest.mark.parametrize("sample_rate_hz", RATES)
@pytest.mark.parametrize("name", ["telephone_band", "wide_band"])
@pytest.mark.parametrize("position", [0.2, 0.5, 1.0])
def test_bands_do_not_delay(name: str, sample_rate_hz: int, position: float) -> None:
    """The envelope of a tone in the middle of the band stays in place, to the sample."""
    from scipy.signal import hilbert

    band = build_corruption(name).scale(position, sample_rate_hz)  # type: ignore[attr-defined]
    middle_hz = (band["low_hz"] * band["high_hz"]) ** 0.5
    time_s = np.arange(sample_rate_hz) / sample_rate_hz - 0.5
    tone = np.exp(-((time_s / 0.08) ** 2)) * np.cos(2 * np.pi * middle_hz * time_s)
    passed = harmed(name, Clip(tone.astype(np.float32), sample_rate_hz), **band)
    envelope = np.abs(hilbert(passed.astype(float))) ** 2
    delay = (envelope @ np.arange(len(envelope))) / envelope.sum() - sample_rate_hz / 2

    assert abs(delay) < 1


def test_bands_refuse_edges_that_cross() -> None:
    """Given edges must be in order and below half the rate."""
    corruption = build_corruption("telephone_band")
    with pytest.raises(InvalidValue, match="low_hz < high_hz"):
        corruption.values_of({"low_hz": 900.0, "high_hz": 500.0}, 16_000)
    with pytest.raises(InvalidValue, match="7992 Hz"):
        corruption.values_of({"high_hz": 9000.0}, 16_000)


def test_a_leaking_resampler_lets_aliases_and_images_pass() -> None:
    """A tone at 3 kHz held at 4 kHz comes back at 1 kHz, by as much as the filter leaks."""
    time_s = np.arange(16_000) / 16_000
    clip = Clip((0.1 * np.cos(2 * np.pi * 3_000 * time_s)).astype(np.float32), 16_000)

    def alias(leakage: float) -> float:
        heard = harmed("resampling", clip, leakage=leakage, held_rate_hz=4_000.0)
        return float(np.abs(np.fft.rfft(heard))[1_000])

    assert alias(0.0) < 1e-3 * alias(1.0)
    assert pytest.approx(0.3, rel=1e-3) == alias(0.3) / alias(1.0)
    assert alias(1.0) > 0.5 * 0.05 * 16_000


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_held_samples_stay_in_place(sample_rate_hz: int) -> None:
    """Every sample is one of those within half a period of the lower rate."""
    ramp = np.arange(sample_rate_hz, dtype=np.float32) / np.float32(sample_rate_hz)
    heard = harmed(
        "resampling", Clip(ramp, sample_rate_hz), leakage=1.0, held_rate_hz=2_700.0
    ).astype(float)
    error = (heard - ramp) * sample_rate_hz

    assert np.abs(error).max() <= sample_rate_hz / 2_700 / 2 + 1
    assert abs(error.mean()) < 0.51
    assert 2_700 <= len(np.unique(np.round(heard * sample_rate_hz))) <= 2_702


def test_a_lower_rate_is_lower() -> None:
    """A rate at or above the clip's own is refused."""
    with pytest.raises(InvalidValue, match="below the clip's rate of 8000 Hz"):
        build_corruption("resampling").values_of({"leakage": 1, "held_rate_hz": 8_000}, 8_000)


def test_pumping_gain_rides_between_its_limits() -> None:
    """Soft parts come up and loud ones down by no more than the range, at the drawn speed."""
    quiet, loud = np.full(16_000, 0.001), np.full(16_000, 0.1)
    clip = Clip(np.concatenate([quiet, loud, quiet]).astype(np.float32), 16_000)
    gain = ridden_gain(clip, -30.0, range_db=12.0, attack_s=0.01, release_s=0.2)
    gain_db = 20 * np.log10(gain)
    # The meter falls from -20 dB by 40 dB: after 0.2 s by 63 % of that, 15.3 dB below the target.
    falling = gain_db[32_000:]
    crossing_s = np.argmax(falling > 0) / 16_000

    assert pytest.approx(12, abs=0.01) == gain_db[15_900]
    assert pytest.approx(-10, abs=0.01) == gain_db[31_900]
    assert pytest.approx(12, abs=0.01) == gain_db[47_900]
    assert pytest.approx(-0.2 * np.log(1 - 10 / 40), abs=0.006) == crossing_s
    assert np.argmax(gain_db[16_000:] < -9) / 16_000 < 0.05
    assert np.abs(np.diff(gain)).max() < 0.05


def test_pumping_brings_up_the_room_and_keeps_the_level() -> None:
    """In the pause the hiss rises by the range; the active level stays."""
    speech = 0.2 * speechlike(2.0).samples
    clip = Clip(np.concatenate([speech, np.zeros(16_000, np.float32)]), 16_000)
    heard = harmed(
        "agc_pumping",
        clip,
        range_db=20.0,
        floor_snr_db=50.0,
        attack_s=0.01,
        release_s=0.1,
        noise_seed=4,
    )
    room_db = power_db(heard[-4_000:]) - active_level_dbfs(clip)

    assert pytest.approx(-30, abs=5) == room_db
    assert pytest.approx(active_level_dbfs(clip), abs=0.1) == active_level_dbfs(Clip(heard, 16_000))
