"""``mosdata status``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosdata.cli.options import WORKSPACE, AsJson, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosdata.builders.status import Home, RunStatus

GROUPS_SHOWN = 20


def status(
    folder: Annotated[
        Path | None,
        typer.Argument(
            parser=place,
            metavar="FOLDER",
            help="Dataset or run folder. Default: every run under ./out.",
        ),
    ] = None,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="List every rejected record and why.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again and again, until nothing runs.")
    ] = False,
    every: Annotated[
        float, typer.Option(help="Seconds between two looks with --watch.", min=0.1)
    ] = 2.0,
    as_json: AsJson = False,
) -> None:
    """How far runs are: done, missing, rejected, at which rate, and what to type next.

    Reads plan and receipts only: during a run, after a kill, and after the end.
    """
    from mosdata.builders.status import homes_below, homes_of
    from mosdata.cli import console
    from mosdata.errors import NothingFound

    while True:
        homes = homes_below(WORKSPACE) if folder is None else homes_of(folder)
        if not homes:
            raise NothingFound(
                f"No run under ./{WORKSPACE}. Start one with 'mosdata build', or name a folder."
            )
        found = [one for home in homes if (one := _look(home, alone=folder is not None))]
        if watch and not as_json:
            console.people().clear()
        for one in found:
            _tell(one)
        if rejected:
            _list_rejected(found)
        values = [_value(one, rejected=rejected) for one in found]
        if as_json:
            console.result(values, as_json=True, plain="")
        if not watch or all(one.state != "running" for one in found):
            break
        time.sleep(every)


def _look(home: Home, *, alone: bool) -> RunStatus | None:
    """One run; among many, one that cannot be read is told and left out."""
    from mosdata.builders.status import status_of
    from mosdata.cli import console
    from mosdata.errors import DamagedDataset

    try:
        return status_of(home)
    except DamagedDataset as error:
        if alone:
            raise
        console.complain(str(error), word="damaged")
        return None


def _tell(one: RunStatus) -> None:
    from mosdata.cli import console

    tally = one.tally
    name = f"{one.folder} ({one.name})" if one.name else str(one.folder)
    share = 100 * tally.num_done / tally.num_records if tally.num_records else 100.0
    console.say(
        f"{name}: {one.stage}, {one.state}; {tally.num_done:,} of {tally.num_records:,} records "
        f"({share:.0f} %)" + (f", {tally.num_rejected:,} rejected" if tally.num_rejected else "")
    )
    if one.state != "finished":
        console.say(f"  {_activity(one)}")
    for reason, count in tally.rejected_by_reason.items():
        console.say(f"  {count:>6,}  rejected: {reason}")
    for record, reasons in one.strikes.items():
        console.say(f"  strikes: {record}: {', '.join(reasons)}")
    if tally.num_taken_over:
        folders = ", ".join(console.shown(folder) for folder in one.taken_over_from)
        console.say(f"  {tally.num_taken_over:,} rows taken over from {folders}")
    if len(tally.by_group) > 1:
        rows = [[g.group, g.num_records, g.num_done, g.num_rejected] for g in tally.by_group]
        console.table("", ["group", "planned", "done", "rejected"], rows[:GROUPS_SHOWN])
        if len(rows) > GROUPS_SHOWN:
            console.say(f"  and {len(rows) - GROUPS_SHOWN} more groups (--json has them all)")
    if one.summary is not None:
        console.say(f"  last run: {_ending(one.summary)}")
    console.say(f"  next: {one.next_step}")


def _activity(one: RunStatus) -> str:
    """Who is at it, how fast, and since when nobody is."""
    from mosdata.cli import console

    parts = [
        {
            True: "a driver is at work",
            False: "no driver is at work",
            None: "a driver cannot be seen",
        }[one.driver],
        f"{one.tally.num_shards_done:,} of {one.tally.num_shards:,} shards",
    ]
    if one.num_underway:
        parts.append(f"{one.num_underway:,} records more in shards that are begun")
    if one.rate_per_s is not None:
        parts.append(f"{one.rate_per_s:.1f} records/s")
    if one.last_activity is not None:
        ago = time.time() - one.last_activity
        parts.append(
            f"last shard {console.duration(ago)} ago" if ago >= 0 else "last shard in the future"
        )
    return "; ".join(parts)


def _ending(summary: dict[str, Any]) -> str:
    from mosdata.cli import console

    first = str(summary["message"]).partition("\n")[0]
    why = f" ({first})" if first else ""
    return f"{summary['ended']} after {console.duration(summary['elapsed_s'])}{why}"


def _list_rejected(found: Sequence[RunStatus]) -> None:
    from mosdata.builders.status import rejections_of
    from mosdata.cli import console

    for run in found:
        for one in rejections_of(run.home):
            console.say(f"{one.record_id}  {one.group}  [{one.reason}] {one.message}")


def _value(one: RunStatus, *, rejected: bool) -> dict[str, Any]:
    from dataclasses import asdict

    from mosdata.builders.status import rejections_of

    values = one.to_json()
    if rejected:
        values["rejections"] = [asdict(rejection) for rejection in rejections_of(one.home)]
    return values
