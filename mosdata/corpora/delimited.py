"""CSV and its relatives: columnar where the file is regular, row by row where it is not.

A regular file goes through ``pyarrow.csv`` and never becomes Python objects. A file with ragged
rows, blank lines or line breaks inside cells is streamed through ``csv``, and each oddity is
counted with its line. Both give the same table.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from mosdata.corpora.raw import (
    MAX_SHOWN,
    SAMPLE_ROWS,
    RawTable,
    Sample,
    check_bytes,
    checked_names,
    count_lines,
    not_utf8,
    read_bytes,
    read_end,
)
from mosdata.corpora.table import Finding
from mosdata.errors import InvalidRatings

DELIMITERS: Final = ("\t", ",", ";", "|")
SPELT: Final = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
HEAD_BYTES: Final = 1 << 18
TAIL_BYTES: Final = 200
BLOCK_BYTES: Final = 1 << 23
"""Of the columnar reader: few large blocks, since each brings a dictionary to unite."""

ROWS_AT_ONCE: Final = 1 << 16


@dataclass(frozen=True)
class DelimitedFile:
    """A file of separated cells.

    Args:
        path: the file; it is not changed.
        delimiter: what separates cells; found out where None.
        header: whether the first row names the columns; found out where None (a row with a
            number in it is no header).
    """

    path: Path
    delimiter: str | None = None
    header: bool | None = None

    @cached_property
    def _data(self) -> bytes:
        """All of the file: only for what is not regular, or for an error."""
        data = read_bytes(self.path)
        check_bytes(self.path, data)
        return data

    @cached_property
    def _head(self) -> tuple[str, ...]:
        """Complete lines from the start of the file."""
        head = read_bytes(self.path, HEAD_BYTES)
        check_bytes(self.path, head)
        try:
            text = head.decode("utf-8-sig", errors="strict" if len(head) < HEAD_BYTES else "ignore")
        except UnicodeDecodeError as error:
            raise not_utf8(self.path, self._data) from error
        lines = text.splitlines()[: SAMPLE_ROWS * 2]
        return tuple(lines[:-1] if len(head) == HEAD_BYTES and len(lines) > 1 else lines)

    @cached_property
    def _separator(self) -> str:
        return self.delimiter or find_delimiter(self.path, self._head)

    @cached_property
    def sample(self) -> Sample:
        """The head of the table.

        Raises:
            InvalidRatings: an empty file, or no separator found.
        """
        if not any(line.strip() for line in self._head):
            raise InvalidRatings(f"{self.path} is empty: no header and no rows.")
        rows = [row for row in _parsed(self._head, self._separator) if any(c.strip() for c in row)]
        has_header = not any(_is_number(c) for c in rows[0]) if self.header is None else self.header
        if has_header:
            names = checked_names(self.path, rows[0])
        else:
            names = tuple(f"column_{i}" for i in range(1, len(rows[0]) + 1))
        whole = [tuple(row) for row in rows[has_header:] if len(row) == len(names)]
        return Sample(
            path=self.path,
            columns=names,
            has_header=has_header,
            rows=tuple(whole[:SAMPLE_ROWS]),
        )

    def read(self, *, text: Sequence[str], numbers: Sequence[str]) -> RawTable:
        """Read some columns, all rows.

        Raises:
            InvalidRatings: not UTF-8, a broken quotation, or mostly rows of the wrong length.
        """
        table = self._columnar(text=text, numbers=numbers)
        if table is None:
            return self._row_by_row([*text, *numbers])
        return RawTable(
            path=self.path,
            columns=table,
            first_line=1 + self.sample.has_header,
            findings=tuple(self._cut()),
        )

    def _columnar(self, *, text: Sequence[str], numbers: Sequence[str]) -> pa.Table | None:
        """The table through pyarrow, or None where the file is not regular enough."""
        if self._head and self.sample.has_header and not self._head[0].strip():
            return None
        kinds = dict.fromkeys(text, pa.string()) | dict.fromkeys(numbers, pa.float64())
        try:
            table = pa_csv.read_csv(
                self.path,
                read_options=pa_csv.ReadOptions(
                    column_names=self.sample.columns,
                    skip_rows=int(self.sample.has_header),
                    block_size=BLOCK_BYTES,
                ),
                parse_options=pa_csv.ParseOptions(
                    delimiter=self._separator, ignore_empty_lines=False
                ),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=list(kinds),
                    column_types=kinds,
                    null_values=[""],
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None
        if int(self.sample.has_header) + table.num_rows != count_lines(self.path):
            return None  # Arrow drops in silence what follows an open quotation in a block
        # Arrow makes a row without a number of a blank line, so most files need no search for one.
        suspect = not numbers or any(table[name].null_count for name in numbers)
        if suspect and _BLANK_LINE.search(self._data):
            return None
        return table

    def _row_by_row(self, wanted: Sequence[str]) -> RawTable:
        names = self.sample.columns
        places = [names.index(name) for name in wanted]
        odd = _Oddities(path=self.path, width=len(names))
        lines: list[int] = []
        chunks: list[pa.Table] = []
        cells: list[list[str]] = [[] for _ in wanted]
        for line, row in self._rows():
            if not odd.keep(line, row):
                continue
            lines.append(line)
            for place, column in zip(places, cells, strict=True):
                column.append(row[place])
            if len(lines) % ROWS_AT_ONCE == 0:
                chunks.append(_text_table(wanted, cells))
                cells = [[] for _ in wanted]
        chunks.append(_text_table(wanted, cells))
        odd.check(len(lines))
        return RawTable(
            path=self.path,
            columns=pa.concat_tables(chunks),
            first_line=1,
            lines=np.array(lines, dtype=np.int64),
            findings=(*odd.findings(), *self._cut()),
        )

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Every row after the header with the line that it starts on."""
        file = io.TextIOWrapper(io.BytesIO(self._data), encoding="utf-8-sig", newline="")
        reader = csv.reader(file, delimiter=self._separator, strict=True)
        header_due, start = self.sample.has_header, 1
        try:
            for row in reader:
                if header_due and any(cell.strip() for cell in row):
                    header_due = False
                else:
                    yield start, row
                start = reader.line_num + 1
        except UnicodeDecodeError as error:
            raise not_utf8(self.path, self._data) from error
        except csv.Error as error:
            raise InvalidRatings(
                f"{self.path}, line {start} is not {SPELT.get(self._separator, '')}-separated "
                f"text: {error}. A quotation mark may be missing."
            ) from error

    def _cut(self) -> Iterator[Finding]:
        """A file whose last line has no end may have been cut inside it."""
        end = read_end(self.path, TAIL_BYTES)
        if not end.endswith((b"\n", b"\r")):
            last = end.decode(errors="replace").splitlines()[-1]
            yield Finding(
                code="no_final_newline",
                count=1,
                message="the last line has no end; if the file was cut, its last value is short",
                examples=(f"{self.path} ends in {last!r}",),
            )


