"""The ground that a run stands on: its folder, the lock on it, and room for the result."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mosdata.builders.making import FULL_DISK
from mosdata.builders.plan import PLAN_NAME, RECORDS_NAME
from mosdata.builders.summary import COMMAND_NAME, SUMMARY_NAME, SUMMARY_TEXT
from mosdata.builders.takeover import INDEX_NAME, SOURCES_NAME
from mosdata.errors import NotEnoughSpace, OutputConflict
from mosdata.manifests.places import is_remote, names_in, reaching

SPACE_MARGIN: Final = 1.2
RUN_FILES: Final = {
    *(PLAN_NAME, RECORDS_NAME, INDEX_NAME, SOURCES_NAME),
    *(COMMAND_NAME, SUMMARY_NAME, SUMMARY_TEXT),
    *("receipts", "attempts", "wip", "logs", "lock"),
}
RUN_PREFIXES: Final = (".", "commit-", "ratings-", "plan-")
LOCK_TRIES: Final = 5
LOCK_PAUSE_S: Final = 0.05
"""``mosdata status`` holds the lock for a moment to see who does."""


def check_run_folder(run: Path) -> None:
    """Refuse to write into a folder that happens to have our run folder's name."""
    if not is_remote(run) and not run.exists():
        return
    if is_remote(run) or run.is_dir():
        with reaching(run):
            names = names_in(run) if is_remote(run) else {path.name for path in run.iterdir()}
        if all(name in RUN_FILES or name.startswith(RUN_PREFIXES) for name in names):
            return
    raise OutputConflict(
        f"{run} is in the way: the state of the run goes there, and it holds something else. "
        "Nothing in it was touched; choose another --out."
    )


@contextlib.contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Let one driver at a time into a run folder; the lock goes when its process does.

    An object store has no locks: two drivers of one plan join there.

    Raises:
        OutputConflict: another process is at it, or the folder cannot be made.
    """
    if is_remote(run):
        with reaching(run):
            yield
        return
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in FULL_DISK:
            raise
        raise OutputConflict(
            f"{run} cannot be made: {error.strerror}. Choose another --out."
        ) from error
    with (run / "lock").open("a") as file:
        for left in reversed(range(LOCK_TRIES)):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if not left:
                    raise OutputConflict(
                        f"Another mosdata process is working on {run}. Wait for it, stop it, "
                        "or choose another --out."
                    ) from error
            time.sleep(LOCK_PAUSE_S)
        yield


def check_space(folder: Path, num_bytes: int) -> None:
    """Refuse a run that cannot fit, before it starts.

    Raises:
        NotEnoughSpace: less is free than the estimate and a margin.
    """
    if is_remote(folder):
        return
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    free = shutil.disk_usage(existing).free
    needed = int(num_bytes * SPACE_MARGIN)
    if needed > free:
        raise NotEnoughSpace(
            f"This needs about {needed / 1e9:.2f} GB and {existing} has {free / 1e9:.2f} GB free. "
            "Free some space, choose --out on another disk, or plan less (--dry-run shows what)."
        )
