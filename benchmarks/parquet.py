"""What our tables cost: rows with audio written and read back, beside plain pyarrow.

    python benchmarks/parquet.py [NUM_CLIPS]

Plain pyarrow writes and reads the same Arrow table with the same compression, encodings and row
groups, and stops there; our side begins and ends with Python rows. The bytes are random, as those
of FLAC look to Parquet. Both take turns, and the best of the rounds counts: memory bandwidth is
what other work on a machine takes away first.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mosdata.manifests.durable import sync_file
from mosdata.manifests.rows import Utterance
from mosdata.manifests.schema import clips_batch, clips_schema
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
        self._table = pa.Table.from_batches([clips_batch(self._rows, self._schema)])
        entry = {"path": "ours.parquet", "split": "train", "rows": num_clips, "bytes": 0}
        manifest = {"data": [{**entry, "sha256": ""}], "class_names": list(NAMES)}
        self._dataset = Dataset(folder, manifest)

    def write_ours(self) -> None:
        """Rows to batches to a file on the disk."""
        writer = ParquetRows(self._ours, self._schema)
        for first in range(0, len(self._rows), ROW_GROUP_ROWS):
            part = self._rows[first : first + ROW_GROUP_ROWS]
            writer.write(clips_batch(part, self._schema))
        writer.close()

    def write_plain(self) -> None:
        """A finished table to a file on the disk."""
        options = writer_options(self._schema)
        pq.write_table(self._table, self._plain, row_group_size=ROW_GROUP_ROWS, **options)
        sync_file(self._plain)

    def read_ours(self) -> None:
        """Every row, with its sound as bytes."""
        assert sum(len(row.audio) for row in self._dataset.utterances())

    def read_plain(self) -> None:
        """A table."""
        assert pq.read_table(self._plain).num_rows

    def read_plain_rows(self) -> None:
        """A table, and its rows as Python values."""
        for part in pq.read_table(self._plain).to_batches():
            part.to_pylist()


def best_cpu_s(works: dict[str, Callable[[], None]]) -> dict[str, float]:
    """CPU seconds of each work, the best of some rounds in turns."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            began = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - began)
    return best


def table(num_clips: int) -> list[str]:
    """Markdown."""
    with tempfile.TemporaryDirectory() as place:
        sides = Sides(num_clips, Path(place))
        sides.write_ours()
        sides.write_plain()
        found = best_cpu_s(
            {
                "write plain": sides.write_plain,
                "write ours": sides.write_ours,
                "read plain": sides.read_plain,
                "read plain, rows": sides.read_plain_rows,
                "read ours": sides.read_ours,
            }
        )
    both = (found["write plain"] + found["read plain"]) / (found["write ours"] + found["read ours"])
    lines = [
        f"{num_clips:,} clips of {FLAC_BYTES // 1000} kB, best of {ROUNDS} rounds.",
        "",
        "| | plain pyarrow, CPU ms a clip | ours | plain / ours |",
        "|---|---:|---:|---:|",
    ]
    for name, plain, ours in (
        ("write", "write plain", "write ours"),
        ("read, to an Arrow table / to rows", "read plain", "read ours"),
        ("read, to Python dicts / to rows", "read plain, rows", "read ours"),
    ):
        each = [1e3 * found[side] / num_clips for side in (plain, ours)]
        lines.append(f"| {name} | {each[0]:.3f} | {each[1]:.3f} | {each[0] / each[1]:.2f} |")
    return [*lines, f"| write and read back, to a table / to rows | | | {both:.2f} |"]


if __name__ == "__main__":
    print("\n".join(table(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)))
