"""The scores in a table: read from numbers or lists in cells, each checked against its scale."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mosdata.corpora.coded import Coded, Codes, encode
from mosdata.corpora.raw import MAX_SHOWN, RawTable, listed
from mosdata.corpora.spec import Scores
from mosdata.corpora.table import Finding
from mosdata.errors import InvalidRatings
from mosdata.manifests.scales import Scale

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Scores of one dimension.

    Args:
        dimension: what was judged.
        scale: on which scale.
        is_mean: each is a published mean rather than one listener's score.
        rows: row of the table for each score; None where they go one by one.
        clips: the clip of each score.
        clip_text: its name, where the column was just that.
        values: the scores.
        raters: who gave each; None where nobody is named.
        tests: in which listening test; None where none is named.
        votes: number of scores behind each mean; NaN where unknown.
        std: standard deviation behind each mean; NaN where unknown.
    """

    dimension: str
    scale: str
    is_mean: bool
    values: Floats
    clips: Codes
    clip_text: pa.Array | None = None
    rows: Rows | None = None
    raters: Coded | None = None
    tests: Coded | None = None
    votes: Floats | None = None
    std: Floats | None = None

    def at(self, places: NDArray[Any]) -> Scored:
        """Some of the scores; ``rows`` are left behind."""
        return replace(
            self,
            rows=None,
            clip_text=None,
            values=self.values[places],
            clips=self.clips[places],
            raters=_at(self.raters, places),
            tests=_at(self.tests, places),
            votes=None if self.votes is None else self.votes[places],
            std=None if self.std is None else self.std[places],
        )


def read_scores(
    raw: RawTable,
    scores: Scores,
    *,
    clips: Coded,
    raters: Coded | None,
    tests: Coded | None,
    scale: Scale,
    dimension: str,
) -> tuple[Scored, list[Finding]]:
    """The scores of one dimension in a table.

    Raises:
        InvalidRatings: scores that are empty, no numbers, or off the scale; a list that cannot be
            read; votes below 1 or negative deviations.
    """
    empty: list[Finding] = []
    rows: Rows | None = None
    if scores.form == "list":
        rows, values, named = _lists(raw, scores.column)
        raters = named if named is not None else _at(raters, rows)
    else:
        values = number_column(raw, scores.column, may_be_empty=scores.may_be_empty)
        if scores.may_be_empty and np.isnan(values).any():
            rows = np.flatnonzero(~np.isnan(values))
            empty = [_empty_scores(raw, scores.column, values)]
            values, raters = values[rows], _at(raters, rows)
    _check_scale(raw, scores.column, values, rows, scale)
    is_mean = scores.form == "mean"
    return Scored(
        dimension=dimension,
        scale=scale.name,
        is_mean=is_mean,
        rows=rows,
        values=values,
        clips=clips.codes if rows is None else clips.codes[rows],
        clip_text=clips.text if rows is None else None,
        raters=None if is_mean else raters,
        tests=tests if rows is None else _at(tests, rows),
        votes=_beside(raw, scores.votes, rows, least=1) if is_mean else None,
        std=_beside(raw, scores.std, rows, least=0) if is_mean else None,
    ), empty


def number_column(raw: RawTable, column: str, *, may_be_empty: bool) -> Floats:
    """A column as float64; NaN where a cell may be, and is, empty.

    Raises:
        InvalidRatings: cells that are empty or no finite numbers.
    """
    cells = raw.columns[column]
    if pa.types.is_string(cells.type):
        cells = pc.utf8_trim_whitespace(cells)
        cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)
        try:
            cells = cells.cast(pa.float64())
        except pa.ArrowInvalid as error:
            raise _not_numbers(raw, column) from error
    values: Floats = cells.to_numpy()
    bad = ~np.isfinite(values)
    if may_be_empty:
        bad &= ~cells.is_null().to_numpy()
    if bad.any():
        spelt = cells.to_pylist()
        problems = [
            f"line {raw.line(row)}: "
            + (f"{column} is empty" if spelt[row] is None else f"{column} {spelt[row]} is no score")
            for row in np.flatnonzero(bad).tolist()
        ]
        raise _refused(raw, problems)
    return values


def _not_numbers(raw: RawTable, column: str) -> InvalidRatings:
    problems = []
    for row, cell in enumerate(raw.columns[column].to_pylist()):
        problem = _problem(column, cell or "")
        if problem:
            problems.append(f"line {raw.line(row)}: {problem}")
    return _refused(raw, problems)


