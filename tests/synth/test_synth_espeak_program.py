"""eSpeak NG as a program: the same systems where only the distribution's package is there."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mosdata.audio import pcm_sha256
from mosdata.errors import RecordRejected
from mosdata.synth import espeak, espeak_program
from mosdata.synth.base import SpeechRequest, Synthesizer
from mosdata.synth.espeak_program import EspeakProgram
from mosdata.synth.speak import speak

REQUEST = SpeechRequest(text="She sells fifty sea shells.", language="en", voice="en-us", seed=7)

needs_program = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="the program espeak-ng is not installed"
)

STAND_IN = """#!{python}
import sys
if "--version" in sys.argv:
    print("eSpeak NG text-to-speech: 1.51  Data at: {data}")
elif "--voices" in sys.argv:
    print("Pty Language Age/Gender VoiceName File Other Languages")
    print(" 5  en-us  --/M  English_(America)  gmw/en-US")
"""


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[str, Synthesizer]:
    """Both methods, as they are built where the wheel is missing."""
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    return {"formant": espeak.formant(), "klatt": espeak.klatt()}


@needs_program
def test_the_program_takes_the_place_of_the_wheel(engines: dict[str, Synthesizer]) -> None:
    """Same systems, same class, same facts; another revision."""
    for name, engine in engines.items():
        assert isinstance(engine, EspeakProgram)
        assert f"espeak-{name}" == engine.info.name
        assert engine.revision().startswith("espeak-program/1 espeak-ng/")
        assert espeak.why_unavailable(engine.info.name) is None


@needs_program
def test_every_voice_says_the_same_twice(engines: dict[str, Synthesizer]) -> None:
    """Each English voice repeats itself to the byte in other processes, and follows its seed."""
    for engine in engines.values():
        for voice in (v.name for v in engine.voices() if v.language == "en-US"):
            request = replace(REQUEST, voice=voice)
            one, again = (pcm_sha256(speak(engine, request).clip) for _ in range(2))

            assert one == again, voice
            assert one != pcm_sha256(speak(engine, replace(request, seed=8)).clip), voice


@needs_program
def test_a_voice_that_is_not_there_is_refused(engines: dict[str, Synthesizer]) -> None:
    """The program would speak with another one and report success."""
    with pytest.raises(RecordRejected) as rejected:
        engines["formant"].synthesize(replace(REQUEST, voice="en-zz"))

    assert rejected.value.reason == "unknown_voice"


def test_variants_that_draw_from_the_clock_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breath is noise seeded by the process id: such a voice would never repeat itself."""
    variants = tmp_path / "data" / "voices" / "!v"
    variants.mkdir(parents=True)
    (variants / "f3").write_text("name female3\nbreath 0 2 3\n")
    (variants / "m3").write_text("name male3\n")
    program = tmp_path / "espeak-ng"
    program.write_text(STAND_IN.format(python=sys.executable, data=tmp_path / "data"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    for cached in (espeak_program._about, espeak_program._languages):
        cached.cache_clear()

    try:
        names = [voice.name for voice in espeak.formant().voices()]
    finally:
        for cached in (espeak_program._about, espeak_program._languages):
            cached.cache_clear()

    assert ["en-us", "en-us+m3"] == names
