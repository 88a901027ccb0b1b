"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from mosdata.builders.executors import Execution, ExecutorName

WORKSPACE = Path("out")
"""Where results go, and where the newest one is looked for, unless a folder is named."""

RECORD_DEADLINE_S = 300.0
"""As ``Execution`` has it; said again here because ``--help`` imports no builders."""

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Output folder. Default: a folder of its own under ./out."),
]
Seed = Annotated[int, typer.Option(help="Run seed; every random choice follows from it.")]
Executor = Annotated[
    str,
    typer.Option(
        help="auto, serial, process or ray. auto: ray with --address or where an engine needs a "
        "GPU, else process."
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Worker processes. Default: one per usable core.")
]
Address = Annotated[
    str | None, typer.Option(help="Address of a running Ray cluster; 'auto' finds the local one.")
]
RecordDeadline = Annotated[
    float,
    typer.Option(
        help="Seconds one record may take; one that takes longer, twice, is put aside. inf: no "
        "limit."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan; make nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON (docs/cli.md).")]


def execution_of(
    *,
    executor: str,
    workers: int | None,
    address: str | None,
    record_deadline: float = RECORD_DEADLINE_S,
) -> Execution:
    """How to run, from the options that say so.

    Raises:
        InvalidValue: no such executor, fewer than one worker, or no time for a record.
    """
    from mosdata.builders.executors import Execution

    return Execution(
        executor=cast("ExecutorName", executor),
        workers=workers,
        address=address,
        record_deadline_s=record_deadline,
    )
