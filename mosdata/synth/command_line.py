"""Any program that reads a text and writes a WAV file, from a table of ``engines.toml``.

::

    [engines.my-cmd]
    engine = "command"
    command = ["my-tts", "--voice", "{voice}", "--text", "{text_file}", "--out", "{wav}"]
    sample_rate_hz = 22050
    languages = ["en"]
    voices = ["anna"]

The text is UTF-8 in ``{text_file}``, or on standard input where the command does not name it; it
is never an argument, where it could be taken for an option. The sound is in ``{wav}``, or on
standard output. ``{seed}`` (32 bits), ``{voice}`` and ``{language}`` are what was asked for.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Final

from mosdata.audio import Clip, decode_audio
from mosdata.errors import InvalidValue, RecordRejected, UsageError
from mosdata.manifests.ids import JSON, canonical_json
from mosdata.synth.adapters.kit import weight_digest
from mosdata.synth.base import SpeechRequest, SystemInfo, Voice, unknown_voice
from mosdata.synth.hosting.settings import EngineSettings
from mosdata.synth.hosting.variables import shaping, values_of
from mosdata.synth.hosting.worker_process import clean_environment
from mosdata.synth.programs import run_program

ADAPTER_VERSION: Final = "1"

PATIENCE: Final = 30.0
"""An utterance may take this many times as long as it is expected to last."""

BLANKS: Final = ("voice", "language", "seed", "text_file", "wav")
_BLANK: Final = re.compile(r"\{(\w*)\}")


class CommandLine:
    """A program that is started anew for every utterance.

    Raises:
        UsageError: the program is not there.
        InvalidValue: the command has a blank that is not known.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._command = settings.command
        check_command(settings.system, self._command)
        found = shutil.which(self._command[0])
        if found is None:
            raise UsageError(f"{settings.system} needs the program {self._command[0]}.")
        self._program = Path(found)
        self.info = SystemInfo(
            name=settings.system,
            family=settings.family or "command",
            sample_rate_hz=settings.sample_rate_hz,
            languages=settings.languages,
            license=settings.license or "unknown",
            code_license=settings.code_license,
            weights_license=settings.weights_license,
            vocoder=settings.vocoder,
            output_terms=settings.output_terms or "unknown",
            max_chars=settings.max_chars or 1000,
            text_frontend=settings.text_frontend or "engine",
            seconds_per_char=settings.seconds_per_char,
            source_url=settings.source_url,
        )

    def voices(self) -> tuple[Voice, ...]:
        """Those of the settings; the first is the default."""
        named = self._settings.voices.items()
        return tuple(Voice(name=name, language=language) for name, language in named)

    def revision(self) -> str:
        """Adapter, the version that the settings give, and a digest of the fingerprint."""
        digest = hashlib.sha256(canonical_json(self.fingerprint()).encode()).hexdigest()[:12]
        return " ".join(
            filter(None, [f"command/{ADAPTER_VERSION}", self._settings.version, digest])
        )

    def fingerprint(self) -> Mapping[str, JSON]:
        """The command without folders, and digests of its program and of the files it names."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> Mapping[str, JSON]:
        files = [*self._command[1:], *self._settings.files]
        digests: list[JSON] = [
            f"{Path(file).name} {weight_digest(file)}" for file in files if Path(file).is_file()
        ]
        return {
            "adapter": f"command/{ADAPTER_VERSION}",
            "command": [Path(part).name if "/" in part else part for part in self._command],
            "program": weight_digest(str(self._program), whole=True),
            "files": digests,
            "version": self._settings.version,
            "environment": shaping(self._settings.environment),
        }

    def synthesize(self, request: SpeechRequest) -> Clip:
        """Run the program once.

        Raises:
            RecordRejected: ``unknown_voice``, ``engine_failed`` or ``engine_timeout``.
        """
        if request.voice not in self._settings.voices:
            raise unknown_voice(self, request)
        with tempfile.TemporaryDirectory(prefix="mosdata-") as name:
            folder = Path(name)
            (folder / "text.txt").write_text(request.text + "\n", encoding="utf-8")
            return self._sound(request, folder, self._run(request, folder))

    def _run(self, request: SpeechRequest, folder: Path) -> subprocess.CompletedProcess[bytes]:
        values = {
            "voice": request.voice,
            "language": request.language,
            "seed": str(request.seed),
            "text_file": str(folder / "text.txt"),
            "wav": str(folder / "speech.wav"),
        }
        command = [_BLANK.sub(lambda blank: values[blank[1]], part) for part in self._command]
        named = any("{text_file}" in part for part in self._command)
        expected_s = len(request.text) * self.info.seconds_per_char
        timeout_s = max(self._settings.deadline_s, PATIENCE * expected_s)
        secrets = values_of(self._settings.secrets)
        try:
            return run_program(
                [str(self._program), *command[1:]],
                folder,
                environment={**clean_environment(), **secrets, **self._settings.environment},
                timeout_s=timeout_s,
                text=None if named else (folder / "text.txt").read_bytes(),
            )
        except subprocess.TimeoutExpired as error:
            raise RecordRejected(
                "engine_timeout",
                f"{self.info.name} did not finish {request.text[:40]!r} in {timeout_s:.0f} s.",
            ) from error
        except OSError as error:
            raise RecordRejected("engine_failed", f"{self.info.name}: {error.strerror}.") from error

    def _sound(
        self, request: SpeechRequest, folder: Path, done: subprocess.CompletedProcess[bytes]
    ) -> Clip:
        wav = folder / "speech.wav"
        sound: bytes | Path = done.stdout
        if any("{wav}" in part for part in self._command):
            sound = wav if wav.is_file() else b""
        if done.returncode or not sound:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            how = f"ended with {done.returncode}" if done.returncode else "made no sound"
            reason = f": {said[0][:200]}" if said else "."
            raise RecordRejected(
                "engine_failed", f"{self.info.name} {how} at {request.text[:40]!r}{reason}"
            )
        return decode_audio(sound)


def check_command(system: str, command: tuple[str, ...]) -> None:
    """Refuse blanks that nobody would fill in.

    Raises:
        InvalidValue: there is one.
    """
    known = ", ".join(f"{{{name}}}" for name in BLANKS)
    for name in (name for part in command for name in _BLANK.findall(part)):
        if name not in BLANKS:
            near = get_close_matches(name, BLANKS, n=1, cutoff=0.4)
            hint = f"Did you mean '{{{near[0]}}}'?" if near else ""
            raise InvalidValue(f"A blank in the command of {system}", f"{{{name}}}", known, hint)
