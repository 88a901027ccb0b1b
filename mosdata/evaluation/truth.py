"""What systems are worth, from a table of its own: as organisers of challenges publish it.

The mean of all ratings of a system and the mean of its clips' means differ where clips have
different numbers of ratings. So a number at the level of systems always says which it was held
against: the split's own clips, or such a table.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mosdata.errors import InvalidRatings
from mosdata.manifests.scales import SCALES

OF_CLIPS: Final = "target of each clip"
"""Name of the truth over clips."""

FROM_CLIPS: Final = "mean of utterance means of this split"
"""Name of the truth where no table is given."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "system": ("system", "system_id"),
    "value": ("value", "mos", "mean"),
    "ci": ("ci", "ci95"),
}
"""Header names that are understood."""

MAX_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthTable:
    """Scores of systems.

    Args:
        name: of the file, for people.
        values: score by system, raw, on the scale of the target.
        ci: half-width of the 95 % interval by system, for those that have one.
    """

    name: str
    values: Mapping[str, float]
    ci: Mapping[str, float]

    @property
    def title(self) -> str:
        """As results call it."""
        return f"external table {self.name}"

    def left_out(self, systems: Collection[str]) -> list[str]:
        """Systems that the table does not have."""
        return sorted({*systems} - {*self.values})

    def check(self, systems: Collection[str], *, scale: str | None) -> None:
        """Refuse a table of other systems, or on another scale.

        Raises:
            InvalidRatings: it knows none of the systems, or a value is off the scale.
        """
        if not {*systems} & {*self.values}:
            raise InvalidRatings(
                f"{self.name} has none of the systems that are judged: it has "
                f"{_listed(self.values)}; judged are {_listed(systems)}."
            )
        if scale is None or scale not in SCALES:
            return
        off = [name for name, value in self.values.items() if not SCALES[scale].allows(value).all()]
        if off:
            raise InvalidRatings(
                f"{self.name}: the value of {_listed(off)} is off the scale {SCALES[scale]}, on "
                "which the target is. Give raw values on that scale."
            )


def read_truth_table(path: Path) -> TruthTable:
    """Read a CSV file with the columns ``system`` and ``value`` and, if known, ``ci``.

    Raises:
        InvalidRatings: the file cannot be read, a column is missing, a system is there twice, or
            a value is not a number.
    """
    values: dict[str, float] = {}
    ci: dict[str, float] = {}
    problems: list[str] = []
    for line, row in _rows(path):
        system = row["system"].strip()
        value, width = _number(row["value"]), _number(row.get("ci", ""))
        if not system or value is None:
            problems.append(f"line {line}: a system and a number are needed")
        elif system in values:
            problems.append(f"line {line}: {system!r} is there a second time")
        elif (row.get("ci") or "").strip() and (width is None or width < 0):
            problems.append(f"line {line}: ci {row['ci']!r} is not a half-width of 0 or more")
        else:
            values[system] = value
            ci |= {} if width is None else {system: width}
    if problems or not values:
        more = f"; and {len(problems) - MAX_SHOWN} more" if len(problems) > MAX_SHOWN else ""
        found = "; ".join(problems[:MAX_SHOWN]) or "it has no systems"
        raise InvalidRatings(f"{path}: {found}{more}.")
    return TruthTable(name=path.name, values=values, ci=ci)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = _columns(path, reader.fieldnames or [])
            return [
                (reader.line_num, {what: row[name] or "" for what, name in columns.items()})
                for row in reader
            ]
    except OSError as error:
        raise InvalidRatings(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidRatings(f"{path} is not CSV in UTF-8: {error}.") from error


def _columns(path: Path, header: Sequence[str]) -> dict[str, str]:
    given = {name.strip().lower(): name for name in header}
    found = {
        what: given[alias]
        for what, aliases in COLUMNS.items()
        for alias in reversed(aliases)
        if alias in given
    }
    if not {"system", "value"} <= {*found}:
        raise InvalidRatings(
            f"{path} has the columns {', '.join(header) or '(none)'}; it needs 'system' and "
            "'value', and may have 'ci' (half-width of the 95 % interval)."
        )
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:MAX_SHOWN]
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(repr(name) for name in shown) + more
