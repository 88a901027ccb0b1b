"""eSpeak NG as a program, where the ``espeakng-loader`` wheel is not installed.

The same two systems as :mod:`mosdata.synth.espeak`, made by the command line of the distribution's
package. Each utterance is a process of its own, so nothing is remembered. The program has no option
for the pitch range. It takes another voice where one is missing, with exit code 0, so voices and
variants are looked for when the engine is built; and it seeds the noise of breathy variants with
its process id, so those are left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from mosdata.audio import Clip, decode_audio
from mosdata.errors import RecordRejected, UsageError
from mosdata.synth.base import SpeechRequest, SystemInfo, Voice, unknown_voice
from mosdata.synth.commands import TIMEOUT_S, run_alone
from mosdata.synth.prosody import draw_prosody

PROGRAM: Final = "espeak-ng"
ADAPTER_VERSION: Final = "1"
GET_IT: Final = "apt-get install espeak-ng"
MIDDLE_PITCH: Final = 50
HIGHEST_PITCH: Final = 99

BREATH: Final = re.compile(rb"^\s*breath\b", re.MULTILINE)
ABOUT: Final = re.compile(r"text-to-speech: (?P<version>\S+)\s+Data at: (?P<data>.+)")


class EspeakProgram:
    """One synthesis method of the installed eSpeak NG.

    Args:
        info: facts of the system, those of the library's engine.
        voices: our name -> the program's name, language and words a minute.
        volume: 100 is the program's default.

    Raises:
        UsageError: the program is missing, or has none of the voices.
    """

    def __init__(
        self, info: SystemInfo, voices: Mapping[str, tuple[str, str, int]], *, volume: int
    ) -> None:
        if shutil.which(PROGRAM) is None:
            raise UsageError(f"{info.name} needs the program {PROGRAM}: {GET_IT}")
        self.info = info
        self._volume = volume
        self._voices = {name: about for name, about in voices.items() if _has_voice(about[0])}
        if not self._voices:
            raise UsageError(f"{PROGRAM} has none of the voices of {info.name}: {GET_IT}")

    def voices(self) -> tuple[Voice, ...]:
        """Those of the table that the installed data have; the first is the default."""
        return tuple(
            Voice(name=name, language=language) for name, (_, language, _) in self._voices.items()
        )

    def revision(self) -> str:
        """Adapter, version of the program, and volume."""
        return f"espeak-program/{ADAPTER_VERSION} espeak-ng/{_about()[0]} volume/{self._volume}"

    def synthesize(self, request: SpeechRequest) -> Clip:
        """Speak in a process of its own.

        Raises:
            RecordRejected: ``unknown_voice``, ``engine_timeout`` or ``engine_failed``.
        """
        if request.voice not in self._voices:
            raise unknown_voice(self, request)
        identifier, _, words_per_minute = self._voices[request.voice]
        prosody = draw_prosody(request.seed, voice=request.voice)
        pitch = min(HIGHEST_PITCH, round(MIDDLE_PITCH * prosody.pitch))
        options = ["-v", identifier, "-s", str(round(words_per_minute * prosody.tempo))]
        options += ["-p", str(pitch), "-a", str(self._volume), "-b", "1"]
        with tempfile.TemporaryDirectory(prefix="mosdata-") as name:
            folder = Path(name)
            (folder / "text.txt").write_text(request.text.replace("\0", " "), encoding="utf-8")
            command = [PROGRAM, *options, "-w", "speech.wav", "-f", "text.txt"]
            try:
                done = run_alone(command, folder)
            except subprocess.TimeoutExpired as error:
                raise RecordRejected(
                    "engine_timeout", f"{PROGRAM} did not finish in {TIMEOUT_S:.0f} s."
                ) from error
            if done.returncode or not (folder / "speech.wav").is_file():
                said = done.stderr.decode(errors="replace").strip()[-200:]
                raise RecordRejected(
                    "engine_failed", f"{PROGRAM} made no sound: {said or 'no reason'}"
                )
            return decode_audio(folder / "speech.wav")


@cache
def _about() -> tuple[str, Path]:
    """Version of the program, and where its data lie.

    Raises:
        UsageError: it says neither.
    """
    with tempfile.TemporaryDirectory(prefix="mosdata-") as folder:
        said = run_alone([PROGRAM, "--version"], Path(folder)).stdout.decode(errors="replace")
    found = ABOUT.search(said)
    if found is None:
        raise UsageError(f"{PROGRAM} --version says {said.strip()[:80]!r}; {GET_IT}")
    return found["version"], Path(found["data"].strip())


@cache
def _languages() -> frozenset[str]:
    """Names of voices, by language and by file, as the program lists them."""
    with tempfile.TemporaryDirectory(prefix="mosdata-") as folder:
        said = run_alone([PROGRAM, "--voices"], Path(folder)).stdout.decode(errors="replace")
    lines = [line.split() for line in said.splitlines()[1:] if len(line.split()) >= 5]
    return frozenset(name.lower() for line in lines for name in (line[1], line[4]))


def _has_voice(identifier: str) -> bool:
    base, _, variant = identifier.partition("+")
    return base.lower() in _languages() and (not variant or _is_repeatable(variant))


def _is_repeatable(variant: str) -> bool:
    """Whether a variant is there and draws nothing; breath is noise seeded by the process id."""
    path = _about()[1] / "voices" / "!v" / variant
    return path.is_file() and BREATH.search(path.read_bytes()) is None
