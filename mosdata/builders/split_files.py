"""Files of split sets: written whole, and handed down to the datasets made from a dataset."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from mosdata.manifests.durable import sync_file, sync_folder
from mosdata.manifests.groups import whole
from mosdata.manifests.ids import canonical_json
from mosdata.manifests.places import is_remote, parquet_file, write_parquet
from mosdata.manifests.schema import SCHEMA_VERSION
from mosdata.manifests.split_sets import follow_sources
from mosdata.manifests.store import Dataset, damage_named, describe_file

FOLDER: Final = "splits"


def write_split_file(folder: Path, name: str, table: pa.Table) -> dict[str, Any]:
    """Put the file of a set into place; returns its entry for the manifest."""
    about = canonical_json({"table": "splits", "schema_version": SCHEMA_VERSION})
    table = table.replace_schema_metadata({"mosdata": about})
    place = folder / FOLDER / f"{name}.parquet"
    if is_remote(folder):  # whole or absent by itself
        write_parquet(table, place, compression="zstd")
        return asdict(describe_file(folder, place, split="all", rows=len(table)))
    for left in folder.glob(".splits-*"):  # by a run that was killed; its lock is ours now
        left.unlink(missing_ok=True)
    partial = folder / f".splits-{uuid.uuid4().hex[:12]}.parquet"
    place.parent.mkdir(exist_ok=True)
    pq.write_table(table, partial, compression="zstd")
    sync_file(partial)
    partial.replace(place)
    sync_folder(place.parent)
    return asdict(describe_file(folder, place, split="all", rows=len(table)))


def hand_down_split_sets(parent: Dataset, folder: Path, *, keeps_parent: bool) -> list[Any]:
    """Give the split sets of a dataset to one that is made from it; returns their entries.

    Sets of ratings go along only where the ratings do. Every clip of the parent is in the files,
    copies too: where the parent's clips are not kept, nothing else knows whose copies they were.

    Args:
        parent: what the other is made from.
        folder: of the other, not yet in place.
        keeps_parent: whether all clips of the parent are in it too.
    """
    entries = []
    for entry in parent.manifest.get("split_sets", []):
        if not (keeps_parent or entry["rows"] == "clips"):
            continue
        path = parent.folder / entry["files"][0]["path"]
        with damage_named(path):
            table = parquet_file(path).read()
        if entry["rows"] == "clips":
            clips = parent.table(["id", "parent_id"]).sort_by("id")
            rows = follow_sources(clips, whole(table["clip_id"]), name=entry["name"])
            column = table.column_names[-1]
            table = pa.table({"clip_id": clips["id"], column: table[column].take(rows)})
        entries.append({**entry, "files": [write_split_file(folder, entry["name"], table)]})
    return entries
