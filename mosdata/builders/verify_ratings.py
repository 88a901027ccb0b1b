"""Scores against the clips that they judge and the scales that they are on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from mosdata.manifests.places import parquet_file
from mosdata.manifests.rows import DEBIASED, HUMAN
from mosdata.manifests.scales import SCALES
from mosdata.manifests.schema import RATINGS, READABLE_VERSIONS
from mosdata.manifests.store import Dataset

MAX_SHOWN: Final = 5


@dataclass(slots=True, kw_only=True)
class RatingFindings:
    """How many scores there are, and what is wrong with them (file and words)."""

    num_ratings: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_ratings(
    dataset: Dataset, *, known: Container[str], rejected: Container[str]
) -> RatingFindings:
    """Check every score of a dataset.

    Args:
        dataset: whose ratings.
        known: ids of its clips.
        rejected: ids of records in its quarantine; their scores are kept, and counted.
    """
    found = RatingFindings()
    orphans: Counter[str] = Counter()
    beyond: Counter[str] = Counter()
    for entry in dataset.manifest.get("ratings", []):
        for file in entry["files"]:
            path = file["path"]
            table = _table(dataset, path, found)
            if table is None:
                continue
            found.num_ratings += len(table)
            _check_clips(table, path, found, orphans, known=known, rejected=rejected)
            _check_values(table, path, found, beyond)
    if orphans:
        found.notes.append(f"{orphans.total()} scores are of clips in the quarantine")
    found.notes += [
        f"{count} scores of {name} lie beyond the ends of their scale"
        for name, count in sorted(beyond.items())
    ]
    return found


def _table(dataset: Dataset, path: str, found: RatingFindings) -> pa.Table | None:
    try:
        table = parquet_file(dataset.folder / path).read()
    except FileNotFoundError:  # named already, with the checksums
        return None
    except (OSError, pa.ArrowException) as error:
        found.problems.append((path, f"cannot be read: {error}"))
        return None
    about = json.loads((table.schema.metadata or {}).get(b"mosdata", b"{}"))
    if about.get("schema_version") not in READABLE_VERSIONS:
        version, known = about.get("schema_version"), " and ".join(map(repr, READABLE_VERSIONS))
        says = f"has schema version {version!r}; this mosdata reads {known}"
        found.problems.append((path, says))
        return None
    lacking = [name for name in RATINGS if name not in table.schema.names]
    if lacking:
        found.problems.append((path, f"lacks the columns {', '.join(lacking)}"))
        return None
    return table


def _check_clips(
    table: pa.Table,
    path: str,
    found: RatingFindings,
    orphans: Counter[str],
    *,
    known: Container[str],
    rejected: Container[str],
) -> None:
    counts = Counter(table["clip_id"].to_pylist())
    for clip_id, count in counts.items():
        if clip_id in known:
            continue
        if clip_id in rejected:
            orphans[clip_id] += count
            continue
        says = f"has {count} scores of clip {clip_id}, which is not in the dataset"
        found.problems.append((path, says))


def _check_values(table: pa.Table, path: str, found: RatingFindings, beyond: Counter[str]) -> None:
    values = table["value"].to_numpy().astype(np.float64)
    kinds = np.array(table["kind"].to_pylist(), dtype=object)
    scales = np.array(table["scale"].to_pylist(), dtype=object)
    bad = ~np.isfinite(values)
    if bad.any():
        found.problems.append((path, _of(table, bad, "that are not finite numbers")))
    for kind, name in sorted({(str(k), str(s)) for k, s in zip(kinds, scales, strict=True)}):
        mine = (kinds == kind) & (scales == name) & ~bad
        if name not in SCALES:
            if kind == HUMAN:
                known = ", ".join(SCALES)
                says = f"has scores by people on the scale {name!r}; known: {known}"
                found.problems.append((path, says))
            continue
        off = mine & ~SCALES[name].allows(values)
        if kind == HUMAN and off.any():
            found.problems.append((path, _of(table, off, f"beyond {SCALES[name]}")))
        elif kind != DEBIASED and off.any():  # less an offset, a score may pass the ends
            beyond[kind] += int(off.sum())


def _of(table: pa.Table, chosen: np.ndarray, how: str) -> str:
    """Which scores: the clips and values of the first few, and how many there are."""
    rows = np.flatnonzero(chosen)
    clips, values = table["clip_id"], table["value"]
    shown = ", ".join(f"{clips[i].as_py()}: {values[i].as_py()}" for i in rows[:MAX_SHOWN].tolist())
    more = ", ..." if len(rows) > MAX_SHOWN else ""
    return f"has {len(rows)} scores {how} ({shown}{more})"
