"""Repair: make again exactly what is damaged, and never make anything worse.

An unfinished run: a shard whose file is not what its receipt says loses the receipt, and is made
again by the command that goes on. A finished dataset: a file that is not what the manifest says
is made again from the plan, in a folder of its own, and takes its place only if it is what the
manifest says, to the byte.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from mosdata.builders.card_sections import command_of as makes
from mosdata.builders.checks import write_checks
from mosdata.builders.commit import write_quarantine
from mosdata.builders.executors import Execution, execute, usable_cores
from mosdata.builders.ground import run_lock
from mosdata.builders.plan import PLAN_NAME, RECORDS_NAME, Plan, read_plan
from mosdata.builders.processes import Underway
from mosdata.builders.receipts import (
    Receipt,
    drop_receipt,
    is_intact,
    is_there,
    load_receipt,
    load_receipts,
    receipt_path,
)
from mosdata.builders.stage import run_folder
from mosdata.builders.status import Home, is_finished
from mosdata.builders.strikes import forgive
from mosdata.builders.summary import command_of
from mosdata.errors import InvalidValue, MosdataError
from mosdata.manifests.durable import beside, sha256_file, sync_file, sync_folder
from mosdata.manifests.places import is_remote
from mosdata.manifests.store import MANIFEST_NAME, Dataset, open_dataset

Done = Literal["mended", "dropped", "would_mend", "would_drop", "left"]
"""What became of a trouble: the file is back; its receipt is gone, so that it is made again; the
same, were this no dry run; or nothing could be done, and nothing was."""

DIFFERS: Final = (
    "what is made now is not what was made then (another version of an engine or of a library, or "
    "a source that has changed), so the file was left as it is"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is wrong, and what became of it."""

    what: str
    says: str
    done: Done
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What was looked at, what was wrong, and what to type next."""

    folder: Path
    name: str | None
    finished: bool
    num_checked: int
    troubles: tuple[Trouble, ...]
    next_step: str

    @property
    def is_whole(self) -> bool:
        """Whether everything that was wrong is mended, or will be."""
        return all(trouble.done != "left" for trouble in self.troubles)


def repair(
    home: Home, *, execution: Execution, dry_run: bool = False, retry_rejected: bool = False
) -> Repaired:
    """Check a run or a dataset, and mend what can be mended.

    Args:
        home: what to look at.
        execution: where files are made again.
        dry_run: look only.
        retry_rejected: of an unfinished run, also drop the receipts of shards with rejected
            records, so that these are tried again.

    Raises:
        DamagedDataset: the plan or the manifest cannot be read.
        OutputConflict: another process is at it.
        InvalidValue: it lies on an object store.
    """
    if is_remote(home.out):
        raise InvalidValue("A folder to repair", home.out, "a local one", "Copy it here first.")
    is_dataset = (home.out / MANIFEST_NAME).is_file()
    dataset = open_dataset(home.out) if is_dataset else None
    plan = read_plan(home.run) if (home.run / PLAN_NAME).is_file() else None
    with contextlib.nullcontext() if dry_run or plan is None else run_lock(home.run):
        if plan is not None and not is_finished(home, plan, dataset):
            return _repair_run(home, plan, dry_run=dry_run, retry_rejected=retry_rejected)
        assert dataset is not None, "a home has a plan or a dataset"
        return _repair_dataset(home, dataset, plan, execution, dry_run=dry_run)


def _repair_run(home: Home, plan: Plan, *, dry_run: bool, retry_rejected: bool) -> Repaired:
    receipts = load_receipts(home.run, plan)
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        sound = dict(
            zip(receipts, pool.map(partial(is_intact, home.run), receipts.values()), strict=True)
        )
    troubles = []
    for shard in plan.shards:
        receipt = receipts.get(shard.index)
        says = _wrong(home.run, receipt, sound=sound.get(shard.index, False))
        if receipt is None and not receipt_path(home.run, shard).is_file():
            continue  # not made yet
        if not says and retry_rejected and receipt is not None and receipt.rejections:
            says = f"{len(receipt.rejections)} of its records were rejected"
            if not dry_run:
                forgive(home.run, shard)
        if says:
            if not dry_run:
                drop_receipt(home.run, shard)
            what = (
                f"shard {shard.index} ({shard.group}, {shard.split}, {shard.num_records} records)"
            )
            done: Done = "would_drop" if dry_run else "dropped"
            troubles.append(Trouble(what=what, says=says, done=done))
    command = command_of(home.run) or f"the command that was to make {home.out}"
    return Repaired(
        folder=home.out,
        name=home.name,
        finished=False,
        num_checked=len(receipts),
        troubles=tuple(troubles),
        next_step=command,
    )


def _wrong(run: Path, receipt: Receipt | None, *, sound: bool) -> str:
    """What is wrong with a shard; nothing where all is well."""
    if receipt is None:
        return "its receipt cannot be read"
    if sound:
        return ""
    return (
        "its file differs from its receipt"
        if is_there(run, receipt)
        else ("its file is gone, or has another size")
    )


def _repair_dataset(
    home: Home, dataset: Dataset, plan: Plan | None, execution: Execution, *, dry_run: bool
) -> Repaired:
    files = [*_files(home, dataset)]
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        said = [*pool.map(lambda file: _differs(dataset.folder, file), files)]
    bad = [(file, says) for file, says in zip(files, said, strict=True) if says]
    outcomes = _mended(home, dataset, plan, [file for file, _ in bad], execution, dry_run=dry_run)
    troubles = [
        Trouble(what=file["path"], says=says, done=done, advice=advice)
        for (file, says), (done, advice) in zip(bad, outcomes, strict=True)
    ]
    return Repaired(
        folder=home.out,
        name=home.name,
        finished=True,
        num_checked=len(files),
        troubles=tuple(troubles),
        next_step=f"mosdata verify {home.out}",
    )


def _files(home: Home, dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Files that a home answers for: a set of ratings for its own, the dataset for the rest."""
    manifest = dataset.manifest
    sets = manifest.get("ratings", [])
    if home.name is not None:
        yield from (file for entry in sets if entry["name"] == home.name for file in entry["files"])
        return
    yield from manifest["data"]
    yield from manifest.get("quarantine", [])
    yield from manifest.get("checks", {}).get("files", [])
    runs = run_folder(home.out)
    for entry in sets:
        if not (runs / f"ratings-{entry['name']}" / PLAN_NAME).is_file():
            yield from entry["files"]  # nobody else answers for them
    for entry in manifest.get("split_sets", []):
        yield from entry["files"]


