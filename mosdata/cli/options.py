"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from mosdata.builders.executors import Execution, ExecutorName
    from mosdata.builders.orders import Orders
    from mosdata.manifests.store import Dataset

WORKSPACE = Path("out")
"""Where results go, and where the newest one is looked for, unless a folder is named."""

RECORD_DEADLINE_S = 300.0
"""As ``Execution`` has it; said again here because ``--help`` imports no builders."""


def place(text: str) -> Path:
    """A folder or an address; ``Path`` alone would take a slash from ``s3://``."""
    from mosdata.manifests.places import place_of

    return place_of(text)


Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        parser=place,
        metavar="FOLDER",
        help="Output folder, or an address such as s3://bucket/folder. Default: a folder of its "
        "own under ./out.",
    ),
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
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        help="Custom resource of a Ray cluster, such as engine_f5: only nodes that offer it work.",
    ),
]
RecordDeadline = Annotated[
    float,
    typer.Option(
        help="Seconds one record may take; one that takes longer, twice, is put aside. inf: no "
        "limit."
    ),
]
MaxQuarantine = Annotated[
    str,
    typer.Option(
        help="Stop when more than this is rejected: a share of the planned records (1%) or a "
        "count (20)."
    ),
]
Reuse = Annotated[
    list[Path] | None,
    typer.Option(
        help="Finished dataset whose rows are taken over where they are the same, besides those "
        "beside --out. May be repeated."
    ),
]
NoReuse = Annotated[
    bool, typer.Option("--no-reuse", help="Make every record, even if a dataset has it already.")
]
PlanOnly = Annotated[
    bool,
    typer.Option("--plan-only", help="Write the plan, for 'mosdata run-shards'; make nothing."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan; make nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON (docs/cli.md).")]


def orders_of(
    *,
    max_quarantine: str,
    reuse: Sequence[Path] | None = None,
    no_reuse: bool = False,
    report: bool = True,
) -> Orders:
    """What is asked of a run beside what it makes.

    Args:
        max_quarantine: how much may be rejected.
        reuse: datasets whose rows may be taken over.
        no_reuse: that none are.
        report: whether a build gets its report.

    Raises:
        InvalidValue: neither a share nor a count.
        UsageError: both ``--reuse`` and ``--no-reuse``.
        NothingFound: a dataset to take rows over from is none.
    """
    from mosdata.builders.budget import Budget
    from mosdata.builders.orders import Orders
    from mosdata.errors import UsageError
    from mosdata.manifests.store import open_dataset

    if reuse and no_reuse:
        raise UsageError("Give either --reuse or --no-reuse, and not both at once.")
    return Orders(
        command=("mosdata", *(word for word in sys.argv[1:] if word != "--plan-only")),
        budget=Budget.parse(max_quarantine),
        reuse=_each_once(open_dataset(folder) for folder in reuse or ()),
        report=report,
    )


def with_those_beside(orders: Orders, out: Path, stage: str) -> Orders:
    """Datasets that the same stage made beside an output folder are looked at as well."""
    from mosdata.builders.reuse import earlier_datasets

    return replace(orders, reuse=_each_once([*orders.reuse, *earlier_datasets(out, stage)]))


def _each_once(datasets: Iterable[Dataset]) -> tuple[Dataset, ...]:
    return tuple({dataset.folder.resolve(): dataset for dataset in datasets}.values())


def execution_of(
    *,
    executor: str,
    workers: int | None,
    address: str | None,
    record_deadline: float = RECORD_DEADLINE_S,
    on: str | None = None,
) -> Execution:
    """How to run, from the options that say so.

    Raises:
        InvalidValue: no such executor, fewer than one worker, or no time for a record,
            or a resource without Ray.
    """
    from mosdata.builders.executors import Execution

    return Execution(
        executor=cast("ExecutorName", executor),
        workers=workers,
        address=address,
        record_deadline_s=record_deadline,
        on=on,
    )
