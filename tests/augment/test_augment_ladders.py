"""That a higher level sounds worse, as PESQ or STOI hear it, clip by clip and step by step."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from mosdata.audio import Clip, resample
from mosdata.augment.corruptions import build_corruption
from mosdata.augment.pool import MemoryPool
from mosdata.manifests.ids import rng_for
from mosdata.synth.base import SpeechRequest
from mosdata.testing.clips import clip as noise_clip

KINDS = [
    "pink_noise",
    "brown_noise",
    "speech_shaped_noise",
    "background_noise",
    "babble",
    "impulse_response",
    "agc_pumping",
    "resampling",
    "telephone_band",
    "wide_band",
    "clipping",
    "bit_depth",
    "mnru",
    "echo",
    "jitter",
    "packet_loss",
    "packet_loss_concealed",
]
TEXTS = (
    "The birch canoe slid on the smooth planks.",
    "It is easy to tell the depth of a well.",
    "Rice is often served in round bowls.",
)
LEVELS = np.linspace(0.05, 1, 20)
FLOOR = 1.15
"""Below it there is no speech left to compare, and PESQ moves by its alignment alone."""


@cache
def voices() -> tuple[Clip, ...]:
    """Three texts in three voices at 16 kHz."""
    from mosdata.synth.espeak import formant

    engine = formant()
    names = [voice.name for voice in engine.voices() if voice.language.startswith("en")]
    spoken = []
    for i, text in enumerate(TEXTS):
        request = SpeechRequest(text=text, language="en", voice=names[i % len(names)], seed=0)
        speech = engine.synthesize(request)
        spoken.append(resample(getattr(speech, "clip", speech), 16_000))
    return tuple(spoken)


@cache
def pool() -> MemoryPool:
    """The other texts as talkers, a rising noise, and a room."""
    time_s = np.arange(12_000) / 16_000
    tail = 0.1 * noise_clip(0.75, seed=3).samples * 10 ** (-3 * time_s / 0.6)
    tail[:60] = 0
    tail[0] = 0.1
    return MemoryPool(
        {f"other-{i}": (clip, TEXTS[i], f"voice-{i}") for i, clip in enumerate(voices())},
        files={
            "noise": {"street": noise_clip(2.0, seed=1)},
            "impulse_responses": {"hall": Clip(tail.astype(np.float32), 16_000)},
        },
    )


def score(clip: Clip, harmed: Clip) -> float:
    """PESQ wide-band above its floor."""
    from pesq import pesq

    return max(FLOOR, float(pesq(16_000, clip.samples, harmed.samples, "wb")))


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_quality_falls_with_the_level(name: str) -> None:
    """Over 20 levels of 3 clips at most one step in 57 rises, and no step of the mean does."""
    pytest.importorskip("pesq")
    scores = np.zeros((3, len(LEVELS)))
    for row, clip in enumerate(voices()):
        corruption = build_corruption(
            name, pool=pool(), sentence=TEXTS[row], speaker=f"voice-{row}"
        )
        for column, level in enumerate(LEVELS):
            applied = corruption.draw(float(level), clip, rng_for(0, f"r{row}", name))
            scores[row, column] = score(clip, corruption.apply(clip, applied))
    means = scores.mean(axis=0)

    assert np.count_nonzero(np.diff(scores, axis=1) > 0.02) <= 1
    assert np.diff(means).max() < 0.01
    assert means[0] - means[-1] > 0.2