def _differs(folder: Path, file: Mapping[str, Any]) -> str:
    path = folder / file["path"]
    try:
        if path.stat().st_size != file["bytes"]:
            return "has another size than its manifest says"
        return "" if sha256_file(path) == file["sha256"] else "differs from its checksum"
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _mended(
    home: Home,
    dataset: Dataset,
    plan: Plan | None,
    files: Sequence[Mapping[str, Any]],
    execution: Execution,
    dry_run: bool,
) -> list[tuple[Done, str]]:
    """What became of each damaged file."""
    if not files:
        return []
    checks = [file for file in files if _is_check(file)]
    if checks:  # last of all, from clips that are mended
        others = [file for file in files if not _is_check(file)]
        before = dict(
            zip(
                [file["path"] for file in others],
                _mended(home, dataset, plan, others, execution, dry_run=dry_run),
                strict=True,
            )
        )
        return [
            _check_again(dataset, file, dry_run=dry_run)
            if _is_check(file)
            else before[file["path"]]
            for file in files
        ]
    if plan is None or not (home.run / RECORDS_NAME).is_file():
        return [("left", _advice(home, dataset, file)) for file in files]
    shards = _shards_of_files(home, dataset, plan)
    makeable = [file for file in files if file["path"] in shards]
    rest = {file["path"] for file in files} - {file["path"] for file in makeable}
    if dry_run:
        return [
            ("left", _advice(home, dataset, file)) if file["path"] in rest else ("would_mend", "")
            for file in files
        ]
    with _scratch(home.run) as scratch:
        todo = sorted({i for file in makeable if (i := shards[file["path"]]) is not None})
        failure = _make(scratch, plan, todo, execution)
        return [
            ("left", _advice(home, dataset, file))
            if file["path"] in rest
            else _put_back(home, dataset, plan, scratch, file, shards[file["path"]], failure)
            for file in files
        ]


