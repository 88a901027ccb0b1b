"""Audio at the door: samples that are written are the samples that are read."""

import errno
import io
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mosdata.audio import (
    PCM16_SCALE,
    SILENCE_DBFS,
    Clip,
    decode_audio,
    encode_flac,
    from_pcm16,
    measure_levels,
    pcm_sha256,
    resample,
    to_pcm16,
)
from mosdata.errors import InvalidValue, RecordRejected
from mosdata.testing import clip
from mosdata.testing.clips import clips

PCM = hnp.arrays(np.int16, st.integers(1, 400))


def sine(frequency_hz: float, amplitude: float = 0.5, rate_hz: int = 16_000) -> Clip:
    """One second of a tone with a whole number of periods."""
    time_s = np.arange(rate_hz) / rate_hz
    samples = amplitude * np.sin(2 * np.pi * frequency_hz * time_s)
    return Clip(samples.astype(np.float32), rate_hz)


def wav_bytes(samples: np.ndarray, rate_hz: int, subtype: str = "PCM_16") -> bytes:
    """A WAV file in memory."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="WAV", subtype=subtype)
    return buffer.getvalue()


@given(PCM)
def test_every_16_bit_integer_survives_the_way_to_float_and_back(pcm):
    """Integers to samples to integers is the identity, for all of int16."""
    assert np.array_equal(pcm, to_pcm16(from_pcm16(pcm)))


@given(PCM, st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000]))
def test_flac_keeps_every_sample_and_the_rate(pcm, rate_hz):
    """What is encoded is decoded bit for bit."""
    original = Clip(from_pcm16(pcm), rate_hz)

    back = decode_audio(encode_flac(original))

    assert rate_hz == back.sample_rate_hz
    assert np.array_equal(original.samples, back.samples)


@given(hnp.arrays(np.float32, 64, elements=st.floats(-1e6, 1e6, width=32)))
def test_what_lies_beyond_full_scale_is_clipped_and_never_wrapped(samples):
    """The sign never turns, and what is inside moves by half a step at most."""
    pcm = to_pcm16(samples)

    assert np.all(pcm[samples >= 1] == 32767)
    assert np.all(pcm[samples <= -1] == -32768)
    inside = np.abs(samples) < 1 - 1 / PCM16_SCALE
    assert np.all(np.abs(pcm[inside] / PCM16_SCALE - samples[inside]) <= 0.5 / PCM16_SCALE)


@given(clips())
def test_a_stored_clip_is_the_clip_that_is_read_back(sound):
    """``stored`` promises the very samples that decoding gives, with the same checksum."""
    back = decode_audio(encode_flac(sound))

    assert np.array_equal(from_pcm16(to_pcm16(sound.samples)), back.samples)
    assert pcm_sha256(sound) == pcm_sha256(back)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_rejected_with_their_number(bad):
    """NaN and infinity never reach an encoder; the message counts them."""
    samples = np.zeros(100, np.float32)
    samples[[3, 7]] = bad

    with pytest.raises(RecordRejected, match="2 of 100 samples") as caught:
        encode_flac(Clip(samples, 16_000))

    assert caught.value.reason == "not_finite"


def test_a_float_file_with_nan_is_rejected_when_it_is_read():
    """The door checks both ways."""
    samples = np.array([0.1, np.nan, 0.2], np.float32)

    with pytest.raises(RecordRejected) as caught:
        decode_audio(wav_bytes(samples, 16_000, subtype="FLOAT"))

    assert caught.value.reason == "not_finite"


def test_a_clip_without_samples_is_rejected():
    """An empty clip can be held, measured, but not stored; nor can an empty file be read."""
    empty = Clip(np.zeros(0, np.float32), 16_000)

    with pytest.raises(RecordRejected) as written:
        encode_flac(empty)
    with pytest.raises(RecordRejected) as read:
        decode_audio(wav_bytes(empty.samples, 16_000))

    assert [written.value.reason, read.value.reason] == ["empty_audio"] * 2
    levels = measure_levels(empty)
    assert (levels.peak_dbfs, levels.rms_dbfs) == (SILENCE_DBFS, SILENCE_DBFS)
    assert (levels.clipped_fraction, levels.bandwidth_hz) == (0.0, 0.0)


@pytest.mark.parametrize(
    "samples",
    [np.zeros((10, 2), np.float32), np.zeros(10, np.float64), np.zeros(10, np.int16)],
    ids=["two-channels", "float64", "int16"],
)
def test_a_clip_is_mono_float32(samples):
    """Anything else is refused where the clip is made."""
    with pytest.raises(InvalidValue, match="float32 array of shape"):
        Clip(samples, 16_000)


def test_a_rate_below_one_hertz_is_refused():
    """A rate of zero would make every duration infinite."""
    with pytest.raises(InvalidValue, match="1 Hz or more"):
        Clip(np.zeros(10, np.float32), 0)


def test_stereo_becomes_the_mean_of_its_channels():
    """Channels are averaged, not summed, not dropped."""
    left, right = np.full(50, 0.5, np.float32), np.full(50, -0.25, np.float32)

    mono = decode_audio(wav_bytes(np.stack([left, right], axis=1), 16_000))

    assert np.allclose(mono.samples, 0.125)


@pytest.mark.parametrize("num_channels", [1, 2])
def test_what_was_read_cannot_be_written_to(num_channels):
    """Pools, ladders and remembered levels rest on it."""
    read = decode_audio(wav_bytes(np.zeros((50, num_channels), np.float32), 16_000))

    with pytest.raises(ValueError, match="read-only"):
        read.samples[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        read.samples[:5].sort()


def refused(*_):
    """As where all descriptors are in use, or a sandbox allows no such files."""
    raise OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize("have", [None, refused])
@given(pcm=PCM, rate_hz=st.sampled_from([8_000, 16_000, 48_000]))
def test_a_system_without_files_in_memory_makes_the_same_bytes(have, pcm, rate_hz):
    """Windows and macOS, and where no more can be had."""
    original = Clip(from_pcm16(pcm), rate_hz)
    with pytest.MonkeyPatch.context() as patched:
        patched.delattr(os, "memfd_create", raising=False)
        if have:
            patched.setattr(os, "memfd_create", have, raising=False)
        elsewhere = encode_flac(original)

    assert elsewhere == encode_flac(original)


def test_encoding_leaves_no_file_open():
    """Not where it fails either."""
    before = {*Path("/proc/self/fd").iterdir()}
    for _ in range(20):
        encode_flac(clip())
        with suppress(Exception):
            encode_flac(Clip(np.zeros(10, np.float32), 2**31 - 1))

    assert len({*Path("/proc/self/fd").iterdir()} - before) == 0


@given(st.binary(max_size=300))
def test_bytes_that_are_not_audio_are_rejected_and_nothing_else_happens(data):
    """Garbage gives one kind of error, whatever the bytes."""
    with pytest.raises(RecordRejected) as caught:
        decode_audio(data)

    assert caught.value.reason in ("unreadable_audio", "empty_audio")


@given(st.binary(min_size=1, max_size=40), st.integers(0, 600))
def test_flac_with_overwritten_bytes_is_decoded_or_rejected(patch, place):
    """A damaged file never brings down more than its own record."""
    data = bytearray(encode_flac(clip(0.05)))
    place %= len(data)
    data[place : place + len(patch)] = patch

    with suppress(RecordRejected):
        decoded = decode_audio(bytes(data))

        assert np.isfinite(decoded.samples).all()


def test_a_file_that_is_missing_is_named(tmp_path):
    """The message says which file."""
    with pytest.raises(RecordRejected, match=r"gone\.wav"):
        decode_audio(tmp_path / "gone.wav")


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize(("form", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_24")])
def test_files_of_any_rate_are_read_at_their_own_rate(tmp_path, rate_hz, form, subtype):
    """Reading changes no rate; resampling is asked for."""
    import soundfile

    path = tmp_path / f"clip.{form.lower()}"
    samples = sine(440, rate_hz=rate_hz).samples
    soundfile.write(path, samples, rate_hz, format=form, subtype=subtype)

    read = decode_audio(path)

    assert rate_hz == read.sample_rate_hz
    assert np.allclose(samples, read.samples, atol=1 / PCM16_SCALE)


@given(
    st.integers(100, 5_000),
    st.sampled_from([8_000, 16_000, 22_050, 24_000, 44_100, 48_000]),
    st.sampled_from([8_000, 16_000, 24_000, 48_000]),
)
def test_resampling_keeps_the_duration(num_samples, rate_hz, wanted_hz):
    """The length follows the ratio of the rates to within one sample."""
    sound = Clip(np.zeros(num_samples, np.float32), rate_hz)

    changed = resample(sound, wanted_hz)

    assert wanted_hz == changed.sample_rate_hz
    assert abs(num_samples * wanted_hz / rate_hz - changed.num_samples) <= 1


def test_resampling_to_the_same_rate_is_the_same_clip():
    """Nothing is computed where there is nothing to do."""
    sound = clip()

    assert resample(sound, sound.sample_rate_hz) is sound


def test_a_tone_keeps_its_level_and_pitch_through_a_resampler():
    """1 kHz at 48 kHz is 1 kHz at 16 kHz, as loud as before."""
    changed = resample(sine(1_000, rate_hz=48_000), 16_000)

    middle = changed.samples[1_600:-1_600]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * 16_000 / len(middle) == pytest.approx(1_000, abs=1)
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, rel=1e-3)


BIN_HZ = 16_000 / 1024
"""Bandwidth is measured on frames of 1024 samples; ends of a clip blur it by some bins."""


def test_levels_of_a_sine_are_those_of_the_textbook():
    """Peak 0.5 is -6.02 dBFS, its RMS 3.01 dB below, and all of its energy at its frequency."""
    levels = measure_levels(sine(1_000, amplitude=0.5))

    assert levels.peak_dbfs == pytest.approx(-6.0206, abs=1e-3)
    assert levels.rms_dbfs == pytest.approx(-9.0309, abs=1e-3)
    assert levels.bandwidth_hz == pytest.approx(1_000, abs=4 * BIN_HZ)
    assert levels.clipped_fraction == 0.0


def test_bandwidth_is_where_the_energy_ends():
    """A quiet high tone 20 dB down counts (1 %), one 40 dB down does not (0.01 %)."""
    loud = sine(500, amplitude=0.5).samples
    heard = Clip(loud + sine(6_000, amplitude=0.05).samples, 16_000)
    unheard = Clip(loud + sine(6_000, amplitude=0.005).samples, 16_000)

    assert measure_levels(heard).bandwidth_hz == pytest.approx(6_000, abs=4 * BIN_HZ)
    assert measure_levels(unheard).bandwidth_hz == pytest.approx(500, abs=4 * BIN_HZ)


@given(st.integers(1, 200_000), st.floats(-1.9, 0.9), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_bandwidth_is_that_of_its_definition(num_samples, pole, seed):
    """Of 99.9 % of the energy of Hamming frames side by side, in double precision by numpy."""
    noise = np.random.default_rng(seed).standard_normal(num_samples)
    coloured = noise - pole * np.roll(noise, 1)
    clip = Clip((0.1 * coloured).astype(np.float32), 16_000)

    pcm = to_pcm16(clip.samples).astype(float)
    assume(pcm.any())
    frames = np.pad(pcm, (0, -len(pcm) % 1024)).reshape(-1, 1024) * np.hamming(1024)
    power = (np.abs(np.fft.rfft(frames, axis=1)) ** 2).sum(axis=0)
    share = np.cumsum(power) / power.sum()
    found = round(measure_levels(clip).bandwidth_hz / BIN_HZ)
    assert share[found] >= 0.999 - 1e-6
    assert found == 0 or share[found - 1] < 0.999 + 1e-6


def test_clipped_samples_are_counted_at_both_ends_of_the_scale():
    """A quarter of the samples at full scale is a clipped fraction of a quarter."""
    samples = np.zeros(8, np.float32)
    samples[[0, 1]] = 32767 / PCM16_SCALE, -1.0

    assert measure_levels(Clip(samples, 8_000)).clipped_fraction == 0.25


@given(
    hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1.25, 1.25, width=32)),
    st.sampled_from([1.0, 2.0**-15, 2.0**-16]),
)
def test_the_peak_is_that_of_the_samples_that_are_kept(samples, scale):
    """The rounding of the largest sample is the largest of the rounded ones, at every step."""
    found = Clip(samples * np.float32(scale), 16_000)
    steps = np.abs(to_pcm16(found.samples).astype(int)).max()

    expected = max(SILENCE_DBFS, 20 * np.log10(steps / PCM16_SCALE)) if steps else SILENCE_DBFS
    assert measure_levels(found).peak_dbfs == pytest.approx(expected)


def test_silence_has_a_level_that_can_be_stored():
    """No minus infinity in the table."""
    levels = measure_levels(Clip(np.zeros(100, np.float32), 16_000))

    assert (levels.peak_dbfs, levels.rms_dbfs) == (SILENCE_DBFS, SILENCE_DBFS)
    assert levels.bandwidth_hz == 0.0
