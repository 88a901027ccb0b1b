"""Rows that an earlier dataset already has are taken over, not made again.

A record's id says what it is, so a plan with more texts, systems or levels than an earlier one
shares ids with it. The driver looks up, once, which records of its plan the earlier datasets
hold, and writes where as ``reuse.arrow`` beside the plan, one batch per shard; a worker reads
only its own. What an id does not cover is compared before a row is taken: the whole file with its
checksum, the version of mosdata, the terms of the system, and, for a corrupted copy, the sound of
its parent. Whatever does not fit is made anew, so the dataset is the same to the byte either way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mosdata import __version__
from mosdata.builders.executors import usable_cores
from mosdata.builders.plan import RECORDS_NAME, Plan
from mosdata.builders.stage import Stage, StageSpec
from mosdata.builders.takeover import INDEX_NAME, SOURCES_NAME, index_about, sources
from mosdata.errors import DamagedDataset
from mosdata.manifests.durable import sha256_file, sync_file, write_json
from mosdata.manifests.ids import JSON
from mosdata.manifests.places import is_remote, parquet_file
from mosdata.manifests.schema import SCHEMA_VERSION
from mosdata.manifests.store import DataFile, Dataset, damage_named, find_datasets

REUSABLE: Final = ("build", "corrupt")
"""Stages whose ids name what a record is; those of ``import`` name a file."""

INDEX_SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.int32()),
        ("path", pa.string()),
        ("group", pa.int32()),
        ("row", pa.int32()),
        ("parent_sound", pa.string()),
    ]
)
COLUMNS: Final = ("id", "parent_id", "pcm_sha256", "sample_rate_hz", "system")


def earlier_datasets(out: Path, stage: str) -> list[Dataset]:
    """Finished datasets beside ``out`` that the same stage made, the newest first."""
    if stage not in REUSABLE or is_remote(out):
        return []
    here = out.resolve()
    found = find_datasets(here.parent, [stage])
    return [dataset for dataset in found if dataset.folder.resolve() != here]


def index_reuse(run: Path, plan: Plan, stage: Stage, datasets: Sequence[Dataset]) -> None:
    """Write which records of a plan are rows of earlier datasets, unless that is written already.

    Memory: about a hundred bytes for each record and for each row of a dataset that is looked at.

    Args:
        run: the run folder, with its plan.
        plan: that plan.
        stage: what made it.
        datasets: where to look; the first that holds a record is taken.
    """
    fitting = [dataset for dataset in datasets if _fits(dataset, stage.spec)]
    if fitting and _about(plan, fitting).items() <= index_about(run).items():
        return  # workers may be reading it
    (run / SOURCES_NAME).unlink(missing_ok=True)
    (run / INDEX_NAME).unlink(missing_ok=True)
    if not fitting:
        return
    wanted = _planned_ids(run)
    found = _Found(len(wanted))
    for number, dataset in enumerate(fitting):
        found.look(wanted, number, _rows(dataset, stage))
    found.drop_damaged(fitting)
    if found.num_records:
        _write(run, plan, found)
        entries = _entries(fitting, stage.spec, found)
        write_json(run / SOURCES_NAME, {**_about(plan, fitting), "sources": entries})


def sources_of(run: Path) -> list[tuple[str, int]]:
    """Folders that a run takes rows over from, and how many it found there."""
    return [(one["folder"], one["num_rows"]) for one in sources(run) if one["num_rows"]]


def _about(plan: Plan, datasets: Sequence[Dataset]) -> dict[str, JSON]:
    """What an index is of."""
    looked_at: list[JSON] = [dataset.dataset_id for dataset in datasets]
    return {"plan_id": plan.plan_id, "num_shards": len(plan.shards), "datasets": looked_at}


def _fits(dataset: Dataset, spec: StageSpec) -> bool:
    """Whether rows of a dataset can be the rows of this plan at all."""
    manifest, config = dataset.manifest, dataset.manifest.get("config", {})
    return (
        spec.name in REUSABLE
        and dataset.stage == spec.name
        and manifest.get("created_by") == f"mosdata {__version__}"
        and manifest.get("schema_version") == SCHEMA_VERSION
        and dataset.sample_rate_hz == spec.sample_rate_hz
        and config.get("seed") == spec.config["seed"]
    )


def _planned_ids(run: Path) -> pa.Array:
    """Ids of all records, in plan order."""
    options = pa.ipc.IpcReadOptions(included_fields=[0])
    with pa.memory_map(str(run / RECORDS_NAME)) as source:
        return pa.ipc.open_file(source, options=options).read_all()["id"].combine_chunks()


def _rows(dataset: Dataset, stage: Stage) -> pa.Table:
    """Where each row of a dataset lies, and what its parent sounds like."""
    parts = [part for file in dataset.files for part in _rows_of_file(dataset, file)]
    if not parts:
        return INDEX_SCHEMA.empty_table().drop_columns(["source"])
    table = pa.concat_tables(parts)
    parents = pc.index_in(table["parent_id"], value_set=table["id"].combine_chunks())
    parents = pc.if_else(table["parent_id"].is_valid(), parents, None)
    sounds = pc.binary_join_element_wise(
        table["pcm_sha256"], table["sample_rate_hz"].cast(pa.string()), "@"
    )
    table = table.append_column("parent_sound", sounds.take(parents))
    if stage.spec.name == "build":
        same = _same_terms(dataset, stage)
        table = table.filter(pc.is_in(table["system"], value_set=pa.array(same, pa.string())))
    else:  # a source is fetched from where it is now
        table = table.filter(table["parent_id"].is_valid())
    return table.select(["id", "path", "group", "row", "parent_sound"])


def _rows_of_file(dataset: Dataset, file: DataFile) -> Iterator[pa.Table]:
    path = dataset.folder / file.path
    try:
        with damage_named(path), parquet_file(path) as reader:
            for group in range(reader.num_row_groups):
                table = reader.read_row_group(
                    group, columns=list(COLUMNS)
                ).replace_schema_metadata()
                num_rows = len(table)
                yield (
                    table.append_column("path", pa.repeat(file.path, num_rows))
                    .append_column("group", pa.repeat(pa.scalar(group, pa.int32()), num_rows))
                    .append_column("row", pa.array(np.arange(num_rows, dtype=np.int32)))
                )
    except DamagedDataset:  # then what it held is made anew
        return


def _same_terms(dataset: Dataset, stage: Stage) -> list[str]:
    """Systems under the same licence and terms then and now: they are written into every row."""
    path = dataset.folder / "provenance.json"
    then = json.loads(path.read_text("utf-8")).get("systems", {}) if path.is_file() else {}
    now: Any = stage.provenance().get("systems", {})
    terms = (
        "revision",
        "fingerprint",
        "license",
        "code_license",
        "weights_license",
        "output_terms",
        "sample_rate_hz",
    )
    return [
        name
        for name, about in now.items()
        if name in then and all(about.get(term) == then[name].get(term) for term in terms)
    ]


class _Found:
    """For each planned record the dataset and the row of it, or -1."""

    def __init__(self, num_records: int) -> None:
        self.source: NDArray[np.int32] = np.full(num_records, -1, np.int32)
        self.row: NDArray[np.int64] = np.full(num_records, -1, np.int64)
        self.tables: dict[int, pa.Table] = {}

    @property
    def num_records(self) -> int:
        return int((self.source >= 0).sum())

    def look(self, wanted: pa.Array, number: int, table: pa.Table) -> None:
        """Note what a dataset has of what is still wanted."""
        places = pc.index_in(wanted, value_set=table["id"].combine_chunks())
        rows = pc.fill_null(places, -1).to_numpy(zero_copy_only=False)
        new = (rows >= 0) & (self.source < 0)
        if new.any():
            self.source[new], self.row[new] = number, rows[new]
            self.tables[number] = table

    def drop_damaged(self, datasets: Sequence[Dataset]) -> None:
        """Forget rows whose file is no longer what its manifest says."""
        for number, table in self.tables.items():
            mine = np.flatnonzero(self.source == number)
            paths = table["path"].take(pa.array(self.row[mine]))
            bad = _damaged(datasets[number], {*paths.unique().to_pylist()})
            lost = mine[pc.is_in(paths, value_set=pa.array(bad, pa.string())).to_numpy()]
            self.source[lost] = -1

    def batch(self, start: int, stop: int) -> pa.RecordBatch:
        """The entries of one shard."""
        parts = [INDEX_SCHEMA.empty_table()]
        for number in np.unique(self.source[start:stop]).tolist():
            if number >= 0:
                mine = self.row[start:stop][self.source[start:stop] == number]
                rows = self.tables[number].take(pa.array(mine))
                rows = rows.append_column("source", pa.repeat(pa.scalar(number), len(mine)))
                parts.append(rows.select(INDEX_SCHEMA.names).cast(INDEX_SCHEMA))
        (batch,) = pa.concat_tables(parts).combine_chunks().to_batches() or [_EMPTY]
        return batch


_EMPTY: Final = pa.RecordBatch.from_pylist([], INDEX_SCHEMA)


def _damaged(dataset: Dataset, paths: set[str]) -> list[str]:
    """Files that differ from the manifest; hashing leaves the interpreter to other threads."""
    files = [file for file in dataset.files if file.path in paths]

    def is_sound(file: DataFile) -> bool:
        try:
            return sha256_file(dataset.folder / file.path) == file.sha256
        except OSError:
            return False

    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        verdicts = pool.map(is_sound, files)
        return [file.path for file, sound in zip(files, verdicts, strict=True) if not sound]


def _write(run: Path, plan: Plan, found: _Found) -> None:
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    path = run / INDEX_NAME
    start = 0
    with pa.ipc.new_file(str(path), INDEX_SCHEMA, options=options) as writer:
        for shard in plan.shards:
            writer.write_batch(found.batch(start, start + shard.num_records))
            start += shard.num_records
    sync_file(path)


def _entries(datasets: Sequence[Dataset], spec: StageSpec, found: _Found) -> list[JSON]:
    """What a worker has to know of each dataset."""
    return [
        {
            "folder": str(dataset.folder.resolve()),
            "dataset_id": dataset.dataset_id,
            "num_rows": int((found.source == number).sum()),
            "same_source": spec.config.get("source") == dataset.manifest["config"].get("source"),
        }
        for number, dataset in enumerate(datasets)
    ]
