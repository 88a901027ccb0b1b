"""How many records a run may reject before it stops: ``--max-quarantine``.

One bad record does not stop a run. Many of them mean that something else is wrong, an engine
without its weights or a disk that went away, and that nobody should pay for the rest of the run
to learn it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosdata.builders.receipts import Receipt, load_receipts
from mosdata.errors import BuildFailed, InvalidValue

if TYPE_CHECKING:
    from mosdata.builders.finish import Progress
    from mosdata.builders.plan import Plan

ALLOWED: Final = "a share such as 1%, up to 100%, or a count such as 20"
REASONS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A share of the planned records, or a count of them, that may be rejected.

    Args:
        share: in [0, 1].
        count: where it is given, in place of the share.
    """

    share: float = 1.0
    count: int | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read ``1%`` or ``20``.

        Raises:
            InvalidValue: neither a share up to 100% nor a count.

        Example:
            >>> Budget.parse("1%").allowed(1_000), Budget.parse("3").allowed(1_000)
            (10, 3)
        """
        if re.fullmatch(r"[0-9]+", text.strip()):
            return cls(count=int(text))
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%", text.strip())
        if found is None or float(found[1]) > 100:
            raise InvalidValue("--max-quarantine", text, ALLOWED)
        return cls(share=float(found[1]) / 100)

    def allowed(self, num_records: int) -> int:
        """Records that may be rejected, of so many that are planned."""
        if self.count is not None:
            return self.count
        return math.floor(self.share * num_records + 1e-9)  # 7% of 100 is 7, not 7.000000000000001

    def __str__(self) -> str:
        return f"{100 * self.share:g}%" if self.count is None else str(self.count)


def guarded(
    on_progress: Callable[[Progress], None], *, budget: Budget, run: Path, plan: Plan
) -> Callable[[Progress], None]:
    """The same callback, which stops the run once too much of the plan is rejected.

    Raises:
        BuildFailed: (by the callback) names the reasons, and how to see every record.
    """
    allowed = budget.allowed(plan.num_records)

    def watched(now: Progress) -> None:
        on_progress(now)
        if now.num_rejected > allowed:
            receipts = load_receipts(run, plan).values()
            raise BuildFailed(_complaint(now.num_rejected, plan, budget, run, receipts))

    return watched


def _complaint(
    num_rejected: int, plan: Plan, budget: Budget, run: Path, receipts: Iterable[Receipt]
) -> str:
    rejections = [rejection for receipt in receipts for rejection in receipt.rejections]
    counts = Counter(rejection.reason for rejection in rejections)
    first = {rejection.reason: rejection.message for rejection in reversed(rejections)}
    lines = [f"  {n:>6,}  {reason}: {first[reason]}" for reason, n in counts.most_common()]
    shown = lines[:REASONS_SHOWN]
    if len(lines) > len(shown):
        shown.append(f"  and {len(lines) - len(shown)} more reasons")
    return "\n".join(
        [
            f"{num_rejected:,} of {plan.num_records:,} records were rejected, more than "
            f"--max-quarantine {budget} allows:",
            *shown,
            f"What is finished is kept. To see every record: mosdata status {run} --rejected. "
            "To go on, run the same command with a larger --max-quarantine; to try the rejected "
            f"records again: mosdata repair {run} --retry-rejected, then the same command.",
        ]
    )
