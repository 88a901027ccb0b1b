"""The table of systems, and what every system in it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosdata.audio import Clip, pcm_sha256
from mosdata.errors import InvalidValue, MissingExtra, UnknownName, UsageError
from mosdata.manifests.systems import SYSTEM_NAMES
from mosdata.synth import systems
from mosdata.synth.base import OUTPUT_TERMS, SpeechRequest, Synthesizer, as_speech
from mosdata.synth.speak import speak, voices_for
from mosdata.synth.systems import (
    SYSTEMS,
    available_systems,
    build_system,
    default_systems,
    is_available,
    why_unavailable,
)

TEXTS = {
    "en": ("The birch canoe slid on the smooth planks.", "How much was that, Mr. Smith? 42!"),
    "de": ("Das ist ein schöner Tag für alle Leute.", "Wie viel kostet das? Zwölf Euro!"),
    "fr": ("Il fait très beau aujourd'hui à Paris.", "Où est-ce que vous allez maintenant?"),
    "es": ("El niño come una manzana en la cocina.", "¿Cuánto cuesta? ¡Doce euros!"),
    "it": ("La ragazza legge un libro molto bello.", "Perché no? Costa solo dodici euro!"),
    "pt": ("O menino foi para a escola hoje.", "Quanto custa isso? Não é muito!"),
    "nl": ("Het is vandaag erg mooi weer.", "Hoeveel kost dat? Twaalf euro!"),
    "pl": ("Dzisiaj jest bardzo ładna pogoda.", "Ile to kosztuje? Dwanaście złotych!"),
    "ru": ("Сегодня очень хорошая погода.", "Сколько это стоит? Двенадцать рублей!"),
    "zh": ("今天天气很好。我们去公园散步。", "这个多少钱。十二块钱。"),
}

SAY_THEM = """
import json, sys
from mosdata.audio import pcm_sha256
from mosdata.synth.base import SpeechRequest
from mosdata.synth.speak import speak, voices_for
from mosdata.synth.systems import build_system
said = {}
for name in json.loads(sys.argv[1]):
    engine = build_system(name)
    voice = voices_for(engine, "en")[-1].name
    request = SpeechRequest(text=sys.argv[2], language="en", voice=voice, seed=5)
    said[name] = pcm_sha256(speak(engine, request).clip)
print(json.dumps(said))
"""

LOOK_AT_THE_TABLE = """
import sys
from mosdata.synth import systems
light = set(sys.modules)
systems.default_systems()
heavy = {"scipy", "torch", "soundfile", "soxr", "pyworld", "espeakng_loader", "transformers"}
engines = {"mosdata.synth.espeak", "mosdata.synth.griffinlim", "mosdata.synth.commands"}
print(sorted((heavy | engines) & light), sorted(heavy & set(sys.modules)))
"""

OWN_ENGINE = """
import numpy as np
from mosdata.audio import Clip
from mosdata.synth.base import SystemInfo, Voice

class Beep:
    info = SystemInfo(
        name="beep", family="test", sample_rate_hz=8000, languages=("en",), license="MIT"
    )
    voices = lambda self: (Voice(name="me", language="en"),)
    revision = lambda self: "1"
    synthesize = lambda self, request: Clip(np.sin(np.arange(4000, dtype=np.float32)) / 2, 8000)

class Half:
    info = Beep.info

class Mute(Beep):
    voices = lambda self: ()

