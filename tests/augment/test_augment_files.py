"""Noise, talkers and rooms that come from elsewhere: ratios, places, loops and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.augment.corruptions import build_corruption
from mosdata.augment.impulse_response import response_at
from mosdata.augment.mixing import looped_part
from mosdata.augment.pool import MemoryPool
from mosdata.augment.speech_level import active_level_dbfs
from mosdata.errors import InvalidValue, NothingFound, RecordRejected
from mosdata.manifests.ids import JSON, rng_for
from mosdata.manifests.rows import Applied
from mosdata.testing.clips import clip as noise_clip
from mosdata.testing.clips import speechlike

RATES = [8_000, 16_000, 48_000]
SILENCE = Clip(np.zeros(8_000, np.float32), 16_000)


def quiet_speech(sample_rate_hz: int = 16_000, duration_s: float = 1.0) -> Clip:
    """Speech with a pause after it, and room for more below full scale."""
    speech = 0.003 * speechlike(duration_s, sample_rate_hz).samples
    return Clip(np.concatenate([speech, np.zeros(sample_rate_hz, np.float32)]), sample_rate_hz)


def room(
    *, sample_rate_hz: int = 16_000, delay: int = 100, rt60_s: float = 0.4, duration_s: float = 0.8
) -> Clip:
    """A response with a quiet start, an inverted direct sound and a decaying tail."""
    rng = np.random.default_rng(3)
    time_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    tail = 0.05 * rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / rt60_s)
    gap = np.zeros(delay + round(0.004 * sample_rate_hz))
    gap[delay] = -0.4
    return Clip(np.concatenate([gap, tail]).astype(np.float32), sample_rate_hz)


def pool_of(**files: Clip) -> MemoryPool:
    """A pool with these files, as noises and as impulse responses."""
    return MemoryPool({}, files={"noise": files, "impulse_responses": files})


def talkers_of(count: int, duration_s: float = 1.5) -> MemoryPool:
    """A pool of so many others, and of clips that must not be taken."""
    others = {
        f"other-{i}": (speechlike(duration_s, seed=20 + i), f"text-{i}", f"voice-{i}")
        for i in range(count)
    }
    not_these = {
        "same text": (speechlike(1.0, seed=1), "text", "bob"),
        "same speaker": (speechlike(1.0, seed=2), "other text", "ann"),
        "silent": (SILENCE, "third text", "carl"),
    }
    return MemoryPool({**others, **not_these})


@pytest.mark.parametrize("sample_rate_hz", RATES)
@pytest.mark.parametrize("noise_s", [0.2, 1.3, 9.0])
@pytest.mark.parametrize("level", [0.2, 0.6, 1.0])
def test_recorded_noise_has_the_ratio_it_says(
    sample_rate_hz: int, noise_s: float, level: float
) -> None:
    """Looped, cut or resampled: active speech over what is heard of the noise, within 0.1 dB."""
    clip = quiet_speech(sample_rate_hz)
    rising = noise_clip(noise_s).samples * np.linspace(0.1, 1, round(noise_s * 16_000))
    pool = pool_of(street=Clip(rising.astype(np.float32), 16_000))
    corruption = build_corruption("background_noise", pool=pool)
    applied = corruption.draw(level, clip, rng_for(0, "r", "b"))
    noise = corruption.apply(clip, applied).samples.astype(float) - clip.samples
    snr_db = active_level_dbfs(clip) - 10 * np.log10(np.mean(noise**2))

    assert pytest.approx(applied.params["snr_db"], abs=0.1) == snr_db
    assert applied.params["noise_file"] == "street"


def test_noise_starts_where_there_is_sound() -> None:
    """A recording that is silent in part is moved on; one that is silent is passed over."""
    half = Clip(np.concatenate([SILENCE.samples, noise_clip(0.5).samples]), 16_000)
    clip = quiet_speech(duration_s=0.2)
    for seed in range(20):
        corruption = build_corruption("background_noise", pool=pool_of(half=half, silent=SILENCE))
        applied = corruption.draw(0.5, clip, rng_for(seed, "r", "b"))

        assert applied.params["noise_file"] == "half"
        assert int(str(applied.params["start_sample"])) >= 7_500
    with pytest.raises(RecordRejected) as refused:
        build_corruption("background_noise", pool=pool_of(silent=SILENCE)).draw(
            0.5, clip, rng_for(0, "r", "b")
        )
    assert refused.value.reason == "no_noise"


@pytest.mark.parametrize(
    "broken",
    [
        Clip(np.array([0.5], np.float32), 16_000),
        Clip(noise_clip(0.01).samples, 16_000),
        Clip(np.full(16_000, 0.5, np.float32), 16_000),
        Clip(np.full(44_100, 0.5, np.float32), 44_100),
    ],
    ids=["one sample", "10 ms", "constant", "constant at another rate"],
)
def test_what_would_be_a_tone_or_a_constant_is_no_noise(broken: Clip) -> None:
    """Such a file is passed over, and alone it is a reason."""
    clip = quiet_speech()
    both = build_corruption("background_noise", pool=pool_of(broken=broken, good=noise_clip(1.0)))
    chosen = {both.draw(1, clip, rng_for(i, "r", "b")).params["noise_file"] for i in range(10)}

    assert chosen == {"good"}
    with pytest.raises(RecordRejected) as refused:
        build_corruption("background_noise", pool=pool_of(broken=broken)).draw(
            1, clip, rng_for(0, "r", "b")
        )
    assert refused.value.reason == "no_noise"


@pytest.mark.parametrize("name", ["background_noise", "impulse_response"])
def test_the_choice_of_a_file_survives_a_smaller_folder(name: str) -> None:
    """Records that did not use a file keep theirs when that file goes; many are used."""
    files = {f"f{i}": room(delay=20 + i) for i in range(8)}
    clip = quiet_speech()

    def choices(pool: MemoryPool) -> list[JSON]:
        corruption = build_corruption(name, pool=pool)
        draws = (corruption.draw(1, clip, rng_for(0, f"r{i}", "o")) for i in range(30))
        key = {"background_noise": "noise_file", "impulse_response": "response_file"}[name]
        return [applied.params[key] for applied in draws]

    before = choices(pool_of(**files))
    after = choices(pool_of(**{key: files[key] for key in files if key != "f3"}))

    assert len({*map(str, before)}) > 4
    assert [file for file in before if file != "f3"] == [
        new for old, new in zip(before, after, strict=True) if old != "f3"
    ]


@pytest.mark.parametrize(
    ("name", "flag"),
    [("background_noise", "--noise"), ("impulse_response", "--impulse-responses")],
)
def test_files_that_are_missing_are_asked_for(name: str, flag: str) -> None:
    """Without a folder the message names the option; a file that is gone is named."""
    clip = quiet_speech()
    key = {"background_noise": "noise_file", "impulse_response": "response_file"}[name]
    for pool in (None, MemoryPool({})):
        with pytest.raises(InvalidValue, match=flag):
            build_corruption(name, pool=pool).draw(0.5, clip, rng_for(0, "r", "b"))
    params: dict[str, JSON] = {key: "gone", "start_sample": 0, "snr_db": 10.0, "drr_db": 0.0}
    with pytest.raises(NothingFound, match="'gone'"):
        build_corruption(name, pool=pool_of(here=room())).apply(
            clip, Applied(name=name, level=0.5, params=params)
        )


def test_a_loop_has_no_seam() -> None:
    """A sound that goes round makes no step larger than its own, and its level stays even."""
    tone = np.sin(2 * np.pi * 100.3 * np.arange(8_000) / 16_000).astype(np.float32)
    looped = looped_part(Clip(tone, 16_000), 3_000, 100_000)
    plain = looped_part(Clip(tone, 16_000), 10, 7_990)

    assert np.abs(np.diff(looped)).max() < 1.3 * np.abs(np.diff(tone)).max()
    assert np.array_equal(plain, tone[10:])
    for num_samples in (1, 2, 3, 7):
        assert len(looped_part(Clip(tone[:num_samples], 16_000), num_samples - 1, 20)) == 20


@pytest.mark.parametrize("count", [1, 3, 9])
@pytest.mark.parametrize("level", [0.2, 0.6, 1.0])
def test_babble_has_the_ratio_it_says(count: int, level: float) -> None:
    """Active speech over the sum of six talkers, within 0.1 dB, with any number of others."""
    clip = quiet_speech()
    corruption = build_corruption("babble", pool=talkers_of(count), sentence="text", speaker="ann")
    applied = corruption.draw(level, clip, rng_for(0, "r", "babble"))
    babble = corruption.apply(clip, applied).samples.astype(float) - clip.samples
    snr_db = active_level_dbfs(clip) - 10 * np.log10(np.mean(babble**2))
    talkers = applied.params["talker_ids"]

    assert pytest.approx(applied.params["snr_db"], abs=0.1) == snr_db
    assert isinstance(talkers, list)
    assert len(talkers) == 6
    assert len({*map(str, talkers)}) == min(6, count)
    assert {*map(str, talkers)} <= {f"other-{i}" for i in range(count)}


def test_talkers_are_equally_loud() -> None:
    """A loud talker and a soft one have the same say in the babble."""
    loud, soft = speechlike(2.0, seed=1), speechlike(2.0, seed=2)
    soft = Clip(soft.samples * np.float32(0.01), 16_000)
    pool = MemoryPool({"loud": (loud, "a", "x"), "soft": (soft, "b", "y")})
    clip = quiet_speech(duration_s=2.0)
    params: dict[str, JSON] = {"snr_db": 0.0}
    params |= {"talker_ids": ["loud", "soft"], "start_samples": [0, 0]}
    params["talker_dbfs"] = [active_level_dbfs(loud), active_level_dbfs(soft)]
    applied = Applied(name="babble", level=0.5, params=params)
    mixed = build_corruption("babble", pool=pool).apply(clip, applied).samples
    babble = (mixed - clip.samples)[:32_000].astype(float)
    parts = np.stack([loud.samples, soft.samples]).astype(float)
    weights = np.linalg.lstsq(parts.T, babble, rcond=None)[0]
    levels_db = [
        active_level_dbfs(other) + 20 * np.log10(weight)
        for other, weight in zip((loud, soft), weights, strict=True)
    ]

    assert pytest.approx(levels_db[0], abs=0.2) == levels_db[1]


def test_babble_without_anybody_is_a_reason() -> None:
    """Siblings, the speaker's own clips and silent ones do not make a babble."""
    with pytest.raises(RecordRejected) as refused:
        build_corruption("babble", pool=talkers_of(0), sentence="text", speaker="ann").draw(
            0.5, quiet_speech(), rng_for(0, "r", "babble")
        )
    assert refused.value.reason == "no_interferer"


