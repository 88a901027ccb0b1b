"""What is checked before an engine speaks, and after."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosdata.audio import Clip
from mosdata.errors import RecordRejected
from mosdata.synth.base import SpeechRequest, SystemInfo, Voice
from mosdata.synth.flags import FLAGS
from mosdata.synth.gates import quality_flags
from mosdata.synth.speak import reads, speak, voices_for
from mosdata.synth.tone import Tone
from mosdata.testing import speechlike

RATE = 16_000
REQUEST = SpeechRequest(text="A short sentence.", language="en", voice="default", seed=1)


@dataclass
class Says:
    """An engine that says what the test gives it."""

    clip: Clip
    info: SystemInfo = field(
        default_factory=lambda: SystemInfo(
            name="says",
            family="test",
            sample_rate_hz=RATE,
            languages=("en", "de"),
            license="CC0-1.0",
            max_chars=100,
        )
    )

    def voices(self) -> tuple[Voice, ...]:
        """One English, one German."""
        return (Voice(name="default", language="en-US"), Voice(name="hans", language="de"))

    def revision(self) -> str:
        """Never changes."""
        return "1"

    def synthesize(self, request: SpeechRequest) -> Clip:  # noqa: ARG002  # says one thing
        """Whatever is asked."""
        return self.clip


def _samples(*parts: tuple[float, float]) -> np.ndarray:
    """Noise of (duration in s, standard deviation), one part after the other."""
    rng = np.random.default_rng(0)
    return np.concatenate(
        [level * rng.standard_normal(round(s * RATE)).clip(-3, 3) for s, level in parts]
    ).astype(np.float32)


def _reason_of(clip: Clip | None = None, **changes: object) -> str:
    engine = Says(clip or speechlike(1.0))
    with pytest.raises(RecordRejected) as caught:
        speak(engine, replace(REQUEST, **changes))
    assert str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_text"),
        (" \t\n\u3000", "empty_text"),
        ("...?!", "no_letters"),
        ("—", "no_letters"),
        ("😀👍🏽", "no_letters"),
        ("\0", "no_letters"),
        ("half \ud83d", "not_unicode"),
        ("word " * 1000, "text_too_long"),
        ("x" * 1001, "text_too_long"),
        ("字" * 334, "text_too_long"),
        ("Привет.", "script_mismatch"),
        ("Good 早上 morning.", "script_mismatch"),
        ("pаypal", "script_mismatch"),  # its first a is Cyrillic
    ],
)
def test_text_that_cannot_be_spoken(text: str, reason: str) -> None:
    """Every kind of unspeakable text has its own stable reason."""
    assert reason == _reason_of(text=text)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I", "en"),
        ("7", "en"),
        ("Hello 世界, مرحبا and привет 😀!", "mul"),
        ("x" * 100, "en"),
        ("<b>&amp;</b>", "en"),
        ("你好。", "zh"),
        ("½", "en"),
        ("Nice 😀!", "en"),
    ],
)
def test_text_that_can_be_spoken(text: str, language: str) -> None:
    """Letters or digits are enough, whatever is around them; of any script where that is said."""
    assert speak(Tone(), replace(REQUEST, text=text, language=language)).clip.duration_s > 0.2


def test_language_and_voice_must_fit() -> None:
    """No text is read by a voice of another language, and no voice is replaced in silence."""
    assert _reason_of(language="fr") == "unsupported_language"
    assert _reason_of(voice="Default") == "unknown_voice"
    assert _reason_of(voice="hans") == "voice_language_mismatch"
    assert _reason_of(language="de-AT") == "voice_language_mismatch"


def test_languages_match_by_their_first_part() -> None:
    """Regions and scripts do not matter; Mandarin has two names; ``mul`` reads everything."""
    assert reads("en-US", "en-GB")
    assert reads("zh", "cmn-Hans-CN")
    assert reads("mul", "sw")
    assert not reads("en", "mul")
    assert not reads("de", "den")
    assert [v.name for v in voices_for(Says(speechlike(1.0)), "de-CH")] == ["hans"]
    assert voices_for(Says(speechlike(1.0)), "fr") == ()


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        (Clip(np.zeros(0, np.float32), RATE), "empty_audio"),
        (Clip(_samples((0.19, 0.1)), RATE), "too_short"),
        (Clip(np.zeros(RATE, np.float32), RATE), "silent"),
        (Clip(_samples((1, 1e-4)), RATE), "silent"),
        (Clip(np.full(RATE, np.nan, np.float32), RATE), "not_finite"),
        (Clip(np.full(RATE, np.inf, np.float32), RATE), "not_finite"),
        (speechlike(1.0, 22_050), "wrong_sample_rate"),
    ],
)
def test_what_is_not_audio(clip: Clip, reason: str) -> None:
    """What engines give back when they fail is rejected with its own reason."""
    assert reason == _reason_of(clip)


SENTENCE = "x" * 30
"""30 characters: 2 s of speech are fine, 0.5 s and 9 s are not."""


@pytest.mark.parametrize(
    ("flag", "parts"),
    [
        (None, [(2, 0.1)]),
        (None, [(0.95, 0), (2, 0.1), (0.95, 0)]),
        (None, [(1, 0.1), (1.9, 0), (1, 0.1)]),
        ("slow_speech", [(9, 0.1)]),
        ("fast_speech", [(0.5, 0.1)]),
        ("leading_silence", [(1.1, 0), (2, 0.1)]),
        ("trailing_silence", [(2, 0.1), (1.1, 0)]),
        ("long_gap", [(1, 0.1), (2.1, 0), (1, 0.1)]),
        ("low_level", [(2, 0.008)]),
    ],
)
def test_each_defect_has_its_flag(flag: str | None, parts: list[tuple[float, float]]) -> None:
    """Just beyond a threshold there is exactly this flag, just before it none."""
    expected = () if flag is None else (flag,)

    assert expected == quality_flags(Clip(_samples(*parts), RATE), SENTENCE)


def test_defects_of_the_wave_have_flags() -> None:
    """Offset, full scale and mostly nothing; all of them at once, in the order of the table."""
    speech = _samples((2, 0.1))
    clipped = speech.copy()
    clipped[[7, 70, 700]] = [1.0, -1.0, 0.9995]
    once = speech.copy()
    once[7] = 1.0
    sparse = _samples(*[(0.2, 0.1), (1.5, 0)] * 4)

    assert quality_flags(Clip(speech + np.float32(0.011), RATE), SENTENCE) == ("dc_offset",)
    assert quality_flags(Clip(clipped, RATE), SENTENCE) == ("clipping",)
    assert quality_flags(Clip(once, RATE), SENTENCE) == ()
    assert quality_flags(Clip(sparse, RATE), SENTENCE) == ("trailing_silence", "mostly_silent")


@pytest.mark.parametrize(
    ("text", "duration_s", "expected"),
    [
        ("今天天气很好我们去公园", 3.0, ()),
        ("今天天气很好我们去公园", 0.9, ("fast_speech",)),
        ("今天天气很好我们去公园", 6.0, ("slow_speech",)),
        ("오늘은날씨가좋습니다", 2.0, ()),
        ("Call 555 123 4567 now", 6.0, ()),
        ("Mostly English with 世界", 1.5, ()),
    ],
)
def test_speaking_rate_knows_scripts(text: str, duration_s: float, expected: tuple) -> None:
    """A Chinese character is a syllable, a digit is a word."""
    assert expected == quality_flags(Clip(_samples((duration_s, 0.1)), RATE), text)


def test_flagged_clips_are_kept() -> None:
    """A bad clip is data: it comes back as the engine made it, with its flags."""
    clip = Clip(_samples((5, 0.1)), RATE)

    spoken = speak(Says(clip), REQUEST)

    assert spoken.clip is clip
    assert spoken.flags == ("slow_speech",)


def test_rejections_of_the_engine_pass_through() -> None:
    """An engine's own reason is not covered by ours."""

    class Refuses(Says):
        def synthesize(self, request: SpeechRequest) -> Clip:
            raise RecordRejected("bad_mood", f"Not {request.text!r} today.")

    with pytest.raises(RecordRejected, match="today"):
        speak(Refuses(speechlike(1.0)), REQUEST)


@given(seed=st.integers(0, 2**32 - 1), text=st.text(min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_any_text_is_spoken_or_rejected(seed: int, text: str) -> None:
    """There is no third way: a clip with known flags, or a reason."""
    request = replace(REQUEST, text=text, seed=seed, language="mul")
    if not any(character.isalnum() for character in text):
        with pytest.raises(RecordRejected):
            speak(Tone(), request)
        return

    first, second = speak(Tone(), request), speak(Tone(), request)

    assert set(first.flags) <= set(FLAGS)
    assert np.array_equal(first.clip.samples, second.clip.samples)


def test_checks_cost_little() -> None:
    """A 3 s clip is checked in well under a millisecond (asserted with room for a busy machine)."""
    clip = speechlike(3.0, 22_050)
    engine = Says(clip, replace(Says(clip).info, sample_rate_hz=22_050))
    request = replace(REQUEST, text="Here is a sentence of some length.")
    times_s = []
    for _ in range(50):
        start = time.perf_counter()
        speak(engine, request)
        times_s.append(time.perf_counter() - start)

    assert min(times_s) < 1e-3
