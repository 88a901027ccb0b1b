"""Coloured and speech-shaped noise, measured by other means."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.augment import coloured_noise, speech_shaped
from mosdata.augment.corruptions import build_corruption
from mosdata.augment.speech_level import active_level_dbfs
from mosdata.errors import InvalidValue
from mosdata.manifests.ids import rng_for
from mosdata.manifests.rows import Applied
from mosdata.testing.clips import speechlike

NOISES = ["pink_noise", "brown_noise", "speech_shaped_noise"]
EXPONENTS = {"pink_noise": 0.5, "brown_noise": 1.0}


def noise_under(clip: Clip, name: str, level: float) -> tuple[np.ndarray, Applied]:
    """What was added, and what was drawn."""
    corruption = build_corruption(name)
    applied = corruption.draw(level, clip, rng_for(0, "r", name))
    return corruption.apply(clip, applied).samples.astype(float) - clip.samples, applied


def quiet_speech(sample_rate_hz: int) -> Clip:
    """Speech with a pause after it, and room for noise below full scale."""
    speech = 0.003 * speechlike(1.0, sample_rate_hz).samples
    return Clip(np.concatenate([speech, np.zeros(sample_rate_hz, np.float32)]), sample_rate_hz)


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("level", [0.2, 0.6, 1.0])
def test_the_ratio_is_what_it_says(name: str, sample_rate_hz: int, level: float) -> None:
    """Active speech over noise is the recorded snr_db within 0.1 dB; the pause has no say."""
    clip = quiet_speech(sample_rate_hz)
    noise, applied = noise_under(clip, name, level)
    snr_db = active_level_dbfs(clip) - 10 * np.log10(np.mean(noise**2))

    assert pytest.approx(applied.params["snr_db"], abs=0.1) == snr_db


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 44_100, 96_000])
@pytest.mark.parametrize("name", EXPONENTS)
def test_the_slope_is_that_of_the_colour(name: str, sample_rate_hz: int) -> None:
    """-3.01 and -6.02 dB an octave within 0.05, and nowhere 0.35 dB off the line."""
    from scipy.signal import sosfreqz

    exponent = EXPONENTS[name]
    hz = np.geomspace(150, 0.47 * sample_rate_hz, 300)
    sections = coloured_noise._sections(exponent, sample_rate_hz)
    _, response = sosfreqz(sections, worN=hz, fs=sample_rate_hz)
    gain_db = 20 * np.log10(np.abs(response))
    slope, start = np.polyfit(np.log2(hz), gain_db, 1)

    assert pytest.approx(-20 * np.log10(2) * exponent, abs=0.05) == slope
    assert np.abs(gain_db - start - slope * np.log2(hz)).max() < 0.35


@pytest.mark.parametrize("name", EXPONENTS)
def test_the_noise_has_the_slope_of_its_filter(name: str) -> None:
    """Measured on a minute of noise by Welch's method, from its first sample on."""
    from scipy.signal import welch

    exponent = EXPONENTS[name]
    noise = coloured_noise.coloured_noise(5, 960_000, exponent=exponent, sample_rate_hz=16_000)
    hz, power = welch(noise, 16_000, nperseg=4096)
    band = (hz > 150) & (hz < 7500)
    # Every octave counts the same, not every bin.
    slope = np.polyfit(np.log2(hz[band]), 10 * np.log10(power[band]), 1, w=hz[band] ** -0.5)[0]
    firsts = [
        coloured_noise.coloured_noise(seed, 160, exponent=exponent, sample_rate_hz=16_000)
        for seed in range(300)
    ]

    assert pytest.approx(-20 * np.log10(2) * exponent, abs=0.1) == slope
    assert pytest.approx(np.std(noise), rel=0.15) == np.std(firsts)


def test_speech_shaped_noise_has_the_spectrum_of_the_speech() -> None:
    """Octave by octave within 3 dB, where white noise would be 25 dB off."""
    from scipy.signal import welch

    clip = quiet_speech(16_000)
    noise, _ = noise_under(clip, "speech_shaped_noise", 1.0)

    def octaves_db(samples: np.ndarray) -> np.ndarray:
        hz, power = welch(samples, 16_000, nperseg=2048)
        edges = 125 * 2.0 ** np.arange(7)
        sums = [power[(hz >= low) & (hz < high)].sum() for low, high in pairwise(edges)]
        return 10 * np.log10(np.array(sums) / np.sum(sums))

    speech_db, noise_db = octaves_db(clip.samples), octaves_db(noise)

    assert np.ptp(speech_db) > 20
    assert np.abs(speech_db - noise_db).max() < 3


def test_the_model_is_that_of_linear_prediction() -> None:
    """The filter solves the normal equations, as scipy solves them."""
    from scipy.linalg import solve_toeplitz

    clip = speechlike(1.0)
    pcm = np.rint(clip.samples.astype(float) * 32768)
    powers = np.array([pcm[lag:] @ pcm[: len(pcm) - lag] for lag in range(19)])
    powers[0] *= 1 + 1e-5
    predicted = solve_toeplitz(powers[:-1], -powers[1:])
    error = powers[0] + predicted @ powers[1:]
    ours = speech_shaped.all_pole(speech_shaped.reflections_of(clip))
    matrix = powers[np.abs(np.subtract.outer(np.arange(19), np.arange(19)))]

    # Rounded coefficients may differ more than what they leave of the signal.
    assert pytest.approx(error, rel=1e-3) == ours @ matrix @ ours
    assert 19 == len(ours)


@pytest.mark.parametrize("bad", [None, "0.1", [1.0], [0.1, float("nan")], [0.1, "x"]])
def test_a_filter_that_is_not_stable_is_refused(bad: object) -> None:
    """Reflections at or beyond 1, as in a broken row, would fill the clip with infinity."""
    params = {"snr_db": 10.0, "noise_seed": 1, "reflections": bad}
    applied = Applied(name="speech_shaped_noise", level=0.5, params=params)  # type: ignore[arg-type]

    with pytest.raises(InvalidValue, match="between -1 and 1"):
        build_corruption("speech_shaped_noise").apply(speechlike(0.3), applied)