"""


def _run_python(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def engines() -> dict[str, Synthesizer]:
    """Every system that can be built on this machine."""
    return {name: build_system(name) for name in available_systems()}


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A user's folder on the path, with an engine and two that are not."""
    (tmp_path / "own_engine_for_tests.py").write_text(OWN_ENGINE)
    (tmp_path / "own_engine_that_lacks.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_engine_for_tests"
    sys.modules.pop("own_engine_for_tests", None)


def test_the_table_loads_nothing_heavy() -> None:
    """Importing the table loads no engine; asking what is available loads no heavy package."""
    assert _run_python(LOOK_AT_THE_TABLE) == "[] []"


def test_table_and_class_list_agree() -> None:
    """Every system of ours has its place in the class list, in the same order."""
    assert [name for name in SYSTEM_NAMES if name in SYSTEMS] == list(SYSTEMS)


def test_pip_alone_gives_eight_systems_and_more() -> None:
    """With the extras espeak and world there are ten systems without any program installed."""
    from_pip = [name for name in default_systems() if not name.startswith(("flite", "festival"))]

    assert [name for name in SYSTEM_NAMES if name.startswith("espeak-")] == from_pip
    assert len(from_pip) >= 8


def test_defaults_are_in_class_order_and_without_tone() -> None:
    """A default build has what is available and speaks, in the order of the class list."""
    assert [*default_systems(), "tone"] == available_systems()


@pytest.mark.parametrize("name", SYSTEMS)
def test_missing_engines_say_how_to_get_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where packages and programs are missing, the table says so and building raises the same."""
    for package in ("espeakng_loader", "pyworld"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("PATH", "/nonexistent")
    if name == "tone":
        assert is_available(name)
        return

    assert not is_available(name)
    assert "install" in str(why_unavailable(name))
    with pytest.raises(UsageError, match="install") as caught:
        build_system(name)
    assert isinstance(caught.value, MissingExtra) == name.startswith("espeak")


def test_every_voice_of_every_system_speaks(engines: dict[str, Synthesizer]) -> None:
    """Each system, voice and text: audio at the promised rate, of plausible length, without flags.

    Vocoders share the voices of their base, so they get one English and one Chinese voice.
    """
    for name, engine in engines.items():
        voices = engine.voices()
        if "+" in engine.info.family:
            voices = (voices_for(engine, "en")[0], voices_for(engine, "zh")[0])
        for voice in voices:
            language = "en" if voice.language == "mul" else voice.language[:2]
            for text in TEXTS[language]:
                request = SpeechRequest(text=text, language=language, voice=voice.name, seed=3)
                spoken = speak(engine, request)
                what = (name, voice.name, text)

                assert spoken.clip.sample_rate_hz == engine.info.sample_rate_hz, what
                assert 0.5 < spoken.clip.duration_s < 10, what
                assert spoken.flags == (), what


def test_a_fresh_process_in_another_order_says_the_same(engines: dict[str, Synthesizer]) -> None:
    """Neither process, nor order, nor what was said before changes a bit; systems differ."""
    text = TEXTS["en"][0]
    said = {}
    for name, engine in engines.items():
        voice = voices_for(engine, "en")[-1].name
        request = SpeechRequest(text=text, language="en", voice=voice, seed=5)
        said[name] = pcm_sha256(speak(engine, request).clip)
    backwards = json.dumps(list(engines)[::-1])

    assert json.loads(_run_python(SAY_THEM, backwards, text)) == said
    assert len(set(said.values())) == len(said)


def test_every_system_draws_from_its_seed(engines: dict[str, Synthesizer]) -> None:
    """The same seed gives the same bytes, another seed another take."""
    for name, engine in engines.items():
        voice = voices_for(engine, "en")[0].name
        one, again, two = (
            as_speech(
                engine.synthesize(
                    SpeechRequest(text="Hello there.", language="en", voice=voice, seed=seed)
                )
            ).clip
            for seed in (1, 1, 2)
        )

        assert pcm_sha256(one) == pcm_sha256(again), name
        assert pcm_sha256(one) != pcm_sha256(two), name


def test_facts_of_every_system(engines: dict[str, Synthesizer]) -> None:
    """Names, terms, licences and revisions are filled in; voices are unique."""
    for name, engine in engines.items():
        voices = [voice.name for voice in engine.voices()]

        assert name == engine.info.name
        assert engine.info.output_terms in OUTPUT_TERMS
        assert engine.info.license not in {"", "unknown"}
        assert engine.revision() == build_system(name).revision() != ""
        assert len(voices) == len(set(voices)) > 0
        for voice in engine.voices():
            assert voices_for(engine, voice.language)
    assert len({engine.revision() for engine in engines.values()}) >= len(engines) - 2


def test_estimates_are_of_the_right_size(engines: dict[str, Synthesizer]) -> None:
    """``seconds_per_char`` is within 40 % of what English takes."""
    for name, engine in engines.items():
        text, voice = TEXTS["en"][0], voices_for(engine, "en")[0].name
        said = engine.synthesize(SpeechRequest(text=text, language="en", voice=voice, seed=1))
        clip = as_speech(said).clip

        assert clip.duration_s == pytest.approx(
            engine.info.seconds_per_char * len(text), rel=0.4
        ), name


def test_unknown_name_offers_the_nearest() -> None:
    """A slip of the finger gets the name that was meant."""
    with pytest.raises(UnknownName, match="Did you mean 'espeak-formant-world'"):
        build_system("espeak-formant-wrold")
    with pytest.raises(UnknownName, match="Known: "):
        is_available("natural")


def test_own_engine_by_import_path(own_module: str) -> None:
    """A user's class speaks without a line in our table."""
    engine = build_system(f"{own_module}:Beep")
    request = SpeechRequest(text="Hi, it is me.", language="en-GB", voice="me", seed=1)

    clip = speak(engine, request).clip

    assert isinstance(clip, Clip)
    assert (clip.sample_rate_hz, engine.info.name) == (8000, "beep")
    assert is_available(f"{own_module}:Beep")


def test_own_engine_errors_say_what_is_wrong(own_module: str) -> None:
    """Wrong module, wrong class, half an engine: each has its own words."""
    with pytest.raises(UsageError, match="PYTHONPATH"):
        build_system("no_such_module_here:Beep")
    with pytest.raises(UnknownName, match="Did you mean 'Beep'"):
        build_system(f"{own_module}:Bep")
    with pytest.raises(InvalidValue, match="It lacks: voices, revision, synthesize"):
        build_system(f"{own_module}:Half")
    with pytest.raises(InvalidValue, match="at least one voice"):
        build_system(f"{own_module}:Mute")
    with pytest.raises(ModuleNotFoundError, match="a_package_nobody_has"):
        build_system("own_engine_that_lacks:Beep")


def test_the_table_is_read_only() -> None:
    """Nobody changes another one's table by accident."""
    with pytest.raises(TypeError):
        systems.SYSTEMS["mine"] = "x:y"  # type: ignore[index]  # the point of the test


def test_the_page_tells_the_truth(engines: dict[str, Synthesizer]) -> None:
    """Every system is in docs/systems.md, with its rate, its voices and its licence."""
    page = (Path(__file__).parents[2] / "docs" / "systems.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for name in SYSTEMS:
        (row,) = [row for row in rows if f"`{name}`" in row.split("|")[1]][:1]
        if name in engines:
            info = engines[name].info
            endings = {part for v in engines[name].voices() for part in v.name.split("+")}

            assert row.split("|")[3].strip() == str(info.sample_rate_hz), name
            assert f"`{info.license}` | `{info.output_terms}`" in page, name
            if "+" not in info.family and not name.startswith("espeak-klatt"):
                assert all(f"{ending}`" in row for ending in endings), name
