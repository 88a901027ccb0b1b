"""Whether a dataset on disk is what its manifest says: every checksum, count and id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mosdata.errors import DamagedDataset
from mosdata.manifests.durable import sha256_file
from mosdata.manifests.store import (
    CONTENT_COLUMNS,
    Dataset,
    content_id,
    content_sum,
    file_entries,
)


def verify_files(dataset: Dataset) -> int:
    """Check size, checksum and row count of every file; returns how many there are.

    Raises:
        DamagedDataset: names the first file that differs, and how.
    """
    entries = list(file_entries(dataset.manifest))
    for entry in entries:
        path = dataset.folder / entry["path"]
        problem = _problem(path, entry)
        if problem:
            raise DamagedDataset(
                f"{path} {problem}. Make the dataset again, or copy it again from its source."
            )
    return len(entries)


def verify_content(dataset: Dataset) -> None:
    """Recompute the content digest from the rows themselves.

    Raises:
        DamagedDataset: the rows are not those that the manifest was written for.
    """
    found = content_id([content_sum(dataset.utterances(columns=CONTENT_COLUMNS))])
    if found != dataset.content_id:
        raise DamagedDataset(
            f"The rows of {dataset.folder} have content id {found}; "
            f"the manifest says {dataset.content_id}."
        )


def _problem(path: Path, entry: dict[str, Any]) -> str:
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != entry["bytes"]:
        return f"has {path.stat().st_size} bytes; the manifest says {entry['bytes']}"
    if sha256_file(path) != entry["sha256"]:
        return "does not match its checksum"
    if pq.read_metadata(path).num_rows != entry["rows"]:
        return f"does not have {entry['rows']} rows"
    return ""
