"""The plan: every record that will be made, cut into shards, named by content.

A plan is pure: same inputs, same ``plan_id``, same shards, whoever runs them. Its records are
written as ``plan.arrow`` (Arrow IPC, one batch per shard, so a worker reads only its own) and
then its shards as ``plan.json``, whose existence means that the plan is whole. The records are
walked once: what names the plan and what writes it is one pass. Memory holds the records of one
shard, and a line for each shard.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from mosdata.builders.stage import Record, Stage, StageSpec, spec_from_json
from mosdata.errors import DamagedDataset, OutputConflict, UsageError
from mosdata.manifests.durable import create_text, sync_file, write_text
from mosdata.manifests.ids import canonical_json
from mosdata.manifests.places import copy, file_exists, is_remote, scratch_of, stamp_of

PLAN_VERSION: Final = 1
"""Part of every plan's name."""

LAYOUT_VERSION: Final = 2
"""How the files of a plan are laid out; 1 was ``plan.parquet``."""

NAMED_AT_ONCE: Final = 1_000

PLAN_NAME: Final = "plan.json"
RECORDS_NAME: Final = "plan.arrow"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A plan whose records are written, and which has no folder yet."""

    plan: Plan
    records: Path

    def place(self, folder: Path) -> Plan:
        """Move the plan into a run folder, where it is read from; once.

        Raises:
            OutputConflict: on an object store, where somebody else was faster with another plan.
        """
        if is_remote(folder):
            return self._upload(folder)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / RECORDS_NAME
        shutil.move(self.records, target)
        sync_file(target)
        save_plan(folder, self.plan)
        return self.plan

    def _upload(self, folder: Path) -> Plan:
        """The records under a name of their own, then ``plan.json``: the first one counts."""
        copy(self.records, folder / remote_records_name(self.plan))
        if create_text(folder / PLAN_NAME, _plan_text(self.plan)):
            return self.plan
        first = read_plan(folder)
        if first is None or first.plan_id != self.plan.plan_id:
            raise OutputConflict(
                f"{folder} has just been taken by a run of something else. Nothing of it was "
                "touched; choose another --out."
            )
        return first


def plan_id_of(stage: Stage) -> str:
    """The name of a stage's plan, without writing it; does not depend on how it is cut."""
    digest = _PlanDigest(stage.spec)
    records = stage.records()
    while batch := [_text(record) for record in islice(records, NAMED_AT_ONCE)]:
        digest.add(batch)
    return digest.plan_id()


@contextlib.contextmanager
def draft_plan(
    stage: Stage, *, records_per_shard: int, folder: Path | None = None
) -> Iterator[Draft]:
    """Name and write a plan in one pass, before it is known where it goes.

    Args:
        stage: what to make.
        records_per_shard: the most that a shard holds.
        folder: where to write; the system's folder for temporary files where it is not given.
            What is not placed is gone after the block.

    Raises:
        UsageError: the stage plans nothing.
    """
    near = None if folder is None or is_remote(folder) else folder
    with tempfile.TemporaryDirectory(prefix=".plan-", dir=near) as place:
        records = Path(place) / RECORDS_NAME
        digest = _PlanDigest(stage.spec)
        shards = tuple(_written(records, stage.records(), records_per_shard, digest))
        if not shards:
            raise UsageError("The plan is empty: there is nothing to make.")
        plan = Plan(plan_id=digest.plan_id(), spec=stage.spec, shards=shards)
        yield Draft(plan=plan, records=records)


