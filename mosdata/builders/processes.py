"""Local worker processes: hired, handed shards, watched, and buried where they die.

The driver looks now and then at the marker of every busy worker: it says which record is being
made and how many are done. That moves the live view within long shards, and shows a record that
hangs: its worker is asked where it is (its log then holds the stack of every thread), and killed.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from mosdata import errors
from mosdata.builders.plan import Plan
from mosdata.builders.strikes import (
    DEADLINE,
    Mark,
    kind_of_death,
    logs_folder,
    read_marker,
    strike,
)
from mosdata.cluster.travel import keeping_memory
from mosdata.errors import BuildFailed, MosdataError

MAX_DEATHS_IN_A_ROW: Final = 8
"""Workers that die this often, with no shard finished and no record to blame, mean that
something else is wrong. A record to blame is progress: two strikes, or three, put it aside."""


LOOK_EVERY_S: Final = 1.0
"""How often the markers of busy workers are read."""

LAST_WORDS_S: Final = 0.5
"""What a hanging worker gets to write down where it is."""


class _Worker:
    """One child process, at most one shard in its hands."""

    def __init__(self, folder: Path, number: int) -> None:
        logs = logs_folder(folder)
        logs.mkdir(exist_ok=True)
        self.number = number
        self.shard: int | None = None
        self.mark: Mark | None = None
        self.marked_at = 0.0
        self.is_overdue = False
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

    def stop_hanging(self) -> None:
        """Let it write down where it is, and kill it; its closed answer pipe tells the rest."""
        self.is_overdue = True
        self.process.send_signal(signal.SIGUSR1)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=LAST_WORDS_S)
        self.process.kill()

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
        **keeping_memory(os.environ),
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }


@dataclass(frozen=True, slots=True)
class Underway:
    """How many records of each unfinished shard are done."""

    records: Mapping[int, int]


def run_processes(
    folder: Path, plan: Plan, todo: Sequence[int], *, num_workers: int, deadline_s: float
) -> Generator[int | Underway, None, None]:
    """Run shards in child processes.

    Args:
        folder: the run folder.
        plan: its plan.
        todo: indices of the shards to run.
        num_workers: how many children.
        deadline_s: how long one record may take.

    Yields:
        The index of every shard as its receipt appears; between them, how far the others are.

    Raises:
        BuildFailed: workers keep dying with nobody to blame.
        MosdataError: what a worker reported.
    """
    waiting = deque(todo)
    deaths = 0
    with selectors.DefaultSelector() as selector:
        workers: list[_Worker] = []
        watch = _Watch(folder, plan, deadline_s)
        finished = False
        try:
            for number in range(num_workers):
                _hire(folder, number, waiting, workers, selector)
            while workers:
                for key, _ in selector.select(watch.pause_s):
                    worker: _Worker = key.data
                    line = worker.answers.readline()
                    if line:
                        deaths = 0
                        index = _settled(json.loads(line))
                        _next_shard(worker, waiting, workers, selector)
                        yield index  # the worker is at the next one while this one is counted
                        continue
                    blamed = _bury(folder, plan, worker, waiting, workers, selector)
                    deaths = 0 if blamed else deaths + 1
                    refuse_hopeless(folder, deaths)
                    _hire(folder, worker.number, waiting, workers, selector)
                if (news := watch.look(workers)) is not None:
                    yield news
            finished = True
        finally:
            for worker in workers:
                worker.stop(kill=not finished)


class _Watch:
    """Looks at the markers of busy workers, now and then."""

    def __init__(self, folder: Path, plan: Plan, deadline_s: float) -> None:
        self.pause_s = min(LOOK_EVERY_S, deadline_s / 4)
        self._folder = folder
        self._shards = plan.shards
        self._deadline_s = deadline_s
        self._next = time.monotonic() + self.pause_s
        self._shown: dict[int, int] = {}

    def look(self, workers: Sequence[_Worker]) -> Underway | None:
        """How far the workers are, where that is news; stops those whose record is overdue."""
        now = time.monotonic()
        if now < self._next:
            return None
        self._next = now + self.pause_s
        done: dict[int, int] = {}
        for worker in workers:
            if worker.shard is None or worker.is_overdue:
                continue
            mark = read_marker(self._folder, worker.shard, worker.process.pid)
            if mark is None or mark != worker.mark:
                worker.mark, worker.marked_at = mark, now
            elif now - worker.marked_at > mark.limit_s(self._deadline_s):
                # First the strike: the signal may wake the worker, and it would go on.
                strike(self._folder, self._shards[worker.shard], worker.process.pid, DEADLINE)
                worker.stop_hanging()
            if mark is not None:
                done[worker.shard] = mark.num_done
        if done == self._shown:
            return None
        self._shown = done
        return Underway(done)


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
    if worker.is_overdue:
        return  # it came back in its last moment; the closed answer pipe is next
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
    if worker.is_overdue:
        return worker.mark.record_id if worker.mark else None
    death = kind_of_death(worker.process.returncode)
    return strike(folder, plan.shards[worker.shard], worker.process.pid, death)


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


def refuse_hopeless(folder: Path, deaths: int) -> None:
    """Stop where workers die one after another.

    Raises:
        BuildFailed: says where their last words are.
    """
    if deaths >= MAX_DEATHS_IN_A_ROW:
        raise BuildFailed(
            f"{deaths} workers died one after another without finishing a shard; "
            f"their last words are in {logs_folder(folder)}. What is finished is safe."
        )
