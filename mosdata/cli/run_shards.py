"""``mosdata run-shards``, and what the commands that plan for it say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosdata.cli.options import RECORD_DEADLINE_S, AsJson, RecordDeadline, Workers, place

if TYPE_CHECKING:
    from mosdata.builders.plan import Plan


def run_shards(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=place,
            metavar="FOLDER",
            help="Folder that the dataset will have, or the run folder of it.",
        ),
    ],
    shards: Annotated[str, typer.Option(help="Which part to make: i/N, from 1/N to N/N.")] = "1/1",
    workers: Workers = None,
    record_deadline: RecordDeadline = RECORD_DEADLINE_S,
    as_json: AsJson = False,
) -> None:
    """Make one part of a plan, such as in a Slurm array; any number at once.

    Write the plan first, with --plan-only; run the same command without it afterwards.
    """
    from mosdata.builders.executors import Execution
    from mosdata.builders.parts import Part, run_part
    from mosdata.builders.status import homes_of
    from mosdata.cli import console

    part = Part.parse(shards)
    execution = Execution(executor="process", workers=workers, record_deadline_s=record_deadline)
    home = homes_of(folder)[0]
    with console.progress(f"shards {part}") as show:
        outcome = run_part(home.run, part, execution=execution, on_progress=show)
    rejected = f", {outcome.num_rejected:,} of them rejected" if outcome.num_rejected else ""
    console.say(
        f"Part {part}: {outcome.num_shards:,} shards, {outcome.num_found:,} of them done before; "
        f"{outcome.num_records:,} records{rejected}, in {console.duration(outcome.elapsed_s)}."
    )
    if outcome.num_shards_missing:
        console.say(f"{outcome.num_shards_missing:,} shards of other parts are missing.")
    else:
        console.say("Nothing is missing. Next: the same command as before, without --plan-only.")
    value = {
        "folder": str(home.out),
        "run_folder": str(home.run),
        "shards": str(part),
        "num_shards": outcome.num_shards,
        "num_found": outcome.num_found,
        "num_records": outcome.num_records,
        "num_rejected": outcome.num_rejected,
        "num_shards_missing": outcome.num_shards_missing,
    }
    console.result(value, as_json=as_json, plain=home.run)


def tell_plan(plan: Plan | None, run: Path, *, folder: Path, as_json: bool) -> None:
    """Say what was planned and what to type next; ``run`` is what ``run-shards`` is given."""
    from mosdata.cli import console

    if plan is None:
        console.say(f"Nothing to do: {folder} is finished.")
    else:
        console.say(
            f"Planned {plan.num_records:,} records in {len(plan.shards):,} shards; nothing was "
            "made."
        )
        console.say(
            f"Next: mosdata run-shards{console.named(run)} --shards i/N, for every i from 1 to N; "
            "then this command without --plan-only."
        )
    value = {
        "plan_only": True,
        "folder": str(folder),
        "plan_id": plan.plan_id if plan else None,
        "num_records": plan.num_records if plan else 0,
        "num_shards": len(plan.shards) if plan else 0,
        "was_complete": plan is None,
    }
    console.result(value, as_json=as_json, plain=run)
