"""What remains of a run for people who come later: its command, and how it ended.

``command.json`` is written when a run starts, ``summary.json`` and ``summary.txt`` when it ends,
well or badly. They are reports: nothing that makes or checks a dataset reads them.
"""

from __future__ import annotations

import contextlib
import json
import platform
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from mosdata import __version__
from mosdata.builders.orders import Orders
from mosdata.builders.plan import Plan
from mosdata.builders.receipts import Receipt, load_receipts
from mosdata.builders.reuse import sources_of
from mosdata.manifests.durable import write_json, write_text
from mosdata.manifests.ids import JSON

COMMAND_NAME: Final = "command.json"
SUMMARY_NAME: Final = "summary.json"
SUMMARY_TEXT: Final = "summary.txt"
PACKAGES: Final = ("numpy", "pyarrow", "soundfile", "soxr", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCount:
    """How far the records of one group (a system, a metric) are."""

    group: str
    num_records: int
    num_done: int
    num_rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the receipts of a run add up to."""

    num_records: int
    num_done: int
    num_rows: int
    num_rejected: int
    num_shards: int
    num_shards_done: int
    num_taken_over: int
    duration_s: float
    rejected_by_reason: dict[str, int]
    by_group: tuple[GroupCount, ...]


def tally_of(plan: Plan, receipts: Mapping[int, Receipt]) -> Tally:
    """Add up a plan and the receipts that it has so far."""
    planned: Counter[str] = Counter()
    done: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for shard in plan.shards:
        planned[shard.group] += shard.num_records
        if (receipt := receipts.get(shard.index)) is not None:
            done[shard.group] += shard.num_records
            rejected[shard.group] += len(receipt.rejections)
    reasons = Counter(r.reason for receipt in receipts.values() for r in receipt.rejections)
    return Tally(
        num_records=planned.total(),
        num_done=done.total(),
        num_rows=sum(receipt.num_rows for receipt in receipts.values()),
        num_rejected=reasons.total(),
        num_shards=len(plan.shards),
        num_shards_done=len(receipts),
        num_taken_over=sum(receipt.num_taken_over for receipt in receipts.values()),
        duration_s=sum(receipt.duration_s for receipt in receipts.values()),
        rejected_by_reason=dict(reasons.most_common()),
        by_group=tuple(
            GroupCount(
                group=group, num_records=n, num_done=done[group], num_rejected=rejected[group]
            )
            for group, n in planned.items()
        ),
    )


@dataclass(slots=True)
class Ending:
    """What a run knows at its end; ``receipts`` where it has them, so that none is read again."""

    receipts: Sequence[Receipt] | None = None
    resumed: Mapping[int, Receipt] = field(default_factory=dict)


@contextlib.contextmanager
def summarised(run: Path, plan: Plan, orders: Orders, *, workers: int) -> Iterator[Ending]:
    """Around a run: keep its command at the start, write its summary at the end.

    Args:
        run: the run folder.
        plan: its plan.
        orders: how it was to go.
        workers: how many worked.
    """
    keep_command(run, orders.command)
    started = time.monotonic()
    ending = Ending()
    how, message = "finished", ""
    try:
        yield ending
    except BaseException as error:
        how = "failed" if isinstance(error, Exception) else "stopped"
        message = str(error)
        with contextlib.suppress(OSError):  # a full disk: what went wrong is worth more
            _write(run, plan, orders, ending, how, message, time.monotonic() - started, workers)
        raise
    _write(run, plan, orders, ending, how, message, time.monotonic() - started, workers)


def keep_command(run: Path, command: Sequence[str]) -> None:
    """Note which command makes this, so that ``status`` can say what to type."""
    if command:
        write_json(run / COMMAND_NAME, {"command": [*command], "folder": str(Path.cwd())})


def command_of(run: Path) -> str | None:
    """The command that makes a run, as one would type it; None where nobody noted it."""
    values = _read(run / COMMAND_NAME)
    if values is None:
        return None
    line = shlex.join(values["command"])
    folder = values["folder"]
    return line if Path(folder) == Path.cwd() else f"cd {shlex.quote(folder)} && {line}"


def summary_of(run: Path) -> dict[str, Any] | None:
    """How the last run ended; None where none has."""
    return _read(run / SUMMARY_NAME)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _write(
    run: Path,
    plan: Plan,
    orders: Orders,
    ending: Ending,
    how: str,
    message: str,
    elapsed_s: float,
    workers: int,
) -> None:
    receipts = (
        load_receipts(run, plan) if ending.receipts is None else dict(enumerate(ending.receipts))
    )
    tally = tally_of(plan, receipts)
    resumed = sum(plan.shards[index].num_records for index in ending.resumed)
    made = max(tally.num_done - resumed, 0)
    values: dict[str, Any] = {
        "ended": how,
        "message": message,
        "command": [*orders.command],
        "stage": plan.spec.name,
        "plan_id": plan.plan_id,
        **asdict(tally),
        "num_resumed": resumed,
        "taken_over_from": [folder for folder, _ in sources_of(run)],
        "max_quarantine": str(orders.budget),
        "elapsed_s": elapsed_s,
        "records_per_s": made / elapsed_s if elapsed_s > 0 else None,
        "workers": workers,
        "versions": versions(),
    }
    write_json(run / SUMMARY_NAME, values)
    write_text(run / SUMMARY_TEXT, "\n".join(_lines(values, tally)) + "\n")


def versions() -> dict[str, JSON]:
    """Versions of what has a say in the samples and the files."""
    found: dict[str, JSON] = {"mosdata": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _lines(values: Mapping[str, Any], tally: Tally) -> list[str]:
    rate = values["records_per_s"]
    lines = [
        f"{values['stage']} {values['plan_id'][:8]}: {values['ended']}"
        + (f" ({values['message']})" if values["message"] else ""),
        f"command: {shlex.join(values['command'])}" if values["command"] else "",
        f"records: {tally.num_done:,} of {tally.num_records:,}; rows: {tally.num_rows:,}",
        f"done before: {values['num_resumed']:,}; taken over: {tally.num_taken_over:,}",
        f"took: {values['elapsed_s']:.1f} s"
        + (f", {rate:.1f} records/s" if rate else "")
        + f", {values['workers']} workers",
        *(f"rejected {n:,}: {reason}" for reason, n in tally.rejected_by_reason.items()),
        *(
            f"{one.group}: {one.num_done:,} of {one.num_records:,}, {one.num_rejected:,} rejected"
            for one in tally.by_group
        ),
        ", ".join(f"{name} {number}" for name, number in values["versions"].items()),
    ]
    return [line for line in lines if line]
