"""From receipts to a dataset: staged beside, sealed with a manifest, renamed into place."""

from __future__ import annotations

import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from mosdata import __version__
from mosdata.builders.build_report import write_build_report
from mosdata.builders.card import write_card
from mosdata.builders.checks import write_checks
from mosdata.builders.findings import with_sound_findings
from mosdata.builders.plan import Plan
from mosdata.builders.receipts import Receipt, Rejection
from mosdata.builders.split_files import hand_down_split_sets
from mosdata.manifests.durable import sha256_file, sync_file, sync_folder, write_json
from mosdata.manifests.ids import JSON
from mosdata.manifests.places import (
    copy,
    each_at_once,
    is_remote,
    make_folder,
    parquet_file,
    remove_tree,
    scratch_of,
    write_parquet,
)
from mosdata.manifests.schema import SCHEMA_VERSION, ratings_schema
from mosdata.manifests.store import (
    FORMAT,
    DataFile,
    Dataset,
    content_id,
    describe_file,
    open_dataset,
    seal,
    write_manifest,
)

QUARANTINE_SCHEMA: Final = pa.schema(
    [(name, pa.string()) for name in Rejection.__dataclass_fields__]
)


RATINGS_GROUP_ROWS: Final = 1 << 16
"""Scores in a row group of a set that is written at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingSet:
    """Scores that come along with the clips they are of.

    Args:
        name: of the set.
        table: columns of ``mosdata.manifests.schema.RATINGS``.
        about: what the manifest says of the set besides.
    """

    name: str
    table: pa.Table
    about: dict[str, JSON] = field(default_factory=dict)


def commit_clips(
    run: Path,
    out: Path,
    plan: Plan,
    receipts: Sequence[Receipt],
    *,
    provenance: dict[str, JSON],
    parent: Dataset | None = None,
    keeps_parent: bool = False,
    ratings: RatingSet | None = None,
    report: bool = True,
) -> None:
    """Put a finished run's clips into place as one dataset folder.

    Args:
        run: the run folder; its attempts are removed at the end.
        out: the dataset folder; absent, or empty.
        plan: what was asked for.
        receipts: one per shard, in plan order, each verified.
        provenance: engines, licences and versions.
        parent: the dataset that this one was made from, if any.
        keeps_parent: whether all clips of the parent are in this one too; their ratings come
            along.
        ratings: scores of these clips, put into place with them.
        report: whether a build gets its page for people.
    """
    # An object store cannot rename: there the files go where they stay, the manifest last of all.
    stage = out if is_remote(out) else run / f"commit-{uuid.uuid4().hex[:12]}"
    make_folder(stage / "data")
    files = _link_data(run, stage, plan, receipts)
    rejections = [rejection for receipt in receipts for rejection in receipt.rejections]
    if parent and keeps_parent:
        rejections = [*_rated_elsewhere(parent), *rejections]
    manifest = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "created_by": f"mosdata {__version__}",
        "stage": plan.spec.name,
        "plan_id": plan.plan_id,
        "config": plan.spec.config,
        "parent": None
        if parent is None
        else {"dataset_id": parent.dataset_id, "content_id": parent.content_id},
        "class_names": list(plan.spec.class_names),
        "sample_rate_hz": plan.spec.sample_rate_hz,
        "content_id": content_id(receipt.content_sum for receipt in receipts),
        "num_rows": sum(file.rows for file in files),
        "duration_s": sum(receipt.duration_s for receipt in receipts),
        "data": [asdict(file) for file in files],
        "quarantine": write_quarantine(stage, rejections),
        "ratings": [
            *(_link_ratings(parent, stage) if parent and keeps_parent else []),
            *([_write_ratings(stage, ratings)] if ratings else []),
        ],
        "split_sets": (
            hand_down_split_sets(parent, stage, keeps_parent=keeps_parent) if parent else []
        ),
    }
    if plan.spec.name == "build":
        manifest["checks"] = write_checks(Dataset(stage, seal(manifest)), stage)
    dataset = Dataset(stage, seal(manifest))
    provenance = with_sound_findings(provenance, dataset)
    write_json(stage / "provenance.json", provenance)
    write_card(dataset, provenance)
    if report and plan.spec.name == "build":
        write_build_report(dataset)
    write_manifest(stage, manifest)
    if is_remote(out):
        discard_attempts(run)
        return
    sync_folder(stage)
    os.rename(stage, out)  # noqa: PTH104 - the atomic step, spelled as what it is
    sync_folder(out.parent)
    discard_attempts(run)


def commit_ratings(
    run: Path, out: Path, plan: Plan, receipts: Sequence[Receipt], *, name: str
) -> None:
    """Add a finished set of ratings to its dataset; the clips are not touched."""
    rejections = [rejection for receipt in receipts for rejection in receipt.rejections]
    files = [run / receipt.file for receipt in receipts if receipt.file]
    add_ratings(
        out,
        name=name,
        files=files,
        about={"plan_id": plan.plan_id, "config": plan.spec.config},
        rejections=rejections,
    )
    discard_attempts(run)


def add_ratings(
    out: Path,
    *,
    name: str,
    files: Sequence[Path],
    about: dict[str, JSON],
    rejections: Sequence[Rejection] = (),
) -> None:
    """Put rating files into a dataset as one set, and name them in its manifest, last of all.

    Until the manifest names it, a set does not exist for readers; a set of the same name that
    an interrupted run left behind is replaced.
    """
    dataset = open_dataset(out)
    for left in (
        () if is_remote(out) else out.glob(".ratings-*")
    ):  # by a run that was killed; its lock is ours now
        shutil.rmtree(left, ignore_errors=True)
    place = out / "ratings" / name
    stage = place if is_remote(out) else out / f".ratings-{uuid.uuid4().hex[:12]}"
    if is_remote(out):
        remove_tree(place)
    make_folder(stage)
    names = (f"part-{number:05d}-of-{len(files):05d}.parquet" for number in range(len(files)))
    _link_all((source, stage / named) for source, named in zip(files, names, strict=True))
    if not is_remote(out):
        place.parent.mkdir(exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        stage.rename(place)
    entry = _ratings_entry(out, name, about, rejections)
    others = [ratings for ratings in dataset.manifest["ratings"] if ratings["name"] != name]
    write_manifest(out, {**dataset.manifest, "ratings": [*others, entry]})
    write_card(open_dataset(out))


def _ratings_entry(
    folder: Path, name: str, about: dict[str, JSON], rejections: Sequence[Rejection] = ()
) -> dict[str, Any]:
    """What the manifest says of a set whose files are in place."""
    place = folder / "ratings" / name
    listed = [
        asdict(describe_file(folder, path, split="all", rows=parquet_file(path).metadata.num_rows))
        for path in sorted(place.glob("*.parquet"))
    ]
    return {
        **about,
        "name": name,
        "kinds": _kinds(place),
        "files": listed,
        "rejected": [asdict(rejection) for rejection in rejections],
    }


def _write_ratings(stage: Path, ratings: RatingSet) -> dict[str, Any]:
    """Scores as one file of the set; returns its entry of the manifest."""
    path = stage / "ratings" / ratings.name / "part-00000-of-00001.parquet"
    make_folder(path.parent)
    table = ratings.table.cast(ratings_schema())
    write_parquet(table, path, compression="zstd", row_group_size=RATINGS_GROUP_ROWS)
    sync_file(path)
    return _ratings_entry(stage, ratings.name, ratings.about)


def discard_attempts(run: Path) -> None:
    """Remove what only the run needed. All receipts exist, so no late worker can still win."""
    for name in ("attempts", "wip"):
        remove_tree(run / name)
    if is_remote(run):
        remove_tree(scratch_of(run))
        return
    for left in run.glob("commit-*"):
        shutil.rmtree(left, ignore_errors=True)


def _link_data(run: Path, stage: Path, plan: Plan, receipts: Sequence[Receipt]) -> list[DataFile]:
    """Each shard's file under its final name: numbered within its split, in plan order."""
    made = [
        (shard.split, receipt)
        for shard, receipt in zip(plan.shards, receipts, strict=True)
        if receipt.file
    ]
    totals = Counter(split for split, _ in made)
    seen: Counter[str] = Counter()
    files, links = [], []
    for split, receipt in made:
        assert receipt.file is not None
        name = f"{split}-{seen[split]:05d}-of-{totals[split]:05d}.parquet"
        seen[split] += 1
        links.append((run / receipt.file, stage / "data" / name))
        files.append(
            DataFile(
                path=f"data/{name}",
                split=split,
                rows=receipt.num_rows,
                bytes=receipt.num_bytes,
                sha256=receipt.sha256,
            )
        )
    _link_all(links)
    sync_folder(stage / "data")
    return files


