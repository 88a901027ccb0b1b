"""``publish``: a verified copy of a dataset that can be handed to anybody.

Beside what every dataset has, the copy holds the licences (``LICENSE.md``), how to cite it
(``CITATION.cff``), the figures of the card and ``checksums.sha256``. Its Parquet files are of
even size. The same dataset gives the same bytes, but for what people write into the card.
"""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mosdata.builders import recut
from mosdata.builders.arrow_copy import INDEX_NAME, write_arrow
from mosdata.builders.card_plots import PLOTS_FOLDER
from mosdata.builders.finish import Progress
from mosdata.builders.ground import check_space
from mosdata.builders.licences import strictest_terms
from mosdata.builders.papers import REWRITTEN, write_checksums, write_papers
from mosdata.builders.verify import (
    CHECKSUMS_NAME,
    PAPERS,
    listed_problems,
    refuse_damaged,
    verify_content,
    verify_dataset,
    verify_files,
)
from mosdata.errors import DamagedDataset, OutputConflict, UsageError
from mosdata.manifests.durable import sync_folder
from mosdata.manifests.store import (
    MANIFEST_NAME,
    Dataset,
    file_entries,
    open_dataset,
    write_manifest,
)

CLOSED_TERMS: Final = ("unknown", "restricted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published, where, and under which terms."""

    folder: Path
    dataset_id: str
    content_id: str
    num_files: int
    num_bytes: int
    output_terms: str
    license: str
    was_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What publishing would make: files and bytes of each split, terms, and what is in the way."""

    files_by_split: Mapping[str, int]
    num_rows: int
    num_bytes: int
    output_terms: str
    closed_systems: tuple[str, ...]


def outlook(dataset: Dataset, *, arrow: bool = False) -> Outlook:
    """What :func:`publish` would do; nothing is written and no checksum is computed."""
    sizes: Counter[str] = Counter()
    for file in dataset.files:
        sizes[file.split] += file.bytes
    num_bytes = sum(entry["bytes"] for entry in file_entries(dataset.manifest))
    terms = _terms_of(dataset)
    return Outlook(
        files_by_split={split: recut.num_files_for(sizes[split]) for split in dataset.splits},
        num_rows=dataset.num_rows,
        num_bytes=num_bytes * (1 + arrow),
        output_terms=strictest_terms({term for _, term, _ in terms}),
        closed_systems=tuple(_closed(terms)),
    )


def publish(
    dataset: Dataset,
    out: Path,
    *,
    accept_terms: bool = False,
    arrow: bool = False,
    replace: bool = False,
    workers: int = 1,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Published:
    """Copy a dataset with its card and ``checksums.sha256`` (``sha256sum -c`` reads it).

    Args:
        dataset: what to publish; every file, row and sample is checked first.
        out: folder to make; absent or empty, or an earlier copy of the same dataset.
        accept_terms: publish although the terms of some clips are not open.
        arrow: whether to add the clips in Arrow files for ``load_from_disk``.
        replace: make a copy anew that other ratings or another dataset went into; for places
            that are ours.
        workers: processes that check the rows.
        on_progress: called while they do.

    Raises:
        DamagedDataset: the dataset is not what its manifest says.
        UsageError: the terms of some clips are restricted or unknown.
        OutputConflict: ``out`` holds something else.
    """
    _check_papers(dataset)
    terms = _terms_of(dataset)
    _check_terms(terms, accepted=accept_terms)
    if replace and _is_outdated(dataset, out):
        shutil.rmtree(out)
    complete = _same_already(dataset, out, arrow=arrow)
    refuse_damaged(dataset, verify_dataset(dataset, workers=workers, on_progress=on_progress))
    if complete:
        _check_copy(open_dataset(out))
    else:
        _make(dataset, out, arrow=arrow)
    licence = write_papers(out, dataset)
    write_checksums(out)
    copied = open_dataset(out)
    entries = list(file_entries(copied.manifest))
    return Published(
        folder=out,
        dataset_id=copied.dataset_id,
        content_id=copied.content_id,
        num_files=len(entries),
        num_bytes=sum(entry["bytes"] for entry in entries),
        output_terms=strictest_terms({term for _, term, _ in terms}),
        license=licence,
        was_complete=complete,
    )


def _check_papers(dataset: Dataset) -> None:
    """Nobody should get clips without their card and their origin."""
    for name in PAPERS:
        if not (dataset.folder / name).is_file():
            raise DamagedDataset(
                f"{dataset.folder} has no {name}. Make the dataset again, or copy it again from "
                "its source."
            )


Terms = Counter[tuple[str, str, str]]
"""Clips by system, output terms and licence."""


def _terms_of(dataset: Dataset) -> Terms:
    table = dataset.table(["system", "output_terms", "license"])
    columns = [table[name].to_pylist() for name in ("system", "output_terms", "license")]
    return Counter(zip(*columns, strict=True))


def _closed(terms: Terms) -> list[str]:
    """Systems whose sound may not be handed on, or nobody knows; each in a few words."""
    return [
        f"{system} ({term}, licence {license_id or 'unknown'}, {count:,} clips)"
        for (system, term, license_id), count in sorted(terms.items())
        if strictest_terms([term]) in CLOSED_TERMS
    ]


def _check_terms(terms: Terms, *, accepted: bool) -> None:
    closed = _closed(terms)
    if closed and not accepted:
        raise UsageError(
            "The output terms of some systems forbid publishing, or nobody declared them: "
            f"{'; '.join(closed)}. Read their terms, leave these systems out, or give "
            "--accept-terms to publish all the same."
        )


def _same_already(dataset: Dataset, out: Path, *, arrow: bool) -> bool:
    """Whether ``out`` is a copy of this dataset, with all that was asked for.

    Raises:
        OutputConflict: it is something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if (out / MANIFEST_NAME).is_file() and out.resolve() != dataset.folder.resolve():
        before = open_dataset(out).manifest
        if _origin(before) == _origin(dataset.manifest) and (arrow <= (out / INDEX_NAME).is_file()):
            return True
        if _clips_origin(before) == dataset.dataset_id:
            raise OutputConflict(
                f"{out} holds these clips with other ratings or split sets, or without Arrow "
                "files; nothing was touched. Choose another --out, or remove that folder first."
            )
    raise OutputConflict(f"{out} holds something else; nothing was touched. Choose another --out.")


def _is_outdated(dataset: Dataset, out: Path) -> bool:
    """Whether ``out`` is a copy, but not of this dataset with these ratings."""
    if not (out / CHECKSUMS_NAME).is_file():
        return False
    return _origin(open_dataset(out).manifest) != _origin(dataset.manifest)


def _check_copy(copied: Dataset) -> None:
    """Refuse to vouch anew for what was damaged since; people may edit the papers, though."""
    verify_files(copied)
    damaged = [
        problem
        for problem in listed_problems(copied)
        if problem.path not in REWRITTEN and not problem.path.startswith(f"{PLOTS_FOLDER}/")
    ]
    if damaged:
        raise DamagedDataset(
            f"{copied.folder}: {'; '.join(map(str, damaged))}. Remove that folder; publish again."
        )


def _clips_origin(manifest: Mapping[str, Any]) -> str:
    """The dataset whose clips these are, whether their files were cut anew or not."""
    return str(manifest.get("cut_from", manifest)["dataset_id"])


def _origin(manifest: Mapping[str, Any]) -> tuple[str, list[tuple[str, list[str]]]]:
    """The dataset whose clips these are, and what was added to it later."""
    added = [
        (entry["name"], entry.get("cut_from") or [file["sha256"] for file in entry["files"]])
        for entry in (*manifest["ratings"], *manifest.get("split_sets", []))
    ]
    return _clips_origin(manifest), added


def _make(dataset: Dataset, out: Path, *, arrow: bool) -> None:
    """Put the copy together in a folder beside, then rename."""
    num_bytes = sum(entry["bytes"] for entry in file_entries(dataset.manifest))
    check_space(out.parent, num_bytes * (1 + arrow))
    out.parent.mkdir(parents=True, exist_ok=True)
    stage = out.with_name(f".{out.name}.{uuid.uuid4().hex[:12]}.partial")
    try:
        _fill(dataset, stage)
        copied = open_dataset(stage)
        verify_files(copied)
        verify_content(copied)
        if arrow:
            write_arrow(copied, stage)
        write_papers(stage, dataset)
        write_checksums(stage)
        stage.rename(out)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    sync_folder(out.parent)


def _fill(dataset: Dataset, stage: Path) -> None:
    """Clips in even files, ratings, and the rest as it is; the manifest last."""
    splits = list(dict.fromkeys(file.split for file in dataset.files))
    data = [asdict(file) for split in splits for file in recut.place_split(dataset, split, stage)]
    ratings = [recut.place_ratings(dataset, entry, stage) for entry in dataset.manifest["ratings"]]
    placed = {file["path"] for file in dataset.manifest["data"]}
    placed |= {file["path"] for entry in dataset.manifest["ratings"] for file in entry["files"]}
    for entry in file_entries(dataset.manifest):
        if entry["path"] not in placed:
            recut.copy_file(dataset.folder / entry["path"], stage / entry["path"])
    recut.copy_file(dataset.folder / "provenance.json", stage / "provenance.json")
    manifest = {**dataset.manifest, "data": data, "ratings": ratings}
    if data != dataset.manifest["data"]:
        manifest["cut_from"] = {"dataset_id": dataset.dataset_id}
    write_manifest(stage, manifest)