def _shards_of_files(home: Home, dataset: Dataset, plan: Plan) -> dict[str, int | None]:
    """The shard behind each file, by the checksum in its receipt; None for the quarantine."""
    receipts = load_receipts(home.run, plan)
    made = {one.sha256: index for index, one in receipts.items() if one.file}
    files = [*_files(home, dataset)]
    found: dict[str, int | None] = {
        file["path"]: made[file["sha256"]] for file in files if file["sha256"] in made
    }
    data = dataset.manifest["data"]
    if home.name is None and len(data) == len(plan.shards):  # one each: no receipt is needed
        found |= {file["path"]: shard.index for file, shard in zip(data, plan.shards, strict=True)}
    if home.name is None and len(receipts) == len(plan.shards):
        found |= {file["path"]: None for file in dataset.manifest.get("quarantine", [])}
    return found


@contextlib.contextmanager
def _scratch(run: Path) -> Iterator[Path]:
    """A run folder with the same plan and no receipts, gone after the block."""
    for left in run.glob(".repair-*"):  # by one that was killed; the lock is ours
        shutil.rmtree(left, ignore_errors=True)
    folder = run / f".repair-{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    try:
        for name in (PLAN_NAME, RECORDS_NAME):
            _link(run / name, folder / name)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _make(scratch: Path, plan: Plan, todo: Sequence[int], execution: Execution) -> str:
    """Make some shards of a plan again; returns what went wrong, if anything."""
    try:
        for news in execute(scratch, plan, todo, execution) if todo else ():
            assert isinstance(news, int | Underway)
    except MosdataError as error:
        return str(error)
    return ""


def _put_back(
    home: Home,
    dataset: Dataset,
    plan: Plan,
    scratch: Path,
    file: Mapping[str, Any],
    index: int | None,
    failure: str,
) -> tuple[Done, str]:
    """Put a file into place if it is what the manifest says, to the byte."""
    if index is None:
        made = _quarantine_again(home.run, plan, scratch)
    else:
        receipt = load_receipt(scratch, plan.shards[index])
        made = scratch / receipt.file if receipt and receipt.file else None
    if made is None or sha256_file(made) != file["sha256"]:
        return "left", failure or f"{DIFFERS}. {_advice(home, dataset, file)}"
    _replace(dataset.folder / file["path"], made)
    return "mended", ""


def _replace(target: Path, made: Path) -> None:
    """A file in the place of another, whole at any moment."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(target)
    try:
        shutil.copyfile(made, partial)
        sync_file(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(target.parent)


def _is_check(file: Mapping[str, Any]) -> bool:
    return str(file["path"]).startswith("checks/")


def _check_again(dataset: Dataset, file: Mapping[str, Any], *, dry_run: bool) -> tuple[Done, str]:
    """What shows in all clips together, found again in the clips."""
    with tempfile.TemporaryDirectory(prefix="mosdata-checks-") as folder:
        try:
            write_checks(dataset, Path(folder))
        except MosdataError as error:
            return "left", f"it is made from the clips, which cannot be read: {error}"
        if sha256_file(Path(folder) / file["path"]) != file["sha256"]:
            return "left", DIFFERS
        if not dry_run:
            _replace(dataset.folder / file["path"], Path(folder) / file["path"])
    return ("would_mend" if dry_run else "mended"), ""


def _quarantine_again(run: Path, plan: Plan, scratch: Path) -> Path | None:
    """The quarantine as the receipts have it."""
    receipts = load_receipts(run, plan)
    entries = write_quarantine(
        scratch, [one for shard in plan.shards for one in receipts[shard.index].rejections]
    )
    return scratch / entries[0]["path"] if entries else None


def _advice(home: Home, dataset: Dataset, file: Mapping[str, Any]) -> str:
    """What a person can do about a file that we cannot make again."""
    path = str(file["path"])
    if path.startswith("ratings/"):
        return f"give its scores again: mosdata label {home.out} --metrics ... or --ratings ..."
    if path.startswith("splits/"):
        return f"make it again: mosdata splits make {home.out} ..."
    lost = f"{home.run} has no plan of it any more" if home.name is None else "its plan is gone"
    return (
        f"{lost}. Copy it again from its source, or make the dataset again: {command_for(dataset)}"
    )


def command_for(dataset: Dataset) -> str:
    """A command that makes a dataset again beside itself, from what its manifest says.

    Rows of files that are sound are taken over.
    """
    again = dataset.folder.with_name(f"{dataset.folder.name}-again")
    return f"{makes(dataset.manifest)} --out {again}".replace(" \\\n ", "")
