"""Vocoders: close to their source, the same length, and right where theory says what is right."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.audio import Clip
from mosdata.errors import MissingExtra
from mosdata.manifests.ids import rng_for
from mosdata.synth.base import SpeechRequest
from mosdata.synth.resynthesis import HIGHEST_PEAK, Resynthesis
from mosdata.synth.tone import Tone
from mosdata.testing import speechlike
from mosdata.vocoding import frames, world
from mosdata.vocoding.base import Vocoder
from mosdata.vocoding.frames import cut_frames, hann, overlap_add
from mosdata.vocoding.griffinlim import GriffinLim, invert_mels, mel_filters
from mosdata.vocoding.lpc import Lpc, excitation, levinson
from mosdata.vocoding.pitch import Pitch, track_pitch
from mosdata.vocoding.sinusoidal import Sinusoidal, find_peaks

RATE = 22_050

VOCODERS = [GriffinLim, Lpc, Sinusoidal, world.World]


def _make(vocoder: type) -> Vocoder:
    if vocoder is world.World:
        pytest.importorskip("pyworld", reason="extra 'world' is not installed")
    return vocoder()


def _vowel(duration_s: float = 0.8, pitch_hz: float = 120.0, rate: int = RATE) -> Clip:
    """Pulses through three resonances, between silences."""
    from scipy.signal import lfilter

    pulses = np.zeros(round(duration_s * rate))
    pulses[:: round(rate / pitch_hz)] = 1.0
    for formant_hz, width_hz in [(700, 80), (1200, 90), (2600, 120)]:
        radius = np.exp(-np.pi * width_hz / rate)
        angle = 2 * np.pi * formant_hz / rate
        pulses = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], pulses)
    silence = np.zeros(rate // 10)
    voice = np.concatenate([silence, 0.5 * pulses / np.abs(pulses).max(), silence])
    return Clip(voice.astype(np.float32), rate)


def _band_levels_db(clip: Clip) -> np.ndarray:
    """Mel-band levels, 80 bands up to 8 kHz, floor at -60 dB below the clip's highest."""
    frames = cut_frames(clip.samples, frame_length=1024, hop_length=256)
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(1024))).astype(np.float32)
    bands = mel_filters(1024, clip.sample_rate_hz) @ magnitude.T
    return 20 * np.log10(np.maximum(bands, 1e-3 * bands.max()))


def _distance_db(one: Clip, two: Clip) -> float:
    """Root mean square difference of the band levels."""
    return float(np.sqrt(np.mean((_band_levels_db(one) - _band_levels_db(two)) ** 2)))


@pytest.mark.parametrize(
    ("vocoder", "bound_db"), list(zip(VOCODERS, [4.0, 6.0, 5.0, 5.0], strict=True))
)
def test_resynthesis_stays_close_to_its_source(vocoder: type, bound_db: float) -> None:
    """Band levels are far nearer than those of another sound; level (3 dB) and length stay."""
    source, other = _vowel(), speechlike(1.0, RATE)

    heard = _make(vocoder).resynthesize(source, rng=rng_for(1, "x", "test"))

    assert heard.num_samples == source.num_samples
    assert heard.sample_rate_hz == source.sample_rate_hz
    assert _distance_db(source, heard) < bound_db < _distance_db(source, other)
    assert abs(20 * np.log10(np.std(heard.samples) / np.std(source.samples))) < 3


@pytest.mark.parametrize("vocoder", VOCODERS)
def test_resynthesis_is_not_the_source(vocoder: type) -> None:
    """A vocoder changes the wave: the clip went through its parameters."""
    source = _vowel()

    heard = _make(vocoder).resynthesize(source, rng=rng_for(1, "x", "test"))

    assert np.abs(heard.samples - source.samples).max() > 0.01


