"""``mosdata repair``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosdata.cli.options import AsJson, Workers, place

if TYPE_CHECKING:
    from mosdata.builders.repair import Repaired, Trouble


def repair(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=place, metavar="FOLDER", help="Dataset folder, or the run folder beside it."
        ),
    ],
    retry_rejected: Annotated[
        bool,
        typer.Option(
            "--retry-rejected",
            help="Of an unfinished run: have the shards with rejected records made again.",
        ),
    ] = False,
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look only; mend nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every file of a run or dataset, and make again exactly what is damaged.

    A file of a finished dataset is put back only if it is what the manifest says, to the byte.
    """
    from mosdata.builders.executors import Execution
    from mosdata.builders.repair import repair as repair_home
    from mosdata.builders.status import homes_of
    from mosdata.cli import console
    from mosdata.errors import UsageError

    execution = Execution(executor="process", workers=workers)
    done = [
        repair_home(home, execution=execution, dry_run=dry_run, retry_rejected=retry_rejected)
        for home in homes_of(folder)
    ]
    if retry_rejected and all(one.finished for one in done):
        raise UsageError(
            f"{folder} is finished: its rejected records are part of it. To try them again, make "
            "the dataset again with another --out; what is there is taken over."
        )
    for one in done:
        _tell(one)
    console.result([_value(one) for one in done], as_json=as_json, plain=folder)
    if not all(one.is_whole for one in done):
        raise typer.Exit(1)


DONE = {
    "mended": "made again, as it was",
    "dropped": "will be made again",
    "would_mend": "would be made again",
    "would_drop": "would be made again",
}


def _tell(one: Repaired) -> None:
    from mosdata.cli import console

    name = f"{one.folder} ({one.name})" if one.name else str(one.folder)
    kind = "files" if one.finished else "finished shards"
    if not one.troubles:
        console.say(f"{name}: {one.num_checked:,} {kind} are as written.")
    for trouble in one.troubles:
        if trouble.done == "left":
            console.complain(f"{trouble.what} {trouble.says}; {trouble.advice}", word="damaged")
        else:
            console.say(f"{trouble.what}: {trouble.says}; {DONE[trouble.done]}.")
    if any(trouble.done != "left" for trouble in one.troubles) or not one.finished:
        console.say(f"Next: {one.next_step}")


def _value(one: Repaired) -> dict[str, object]:
    return {
        "folder": str(one.folder),
        "set": one.name,
        "finished": one.finished,
        "num_checked": one.num_checked,
        "troubles": [_trouble(trouble) for trouble in one.troubles],
        "next": one.next_step,
    }


def _trouble(trouble: Trouble) -> dict[str, object]:
    return {
        "what": trouble.what,
        "says": trouble.says,
        "done": trouble.done,
        "advice": trouble.advice,
    }
