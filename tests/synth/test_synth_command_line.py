"""Any command line as a system: asked safely, checked like every other, and bounded."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest

from mosdata.audio import pcm_sha256
from mosdata.errors import InvalidValue, RecordRejected, UsageError
from mosdata.synth.base import SpeechRequest
from mosdata.synth.hosting.settings import read_engines
from mosdata.synth.speak import speak
from mosdata.synth.systems import build_system

MY_TTS = """
import argparse, os, sys, time, wave
import numpy as np
parser = argparse.ArgumentParser()
for name in ("voice", "text", "out", "seed"):
    parser.add_argument("--" + name)
given = parser.parse_args()
text = open(given.text, encoding="utf-8").read() if given.text else sys.stdin.read()
text = text.rstrip("\\n")
if "fail" in text:
    sys.exit("I have no word for it")
if "mute" in text:
    sys.exit(0)
if "sleep" in text:
    os.system("sleep 600")
if "secret" in text:
    assert not os.environ.get("HF_TOKEN")
rng = np.random.default_rng(int(given.seed or 0) + len(given.voice or ""))
samples = rng.integers(-9000, 9000, 800 * len(text)).astype("<i2")
target = given.out or "/dev/stdout"
with wave.open(open(target, "wb"), "wb") if given.out is None else wave.open(target, "wb") as file:
    file.setnchannels(1), file.setsampwidth(2), file.setframerate(16000 if "rate" in text else 8000)
    file.writeframes(samples.tobytes())
"""


@pytest.fixture
def command(tmp_path):
    """Make a system of a command."""
    (tmp_path / "my_tts.py").write_text(MY_TTS)

    def make(*arguments, voices='["anna", "bert"]', **more):
        parts = [sys.executable, "./my_tts.py", *arguments]
        lines = ["[engines.my-cmd]", 'engine = "command"', f"command = {parts!r}"]
        lines += ["sample_rate_hz = 8000", 'languages = ["en"]', f"voices = {voices}"]
        lines += [f"{key} = {value}" for key, value in more.items()]
        path = tmp_path / "engines.toml"
        path.write_text("\n".join(lines))
        return build_system("my-cmd", engines=read_engines(path))

    return make


ALL = ("--voice", "{voice}", "--text", "{text_file}", "--out", "{wav}", "--seed", "{seed}")


def ask(text, *, voice="anna", seed=1):
    """One request."""
    return SpeechRequest(text=text, language="en", voice=voice, seed=seed)


def test_it_speaks_with_what_it_was_asked_for(command):
    """Voice and seed reach it; the same request gives the same samples; facts are the user's."""
    engine = command(*ALL, license='"MIT"', output_terms='"open"', max_chars=300)
    said = [
        pcm_sha256(speak(engine, ask("Hello there.", **how)).clip)
        for how in ({}, {}, {"seed": 2}, {"voice": "bert!"[:4], "seed": 3})
    ]

    assert said[0] == said[1]
    assert len(set(said)) == 3
    assert [voice.name for voice in engine.voices()] == ["anna", "bert"]
    assert (engine.info.license, engine.info.output_terms) == ("MIT", "open")
    assert (engine.info.sample_rate_hz, engine.info.max_chars) == (8000, 300)


def test_text_may_come_in_by_the_pipe_and_sound_go_out_by_it(command):
    """Where the command names neither file."""
    engine = command("--seed", "{seed}", "--voice", "{voice}")

    piped = speak(engine, ask("Hello there.")).clip
    by_file = speak(command(*ALL), ask("Hello there.")).clip
    assert pcm_sha256(piped) == pcm_sha256(by_file)


