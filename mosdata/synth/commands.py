"""Engines that are command lines: Flite and Festival, where they are installed.

They appear by themselves where the program and its voices are found, and never before. Text goes
in through a file and sound comes out through a file, both in a folder of their own; no shell sees
either. Both programs use a default voice, or write nothing and report success, where a voice is
missing: so voices are listed first, and the file is looked for afterwards.

- Flite (http://cmuflite.org): Black & Lenzo, "Flite: a small fast run-time synthesis engine"
  (SSW 2001); diphones, and CLUSTERGEN (Black, Interspeech 2006).
- Festival (http://www.cstr.ed.ac.uk/projects/festival): diphones, and HTS (Zen et al., SSW 2007).

Their licence (SPDX ``MIT-Festival``) covers the voices too, so it travels with the sound: a
diphone clip is made of the recordings in the voice.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from mosdata.audio import Clip, decode_audio, resample
from mosdata.errors import RecordRejected, UsageError
from mosdata.synth.base import SpeechRequest, SystemInfo, Voice, unknown_voice
from mosdata.synth.programs import run_program
from mosdata.synth.prosody import Prosody, draw_prosody

ADAPTER_VERSION: Final = "1"

TIMEOUT_S: Final = 60.0

DIPHONE_STRETCH: Final = 1.1
"""Duration stretch that the diphone voices set for themselves; tempo is relative to it."""

DIPHONE_PITCH_HZ: Final = 105.0
"""Mean pitch that Festival's two American diphone voices set for themselves."""

_PLAIN: Final = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-"})  # noqa: RUF001  # what the table is for

