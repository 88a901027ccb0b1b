"""What our tables cost: rows with audio written and read back, beside plain pyarrow.

    python benchmarks/parquet.py [NUM_CLIPS]

Like with like, twice. Tables: an Arrow table is written and read back as one, by us and by plain
pyarrow. Rows: rows of Python are written and read back as such, our utterances by us and dicts by
plain pyarrow. Both sides write the same bytes with the same compression, encodings and row groups,
and see them to the disk. The sound is random, as that of FLAC looks to Parquet. All take turns, and
the best of the rounds counts: memory bandwidth is what other work on a machine takes away first.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mosdata.manifests.durable import sync_file
from mosdata.manifests.rows import Utterance
from mosdata.manifests.schema import CLIPS, clips_schema, clips_table
from mosdata.manifests.store import ROW_GROUP_ROWS, Dataset, ParquetRows, writer_options

ROUNDS = 7
FLAC_BYTES = 70_000
NAMES = ("natural", "unknown", "tone")


def rows_of(num_clips: int) -> list[Utterance]:
    """Rows as a build makes them, four seconds each."""
    rng = np.random.Generator(np.random.SFC64(0))
    return [
        Utterance(
            id=f"{i:026d}",
            audio=rng.bytes(FLAC_BYTES),
            sample_rate_hz=16_000,
            num_samples=68_000,
            duration_s=4.25,
            text=f"Sentence number {i} of the benchmark, spoken once and not again.",
            language="en",
            speaker="default",
            synthesizer="tone",
            system="tone",
            engine_revision="tone/1",
            dataset="mosdata-build",
            sentence=f"{i:026d}",
            seed=int(rng.integers(2**32)),
            pcm_sha256=rng.bytes(32).hex(),
            sample_rate_source_hz=22_050,
            rms_dbfs=float(rng.normal(-20, 3)),
        )
        for i in range(num_clips)
    ]


class Sides:
    """Ours and plain pyarrow, on the same rows."""

    def __init__(self, num_clips: int, folder: Path) -> None:
        self._schema = clips_schema(class_names=NAMES, sample_rate_hz=16_000)
        self._rows = rows_of(num_clips)
        self._ours, self._plain = folder / "ours.parquet", folder / "plain.parquet"
        self._table = clips_table(self._rows, self._schema).combine_chunks()
        self._dicts = self._table.to_pylist()
        entry = {"path": "ours.parquet", "split": "train", "rows": num_clips, "bytes": 0}
        manifest = {"data": [{**entry, "sha256": ""}], "class_names": list(NAMES)}
        self._dataset = Dataset(folder, manifest)

    def write_ours(self) -> None:
        """A table."""
        self._write_ours(self._table.to_batches(max_chunksize=ROW_GROUP_ROWS))

    def write_plain(self) -> None:
        """A table."""
        self._write_plain(self._table)

    def read_ours(self) -> None:
        """A table."""
        assert self._dataset.table(list(CLIPS)).num_rows

    def read_plain(self) -> None:
        """A table."""
        assert pq.read_table(self._plain).num_rows

    def write_our_rows(self) -> None:
        """Utterances."""
        firsts = range(0, len(self._rows), ROW_GROUP_ROWS)
        parts = (self._rows[first : first + ROW_GROUP_ROWS] for first in firsts)
        self._write_ours(clips_table(part, self._schema) for part in parts)

    def write_plain_rows(self) -> None:
        """Dicts."""
        self._write_plain(pa.Table.from_pylist(self._dicts, self._schema))

    def read_our_rows(self) -> None:
        """Utterances, each with its sound as bytes."""
        assert sum(len(row.audio) for row in self._dataset.utterances())

    def read_plain_rows(self) -> None:
        """Dicts, each with its sound as bytes; a row group at a time, as ours."""
        with pq.ParquetFile(self._plain) as reader:
            for part in reader.iter_batches(ROW_GROUP_ROWS):
                assert sum(len(row["audio"]["bytes"]) for row in part.to_pylist())

    def _write_ours(self, parts: Iterable[pa.Table | pa.RecordBatch]) -> None:
        writer = ParquetRows(self._ours, self._schema)
        for part in parts:
            writer.write(part)
        writer.close()

    def _write_plain(self, table: pa.Table) -> None:
        options = writer_options(self._schema)
        pq.write_table(table, self._plain, row_group_size=ROW_GROUP_ROWS, **options)
        sync_file(self._plain)


WORKS: dict[str, tuple[Callable[[Sides], None], Callable[[Sides], None]]] = {
    "write a table": (Sides.write_plain, Sides.write_ours),
    "read a table": (Sides.read_plain, Sides.read_ours),
    "write rows": (Sides.write_plain_rows, Sides.write_our_rows),
    "read rows": (Sides.read_plain_rows, Sides.read_our_rows),
}
"""What is done by plain pyarrow, and by us."""


def best_cpu_s(sides: Sides) -> dict[str, list[float]]:
    """CPU seconds of each work by plain pyarrow and by us, the best of some rounds in turns."""
    best = {name: [float("inf")] * 2 for name in WORKS}
    for _ in range(ROUNDS):
        for name, works in WORKS.items():
            for side, work in enumerate(works):
                began = time.process_time()
                work(sides)
                best[name][side] = min(best[name][side], time.process_time() - began)
    return best


def table(num_clips: int) -> list[str]:
    """Markdown."""
    with tempfile.TemporaryDirectory() as place:
        found = best_cpu_s(Sides(num_clips, Path(place)))
    for what in ("a table", "rows"):
        both = zip(found[f"write {what}"], found[f"read {what}"], strict=True)
        found[f"write and read back {what}"] = [sum(pair) for pair in both]
    lines = [
        f"{num_clips:,} clips of {FLAC_BYTES // 1000} kB, best of {ROUNDS} rounds.",
        "",
        "| | plain pyarrow, CPU ms a clip | ours | plain / ours |",
        "|---|---:|---:|---:|",
    ]
    for name, (plain, ours) in found.items():
        each = [1e3 * cpu_s / num_clips for cpu_s in (plain, ours)]
        lines.append(f"| {name} | {each[0]:.3f} | {each[1]:.3f} | {plain / ours:.2f} |")
    return lines


if __name__ == "__main__":
    print("\n".join(table(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)))
