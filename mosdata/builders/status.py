"""How far runs are, from what lies on the disk: plan, receipts, markers. No driver is asked.

Times of files are shown and decide nothing: a clock that jumped makes an odd rate, and no harm.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from mosdata.builders.plan import PLAN_NAME, Plan, read_plan
from mosdata.builders.receipts import Receipt, Rejection, load_receipts, receipt_path
from mosdata.builders.reuse import sources_of
from mosdata.builders.stage import run_folder
from mosdata.builders.strikes import markers, strikes_of
from mosdata.builders.summary import GroupCount, Tally, command_of, summary_of, tally_of
from mosdata.errors import DamagedDataset, NothingFound
from mosdata.manifests.places import is_remote
from mosdata.manifests.store import MANIFEST_NAME, Dataset, open_dataset

State = Literal["finished", "running", "unfinished"]
RUN_SUFFIX: Final = ".run"
RATINGS_PREFIX: Final = "ratings-"
RATE_OVER_SHARDS: Final = 50
"""The rate is that of the last shards: it is about now, and each system has its own pace."""

PAUSE_S: Final = 600.0
"""Between two receipts this far apart nobody was at work; the rate looks no further back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A run folder with the dataset folder that it works for; ``name`` where it makes ratings."""

    run: Path
    out: Path
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """Where one run is.

    ``driver`` says whether a driver holds the lock now (None where that cannot be seen),
    ``num_underway`` how many records of unfinished shards are done, by live workers or by dead
    ones; ``last_activity`` is seconds since 1970, by the clock of whoever wrote the last receipt.
    """

    folder: Path
    run: Path
    stage: str
    name: str | None
    plan_id: str
    state: State
    tally: Tally
    driver: bool | None
    num_underway: int
    rate_per_s: float | None
    last_activity: float | None
    strikes: dict[str, list[str]]
    taken_over_from: tuple[str, ...]
    command: str | None
    summary: dict[str, Any] | None
    next_step: str

    @property
    def home(self) -> Home:
        """Where it is."""
        return Home(run=self.run, out=self.folder, name=self.name)

    def to_json(self) -> dict[str, Any]:
        """With documented, stable keys (docs/cli.md)."""
        return {
            "folder": str(self.folder),
            "run_folder": str(self.run),
            "stage": self.stage,
            "set": self.name,
            "plan_id": self.plan_id,
            "state": self.state,
            **asdict(self.tally),
            "num_missing": self.tally.num_records - self.tally.num_done,
            "driver": self.driver,
            "num_underway": self.num_underway,
            "rate_per_s": self.rate_per_s,
            "last_activity": self.last_activity,
            "strikes": self.strikes,
            "taken_over_from": list(self.taken_over_from),
            "command": self.command,
            "summary": self.summary,
            "next": self.next_step,
        }


def homes_of(folder: Path) -> list[Home]:
    """The runs of a dataset folder or of a run folder: its own first, then those of ratings.

    Raises:
        NothingFound: there is neither a dataset nor a run.
    """
    if (folder / PLAN_NAME).is_file() and not (folder / MANIFEST_NAME).is_file():
        return [_home(folder), *_ratings_homes(folder)]
    run = folder if folder.name.endswith(RUN_SUFFIX) else run_folder(folder)
    out = _home(run).out
    found = [Home(run=run, out=out)] if (run / PLAN_NAME).is_file() or _is_dataset(out) else []
    found += _ratings_homes(run)
    if not found:
        raise NothingFound(
            f"{folder} is neither a dataset nor a run: there is no {out / MANIFEST_NAME} and no "
            f"{run / PLAN_NAME}. Give the folder that the command named, or the one with "
            f"{RUN_SUFFIX} beside it."
        )
    return found


def homes_below(workspace: Path) -> list[Home]:
    """All runs and datasets directly below a folder."""
    outs = {path.parent for path in workspace.glob(f"*/{MANIFEST_NAME}")}
    outs |= {_home(path.parent).out for path in workspace.glob(f"*{RUN_SUFFIX}/{PLAN_NAME}")}
    return [home for out in sorted(outs) for home in homes_of(out)]


def status_of(home: Home) -> RunStatus:
    """Where a run is.

    Raises:
        DamagedDataset: the plan or the dataset cannot be read.
    """
    dataset = open_dataset(home.out) if _is_dataset(home.out) else None
    plan = read_plan(home.run) if (home.run / PLAN_NAME).is_file() else None
    if plan is None:
        assert dataset is not None, "a home has a plan or a dataset"
        return _without_run(home, dataset)
    receipts = load_receipts(home.run, plan)
    driver = driver_at_work(home.run)
    state: State = "unfinished"
    if is_finished(home, plan, dataset):
        state = "finished"
    elif driver:
        state = "running"
    tally = tally_of(plan, receipts)
    command = command_of(home.run)
    rate_per_s, last_activity = _pace(home.run, plan, receipts)
    return RunStatus(
        folder=home.out,
        run=home.run,
        stage=plan.spec.name,
        name=home.name,
        plan_id=plan.plan_id,
        state=state,
        tally=tally,
        driver=driver,
        num_underway=_underway(home.run, receipts) if state != "finished" else 0,
        rate_per_s=rate_per_s,
        last_activity=last_activity,
        strikes=strikes_of(home.run),
        taken_over_from=tuple(folder for folder, _ in sources_of(home.run)),
        command=command,
        summary=summary_of(home.run),
        next_step=_next_step(home, state, tally, command),
    )


def rejections_of(home: Home) -> list[Rejection]:
    """Every rejected record of a run, or of the dataset that it became."""
    plan = read_plan(home.run) if (home.run / PLAN_NAME).is_file() else None
    if plan is not None:
        receipts = load_receipts(home.run, plan)
        return [one for i in sorted(receipts) for one in receipts[i].rejections]
    return [Rejection(**row) for row in open_dataset(home.out).quarantined()]


def is_finished(home: Home, plan: Plan, dataset: Dataset | None) -> bool:
    """Whether what a plan makes is in its dataset."""
    if dataset is None:
        return False
    if home.name is None:
        return dataset.manifest.get("plan_id") == plan.plan_id
    return any(
        entry["name"] == home.name and entry.get("plan_id") == plan.plan_id
        for entry in dataset.manifest["ratings"]
    )


def driver_at_work(run: Path) -> bool | None:
    """Whether a driver holds the lock of a run now; None on an object store, which has no locks.

    The lock is tried shared and given back at once; a driver that starts in that very moment
    tries again.
    """
    if is_remote(run):
        return None
    try:
        with (run / "lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _home(run: Path) -> Home:
    """What a run folder works for, by its name."""
    if run.name.startswith(RATINGS_PREFIX) and run.parent.name.endswith(RUN_SUFFIX):
        out = _home(run.parent).out
        return Home(run=run, out=out, name=run.name.removeprefix(RATINGS_PREFIX))
    return Home(run=run, out=run.with_name(run.name.removesuffix(RUN_SUFFIX)))


def _ratings_homes(run: Path) -> list[Home]:
    plans = sorted(run.glob(f"{RATINGS_PREFIX}*/{PLAN_NAME}"))
    return [_home(plan.parent) for plan in plans]


def _is_dataset(folder: Path) -> bool:
    return (folder / MANIFEST_NAME).is_file()


def _underway(run: Path, receipts: Mapping[int, Receipt]) -> int:
    return sum(mark.num_done for index, mark in markers(run) if index not in receipts)


def _pace(
    run: Path, plan: Plan, receipts: Mapping[int, Receipt]
) -> tuple[float | None, float | None]:
    """Records a second over the last shards, and when the last one was finished."""
    times = []
    for index in receipts:
        with contextlib.suppress(OSError):
            shard = plan.shards[index]
            times.append((receipt_path(run, shard).stat().st_mtime, shard.num_records))
    if not times:
        return None, None
    times = sorted(times)[-RATE_OVER_SHARDS:]
    pairs = list(itertools.pairwise(times))
    since = max((i for i, (a, b) in enumerate(pairs, 1) if b[0] - a[0] > PAUSE_S), default=0)
    recent = times[since:]
    span = recent[-1][0] - recent[0][0]
    made = sum(count for _, count in recent[1:])
    return (made / span if span > 0 else None), times[-1][0]


def _next_step(home: Home, state: State, tally: Tally, command: str | None) -> str:
    if state == "finished":
        return f"mosdata verify {home.out}"
    if state == "running":
        return f"mosdata status {home.out} --watch"
    again = command or f"the command that was to make {home.out}"
    if tally.num_done == tally.num_records:
        return f"{again}  # everything is made; this puts it into place"
    return again


def _without_run(home: Home, dataset: Dataset) -> RunStatus:
    """A finished dataset whose run folder was deleted: what it says itself."""
    rejections = dataset.quarantined()
    reasons = Counter(row["reason"] for row in rejections)
    rejected = Counter(row["group"] for row in rejections)
    rows: Counter[str] = Counter()
    with contextlib.suppress(DamagedDataset, NothingFound):
        rows = Counter(dataset.table(["system"])["system"].to_pylist())
    groups = rows if dataset.stage == "build" else {"clips": dataset.num_rows}
    tally = Tally(
        num_records=dataset.num_rows + len(rejections),
        num_done=dataset.num_rows + len(rejections),
        num_rows=dataset.num_rows,
        num_rejected=len(rejections),
        num_shards=0,
        num_shards_done=0,
        num_taken_over=0,
        duration_s=float(dataset.manifest.get("duration_s", 0)),
        rejected_by_reason=dict(reasons.most_common()),
        by_group=tuple(
            GroupCount(
                group=group,
                num_records=groups.get(group, 0) + rejected[group],
                num_done=groups.get(group, 0) + rejected[group],
                num_rejected=rejected[group],
            )
            for group in dict.fromkeys([*groups, *rejected])
        ),
    )
    return RunStatus(
        folder=home.out,
        run=home.run,
        stage=dataset.stage,
        name=None,
        plan_id=str(dataset.manifest.get("plan_id", "")),
        state="finished",
        tally=tally,
        driver=driver_at_work(home.run),
        num_underway=0,
        rate_per_s=None,
        last_activity=None,
        strikes={},
        taken_over_from=(),
        command=None,
        summary=None,
        next_step=_next_step(home, "finished", tally, None),
    )