def _problem(column: str, cell: str) -> str | None:
    if not cell.strip():
        return f"{column} is empty"
    try:
        return None if math.isfinite(float(cell)) else f"{column} {cell} is no score"
    except ValueError:
        decimal = " (decimals are written with a point)" if re.fullmatch(r"\d+,\d+", cell) else ""
        return f"{column} {cell!r} is not a number{decimal}"


def _refused(raw: RawTable, problems: list[str]) -> InvalidRatings:
    return InvalidRatings(f"{raw.path}, nothing was imported: {listed(problems)}.")


def _check_scale(
    raw: RawTable, column: str, values: Floats, rows: Rows | None, scale: Scale
) -> None:
    low, high = float(scale.low), float(scale.high)
    if not len(values) or (values.min() >= low and values.max() <= high):
        return
    off = np.flatnonzero(~scale.allows(values))
    where = off if rows is None else rows[off]
    problems = [
        f"line {raw.line(row)}: {column} {value:g} is outside {low:g} to {high:g}"
        for row, value in zip(where.tolist(), values[off].tolist(), strict=True)
    ]
    raise InvalidRatings(
        f"{raw.path}, nothing was imported: {listed(problems)}. The scale is {scale.name}: "
        "if the scores are on another one, name it."
    )


def _beside(raw: RawTable, column: str | None, rows: Rows | None, *, least: int) -> Floats | None:
    """Votes or deviations of means; NaN where a cell is empty."""
    if column is None:
        return None
    values = number_column(raw, column, may_be_empty=True)
    off = np.flatnonzero(values < least)
    if len(off):
        problems = [
            f"line {raw.line(row)}: {column} {values[row]:g} is below {least}"
            for row in off.tolist()
        ]
        raise _refused(raw, problems)
    return values if rows is None else values[rows]


def _empty_scores(raw: RawTable, column: str, values: Floats) -> Finding:
    rows = np.flatnonzero(np.isnan(values)).tolist()
    return Finding(
        code="empty_score",
        count=len(rows),
        message=f"rows without a score in {column}, as this corpus has them; not imported",
        examples=tuple(f"{raw.path}, line {raw.line(row)}" for row in rows[:MAX_SHOWN]),
    )


def _lists(raw: RawTable, column: str) -> tuple[Rows, Floats, Coded | None]:
    """Cells such as ``[4, 5, 3]``, ``4;5;3`` or ``[["r1", 4], ["r2", 5]]``, a score a row."""
    rows: list[int] = []
    values: list[float] = []
    names: list[str | None] = []
    problems: list[str] = []
    for row, cell in enumerate(raw.columns[column].to_pylist()):
        try:
            items = list_cell(cell or "")
        except ValueError:
            problems.append(f"line {raw.line(row)}: {column} {cell!r} is no list of numbers")
            continue
        rows.extend([row] * len(items))
        names.extend(name for name, _ in items)
        values.extend(value for _, value in items)
    if problems:
        raise _refused(raw, problems)
    named = encode(pa.array(names, type=pa.string())) if any(names) else None
    return np.array(rows, dtype=np.int64), np.array(values, dtype=np.float64), named


def list_cell(cell: str) -> list[tuple[str | None, float]]:
    """The scores in one cell, each with its rater where the cell names one.

    Raises:
        ValueError: something in it is no number.

    Example:
        >>> list_cell("4;5"), list_cell("[4.0]"), list_cell('[["r1", 4]]')
        ([(None, 4.0), (None, 5.0)], [(None, 4.0)], [('r1', 4.0)])
    """
    text = cell.strip()
    try:
        items = json.loads(text) if text.startswith("[") else None
    except json.JSONDecodeError:
        items = None
    if items is None:
        bare = text.strip("[](){} ")
        items = [part for part in re.split(r"[;,|/\s]+", bare) if part]
    return [_item(item) for item in items]


def _item(item: object) -> tuple[str | None, float]:
    name: str | None = None
    if isinstance(item, list):
        if len(item) != 2:
            raise ValueError(item)
        name, item = str(item[0]) or None, item[1]
    value = float(item) if isinstance(item, int | float | str) else math.nan
    if not math.isfinite(value):
        raise ValueError(item)
    return name, value


def _at(column: Coded | None, places: NDArray[Any]) -> Coded | None:
    return None if column is None else Coded(names=column.names, codes=column.codes[places])