@pytest.mark.parametrize("sample_rate_hz", RATES)
@pytest.mark.parametrize("drr_db", [30.0, 5.0, -15.0])
def test_a_response_has_the_ratio_it_is_given(sample_rate_hz: int, drr_db: float) -> None:
    """Energy within 2.5 ms of the direct peak over all that follows; the peak is 1 at its place."""
    response, delay = response_at(room(sample_rate_hz=sample_rate_hz), drr_db=drr_db)
    width = round(0.0025 * sample_rate_hz)
    energy = response.astype(float) ** 2
    direct, late = energy[: delay + width + 1].sum(), energy[delay + width + 1 :].sum()

    assert pytest.approx(drr_db, abs=0.01) == 10 * np.log10(direct / late)
    assert pytest.approx(1) == response[delay]
    assert delay == min(100, width)


@pytest.mark.parametrize("delay", [0, 5, 100, 4_000])
@pytest.mark.parametrize("file_rate_hz", [16_000, 48_000])
def test_a_room_does_not_delay(delay: int, file_rate_hz: int) -> None:
    """The direct sound stays in place to the sample, whatever silence a file begins with."""
    clip = Clip(0.1 * noise_clip(1.0).samples, 16_000)
    pool = pool_of(hall=room(sample_rate_hz=file_rate_hz, delay=delay * file_rate_hz // 16_000))
    corruption = build_corruption("impulse_response", pool=pool)
    applied = corruption.draw(0.6, clip, rng_for(0, "r", "i"))
    wet = corruption.apply(clip, applied).samples
    spectrum = np.fft.rfft(wet, 32_000) * np.conj(np.fft.rfft(clip.samples, 32_000))
    correlation = np.fft.irfft(spectrum)

    assert int(np.argmax(np.abs(correlation))) == 0
    assert correlation[0] > 0
    assert pytest.approx(active_level_dbfs(clip), abs=0.1) == active_level_dbfs(Clip(wet, 16_000))


def test_a_room_is_linear_convolution() -> None:
    """As numpy convolves in double precision, also where the response is longer than the clip."""
    pool = pool_of(hall=room(duration_s=2.0))
    clip = Clip(0.1 * speechlike(0.5).samples, 16_000)
    corruption = build_corruption("impulse_response", pool=pool)
    applied = corruption.draw_at({"drr_db": -3.0}, clip, rng_for(0, "r", "i"))
    wet = corruption.apply(clip, applied).samples
    response, delay = response_at(room(duration_s=2.0), drr_db=-3.0)
    expected = np.convolve(clip.samples.astype(float), response.astype(float))
    expected = expected[delay : delay + clip.num_samples]
    scale = wet @ expected / (expected @ expected)

    np.testing.assert_allclose(wet, scale * expected, atol=1e-4 * np.abs(wet).max())


def test_dry_responses_are_passed_over() -> None:
    """A response without reverberation cannot have a ratio; none else left is a reason."""
    dry = np.zeros(2_000, np.float32)
    dry[50] = 1
    clip = quiet_speech()
    for seed in range(10):
        corruption = build_corruption(
            "impulse_response", pool=pool_of(dry=Clip(dry, 16_000), hall=room())
        )
        applied = corruption.draw(0.5, clip, rng_for(seed, "r", "i"))

        assert applied.params["response_file"] == "hall"
    with pytest.raises(RecordRejected) as refused:
        build_corruption("impulse_response", pool=pool_of(dry=Clip(dry, 16_000))).draw(
            0.5, clip, rng_for(0, "r", "i")
        )
    assert refused.value.reason == "no_impulse_response"


@pytest.mark.parametrize("length_s", [0.005, 0.015])
def test_a_response_may_be_shorter_than_any_noise(length_s: float) -> None:
    """That of a microphone ends after a few milliseconds."""
    length = round(length_s * 16_000)
    falling = np.exp(-np.arange(length, dtype=np.float32) / (length / 4))
    response = Clip(falling * np.float32(0.5), 16_000)
    pool = MemoryPool({}, files={"impulse_responses": {"microphone": response}})
    clip = speechlike(0.5)
    corruption = build_corruption("impulse_response", pool=pool)
    applied = corruption.draw(0.5, clip, rng_for(0, "r", "i"))

    assert np.isfinite(corruption.apply(clip, applied).samples).all()
