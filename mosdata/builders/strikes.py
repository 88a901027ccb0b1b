"""Which record a worker was at when it died, or would not come back, and how often that was.

Where the run folder is on an object store, markers are on the disk of the worker's machine, where
a driver on the same machine finds them. On other machines it finds none: then the shard is watched
from there on (``watch``), and its next worker puts an object for each record before it makes it.

While a worker makes a shard, a marker on the disk names the record it is at. Whoever sees the
worker die reads the marker and gives the record a strike. Two strikes put it aside where the
worker crashed or took too long, three where it was killed: kills come from outside as well, and
hit whoever is there. So one poisonous record costs a few workers and not the run. A record that is
made on a later attempt of its shard is acquitted.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Final, Self

from mosdata.builders.plan import Shard
from mosdata.manifests.durable import write_text
from mosdata.manifests.places import file_exists, is_remote, scratch_of

WORKER_CRASH: Final = "worker_crash"
WORKER_KILLED: Final = "worker_killed"
DEADLINE: Final = "deadline"
MADE: Final = "made"

MAX_STRIKES: Final = {WORKER_CRASH: 2, DEADLINE: 2, WORKER_KILLED: 3}
"""How many strikes of a kind put a record aside; of several kinds, accordingly."""

MAX_ACQUITTALS: Final = 2
"""Afterwards strikes stay: an engine that dies now and then must not keep a run busy for ever."""

KILLS: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT})
"""Signals that somebody sends, or the system when memory runs out; code hardly ever to itself."""

SHARED_S: Final = 1.0
"""How long one setting of the clock serves the records that begin."""

MARKER_SUFFIX: Final = ".cur"
EVIDENCE_SUFFIX: Final = ".late"
STRIKES_SUFFIX: Final = ".strikes.json"
ID_BYTES: Final = 64
COUNT_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class Mark:
    """What a marker says: the record being made, and how many this worker made before it."""

    record_id: str
    num_done: int

    def limit_s(self, deadline_s: float) -> float:
        """How long this record may take: the first of a shard twice as long, for its engine."""
        return deadline_s if self.num_done else 2 * deadline_s


class Marker:
    """Says on disk which record is being made, so that a killed worker can be asked."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def point_at(self, record_id: str, num_done: int) -> None:
        """Overwrite the marker; one system call, no sync: it must survive us, not the machine."""
        name = record_id.encode()[:ID_BYTES].ljust(ID_BYTES)
        os.pwrite(self._descriptor, name + b"%*d" % (COUNT_BYTES, num_done), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)


class RemoteMarker(Marker):
    """A marker that is an object too: one write a record, for shards that lost a worker."""

    def __init__(self, path: Path, place: Path) -> None:
        super().__init__(path)
        self._place = place

    def point_at(self, record_id: str, num_done: int) -> None:
        """Say so here and there."""
        super().point_at(record_id, num_done)
        write_text(self._place, f"{record_id:<{ID_BYTES}}{num_done:>{COUNT_BYTES}}")

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self._place.unlink()


def open_marker(run: Path, shard: Shard) -> Marker:
    """The marker of this process for a shard."""
    path = _marker_path(run, shard.index, os.getpid())
    if not is_remote(run) or not _is_watched(run, shard):
        return Marker(path)
    # Process ids of different machines may be the same; the last one counts.
    return RemoteMarker(path, run / "wip" / path.name)


def wip_folder(run: Path) -> Path:
    """Where markers of this machine are."""
    return scratch_of(run) / "wip" if is_remote(run) else run / "wip"


def logs_folder(run: Path) -> Path:
    """Where workers of this machine leave their last words."""
    return scratch_of(run) / "logs" if is_remote(run) else run / "logs"


def read_marker(run: Path, index: int, process_id: int) -> Mark | None:
    """What a worker is at; None where it is at no record."""
    return _read(_marker_path(run, index, process_id))


def markers(run: Path) -> Iterator[tuple[int, Mark]]:
    """The shard and the record of every worker that is at one, or that died at one."""
    for path in sorted(wip_folder(run).glob(f"*{MARKER_SUFFIX}")):
        mark = _read(path)
        if mark is not None:
            yield int(path.name.partition(".")[0]), mark


def _marker_path(run: Path, index: int, process_id: int) -> Path:
    return wip_folder(run) / f"{index:06d}.{process_id}{MARKER_SUFFIX}"


def _read(path: Path) -> Mark | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    record_id = content[:ID_BYTES].decode(errors="replace").strip()
    count = content[ID_BYTES:].strip()
    return Mark(record_id, int(count) if count.isdigit() else 0) if record_id else None


class SelfStop:
    """Points the marker at each record; with a limit, ends the process when one takes longer.

    The limit is for workers on other machines, which the driver can read of and cannot kill. It
    is kept by ``faulthandler``, whose thread needs no interpreter lock: a library that hangs while
    it holds the lock is ended too. What every thread was doing is left beside the marker. Setting
    its clock starts a thread, so that many quick records share one setting.
    """

    def __init__(self, marker: Marker, deadline_s: float | None) -> None:
        self._marker = marker
        self._deadline_s = deadline_s
        self._path = marker.path.with_suffix(EVIDENCE_SUFFIX)
        self._evidence: IO[bytes] | None = None
        self._limit_s = 0.0
        self._set_at = 0.0

    def __enter__(self) -> Self:
        if self._deadline_s is not None:
            self._evidence = self._path.open("wb")
        return self

    def begin(self, record_id: str, num_done: int) -> None:
        """A record begins; the one before it has ended."""
        self._marker.point_at(record_id, num_done)
        if self._deadline_s is not None and self._evidence is not None:
            limit_s = Mark(record_id, num_done).limit_s(self._deadline_s)
            self._set_clock(limit_s, self._evidence)

    def _set_clock(self, limit_s: float, evidence: IO[bytes]) -> None:
        """Give the record that begins now its time, and up to a second more."""
        now = time.monotonic()
        shared_s = min(SHARED_S, limit_s / 4)
        if limit_s != self._limit_s or now - self._set_at > shared_s:
            faulthandler.dump_traceback_later(limit_s + shared_s, exit=True, file=evidence)
            self._limit_s, self._set_at = limit_s, now

    def __exit__(self, *_: object) -> None:
        if self._evidence is not None:
            faulthandler.cancel_dump_traceback_later()
            self._evidence.close()
            self._path.unlink(missing_ok=True)


