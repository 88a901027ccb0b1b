"""What two splits have in common, key by key, and which of it is a leak.

A clip, its source, its very samples or what is mixed into it on two sides are a leak in any split.
Whether a shared sentence, speaker or system is one depends on what the split claims to hold out
(``by``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations as pairs_of
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mosdata.errors import UnknownName, UsageError
from mosdata.manifests.groups import Ints, encoded
from mosdata.manifests.splits import SPLITS, UNUSED

ALWAYS: Final = ("clip", "source", "audio", "mixed_in")
"""Keys that no two splits may share, whatever they claim. ``mixed_in`` is a clip that is heard
under others: other talkers, babble."""

CHECKED: Final = (*ALWAYS, "sentence", "text", "speaker", "system", "dataset", "rater")
"""Keys that are looked at, in the order of the report."""

MAX_EXAMPLES: Final = 3

Verdict = Literal["leak", "shared", "clean", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One key of some rows and where the rows are; rows of different keys may be different ones.

    Args:
        splits: of each row.
        values: of the key, one a row; null where it is not known.
        num_rows: how many of these are rows; what follows says only what is in a split as well,
            and is not counted. All where None.
    """

    splits: pa.Array
    values: pa.Array
    num_rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """What two splits share of one key.

    Args:
        between: names of the two splits; train comes first, test last.
        num_values: values that occur in both.
        num_rows: rows of the second split that are spoiled by it.
        share: of all rows of the second split.
        examples: the first few shared values.
    """

    between: tuple[str, str]
    num_values: int
    num_rows: int
    share: float
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFinding:
    """What the splits share of one key.

    ``verdict`` is ``leak``; ``shared`` where it is for information only; ``clean``; ``unknown``
    where no row has the key. ``num_unknown`` counts rows without it, which cannot be checked.
    """

    key: str
    verdict: Verdict
    num_values: int
    num_unknown: int
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakReport:
    """What splits share, key by key; rows that are unused are not looked at."""

    by: tuple[str, ...]
    num_rows: Mapping[str, int]
    keys: tuple[KeyFinding, ...]

    @property
    def leaks(self) -> tuple[str, ...]:
        """Keys that leak."""
        return tuple(finding.key for finding in self.keys if finding.verdict == "leak")

    def to_json(self) -> dict[str, Any]:
        """With documented, stable keys (docs/cli.md)."""
        keys = [asdict(finding) for finding in self.keys]
        return {
            "clean": not self.leaks,
            "leaks": [*self.leaks],
            "by": [*self.by],
            "num_rows": dict(self.num_rows),
            "keys": keys,
        }


def find_leaks(columns: Mapping[str, Column], *, by: Iterable[str] | None = None) -> LeakReport:
    """Compare the splits of some rows, key by key.

    Args:
        columns: by key out of ``CHECKED``; one value and one split a row, in one piece.
        by: keys that the splits claim to hold out. By default the sentence, where it is known.

    Raises:
        UnknownName: no such key.
        UsageError: a key of ``by`` is not in the rows; there are fewer than two splits.

    Example:
        >>> splits = pa.array(["train", "train", "test", "test"])
        >>> clips = Column(splits=splits, values=pa.array(["a", "b", "b", "c"]))
        >>> find_leaks({"clip": clips}).keys[0].crossings[0].share
        0.5
    """
    claimed = ("sentence",) if by is None else tuple(by)
    for key in claimed:
        if key not in CHECKED:
            raise UnknownName("key to check", key, CHECKED)
        if by is not None and (key not in columns or not _is_known(columns[key])):
            known = ", ".join(k for k in CHECKED if k in columns and _is_known(columns[k]))
            raise UsageError(
                f"The rows do not say their {key}, so a leak of it cannot be seen. They say: "
                f"{known or 'nothing'}. Give a table with a column for it, or leave it out of --by."
            )
    first = next(iter(columns.values()))
    names, counts = _splits_in(first.splits)
    if len(names) < 2:
        raise UsageError(
            f"A leak is between two splits; here is {', '.join(names) or 'none'}. Give the files "
            "of all splits, or a table with a column 'split'."
        )
    findings = [_finding(k, columns[k], names, claimed) for k in CHECKED if k in columns]
    return LeakReport(by=claimed, num_rows=counts, keys=tuple(findings))


def _is_known(column: Column) -> bool:
    return bool(column.values.null_count < len(column.values))


def _splits_in(splits: pa.Array) -> tuple[list[str], dict[str, int]]:
    """Splits that have rows, train first and test last, and how many."""
    counts = {
        str(item["values"]): int(item["counts"])
        for item in pc.value_counts(splits.drop_null()).to_pylist()
    }
    others = sorted({*counts} - {*SPLITS, UNUSED})
    names = [name for name in (*SPLITS[:2], *others, SPLITS[2]) if name in counts]
    return names, {name: counts[name] for name in (*names, UNUSED) if name in counts}


def _finding(key: str, column: Column, names: Sequence[str], by: Sequence[str]) -> KeyFinding:
    codes, values = encoded(column.values)
    split_codes, split_names = encoded(column.splits)
    num_rows = len(codes) if column.num_rows is None else column.num_rows
    parts = {name: np.flatnonzero(split_codes == split_names.index(name)) for name in names}
    rows = {name: codes[part[part < num_rows]] for name, part in parts.items()}
    present = {name: _present(codes[part], len(values)) for name, part in parts.items()}
    crossings = [
        _crossing((a, b), present[a] & _present(rows[b], len(values)), rows[b], values)
        for a, b in pairs_of(names, 2)
    ]
    shared = tuple(crossing for crossing in crossings if crossing.num_values)
    used = np.concatenate([*rows.values()])
    leaks = key in ALWAYS or key in by
    verdict: Verdict = "clean"
    if not (used >= 0).any():
        verdict = "unknown"
    elif shared:
        verdict = "leak" if leaks else "shared"
    return KeyFinding(
        key=key,
        verdict=verdict,
        num_values=len(np.unique(used[used >= 0])),
        num_unknown=int((used < 0).sum()),
        crossings=shared,
    )


def _present(codes: Ints, num_values: int) -> NDArray[np.bool_]:
    return np.bincount(codes[codes >= 0], minlength=num_values) > 0


def _crossing(
    between: tuple[str, str], shared: Any, later: Ints, values: Sequence[str]
) -> Crossing:
    num_rows = int(np.append(shared, False)[later].sum())
    return Crossing(
        between=between,
        num_values=int(shared.sum()),
        num_rows=num_rows,
        share=num_rows / len(later),
        examples=tuple(values[i] for i in np.flatnonzero(shared)[:MAX_EXAMPLES]),
    )