def _link_ratings(parent: Dataset, stage: Path) -> list[Any]:
    """The parent's sets of ratings, as they are; returns their entries of the manifest."""
    paths = [file["path"] for entry in parent.manifest["ratings"] for file in entry["files"]]
    for path in paths:
        make_folder((stage / path).parent)
    _link_all((parent.folder / path, stage / path) for path in paths)
    return list(parent.manifest["ratings"])


def _rated_elsewhere(parent: Dataset) -> list[Rejection]:
    """What the parent put aside and has scores of: they come along, and so does the reason."""
    rows = parent.quarantined() if parent.manifest["ratings"] else []
    if not rows:
        return []
    rated: set[str] = set()
    for path in parent.rating_files:
        with parquet_file(path) as reader:
            rated.update(reader.read(columns=["clip_id"])["clip_id"].unique().to_pylist())
    return [Rejection(**row) for row in rows if row["record_id"] in rated]


def _link_all(pairs: Iterable[tuple[Path, Path]]) -> None:
    """Many files under other names; where each is a request, several at a time."""
    links = list(pairs)
    if links and is_remote(links[0][1]):
        each_at_once(copy, links)
        return
    for source, target in links:
        _link(source, target)


def _link(source: Path, target: Path) -> None:
    """A hard link where the filesystem has them (the attempt goes soon), else a copy."""
    try:
        os.link(source, target)
    except (OSError, TypeError):  # TypeError: the source is on an object store
        copy(source, target)
        sync_file(target)


def write_quarantine(stage: Path, rejections: Iterable[Rejection]) -> list[dict[str, Any]]:
    """Rejected records as one file, in plan order; returns its entry of the manifest."""
    rows = [asdict(rejection) for rejection in rejections]
    if not rows:
        return []
    path = stage / "quarantine" / "quarantine-00000-of-00001.parquet"
    make_folder(path.parent)
    write_parquet(pa.Table.from_pylist(rows, QUARANTINE_SCHEMA), path, compression="zstd")
    sync_file(path)
    entry = {"path": path.relative_to(stage).as_posix(), "rows": len(rows)}
    return [{**entry, "bytes": path.stat().st_size, "sha256": sha256_file(path)}]


def _kinds(place: Path) -> dict[str, list[str]]:
    """Dimensions by kind that a set of rating files holds."""
    found: dict[str, set[str]] = {}
    for path in place.glob("*.parquet"):
        with parquet_file(path) as reader:
            table = reader.read(columns=["kind", "dimension"])
        pairs = table.group_by(["kind", "dimension"])
        for row in pairs.aggregate([]).to_pylist():
            found.setdefault(row["kind"], set()).add(row["dimension"])
    return {kind: sorted(dimensions) for kind, dimensions in sorted(found.items())}
