"""``publish``: a verified copy of a dataset that can be handed to anybody."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mosdata.builders.card import strictest_terms
from mosdata.builders.run import check_space
from mosdata.builders.verify import verify_content, verify_files
from mosdata.errors import DamagedDataset, OutputConflict, UsageError
from mosdata.manifests.durable import sha256_file, sync_file, sync_folder, write_text
from mosdata.manifests.store import MANIFEST_NAME, Dataset, file_entries, open_dataset

CHECKSUMS_NAME: Final = "checksums.sha256"
PAPERS: Final = ("README.md", "provenance.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published, where, and under which terms."""

    folder: Path
    dataset_id: str
    num_files: int
    num_bytes: int
    output_terms: str
    was_complete: bool


def publish(dataset: Dataset, out: Path, *, accept_terms: bool = False) -> Published:
    """Copy a dataset with its card and ``checksums.sha256`` (``sha256sum -c`` reads it).

    Args:
        dataset: what to publish; every file and row is checked first.
        out: folder to make; absent or empty, or an earlier copy of the same dataset.
        accept_terms: publish although the terms of some clips are not open.

    Raises:
        DamagedDataset: the dataset is not what its manifest says.
        UsageError: the terms of some clips are restricted or unknown.
        OutputConflict: ``out`` holds something else.
    """
    _check_papers(dataset)
    verify_files(dataset)
    verify_content(dataset)
    terms = strictest_terms(dataset.table(["output_terms"])["output_terms"].unique().to_pylist())
    if terms in ("unknown", "restricted") and not accept_terms:
        raise UsageError(
            f"The output terms of some clips are {terms}; the card lists them by system. "
            "Read them, and give --accept-terms to publish all the same."
        )
    complete = _same_already(dataset, out)
    if not complete:
        _copy(dataset, out)
    copied = open_dataset(out)
    num_files = verify_files(copied)
    return Published(
        folder=out,
        dataset_id=dataset.dataset_id,
        num_files=num_files,
        num_bytes=sum(entry["bytes"] for entry in file_entries(copied.manifest)),
        output_terms=terms,
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


def _same_already(dataset: Dataset, out: Path) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if (out / MANIFEST_NAME).is_file() and open_dataset(out).manifest == dataset.manifest:
        return True
    raise OutputConflict(f"{out} holds something else; nothing was touched. Choose another --out.")


def _copy(dataset: Dataset, out: Path) -> None:
    """Copy what the manifest vouches for into a folder beside, then rename."""
    entries = [entry["path"] for entry in file_entries(dataset.manifest)]
    check_space(out.parent, sum(entry["bytes"] for entry in file_entries(dataset.manifest)))
    out.parent.mkdir(parents=True, exist_ok=True)
    stage = out.with_name(f".{out.name}.{uuid.uuid4().hex[:12]}.partial")
    lines = []
    try:
        for name in [*entries, *PAPERS, MANIFEST_NAME]:
            target = stage / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(dataset.folder / name, target)
            sync_file(target)
            lines.append(f"{sha256_file(target)}  {name}\n")
        write_text(stage / CHECKSUMS_NAME, "".join(sorted(lines)))
        stage.rename(out)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    sync_folder(out.parent)
