"""``run_stage``: plan, execute, verify, commit; the same way for every kind of work.

It may be killed at any moment and called again: what has a receipt is not made twice, and a
dataset folder is either whole or not there.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from mosdata.builders.budget import guarded
from mosdata.builders.build_report import write_build_report
from mosdata.builders.commit import RatingSet, commit_clips, commit_ratings, discard_attempts
from mosdata.builders.executors import Execution
from mosdata.builders.finish import Progress, finish_shards, refuse_all_rejected, resume
from mosdata.builders.ground import check_run_folder, check_space, run_lock
from mosdata.builders.orders import Orders
from mosdata.builders.plan import Draft, Plan, plan_id_of, read_plan, save_plan, write_plan
from mosdata.builders.receipts import Receipt
from mosdata.builders.reuse import index_reuse
from mosdata.builders.shard import full_disk_explained
from mosdata.builders.stage import Stage, run_folder
from mosdata.builders.summary import Ending, keep_command, summarised
from mosdata.errors import DamagedDataset, InvalidValue, OutputConflict
from mosdata.manifests.places import file_exists, is_remote, names_in, reaching
from mosdata.manifests.store import MANIFEST_NAME, REPORT_NAME, Dataset, open_dataset

RECORDS_PER_SHARD: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. ``was_complete`` means that nothing was left to do."""

    folder: Path
    plan_id: str
    num_records: int
    num_rows: int
    num_rejected: int
    reasons: Mapping[str, int]
    num_resumed: int
    elapsed_s: float
    was_complete: bool
    num_taken_over: int = 0

    @property
    def dataset(self) -> Dataset:
        """The finished dataset."""
        return open_dataset(self.folder)


