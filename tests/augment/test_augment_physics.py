"""That each corruption does what its parameters say, measured by other means."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from mosdata.audio import Clip, decode_audio, encode_flac
from mosdata.augment import speech_level
from mosdata.augment.corruptions import build_corruption
from mosdata.augment.mask import SEGMENT_S, slots
from mosdata.augment.overlap import Overlap
from mosdata.augment.pool import MemoryPool
from mosdata.augment.reverb import room_response
from mosdata.augment.speech_level import active_level_dbfs, active_samples, checked_peak
from mosdata.errors import InvalidValue, NothingFound, RecordRejected
from mosdata.manifests.ids import rng_for
from mosdata.manifests.rows import Applied
from mosdata.testing.clips import speechlike

LEVELS = [0.1, 0.25, 0.5, 0.75, 1.0]


def quiet(clip: Clip, gain: float = 0.05) -> Clip:
    """The clip with room to spare, so that nothing is turned down."""
    return Clip(clip.samples * np.float32(gain), clip.sample_rate_hz)


def active_db(samples: np.ndarray, sample_rate_hz: int) -> float:
    """ITU-T P.56, method B, sample by sample in plain Python, as the recommendation words it.

    Interpolated by halving between two thresholds, as sv56 of ITU-T G.191 does.
    """
    thresholds = [2.0**power for power in range(-20, 0)]
    decay, hangover = math.exp(-1 / (0.03 * sample_rate_hz)), math.ceil(0.2 * sample_rate_hz)
    active, since = [0] * 20, [hangover] * 20
    p = q = total = 0.0
    for x in samples.astype(float).tolist():
        total += x * x
        p = decay * p + (1 - decay) * abs(x)
        q = decay * q + (1 - decay) * p
        for j, threshold in enumerate(thresholds):
            if q >= threshold:
                since[j] = 0
            elif since[j] < hangover:
                since[j] += 1
            else:
                break  # all higher ones rest as well
            active[j] += 1
    steps = [
        (10 * math.log10(total / count), 20 * math.log10(threshold))
        for count, threshold in zip(active, thresholds, strict=True)
        if count
    ]
    for upper, lower in pairwise(steps):
        if upper[0] - upper[1] > 15.9 >= lower[0] - lower[1]:
            return halved(upper, lower)
    return steps[-1][0]


def halved(upper: tuple[float, float], lower: tuple[float, float]) -> float:
    """The level between two pairs of level and threshold that are 15.9 dB apart."""
    for _ in range(40):
        middle = ((upper[0] + lower[0]) / 2, (upper[1] + lower[1]) / 2)
        if middle[0] - middle[1] > 15.9:
            upper = middle
        else:
            lower = middle
    return lower[0]


def band_db(samples: np.ndarray, sample_rate_hz: int, low_hz: float, high_hz: float) -> float:
    """Energy in a band."""
    power = np.abs(np.fft.rfft(samples.astype(float))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / sample_rate_hz)
    return 10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum())


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("gain", [1.0, 0.11, 0.004])
def test_the_active_level_is_that_of_p56(sample_rate_hz: int, gain: float) -> None:
    """Speech with pauses of all lengths and a quiet ending: within 0.01 dB of the plain meter."""
    speech = speechlike(1.2, sample_rate_hz, seed=sample_rate_hz).samples
    gap = np.zeros(sample_rate_hz // 10, np.float32)
    third = len(speech) // 3
    parts = [gap, speech[:third], gap, gap, gap, speech[third:], gap, 0.03 * speech[:third], gap]
    samples = np.float32(gain) * np.concatenate(parts)
    level_db = active_level_dbfs(Clip(samples, sample_rate_hz))

    assert pytest.approx(active_db(samples, sample_rate_hz), abs=0.01) == level_db


def test_the_active_level_of_a_steady_tone() -> None:
    """A sine of amplitude 0.1 is at -23.01 dB, and two seconds of silence change only the ends."""
    sine = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(160_000) / 16_000)
    padded = np.concatenate([sine, np.zeros(32_000)]).astype(np.float32)
    # Active from where the envelope passes the threshold until 200 ms after it falls below it.
    for samples, more in ((sine.astype(np.float32), 0.0), (padded, 0.15)):
        level_db = active_level_dbfs(Clip(samples, 16_000))

        assert pytest.approx(-23.0103, abs=0.01 + more) == level_db


def test_a_remembered_level_is_forgotten_when_the_clip_is_written_to() -> None:
    """The memory of the last levels is no trap for those who scale a clip in place."""
    clip = speechlike(0.5)
    before_db = active_level_dbfs(clip)
    clip.samples[:] *= np.float32(0.5)

    assert pytest.approx(before_db - 6.02, abs=0.15) == active_level_dbfs(clip)


def test_a_view_is_looked_at_again_where_its_owner_can_be_written_to() -> None:
    """That the view itself cannot be is not enough."""
    owner = speechlike(1.0).samples.copy()
    view = owner[:]
    view.flags.writeable = False
    clip = Clip(view, 16_000)
    before_db = active_level_dbfs(clip)
    owner *= np.float32(0.5)

    assert pytest.approx(before_db - 6.02, abs=0.15) == active_level_dbfs(clip)


def test_what_cannot_be_written_to_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As clips from files are; the level is that of the same clip in memory."""
    clip = decode_audio(encode_flac(speechlike(1.0)))
    level_db = active_level_dbfs(clip)
    monkeypatch.setattr(speech_level, "_mark", None)

    assert active_level_dbfs(clip) == level_db
    monkeypatch.undo()
    assert active_level_dbfs(Clip(clip.samples.copy(), 16_000)) == level_db


