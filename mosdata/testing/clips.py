"""Clips without a model: noise, and something that moves like speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mosdata.audio import Clip

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def clip(duration_s: float = 0.25, sample_rate_hz: int = 16_000, seed: int = 0) -> Clip:
    """White noise at -20 dBFS."""
    rng = np.random.default_rng(seed)
    samples = 0.1 * rng.standard_normal(max(1, round(duration_s * sample_rate_hz)), np.float32)
    return Clip(samples.astype(np.float32), sample_rate_hz)


def speechlike(duration_s: float = 1.0, sample_rate_hz: int = 16_000, seed: int = 0) -> Clip:
    """Harmonics of a gliding pitch under a syllable rhythm, with short pauses."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    pitch_hz = 120 + 40 * np.sin(2 * np.pi * (0.7 + 0.2 * rng.random()) * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / sample_rate_hz
    harmonics = range(1, int(min(30, sample_rate_hz / 2 / 170)))
    voiced = sum(np.sin(k * phase + rng.random()) / k**1.2 for k in harmonics)
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * time_s + rng.random()), 0, None) ** 0.7
    breath = 0.01 * rng.standard_normal(len(time_s))
    samples = syllables * (voiced + breath)
    peak = np.abs(samples).max(initial=1e-9)
    return Clip((0.5 * samples / peak).astype(np.float32), sample_rate_hz)


def clips() -> SearchStrategy[Clip]:
    """Hypothesis strategy: rates and lengths that occur in MOS corpora."""
    from hypothesis import strategies as st

    return st.builds(
        speechlike,
        st.floats(0.2, 0.8),
        st.sampled_from([8_000, 16_000, 24_000, 48_000]),
        st.integers(0, 2**16),
    )