def run_stage(
    stage: Stage,
    out: Path,
    *,
    execution: Execution,
    records_per_shard: int = RECORDS_PER_SHARD,
    parent: Dataset | None = None,
    keeps_parent: bool = False,
    ratings: RatingSet | None = None,
    draft: Draft | None = None,
    orders: Orders = Orders(),  # noqa: B008 - frozen, so sharing it is safe
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Make a dataset, or finish making it.

    Args:
        stage: what to make.
        out: dataset folder; absent, empty, or this very dataset already.
        execution: where to run.
        records_per_shard: how much one worker does between two receipts.
        parent: the dataset that this one is made from, if any.
        keeps_parent: whether the parent's clips are in this one too; their ratings come along.
        ratings: scores of the clips, put into place with them.
        draft: the stage's plan, where the caller needed its name beforehand; else the records
            are walked here, once.
        orders: how many records may be rejected, and whose rows are taken over.
        on_progress: called after every shard, and now and then within long ones.

    Raises:
        OutputConflict: ``out`` holds something else, or another process is at it.
        NotEnoughSpace: the disk is too small.
        BuildFailed: workers keep dying, or more records were rejected than ``orders`` allow.
    """
    started = time.monotonic()
    plan_id = _lazily_named(stage, draft)
    if (complete := _complete(stage, out, plan_id)) is not None:
        return _reported(complete, orders)
    run = run_folder(out)
    check_run_folder(run)
    with full_disk_explained(run), run_lock(run):
        if (complete := _complete(stage, out, plan_id)) is not None:  # another was faster
            return _reported(complete, orders)
        plan = open_plan(run, stage, records_per_shard, plan_id, draft)
        check_space(out.parent, stage.estimate().num_bytes)
        with summarised(run, plan, orders, workers=execution.num_workers) as ending:
            ending.resumed = found = resume(run, plan)
            if len(found) < len(plan.shards) and _may_reuse(out, orders):
                index_reuse(run, plan, stage, orders.reuse)
            receipts = _finished(run, plan, stage, ending, execution, orders, on_progress)
            with _others_may_be_faster(out):
                commit_clips(
                    run,
                    out,
                    plan,
                    receipts,
                    provenance=stage.provenance(),
                    parent=parent,
                    keeps_parent=keeps_parent,
                    ratings=ratings,
                    report=orders.report,
                )
    return outcome_of(out, plan, receipts, resumed=len(found), elapsed_s=time.monotonic() - started)


def run_ratings(
    stage: Stage,
    out: Path,
    *,
    name: str,
    execution: Execution,
    orders: Orders = Orders(),  # noqa: B008 - frozen, so sharing it is safe
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Compute ratings for a dataset and add them to it; see :func:`run_stage`."""
    started = time.monotonic()
    plan_id = _lazily_named(stage)
    if (complete := _rated(stage, out, name, plan_id)) is not None:
        return complete
    run = run_folder(out) / f"ratings-{name}"
    with full_disk_explained(run), run_lock(run):
        if (complete := _rated(stage, out, name, plan_id)) is not None:  # another was faster
            return complete
        plan = open_plan(run, stage, RECORDS_PER_SHARD, plan_id)
        with summarised(run, plan, orders, workers=execution.num_workers) as ending:
            ending.resumed = found = resume(run, plan)
            receipts = _finished(run, plan, stage, ending, execution, orders, on_progress)
            with run_lock(run_folder(out)):
                commit_ratings(run, out, plan, receipts, name=name)
    return outcome_of(out, plan, receipts, resumed=len(found), elapsed_s=time.monotonic() - started)


def _reported(outcome: Outcome, orders: Orders) -> Outcome:
    """The same outcome; a build that lacks its report gets one."""
    dataset = outcome.dataset
    wanted = orders.report and dataset.stage == "build"
    if wanted and not file_exists(outcome.folder / REPORT_NAME):
        write_build_report(dataset)
    return outcome


def _finished(
    run: Path,
    plan: Plan,
    stage: Stage,
    ending: Ending,
    execution: Execution,
    orders: Orders,
    on_progress: Callable[[Progress], None],
) -> list[Receipt]:
    """Make what an earlier run did not leave; every receipt, of which some are of rows."""
    ending.receipts = receipts = finish_shards(
        run,
        plan,
        execution,
        found=ending.resumed,
        needs_gpu=stage.needs_gpu,
        on_progress=guarded(on_progress, budget=orders.budget, run=run, plan=plan),
    )
    refuse_all_rejected(run, plan, receipts)
    return receipts


def plan_stage(
    stage: Stage,
    out: Path,
    *,
    records_per_shard: int = RECORDS_PER_SHARD,
    draft: Draft | None = None,
    orders: Orders = Orders(),  # noqa: B008 - frozen, so sharing it is safe
) -> Plan | None:
    """Write the plan of a run and make nothing, so that others can make parts of it.

    Returns:
        The plan; None where the dataset is there already.

    Raises:
        OutputConflict, NotEnoughSpace: as :func:`run_stage`.
    """
    plan_id = _lazily_named(stage, draft)
    if _complete(stage, out, plan_id) is not None:
        return None
    run = run_folder(out)
    check_run_folder(run)
    with full_disk_explained(run), run_lock(run):
        plan = open_plan(run, stage, records_per_shard, plan_id, draft)
        check_space(out.parent, stage.estimate().num_bytes)
        keep_command(run, orders.command)
        if _may_reuse(out, orders):
            index_reuse(run, plan, stage, orders.reuse)
        return plan


def plan_ratings(
    stage: Stage,
    out: Path,
    *,
    name: str,
    orders: Orders = Orders(),  # noqa: B008 - frozen, so sharing it is safe
) -> Plan | None:
    """Write the plan of ratings and compute nothing; see :func:`plan_stage`."""
    plan_id = _lazily_named(stage)
    if _rated(stage, out, name, plan_id) is not None:
        return None
    run = run_folder(out) / f"ratings-{name}"
    with full_disk_explained(run), run_lock(run):
        plan = open_plan(run, stage, RECORDS_PER_SHARD, plan_id)
        keep_command(run, orders.command)
        return plan


@contextlib.contextmanager
def _others_may_be_faster(out: Path) -> Iterator[None]:
    """Around the commit on an object store, which another driver of the same plan may have done.

    It removes the attempts after it wrote the manifest: who misses one finds the other.
    """
    try:
        yield
    except FileNotFoundError:
        if not (is_remote(out) and file_exists(out / MANIFEST_NAME)):
            raise


def outcome_of(
    out: Path, plan: Plan, receipts: Sequence[Receipt], *, resumed: int, elapsed_s: float
) -> Outcome:
    """Sum up what the receipts say."""
    reasons = Counter(r.reason for receipt in receipts for r in receipt.rejections)
    return Outcome(
        folder=out,
        plan_id=plan.plan_id,
        num_records=plan.num_records,
        num_rows=sum(receipt.num_rows for receipt in receipts),
        num_rejected=sum(reasons.values()),
        reasons=dict(reasons.most_common()),
        num_resumed=resumed,
        elapsed_s=elapsed_s,
        was_complete=False,
        num_taken_over=sum(receipt.num_taken_over for receipt in receipts),
    )


def _lazily_named(stage: Stage, draft: Draft | None = None) -> Callable[[], str]:
    """The name of the plan, for comparing with what is there; a fresh plan need not be asked.

    Asking walks the records where there is no draft, once.
    """
    return cache(lambda: draft.plan.plan_id if draft else plan_id_of(stage))


def _complete(stage: Stage, out: Path, plan_id: Callable[[], str]) -> Outcome | None:
    """The outcome of an earlier run that made exactly this; None where there is work to do.

    Raises:
        OutputConflict: the folder holds something else.
    """
    if is_remote(out):
        if not _is_sealed(out, plan_id):
            return None
    elif not out.exists():
        return None
    elif not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST_NAME).is_file()):
        raise OutputConflict(
            f"{out} exists and is not a mosdata dataset. Nothing in it was touched; "
            "choose another --out."
        )
    if not (out / MANIFEST_NAME).is_file():
        if not is_remote(out) and out.resolve() == Path.cwd():
            raise OutputConflict(
                f"{out} is the folder you are in, which cannot be put into place as a whole; "
                "choose another --out."
            )
        return None
    try:
        dataset = open_dataset(out)
    except DamagedDataset as error:
        raise OutputConflict(f"{error} Nothing was touched; choose another --out.") from error
    if dataset.manifest.get("plan_id") != plan_id():
        raise OutputConflict(
            f"{out} holds another dataset ({_difference(dataset.manifest, stage)}). "
            "Nothing was touched; choose another --out."
        )
    if is_remote(out) or run_folder(out).is_dir():
        discard_attempts(run_folder(out))
    rejected = sum(entry["rows"] for entry in dataset.manifest["quarantine"])
    return Outcome(
        folder=out,
        plan_id=plan_id(),
        num_records=dataset.num_rows + rejected,
        num_rows=dataset.num_rows,
        num_rejected=rejected,
        reasons={},
        num_resumed=0,
        elapsed_s=0.0,
        was_complete=True,
    )