def strike(
    run: Path, shard: Shard, process_id: int | None = None, reason: str = WORKER_CRASH
) -> str | None:
    """Note that a worker ended on a shard; the record it was making gets a strike.

    Only the driver that saw the end calls this: records that were under way when the driver
    itself was killed are innocent.

    Args:
        run: the run folder.
        shard: the shard in the worker's hands.
        process_id: the worker; None (on a cluster, where it is not known) takes any marker.
        reason: why it ended; ``deadline`` also where it left evidence of that.

    Returns:
        The record's id; the shard's key where it is watched from now on; None where no record
        was under way.
    """
    pattern = f"{shard.index:06d}.{process_id or '*'}{MARKER_SUFFIX}"
    found = sorted(wip_folder(run).glob(pattern))
    if not found and is_remote(run) and process_id is None:
        found = sorted((run / "wip").glob(pattern))
    for path in found:
        mark = _read(path)
        path.unlink(missing_ok=True)
        if _was_late(run, path.with_suffix(EVIDENCE_SUFFIX)):
            reason = DEADLINE
        if mark is not None:
            strikes = load_strikes(run, shard)
            strikes[mark.record_id] = [*strikes.get(mark.record_id, ()), reason]
            write_text(_strikes_path(run, shard), json.dumps(strikes))
            return mark.record_id
    return _watch(run, shard) if is_remote(run) and process_id is None else None


def _is_watched(run: Path, shard: Shard) -> bool:
    return file_exists(_strikes_path(run, shard))


def _watch(run: Path, shard: Shard) -> str | None:
    """Have the next worker of a shard say where it is; the shard's key where that is new."""
    if _is_watched(run, shard):
        return None
    write_text(_strikes_path(run, shard), "{}")
    return shard.key


def _was_late(run: Path, evidence: Path) -> bool:
    """Whether a worker ended itself; where it hung goes to the logs."""
    if is_remote(evidence) or not evidence.is_file():
        return False
    if not evidence.stat().st_size:
        evidence.unlink()
        return False
    logs_folder(run).mkdir(exist_ok=True)
    evidence.replace(logs_folder(run) / f"deadline-{evidence.stem}.log")
    return True


def load_strikes(run: Path, shard: Shard) -> dict[str, list[str]]:
    """Why workers ended while they were at a record, for each record of a shard."""
    try:
        return dict(json.loads(_strikes_path(run, shard).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def strikes_of(run: Path) -> dict[str, list[str]]:
    """The strikes of all records of a run, without those of which a record was acquitted."""
    found: dict[str, list[str]] = {}
    for path in sorted((run / "wip").glob(f"*{STRIKES_SUFFIX}")):
        found |= json.loads(path.read_text(encoding="utf-8"))
    return {record: left for record, reasons in found.items() if (left := _counting(reasons))}


def kind_of_death(exit_code: int | None) -> str:
    """Whether a worker was killed or crashed, from its exit code as ``Popen`` has it."""
    return WORKER_KILLED if exit_code is not None and -exit_code in KILLS else WORKER_CRASH


def is_put_aside(reasons: Sequence[str]) -> bool:
    """Whether these strikes put their record aside."""
    return sum(Fraction(1, MAX_STRIKES[reason]) for reason in _counting(reasons)) >= 1


def acquit(run: Path, shard: Shard, record_id: str) -> None:
    """A record was made after all: what it was struck for was done by others."""
    strikes = load_strikes(run, shard)
    reasons = strikes.get(record_id, [])
    if _counting(reasons) and reasons.count(MADE) < MAX_ACQUITTALS:
        strikes[record_id] = [*reasons, MADE]
        write_text(_strikes_path(run, shard), json.dumps(strikes))


def _counting(reasons: Sequence[str]) -> list[str]:
    """The strikes since the last time that the record was made."""
    since = max((i + 1 for i, reason in enumerate(reasons) if reason == MADE), default=0)
    return list(reasons[since:])


def forgive(run: Path, shard: Shard) -> None:
    """Forget the strikes of a shard's records, so that they are tried again."""
    _strikes_path(run, shard).unlink(missing_ok=True)


def told_off(reasons: Sequence[str]) -> tuple[str, str]:
    """Reason and message of the quarantine for a record with its strikes."""
    counting = _counting(reasons)
    times = f"{len(counting)} times"
    if counting[-1] == DEADLINE:
        return DEADLINE, (
            f"Making this record took longer than --record-deadline allows, {times}; where it "
            "hung is in the logs of the run."
        )
    if WORKER_CRASH in counting:
        return WORKER_CRASH, f"The worker died {times} while making this record."
    return WORKER_CRASH, (
        f"The worker was killed {times} while making this record, by the system (out of memory?) "
        "or by somebody."
    )


def _strikes_path(run: Path, shard: Shard) -> Path:
    return run / "wip" / f"{shard.index:06d}{STRIKES_SUFFIX}"
