"""The plan: every record that will be made, cut into shards, named by content.

A plan is pure: same inputs, same ``plan_id``, same shards, whoever runs them. It is written as
``plan.parquet`` (one row group per shard, so a worker reads only its own) and then ``plan.json``,
whose existence means that the plan is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from mosdata.builders.stage import Record, Stage, StageSpec, spec_from_json
from mosdata.errors import DamagedDataset, UsageError
from mosdata.manifests.durable import sync_file, write_json
from mosdata.manifests.ids import canonical_json

PLAN_VERSION: Final = 1
PLAN_NAME: Final = "plan.json"
RECORDS_SCHEMA: Final = pa.schema(
    [("id", pa.string()), ("split", pa.string()), ("group", pa.string()), ("payload", pa.string())]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A slice of the plan: the unit of work, of commit and of resume."""

    index: int
    key: str
    split: str
    group: str
    num_records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A written plan, opened."""

    plan_id: str
    spec: StageSpec
    shards: tuple[Shard, ...]

    @property
    def num_records(self) -> int:
        """Records in all shards."""
        return sum(shard.num_records for shard in self.shards)


def plan_id_of(stage: Stage) -> str:
    """The name of a stage's plan, without writing it; does not depend on how it is cut."""
    digest = _PlanDigest(stage.spec)
    for record in stage.records():
        digest.add([record])
    return digest.plan_id()


def write_plan(folder: Path, stage: Stage, *, records_per_shard: int) -> Plan:
    """Write the plan of a stage; memory holds one shard's records at a time.

    Raises:
        UsageError: the stage plans nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = _PlanDigest(stage.spec)
    shards: list[Shard] = []
    path = folder / "plan.parquet"
    with pq.ParquetWriter(path, RECORDS_SCHEMA, compression="zstd") as writer:
        for shard, records in _cut(stage.records(), records_per_shard, digest):
            shards.append(shard)
            writer.write_table(_records_table(records), row_group_size=len(records))
    if not shards:
        raise UsageError("The plan is empty: there is nothing to make.")
    sync_file(path)
    plan = Plan(plan_id=digest.plan_id(), spec=stage.spec, shards=tuple(shards))
    save_plan(folder, plan)
    return plan


def save_plan(folder: Path, plan: Plan) -> None:
    """Write ``plan.json``; the records are in ``plan.parquet`` already."""
    write_json(
        folder / PLAN_NAME,
        {
            "plan_version": PLAN_VERSION,
            "plan_id": plan.plan_id,
            "spec": asdict(plan.spec),
            "shards": [[s.key, s.split, s.group, s.num_records] for s in plan.shards],
        },
    )


def read_plan(folder: Path) -> Plan | None:
    """The plan of a run folder; None where none was finished.

    Raises:
        DamagedDataset: ``plan.json`` is not ours.
    """
    path = folder / PLAN_NAME
    if not path.is_file():
        return None
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        shards = tuple(
            Shard(index=i, key=key, split=split, group=group, num_records=count)
            for i, (key, split, group, count) in enumerate(values["shards"])
        )
        spec = spec_from_json(values["spec"])
        return Plan(plan_id=values["plan_id"], spec=spec, shards=shards)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedDataset(f"{path} cannot be read as a plan: {error}") from error


def read_records(folder: Path, index: int) -> list[Record]:
    """The records of one shard."""
    table = pq.ParquetFile(folder / "plan.parquet").read_row_group(index)
    return [Record(**{**row, "payload": json.loads(row["payload"])}) for row in table.to_pylist()]


class _PlanDigest:
    """Names a plan from its spec and its records, as they pass."""

    def __init__(self, spec: StageSpec) -> None:
        identity = canonical_json(
            [PLAN_VERSION, spec.name, spec.config, list(spec.class_names), spec.sample_rate_hz]
        )
        self._identity = hashlib.blake2b(identity.encode(), digest_size=20)
        self._plan = self._identity.copy()

    def add(self, records: Iterable[Record]) -> str:
        """Take some records in; returns the key of a shard that holds just these."""
        shard = self._identity.copy()
        for record in records:
            text = f"{record.id}\x00{record.split}\x00{canonical_json(record.payload)}\x00".encode()
            shard.update(text)
            self._plan.update(text)
        return shard.hexdigest()

    def plan_id(self) -> str:
        return self._plan.hexdigest()


def _cut(
    records: Iterable[Record], records_per_shard: int, digest: _PlanDigest
) -> Iterator[tuple[Shard, list[Record]]]:
    """Shards of one split and group each, never longer than asked."""
    index = 0
    for (split, group), run in groupby(records, key=lambda record: (record.split, record.group)):
        while batch := list(islice(run, records_per_shard)):
            key = digest.add(batch)
            yield (
                Shard(index=index, key=key, split=split, group=group, num_records=len(batch)),
                batch,
            )
            index += 1


def _records_table(records: list[Record]) -> pa.Table:
    rows = [
        {**asdict(record), "payload": json.dumps(record.payload, ensure_ascii=False)}
        for record in records
    ]
    return pa.Table.from_pylist(rows, RECORDS_SCHEMA)
