"""From a plan to a whole set of receipts: run what is missing, check it, repair it, count it.

What is checked, and when. A run begins by looking at the size of every file that an earlier run
left: a stat each, so that ten thousand finished shards hold nobody up. Before anything is
published, those files are read and compared with the checksums of their receipts, several at a
time: between two runs a disk may have lost power, been copied, or rotted. A file that this run
made was read back and hashed by its worker, after it was synced, moments ago; for those the size
as the driver sees it is enough. Both catch a truncated file, the first look already. To hash
everything again, whenever in doubt, there is ``mosdata verify``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from mosdata.builders.executors import Execution, execute, usable_cores
from mosdata.builders.plan import Plan
from mosdata.builders.processes import Underway
from mosdata.builders.receipts import (
    Receipt,
    drop_receipt,
    is_intact,
    load_receipt,
    load_receipts,
    receipt_names,
    receipt_path,
    those_there,
)
from mosdata.builders.strikes import wip_folder
from mosdata.errors import BuildFailed
from mosdata.manifests.places import is_remote

MAX_REPAIRS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run is; sent after every shard, and now and then within long ones.

    ``num_done`` and ``by_group`` count records, those of unfinished shards too; ``num_shards``
    counts finished shards, and the other numbers are of these.
    """

    num_records: int
    num_done: int
    num_rejected: int
    duration_s: float
    num_shards: int = 0
    by_group: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def resume(run: Path, plan: Plan) -> dict[int, Receipt]:
    """What an earlier run left, by shard; receipts without their file count for nothing, and go."""
    found = load_receipts(run, plan)
    there = those_there(run, found)
    gone = {*found} - {*there}
    for index in gone:
        drop_receipt(run, plan.shards[index])
    if len(found) < len(plan.shards):
        names = receipt_names(run)
        for shard in plan.shards:  # a damaged receipt is in the way of a sound one
            if shard.index not in found and receipt_path(run, shard).name in names:
                drop_receipt(run, shard)
    return there


def finish_shards(
    run: Path,
    plan: Plan,
    execution: Execution,
    *,
    found: Mapping[int, Receipt],
    needs_gpu: bool,
    on_progress: Callable[[Progress], None],
) -> list[Receipt]:
    """Run what has no receipt; check every file against its receipt; repair what does not fit.

    Args:
        run: the run folder.
        plan: its plan.
        execution: where to run.
        found: what :func:`resume` found.
        needs_gpu: whether the stage does.
        on_progress: told where the run is.

    Raises:
        BuildFailed: files keep being damaged.
    """
    _forget_markers(run)
    sound: dict[int, Receipt] = {}
    done = dict(found)
    for _ in range(MAX_REPAIRS):
        meter = _Meter(plan, done)
        on_progress(meter.progress())
        todo = [shard.index for shard in plan.shards if shard.index not in done]
        made = _run(run, plan, todo, execution, needs_gpu, meter, on_progress) if todo else {}
        sound |= those_there(run, made)
        sound |= _intact(run, {i: receipt for i, receipt in done.items() if i not in sound})
        for index in {*done, *made} - {*sound}:
            drop_receipt(run, plan.shards[index])
        if len(sound) == len(plan.shards):
            return [sound[shard.index] for shard in plan.shards]
        done = dict(sound)
    raise BuildFailed(f"Files under {run} keep differing from their receipts; check the disk.")


def _run(
    run: Path,
    plan: Plan,
    todo: Sequence[int],
    execution: Execution,
    needs_gpu: bool,
    meter: _Meter,
    on_progress: Callable[[Progress], None],
) -> dict[int, Receipt]:
    """Receipts of what was missing."""
    made: dict[int, Receipt] = {}
    with closing(execute(run, plan, todo, execution, needs_gpu=needs_gpu)) as told:
        for news in told:
            if isinstance(news, Underway):
                meter.underway(news.records)
            else:
                made[news] = _receipt_of(run, plan, news)
                meter.add(news, made[news])
            on_progress(meter.progress())
    return made


def _receipt_of(run: Path, plan: Plan, index: int) -> Receipt:
    receipt = load_receipt(run, plan.shards[index])
    if receipt is None:
        raise BuildFailed(
            f"A worker says that shard {index} is done, but {run} has no receipt "
            "of it. Do all workers see this folder?"
        )
    return receipt


def _intact(run: Path, receipts: Mapping[int, Receipt]) -> dict[int, Receipt]:
    """Those whose file is what was written; hashing leaves the interpreter to other threads.

    An object store keeps checksums of its own and is believed: there the sizes are compared.
    """
    if is_remote(run):
        return those_there(run, receipts)
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        verdicts = pool.map(partial(is_intact, run), receipts.values())
        return {i: receipts[i] for i, sound in zip(receipts, verdicts, strict=True) if sound}


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
        self._underway: dict[int, int] = {}
        self._num_shards = 0
        self._rejected = 0
        self._duration_s = 0.0
        for shard in plan.shards:
            self._totals[shard.group] += shard.num_records
        for index, receipt in done.items():
            self.add(index, receipt)

    def add(self, index: int, receipt: Receipt) -> None:
        shard = self._plan.shards[index]
        self._underway.pop(index, None)
        self._num_shards += 1
        self._done[shard.group] += shard.num_records
        self._rejected += len(receipt.rejections)
        self._duration_s += receipt.duration_s

    def underway(self, records: Mapping[int, int]) -> None:
        """Records that are done in shards that are not."""
        self._underway = dict(records)

    def progress(self) -> Progress:
        done = self._done.copy()
        for index, num_done in self._underway.items():
            done[self._plan.shards[index].group] += num_done
        return Progress(
            num_records=self._totals.total(),
            num_done=done.total(),
            num_rejected=self._rejected,
            duration_s=self._duration_s,
            num_shards=self._num_shards,
            by_group={group: (done[group], n) for group, n in self._totals.items()},
        )


def _forget_markers(run: Path) -> None:
    """Markers of an earlier driver's workers say nothing about this one's."""
    for folder in {wip_folder(run), run / "wip"}:
        for marker in folder.glob("*.cur"):
            marker.unlink(missing_ok=True)