_BLANK_LINE: Final = re.compile(rb"\n[ \t]*\r?\n")


@dataclass
class _Oddities:
    """Counts the rows that do not fit the header, and keeps the first few as examples."""

    path: Path
    width: int
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def keep(self, line: int, row: list[str]) -> bool:
        """Whether a row holds one cell a column."""
        if len(row) == self.width and self.width > 1:
            return True
        if not any(cell.strip() for cell in row):
            self._count("blank_line", f"{self.path}, line {line}")
            return False
        if len(row) == self.width:
            return True
        where = f"{self.path}, line {line}: {len(row)} cells where the header has {self.width}"
        if len(row) > self.width and not any(cell.strip() for cell in row[self.width :]):
            self._count("trailing_cells", where)
            return True
        self._count("ragged_row", where)
        return False

    def check(self, kept: int) -> None:
        """Raise where most rows do not fit: then the reading is wrong, not the rows."""
        if self.counts["ragged_row"] > kept:
            raise InvalidRatings(
                f"{self.path}: {self.counts['ragged_row']} of {kept + self.counts['ragged_row']} "
                f"rows do not have {self.width} cells ({self.examples['ragged_row'][0]}). Give "
                "the separator, or header = false, in a mapping file."
            )

    def findings(self) -> Iterator[Finding]:
        """What was counted."""
        for code, message in _ODDITIES.items():
            if self.counts[code]:
                yield Finding(
                    code=code,
                    count=self.counts[code],
                    message=message,
                    examples=tuple(self.examples[code]),
                )

    def _count(self, code: str, example: str) -> None:
        self.counts[code] += 1
        shown = self.examples.setdefault(code, [])
        if len(shown) < MAX_SHOWN:
            shown.append(example)


_ODDITIES: Final = {
    "ragged_row": "rows with too few or too many cells; not imported",
    "trailing_cells": "rows with empty cells after the last column; imported without them",
    "blank_line": "lines with nothing on them; passed over",
}


def find_delimiter(path: Path, head: Sequence[str]) -> str:
    r"""What separates the cells: the one that cuts most lines into as many cells as the first.

    Raises:
        InvalidRatings: none does, or two do equally well.

    Example:
        >>> find_delimiter(Path("a.csv"), ["clip;score", "a;1,5", "b;2,5"])
        ';'
    """
    fits: dict[str, float] = {}
    for delimiter in DELIMITERS:
        rows = [row for row in _parsed(head, delimiter) if any(cell.strip() for cell in row)]
        if rows and len(rows[0]) > 1:
            fits[delimiter] = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
    best = [delimiter for delimiter, fit in fits.items() if fit == max(fits.values())]
    if not best:
        if any(delimiter in line for line in head[:1] for delimiter in DELIMITERS):
            raise InvalidRatings(
                f"{path}, line 1 has a quotation mark that is not closed: no columns can be told."
            )
        raise InvalidRatings(
            f"{path} has no columns: its first line holds no tab, comma, semicolon or bar."
        )
    if len(best) > 1 and best[0] != "\t":
        names = " or ".join(SPELT[delimiter] for delimiter in best)
        raise InvalidRatings(
            f"{path} could be separated by {names}. Say which in a mapping file: delimiter = ','."
        )
    return best[0]


def _parsed(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The rows of some lines, up to the first that is none (a cell without an end)."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(csv.reader(lines, delimiter=delimiter))
    return rows


def _text_table(names: Sequence[str], cells: Sequence[Sequence[str]]) -> pa.Table:
    arrays = [pa.array(column, type=pa.string()) for column in cells]
    return pa.Table.from_arrays(arrays, names=list(names))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