@pytest.mark.parametrize(
    "text", ["--voice x; rm -rf ~", "$(touch /tmp/no) `id` 'q' \"q\"", "-Ünï çédille"]
)
def test_a_text_is_never_an_argument(command, text):
    """Neither an option nor a shell sees it; it is UTF-8 in a file."""
    assert speak(command(*ALL), ask(text)).clip.num_samples == 800 * len(text)


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        (
            "Please fail here.",
            "engine_failed",
            "ended with 1 at 'Please .*: I have no word",
        ),
        ("Please be mute.", "engine_failed", "made no sound"),
        ("At another rate.", "wrong_sample_rate", "promised 8000 Hz"),
        ("Hello.", "unknown_voice", r"has no voice 'eve'\. Known: anna, bert"),
    ],
)
def test_failures_are_rows_with_reasons(command, text, reason, message):
    """As for every engine."""
    voice = "eve" if reason == "unknown_voice" else "anna"
    with pytest.raises(RecordRejected, match=message) as error:
        speak(command(*ALL), ask(text, voice=voice))

    assert error.value.reason == reason


def test_a_hang_ends_with_all_that_it_started(command, monkeypatch):
    """The shell's child too: it would hold the pipe, and us, for ten minutes."""
    engine = command(*ALL, deadline_s=1, seconds_per_char=0.001)
    started = time.monotonic()
    with pytest.raises(RecordRejected, match="did not finish"):
        engine.synthesize(ask("sleep well"))

    assert time.monotonic() - started < 20


def test_programs_see_no_secrets(command, monkeypatch):
    """Tokens stay here."""
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert speak(command(*ALL), ask("Tell a secret.")).clip.num_samples


def test_the_revision_knows_the_program_and_its_files(command, tmp_path):
    """Another script, version, file or option: another revision; another folder: the same."""
    (tmp_path / "weights.bin").write_bytes(b"one")
    files = {"files": '["weights.bin"]'}
    revisions = [command(*ALL).revision(), command(*ALL, version='"2.1"').revision()]
    revisions += [command(*ALL, **files).revision(), command(*ALL, "--seed", "{seed}").revision()]
    (tmp_path / "weights.bin").write_bytes(b"two")
    revisions.append(command(*ALL, **files).revision())
    first = command(*ALL)
    assert first.revision() == revisions[0]
    (tmp_path / "my_tts.py").write_text(MY_TTS + "\n")
    engine = build_system("my-cmd", engines=read_engines(tmp_path / "engines.toml"))
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copy(tmp_path / "engines.toml", moved)
    shutil.copy(tmp_path / "my_tts.py", moved)
    (moved / "my_tts.py").write_text(MY_TTS)

    assert len({*revisions, engine.revision()}) == 6
    assert revisions[1].startswith("command/1 2.1 ")
    assert [said.partition(" ")[0] for said in first.fingerprint()["files"]] == ["my_tts.py"]
    again = build_system("my-cmd", engines=read_engines(moved / "engines.toml"))
    assert again.revision() == first.revision()


def test_mistakes_are_told(command, tmp_path):
    """A blank that nobody fills in; a program that is not there."""
    with pytest.raises(InvalidValue, match=r"Did you mean '\{text_file\}'"):
        command("--text", "{text}")
    path = tmp_path / "engines.toml"
    path.write_text(path.read_text().replace(repr(sys.executable), "'no-such-program-here'"))
    with pytest.raises(UsageError, match="needs the program no-such-program-here"):
        build_system("my-cmd", engines=read_engines(path))


@pytest.mark.skipif(shutil.which("flite") is None, reason="apt-get install flite")
def test_the_example_of_the_page_speaks(tmp_path, monkeypatch):
    """docs/systems.md, as it stands there."""
    page = (Path(__file__).parents[2] / "docs" / "systems.md").read_text()
    table = page.split("```toml\n[engines.my-cmd]")[1].split("```")[0]
    (tmp_path / "engines.toml").write_text("[engines.my-cmd]" + table)
    monkeypatch.setenv("MOSDATA_ENGINES", str(tmp_path / "engines.toml"))
    engine = build_system("my-cmd")
    voice = engine.voices()[0].name

    assert speak(engine, ask("Hello there.", voice=voice)).flags == ()
