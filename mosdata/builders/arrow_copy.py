"""The layout of ``datasets``' ``save_to_disk``, beside the Parquet files: for ``load_from_disk``.

Written with pyarrow rather than by ``datasets``, which would copy everything through its cache
first; no audio is decoded, so no torchcodec is needed. It holds the same rows a second time, so
it is off unless asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from mosdata.manifests.durable import sync_file, write_json
from mosdata.manifests.store import DataFile, Dataset, damage_named

INDEX_NAME: Final = "dataset_dict.json"


def write_arrow(dataset: Dataset, folder: Path) -> list[str]:
    """Write all clips in Arrow files; returns the paths that were made, relative to ``folder``."""
    made = [
        path for split in dataset.splits for path in _write_split(dataset, split, folder / split)
    ]
    write_json(folder / INDEX_NAME, {"splits": dataset.splits})
    return [INDEX_NAME, *(path.relative_to(folder).as_posix() for path in made)]


def _write_split(dataset: Dataset, split: str, place: Path) -> list[Path]:
    place.mkdir(parents=True)
    files = [file for file in dataset.files_of(split) if file.rows]
    made = []
    for number, file in enumerate(files):
        path = place / f"data-{number:05d}-of-{len(files):05d}.arrow"
        _convert(dataset, file, path)
        made.append(path)
    info = json.loads(dataset.schema.metadata[b"huggingface"])["info"]
    write_json(place / "dataset_info.json", info)
    write_json(place / "state.json", _state(files, made, split))
    return [*made, place / "dataset_info.json", place / "state.json"]


def _convert(dataset: Dataset, file: DataFile, path: Path) -> None:
    source = dataset.folder / file.path
    with damage_named(source):
        reader = pq.ParquetFile(source)
        with pa.ipc.new_stream(path, dataset.schema) as writer:
            for group in range(reader.num_row_groups):
                writer.write_table(reader.read_row_group(group).cast(dataset.schema))
    sync_file(path)


def _state(files: Sequence[DataFile], made: Sequence[Path], split: str) -> dict[str, object]:
    """What ``datasets`` wants to know; its fingerprint is a name for the content."""
    sums = "".join(file.sha256 for file in files)
    return {
        "_data_files": [{"filename": path.name} for path in made],
        "_fingerprint": hashlib.sha256(sums.encode()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
