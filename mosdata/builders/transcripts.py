"""Transcripts: one text per line, UTF-8, as people really save such files."""

from __future__ import annotations

import codecs
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mosdata.errors import InvalidTranscripts
from mosdata.manifests.ids import stable_id

MAX_LINE_CHARS: Final = 5000
"""A longer line is not an utterance; most often the file has lost its line ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """One text to be spoken, normalised, with the line it came from."""

    text: str
    line: int

    @property
    def sentence(self) -> str:
        """Name of the sentence group: all that is made from this text."""
        return stable_id("text", {"text": self.text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcripts:
    """The texts of a file, each once, and what was tidied on the way."""

    texts: tuple[Transcript, ...]
    notes: tuple[str, ...] = ()


def read_transcripts(path: Path) -> Transcripts:
    """Read one text per line.

    A byte-order mark, Windows line ends, blank lines and repeated lines are tidied and noted;
    what cannot be texts is refused.

    Raises:
        InvalidTranscripts: no such file, not UTF-8, no text in it, or a line of more than
            ``MAX_LINE_CHARS`` characters.
    """
    raw = _read_bytes(path)
    notes = []
    if raw.startswith(codecs.BOM_UTF8):
        raw = raw.removeprefix(codecs.BOM_UTF8)
        notes.append("a byte-order mark was left out")
    if b"\r" in raw:
        notes.append("Windows line ends were read as line ends")
    text = _decode(path, raw).replace("\r\n", "\n").replace("\r", "\n")
    lines = [normalise(line) for line in text.split("\n")]  # numbered as an editor does
    _check_lengths(path, lines)
    texts, repeated = _unique(lines)
    if not texts:
        raise InvalidTranscripts(
            f"{path} holds no text. Write one sentence per line, in UTF-8, and run again."
        )
    if repeated:
        notes.append(_repeated_note(repeated))
    return Transcripts(texts=tuple(texts), notes=tuple(notes))


def normalise(text: str) -> str:
    """Unicode NFC, single spaces, none at the ends: what a text is known by.

    Example:
        >>> normalise("  Hello   there. ")
        'Hello there.'
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InvalidTranscripts(f"{path} is a folder; give a text file with one text per line.")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InvalidTranscripts(
            f"There is no file {path}. Write one sentence per line into it, or give another file."
        ) from error
    except OSError as error:
        raise InvalidTranscripts(f"{path} cannot be read: {error.strerror}.") from error


def _decode(path: Path, raw: bytes) -> str:
    if b"\0" in raw or raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidTranscripts(
            f"{path} is not UTF-8: it looks like UTF-16. {_convert(path, 'UTF-16')}"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidTranscripts(
            f"{path} is not UTF-8: byte 0x{raw[error.start]:02x} in line {line} (is it Latin-1?). "
            f"{_convert(path, 'LATIN1')}"
        ) from error


def _convert(path: Path, encoding: str) -> str:
    return f"Convert it, for example with: iconv -f {encoding} -t UTF-8 {path.name} > utf8.txt"


def _check_lengths(path: Path, lines: list[str]) -> None:
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE_CHARS:
            raise InvalidTranscripts(
                f"Line {number} of {path} has {len(line):,} characters; at most "
                f"{MAX_LINE_CHARS:,} make one utterance. Write one sentence per line."
            )


def _unique(lines: list[str]) -> tuple[list[Transcript], dict[str, list[int]]]:
    """Each text once, in order of first appearance, and the lines that repeat one."""
    first: dict[str, int] = {}
    repeated: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines, start=1):
        if line and first.setdefault(line, number) != number:
            repeated[line].append(number)
    return [Transcript(text=text, line=line) for text, line in first.items()], repeated


def _repeated_note(repeated: dict[str, list[int]]) -> str:
    numbers = sorted(number for lines in repeated.values() for number in lines)
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    count = len(numbers)
    return f"{count} repeated line{'s' * (count > 1)} left out (line {shown})"
