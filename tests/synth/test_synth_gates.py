"""What the gates find in a clip, against clips made to have it, and the table of flags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.synth.flags import CLIP_FLAGS, FLAG_TABLE, FLAGS
from mosdata.synth.gates import inspect_speech, is_beyond, quality_flags
from mosdata.testing import speechlike

RATE = 24_000
DOCS = Path(__file__).parents[2] / "docs" / "gates.md"


def noise(duration_s, level, seed=0):
    """Noise whose samples stay within three standard deviations."""
    wave = np.random.default_rng(seed).standard_normal(round(duration_s * RATE)).clip(-3, 3)
    return (level * wave).astype(np.float32)


def babble(duration_s, seed):
    """Every 0.1 s another chord, as every phone has other formants."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 10) / RATE
    chords = rng.uniform(150, 4_500, (round(10 * duration_s), 3, 1))
    wave = 0.1 * np.sin(2 * np.pi * chords * t).sum(axis=1).reshape(-1)
    return (wave + 0.002 * rng.standard_normal(len(wave))).astype(np.float32)


def sentence(duration_s):
    """A text that takes about so long."""
    return "x" * round(14 * duration_s)


def test_every_flag_is_documented_with_its_limits():
    """docs/gates.md says of each flag what the table says."""
    page = DOCS.read_text("utf-8")

    for flag in FLAG_TABLE:
        line = next(line for line in page.splitlines() if line.startswith(f"| `{flag.name}` "))
        assert [flag.meaning, flag.limits_in_words, flag.source] == [
            part.strip() for part in line.split("|")[3:6]
        ]
    assert len(FLAGS) == len(FLAG_TABLE)


def test_each_flag_of_a_clip_has_a_value_and_a_limit():
    """What is judged is measured, in every clip."""
    found = inspect_speech(speechlike(1.0), "A few words.")

    assert {flag.name for flag in CLIP_FLAGS} == {*found.values}
    assert all(flag.limits() != (None, None) for flag in CLIP_FLAGS)
    for flag in CLIP_FLAGS:
        assert is_beyond(flag, found.values[flag.name]) == (flag.name in found.flags)


@pytest.mark.parametrize("limit", [0.99, 0.5, 0.2])
def test_clipping_below_full_scale_is_seen(limit):
    """A wave cut off at any height has flat tops; the same wave, only softer, has none."""
    t = np.arange(2 * RATE) / RATE
    wave = 0.7 * np.sin(2 * np.pi * 181 * t) * (1 + 0.3 * np.sin(2 * np.pi * 3 * t))
    wave = wave.astype(np.float32) * np.float32(limit / 0.6)
    cut = np.clip(wave, -limit, limit)

    assert "flat_peaks" in quality_flags(Clip(cut, RATE), sentence(2))
    assert "flat_peaks" not in quality_flags(Clip(wave * np.float32(0.6), RATE), sentence(2))


def test_a_plateau_is_as_long_as_it_is():
    """Counted in samples, of either sign, but not across a change of sign."""
    wave = noise(2, 0.1)
    wave[1000:1005] = 0.5
    wave[2000:2003] = -0.5
    jumping = noise(2, 0.1)
    jumping[1000:1006] = [0.5, -0.5, 0.5, -0.5, 0.5, -0.5]

    assert inspect_speech(Clip(wave, RATE), sentence(2)).values["flat_peaks"] == 5
    assert inspect_speech(Clip(jumping, RATE), sentence(2)).values["flat_peaks"] == 1


@pytest.mark.parametrize(
    ("gain_db", "duration_s", "expected"),
    [(14, 0.6, True), (-14, 0.6, True), (10, 0.6, False), (14, 0.3, False), (-14, 0.3, False)],
)
def test_a_stretch_of_another_level_is_seen(gain_db, duration_s, expected):
    """12 dB for half a second, up or down; less of either is speech."""
    wave = noise(3, 0.05)
    wave[RATE : RATE + round(duration_s * RATE)] *= np.float32(10 ** (gain_db / 20))

    assert expected == ("level_jump" in quality_flags(Clip(wave, RATE), sentence(3)))


def test_silence_within_speech_is_no_jump():
    """Pauses are for long_gap, and phrases between them have one level."""
    wave = np.concatenate([noise(1, 0.05), np.zeros(RATE, np.float32), noise(1, 0.05, seed=1)])

    assert quality_flags(Clip(wave, RATE), sentence(2)) == ()


def test_loops_and_held_sounds_are_seen():
    """A phrase that comes again and again, or a vowel that does not end; not so new phrases."""
    phrase = babble(1.5, seed=1)
    looped = np.concatenate([babble(2.0, seed=2), *[phrase] * 3])
    fresh = babble(6.0, seed=3)
    held = np.concatenate([phrase, 0.1 * np.sin(np.arange(3 * RATE) * 0.05).astype(np.float32)])
    short = sentence(1.6)

    assert "repeated_sound" in quality_flags(Clip(looped, RATE), short)
    assert "repeated_sound" in quality_flags(Clip(held, RATE), short)
    assert "repeated_sound" not in quality_flags(Clip(fresh, RATE), short)
    assert "repeated_sound" not in quality_flags(Clip(looped, RATE), sentence(6.5))


def test_speech_is_measured_without_its_edges():
    """``speech_s`` is the time from the first sound to the last, to 10 ms."""
    quiet = np.zeros(RATE // 2, np.float32)
    wave = np.concatenate([quiet, noise(1, 0.1), quiet, noise(1, 0.1), quiet])

    assert inspect_speech(Clip(wave, RATE), sentence(2)).speech_s == pytest.approx(2.5, abs=0.011)
