"""Voices to clone: manifests in three forms, paths that stay inside, recordings that will do."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mosdata.audio import Clip, encode_flac
from mosdata.errors import InvalidPrompts
from mosdata.synth.hosting.spec import PromptLimits
from mosdata.synth.prompts import inspect_prompt, read_prompts
from mosdata.testing import speechlike

LIMITS = PromptLimits(
    min_duration_s=1.0, max_duration_s=12.0, min_sample_rate_hz=16_000, needs_text=True
)
WORDS = "Some call me nature, others call me mother."


def record(path, sound=None):
    """Write a recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_flac(speechlike(3.0) if sound is None else sound))
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder with two recordings."""
    record(tmp_path / "anna.flac")
    record(tmp_path / "more" / "bob.flac", speechlike(4.0, seed=1))
    return tmp_path


VOICES = [
    {
        "name": "anna",
        "audio": "anna.flac",
        "text": "Some call me nature, “others” call me mother.",
        "language": "EN-gb",
        "speaker": "p225",
        "license": "CC-BY-4.0",
    },
    {"name": "bob", "audio": "more/bob.flac", "language": "de"},
]


def as_toml(voices):
    """One table a voice."""
    tables = [
        f"[voices.{voice['name']}]\n"
        + "".join(
            f"{k} = {json.dumps(v, ensure_ascii=False)}\n" for k, v in voice.items() if k != "name"
        )
        for voice in voices
    ]
    return "\n".join(tables)


def as_csv(voices):
    """A header, and a line a voice."""
    keys = ["name", "audio", "text", "language", "speaker", "license"]
    lines = [",".join(f'"{voice.get(key, "")}"' for key in keys) for voice in voices]
    return "\n".join([",".join(keys), *lines])


def as_jsonl(voices):
    """An object a line."""
    return "\n\n".join(json.dumps(voice) for voice in voices)


FORMS = {"voices.toml": as_toml, "voices.csv": as_csv, "voices.jsonl": as_jsonl}


@pytest.mark.parametrize(("name", "write"), FORMS.items())
def test_three_forms_say_the_same(folder, name, write):
    """TOML, CSV and JSON Lines; what is left out has its default."""
    (folder / name).write_text(
        write(VOICES), encoding="utf-8-sig" if name.endswith("csv") else None
    )

    anna, bob = read_prompts(folder / name)

    assert (folder / "anna.flac").resolve() == anna.audio
    assert ("anna", "en-GB", "p225", "CC-BY-4.0") == (
        anna.name,
        anna.language,
        anna.speaker,
        anna.license,
    )
    assert "Some call me nature, “others” call me mother." == anna.text
    assert ("bob", "", "de", "bob", "") == (
        bob.name,
        bob.text,
        bob.language,
        bob.speaker,
        bob.license,
    )
    assert anna.audio_sha256 != bob.audio_sha256


def test_a_voice_is_its_sound_and_its_words(folder):
    """Not where the file lies, nor what it is called."""
    (folder / "a.toml").write_text(as_toml(VOICES[:1]))
    moved = record(folder / "elsewhere" / "x.flac").relative_to(folder)
    (folder / "b.toml").write_text(as_toml([{**VOICES[0], "name": "x", "audio": str(moved)}]))
    other = {**VOICES[0], "text": "Other words."}
    (folder / "c.toml").write_text(as_toml([other]))
    first, second, third = (read_prompts(folder / f"{name}.toml")[0] for name in "abc")

    assert first.identity == second.identity != third.identity


OUTSIDE = [
    "../secret.flac",
    "/etc/passwd",
    "more/../../secret.flac",
    "..\\secret.flac",
    "link.flac",
]


@pytest.mark.parametrize("audio", OUTSIDE)
def test_no_path_leaves_the_folder(tmp_path, audio):
    """Neither by dots, nor from the root, nor through a link."""
    secret = record(tmp_path / "secret.flac")
    folder = tmp_path / "voices"
    folder.mkdir()
    (folder / "more").mkdir()
    (folder / "link.flac").symlink_to(secret)
    (folder / "v.toml").write_text(as_toml([{**VOICES[0], "audio": audio}]))

    with pytest.raises(InvalidPrompts, match="leaves the folder"):
        read_prompts(folder / "v.toml")


def test_a_link_within_the_folder_is_fine(folder):
    """It stays inside."""
    (folder / "link.flac").symlink_to(folder / "anna.flac")
    (folder / "v.toml").write_text(as_toml([{**VOICES[0], "audio": "link.flac"}]))

    assert (folder / "anna.flac").resolve() == read_prompts(folder / "v.toml")[0].audio


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("v.toml", "[voices.a", "is no TOML"),
        ("v.toml", "", "names no voice"),
        ("v.toml", "[other]\nx = 1", "allowed: one table"),
        ("v.toml", "voices = 3", "allowed: one table"),
        ("v.toml", "[voices]\na = 3", "is no table"),
        ("v.toml", '[voices.a]\nfile = "x"', "has 'file'.*Known: name, audio"),
        ("v.toml", '[voices.a]\naudio = 3\nlanguage = "en"', "allowed: a string"),
        ("v.toml", '[voices.a]\naudio = "anna.flac"', "lacks language"),
        ("v.toml", '[voices.a]\naudio = "gone.flac"\nlanguage = "en"', "there is no such file"),
        ("v.toml", '[voices.a]\naudio = "more"\nlanguage = "en"', "there is no such file"),
        ("v.toml", '[voices.a]\naudio = "anna.flac"\nlanguage = "english"', "BCP 47"),
        ("v.toml", '[voices."a/b"]\naudio = "anna.flac"\nlanguage = "en"', "allowed: letters"),
        ("v.csv", "name,audio\na", "as many fields"),
        ("v.csv", "name,audio\na,b,c", "as many fields"),
        ("v.csv", "name,audio,language\na,anna.flac,en\na,anna.flac,en", "second voice called 'a'"),
        ("v.jsonl", "{", "Line 1 of .* is no JSON"),
        ("v.jsonl", "\n[1]", "Line 2 of .* is no JSON object"),
        ("v.txt", "", "allowed: .toml, .csv or .jsonl"),
    ],
)
def test_a_manifest_with_a_mistake_is_one_clear_error(folder, name, content, says):
    """Which file, which voice or line, what is wrong and what is allowed."""
    (folder / name).write_text(content)

    with pytest.raises(InvalidPrompts, match=says) as caught:
        read_prompts(folder / name)

    assert str(folder / name) in str(caught.value)


def test_a_manifest_that_is_not_there_or_not_text(folder):
    """As any file that a user names."""
    (folder / "v.toml").write_bytes(b"\xff\xfe[")

    with pytest.raises(InvalidPrompts, match=r"cannot be read: No such file"):
        read_prompts(folder / "gone.toml")
    with pytest.raises(InvalidPrompts, match=r"is not UTF-8"):
        read_prompts(folder / "v.toml")


def loud(duration_s, share_clipped):
    """Speech that is at full scale in a share of its samples."""
    samples = speechlike(duration_s).samples.copy()
    samples[: round(len(samples) * share_clipped)] = 1.0
    return Clip(samples, 16_000)


def mostly_silent(duration_s, share):
    """Speech at the beginning, then nothing."""
    samples = speechlike(duration_s).samples.copy()
    samples[round(len(samples) * share) :] = 0
    return Clip(samples, 16_000)


SOUNDS = {
    "prompt_too_short": speechlike(0.9),
    "prompt_too_long": speechlike(12.1),
    "prompt_low_rate": speechlike(3.0, 8_000),
    "prompt_silent": mostly_silent(3.0, 0.3),
    "prompt_clipped": loud(3.0, 0.002),
}


@pytest.fixture
def prompt(folder):
    """A recording that will do."""
    (folder / "v.toml").write_text(as_toml(VOICES[:1]))
    return replace(read_prompts(folder / "v.toml")[0], text=WORDS)


@pytest.mark.parametrize(("rule", "sound"), SOUNDS.items())
def test_a_recording_that_will_not_do(folder, prompt, rule, sound):
    """Each rule by itself, in words with numbers."""
    record(folder / "anna.flac", sound)

    (problem,) = inspect_prompt(prompt, LIMITS).problems

    assert rule == problem[0]
    assert "allowed" in problem[1]


def test_a_recording_at_the_limits_will_do(folder, prompt):
    """The ends are allowed."""
    for sound in (speechlike(1.0), speechlike(12.0), loud(3.0, 0.0009), mostly_silent(3.0, 0.6)):
        record(folder / "anna.flac", sound)
        assert () == inspect_prompt(prompt, LIMITS).problems


def test_several_rules_are_all_named(folder, prompt):
    """So that a recording is mended once."""
    record(folder / "anna.flac", speechlike(0.5, 8_000))
    problems = inspect_prompt(replace(prompt, text=""), LIMITS).problems

    assert {"prompt_without_text", "prompt_low_rate", "prompt_too_short"} == {
        rule for rule, _ in problems
    }


def test_a_text_is_needed_where_an_engine_needs_it(prompt):
    """And only there."""
    silent_about_it = replace(prompt, text="")

    assert "prompt_without_text" == inspect_prompt(silent_about_it, LIMITS).problems[0][0]
    assert () == inspect_prompt(silent_about_it, replace(LIMITS, needs_text=False)).problems
    assert () == inspect_prompt(silent_about_it, None).problems


def test_a_text_of_another_language_is_found(prompt):
    """By its script; a voice for any language may have any."""
    found = inspect_prompt(replace(prompt, text="你好。" * 5), LIMITS)
    any_language = inspect_prompt(replace(prompt, text="你好。" * 5, language="mul"), LIMITS)

    assert "prompt_script_mismatch" == found.problems[0][0]
    assert () == any_language.problems


@pytest.mark.parametrize("text", ["Hi.", WORDS * 4])
def test_a_text_of_another_recording_is_noted(prompt, text):
    """Nobody speaks so fast or so slowly; but the text may be right, so it is only noted."""
    found = inspect_prompt(replace(prompt, text=text), LIMITS)

    assert () == found.problems
    assert "is this the text of that recording?" in found.notes[0]
    assert () == inspect_prompt(prompt, LIMITS).notes


@pytest.mark.parametrize("content", [b"", b"not audio", encode_flac(speechlike(2.0))[:60]])
def test_what_cannot_be_read_is_a_finding(folder, prompt, content):
    """Not the end of everything."""
    (folder / "anna.flac").write_bytes(content)

    assert "prompt_unreadable" == inspect_prompt(prompt, LIMITS).problems[0][0]


def test_stereo_is_averaged(tmp_path, prompt):
    """Two channels are no reason to refuse a recording; opposite ones leave silence."""
    import soundfile

    wave = speechlike(3.0).samples
    same, opposite = tmp_path / "same.wav", tmp_path / "opposite.wav"
    soundfile.write(same, np.stack([wave, wave], axis=1), 16_000)
    soundfile.write(opposite, np.stack([wave, -wave], axis=1), 16_000)

    assert () == inspect_prompt(replace(prompt, audio=same), LIMITS).problems
    silent = inspect_prompt(replace(prompt, audio=Path(opposite)), LIMITS)
    assert "prompt_silent" == silent.problems[0][0]
