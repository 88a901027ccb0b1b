"""A part of a plan for each of many independent processes: job arrays, without Ray.

The plan is written first (``--plan-only``). Then ``mosdata run-shards OUT --shards i/N`` makes
its part, wherever the folder can be seen; any number at once, in any order, again after a kill.
Receipts decide: what has one is not made again, and two processes on one shard do no harm. The
ordinary command finds all receipts at the end and puts the dataset into place.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mosdata.builders.executors import Execution, execute
from mosdata.builders.finish import Progress
from mosdata.builders.plan import Plan, read_plan
from mosdata.builders.processes import Underway
from mosdata.builders.receipts import Receipt, load_receipt, load_receipts
from mosdata.builders.shard import full_disk_explained
from mosdata.errors import InvalidValue, MosdataError, NothingFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Part ``number`` of ``count``, counted from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read ``3/16``.

        Raises:
            InvalidValue: not a part of a whole.

        Example:
            >>> Part.parse("3/16").count
            16
        """
        found = re.fullmatch(r"([0-9]+)/([0-9]+)", text.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise InvalidValue(
                "--shards", text, "i/N, from 1/N to N/N", "In a job array: --array=1-N."
            )
        return cls(number=int(found[1]), count=int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOutcome:
    """How a part ended; ``num_found`` shards had a receipt already."""

    num_shards: int
    num_found: int
    num_records: int
    num_rejected: int
    elapsed_s: float
    num_shards_missing: int


def shards_of(plan: Plan, part: Part) -> list[int]:
    """Shards of one part, in plan order.

    Shards are dealt out in the order of their keys, which are digests: parts differ by one shard
    at most, and no part gets all of one system. Which shard goes where depends on the plan and on
    ``N`` alone.
    """
    order = sorted(plan.shards, key=lambda shard: (shard.key, shard.index))
    return sorted(shard.index for shard in order[part.number - 1 :: part.count])


def run_part(
    run: Path,
    part: Part,
    *,
    execution: Execution,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> PartOutcome:
    """Make the shards of one part that have no receipt.

    Takes no lock: others may be at other parts, at the same part, or at the whole.

    Args:
        run: the run folder, with a plan.
        part: which shards.
        execution: how many workers; ``process`` or ``serial``.
        on_progress: called after every shard, and now and then within long ones.

    Raises:
        NothingFound: no plan there.
        BuildFailed: workers keep dying with nobody to blame.
    """
    started = time.monotonic()
    plan = read_plan(run)
    if plan is None:
        raise NothingFound(
            f"{run} holds no plan. Write it first: the command that makes the dataset, with "
            "--plan-only."
        )
    mine = shards_of(plan, part)
    found = load_receipts(run, plan)
    done = {index: found[index] for index in mine if index in found}
    num_found = len(done)
    todo = [index for index in mine if index not in done]
    on_progress(_progress(plan, mine, done, 0))
    try:
        with full_disk_explained(run):
            for news in execute(run, plan, todo, execution) if todo else ():
                if isinstance(news, Underway):
                    on_progress(_progress(plan, mine, done, sum(news.records.values())))
                    continue
                if (receipt := load_receipt(run, plan.shards[news])) is not None:
                    done[news] = receipt
                on_progress(_progress(plan, mine, done, 0))
    except MosdataError:
        # Somebody else was faster and has put the dataset into place under our feet.
        if any(load_receipt(run, plan.shards[index]) is None for index in mine):
            raise
    done = {i: one for i in mine if (one := load_receipt(run, plan.shards[i])) is not None}
    return PartOutcome(
        num_shards=len(mine),
        num_found=num_found,
        num_records=sum(plan.shards[index].num_records for index in done),
        num_rejected=sum(len(receipt.rejections) for receipt in done.values()),
        elapsed_s=time.monotonic() - started,
        num_shards_missing=len(plan.shards) - len(load_receipts(run, plan)),
    )


def _progress(plan: Plan, mine: list[int], done: dict[int, Receipt], underway: int) -> Progress:
    finished = sum(plan.shards[index].num_records for index in done)
    return Progress(
        num_records=sum(plan.shards[index].num_records for index in mine),
        num_done=finished + underway,
        num_rejected=sum(len(receipt.rejections) for receipt in done.values()),
        duration_s=sum(receipt.duration_s for receipt in done.values()),
        num_shards=len(done),
    )