@pytest.mark.parametrize("num_samples", [300, 4_096, 16_001])
def test_what_is_remembered_is_forgotten_when_samples_are_only_moved(num_samples: int) -> None:
    """Turned round or shifted in place, a clip is another one of the same energy."""
    moves: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda samples: samples[::-1],
        lambda samples: np.roll(samples, 1),
        lambda samples: np.roll(samples, 4_096),
        lambda samples: np.concatenate([samples[100:200], samples[:100], samples[200:]]),
    ]
    for move in moves[: 4 if num_samples > 4_096 else 2]:
        noise = np.random.default_rng(0).standard_normal(num_samples, dtype=np.float32)
        clip = Clip(noise * np.linspace(0.001, 0.2, num_samples, dtype=np.float32), 16_000)
        before = speech_level._mark(clip.samples)
        active_samples(clip)
        clip.samples[:] = move(clip.samples).copy()

        again = active_samples(Clip(clip.samples.copy(), 16_000))
        assert np.array_equal(again, active_samples(clip))
        assert before != speech_level._mark(clip.samples)


def test_a_remembered_peak_is_forgotten_when_the_clip_is_written_to() -> None:
    """Nor for those who write something into it that no corruption can take."""
    clip = Clip(speechlike(0.5).samples.copy(), 16_000)
    before = checked_peak(clip)
    clip.samples[100] = 1.5
    louder = checked_peak(clip)
    clip.samples[100] = np.nan
    with pytest.raises(RecordRejected, match="1 of 8000 samples"):
        checked_peak(clip)
    clip.samples[100] = 0.0

    assert 0 < before < louder == 1.5
    assert checked_peak(clip) == before
    with pytest.raises(RecordRejected, match="no samples"):
        checked_peak(Clip(clip.samples[:0], 16_000))


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("padding_s", [0.0, 2.0])
@pytest.mark.parametrize("level", LEVELS)
def test_noise_has_the_ratio_it_says(sample_rate_hz: int, padding_s: float, level: float) -> None:
    """Active speech over noise is the recorded snr_db within 0.1 dB; pauses do not change it."""
    speech = quiet(speechlike(1.0, sample_rate_hz))
    silence = np.zeros(round(padding_s * sample_rate_hz), np.float32)
    clip = Clip(np.concatenate([speech.samples, silence]), sample_rate_hz)
    corruption = build_corruption("white_noise")
    applied = corruption.draw(level, clip, rng_for(0, "r", "white_noise"))

    noise = corruption.apply(clip, applied).samples - clip.samples
    noise_db = 10 * np.log10(np.mean(noise.astype(float) ** 2))
    snr_db = active_db(clip.samples, sample_rate_hz) - noise_db

    assert pytest.approx(applied.params["snr_db"], abs=0.1) == snr_db


def test_noise_is_white_and_the_same_at_every_level() -> None:
    """Both halves of the band hold half the power; levels only scale the noise."""
    clip = quiet(speechlike(4.0))
    corruption = build_corruption("white_noise")
    noises = []
    for level in (0.6, 1.0):
        applied = corruption.draw(level, clip, rng_for(0, "r", "white_noise"))
        noises.append(corruption.apply(clip, applied).samples - clip.samples)
    low, high = (band_db(noises[1], 16_000, *band) for band in [(0, 4000), (4000, 8000)])

    assert pytest.approx(low, abs=0.2) == high
    assert np.corrcoef(*noises)[0, 1] > 0.999


