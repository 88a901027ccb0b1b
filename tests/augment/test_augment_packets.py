"""Which packets are lost, and what is played in their place."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.audio import Clip
from mosdata.augment.chain import harm
from mosdata.augment.concealment import conceal, pitch_period
from mosdata.augment.corruptions import build_corruption
from mosdata.augment.jitter import Delay, delays_of
from mosdata.augment.ladder import number
from mosdata.augment.packet_loss import gaps_of
from mosdata.augment.packets import bursts_of, fading_packets, lost_packets, packet_length
from mosdata.manifests.ids import rng_for
from mosdata.testing.clips import speechlike

RATES = [8_000, 16_000, 22_050, 48_000]


def voiced(sample_rate_hz: int, *, pitch_hz: float = 125.0, duration_s: float = 0.3) -> np.ndarray:
    """A steady vowel: harmonics of a pitch, float32."""
    phase = 2 * np.pi * pitch_hz * np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    tones = [np.sin(k * phase + k) / k for k in range(1, 12)]
    return (0.1 * np.sum(tones, axis=0)).astype(np.float32)


@given(
    num_packets=st.integers(2, 400),
    burst=st.sampled_from([1.0, 1.5, 4.0]),
    seed=st.integers(0, 2**53 - 1),
)
@settings(max_examples=60)
def test_a_higher_fraction_loses_the_same_packets_and_more(
    num_packets: int, burst: float, seed: int
) -> None:
    """Sets are nested and as large as asked; one packet is lost and one arrives."""
    before = np.zeros(num_packets, np.bool_)
    for fraction in [0.001, 0.01, 0.1, 0.1234, 0.4, 0.9, 0.99]:
        lost = lost_packets(num_packets, fraction=fraction, burst_packets=burst, seed=seed)

        assert (lost >= before).all()
        assert 1 <= lost.sum() <= num_packets - 1
        assert lost.sum() == min(
            num_packets - 1, max(1, int(np.ceil(np.round(fraction * num_packets, 6))))
        )
        before = lost


def gilbert(rng: np.random.Generator, count: int, fraction: float, burst: float) -> np.ndarray:
    """Gilbert's channel as he wrote it: two states, the bad one loses every packet."""
    leave = 1 / burst
    enter = leave * fraction / (1 - fraction)
    draws = rng.random(count)
    states = np.zeros(count, np.bool_)
    state = False
    for i, draw in enumerate(draws):
        state = draw >= leave if state else draw < enter
        states[i] = state
    return states


@pytest.mark.parametrize("burst", [1.0, 1.5, 3.0])
@pytest.mark.parametrize("fraction", [0.02, 0.08])
def test_bursts_are_those_of_the_channel(fraction: float, burst: float) -> None:
    """Lengths agree with a simulated Gilbert channel: means within 8 %, spreads within 15 %."""
    lengths = [
        stop - start
        for seed in range(60)
        for start, stop in bursts_of(
            lost_packets(2000, fraction=fraction, burst_packets=burst, seed=seed)
        )
    ]
    rng = np.random.default_rng(0)
    independent = rng.random(240_000) < fraction
    channel = gilbert(rng, 240_000, fraction, burst) if burst > 1 else independent
    expected = [stop - start for start, stop in bursts_of(channel)]

    assert pytest.approx(np.mean(expected), rel=0.08) == np.mean(lengths)
    assert pytest.approx(np.std(expected), rel=0.15, abs=0.05) == np.std(lengths)


def test_bursts_lie_anywhere() -> None:
    """Every packet of a clip is lost about as often as any other."""
    counts = np.sum(
        [lost_packets(50, fraction=0.2, burst_packets=1.5, seed=seed) for seed in range(3000)],
        axis=0,
    )

    assert counts.min() > 0.8 * 600
    assert counts.max() < 1.2 * 600


