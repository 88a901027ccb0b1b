"""Whether a dataset on disk is what its manifest says: every file, row, sample and score.

``verify_dataset`` finds all that is wrong and lists it; ``verify_files`` and ``verify_content``
stop at the first fault, for callers that only need to know whether they may go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mosdata.builders.finish import Progress
from mosdata.builders.verify_ratings import check_ratings
from mosdata.builders.verify_rows import RowFindings, RowTask, check_rows, row_tasks
from mosdata.errors import BuildFailed, DamagedDataset, InvalidValue, MosdataError
from mosdata.manifests.durable import sha256_file
from mosdata.manifests.places import parquet_file, place_of, stays_inside
from mosdata.manifests.schema import SCHEMA_VERSION
from mosdata.manifests.store import (
    CONTENT_COLUMNS,
    CONTENT_MODULUS,
    MANIFEST_NAME,
    REPORT_NAME,
    Dataset,
    content_id,
    content_sum,
    file_entries,
    open_dataset,
)

CHECKSUMS_NAME: Final = "checksums.sha256"
PAPERS: Final = ("README.md", "provenance.json")
MAX_NAMED: Final = 5
"""Files that a note or a short message names; the list of problems names all of them."""

ROWS_WORTH_PROCESSES: Final = 2_000
"""Below, starting a worker takes longer than checking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as the manifest says: the file, relative to the dataset, and how."""

    path: str
    says: str

    def __str__(self) -> str:
        return f"{self.path} {self.says}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what is wrong with it; ``notes`` are odd, but allowed."""

    num_files: int
    num_rows: int
    num_decoded: int
    num_ratings: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def open_to_verify(folder: Path | str) -> Dataset:
    """Open a dataset; one that a newer mosdata wrote is named as such.

    Raises:
        NothingFound: there is no dataset.
        DamagedDataset: its manifest cannot be read, or is of a version that this one cannot read.
    """
    try:
        return open_dataset(folder)
    except DamagedDataset as error:
        version = _version_of(place_of(folder) / MANIFEST_NAME)
        if version.isdigit() and int(version) > int(SCHEMA_VERSION):
            raise DamagedDataset(
                f"{folder} has schema version {version}: a newer mosdata wrote it. This one reads "
                f"version {SCHEMA_VERSION}; pip install --upgrade mosdata."
            ) from error
        raise


