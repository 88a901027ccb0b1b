"""Flite and Festival: real where they are installed, and a stand-in program everywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mosdata.audio import pcm_sha256
from mosdata.errors import RecordRejected, UsageError
from mosdata.synth import commands
from mosdata.synth.base import SpeechRequest
from mosdata.synth.commands import METHODS, CommandEngine, plain_text, why_unavailable
from mosdata.synth.speak import speak

REQUEST = SpeechRequest(text="The birch canoe slid.", language="en", voice="slt", seed=1)

STAND_IN = f"""#!{sys.executable}
import sys, time, wave
if sys.argv[1] == "-lv":
    print("Voices available: slt kal16 awb_time")
elif sys.argv[1] == "--version":
    print("version: flite-9.9")
else:
    text = open(sys.argv[sys.argv.index("-f") + 1]).read()
    if "hang" in text:
        time.sleep(60)
    if "crash" in text:
        sys.exit("out of phones")
    if "mute" not in text:
        with wave.open(sys.argv[sys.argv.index("-o") + 1], "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes((text.encode() * 16000)[:16000])
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandEngine]:
    """CLUSTERGEN with a program called flite that does as it is told."""
    if sys.platform == "win32":
        pytest.skip("the stand-in is a script with a shebang")
    program = tmp_path / "flite"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    _forget()
    yield commands.flite_clustergen()
    _forget()


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without the programs."""
    monkeypatch.setenv("PATH", "/nonexistent")
    _forget()
    yield
    _forget()


def _forget() -> None:
    commands._installed_voices.cache_clear()
    commands._version.cache_clear()


def _installed(system: str) -> CommandEngine:
    if reason := why_unavailable(system):
        pytest.skip(reason)
    return CommandEngine(METHODS[system])


@pytest.mark.parametrize("system", METHODS)
def test_installed_engines_repeat_themselves(system: str) -> None:
    """The same request gives the same bytes; every voice its own; a seed its own take."""
    engine = _installed(system)
    sounds = set()
    for voice in engine.voices():
        request = replace(REQUEST, voice=voice.name)
        sound, again = (pcm_sha256(speak(engine, request).clip) for _ in range(2))
        take = pcm_sha256(speak(engine, replace(request, seed=2)).clip)

        assert sound == again
        sounds |= {sound, take}

    assert len(sounds) == 2 * len(engine.voices())


@pytest.mark.parametrize("system", METHODS)
def test_prosody_of_installed_engines(system: str) -> None:
    """A slower tempo takes longer, in proportion: the options reach the program."""
    engine = _installed(system)
    voice, method = engine.voices()[0].name, METHODS[system]
    durations_s = [
        commands._speak(
            method.program,
            method.arguments(voice, commands.Prosody(tempo=tempo, pitch=1.0, pitch_range=1.0)),
            "The birch canoe slid on the smooth planks.",
        ).duration_s
        for tempo in (0.9, 1.1)
    ]

    assert durations_s[0] / durations_s[1] == pytest.approx(1.1 / 0.9, rel=0.08)


def test_text_never_meets_a_shell_or_an_interpreter() -> None:
    """Quotes, options, Scheme and shell syntax are words to read."""
    hostile = '-voice rms; $(touch pwned) `id` (quit) "unclosed (voice_nope'
    for system in METHODS:
        if why_unavailable(system) is None:
            engine = CommandEngine(METHODS[system])
            request = replace(REQUEST, text=hostile, voice=engine.voices()[0].name)

            assert engine.synthesize(request).duration_s > 1, system
    assert not Path("pwned").exists()


def test_voices_are_those_that_are_installed(stand_in: CommandEngine) -> None:
    """Of the method's voices only those that the program lists; a limited-domain voice never."""
    assert [voice.name for voice in stand_in.voices()] == ["slt"]
    assert stand_in.revision() == "commands/1 version: flite-9.9"
    assert stand_in.synthesize(REQUEST).duration_s == 0.5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"voice": "rms"}, "unknown_voice"),
        ({"voice": "kal16"}, "unknown_voice"),
        ({"text": "please crash"}, "engine_failed"),
        ({"text": "please be mute"}, "engine_failed"),
        ({"text": "Hello мир"}, "unspeakable_characters"),
    ],
)
def test_failures_become_rejections(
    stand_in: CommandEngine, changes: dict[str, str], reason: str
) -> None:
    """A missing voice, a crash, and success without a file: each is a reason, never other audio."""
    with pytest.raises(RecordRejected) as caught:
        stand_in.synthesize(replace(REQUEST, **changes))

    assert caught.value.reason == reason


def test_words_of_the_program_reach_the_user(stand_in: CommandEngine) -> None:
    """The message carries what the program complained about."""
    with pytest.raises(RecordRejected, match="out of phones"):
        stand_in.synthesize(replace(REQUEST, text="crash"))


def test_a_program_that_hangs_is_ended(
    stand_in: CommandEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time limit the record is rejected and the run goes on."""
    monkeypatch.setattr(commands, "TIMEOUT_S", 0.5)

    with pytest.raises(RecordRejected) as caught:
        stand_in.synthesize(replace(REQUEST, text="hang"))

    assert caught.value.reason == "engine_timeout"


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("system", METHODS)
def test_missing_programs_say_how_to_get_them(system: str) -> None:
    """Without the program the error says what to install, when the engine is built."""
    with pytest.raises(UsageError, match="apt-get install") as caught:
        CommandEngine(METHODS[system])

    assert system in str(caught.value)
    assert METHODS[system].program in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Plain text, 42!", "Plain text, 42!"),
        ("naïve café", "naive cafe"),
        ("½ done", "1 2 done"),
        ("don\u2019t \u2014 \u201cquote\u201d", 'don\'t - "quote"'),
        ("a\tb\nc\0d", "a b c d"),
        ("ok 😀", "ok  "),
    ],
)
def test_plain_text(text: str, expected: str) -> None:
    """What has a plain spelling gets it; what makes no sound becomes a space."""
    assert plain_text(text) == expected


@pytest.mark.parametrize("text", ["世界", "привет", "Straße", "smørrebrød"])
def test_letters_are_never_dropped(text: str) -> None:
    """A letter without a plain spelling rejects the text: half a word is another text."""
    with pytest.raises(RecordRejected, match="cannot read"):
        plain_text(text)
