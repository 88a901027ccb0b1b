"""Transcripts: one text per line, UTF-8, as people really save such files.

A file whose name ends in ``.tsv`` or ``.jsonl`` has columns, ``text`` and ``language``: then each
text may have a language of its own.
"""

from __future__ import annotations

import codecs
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mosdata.errors import InvalidTranscripts, InvalidValue
from mosdata.manifests.ids import stable_id
from mosdata.synth.text.languages import parse_language

MAX_LINE_CHARS: Final = 50_000
"""A file with a longer line has lost its line ends. Below, a text that is too long to be spoken is
one record's fate, not the file's."""

COLUMNS: Final = ("text", "language")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """One text to be spoken, normalised, with the line it came from.

    ``language`` is a BCP 47 tag; empty for the language of the build.
    """

    text: str
    line: int
    language: str = ""

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
    """Read one text per line, or the column ``text`` of a table.

    A byte-order mark, Windows line ends, blank lines and repeated lines are tidied and noted;
    what cannot be texts is refused.

    Raises:
        InvalidTranscripts: no such file, not UTF-8, no text in it, a line of more than
            ``MAX_LINE_CHARS`` characters, or a table without its columns.
    """
    raw = _read_bytes(path)
    notes = []
    if raw.startswith(codecs.BOM_UTF8):
        raw = raw.removeprefix(codecs.BOM_UTF8)
        notes.append("a byte-order mark was left out")
    if b"\r" in raw:
        notes.append("Windows line ends were read as line ends")
    text = _decode(path, raw).replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")  # numbered as an editor does
    _check_lengths(path, lines)
    texts, repeated = _unique(_rows(path, lines))
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


def _rows(path: Path, lines: list[str]) -> Iterator[Transcript]:
    """The text of each line; empty for lines that have none."""
    readers = {".tsv": _from_tsv, ".jsonl": _from_jsonl}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        for number, line in enumerate(lines, start=1):
            yield Transcript(text=normalise(line), line=number)
        return
    for number, values in reader(path, lines):
        where = f"Line {number} of {path}"
        tag = values.get("language", "").strip()
        try:
            language = parse_language(tag).tag if tag else ""
        except InvalidValue as error:
            raise InvalidTranscripts(f"{where}: {error}") from error
        yield Transcript(text=normalise(values["text"]), line=number, language=language)


def _from_tsv(path: Path, lines: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Fields between tabs, as they are: a quotation mark is part of a text."""
    header = lines[0].split("\t")
    _check_columns(f"The header of {path}", header)
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split("\t")
        if not line.strip():
            continue
        if len(fields) != len(header):
            raise InvalidTranscripts(
                f"Line {number} of {path} has {len(fields)} fields; the header has {len(header)}."
            )
        yield number, dict(zip(header, fields, strict=True))


def _from_jsonl(path: Path, lines: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"Line {number} of {path}"
        try:
            values = json.loads(line)
        except ValueError as error:
            raise InvalidTranscripts(f"{where} is no JSON: {error}.") from error
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise InvalidTranscripts(f'{where} is no object of strings, as {{"text": "Hello."}}.')
        _check_columns(where, list(values))
        yield number, values


def _check_columns(where: str, given: list[str]) -> None:
    if "text" not in given or len({*given}) < len(given) or not {*given} <= {*COLUMNS}:
        raise InvalidTranscripts(
            f"{where} has {', '.join(given) or 'nothing'}; allowed: text, and language where it "
            "differs from that of the build."
        )


def _unique(rows: Iterable[Transcript]) -> tuple[list[Transcript], dict[str, list[int]]]:
    """Each text of a language once, in order of first appearance, and lines that repeat one."""
    first: dict[tuple[str, str], Transcript] = {}
    repeated: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row.text and first.setdefault((row.text, row.language), row) is not row:
            repeated[row.text].append(row.line)
    return list(first.values()), repeated


def _repeated_note(repeated: dict[str, list[int]]) -> str:
    numbers = sorted(number for lines in repeated.values() for number in lines)
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    count = len(numbers)
    return f"{count} repeated line{'s' * (count > 1)} left out (line {shown})"
