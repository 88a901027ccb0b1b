"""eSpeak NG inside this process: formant and Klatt synthesis, on a CPU, without a download.

The library and its data come in the ``espeakng-loader`` wheel (``mosdata[espeak]``). Two of its
habits decide how it is used here:

* State of its synthesiser survives a new seed, and even ``espeak_Terminate``. So the library is
  loaded, seeded, used once and unloaded for every utterance, which gives the bytes of a fresh
  process at a few milliseconds each; an engine whose library stays in memory refuses to speak.
* A voice that it does not have leaves the previous voice in place, and an unknown variant
  (``en-us+nope``) is ignored without a word. So voices are a table here, every variant file is
  looked for when the engine is built, and every return code is checked.

eSpeak NG (https://github.com/espeak-ng/espeak-ng) is GPL-3.0-or-later. The licence is about the
program; sound that a program makes is not a copy of it (see the GNU GPL FAQ, "GPLOutput").
"""

from __future__ import annotations

import _ctypes
import ctypes
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from mosdata.audio import Clip, from_pcm16
from mosdata.errors import MissingExtra, MosdataError, RecordRejected
from mosdata.manifests.ids import stable_id
from mosdata.synth.base import (
    NO_ENGINE_TERMS,
    SpeechRequest,
    Synthesizer,
    SystemInfo,
    Voice,
    unknown_voice,
)
from mosdata.synth.espeak_program import GET_IT, PROGRAM, EspeakProgram
from mosdata.synth.prosody import draw_prosody

ADAPTER_VERSION: Final = "1"
"""Goes up with every change here that changes samples."""

SAMPLE_RATE_HZ: Final = 22_050


@dataclass(frozen=True, slots=True)
class Base:
    """A voice of the library before variants.

    Args:
        identifier: name that ``espeak_SetVoiceByName`` accepts; ``en-gb`` is not one.
        language: BCP 47 tag.
        words_per_minute: tempo before prosody; 175 is the library's default.
    """

    identifier: str
    language: str
    words_per_minute: int = 175


BASES: Final[Mapping[str, Base]] = MappingProxyType(
    {
        "en-us": Base("en-us", "en-US"),
        "en-gb": Base("gmw/en", "en-GB"),
        "de": Base("de", "de"),
        "fr": Base("fr", "fr", words_per_minute=145),  # else up to 31 characters a second
        "es": Base("es", "es"),
        "it": Base("it", "it"),
        "pt-br": Base("pt-br", "pt-BR"),
        "nl": Base("nl", "nl"),
        "pl": Base("pl", "pl"),
        "ru": Base("ru", "ru"),
        "cmn": Base("cmn", "zh"),
    }
)
"""What we call them -> what the library calls them."""

FORMANT_VARIANTS: Final = ("", "f3", "m3", "f2", "m7")
"""Speakers by formant shifts and pitch; the first is the voice as it is."""

KLATT_VARIANTS: Final = ("klatt", "klatt2", "klatt3", "klatt4", "klatt5")
"""Glottal sources of the Klatt synthesiser.

``klatt6`` is left out: it takes its noise from C's ``rand``, which belongs to the whole process.
"""

FORMANT_VOLUME: Final = 100
KLATT_VOLUME: Final = 60
"""Out of the library's default of 100, at which ``klatt4`` and ``klatt5`` clip."""

# speak_lib.h: espeak_AUDIO_OUTPUT, espeak_POSITION_TYPE, espeakINITIALIZE_*, espeakCHARS_*.
_SYNCHRONOUS: Final = 2
_DONT_EXIT: Final = 0x8000
_UTF8_WITH_END_PAUSE: Final = 1 | 0x1000
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4

_MIDDLE: Final = 50
"""Default of pitch and pitch range, which go from 0 to 100."""

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)

# The library is one per process whatever the number of engines, and is not thread-safe.
_ONE_AT_A_TIME: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Files:
    library: Path
    data: Path


