"""``run_shard``: the one idempotent function that every executor calls."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

import pyarrow as pa

from mosdata.builders.making import FULL_DISK, Maker
from mosdata.builders.plan import PLAN_NAME, Plan, Shard, read_plan
from mosdata.builders.receipts import Receipt, load_receipt, save_receipt
from mosdata.builders.stage import Bench, ClosingBench, StageSpec, open_bench
from mosdata.builders.strikes import SelfStop, open_marker
from mosdata.builders.takeover import TakesOver, reusing
from mosdata.errors import NotEnoughSpace, NothingFound
from mosdata.manifests.durable import sha256_file
from mosdata.manifests.places import (
    bucket_is_missing,
    copy,
    is_remote,
    place_of,
    reaching,
    stamp_of,
)
from mosdata.manifests.rows import Rating, Utterance
from mosdata.manifests.schema import clips_schema, clips_table, ratings_schema, ratings_table
from mosdata.manifests.store import ROW_GROUP_ROWS, ParquetRows, content_sum


def run_shard(folder: str, index: int, deadline_s: float | None = None) -> None:
    """Make one shard, unless it is made; safe to call twice, anywhere, at once.

    Args:
        folder: the run folder (a string, so that it travels to any worker).
        index: which shard of its plan.
        deadline_s: end this process where one record takes longer; for workers that no driver
            can watch.

    Raises:
        NotEnoughSpace: the disk is full; what was begun is removed.
        StoreTrouble: the object store that holds the run refuses us, or says nothing.
    """
    run = place_of(folder)
    with reaching(run), full_disk_explained(run):
        stamp = _stamp(run)
        plan = _plan(run, stamp)
        shard = plan.shards[index]
        if load_receipt(run, shard) is not None:
            return
        bench = reusing(_bench(run, stamp), run, shard, plan.spec)
        receipt = _make(run, shard, plan.spec, bench, deadline_s)
        if not save_receipt(run, shard, receipt) and receipt.file:
            first = load_receipt(run, shard)
            # A store whose answer was lost is asked twice: then the first one was ours.
            if first is None or first.file != receipt.file:
                (run / receipt.file).unlink(missing_ok=True)


@contextlib.contextmanager
def full_disk_explained(run: Path) -> Iterator[None]:
    """Say in words that the disk is full.

    Raises:
        NotEnoughSpace: in place of the error of the operating system.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        raise NotEnoughSpace(
            f"The disk that holds {run} is full. What is finished is safe: free some space, "
            "or move both folders to a larger disk, and run the same command again."
        ) from error


def _stamp(run: Path) -> tuple[object, ...]:
    """What tells this plan from another that was or will be in the same folder.

    Raises:
        NothingFound: no plan there.
    """
    try:
        return stamp_of(run / PLAN_NAME)
    except FileNotFoundError as error:
        if bucket_is_missing(error):
            raise
        raise NothingFound(f"{run} holds no plan; start with 'mosdata build'.") from error


@lru_cache(maxsize=1)
def _plan(run: Path, stamp: tuple[object, ...]) -> Plan:
    del stamp
    plan = read_plan(run)
    assert plan is not None, "the stamp says that it exists"
    return plan


@lru_cache(maxsize=1)
def _bench(run: Path, stamp: tuple[object, ...]) -> Bench:
    """Engines and models are loaded once per worker process and plan."""
    close_bench()  # of another plan
    bench = open_bench(_plan(run, stamp).spec)
    _LOADED.append(bench)
    return bench


_LOADED: Final[list[Bench]] = []


def close_bench() -> None:
    """Put away what this process has loaded: engines in processes of their own, above all."""
    for bench in _LOADED:
        if isinstance(bench, ClosingBench):
            bench.close()
    _LOADED.clear()
    _bench.cache_clear()


@dataclass(slots=True)
class _Tally:
    """What a shard has become so far."""

    num_rows: int = 0
    duration_s: float = 0.0
    content_sum: int = 0


def _make(
    run: Path, shard: Shard, spec: StageSpec, bench: Bench, deadline_s: float | None
) -> Receipt:
    name = f"attempts/{shard.index:06d}.{uuid.uuid4().hex[:12]}.parquet"
    with _attempt(run / name) as attempt:
        return _made(run, shard, spec, bench, deadline_s, name, attempt)


@contextlib.contextmanager
def _attempt(place: Path) -> Iterator[Path]:
    """A file to write here; an object store gets it when it is whole."""
    if not is_remote(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="mosdata-shard-") as folder:
        here = Path(folder) / place.name
        yield here
        if here.exists():
            copy(here, place)


def _made(
    run: Path,
    shard: Shard,
    spec: StageSpec,
    bench: Bench,
    deadline_s: float | None,
    name: str,
    attempt: Path,
) -> Receipt:
    tally = _Tally()
    schema = table_schema(spec)
    try:
        with open_marker(run, shard) as marker, SelfStop(marker, deadline_s) as limit:
            maker = Maker(run, shard, bench, limit)
            written = _write(attempt, _tables(maker.rows(), schema, tally), schema)
    except BaseException:
        attempt.unlink(missing_ok=True)
        raise
    return Receipt(
        shard_key=shard.key,
        file=name if written else None,
        sha256=sha256_file(attempt) if written else "",
        num_bytes=attempt.stat().st_size if written else 0,
        num_rows=tally.num_rows,
        duration_s=tally.duration_s,
        content_sum=tally.content_sum,
        rejections=maker.rejections,
        num_taken_over=bench.num_taken if isinstance(bench, TakesOver) else 0,
    )


def _tables(
    rows: Iterator[Utterance | Rating], schema: pa.Schema, tally: _Tally
) -> Iterator[pa.Table]:
    pending: list[Utterance | Rating] = []
    for row in rows:
        pending.append(row)
        if len(pending) == ROW_GROUP_ROWS:
            yield _table(pending, schema, tally)
            pending = []
    if pending:
        yield _table(pending, schema, tally)


def _table(rows: Sequence[Utterance | Rating], schema: pa.Schema, tally: _Tally) -> pa.Table:
    tally.num_rows += len(rows)
    if isinstance(rows[0], Rating):
        return ratings_table(cast("Sequence[Rating]", rows))
    clips = cast("Sequence[Utterance]", rows)
    tally.duration_s += sum(row.duration_s for row in clips)
    tally.content_sum += content_sum(clips)
    return clips_table(clips, schema)


def table_schema(spec: StageSpec) -> pa.Schema:
    """Schema of the rows that a stage makes."""
    if spec.table == "ratings":
        return ratings_schema()
    return clips_schema(class_names=spec.class_names, sample_rate_hz=spec.sample_rate_hz)


def _write(path: Path, tables: Iterator[pa.Table], schema: pa.Schema) -> bool:
    """Write all tables; False, and no file, where there are none."""
    first = next(tables, None)
    if first is None:
        return False
    writer = ParquetRows(path, schema)
    try:
        writer.write(first)
        for table in tables:
            writer.write(table)
    finally:
        writer.close()
    return True