@pytest.mark.parametrize("vocoder", VOCODERS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_every_rate_and_odd_lengths(vocoder: type, rate: int) -> None:
    """Length is kept to the sample at the rates that engines have."""
    source = Clip(speechlike(0.5, rate).samples[:-7], rate)

    heard = _make(vocoder).resynthesize(source, rng=rng_for(1, "x", "test"))

    assert heard.num_samples == source.num_samples
    assert np.isfinite(heard.samples).all()


@pytest.mark.parametrize("vocoder", VOCODERS)
def test_silence_stays_silent(vocoder: type) -> None:
    """Nothing in, nothing out: no division by zero, no noise from nowhere."""
    silence = Clip(np.zeros(RATE // 2, np.float32), RATE)

    heard = _make(vocoder).resynthesize(silence, rng=rng_for(1, "x", "test"))

    assert np.abs(heard.samples).max() < 1e-4


def test_resynthesis_never_exceeds_full_scale() -> None:
    """A phase that adds up too high is turned down, not clipped."""

    class Loud:
        name = "loud"

        def revision(self) -> str:
            return "1"

        def resynthesize(self, clip: Clip, *, rng: np.random.Generator) -> Clip:  # noqa: ARG002  # fixed gain
            return Clip(clip.samples * np.float32(9), clip.sample_rate_hz)

    request = SpeechRequest(text="Hello there.", language="en", voice="low", seed=1)
    plain = Tone().synthesize(request)

    loud = Resynthesis(Tone(), Loud()).synthesize(request).clip

    assert np.abs(loud.samples).max() == pytest.approx(HIGHEST_PEAK, rel=1e-6)
    assert np.corrcoef(loud.samples, plain.samples)[0, 1] == pytest.approx(1.0)


def test_names_and_revisions_say_what_was_done() -> None:
    """A vocoder over a user's engine is a system with both names."""
    system = Resynthesis(Tone(), Lpc())

    assert system.info.name == "tone-lpc"
    assert system.info.family == "test+lpc"
    assert system.revision() == "tone/1 > lpc/1"


@given(seed=st.integers(0, 2**16), order=st.integers(1, 24))
@settings(max_examples=25, deadline=None)
def test_levinson_solves_the_normal_equations(seed: int, order: int) -> None:
    """The recursion gives what a general Toeplitz solver gives."""
    from scipy.linalg import solve_toeplitz

    signal = np.random.default_rng(seed).standard_normal((3, 200))
    power = np.abs(np.fft.rfft(signal, 512)) ** 2
    correlation = np.fft.irfft(power, 512)[:, : order + 1]

    filters, left = levinson(correlation)

    for row, found, energy in zip(correlation, filters, left, strict=True):
        expected = solve_toeplitz(row[:-1], -row[1:])
        assert found[1:] == pytest.approx(expected, abs=1e-9)
        assert energy == pytest.approx(row[0] + row[1:] @ expected)


@pytest.mark.parametrize("pitch_hz", [80.0, 121.3, 240.0, 333.0])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_pitch_of_a_vowel(pitch_hz: float, rate: int) -> None:
    """Right within 2 % on a steady vowel, silent where there is none."""
    vowel = _vowel(0.5, pitch_hz, rate)
    true_hz = rate / round(rate / pitch_hz)

    pitch = track_pitch(vowel, hop_s=0.005, num_frames=140)

    inside = pitch.hz[30:110]
    assert np.median(inside) == pytest.approx(true_hz, rel=0.02)
    assert np.mean(inside > 0) > 0.9
    assert not pitch.hz[:10].any()


def test_noise_has_no_pitch() -> None:
    """White noise is unvoiced nearly everywhere."""
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) / 8

    pitch = track_pitch(Clip(noise, RATE), hop_s=0.005, num_frames=190)

    assert (pitch.hz > 0).mean() < 0.05


def test_excitation_has_unit_power_and_the_right_pulses() -> None:
    """100 Hz for a second is a hundred pulses; both kinds of excitation are equally strong."""
    rng = np.random.default_rng(0)
    pitch = Pitch(np.repeat([100.0, 0.0], 200))

    source = excitation(pitch, hop_length=80, sample_rate_hz=16_000, rng=rng)

    voiced, unvoiced = source[:16_000], source[16_000:]
    assert np.count_nonzero(voiced) == pytest.approx(100, abs=1)
    assert np.mean(voiced**2) == pytest.approx(1, rel=0.02)
    assert np.mean(unvoiced**2) == pytest.approx(1, rel=0.05)


def test_mel_inversion_explains_the_bands() -> None:
    """The recovered spectrum is not negative, and its mel bands are the given ones within 5 %."""
    filters = mel_filters(1024, RATE)
    spectrum = np.random.default_rng(0).gamma(1.0, size=(513, 20)).astype(np.float32)
    bands = filters @ spectrum

    again = filters @ invert_mels(bands, filters)

    assert (invert_mels(bands, filters) >= 0).all()
    assert np.linalg.norm(again - bands) < 0.05 * np.linalg.norm(bands)


def test_mel_filters_are_triangles_on_the_mel_scale() -> None:
    """Eighty bands, none empty, highest at most 1, nothing above 8 kHz."""
    filters = mel_filters(1024, RATE).toarray()
    above_8_khz = np.arange(513) * RATE / 1024 > 8000

    assert filters.shape == (80, 513)
    assert (filters.sum(axis=1) > 0).all()
    assert 0.9 < filters.max() <= 1
    assert not filters[:, above_8_khz].any()


def test_peaks_find_two_sines() -> None:
    """Frequency within 1 Hz, amplitude within 2 %, phase within 0.05 rad."""
    time = np.arange(660) - 330
    one, two = 2 * np.pi * 440.3 / RATE, 2 * np.pi * 1234.5 / RATE
    frame = 0.5 * np.cos(one * time + 1.0) + 0.2 * np.cos(two * time - 2.0)

    peaks = find_peaks(frame[None])

    strongest = np.argsort(-peaks.amplitude[0])[:2]
    assert peaks.frequency[0, strongest] == pytest.approx([one, two], abs=2 * np.pi / RATE)
    assert peaks.amplitude[0, strongest] == pytest.approx([0.5, 0.2], rel=0.02)
    assert peaks.phase[0, strongest] == pytest.approx([1.0, -2.0], abs=0.05)


def test_sines_come_back_as_they_were() -> None:
    """A steady chord is inside the model: it comes back with 30 dB of signal to noise."""
    time_s = np.arange(RATE) / RATE
    chord = sum(np.cos(2 * np.pi * hz * time_s + hz) for hz in (220, 330.5, 1999)) / 8
    source = Clip(chord.astype(np.float32), RATE)

    heard = Sinusoidal().resynthesize(source, rng=rng_for(1, "x", "test"))

    inside = slice(RATE // 10, -RATE // 10)
    error = heard.samples[inside] - source.samples[inside]
    assert 10 * np.log10(np.mean(chord[inside] ** 2) / np.mean(error**2)) > 30


def test_cutting_and_adding_up_are_inverse() -> None:
    """Hann windows at half their length add up to one, so inner samples come back exactly."""
    samples = np.random.default_rng(0).standard_normal(1000)

    frames = cut_frames(samples, frame_length=100, hop_length=50) * hann(100)

    assert overlap_add(frames, hop_length=50)[50:-50] == pytest.approx(samples[50:-50])


def test_missing_pyworld_is_noticed_when_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error names it, before any speech."""
    monkeypatch.setitem(sys.modules, "pyworld", None)

    with pytest.raises(MissingExtra, match=r"pip install 'mosdata\[world\]'"):
        world.World()


@pytest.mark.parametrize("at_once", [3, 64])
def test_a_long_clip_is_taken_in_parts_without_a_trace(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linear prediction and pitch need the spectra of some frames only, not of ten minutes."""
    clip = _vowel()
    whole = Lpc().resynthesize(clip, rng=rng_for(0, "clip", "lpc"))
    monkeypatch.setattr(frames, "FRAMES_AT_ONCE", at_once)
    in_parts = Lpc().resynthesize(clip, rng=rng_for(0, "clip", "lpc"))

    np.testing.assert_allclose(in_parts.samples, whole.samples, atol=1e-6)
