"""Parquet files of even size from whatever a run left: the same rows in the same order.

A run makes one file a shard, so a dataset may have hundreds of small files; readers and the hub
like few files of one size. Rows travel as Arrow, so the bytes of their audio are not touched,
and row groups are cut anew, so equal rows give equal files however they lay before.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mosdata.manifests.durable import sync_file
from mosdata.manifests.store import (
    ROW_GROUP_ROWS,
    DataFile,
    Dataset,
    ParquetRows,
    damage_named,
    describe_file,
)

TARGET_FILE_BYTES: Final = 256_000_000
"""Size that a file should have; a split is cut into as many equal files as that takes."""

TARGET_GROUP_BYTES: Final = 64_000_000
"""Most that a row group may hold: the hub's viewer reads whole row groups of up to 100 MB."""

UNEVEN: Final = 1.5
"""A file larger than this many times the mean of its split makes the split uneven."""

ROW_BYTES: Final = 512
"""Rough size of a row without its audio."""

RATINGS_PER_FILE: Final = 1_000_000


def num_files_for(num_bytes: int, *, target_bytes: int = TARGET_FILE_BYTES) -> int:
    """How many files a split of this size should have.

    Example:
        >>> num_files_for(10), num_files_for(256_000_001)
        (1, 2)
    """
    return max(1, math.ceil(num_bytes / target_bytes))


def is_even(files: Sequence[DataFile], *, target_bytes: int = TARGET_FILE_BYTES) -> bool:
    """Whether the files of a split are as many as they should be, and of about one size."""
    sizes = [file.bytes for file in files]
    wanted = num_files_for(sum(sizes), target_bytes=target_bytes)
    return len(sizes) == wanted and max(sizes) * len(sizes) <= UNEVEN * sum(sizes)


def place_split(
    dataset: Dataset, split: str, folder: Path, *, target_bytes: int = TARGET_FILE_BYTES
) -> list[DataFile]:
    """Copy the files of a split where they are even, else cut them anew.

    Args:
        dataset: where the rows are.
        split: which rows.
        folder: of the new dataset; files go to its ``data``.
        target_bytes: size that a file should have.
    """
    files = dataset.files_of(split)
    if is_even(files, target_bytes=target_bytes):
        for file in files:
            copy_file(dataset.folder / file.path, folder / file.path)
        return files
    wanted = num_files_for(sum(file.bytes for file in files), target_bytes=target_bytes)
    return _cut(dataset, split, folder, wanted)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, through to the disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    sync_file(target)


def place_ratings(dataset: Dataset, entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Copy a set of ratings, in as few files as hold it; returns its entry of the manifest."""
    num_rows = sum(file["rows"] for file in entry["files"])
    wanted = max(1, math.ceil(num_rows / RATINGS_PER_FILE))
    if len(entry["files"]) <= wanted:
        for file in entry["files"]:
            copy_file(dataset.folder / file["path"], folder / file["path"])
        return entry
    table = pa.concat_tables(
        pq.read_table(dataset.folder / file["path"]) for file in entry["files"]
    )
    place = folder / "ratings" / entry["name"]
    place.mkdir(parents=True)
    files = []
    for number in range(wanted):
        path = place / f"part-{number:05d}-of-{wanted:05d}.parquet"
        part = table.slice(number * RATINGS_PER_FILE, RATINGS_PER_FILE)
        pq.write_table(part, path, compression="zstd", write_page_index=True)
        sync_file(path)
        files.append(describe_file(folder, path, split="all", rows=len(part)))
    listed = [
        {name: getattr(file, name) for name in DataFile.__dataclass_fields__} for file in files
    ]
    return {**entry, "files": listed, "cut_from": [file["sha256"] for file in entry["files"]]}


def _cut(dataset: Dataset, split: str, folder: Path, num_files: int) -> list[DataFile]:
    weights = np.concatenate(list(_weights(dataset, split)))
    # A row belongs to the file that the bytes before it fill; equal shares, whatever their rows.
    before = np.cumsum(weights) - weights
    numbers = np.minimum(before * num_files // weights.sum(), num_files - 1)
    numbers = np.unique(numbers, return_inverse=True)[1]  # a huge row may leave a file empty
    num_files = int(numbers.max()) + 1
    per_group = int(np.clip(TARGET_GROUP_BYTES // weights.max(), 1, ROW_GROUP_ROWS))
    made = []
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for number, parts in groupby(_runs(dataset, split, numbers), key=lambda run: run[0]):
        path = folder / "data" / f"{split}-{number:05d}-of-{num_files:05d}.parquet"
        rows = _write(path, dataset.schema, (part for _, part in parts), per_group)
        made.append(describe_file(folder, path, split=split, rows=rows))
    return made


def _weights(dataset: Dataset, split: str) -> Iterator[NDArray[np.int64]]:
    """Bytes of each row, roughly, file by file."""
    for file in dataset.files_of(split):
        with damage_named(dataset.folder / file.path):
            reader = pq.ParquetFile(dataset.folder / file.path)
            for group in range(reader.num_row_groups):
                audio = reader.read_row_group(group, columns=["audio.bytes"])["audio"]
                sizes = pc.binary_length(pc.struct_field(audio, "bytes"))
                yield pc.fill_null(sizes, 0).to_numpy().astype(np.int64) + ROW_BYTES


def _runs(
    dataset: Dataset, split: str, numbers: NDArray[np.int64]
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Rows in order, each run of rows of one new file with its number."""
    start = 0
    for file in dataset.files_of(split):
        with damage_named(dataset.folder / file.path):
            reader = pq.ParquetFile(dataset.folder / file.path)
            for group in range(reader.num_row_groups):
                for batch in reader.read_row_group(group).to_batches():
                    mine = numbers[start : start + len(batch)]
                    start += len(batch)
                    for number in np.unique(mine).tolist():
                        rows = np.flatnonzero(mine == number)
                        yield number, batch.slice(int(rows[0]), len(rows))


def _write(path: Path, schema: pa.Schema, parts: Iterator[pa.RecordBatch], per_group: int) -> int:
    writer = ParquetRows(path, schema)
    num_rows = 0
    for group in _regrouped(parts, schema, per_group):
        writer.write(group)
        num_rows += len(group)
    writer.close()
    return num_rows


def _regrouped(
    parts: Iterator[pa.RecordBatch], schema: pa.Schema, per_group: int
) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of ``per_group``, whatever batches they came in."""
    waiting: list[pa.RecordBatch] = []
    room = per_group
    for part in parts:
        left = part
        while len(left):
            waiting.append(left.slice(0, room))
            room -= len(waiting[-1])
            left = left.slice(len(waiting[-1]))
            if not room:
                yield _one(waiting, schema)
                waiting, room = [], per_group
    if waiting:
        yield _one(waiting, schema)


def _one(parts: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Parts as one batch of the schema, its metadata included."""
    table = pa.Table.from_batches([part.cast(schema) for part in parts]).combine_chunks()
    return table.to_batches()[0]