def write_plan(folder: Path, stage: Stage, *, records_per_shard: int) -> Plan:
    """Write the plan of a stage into a run folder.

    Raises:
        UsageError: the stage plans nothing.
    """
    if not is_remote(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with draft_plan(stage, records_per_shard=records_per_shard, folder=folder) as draft:
        return draft.place(folder)


def save_plan(folder: Path, plan: Plan) -> None:
    """Write ``plan.json``; the records are in ``plan.arrow`` already."""
    write_text(folder / PLAN_NAME, _plan_text(plan))


def _plan_text(plan: Plan) -> str:
    values = {
        "plan_version": PLAN_VERSION,
        "layout_version": LAYOUT_VERSION,
        "plan_id": plan.plan_id,
        "spec": asdict(plan.spec),
        "shards": [[s.key, s.split, s.group, s.num_records] for s in plan.shards],
    }
    # On one line: with an indent, JSON of a hundred thousand shards takes seconds.
    return json.dumps(values, ensure_ascii=False) + "\n"


def remote_records_name(plan: Plan) -> str:
    """Name of the records on an object store: of their content, since nothing can be locked."""
    keys = hashlib.blake2b("".join(shard.key for shard in plan.shards).encode(), digest_size=10)
    return f"plan-{keys.hexdigest()}.arrow"


def read_plan(folder: Path) -> Plan | None:
    """The plan of a run folder; None where none was finished.

    Raises:
        DamagedDataset: ``plan.json`` is not ours, or another version of mosdata wrote it.
    """
    path = folder / PLAN_NAME
    if not file_exists(path):
        return None
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        shards = tuple(
            Shard(index=i, key=key, split=split, group=group, num_records=count)
            for i, (key, split, group, count) in enumerate(values["shards"])
        )
        spec = spec_from_json(values["spec"])
        plan = Plan(plan_id=values["plan_id"], spec=spec, shards=shards)
        layout = values.get("layout_version")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedDataset(f"{path} cannot be read as a plan: {error}") from error
    if layout != LAYOUT_VERSION:
        raise DamagedDataset(
            f"{path} was written by another version of mosdata (layout {layout}; this one reads "
            f"{LAYOUT_VERSION}). Finish the run with that version, or remove {folder}."
        )
    return plan


def read_records(folder: Path, index: int) -> list[Record]:
    """The records of one shard; the others are not read."""
    with pa.memory_map(str(_records_here(folder))) as source:
        batch = pa.ipc.open_file(source).get_batch(index)
        columns = [column.to_pylist() for column in batch.columns]
    return [
        Record(id=record_id, split=split, group=group, payload=json.loads(payload))
        for record_id, split, group, payload in zip(*columns, strict=True)
    ]


def _records_here(folder: Path) -> Path:
    """The file of a plan's records on this machine; from an object store it is fetched once."""
    if not is_remote(folder):
        return folder / RECORDS_NAME
    name = _records_name(folder, stamp_of(folder / PLAN_NAME))
    here = scratch_of(folder) / name
    if not here.is_file():
        with tempfile.TemporaryDirectory(dir=here.parent) as beside:
            copy(folder / name, Path(beside) / name)
            (Path(beside) / name).replace(here)  # several workers may fetch it; each whole
    return here


@lru_cache(maxsize=1)
def _records_name(folder: Path, stamp: tuple[object, ...]) -> str:
    del stamp
    plan = read_plan(folder)
    assert plan is not None, "the stamp says that it exists"
    return remote_records_name(plan)


@dataclass(frozen=True, slots=True)
class _Text:
    """A record with its payload as text: what is hashed is what is written."""

    record: Record
    payload: str


def _text(record: Record) -> _Text:
    return _Text(record, canonical_json(record.payload))


class _PlanDigest:
    """Names a plan from its spec and its records, as they pass."""

    def __init__(self, spec: StageSpec) -> None:
        identity = canonical_json(
            [PLAN_VERSION, spec.name, spec.config, list(spec.class_names), spec.sample_rate_hz]
        )
        self._identity = hashlib.blake2b(identity.encode(), digest_size=20)
        self._plan = self._identity.copy()

    def add(self, batch: Iterable[_Text]) -> str:
        """Take some records in; returns the key of a shard that holds just these."""
        shard = self._identity.copy()
        text = "".join(f"{t.record.id}\0{t.record.split}\0{t.payload}\0" for t in batch).encode()
        shard.update(text)
        self._plan.update(text)
        return shard.hexdigest()

    def plan_id(self) -> str:
        return self._plan.hexdigest()


def _written(
    path: Path, records: Iterable[Record], records_per_shard: int, digest: _PlanDigest
) -> Iterator[Shard]:
    """Shards of one split and group each, never longer than asked, as they are written."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(str(path), RECORDS_SCHEMA, options=options) as writer:
        index = 0
        runs = groupby(records, key=lambda record: (record.split, record.group))
        for (split, group), run in runs:
            while batch := [_text(record) for record in islice(run, records_per_shard)]:
                writer.write_batch(_batch(batch, split, group))
                key = digest.add(batch)
                yield Shard(index=index, key=key, split=split, group=group, num_records=len(batch))
                index += 1


def _batch(batch: list[_Text], split: str, group: str) -> pa.RecordBatch:
    columns = [
        [text.record.id for text in batch],
        [split] * len(batch),
        [group] * len(batch),
        [text.payload for text in batch],
    ]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, pa.string()) for column in columns], schema=RECORDS_SCHEMA
    )