class Espeak:
    """One synthesis method of eSpeak NG with its voices.

    Args:
        name: name of the system.
        family: synthesis method.
        variants: endings that a voice may have, as in ``en-us+f3``.
        volume: 100 is the library's default.

    Raises:
        MissingExtra: ``espeakng-loader`` is not installed.
        MosdataError: the library cannot be used here; the message says why.

    Example:
        >>> engine = formant()
        >>> engine.synthesize(
        ...     SpeechRequest(text="Hello.", language="en", voice="en-us+f3", seed=1)
        ... ).sample_rate_hz
        22050
    """

    def __init__(self, *, name: str, family: str, variants: tuple[str, ...], volume: int) -> None:
        self._files = _find_files()
        self._volume = volume
        self._voices = dict(_voice_table(variants))
        self._check_voices(variants)
        self.info = _info(name, family)
        with _loaded(self._files) as library:
            self._revision = _revision(library, self._files, [*self._voices], volume)

    def voices(self) -> tuple[Voice, ...]:
        """Voices that can be asked for; the first is the default."""
        return tuple(voice for _, voice in self._voices.values())

    def revision(self) -> str:
        """Adapter, library version, and a digest of the library file and the voice table."""
        return self._revision

    def synthesize(self, request: SpeechRequest) -> Clip:
        """Speak; bit for bit what a fresh process would say.

        Raises:
            RecordRejected: unknown voice, or a return code other than "fine".
        """
        if request.voice not in self._voices:
            raise unknown_voice(self, request)
        identifier, _ = self._voices[request.voice]
        with _loaded(self._files) as library:
            pcm = _speak(library, identifier, self._volume, request)
        return Clip(from_pcm16(np.frombuffer(pcm, dtype="<i2")), SAMPLE_RATE_HZ)

    def _check_voices(self, variants: tuple[str, ...]) -> None:
        folder = self._files.data / "voices" / "!v"
        missing = [name for name in variants if name and not (folder / name).is_file()]
        if missing:
            raise MosdataError(
                f"eSpeak NG data in {self._files.data} lack the variants {', '.join(missing)}; "
                "install espeakng-loader again."
            )


def formant() -> Synthesizer:
    """``espeak-formant``: harmonics shaped by formant peaks, eSpeak's own method."""
    return _engine("espeak-formant", "formant", FORMANT_VARIANTS, FORMANT_VOLUME)


def klatt() -> Synthesizer:
    """``espeak-klatt``: a cascade-parallel formant filter after Klatt (JASA 67, 1980)."""
    return _engine("espeak-klatt", "klatt", KLATT_VARIANTS, KLATT_VOLUME)


def _engine(name: str, family: str, variants: tuple[str, ...], volume: int) -> Synthesizer:
    """The library of the wheel, else the program of the distribution.

    Raises:
        MissingExtra: neither is installed.
    """
    if find_spec("espeakng_loader") is not None or shutil.which(PROGRAM) is None:
        return Espeak(name=name, family=family, variants=variants, volume=volume)
    voices = {
        voice.name: (
            identifier,
            voice.language,
            BASES[voice.name.partition("+")[0]].words_per_minute,
        )
        for identifier, voice in dict(_voice_table(variants)).values()
    }
    return EspeakProgram(_info(name, family), voices, volume=volume)


def why_unavailable(system: str) -> str | None:
    """None where the engine can be built, else what is missing."""
    if find_spec("espeakng_loader") is None and shutil.which(PROGRAM) is None:
        return f"{MissingExtra(system, ['espeakng-loader'], 'espeak')}, or {GET_IT}"
    return None


def _info(name: str, family: str) -> SystemInfo:
    return SystemInfo(
        name=name,
        family=family,
        sample_rate_hz=SAMPLE_RATE_HZ,
        languages=tuple(dict.fromkeys(b.language.partition("-")[0] for b in BASES.values())),
        license=NO_ENGINE_TERMS,
        code_license="GPL-3.0-or-later",
        output_terms="open",
        seconds_per_char=0.06,
        source_url="https://github.com/espeak-ng/espeak-ng",
        notes="Engine GPL-3.0-or-later; its audio output is not covered by that licence.",
    )


def _find_files() -> _Files:
    try:
        import espeakng_loader
    except ModuleNotFoundError as error:
        raise MissingExtra("eSpeak NG", ["espeakng-loader"], "espeak") from error
    return _Files(
        library=Path(espeakng_loader.get_library_path()),
        data=Path(espeakng_loader.get_data_path()),
    )


