"""Convolution in blocks, and recursive filters by either way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.augment.biquads import MOST_RECURSIVE, filtered, response_of
from mosdata.augment.convolution import blocks_of, convolved
from mosdata.testing.clips import speechlike


@given(
    num_samples=st.integers(1, 60_000),
    num_response=st.integers(1, 20_000),
    delay=st.sampled_from([0, 1, 700, 30_000]),
    exact=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_blocks_make_the_whole(
    num_samples: int, num_response: int, delay: int, exact: bool, seed: int
) -> None:
    """However a clip is cut into blocks, the convolution is that of the whole, in double."""
    from scipy.signal import fftconvolve

    rng = np.random.default_rng(seed)
    samples = rng.standard_normal(num_samples).astype(np.float32)
    response = rng.standard_normal(num_response).astype(np.float32)
    later = np.append(samples, np.zeros(delay))
    whole = fftconvolve(later, response.astype(float))[: delay + num_samples]

    made = convolved(samples, response, delay=delay, exact=exact)

    assert made.dtype == np.float32
    assert made.shape == samples.shape
    assert np.abs(made - whole[delay:]).max() < 2e-6 * max(1, np.abs(whole).max())


@pytest.mark.parametrize("num_samples", [1, 4, 1000, 160_000, 28_800_000])
@pytest.mark.parametrize("num_response", [1, 500, 96_000])
def test_blocks_cover_the_clip_and_stay_short(num_samples: int, num_response: int) -> None:
    """Every sample is in a block, whose transform holds all of what it becomes."""
    count, step, size = blocks_of(num_samples, min(num_samples, num_response))

    assert (count - 1) * step < num_samples <= count * step
    assert size >= step + min(num_samples, num_response) - 1
    assert size <= 500_000  # of a clip of ten minutes too


@pytest.mark.parametrize("num_sections", [1, MOST_RECURSIVE, MOST_RECURSIVE + 1, 32])
@pytest.mark.parametrize("kind", ["low", "high"])
@pytest.mark.parametrize("delay", [0, 37])
def test_both_ways_of_filtering_are_the_filter(num_sections: int, kind: str, delay: int) -> None:
    """Recursive or by its response: scipy's filter in double, to single precision."""
    from scipy.signal import butter, sosfilt

    clip = speechlike(2.5)
    sections = butter(2 * num_sections, 700, kind, fs=16_000, output="sos")
    padded = np.append(clip.samples, np.zeros(delay)).astype(float)
    wanted = sosfilt(sections, padded)[delay:]

    made = filtered(clip.samples, sections, delay=delay)

    assert made.dtype == np.float32
    assert np.abs(made - wanted).max() < 2e-6 * np.abs(wanted).max()


@pytest.mark.parametrize("kind", ["one pole", "odd", "chebyshev", "real poles"])
def test_a_response_is_whole(kind: str) -> None:
    """What is cut off its end is 140 dB below its peak, or less."""
    from scipy.signal import butter, cheby1, sosfilt

    sections = {
        "one pole": butter(1, 20, "high", fs=16_000, output="sos"),
        "odd": butter(9, 460, fs=16_000, output="sos"),
        "chebyshev": cheby1(11, 3, 300, fs=48_000, output="sos"),
        "real poles": np.array([[1.0, 0, 0, 1, -1.7, 0.72]]),  # at 0.9 and 0.8
    }[kind]
    response = response_of(sections)
    impulse = np.zeros(4 * len(response))
    impulse[0] = 1
    rest = sosfilt(sections, impulse)[len(response) :]

    assert np.abs(rest).max() < 10 ** (-140 / 20) * np.abs(response).max()


def test_a_filter_without_poles_is_its_own_response() -> None:
    """Nothing rings."""
    sections = np.array([[0.5, 0.25, 0.25, 1, 0, 0]])

    assert response_of(sections).tolist() == [0.5, 0.25, 0.25]
