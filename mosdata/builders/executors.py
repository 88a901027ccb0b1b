"""Three ways to run the same shards: in this process, in local processes, on Ray.

Each yields the numbers of finished shards as they finish; what the shards became is in their
receipts. A worker that dies takes nothing with it: its shard is run again, and the record it was
making gets a strike.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal

from mosdata import errors
from mosdata.builders.plan import Plan
from mosdata.builders.shard import run_shard, strike
from mosdata.errors import BuildFailed, InvalidValue, MosdataError

ExecutorName = Literal["auto", "serial", "process", "ray"]
EXECUTORS: Final = ("auto", "serial", "process", "ray")

MAX_DEATHS_IN_A_ROW: Final = 8
"""Workers that die this often, with no shard finished and no record to blame, mean that
something else is wrong. A record to blame is progress: two strikes put it aside."""


KEPT_MEMORY: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
"""glibc keeps what a clip's arrays used for the next clip, rather than asking the system for it
page by page, over and over: a tenth of a worker's time. Other C libraries ignore it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How to run: which executor, how many workers, and where Ray is.

    Raises:
        InvalidValue: an executor that is not known, or fewer than one worker.
    """

    executor: ExecutorName = "auto"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise InvalidValue("--executor", self.executor, ", ".join(EXECUTORS))
        if self.workers is not None and self.workers < 1:
            raise InvalidValue("--workers", self.workers, "1 or more")

    def resolved(self, *, needs_gpu: bool) -> ExecutorName:
        """``auto`` is Ray where an address is given or an engine needs a GPU, else processes."""
        if self.executor != "auto":
            return self.executor
        return "ray" if self.address or needs_gpu else "process"

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
) -> Iterator[int]:
    """Run the shards in ``todo``; yields each number as its receipt appears."""
    name = execution.resolved(needs_gpu=needs_gpu)
    if name == "serial":
        return _run_serial(folder, todo)
    if name == "process":
        return _run_processes(folder, plan, todo, min(execution.num_workers, len(todo)))
    return _run_ray(folder, plan, todo, execution, needs_gpu=needs_gpu)


def _run_serial(folder: Path, todo: Iterable[int]) -> Iterator[int]:
    for index in todo:
        run_shard(str(folder), index)
        yield index


# --- local processes ---------------------------------------------------------------------------


class _Worker:
    """One child process, at most one shard in its hands."""

    def __init__(self, folder: Path, number: int) -> None:
        logs = folder / "logs"
        logs.mkdir(exist_ok=True)
        self.number = number
        self.shard: int | None = None
        with (logs / f"worker-{number}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mosdata.builders.worker", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_worker_environment(),
                text=True,
                encoding="utf-8",
            )

    @property
    def answers(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def send(self, index: int) -> None:
        assert self.process.stdin is not None
        self.shard = index
        with suppress(BrokenPipeError):  # died while idle: the closed answer pipe will tell
            self.process.stdin.write(f"{index}\n")
            self.process.stdin.flush()

    def stop(self, *, kill: bool) -> None:
        if kill:
            self.process.kill()
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.answers.close()


def _worker_environment() -> dict[str, str]:
    """One thread a worker, no spinning; the caller's import path, for engines brought by users."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        **KEPT_MEMORY,
    }


def _run_processes(
    folder: Path, plan: Plan, todo: Sequence[int], num_workers: int
) -> Iterator[int]:
    waiting = deque(todo)
    deaths = 0
    with selectors.DefaultSelector() as selector:
        workers: list[_Worker] = []
        finished = False
        try:
            for number in range(num_workers):
                _hire(folder, number, waiting, workers, selector)
            while workers:
                for key, _ in selector.select():
                    worker: _Worker = key.data
                    line = worker.answers.readline()
                    if line:
                        deaths = 0
                        yield _settled(json.loads(line))
                        _next_shard(worker, waiting, workers, selector)
                        continue
                    blamed = _bury(folder, plan, worker, waiting, workers, selector)
                    deaths = 0 if blamed else deaths + 1
                    _refuse_hopeless(folder, deaths)
                    _hire(folder, worker.number, waiting, workers, selector)
            finished = True
        finally:
            for worker in workers:
                worker.stop(kill=not finished)


def _hire(
    folder: Path,
    number: int,
    waiting: deque[int],
    workers: list[_Worker],
    selector: selectors.BaseSelector,
) -> None:
    if waiting:
        worker = _Worker(folder, number)
        workers.append(worker)
        selector.register(worker.answers, selectors.EVENT_READ, worker)
        worker.send(waiting.popleft())


def _next_shard(
    worker: _Worker,
    waiting: deque[int],
    workers: list[_Worker],
    selector: selectors.BaseSelector,
) -> None:
    worker.shard = None
    if waiting:
        worker.send(waiting.popleft())
        return
    selector.unregister(worker.answers)
    workers.remove(worker)
    worker.stop(kill=False)


def _bury(
    folder: Path,
    plan: Plan,
    worker: _Worker,
    waiting: deque[int],
    workers: list[_Worker],
    selector: selectors.BaseSelector,
) -> str | None:
    """A worker died: its shard goes back to the front, its record (returned) gets a strike."""
    selector.unregister(worker.answers)
    workers.remove(worker)
    worker.stop(kill=True)
    if worker.shard is None:
        return None
    waiting.appendleft(worker.shard)
    return strike(folder, plan.shards[worker.shard], worker.process.pid)


def _settled(answer: dict[str, object]) -> int:
    """The shard's number; what a worker reports as an error is raised here."""
    if "error" in answer:
        raise _error_from(str(answer["error"]), str(answer["message"]))
    return int(str(answer["shard"]))


def _error_from(name: str, message: str) -> MosdataError:
    """A worker's error in the driver, with the same exit code."""
    kind = getattr(errors, name, BuildFailed)
    error = BuildFailed(message)
    error.exit_code = getattr(kind, "exit_code", BuildFailed.exit_code)
    return error


def _refuse_hopeless(folder: Path, deaths: int) -> None:
    if deaths >= MAX_DEATHS_IN_A_ROW:
        raise BuildFailed(
            f"{deaths} workers died one after another without finishing a shard; "
            f"their last words are in {folder / 'logs'}. What is finished is safe."
        )


# --- Ray ---------------------------------------------------------------------------------------


def _run_ray(
    folder: Path, plan: Plan, todo: Sequence[int], execution: Execution, *, needs_gpu: bool
) -> Iterator[int]:
    from mosdata import cluster

    deaths = 0
    attempts = deque(todo)
    with cluster.session(address=execution.address, num_cpus=execution.num_workers):
        cluster.check_shared_folder(folder)
        while attempts:
            batch = list(attempts)
            attempts.clear()
            calls = cluster.run_calls(
                run_shard,
                [(str(folder), index) for index in batch],
                num_gpus=1.0 if needs_gpu else 0.0,
            )
            for position, outcome in calls:
                index = batch[position]
                if outcome is None:
                    deaths = 0
                    yield index
                elif isinstance(outcome, MosdataError):
                    raise outcome
                else:
                    blamed = outcome.died_working and strike(folder, plan.shards[index])
                    deaths = 0 if blamed else deaths + 1
                    _refuse_hopeless(folder, deaths)
                    attempts.append(index)