@pytest.mark.parametrize("other_s", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("level", LEVELS)
def test_overlap_has_the_ratio_it_says(other_s: float, level: float) -> None:
    """Looped or cut, the interferer's active level lies sir_db below the speech (0.1 dB)."""
    clip = quiet(speechlike(1.0))
    pool = MemoryPool({"other": (speechlike(other_s, seed=9), "text-2", "bob")})
    corruption = build_corruption("overlap", pool=pool, sentence="text-1", speaker="ann")
    applied = corruption.draw(level, clip, rng_for(0, "r", "overlap"))

    other = corruption.apply(clip, applied).samples.astype(float) - clip.samples
    sir_db = active_db(clip.samples, 16_000) - active_db(other, 16_000)

    assert pytest.approx(applied.params["sir_db"], abs=0.1) == sir_db
    assert applied.params["interferer_id"] == "other"


def test_overlap_never_takes_the_same_text_or_speaker() -> None:
    """Siblings, the clip itself and silent clips are passed over; none left is a reason."""
    silent = Clip(np.zeros(8000, np.float32), 16_000)
    clips = {
        "itself": (speechlike(0.5, seed=1), "text-1", "ann"),
        "same text": (speechlike(0.5, seed=2), "text-1", "bob"),
        "same speaker": (speechlike(0.5, seed=3), "text-2", "ann"),
        "silent": (silent, "text-3", "bob"),
    }
    clip = clips["itself"][0]
    good = {**clips, "good": (speechlike(0.5, seed=4), "text-4", "carl")}
    for seed in range(20):
        corruption = Overlap(pool=MemoryPool(good), sentence="text-1", speaker="ann")
        applied = corruption.draw(0.5, clip, rng_for(seed, "r", "overlap"))

        assert applied.params["interferer_id"] == "good"
    with pytest.raises(RecordRejected) as refused:
        Overlap(pool=MemoryPool(clips), sentence="text-1", speaker="ann").draw(
            0.5, clip, rng_for(0, "r", "overlap")
        )
    assert refused.value.reason == "no_interferer"


def test_overlap_choice_survives_a_smaller_pool() -> None:
    """Records that did not use a clip keep their interferer when that clip goes."""
    clips = {f"c{i}": (speechlike(0.3, seed=i), f"t{i}", f"v{i}") for i in range(8)}

    def choices(pool: MemoryPool) -> list[object]:
        corruption = Overlap(pool=pool, sentence="text", speaker="speaker")
        draws = (corruption.draw(1, clips["c0"][0], rng_for(0, f"r{i}", "o")) for i in range(30))
        return [applied.params["interferer_id"] for applied in draws]

    before = choices(MemoryPool(clips))
    after = choices(MemoryPool({name: clips[name] for name in clips if name != "c3"}))

    assert len({*before}) > 4
    assert [name for name in before if name != "c3"] == [
        new for old, new in zip(before, after, strict=True) if old != "c3"
    ]


def test_overlap_says_what_it_misses() -> None:
    """Without pool, sentence or the right pool the message names what to give."""
    clip = speechlike(0.3)
    with pytest.raises(InvalidValue, match="sentence"):
        build_corruption("overlap", pool=MemoryPool({})).draw(1, clip, rng_for(0, "r", "o"))
    with pytest.raises(InvalidValue, match="pool"):
        build_corruption("overlap", sentence="t").draw(1, clip, rng_for(0, "r", "o"))
    drawn = Applied(
        name="overlap", level=1.0, params={"sir_db": 0, "interferer_id": "x", "start_sample": 0}
    )
    with pytest.raises(NothingFound, match="'x'"):
        build_corruption("overlap", pool=MemoryPool({})).apply(clip, drawn)


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("level", [0.01, *LEVELS])
def test_room_has_the_decay_it_says(sample_rate_hz: int, level: float) -> None:
    """Schroeder's backward integration gives rt60_s within 10 % and drr_db within 1 dB."""
    clip = speechlike(0.5, sample_rate_hz)
    applied = build_corruption("reverb").draw(level, clip, rng_for(0, "r", "reverb"))
    response = room_response(applied, sample_rate_hz).astype(float)
    tail = response[1:] ** 2
    decay_db = 10 * np.log10(np.cumsum(tail[::-1])[::-1] / tail.sum() + 1e-20)
    fit = (decay_db < -5) & (decay_db > -35)
    slope = np.polyfit(np.flatnonzero(fit) / sample_rate_hz, decay_db[fit], 1)[0]

    assert pytest.approx(applied.params["rt60_s"], rel=0.1) == -60 / slope
    assert pytest.approx(applied.params["drr_db"], abs=1) == 10 * np.log10(1 / tail.sum())
    assert not response[1 : round(0.0025 * sample_rate_hz)].any()


@pytest.mark.parametrize("level", LEVELS)
def test_reverb_keeps_level_and_onset(level: float) -> None:
    """The active level stays, and nothing sounds before the clip's own onset."""
    speech = quiet(speechlike(2.0))
    clip = Clip(np.concatenate([np.zeros(800, np.float32), speech.samples]), 16_000)
    corruption = build_corruption("reverb")
    wet = corruption.apply(clip, corruption.draw(level, clip, rng_for(0, "r", "reverb"))).samples

    assert pytest.approx(active_level_dbfs(clip), abs=0.01) == active_level_dbfs(Clip(wet, 16_000))
    assert np.abs(wet[:800]).max() < 1e-6
    direct = np.corrcoef(clip.samples[800:1600], wet[800:1600])[0, 1]
    assert direct > 0.4


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["low_pass", "high_pass"])
def test_filters_cut_where_they_say(name: str, sample_rate_hz: int, level: float) -> None:
    """3 dB at the cutoff, 6 dB an octave for each pole beyond it, nothing an octave within."""
    impulse = np.zeros(sample_rate_hz, np.float32)
    impulse[sample_rate_hz // 2] = 1  # nothing of the response may lie before the clip
    corruption = build_corruption(name)
    values = corruption.ladder(level, sample_rate_hz)
    cutoff_hz, octave_db = values["cutoff_hz"], 6 * values["num_poles"]
    applied = Applied(name=name, level=level, params={**values})
    response = np.abs(np.fft.rfft(corruption.apply(Clip(impulse, sample_rate_hz), applied).samples))

    def gain_db(hz: float) -> float:
        return 20 * np.log10(response[round(hz)] + 1e-12)

    inside, outside = (2, 0.5) if name == "high_pass" else (0.5, 2)
    assert pytest.approx(-3, abs=0.2) == gain_db(cutoff_hz)
    if cutoff_hz * inside < sample_rate_hz / 2:
        assert pytest.approx(0, abs=0.2) == gain_db(cutoff_hz * inside)
    if cutoff_hz * outside < sample_rate_hz / 2:
        assert gain_db(cutoff_hz * outside) < -min(octave_db - 3, 130)  # of single precision


@pytest.mark.parametrize("name", ["low_pass", "high_pass"])
def test_filters_stay_fast_in_digital_silence(name: str) -> None:
    """Ringing never decays into denormal numbers, on which a filter is many times slower."""
    samples = np.zeros(32_000, np.float32)
    samples[0] = 1
    corruption = build_corruption(name)
    applied = Applied(name=name, level=0.5, params={"cutoff_hz": 1000.0})
    rung = np.abs(corruption.apply(Clip(samples, 16_000), applied).samples)

    assert rung[16_000:].max() < 1e-15
    assert not ((rung > 0) & (rung < np.finfo(np.float32).tiny)).any()


def test_the_pass_band_keeps_its_place_however_steep_the_filter() -> None:
    """More poles delay more; all beyond that of 8 poles is taken off."""
    clip = Clip(np.zeros(16_000, np.float32), 16_000)
    clip.samples[8000] = 1
    corruption = build_corruption("low_pass")
    phases = []
    for num_poles in (8, 9, 24, 64):
        params = {"cutoff_hz": 480.0, "num_poles": num_poles}
        low = corruption.apply(clip, Applied(name="low_pass", level=1.0, params=params)).samples
        phases.append(np.angle(np.fft.rfft(low)[[50, 60]]))
    turns = np.diff(np.array(phases), axis=1).ravel() / (2 * np.pi * 10)  # seconds, modulo 0.1

    assert pytest.approx(turns[0], abs=1e-4) == turns[1:]


@pytest.mark.parametrize(
    ("sample_rate_hz", "cutoff_hz"), [(8_000, 3_996), (8_000, 3_000), (48_000, 20_000)]
)
def test_a_steep_filter_near_half_the_rate_is_no_earlier(
    sample_rate_hz: int, cutoff_hz: float
) -> None:
    """Where the bilinear transform bends most: low frequencies stay within a sample."""
    clip = Clip(np.zeros(4_096, np.float32), sample_rate_hz)
    clip.samples[2_048] = 1
    corruption = build_corruption("low_pass")
    delays = []
    for num_poles in (8, 64):
        params = {"cutoff_hz": cutoff_hz, "num_poles": num_poles}
        low = corruption.apply(clip, Applied(name="low_pass", level=1.0, params=params)).samples
        phase = np.unwrap(np.angle(np.fft.rfft(low)))[:9]
        delays.append(-(phase[8] - phase[0]) / 8 * 4_096 / (2 * np.pi))

    assert pytest.approx(delays[0], abs=0.6) == delays[1]


@pytest.mark.parametrize("num_fading", [1, 4])
@pytest.mark.parametrize("duration_s", [0.1, 0.5, 3.3])
def test_masks_are_nested_and_exact(duration_s: float, num_fading: int) -> None:
    """A higher share masks the same samples and more, and holes of all depths add up to it."""
    clip = Clip(np.ones(round(duration_s * 16_000), np.float32), 16_000)
    corruption = build_corruption("time_mask")
    seed = corruption.draw(1.0, clip, rng_for(5, "r", "time_mask")).params["order_seed"]
    before = np.zeros(clip.num_samples)
    for share in np.linspace(0.01, 0.4, 20):
        params = {"masked_fraction": share, "num_fading": num_fading, "order_seed": seed}
        applied = Applied(name="time_mask", level=1.0, params=params)
        lost = 1 - corruption.apply(clip, applied).samples
        starts, gains = slots(clip, applied)
        widths = np.diff(starts, append=clip.num_samples)
        depths = np.log(0.99 * gains + 0.01) / np.log(0.01)

        assert (lost >= before - 1e-6).all()
        assert (np.maximum.reduceat(lost, starts) <= 1 - gains + 1e-6).all()
        if len(widths) > 2 * num_fading:  # else too short for so many
            assert pytest.approx(share, abs=0.02) == (widths * depths).sum() / clip.num_samples
        before = lost


def test_a_share_alone_makes_whole_holes() -> None:
    """Of the share that is asked for, up to the last one."""
    clip = Clip(np.ones(96_000, np.float32), 16_000)
    corruption = build_corruption("time_mask")
    applied = corruption.draw_at({"masked_fraction": 0.3}, clip, rng_for(5, "r", "time_mask"))
    _, gains = slots(clip, applied)

    assert ((gains > 0) & (gains < 1)).sum() <= 1
    assert (gains == 0).sum() == round(6.0 * 0.3 / SEGMENT_S)


@pytest.mark.parametrize("num_fading", [1, 4])
def test_holes_are_where_something_sounds(num_fading: int) -> None:
    """Silence is a hole already; those of the others are as deep as without it, or deeper."""
    slot = round(SEGMENT_S * 16_000)
    heard = np.arange(20) % 4 == 1
    samples = np.repeat(np.float32(0.5) * heard.astype(np.float32), slot)
    gapped, whole = Clip(samples, 16_000), Clip(np.full_like(samples, 0.5), 16_000)
    corruption = build_corruption("time_mask")
    before = np.ones(20)
    for share in np.linspace(0.01, 0.8, 60).tolist():
        values = {"masked_fraction": share, "num_fading": num_fading}
        drawn = corruption.draw_at(values, gapped, rng_for(5, "r", "time_mask"))
        of_old = {key: value for key, value in drawn.params.items() if key != "spares_silence"}
        gains, without = slots(gapped, drawn)[1], slots(whole, drawn)[1]

        assert not gains[~heard].any()
        assert (gains[heard] <= without[heard]).all()
        assert (gains[heard] <= before[heard]).all()
        assert (gains < before)[heard].any() or not gains[heard].any()
        assert np.array_equal(slots(gapped, replace(drawn, params=of_old))[1], without)
        before = gains


def test_no_ramp_leads_up_to_silence() -> None:
    """A slot that an earlier link silenced does not bring back the edge of the hole beside it."""
    clip = Clip(np.full(48_000, 0.5, np.float32), 16_000)
    corruption = build_corruption("time_mask")
    drawn = corruption.draw(1.0, clip, rng_for(3, "r", "time_mask"))
    starts, gains = slots(clip, drawn)
    masked = corruption.apply(clip, drawn).samples
    beside = [i for i in range(1, len(starts) - 1) if gains[i] == 1 and not gains[i + 1]]
    for slot in beside:
        samples = clip.samples.copy()
        samples[starts[slot] : starts[slot + 1]] = 0
        harmed = corruption.apply(Clip(samples, 16_000), drawn).samples
        assert not harmed[masked == 0].any()
        assert not harmed[starts[slot + 1] : starts[slot + 1] + round(SEGMENT_S * 8_000)].any()
    assert beside


def test_masks_have_ramps() -> None:
    """No step is larger than that of a ramp of 5 ms, also where two holes touch."""
    clip = Clip(np.ones(48_000, np.float32), 16_000)
    corruption = build_corruption("time_mask")
    for seed in range(10):
        applied = corruption.draw(1.0, clip, rng_for(seed, "r", "time_mask"))
        masked = corruption.apply(clip, applied).samples
        starts, gains = slots(clip, applied)
        middles = starts + np.diff(starts, append=48_000) // 2

        assert np.abs(np.diff(masked)).max() <= 1 / 80 + 1e-6
        assert pytest.approx(gains, abs=1e-6) == masked[middles]
        assert not gains.all()


@pytest.mark.parametrize("sample_rate_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("bitrate_kbps", [8, 48])
def test_mp3_stays_in_place(sample_rate_hz: int, bitrate_kbps: int) -> None:
    """The best lag between clip and coded clip is 0 samples, at every rate."""
    clip = speechlike(1.0, sample_rate_hz)
    coded = code(clip, bitrate_kbps)
    spectrum = np.fft.rfft(coded.samples) * np.conj(np.fft.rfft(clip.samples))
    lag = int(np.argmax(np.fft.irfft(spectrum, clip.num_samples)))
    correlation = np.corrcoef(clip.samples, coded.samples)[0, 1]

    assert lag == 0
    assert correlation > 0.95


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_mp3_keeps_the_end(sample_rate_hz: int) -> None:
    """The last 20 ms are as loud as the rest; the library alone returns silence there."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(sample_rate_hz, np.float32)
    coded = code(Clip(noise.astype(np.float32), sample_rate_hz), 48)
    powers = np.mean(coded.samples.reshape(50, -1) ** 2, axis=1)

    assert powers[-1] > 0.5 * np.median(powers)


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_mp3_keeps_the_level(sample_rate_hz: int) -> None:
    """Projected on the clean clip, the coded one has a gain of 1; the library alone has 0.95."""
    clip = quiet(speechlike(1.0, sample_rate_hz))
    coded = code(clip, 48)

    assert pytest.approx(1, abs=0.005) == (
        np.dot(coded.samples, clip.samples) / np.dot(clip.samples, clip.samples)
    )


def code(clip: Clip, bitrate_kbps: float) -> Clip:
    """The codec itself at a bitrate."""
    corruption = build_corruption("mp3")
    drawn = corruption.draw_at({"bitrate_kbps": bitrate_kbps}, clip, rng_for(0, "r", "mp3"))
    return corruption.apply(clip, drawn)


def test_mp3_rungs_are_bitrates_that_exist() -> None:
    """Every rung is a legal constant bitrate of the encoder's rate, at any clip's rate."""
    mpeg2_kbps = {8, 16, 24, 32, 40, 48, 56, 64}
    for sample_rate_hz in (8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000):
        rungs = [build_corruption("mp3").ladder(level, sample_rate_hz) for level in (0.01, 0.5, 1)]

        assert {rung["bitrate_kbps"] for rung in rungs} <= mpeg2_kbps
        assert all(rung["encoder_rate_hz"] <= min(sample_rate_hz, 24_000) for rung in rungs)


NAN_SCRIPT = """
import numpy as np
from mosdata.audio import Clip
from mosdata.augment.corruptions import build_corruption
from mosdata.augment import mp3
from mosdata.errors import RecordRejected
from mosdata.manifests.rows import Applied
samples = np.zeros(16_000, np.float32)
samples[7] = np.nan
params = {"bitrate_kbps": 16, "encoder_rate_hz": 16_000, "error_gain": 1.0}
for call in (
    lambda: build_corruption("mp3").apply(Clip(samples, 16_000), Applied(name="mp3", level=1.0,
                                                                        params=params)),
    lambda: mp3.round_trip(Clip(samples, 16_000), 16),
):
    try:
        call()
    except RecordRejected as error:
        print(error.reason)
"""


def test_nan_never_reaches_the_encoder() -> None:
    """LAME aborts the process on NaN; ours lives on, with a reason, from both doors."""
    done = subprocess.run(
        [sys.executable, "-c", NAN_SCRIPT], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "not_finite\nnot_finite\n")
