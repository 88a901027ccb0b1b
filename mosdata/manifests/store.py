"""The dataset on disk: the one door between what is built and what is learnt.

::

    OUT/
      README.md               card; its YAML names the data files for load_dataset
      mosdata.json            manifest: written last, so its existence means the rest is whole
      provenance.json         engines, revisions, licences, library versions
      data/<split>-*.parquet  clips, audio inside
      ratings/<set>/*.parquet scores; a set is one run of ``label`` or one ratings file
      splits/<set>.parquet    other ways to deal out the clips, by ``splits make``
      report.html             of a build: counts, flags, clips to listen to; no part of the dataset
      checks/*.parquet        what only shows in all clips of a build together
      quarantine/*.parquet    records that could not be made, each with its reason
    OUT.run/                  plan, receipts and progress of the run that made it; may be deleted

Everything is plain Parquet: pandas, pyarrow, DuckDB, polars and ``datasets`` read it as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from mosdata.errors import DamagedDataset, InvalidValue, NothingFound
from mosdata.manifests.durable import sha256_file, sync_file, sync_folder, write_json
from mosdata.manifests.groups import whole
from mosdata.manifests.ids import canonical_json
from mosdata.manifests.places import (
    AT_ONCE,
    file_exists,
    is_remote,
    parquet_file,
    place_of,
    reaching,
    stays_inside,
)
from mosdata.manifests.rows import Rating, Utterance
from mosdata.manifests.schema import (
    CHECKS,
    FENCES,
    RATINGS,
    READABLE_VERSIONS,
    class_names_of,
    side_schema,
    utterances_from,
    with_added_columns,
)
from mosdata.manifests.split_sets import follow_sources, set_splits, split_set_entry
from mosdata.manifests.splits import SPLITS

MANIFEST_NAME: Final = "mosdata.json"
FORMAT: Final = "mosdata-dataset"
CHECKS_NAME: Final = "checks/clips.parquet"
REPORT_NAME: Final = "report.html"
"""For people; beside a build, and no part of it."""

FENCES_NAME: Final = "checks/fences.parquet"
ROW_GROUP_ROWS: Final = 128
PAGE_STEP_ROWS: Final = 8
"""How often a page is asked whether it has its megabyte: whoever looks a clip up in the index of
pages reads that much, and no whole row group."""

"""Rows in a row group: small enough to fetch one clip cheaply, large enough to scan."""

CONTENT_DIGEST_BYTES: Final = 32
CONTENT_MODULUS: Final = 1 << (8 * CONTENT_DIGEST_BYTES)
ADDED_LATER: Final = ("ratings", "split_sets")
"""Parts of the manifest that ``dataset_id`` does not cover."""

LABEL_COLUMNS: Final = ("synthesizer", "system", "text", "sentence", "parent_id")
CONTENT_COLUMNS: Final = ("id", "pcm_sha256", *LABEL_COLUMNS, "mos", "mos_scale", "corruptions")
"""What ``content_sum`` looks at; the audio is in it by its own checksum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One Parquet file of a dataset, as the manifest lists it."""

    path: str
    split: str
    rows: int
    bytes: int
    sha256: str


class ParquetRows:
    """A Parquet file that grows batch by batch; audio is stored as it is, the rest as zstd."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self._writer = pq.ParquetWriter(path, schema, **writer_options(schema))

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Append a row group."""
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)

    def close(self) -> None:
        """Finish the file and push it to the disk."""
        self._writer.close()
        sync_file(self.path)
        sync_folder(self.path.parent)


def writer_options(schema: pa.Schema) -> dict[str, Any]:
    """How Parquet files of ours are written: audio as it is, everything else as zstd."""
    leaves = [path for field in schema for path in _leaves(field.name, field.type)]
    blobs = [leaf for leaf in leaves if leaf == "audio.bytes"]
    return {
        "compression": {leaf: "NONE" if leaf in blobs else "ZSTD" for leaf in leaves},
        "use_dictionary": [leaf for leaf in leaves if leaf not in blobs],
        "write_statistics": [leaf for leaf in leaves if leaf not in blobs],
        "write_page_index": True,
        "write_batch_size": PAGE_STEP_ROWS,
    }


def _leaves(name: str, kind: pa.DataType) -> list[str]:
    if pa.types.is_list(kind):
        return _leaves(f"{name}.list.element", kind.value_type)
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return [leaf for field in fields for leaf in _leaves(f"{name}.{field.name}", field.type)]
    return [name]


class Dataset:
    """A finished dataset folder, opened for reading.

    Example:
        >>> for row in open_dataset("out/build-1a2b3c").utterances("test"):  # doctest: +SKIP
        ...     print(row.id, row.system, row.clip().duration_s)
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.files = [DataFile(**entry) for entry in manifest["data"]]

    @property
    def dataset_id(self) -> str:
        """Digest of the manifest: same files, same id."""
        return str(self.manifest["dataset_id"])

    @property
    def content_id(self) -> str:
        """Digest of (id, samples, labels) of every clip, whatever the files and encoders."""
        return str(self.manifest["content_id"])

    @property
    def stage(self) -> str:
        """What made it: build, corrupt, import."""
        return str(self.manifest["stage"])

    @property
    def sample_rate_hz(self) -> int | None:
        """The one rate of all clips; None where each clip has its own."""
        rate = self.manifest["sample_rate_hz"]
        return None if rate is None else int(rate)

    @cached_property
    def schema(self) -> pa.Schema:
        """Schema of the clip table."""
        if not self.files:
            raise NothingFound(f"{self.folder} holds no clips.")
        path = self.folder / self.files[0].path
        with damage_named(path), parquet_file(path) as reader:
            return reader.schema_arrow

    @property
    def class_names(self) -> list[str]:
        """Names of the synthesizer classes, in the order of their indices."""
        return list(self.manifest["class_names"])

    @property
    def num_rows(self) -> int:
        """Number of clips."""
        return sum(file.rows for file in self.files)

    @property
    def splits(self) -> list[str]:
        """Splits that hold clips, in the usual order."""
        present = {file.split for file in self.files if file.rows}
        return [split for split in SPLITS if split in present] + sorted(present - {*SPLITS})

    def files_of(self, split: str | None = None) -> list[DataFile]:
        """Data files of one split, or of all."""
        return [file for file in self.files if split in (None, file.split)]

    def quarantined(self, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Records that could not be made, in plan order; some columns of them, or all."""
        rows: list[dict[str, Any]] = []
        for entry in self.manifest.get("quarantine", []):
            path = self.folder / entry["path"]
            with damage_named(path), parquet_file(path) as reader:
                rows += reader.read(columns=columns).to_pylist()
        return rows

    def table(self, columns: Sequence[str], split: str | None = None) -> pa.Table:
        """Some columns of all clips at once, with a ``split`` column added."""
        return pa.concat_tables(self.tables(columns, split))

    def tables(self, columns: Sequence[str], split: str | None = None) -> Iterator[pa.Table]:
        """The same file by file, for what need not be in memory together."""

        def one(file: DataFile) -> pa.Table:
            found = _read_columns(self.folder / file.path, columns)
            found = with_added_columns(found, columns)
            return found.append_column("split", pa.array([file.split] * file.rows, pa.string()))

        files = self.files_of(split)
        if not is_remote(self.folder):
            yield from map(one, files)
            return
        with ThreadPoolExecutor(AT_ONCE) as pool:  # waiting for answers is most of the work
            yield from pool.map(one, files)

    def utterances(
        self, split: str | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[Utterance]:
        """Rows in file order, one row group in memory at a time."""
        for file in self.files_of(split):
            path = self.folder / file.path
            with damage_named(path):
                reader = parquet_file(path)
            for group in range(reader.num_row_groups):
                with damage_named(path):
                    table = read_group(reader, group, columns)
                yield from utterances_from(table, self.class_names)

    def pick(self, ids: set[str]) -> Iterator[Utterance]:
        """Whole rows of some clips, in file order; audio that is not asked for is not read."""
        for file in self.files:
            path = self.folder / file.path
            with damage_named(path):
                reader = parquet_file(path)
            for group in range(reader.num_row_groups):
                with damage_named(path):
                    present = reader.read_row_group(group, columns=["id"])["id"].to_pylist()
                    rows = (
                        [] if ids.isdisjoint(present) else rows_of(reader, group, self.class_names)
                    )
                yield from (row for row in rows if row.id in ids)

    @property
    def rating_files(self) -> list[Path]:
        """Rating files that the manifest vouches for; anything else in the folder is ignored."""
        return [
            self.folder / file["path"]
            for ratings in self.manifest.get("ratings", [])
            for file in ratings["files"]
        ]

    def ratings(self) -> Iterator[Rating]:
        """All scores, set by set."""
        for path in self.rating_files:
            for values in _read_columns(path, tuple(RATINGS)).to_pylist():
                yield Rating(**values)

    def checks(self) -> pa.Table:
        """Clips that stand out among all clips of their build; empty where nobody looked."""
        return self._side_table(CHECKS_NAME, side_schema("checks", CHECKS))

    def fences(self) -> pa.Table:
        """What is usual for each voice of a build; empty where nobody looked."""
        return self._side_table(FENCES_NAME, side_schema("fences", FENCES))

    def _side_table(self, name: str, schema: pa.Schema) -> pa.Table:
        files = self.manifest.get("checks", {}).get("files", ())
        if any(file["path"] == name for file in files):
            return _read_columns(self.folder / name)
        return schema.empty_table()

    def split_set(self, name: str) -> dict[str, str]:
        """Split of every clip by a named split set; copies follow their sources.

        Args:
            name: ``NAME``, or ``NAME:FOLD`` where the set has folds: that fold is the test, the
                next one validation, the rest train.

        Returns:
            train, validation, test or unused, by clip id, in file order.

        Raises:
            UnknownName, InvalidValue: no such set or fold; or its rows are ratings, so that one
                clip is in several splits (:meth:`rating_split_set`).
            DamagedDataset: its file cannot be read, or knows nothing of a clip.
        """
        entry, fold = split_set_entry(self.manifest, name)
        if entry["rows"] != "clips":
            raise InvalidValue(
                "A split of clips",
                name,
                "a set whose keys are all about clips",
                "This one deals out ratings, by rater.",
            )
        rows = _read_columns(self.folder / entry["files"][0]["path"])
        clips = self.table(["id", "parent_id"])
        splits = set_splits(entry, fold, rows)
        found = splits.take(follow_sources(clips, whole(rows["clip_id"]), name=name))
        return dict(zip(clips["id"].to_pylist(), found.to_pylist(), strict=True))

    def rating_split_set(self, name: str) -> dict[tuple[str, str], str]:
        """Split by (clip id, rater) of a set that deals out ratings; as :meth:`split_set`."""
        entry, fold = split_set_entry(self.manifest, name)
        if entry["rows"] != "ratings":
            raise InvalidValue("A split of ratings", name, "a set that has rater among its keys")
        rows = _read_columns(self.folder / entry["files"][0]["path"])
        pairs = zip(rows["clip_id"].to_pylist(), rows["rater"].to_pylist(), strict=True)
        return dict(zip(pairs, set_splits(entry, fold, rows).to_pylist(), strict=True))


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Around reading a file that the manifest vouches for.

    Raises:
        DamagedDataset: in place of what Arrow or the operating system says.
        StoreTrouble: the object store cannot be asked, which says nothing about the file.
    """
    try:
        with reaching(path):
            yield
    except (OSError, pa.ArrowException) as error:
        raise DamagedDataset(
            f"{path} cannot be read: {error}. Make the dataset again, or copy it again from its "
            "source."
        ) from error


def _read_columns(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Some columns of a file, or all of them."""
    with damage_named(path), parquet_file(path) as reader:
        return reader.read(columns=None if columns is None else list(columns))


def rows_of(
    reader: pq.ParquetFile,
    group: int,
    class_names: Sequence[str],
    columns: Sequence[str] | None = None,
) -> list[Utterance]:
    """The rows of one row group."""
    return [*utterances_from(read_group(reader, group, columns), class_names)]


def read_group(
    reader: pq.ParquetFile, group: int, columns: Sequence[str] | None = None
) -> pa.Table:
    """Some columns of one row group, or all; in this thread: a group is too small for several."""
    names = None if columns is None else list(columns)
    return reader.read_row_group(group, columns=names, use_threads=False)


def open_dataset(folder: Path | str) -> Dataset:
    """Open a finished dataset.

    Raises:
        NothingFound: no such folder, or no dataset in it (an unfinished build has no manifest).
        DamagedDataset: the manifest is not ours, or of a version that this mosdata cannot read.
    """
    folder = place_of(folder)
    path = folder / MANIFEST_NAME
    with reaching(folder):
        there = file_exists(path)
    if not there:
        raise NothingFound(
            f"{folder} is not a finished dataset: it has no {MANIFEST_NAME}. "
            "Give the folder that 'mosdata build' or 'mosdata corrupt' named at its end."
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedDataset(f"{path} is not JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DamagedDataset(f"{path} does not describe a mosdata dataset.")
    if manifest.get("schema_version") not in READABLE_VERSIONS:
        raise DamagedDataset(
            f"{path} has schema version {manifest.get('schema_version')!r}; "
            f"this mosdata reads {' and '.join(map(repr, READABLE_VERSIONS))}."
        )
    try:
        _check_paths(folder, manifest)
        return Dataset(folder, manifest)
    except (AttributeError, KeyError, TypeError) as error:
        raise DamagedDataset(f"{path} cannot be read as a manifest: {error!r}.") from error


def file_entries(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every file that a manifest vouches for: path, rows, bytes and checksum."""
    yield from manifest["data"]
    yield from manifest.get("quarantine", [])
    yield from manifest.get("checks", {}).get("files", [])
    for named in (*manifest.get("ratings", []), *manifest.get("split_sets", [])):
        yield from named["files"]


def _check_paths(folder: Path, manifest: Mapping[str, Any]) -> None:
    """No path of a manifest may leave its folder."""
    for path in [entry["path"] for entry in file_entries(manifest)]:
        if not stays_inside(folder, path):
            raise DamagedDataset(f"{folder / MANIFEST_NAME} names a file outside: {path!r}.")


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Seal a dataset folder: compute ``dataset_id`` and write the manifest, last of all.

    ``dataset_id`` covers the clips and the quarantine; ratings and split sets may be added later
    without changing it, and carry their own checksums.
    """
    sealed = seal(manifest)
    write_json(folder / MANIFEST_NAME, sealed)
    return sealed


def seal(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with its ``dataset_id``."""
    sealed = {name: value for name, value in manifest.items() if name != "dataset_id"}
    covered = {name: value for name, value in sealed.items() if name not in ADDED_LATER}
    digest = hashlib.blake2b(canonical_json(covered).encode(), digest_size=20)
    sealed["dataset_id"] = digest.hexdigest()
    return sealed


def describe_file(folder: Path, path: Path, *, split: str, rows: int) -> DataFile:
    """Manifest entry of a finished file."""
    return DataFile(
        path=path.relative_to(folder).as_posix(),
        split=split,
        rows=rows,
        bytes=path.stat().st_size,
        sha256=sha256_file(path),
    )


def content_sum(rows: Iterable[Utterance]) -> int:
    """Digest of a set of rows that can be added up shard by shard, in any order.

    Each row's digest covers its id, samples, split-independent labels and corruptions; the sum
    runs modulo 2**256. Adding the sums of all shards gives the dataset's ``content_id``.
    """
    total = 0
    for row in rows:
        labels = [getattr(row, name) for name in LABEL_COLUMNS]
        labels += [row.mos, row.mos_scale]
        applied = [[a.name, a.level, a.params] for a in row.corruptions]
        text = canonical_json([row.id, row.pcm_sha256, labels, applied])
        digest = hashlib.blake2b(text.encode(), digest_size=CONTENT_DIGEST_BYTES).digest()
        total += int.from_bytes(digest, "big")
    return total % CONTENT_MODULUS


def content_id(sums: Iterable[int]) -> str:
    """The content digest of a dataset from the sums of its shards."""
    total = sum(sums) % CONTENT_MODULUS
    return total.to_bytes(CONTENT_DIGEST_BYTES, "big").hex()


def find_datasets(
    workspace: Path,
    stages: Iterable[str] | None = None,
    *,
    on_damaged: Callable[[str], None] = lambda _: None,
) -> list[Dataset]:
    """Finished datasets directly below a folder, the newest first.

    Args:
        workspace: the folder to look in.
        stages: kinds of dataset that will do; None for all.
        on_damaged: told of each dataset that cannot be read and is left out.
    """
    wanted = None if stages is None else {*stages}
    manifests = sorted(
        workspace.glob(f"*/{MANIFEST_NAME}"), key=lambda path: path.stat().st_mtime_ns, reverse=True
    )
    found = []
    for path in manifests:
        try:
            found.append(open_dataset(path.parent))
        except DamagedDataset as error:
            on_damaged(str(error))
    return [dataset for dataset in found if wanted is None or dataset.stage in wanted]


__all__ = [
    "DataFile",
    "Dataset",
    "ParquetRows",
    "class_names_of",
    "content_id",
    "content_sum",
    "damage_named",
    "describe_file",
    "file_entries",
    "find_datasets",
    "open_dataset",
    "write_manifest",
]
