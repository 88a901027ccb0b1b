"""Three ways to run the same shards: in this process, in local processes, on Ray.

Each yields the numbers of finished shards as they finish, and now and then how far the others
are; what the shards became is in their receipts. A worker that dies takes nothing with it: its
shard is run again, and the record it was making gets a strike. So does a record that takes longer
than its deadline: its worker is stopped.
"""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mosdata.builders.plan import Plan
from mosdata.builders.processes import Underway, refuse_hopeless, run_processes
from mosdata.builders.shard import close_bench, run_shard
from mosdata.builders.stage import GPUS_INPUT
from mosdata.builders.strikes import WORKER_KILLED, markers, strike
from mosdata.errors import InvalidValue, MosdataError
from mosdata.manifests.places import is_remote

ExecutorName = Literal["auto", "serial", "process", "ray"]
EXECUTORS: Final = ("auto", "serial", "process", "ray")

RECORD_DEADLINE_S: Final = 300.0
"""How long one record may take; the first of a shard twice as long, since its engine may have to
be loaded. A hang is never so short, and a minute of speech takes no engine longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How to run: which executor, how many workers, where Ray is, and how long a record may take.

    Args:
        executor: ``auto`` is Ray where an address is given or an engine needs a GPU, else
            processes.
        workers: how many; None for one per core.
        address: a Ray cluster.
        record_deadline_s: a record that takes longer, twice, is put aside; ``math.inf`` for no
            limit. ``serial`` has nobody who could stop it, and no limit.
        on: name of a custom resource of a Ray cluster; only nodes that offer it are given work.

    Raises:
        InvalidValue: an executor that is not known, fewer than one worker, or no time at all, or
            ``on`` without Ray.
    """

    executor: ExecutorName = "auto"
    workers: int | None = None
    address: str | None = None
    record_deadline_s: float = RECORD_DEADLINE_S
    on: str | None = None

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise InvalidValue("--executor", self.executor, ", ".join(EXECUTORS))
        if self.workers is not None and self.workers < 1:
            raise InvalidValue("--workers", self.workers, "1 or more")
        if not self.record_deadline_s > 0:  # nor NaN
            raise InvalidValue("--record-deadline", self.record_deadline_s, "more than 0 seconds")
        if self.on is not None and (not self.on or self.executor in ("serial", "process")):
            raise InvalidValue("--on", self.on, "a resource of a Ray cluster (--executor ray)")

    def resolved(self, *, needs_gpu: bool) -> ExecutorName:
        """``auto`` is Ray with an address or a resource, or for a GPU; else processes."""
        if self.executor != "auto":
            return self.executor
        return "ray" if self.address or self.on or needs_gpu else "process"

    @property
    def num_workers(self) -> int:
        """Workers to start: as asked, or one per core this process may use."""
        return self.workers or usable_cores()


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def execute(
    folder: Path, plan: Plan, todo: Sequence[int], execution: Execution, *, needs_gpu: bool = False
) -> Generator[int | Underway, None, None]:
    """Run the shards in ``todo``; yields each number as its receipt appears, and the way there.

    Shards of one group come one after another: a worker loads what they need once, in most cases.
    """
    gpus = {index: _num_gpus(plan, index, needs_gpu=needs_gpu) for index in _by_group(plan, todo)}
    name = execution.resolved(needs_gpu=any(gpus.values()))
    if name == "serial":
        return _run_serial(folder, gpus)
    if name == "process":
        return run_processes(
            folder,
            plan,
            list(gpus),
            num_workers=min(execution.num_workers, len(todo)),
            deadline_s=execution.record_deadline_s,
        )
    return _run_ray(folder, plan, gpus, execution)


def _by_group(plan: Plan, todo: Sequence[int]) -> list[int]:
    """The shards by group; groups, and shards in them, in the order of the plan."""
    order = {group: i for i, group in enumerate(dict.fromkeys(s.group for s in plan.shards))}
    return sorted(todo, key=lambda index: (order[plan.shards[index].group], index))


def _num_gpus(plan: Plan, index: int, *, needs_gpu: bool) -> float:
    """Share of a GPU that a shard needs: its group's, where the plan says so."""
    shares: dict[str, float] = json.loads(plan.spec.inputs.get(GPUS_INPUT, "{}"))
    return shares.get(plan.shards[index].group, 1.0 if needs_gpu and not shares else 0.0)


def _run_serial(folder: Path, todo: Iterable[int]) -> Generator[int, None, None]:
    try:
        for index in todo:
            run_shard(str(folder), index)
            yield index
    finally:
        close_bench()


def _run_ray(
    folder: Path, plan: Plan, gpus: Mapping[int, float], execution: Execution
) -> Generator[int | Underway, None, None]:
    from mosdata import cluster

    with cluster.session(address=execution.address, num_cpus=execution.num_workers):
        if is_remote(folder):  # each node finds it by its address
            cluster.refuse_strangers(cluster.survey(workers_only=True), folder)
        else:
            cluster.check_shared_folder(folder)
        yield from _call_until_done(folder, plan, gpus, execution)


def _call_until_done(
    folder: Path, plan: Plan, gpus: Mapping[int, float], execution: Execution
) -> Generator[int | Underway, None, None]:
    from mosdata import cluster

    deadline_s = execution.record_deadline_s
    limit_s = deadline_s if math.isfinite(deadline_s) else None
    deaths = 0
    attempts = deque(gpus)
    unfinished = set(gpus)
    while batch := list(attempts):
        attempts.clear()
        calls = cluster.run_calls(
            run_shard,
            [(str(folder), index, limit_s) for index in batch],
            needs=[cluster.Needs(gpus[index], plan.shards[index].group) for index in batch],
            where=execution.on,
            tells_waiting=True,
            farewell=close_bench,
        )
        with closing(calls):
            for ended in calls:
                if ended is None:
                    yield _under_way(folder, unfinished)
                    continue
                index, outcome = batch[ended[0]], ended[1]
                if outcome is None:
                    deaths = 0
                    unfinished.discard(index)
                    yield index
                elif isinstance(outcome, MosdataError):
                    raise outcome
                else:
                    # Ray does not say by which signal: three strikes, as for a kill.
                    shard = plan.shards[index]
                    blamed = outcome.died_working and strike(folder, shard, reason=WORKER_KILLED)
                    deaths = 0 if blamed else deaths + 1
                    refuse_hopeless(folder, deaths)
                    attempts.append(index)


def _under_way(folder: Path, unfinished: set[int]) -> Underway:
    """How far the shards are of which a worker says so where this driver sees it."""
    return Underway(
        {index: mark.num_done for index, mark in markers(folder) if index in unfinished}
    )