def _is_sealed(out: Path, plan_id: Callable[[], str]) -> bool:
    """Whether a remote folder has its manifest; without it, a commit of ours may be half done.

    Raises:
        OutputConflict: something else is there.
    """
    with reaching(out):
        if file_exists(out / MANIFEST_NAME):
            return True
        if not names_in(out):
            return False
        begun = read_plan(run_folder(out))
    if begun is not None and begun.plan_id == plan_id():
        return False
    raise OutputConflict(
        f"{out} is not empty and is no finished dataset, and {run_folder(out)} is no run of this "
        "one. Nothing in it was touched; choose another --out."
    )


def _rated(stage: Stage, out: Path, name: str, plan_id: Callable[[], str]) -> Outcome | None:
    """The outcome of an earlier run that computed exactly this; None where there is work to do."""
    for entry in open_dataset(out).manifest["ratings"]:
        if entry["name"] == name and entry.get("plan_id") == plan_id():
            reasons = Counter(rejection["reason"] for rejection in entry["rejected"])
            return Outcome(
                folder=out,
                plan_id=entry["plan_id"],
                num_records=stage.estimate().num_records,
                num_rows=sum(file["rows"] for file in entry["files"]),
                num_rejected=reasons.total(),
                reasons=dict(reasons.most_common()),
                num_resumed=0,
                elapsed_s=0.0,
                was_complete=True,
            )
    return None


def open_plan(
    run: Path,
    stage: Stage,
    records_per_shard: int,
    plan_id: Callable[[], str],
    draft: Draft | None = None,
) -> Plan:
    """The plan of a run folder: the one that is there if it is the same, else a new one.

    Raises:
        OutputConflict: the folder holds an unfinished run of something else.
    """
    existing = read_plan(run)
    if existing is None:
        if draft is not None:
            return draft.place(run)
        return write_plan(run, stage, records_per_shard=records_per_shard)
    if existing.plan_id == plan_id():
        return _with_inputs_of(stage, run, existing)
    before = {"stage": existing.spec.name, "config": existing.spec.config}
    raise OutputConflict(
        f"{run} holds an unfinished run of something else ({_difference(before, stage)}). "
        "Finish that one with its own command, remove the folder, or choose another --out."
    )


def _with_inputs_of(stage: Stage, run: Path, plan: Plan) -> Plan:
    """The plan as it is, with inputs that have moved since it was written at their new place."""
    if plan.spec.inputs == stage.spec.inputs:
        return plan
    moved = replace(plan, spec=stage.spec)
    save_plan(run, moved)
    return moved


def _may_reuse(out: Path, orders: Orders) -> bool:
    """Whether rows of earlier datasets are looked up at all.

    Raises:
        InvalidValue: rows are to be taken over into an object store.
    """
    if not is_remote(out):
        return True
    if orders.reuse:
        raise InvalidValue("--out", out, "a local folder, where --reuse is given")
    return False


def _difference(before: Mapping[str, object], stage: Stage) -> str:
    """Which part of the config differs, in a few words."""
    if before.get("stage") != stage.spec.name:
        return f"made by '{before.get('stage')}', not by '{stage.spec.name}'"
    old, new = before.get("config"), stage.spec.config
    if isinstance(old, dict):
        names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        if names:
            return "other " + ", ".join(names)
    return "other texts or clips"
