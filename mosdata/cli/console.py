"""What people see: progress while work goes on, and a summary at its end; all on stderr."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from mosdata.builders.finish import Progress
    from mosdata.builders.run import Outcome
    from mosdata.raters.inspection import Found

LOG_WIDTH: Final = 120
EXAMPLES_SHOWN: Final = 3

PLAIN_EVERY_S: Final = 5.0
"""Seconds between two lines where standard error is not a terminal."""


def people() -> Console:
    """The console for people; logs get lines wide enough for a table."""
    width = None if sys.stderr.isatty() else LOG_WIDTH
    return Console(stderr=True, highlight=False, emoji=False, soft_wrap=True, width=width)


def say(message: str) -> None:
    """One line for people."""
    people().print(message, markup=False)


def note(message: str) -> None:
    """A line that is good to know, but no more."""
    people().print(f"note: {message}", style="dim", markup=False)


def complain(message: str, *, word: str = "error") -> None:
    """An error, as one message."""
    console = people()
    console.print(f"{word}: ", style="bold red", end="")
    console.print(message, markup=False)


def result(value: object, *, as_json: bool, plain: object) -> None:
    """The result on standard output: JSON with stable keys, or the plain form."""
    sys.stdout.write((json.dumps(value, ensure_ascii=False) if as_json else str(plain)) + "\n")
    sys.stdout.flush()


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Example:
        >>> duration(12.3), duration(125), duration(7300)
        ('12 s', '2 min 05 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people; numbers stand on the right."""
    view = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    for position, name in enumerate(header):
        numeric = bool(rows) and all(isinstance(row[position], int | float) for row in rows)
        view.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        view.add_row(*(_cell(value) for value in row))
    people().print(view)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[Progress], None]]:
    """A live bar in a terminal, a plain line every few seconds elsewhere."""
    console = people()
    if not console.is_terminal:
        yield _PlainProgress(title)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[about]}", style="dim"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task(title, total=None, about="starting workers")

        def show(now: Progress) -> None:
            bar.update(task, completed=now.num_done, total=now.num_records, about=_about(now))

        yield show


class _PlainProgress:
    """Progress for logs: at most one line every few seconds, and one at the end."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._started = time.monotonic()
        self._shown = self._started
        self._begun: int | None = None

    def __call__(self, now: Progress) -> None:
        moment = time.monotonic()
        if self._begun is None:
            self._begun = now.num_done
        if moment - self._shown < PLAIN_EVERY_S and now.num_done < now.num_records:
            return
        self._shown = moment
        made = now.num_done - self._begun
        rate = made / max(moment - self._started, 1e-9)
        left = f", {duration((now.num_records - now.num_done) / rate)} left" if rate else ""
        say(f"{self._title}: {now.num_done}/{now.num_records}, {_about(now)}, {rate:.1f}/s{left}")


def _about(now: Progress) -> str:
    parts = [f"{duration(now.duration_s)} of audio"] if now.duration_s else []
    busy = [f"{name} {done}/{n}" for name, (done, n) in now.by_group.items() if 0 < done < n]
    if len(now.by_group) > 1 and busy:
        parts.append(", ".join(busy[:2]))
    if now.num_rejected:
        parts.append(f"{now.num_rejected} rejected")
    return "; ".join(parts) or "working"


def summary(outcome: Outcome, *, made: str, next_step: str) -> None:
    """Say what was made, what was rejected and why, and what to do next."""
    if outcome.was_complete:
        say(f"Nothing to do: {outcome.folder} has all {outcome.num_rows:,} {made} already.")
    else:
        pace = f" in {duration(outcome.elapsed_s)}" if outcome.elapsed_s else ""
        again = f" ({outcome.num_resumed} shards were done before)" if outcome.num_resumed else ""
        say(f"Made {outcome.num_rows:,} {made}{pace}{again}: {outcome.folder}")
        _taken_over(outcome)
    if outcome.num_rejected:
        say(
            f"Rejected {outcome.num_rejected:,} of {outcome.num_records:,}; "
            f"{outcome.folder / 'quarantine'} says why, one row each."
        )
        for reason, count in outcome.reasons.items():
            say(f"  {count:>6,}  {reason}")
    say(f"Next: {next_step}")


def named(folder: Path | None) -> str:
    """A folder as an argument to be pasted, after a space; nothing where none was named."""
    return f" {shlex.quote(str(folder))}" if folder else ""


def _taken_over(outcome: Outcome) -> None:
    from mosdata.builders.reuse import sources_of
    from mosdata.builders.stage import run_folder

    if outcome.num_taken_over:
        folders = [shown(folder) for folder, _ in sources_of(run_folder(outcome.folder))]
        say(f"{outcome.num_taken_over:,} of them taken over from {', '.join(folders)}.")


def shown(folder: str) -> str:
    """A folder as one would type it here."""
    path = Path(folder)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def show_findings(findings: Sequence[Found]) -> None:
    """What was odd in a corpus: a note each, with its count and the first examples."""
    for found in findings:
        shown = ", ".join(found.examples[:EXAMPLES_SHOWN])
        more = ", ..." if len(found.examples) > EXAMPLES_SHOWN else ""
        about = f" ({shown}{more})" if shown else ""
        note(f"{found.code}: {found.count:,} {found.message.rstrip('.')}{about}.")


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome with documented, stable keys (docs/cli.md)."""
    dataset = outcome.dataset
    return {
        "folder": str(outcome.folder),
        "dataset_id": dataset.dataset_id,
        "content_id": dataset.content_id,
        "plan_id": outcome.plan_id,
        "num_records": outcome.num_records,
        "num_rows": outcome.num_rows,
        "num_rejected": outcome.num_rejected,
        "rejected_by_reason": dict(outcome.reasons),
        "was_complete": outcome.was_complete,
    }


def estimate_json(
    *, out: Path, plan_id: str, values: Mapping[str, Any], notes: Sequence[str]
) -> dict[str, Any]:
    """A dry run with documented, stable keys (docs/cli.md)."""
    return {"dry_run": True, "folder": str(out), "plan_id": plan_id, **values, "notes": [*notes]}
