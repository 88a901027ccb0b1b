"""Tables as they lie on disk: cells with the names of their columns and the lines they are on.

What a column means is not known here. Every reader answers with a :class:`RawTable`: text columns
as strings, number columns as float64 where the whole column could be read so, and the line of
every row, so that each later complaint can point at it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mosdata.corpora.table import Finding
from mosdata.errors import InvalidRatings

MAX_SHOWN: Final = 5
"""Examples in an error or a finding."""

SAMPLE_ROWS: Final = 50
"""Rows that a layout may look at to recognise a file."""

COUNTED_BYTES: Final = 1 << 17
"""Read at once while lines are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The head of a table: what layouts are recognised by.

    Args:
        path: the file.
        columns: names in the header; ``column_1``, ``column_2``, ... where there is none.
        has_header: whether the file names its columns.
        rows: the first rows, as text.
    """

    path: Path
    columns: tuple[str, ...]
    has_header: bool
    rows: tuple[tuple[str, ...], ...]

    def has(self, *names: str) -> bool:
        """True where the header names all of these, in any case."""
        return self.has_header and {*names} <= {name.lower() for name in self.columns}

    def named(self, *names: str) -> str | None:
        """The first of these that is a column, spelt as the file spells it."""
        spelling = {name.lower(): name for name in reversed(self.columns)}
        return next((spelling[name] for name in names if name in spelling), None)

    def column(self, name: str) -> str:
        """A column that is there, spelt as the file spells it."""
        found = self.named(name)
        assert found is not None
        return found

    def cells(self, column: str) -> list[str]:
        """The filled cells of a column."""
        place = self.columns.index(column)
        return [row[place].strip() for row in self.rows if row[place].strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """Some columns of a table, and where each row stands in its file.

    Args:
        path: the file.
        columns: the columns that were asked for; text, or float64 where every cell is a number.
        first_line: line of the first row, counted from 1.
        lines: line of every row, where rows and lines do not go one by one.
        findings: what was odd about the file itself.
    """

    path: Path
    columns: pa.Table
    first_line: int
    lines: NDArray[np.int64] | None = None
    findings: tuple[Finding, ...] = ()

    def line(self, row: int) -> int:
        """The line of a row."""
        return self.first_line + row if self.lines is None else int(self.lines[row])


def check_bytes(path: Path, head: bytes) -> None:
    """Refuse what is no text in UTF-8 at first sight.

    Raises:
        InvalidRatings: UTF-16, or NUL bytes.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidRatings(
            f"{path} is UTF-16; allowed: UTF-8. Save it as 'CSV UTF-8', or convert it with iconv."
        )
    if b"\0" in head:
        line = head.count(b"\n", 0, head.index(b"\0")) + 1
        raise InvalidRatings(
            f"{path}, line {line} has a NUL byte: the file is damaged or is no table of text."
        )


def read_bytes(path: Path, most: int = -1) -> bytes:
    """A file, or its first bytes.

    Raises:
        InvalidRatings: it is not there, is a folder, or may not be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise InvalidRatings(f"{path} cannot be read: {error.strerror}.") from error


def read_end(path: Path, most: int) -> bytes:
    """The last bytes of a file that can be read."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read()


def count_lines(path: Path) -> int:
    """How many lines a file has, the last one with or without an end.

    Read over and over into one small block, which stays near the processor.
    """
    end = read_end(path, 1)
    open_ended = end not in (b"", b"\n", b"\r")
    return (_count(path, b"\n") or _count(path, b"\r")) + open_ended


def _count(path: Path, byte: bytes) -> int:
    block = np.empty(COUNTED_BYTES, np.uint8)
    found = 0
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block.data):
            found += int(np.count_nonzero(block[:size] == byte[0]))
    return found


def decoded(path: Path, data: bytes) -> str:
    """Bytes as text, without the byte order mark.

    Raises:
        InvalidRatings: not UTF-8; names the line and the byte.
    """
    check_bytes(path, data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(path, data) from error


def not_utf8(path: Path, data: bytes) -> InvalidRatings:
    """The error for text that is not UTF-8, with its place."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return InvalidRatings(
            f"{path}, line {line} is not UTF-8 (byte 0x{data[error.start]:02x}). "
            "Save it as 'CSV UTF-8', or convert it with iconv."
        )
    return InvalidRatings(f"{path} is not UTF-8.")


def checked_names(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Names of columns, trimmed; an empty one becomes ``unnamed_<place>``.

    Raises:
        InvalidRatings: two columns share a name.
    """
    trimmed = tuple(name.strip() or f"unnamed_{i}" for i, name in enumerate(names, start=1))
    twice = sorted({name for name in trimmed if trimmed.count(name) > 1})
    if twice:
        raise InvalidRatings(f"{path} has two columns called {twice[0]!r}: rename one of them.")
    return trimmed


def listed(problems: Sequence[str]) -> str:
    """The first few problems and the number of the others."""
    more = len(problems) - MAX_SHOWN
    return "; ".join(problems[:MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")
