"""From a plan to a whole set of receipts: run what is missing, check it, repair it, count it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mosdata.builders.executors import Execution, execute
from mosdata.builders.plan import Plan
from mosdata.builders.receipts import (
    Receipt,
    drop_receipt,
    is_intact,
    is_there,
    load_receipt,
    load_receipts,
    receipt_path,
)
from mosdata.errors import BuildFailed

MAX_REPAIRS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run is; sent after every shard."""

    num_records: int
    num_done: int
    num_rejected: int
    duration_s: float
    by_group: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def resume(run: Path, plan: Plan) -> int:
    """How many shards an earlier run left; receipts without a file count for nothing, and go."""
    for shard in plan.shards:
        receipt = load_receipt(run, shard)
        if receipt is None or not is_there(run, receipt):
            drop_receipt(run, shard)
    return len(load_receipts(run, plan))


def finish_shards(
    run: Path,
    plan: Plan,
    execution: Execution,
    *,
    needs_gpu: bool,
    on_progress: Callable[[Progress], None],
) -> list[Receipt]:
    """Run what has no receipt; check every file against its receipt; repair what does not fit.

    Raises:
        BuildFailed: files keep being damaged.
    """
    _forget_markers(run)
    for _ in range(MAX_REPAIRS):
        done = load_receipts(run, plan)
        meter = _Meter(plan, done)
        on_progress(meter.progress())
        todo = [shard.index for shard in plan.shards if shard.index not in done]
        if todo:
            for index in execute(run, plan, todo, execution, needs_gpu=needs_gpu):
                receipt = load_receipt(run, plan.shards[index])
                if receipt is None:
                    raise BuildFailed(
                        f"A worker says that shard {index} is done, but {run} has no receipt "
                        "of it. Do all workers see this folder?"
                    )
                meter.add(index, receipt)
                on_progress(meter.progress())
        done = load_receipts(run, plan)
        damaged = [i for i, receipt in done.items() if not is_intact(run, receipt)]
        for index in damaged:
            drop_receipt(run, plan.shards[index])
        if not damaged and len(done) == len(plan.shards):
            return [done[shard.index] for shard in plan.shards]
    raise BuildFailed(f"Files under {run} keep differing from their receipts; check the disk.")


def refuse_all_rejected(run: Path, plan: Plan, receipts: Sequence[Receipt]) -> None:
    """A run that made nothing at all has failed, whatever its receipts say.

    The receipts go, so that the same command tries again.
    """
    if any(receipt.num_rows for receipt in receipts):
        return
    first = next(r for receipt in receipts for r in receipt.rejections)
    for shard in plan.shards:
        receipt_path(run, shard).unlink(missing_ok=True)
    raise BuildFailed(
        f"All {plan.num_records} records were rejected; the first because: "
        f"[{first.reason}] {first.message}"
    )


class _Meter:
    """Adds up receipts as they come."""

    def __init__(self, plan: Plan, done: Mapping[int, Receipt]) -> None:
        self._plan = plan
        self._totals: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._rejected = 0
        self._duration_s = 0.0
        for shard in plan.shards:
            self._totals[shard.group] += shard.num_records
        for index, receipt in done.items():
            self.add(index, receipt)

    def add(self, index: int, receipt: Receipt) -> None:
        shard = self._plan.shards[index]
        self._done[shard.group] += shard.num_records
        self._rejected += len(receipt.rejections)
        self._duration_s += receipt.duration_s

    def progress(self) -> Progress:
        return Progress(
            num_records=self._plan.num_records,
            num_done=sum(self._done.values()),
            num_rejected=self._rejected,
            duration_s=self._duration_s,
            by_group={group: (self._done[group], n) for group, n in self._totals.items()},
        )


def _forget_markers(run: Path) -> None:
    """Markers of an earlier driver's workers say nothing about this one's."""
    for marker in (run / "wip").glob("*.cur"):
        marker.unlink(missing_ok=True)
