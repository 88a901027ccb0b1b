"""JSON, JSON lines and spreadsheets: records that become rows of text.

A record inside a record gives columns with dotted names (``metrics.mos``); a list of records
inside one gives a row each, with what stands around it repeated; a list of plain values stays one
cell, as JSON.
"""

from __future__ import annotations

import importlib
import itertools
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mosdata.corpora.raw import (
    SAMPLE_ROWS,
    RawTable,
    Sample,
    checked_names,
    decoded,
    read_bytes,
)
from mosdata.corpora.table import Finding
from mosdata.errors import InvalidRatings, MissingExtra

Record = dict[str, str]
KEY = "key"
"""Column for the names in a JSON object of ``{name: record}``."""


@dataclass(frozen=True)
class RecordFile:
    """A ``.jsonl``, ``.json`` or ``.xlsx`` file.

    Args:
        path: the file; it is not changed.
    """

    path: Path

    @cached_property
    def _records(self) -> tuple[list[tuple[int, Record]], tuple[Finding, ...]]:
        match self.path.suffix.lower():
            case ".jsonl" | ".ndjson":
                return _from_lines(self.path)
            case ".json":
                return _from_json(self.path), ()
            case _:
                return _from_sheet(self.path)

    @cached_property
    def sample(self) -> Sample:
        """The head of the table; the line of a JSON record is its number.

        Raises:
            InvalidRatings: no records, or none that can be read.
        """
        records = [record for _, record in self._records[0]]
        if not records:
            raise InvalidRatings(f"{self.path} holds no records.")
        names = tuple(dict.fromkeys(itertools.chain.from_iterable(records)))
        rows = tuple(
            tuple(record.get(name, "") for name in names) for record in records[:SAMPLE_ROWS]
        )
        return Sample(path=self.path, columns=names, has_header=True, rows=rows)

    def read(self, *, text: Sequence[str], numbers: Sequence[str]) -> RawTable:
        """Read some columns, all rows, as text."""
        records, findings = self._records
        wanted = [*text, *numbers]
        arrays = [
            pa.array([record.get(name, "") for _, record in records], type=pa.string())
            for name in wanted
        ]
        return RawTable(
            path=self.path,
            columns=pa.Table.from_arrays(arrays, names=wanted),
            first_line=1,
            lines=np.array([line for line, _ in records], dtype=np.int64),
            findings=findings,
        )


def _from_lines(path: Path) -> tuple[list[tuple[int, Record]], tuple[Finding, ...]]:
    records: list[tuple[int, Record]] = []
    blank = 0
    for number, line in enumerate(decoded(path, read_bytes(path)).split("\n"), start=1):
        if not line.strip():
            blank += 1
            continue
        value = _loads(line, f"{path}, line {number}")
        if not isinstance(value, dict):
            raise InvalidRatings(
                f"{path}, line {number} is {type(value).__name__}; allowed: one JSON object a line."
            )
        records.extend((number, record) for record in flat(value))
    blank -= 1  # what follows the last line break
    finding = Finding(
        code="blank_line", count=blank, message="lines with nothing on them; passed over"
    )
    return records, (finding,) if blank > 0 else ()


def _from_json(path: Path) -> list[tuple[int, Record]]:
    value = _loads(decoded(path, read_bytes(path)), str(path))
    found = list(_records_of(value))
    if not found:
        raise InvalidRatings(
            f"{path} holds no records; allowed: a list of objects, an object with such a list, "
            "or an object of {clip: record}, {clip: score} or {clip: [scores]}."
        )
    rows = (flat(record) for record in found)
    return list(enumerate(itertools.chain.from_iterable(rows), start=1))


def _records_of(value: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON file that are rows."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        yield from value
    elif isinstance(value, dict):
        lists = [v for v in value.values() if _is_records(v)]
        if len(lists) == 1:
            around = {k: v for k, v in value.items() if not isinstance(v, list | dict)}
            yield from ({**around, **item} for item in lists[0])
        elif value and all(isinstance(v, dict) for v in value.values()):
            yield from ({KEY: k, **v} for k, v in value.items())
        elif value and not any(isinstance(v, dict | str) for v in value.values()):
            yield from ({KEY: k, "scores": v} for k, v in value.items())


def flat(record: Mapping[str, Any]) -> list[Record]:
    """One record as rows of text.

    Example:
        >>> flat({"clip": "a", "votes": [{"rater": "x", "score": 4}, {"rater": "y", "score": 5}]})
        [{'clip': 'a', 'votes.rater': 'x', 'votes.score': '4'}, \
{'clip': 'a', 'votes.rater': 'y', 'votes.score': '5'}]
    """
    plain: Record = {}
    inside: list[tuple[str, Sequence[Mapping[str, Any]]]] = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            inside.append((name, [value]))
        elif _is_records(value):
            inside.append((name, value))
        else:
            plain[name] = _cell(value)
    rows = [plain]
    for name, items in inside:
        below = [
            {f"{name}.{key}": cell for key, cell in row.items()}
            for item in items
            for row in flat(item)
        ]
        rows = [{**row, **more} for row in rows for more in below]
    return rows


def _is_records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool() | list() | dict():
            return json.dumps(value)
        case _:
            return str(value)


def _loads(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidRatings(
            f"{where} is not JSON: {error.msg} (line {error.lineno}, column {error.colno}). "
            "If it is the last line, the file may have been cut."
        ) from error


def _from_sheet(path: Path) -> tuple[list[tuple[int, Record]], tuple[Finding, ...]]:
    try:
        openpyxl: Any = importlib.import_module("openpyxl")
    except ImportError as error:
        raise MissingExtra(f"Reading {path.name}", ["openpyxl"], "xlsx") from error
    read_bytes(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise InvalidRatings(f"{path} is no spreadsheet that Excel would open: {error}.") from error
    first, *others = book.worksheets
    rows = list(_sheet_rows(first.iter_rows(values_only=True)))
    book.close()
    if len(rows) < 2:
        also = f"; only the first of {len(others) + 1} sheets is read" if others else ""
        raise InvalidRatings(f"{path}: the sheet {first.title!r} has no rows under a header{also}.")
    names = checked_names(path, rows[0][1])
    records = [(line, dict(zip(names, cells, strict=False))) for line, cells in rows[1:]]
    finding = Finding(
        code="unread_sheet",
        count=len(others),
        message="sheets after the first; not imported",
        examples=tuple(f"{path}: {sheet.title}" for sheet in others),
    )
    return records, (finding,) if others else ()


def _sheet_rows(rows: Iterable[Sequence[object]]) -> Iterator[tuple[int, list[str]]]:
    """Filled rows with their number, cut after the last filled cell of the first."""
    width = 0
    for number, row in enumerate(rows, start=1):
        cells = [_cell(value) for value in row]
        while not width and cells and not cells[-1]:
            cells.pop()
        if any(cells):
            width = width or len(cells)
            yield number, cells[:width]
