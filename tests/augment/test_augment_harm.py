"""Harm measured again: what PESQ says here of the committed ladders, on speech that CI can make."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from mosdata.audio import Clip, resample
from mosdata.augment.base import Corruption
from mosdata.augment.calibration import measurement_of
from mosdata.augment.corruptions import CORRUPTIONS, build_corruption
from mosdata.augment.pool import MemoryPool
from mosdata.errors import MissingExtra, RecordRejected
from mosdata.manifests.ids import rng_for

pytest.importorskip("pesq")

SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
)
VOICES = ("en-us+klatt", "en-us+klatt2", "en-us+klatt3")
LEVELS = (0.25, 0.5, 0.75, 1.0)
MEASURED = [name for name in CORRUPTIONS if measurement_of(name).get("anchor") in ("pesq", "mild")]
RISE = 0.02
VOICE_GAP = 1.5
"""Formant synthesis lies up to so much beside other voices at equal damage: it has no breath to
hide noise or clipping, and more than they have above a high-pass."""


@cache
def clips() -> dict[str, Clip]:
    """Six clips of three voices, at 16 kHz."""
    from mosdata.synth.base import SpeechRequest
    from mosdata.synth.systems import build_system

    engine = build_system("espeak-klatt")
    made = {}
    for voice in VOICES:
        for number, text in enumerate(SENTENCES):
            request = SpeechRequest(text=text, language="en-us", voice=voice, seed=0)
            spoken = engine.synthesize(request)
            clip = spoken if isinstance(spoken, Clip) else spoken.clip
            made[f"{voice}/{number}"] = resample(clip, 16_000)
    return made


@cache
def pool() -> MemoryPool:
    """The clips as other speech, their sum as a noise, a decaying noise as a room."""
    names = clips()
    babble = np.sum([np.resize(clip.samples, 80_000) for clip in names.values()], axis=0)
    noise = np.random.default_rng(0).standard_normal(8_000)
    room = (noise * np.exp(-np.linspace(0, 7, 8_000))).astype(np.float32)
    room[0] = 3
    return MemoryPool(
        {name: (clip, name, name.split("/")[0]) for name, clip in names.items()},
        files={
            "noise": {"babble": Clip((babble / 8).astype(np.float32), 16_000)},
            "impulse_responses": {"room": Clip(room, 16_000)},
        },
    )


def build(name: str, clip_id: str) -> Corruption:
    """The corruption, for a clip."""
    try:
        speaker, _, _ = clip_id.partition("/")
        return build_corruption(name, pool=pool(), sentence=clip_id, speaker=speaker)
    except MissingExtra as missing:
        pytest.skip(str(missing))


def mos_lqo(name: str, level: float) -> float:
    """Mean over the clips; where PESQ finds no utterance, the worst there is."""
    from mosdata.labels.pesq import Pesq

    scores = []
    for clip_id, clip in clips().items():
        corruption = build(name, clip_id)
        applied = corruption.draw(level, clip, rng_for(0, clip_id, name))
        try:
            (score,) = Pesq().score(corruption.apply(clip, applied), clip).values()
        except RecordRejected:
            score = 1.04
        scores.append(score)
    return float(np.mean(scores))


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_levels_harm_as_the_committed_measurement_says(name: str) -> None:
    """No level is better than the one before, and each about as bad as on the measured voices."""
    means = [mos_lqo(name, level) for level in LEVELS]
    committed = measurement_of(name)["mos_lqo"]

    assert np.diff(means).max() < RISE
    assert means[0] - means[-1] > 1 or measurement_of(name)["anchor"] == "mild"
    for mean, expected in zip(means, committed, strict=True):
        assert abs(mean - expected) <= VOICE_GAP, means