@pytest.mark.parametrize("sample_rate_hz", RATES)
def test_holes_are_whole_packets(sample_rate_hz: int) -> None:
    """Lost packets are digital silence, the others the very samples; the share is the drawn one."""
    samples = np.full(2 * sample_rate_hz, 0.25, np.float32)
    clip = Clip(samples, sample_rate_hz)
    corruption = build_corruption("packet_loss")
    applied = corruption.draw_at({"loss_fraction": 0.13}, clip, rng_for(2, "r", "packet_loss"))
    harmed = corruption.apply(clip, applied).samples
    length = round(0.02 * sample_rate_hz)
    packets = harmed[: len(harmed) // length * length].reshape(-1, length)

    assert {*np.unique(harmed)} == {np.float32(0), np.float32(0.25)}
    assert (np.ptp(packets, axis=1) == 0).all()
    assert np.ceil(0.13 * -(-len(samples) // length)) == np.ceil(
        np.count_nonzero(harmed == 0) / length
    )


@pytest.mark.parametrize("sample_rate_hz", RATES)
@pytest.mark.parametrize("pitch_hz", [70.0, 100.0, 142.0, 190.0])
def test_the_pitch_is_found(sample_rate_hz: int, pitch_hz: float) -> None:
    """Of a steady voice, to the sample; or a multiple of it that is within reach."""
    period = pitch_period(voiced(sample_rate_hz, pitch_hz=pitch_hz), sample_rate_hz=sample_rate_hz)
    periods = round(period * pitch_hz / sample_rate_hz)

    assert periods in {1, 2}
    assert abs(period - periods * sample_rate_hz / pitch_hz) <= 1


@pytest.mark.parametrize("sample_rate_hz", RATES)
def test_a_short_gap_in_a_steady_voice_is_hardly_heard(sample_rate_hz: int) -> None:
    """10 ms are filled to 20 dB of the original and better, without a step at the seams."""
    steady = voiced(sample_rate_hz)
    filled = steady.copy()
    start, stop = round(0.15 * sample_rate_hz), round(0.16 * sample_rate_hz)
    filled[start:stop] = 0
    conceal(filled, start, stop, sample_rate_hz=sample_rate_hz)
    gap = slice(start, stop)
    error = filled[gap] - steady[gap]

    assert 10 * np.log10(np.mean(steady[gap] ** 2) / np.mean(error**2)) > 20
    assert np.abs(np.diff(filled)).max() < 1.1 * np.abs(np.diff(steady)).max()


@pytest.mark.parametrize("sample_rate_hz", RATES)
def test_a_long_gap_fades_away(sample_rate_hz: int) -> None:
    """A fifth of the amplitude every 10 ms from 10 ms on, silence after 60 ms, and back in 10."""
    steady = voiced(sample_rate_hz, duration_s=0.5)
    filled = steady.copy()
    start, stop = round(0.2 * sample_rate_hz), round(0.3 * sample_rate_hz)
    filled[start:stop] = 0
    conceal(filled, start, stop, sample_rate_hz=sample_rate_hz)

    def loudness(at_s: float) -> float:
        begin = round(at_s * sample_rate_hz)
        part = filled[begin : begin + round(0.008 * sample_rate_hz)]
        return float(np.sqrt(np.mean(part**2)))

    steps = [loudness(0.2 + 0.001 + 0.01 * block) / loudness(0.1) for block in range(7)]

    assert steps == pytest.approx([1, 0.9, 0.7, 0.5, 0.3, 0.1, 0], abs=0.06)
    assert not filled[round(0.2601 * sample_rate_hz) : stop].any()
    back = stop + round(0.0101 * sample_rate_hz)
    before = start - round(0.004 * sample_rate_hz)
    assert np.array_equal(filled[back:], steady[back:])
    assert np.array_equal(filled[:before], steady[:before])


@pytest.mark.parametrize("gap", [(0, 320), (160, 480), (7000, 8000), (0, 7999)])
def test_gaps_at_the_ends_are_filled(gap: tuple[int, int]) -> None:
    """Nothing before a gap is silence, nothing after it no error; all is finite and no louder."""
    steady = voiced(16_000, duration_s=0.5)
    filled = steady.copy()
    filled[gap[0] : gap[1]] = np.nan  # what did not arrive cannot be used
    conceal(filled, *gap, sample_rate_hz=16_000)

    assert np.isfinite(filled).all()
    assert np.abs(filled).max() <= 1.05 * np.abs(steady).max()
    if gap[0] == 0:
        assert not filled[: gap[1]].any()


@pytest.mark.parametrize("name", ["packet_loss", "packet_loss_concealed"])
def test_levels_lose_the_same_packets_and_more(name: str) -> None:
    """Through draw, with the record's own chance."""
    clip = speechlike(3.0)
    corruption = build_corruption(name)
    gaps, wanted = [], []
    for level in np.linspace(0.05, 1, 20):
        applied = corruption.draw(float(level), clip, rng_for(5, "r", name))
        covered = np.zeros(clip.num_samples, np.bool_)
        for start, stop in gaps_of(clip, applied):
            covered[start:stop] = True
        gaps.append(covered)
        wanted.append(max(1, math.ceil(150 * number(applied, "loss_fraction"))))

    assert all((more >= less).all() for less, more in pairwise(gaps))
    assert [covered.sum() for covered in gaps] == [320 * packets for packets in wanted]
    assert wanted[0] == 1
    assert wanted[-1] > 10


def test_short_clips_have_short_packets() -> None:
    """Half of a clip arrives, however short it is."""
    assert [packet_length(n, 16_000, packet_s=0.02) for n in (1, 2, 5, 639, 640, 10_000)] == [
        1,
        1,
        2,
        319,
        320,
        320,
    ]


@given(num_packets=st.integers(1, 300), seed=st.integers(0, 2**53 - 1))
@settings(max_examples=60)
def test_a_higher_fraction_has_the_same_delays_and_more(num_packets: int, seed: int) -> None:
    """Delays never touch, never reach before the clip or to its end, and only grow in number."""
    before: list[Delay] = []
    for fraction in [0.004, 0.01, 0.05, 0.1, 0.25]:
        delays = delays_of(np.ones(num_packets, np.bool_), fraction=fraction, seed=seed)
        covered = sorted((delay.first, delay.last) for delay in delays)

        assert [delay[:3] for delay in before] == [delay[:3] for delay in delays[: len(before)]]
        assert all(stop < start for (_, stop), (start, _) in pairwise(covered))
        assert all(delay.packets <= delay.first for delay in delays)
        assert all(delay.last < num_packets for delay in delays)
        assert len(delays) <= np.ceil(fraction * num_packets)
        before = delays


@pytest.mark.parametrize("sample_rate_hz", RATES)
def test_jitter_plays_packets_late_and_catches_up(sample_rate_hz: int) -> None:
    """Of a clip that counts its samples: whole packets late where it says, in time elsewhere."""
    count = 2 * sample_rate_hz
    clip = Clip(np.arange(count, dtype=np.float32) / np.float32(count), sample_rate_hz)
    corruption = build_corruption("jitter")
    applied = corruption.draw_at({"late_fraction": 0.08}, clip, rng_for(1, "r", "jitter"))
    heard = np.rint(corruption.apply(clip, applied).samples.astype(float) * count)
    late = np.arange(count) - heard
    length = round(0.02 * sample_rate_hz)
    seed = int(str(applied.params["jitter_seed"]))
    blend = round(0.002 * sample_rate_hz)
    expected = np.zeros(count)
    for delay in delays_of(np.ones(count // length, np.bool_), fraction=0.08, seed=seed):
        expected[delay.first * length : delay.last * length] = delay.packets * length
    steady = np.ones(count, np.bool_)  # away from seams, and from the delay that is mixed in
    for place in np.flatnonzero(np.diff(expected)) + 1:
        steady[place : place + blend] = False
    last = delays_of(np.ones(count // length, np.bool_), fraction=0.08, seed=seed)[-1]
    steady[last.first * length : last.last * length] &= last.share == 1

    np.testing.assert_allclose(late[steady], expected[steady], atol=1)
    assert 3 * length == expected.max()
    assert heard[-1] == count - 1
    assert applied.params["aligned"] is False


def test_jitter_does_not_click() -> None:
    """Seams make no step larger than the voice's own."""
    steady = Clip(voiced(16_000, duration_s=2.0), 16_000)
    corruption = build_corruption("jitter")
    heard = corruption.apply(steady, corruption.draw(1.0, steady, rng_for(1, "r", "jitter")))

    assert np.abs(np.diff(heard.samples)).max() < 1.3 * np.abs(np.diff(steady.samples)).max()


@pytest.mark.parametrize("duration_s", [0.4, 1.0, 4.0])
@pytest.mark.parametrize("name", ["packet_loss", "packet_loss_concealed", "time_mask"])
def test_no_two_levels_are_the_same_however_short_the_clip(name: str, duration_s: float) -> None:
    """And each is farther from the clean clip than the one below: the same loss, and more."""
    steady = np.random.default_rng(0).standard_normal(round(16_000 * duration_s), dtype=np.float32)
    clip = Clip(np.float32(0.05) * steady, 16_000)
    corruption = build_corruption(name)
    before, nearer = clip.samples, 0.0
    for level in np.linspace(0.05, 1, 20):
        drawn = corruption.draw(float(level), clip, rng_for(1, "r", name))
        harmed = corruption.apply(clip, drawn).samples
        distance = float(np.sum((harmed - clip.samples).astype(np.float64) ** 2))

        assert not np.array_equal(harmed, before)
        if name == "packet_loss":  # what is made up may happen to come nearer
            assert distance > nearer
        before, nearer = harmed, distance


def test_the_next_packet_goes_in_part() -> None:
    """In the order of the loss; between two shares of it, exactly between the two sounds."""
    clip = Clip(np.full(32_000, 0.25, np.float32), 16_000)  # 100 packets
    corruption = build_corruption("packet_loss")
    drawn = corruption.draw(0.5, clip, rng_for(1, "r", "packet_loss"))

    def lost(fraction: float, num_fading: int) -> np.ndarray:
        params = {**drawn.params, "loss_fraction": fraction, "num_fading": num_fading}
        harmed = corruption.apply(clip, replace(drawn, params=params)).samples
        return 1 - 4 * harmed.reshape(100, 320).mean(axis=1)

    whole, part = lost(0.04, 0), lost(0.0425, 1)

    assert sorted({*np.round(part, 5)}) == pytest.approx([0.0, 0.25, 1.0], abs=1e-5)
    assert part.sum() == pytest.approx(4.25, abs=1e-4)
    assert np.array_equal(part == 1, whole == 1)
    assert (lost(0.05, 0) - whole).argmax() == np.flatnonzero(np.isclose(part, 0.25, atol=1e-5))[0]


@given(
    heard=st.lists(st.booleans(), min_size=1, max_size=40).filter(any),
    more_silence=st.sets(st.integers(0, 39)),
    fractions=st.tuples(st.floats(0.001, 0.6), st.floats(0.001, 0.6)).map(sorted),
    seed=st.integers(0, 99),
)
@settings(max_examples=200, deadline=None)
def test_losses_pass_silence_over(
    heard: list[bool], more_silence: set[int], fractions: list[float], seed: int
) -> None:
    """None of it is lost; more is more; and a clip with more silence loses what it lost before."""
    sounds = np.array(heard)
    fewer = sounds & ~np.isin(np.arange(len(heard)), list(more_silence))

    def lost(heard: np.ndarray, fraction: float) -> np.ndarray:
        return fading_packets(heard, fraction=fraction, burst_packets=1.5, seed=seed)

    less, more = (lost(sounds, fraction) for fraction in fractions)

    assert not more[~sounds].any()
    assert (more >= less - 1e-12).all()
    assert fractions[0] == fractions[1] or more.sum() > less.sum()
    assert 0 < more.sum() < sounds.sum()
    if sounds.all():
        assert pytest.approx(fractions[1] * len(heard)) == more.sum()
    if np.count_nonzero(fewer) > 1 and np.count_nonzero(lost(fewer, fractions[1])) < fewer.sum():
        assert (lost(fewer, fractions[1])[fewer] >= less[fewer] - 1e-12).all()


@given(
    heard=st.lists(st.booleans(), min_size=2, max_size=60),
    more_silence=st.sets(st.integers(0, 59)),
    seed=st.integers(0, 99),
)
@settings(max_examples=100, deadline=None)
def test_silence_is_not_played_late_in_place_of_silence(
    heard: list[bool], more_silence: set[int], seed: int
) -> None:
    """Each delay moves what sounds, to or from; with more silence those that remain are as deep."""
    sounds = np.array(heard)
    delays = delays_of(sounds, fraction=0.1, seed=seed)
    for delay in delays:
        late = sounds[delay.first - delay.packets : delay.last - delay.packets]
        assert late.any() or sounds[delay.first : delay.last].any()

    fewer = sounds & ~np.isin(np.arange(len(heard)), list(more_silence))
    shares = {delay[:3]: delay.share for delay in delays_of(fewer, fraction=0.1, seed=seed)}
    for delay in delays:
        late = fewer[delay.first - delay.packets : delay.last - delay.packets]
        if late.any() or fewer[delay.first : delay.last].any():
            assert shares[delay[:3]] >= delay.share


@pytest.mark.parametrize(
    "kinds",
    [
        ["time_mask", "packet_loss"],
        ["packet_loss", "time_mask"],
        ["bit_depth", "packet_loss"],
        ["g726", "time_mask"],
    ],
)
def test_chains_that_silence_are_nested(kinds: list[str]) -> None:
    """What the first one silences does not save what the second one took."""
    clip = Clip(voiced(16_000, duration_s=4.0), 16_000)
    silent = np.zeros(800, np.bool_)
    for level in (0.2, 0.5, 0.7, 0.8, 0.9, 1.0):
        _, harmed = harm(kinds, level, clip, seed=1, record_id="a")
        before, silent = silent, np.abs(harmed.samples).reshape(800, 80).max(axis=1) == 0
        assert not (before & ~silent).any()
    assert silent.any()