def verify_dataset(
    dataset: Dataset,
    *,
    quick: bool = False,
    workers: int = 1,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Verified:
    """Check a dataset against its manifest, and itself; everything that is wrong is listed.

    Args:
        dataset: what to check; its manifest is taken as the truth.
        quick: do not decode the audio; its headers are still compared with the rows.
        workers: processes; 1 stays in this one.
        on_progress: called with the number of rows that were looked at.

    Raises:
        InvalidValue: fewer than one worker.
        BuildFailed: a worker died.
    """
    if workers < 1:
        raise InvalidValue("--workers", workers, "1 or more")
    entries = list(file_entries(dataset.manifest))
    problems = [
        Problem(path=entry["path"], says=says)
        for entry in entries
        if (says := _problem(dataset.folder / entry["path"], entry))
    ]
    rows = _Rows(dataset, workers=workers, quick=quick, on_progress=on_progress)
    problems += rows.problems
    rejected = _quarantined(dataset)
    ratings = check_ratings(dataset, known=rows.places, rejected=rejected)
    problems += [Problem(path=path, says=says) for path, says in ratings.problems]
    problems += _split_set_problems(dataset)
    problems += listed_problems(dataset)
    return Verified(
        num_files=len(entries),
        num_rows=len(rows.places),
        num_decoded=rows.num_decoded,
        num_ratings=ratings.num_ratings,
        problems=tuple(problems),
        notes=(*rows.notes(rejected), *ratings.notes, *_strangers(dataset)),
    )


def refuse_damaged(dataset: Dataset, verified: Verified) -> None:
    """Stop where something is wrong.

    Raises:
        DamagedDataset: names the first problems, and how many more there are.
    """
    if verified.is_sound:
        return
    shown = "; ".join(map(str, verified.problems[:MAX_NAMED]))
    more = len(verified.problems) - MAX_NAMED
    rest = f"; and {more} more ('mosdata verify' lists them)" if more > 0 else ""
    raise DamagedDataset(
        f"{dataset.folder} is not what its manifest says: {shown}{rest}. Make the dataset again, "
        "or copy it again from its source."
    )


def verify_files(dataset: Dataset) -> int:
    """Check size, checksum and row count of every file; returns how many there are.

    Raises:
        DamagedDataset: names the first file that differs, and how.
    """
    entries = list(file_entries(dataset.manifest))
    for entry in entries:
        path = dataset.folder / entry["path"]
        problem = _problem(path, entry)
        if problem:
            raise DamagedDataset(
                f"{path} {problem}. Make the dataset again, or copy it again from its source."
            )
    return len(entries)


def verify_content(dataset: Dataset) -> None:
    """Recompute the content digest from the rows themselves.

    Raises:
        DamagedDataset: the rows are not those that the manifest was written for.
    """
    found = content_id([content_sum(dataset.utterances(columns=CONTENT_COLUMNS))])
    if found != dataset.content_id:
        raise DamagedDataset(
            f"The rows of {dataset.folder} have content id {found}; "
            f"the manifest says {dataset.content_id}."
        )


def read_checksums(path: Path) -> Iterator[tuple[str, str]]:
    """Name and checksum of each line, as ``sha256sum`` writes them."""
    for line in path.read_text(encoding="utf-8").splitlines():
        checksum, _, name = line.partition("  ")
        yield name, checksum


class _Rows:
    """What the rows of all files say, put together."""

    def __init__(
        self,
        dataset: Dataset,
        *,
        workers: int,
        quick: bool,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.problems: list[Problem] = []
        self.places: dict[str, str] = {}
        self.num_decoded = 0
        self._parents: dict[str, str] = {}
        self._sum = 0
        self._dataset = dataset
        tasks = row_tasks(dataset, quick=quick)
        total, done = sum(task.num_rows for task in tasks), 0
        on_progress(_progress(total, 0))
        for task, found in zip(tasks, _checked(tasks, workers), strict=True):
            self._add(task, found)
            done += task.num_rows
            on_progress(_progress(total, done))
        self._compare()

    def _add(self, task: RowTask, found: RowFindings) -> None:
        self.problems += [Problem(path=task.path, says=says) for says in found.problems]
        self._sum = (self._sum + found.content_sum) % CONTENT_MODULUS
        self.num_decoded += found.num_decoded
        self._parents.update(found.parents)
        for clip_id in found.ids:
            if clip_id in self.places:
                says = f"has clip {clip_id} again, which is in {self.places[clip_id]} already"
                self.problems.append(Problem(path=task.path, says=says))
            self.places[clip_id] = task.path

    def _compare(self) -> None:
        """The digest of all rows; and parents that nobody declared to be elsewhere."""
        dataset = self._dataset
        found = content_id([self._sum])
        if found != dataset.content_id:
            says = f"has content id {dataset.content_id}; the rows have {found}"
            self.problems.append(Problem(path=MANIFEST_NAME, says=says))
        if dataset.manifest.get("parent") is None:
            self.problems += [
                Problem(
                    path=self.places[child],
                    says=f"has clip {child}, whose parent {parent} is not in the dataset; the "
                    "manifest names no other dataset that it could be in",
                )
                for child, parent in self._parents.items()
                if parent not in self.places
            ]

    def notes(self, rejected: set[str]) -> list[str]:
        """Parents in the dataset that this one was made from are allowed, and counted."""
        if self._dataset.manifest.get("parent") is None:
            return []
        missing = {parent for parent in self._parents.values() if parent not in self.places}
        away = len(missing - rejected)
        source = self._dataset.manifest["parent"].get("dataset_id", "")
        return [f"{away} parents of clips are in dataset {source[:8]} only"] if away else []


def _checked(tasks: Sequence[RowTask], workers: int) -> Iterator[RowFindings]:
    if workers == 1 or sum(task.num_rows for task in tasks) < ROWS_WORTH_PROCESSES:
        yield from map(check_rows, tasks)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # Spawned, because Arrow's threads do not survive a fork.
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(check_rows, tasks)
        except BrokenProcessPool as error:
            raise BuildFailed(
                "A process that was checking rows died; there may be too little memory. "
                "Try again with --workers 1."
            ) from error


def _progress(total: int, done: int) -> Progress:
    return Progress(num_records=total, num_done=done, num_rejected=0, duration_s=0.0)


def _problem(path: Path, entry: Mapping[str, Any]) -> str:
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != entry["bytes"]:
        return f"has {path.stat().st_size} bytes; the manifest says {entry['bytes']}"
    if sha256_file(path) != entry["sha256"]:
        return "does not match its checksum"
    if path.suffix == ".parquet" and parquet_file(path).metadata.num_rows != entry["rows"]:
        return f"does not have {entry['rows']} rows"
    return ""


def _quarantined(dataset: Dataset) -> set[str]:
    """Ids of the records that could not be made; a file that cannot be read is named elsewhere."""
    found: set[str] = set()
    for entry in dataset.manifest.get("quarantine", []):
        try:
            found |= {*parquet_file(dataset.folder / entry["path"]).read()["record_id"].to_pylist()}
        except (OSError, ValueError, KeyError):
            continue
    return found


def _split_set_problems(dataset: Dataset) -> Iterator[Problem]:
    """Split sets that cannot be read, or leave out clips."""
    for entry in dataset.manifest.get("split_sets", []):
        folds = entry["rule"].get("shares") is None
        name = f"{entry['name']}:{entry['parts'][0]}" if folds else entry["name"]
        read = dataset.split_set if entry["rows"] == "clips" else dataset.rating_split_set
        try:
            read(name)
        except (MosdataError, LookupError, ValueError, TypeError) as error:
            yield Problem(path=entry["files"][0]["path"], says=f"is no split set: {error}")


def listed_problems(dataset: Dataset) -> list[Problem]:
    """What is wrong with files that ``checksums.sha256`` lists, beside those of the manifest."""
    path = dataset.folder / CHECKSUMS_NAME
    if not path.is_file():
        return []
    sums = {entry["path"]: entry["sha256"] for entry in file_entries(dataset.manifest)}
    return [
        Problem(path=name, says=says)
        for name, checksum in read_checksums(path)
        if (says := _listed_problem(dataset.folder, name, checksum, sums.get(name)))
    ]


def _listed_problem(folder: Path, name: str, checksum: str, in_manifest: str | None) -> str:
    if not stays_inside(folder, name):
        return f"is named by {CHECKSUMS_NAME} and lies outside the dataset"
    if in_manifest is not None:
        same = checksum == in_manifest
        return "" if same else f"has another checksum in {CHECKSUMS_NAME} than in the manifest"
    if not (folder / name).is_file():
        return f"is missing; {CHECKSUMS_NAME} names it"
    if sha256_file(folder / name) == checksum:
        return ""
    return (
        f"does not match {CHECKSUMS_NAME}; where it was edited by hand, 'mosdata publish' to the "
        "same place writes its checksum anew"
    )


def _strangers(dataset: Dataset) -> list[str]:
    """A note on files that neither the manifest nor ``checksums.sha256`` names."""
    folder = dataset.folder
    known = {entry["path"] for entry in file_entries(dataset.manifest)}
    known |= {*PAPERS, MANIFEST_NAME, CHECKSUMS_NAME, REPORT_NAME}
    if (folder / CHECKSUMS_NAME).is_file():
        known |= {name for name, _ in read_checksums(folder / CHECKSUMS_NAME)}
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    strange = sorted(name for name in names if name not in known)
    if not strange:
        return []
    shown = ", ".join(strange[:MAX_NAMED]) + (", ..." if len(strange) > MAX_NAMED else "")
    return [f"{len(strange)} files are not part of the dataset and were not looked at: {shown}"]


def _version_of(path: Path) -> str:
    import json

    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("schema_version"))
    except (AttributeError, OSError, ValueError):
        return ""