def _voice_table(variants: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, Voice]]]:
    """Our name -> eSpeak's name and the voice, language by language."""
    for name, base in BASES.items():
        for variant in variants:
            ending = f"+{variant}" if variant else ""
            voice = Voice(name=name + ending, language=base.language)
            yield voice.name, (base.identifier + ending, voice)


@contextmanager
def _loaded(files: _Files) -> Iterator[Any]:
    """The library with nothing remembered from earlier utterances."""
    with _ONE_AT_A_TIME:
        _refuse_if_resident(files.library)
        library = ctypes.CDLL(str(files.library))
        try:
            _initialize(library, files.data)
            yield library
            library.espeak_Terminate()
        finally:
            _unload(library)


def _refuse_if_resident(library: Path) -> None:
    """Stop where the library is in memory already: its state would leak into what we say."""
    if os.name == "nt":
        return
    try:
        resident = ctypes.CDLL(str(library), mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return
    _unload(resident)
    raise MosdataError(
        f"{library} is held in memory by other code in this process, so its speech would depend "
        "on what was said before. Use mosdata in a process of its own."
    )


def _unload(library: ctypes.CDLL) -> None:
    handle = library._handle  # noqa: SLF001  # ctypes has no public way to close a library
    if os.name == "nt":
        _ctypes.FreeLibrary(handle)  # type: ignore[attr-defined,unused-ignore]  # Windows only
    else:
        _ctypes.dlclose(handle)


def _initialize(library: Any, data: Path) -> None:
    library.espeak_Info.restype = ctypes.c_char_p
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data), _DONT_EXIT)
    if rate != SAMPLE_RATE_HZ:
        raise MosdataError(f"eSpeak NG cannot start with the data in {data} (code {rate}).")
    used = ctypes.c_char_p()
    library.espeak_Info(ctypes.byref(used))
    # It falls back to data of another installation where a path is too long for its buffer.
    if used.value != os.fsencode(data):
        raise MosdataError(
            f"eSpeak NG took its data from {used.value!r} instead of {data}. Paths are limited to "
            "about 150 characters: install in a shorter one."
        )


def _revision(library: Any, files: _Files, voices: list[str], volume: int) -> str:
    number = library.espeak_Info(None).decode()
    digest = hashlib.sha256(files.library.read_bytes()).hexdigest()
    loader = version("espeakng-loader")
    options = stable_id(
        "espeak",
        {"library": digest, "loader": loader, "voices": [*voices], "volume": volume},
    )
    return f"espeak/{ADAPTER_VERSION} espeak-ng/{number} {options[:8]}"


def _speak(library: Any, identifier: str, volume: int, request: SpeechRequest) -> bytes:
    """16-bit samples of one text."""
    pieces: list[bytes] = []

    def collect(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _Callback(collect)  # must outlive the calls below
    text = request.text.replace("\0", " ").encode()
    # C's long has 32 bits on Windows, with a sign.
    seed = ctypes.c_long(request.seed & 0x7FFFFFFF)
    library.espeak_SetSynthCallback(callback)
    _check(library.espeak_ng_SetRandSeed(seed), "seed", request)
    _check(library.espeak_SetVoiceByName(identifier.encode()), "voice", request)
    _check(library.espeak_SetParameter(_VOLUME, volume, 0), "volume", request)
    for parameter, value in _parameters(request).items():
        _check(library.espeak_SetParameter(parameter, value, 0), "prosody", request)
    size = ctypes.c_size_t(len(text) + 1)
    code = library.espeak_Synth(text, size, 0, 1, 0, _UTF8_WITH_END_PAUSE, None, None)
    _check(code, "text", request)
    return b"".join(pieces)


def _parameters(request: SpeechRequest) -> dict[int, int]:
    """Tempo, pitch and pitch range of this take."""
    prosody = draw_prosody(request.seed, voice=request.voice)
    base = BASES[request.voice.partition("+")[0]]
    return {
        _RATE: round(base.words_per_minute * prosody.tempo),
        _PITCH: round(_MIDDLE * prosody.pitch),
        _RANGE: round(_MIDDLE * prosody.pitch_range),
    }


def _check(code: int, what: str, request: SpeechRequest) -> None:
    if code != 0:
        raise RecordRejected(
            "engine_failed",
            f"eSpeak NG refused the {what} (code {code}) for voice {request.voice!r}, "
            f"text {request.text[:40]!r}.",
        )