Arguments = Callable[[str, Prosody], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way of speaking with one program.

    Args:
        system: name of the system.
        family: synthesis method.
        program: what must be on the path.
        voices: our name, which is the program's too, and BCP 47 tag.
        sample_rate_hz: rate of all voices; a voice that differs is resampled.
        arguments: options for a voice and a prosody.
        get_it: how to install program and voices.
    """

    system: str
    family: str
    program: str
    voices: Mapping[str, str]
    sample_rate_hz: int
    arguments: Arguments
    get_it: str
    source_url: str


def _flite(voice: str, prosody: Prosody) -> Sequence[str]:
    base = DIPHONE_STRETCH if voice in FLITE_DIPHONE.voices else 1.0
    stretch = f"duration_stretch={base / prosody.tempo:.4f}"
    return ["-voice", voice, "--setf", stretch, "--setf", f"f0_shift={prosody.pitch:.4f}"]


def _festival_diphone(voice: str, prosody: Prosody) -> Sequence[str]:
    stretch, pitch_hz = DIPHONE_STRETCH / prosody.tempo, DIPHONE_PITCH_HZ * prosody.pitch
    settings = (
        f"(Parameter.set 'Duration_Stretch {stretch:.4f}) "
        f"(set! int_lr_params (cons '(target_f0_mean {pitch_hz:.2f}) (cdr int_lr_params)))"
    )
    return ["-eval", f"(begin (voice_{voice}) {settings})"]


def _festival_hts(voice: str, prosody: Prosody) -> Sequence[str]:
    rate = f'(cons (list "-r" {prosody.tempo:.4f}) hts_engine_params)'
    return ["-eval", f"(begin (voice_{voice}) (set! hts_engine_params {rate}))"]


FLITE_DIPHONE: Final = Method(
    system="flite-diphone",
    family="diphone",
    program="flite",
    voices={"kal16": "en-US", "kal": "en-US"},
    sample_rate_hz=16_000,
    arguments=_flite,
    get_it="apt-get install flite",
    source_url="http://cmuflite.org",
)
FLITE_CLUSTERGEN: Final = Method(
    system="flite-clustergen",
    family="parametric",
    program="flite",
    voices={"slt": "en-US", "rms": "en-US", "awb": "en-GB"},
    sample_rate_hz=16_000,
    arguments=_flite,
    get_it="apt-get install flite",
    source_url="http://cmuflite.org",
)
FESTIVAL_DIPHONE: Final = Method(
    system="festival-diphone",
    family="diphone",
    program="text2wave",
    voices={"kal_diphone": "en-US", "ked_diphone": "en-US"},
    sample_rate_hz=16_000,
    arguments=_festival_diphone,
    get_it="apt-get install festival festvox-kallpc16k festvox-kdlpc16k",
    source_url="http://www.cstr.ed.ac.uk/projects/festival",
)
FESTIVAL_HTS: Final = Method(
    system="festival-hts",
    family="hmm",
    program="text2wave",
    voices={"cmu_us_slt_arctic_hts": "en-US"},
    sample_rate_hz=32_000,
    arguments=_festival_hts,
    get_it="apt-get install festival festvox-us-slt-hts",
    source_url="http://www.cstr.ed.ac.uk/projects/festival",
)
METHODS: Final[Mapping[str, Method]] = {
    method.system: method
    for method in (FLITE_DIPHONE, FLITE_CLUSTERGEN, FESTIVAL_DIPHONE, FESTIVAL_HTS)
}


class CommandEngine:
    """A program that reads a text file and writes a WAV file.

    Raises:
        UsageError: the program or all its voices are missing; the message says how to get them.
    """

    def __init__(self, method: Method) -> None:
        if missing := why_unavailable(method.system):
            raise UsageError(missing)
        self._method = method
        self._voices = tuple(
            Voice(name=name, language=method.voices[name]) for name in _found_voices(method)
        )
        self.info = SystemInfo(
            name=method.system,
            family=method.family,
            sample_rate_hz=method.sample_rate_hz,
            languages=("en",),
            license="MIT-Festival",
            code_license="MIT-Festival",
            output_terms="open",
            seconds_per_char=0.065,
            source_url=method.source_url,
        )

    def voices(self) -> tuple[Voice, ...]:
        """Those of the method's voices that are installed; the first is the default."""
        return self._voices

    def revision(self) -> str:
        """Adapter, and what the program says of its version."""
        return f"commands/{ADAPTER_VERSION} {_version(self._method.program)}"

    def synthesize(self, request: SpeechRequest) -> Clip:
        """Speak; plain ASCII reaches the program, as its English voices know nothing else.

        Raises:
            RecordRejected: ``unknown_voice``, ``unspeakable_characters``, ``engine_timeout`` or
                ``engine_failed``.
        """
        if request.voice not in {voice.name for voice in self._voices}:
            raise unknown_voice(self, request)
        text = plain_text(request.text)
        prosody = draw_prosody(request.seed, voice=request.voice)
        arguments = self._method.arguments(request.voice, prosody)
        return resample(_speak(self._method.program, arguments, text), self.info.sample_rate_hz)


def flite_diphone() -> CommandEngine:
    """``flite-diphone``."""
    return CommandEngine(FLITE_DIPHONE)


def flite_clustergen() -> CommandEngine:
    """``flite-clustergen``."""
    return CommandEngine(FLITE_CLUSTERGEN)


def festival_diphone() -> CommandEngine:
    """``festival-diphone``."""
    return CommandEngine(FESTIVAL_DIPHONE)


def festival_hts() -> CommandEngine:
    """``festival-hts``."""
    return CommandEngine(FESTIVAL_HTS)


def why_unavailable(system: str) -> str | None:
    """None where program and voices are installed, else what is missing and how to get it."""
    method = METHODS[system]
    if shutil.which(method.program) is None:
        return f"{system} needs the program {method.program}: {method.get_it}"
    if not _found_voices(method):
        voices = ", ".join(method.voices)
        return f"{system} needs one of the voices {voices}: {method.get_it}"
    return None


def plain_text(text: str) -> str:
    """ASCII for English voices: accents and typographic marks go, other symbols become spaces.

    Raises:
        RecordRejected: ``unspeakable_characters``: a letter would be lost.

    Example:
        >>> plain_text("Café “Zoë” ☕!")
        'Cafe "Zoe"  !'
    """
    marked = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    letters = [c for c in marked if not unicodedata.combining(c)]
    lost = "".join(dict.fromkeys(c for c in letters if c.isalnum() and not c.isascii()))
    if lost:
        raise RecordRejected(
            "unspeakable_characters",
            f"An English voice cannot read {lost[:20]!r}; it knows a to z.",
        )
    return "".join(c if " " <= c <= "~" else " " for c in letters)


def _found_voices(method: Method) -> list[str]:
    installed = _installed_voices(method.program)
    return [name for name in method.voices if name in installed]


@cache
def _installed_voices(program: str) -> frozenset[str]:
    """What the program lists; nothing where it cannot be run."""
    ask = {
        "flite": ["flite", "-lv"],
        "text2wave": ["festival", "-b", "(print (voice.list))"],
    }
    with tempfile.TemporaryDirectory(prefix="mosdata-") as folder:
        try:
            said = run_alone(ask[program], Path(folder)).stdout
        except (OSError, subprocess.TimeoutExpired):
            return frozenset()
    # Flite says "Voices available: kal slt", Festival says "(ked_diphone kal_diphone)".
    return frozenset(said.decode(errors="replace").rpartition(":")[2].strip("() \n").split())


@cache
def _version(program: str) -> str:
    ask = {"flite": ["flite", "--version"], "text2wave": ["festival", "--version"]}
    with tempfile.TemporaryDirectory(prefix="mosdata-") as folder:
        said = run_alone(ask[program], Path(folder)).stdout.decode(errors="replace")
    lines = [line.strip() for line in said.splitlines() if "flite-" in line or "System:" in line]
    return " ".join(lines)


def _speak(program: str, arguments: Sequence[str], text: str) -> Clip:
    with tempfile.TemporaryDirectory(prefix="mosdata-") as name:
        folder = Path(name)
        (folder / "text.txt").write_text(text + "\n", encoding="ascii")
        source = ["-f", "text.txt"] if program == "flite" else ["text.txt"]
        command = [program, *arguments, "-o", "speech.wav", *source]
        try:
            done = run_alone(command, folder)
        except subprocess.TimeoutExpired as error:
            raise RecordRejected(
                "engine_timeout", f"{program} did not finish {text[:40]!r} in {TIMEOUT_S:.0f} s."
            ) from error
        if done.returncode or not (folder / "speech.wav").is_file():
            said = (done.stderr or done.stdout).decode(errors="replace").strip()[-200:]
            raise RecordRejected(
                "engine_failed", f"{program} made no sound of {text[:40]!r}: {said or 'no reason'}"
            )
        return decode_audio(folder / "speech.wav")


def run_alone(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run in a folder of its own, which is also its home: ``~/.festivalrc`` changes voices."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C"}
    return run_program(command, folder, environment=environment, timeout_s=TIMEOUT_S)
