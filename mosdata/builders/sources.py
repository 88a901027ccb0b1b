"""Clips of a finished dataset, found and fetched one at a time by workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosdata.errors import RecordRejected
from mosdata.manifests.ids import JSON
from mosdata.manifests.places import is_remote, parquet_file, reaching
from mosdata.manifests.rows import Utterance
from mosdata.manifests.store import Dataset, damage_named, open_dataset, rows_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a clip lies in its dataset: file, row group and row."""

    path: str
    group: int
    row: int

    def to_json(self) -> list[JSON]:
        """As part of a record's payload."""
        return [self.path, self.group, self.row]

    @classmethod
    def from_json(cls, values: Any) -> Place:
        """The inverse of :meth:`to_json`."""
        path, group, row = values
        return cls(path=path, group=group, row=row)


def places(
    dataset: Dataset, columns: tuple[str, ...]
) -> Iterator[tuple[str, Place, dict[str, Any]]]:
    """Split, place and some light columns of every clip, in file order."""
    for file in dataset.files:
        path = dataset.folder / file.path
        with damage_named(path):
            reader = parquet_file(path)
        for group in range(reader.num_row_groups):
            with damage_named(path):
                table = reader.read_row_group(group, columns=list(columns))
            for row, values in enumerate(table.to_pylist()):
                yield file.split, Place(path=file.path, group=group, row=row), values


class SourceClips:
    """Fetches clips by place; the row groups that were used last are kept in memory.

    Records come in file order, so nearly every fetch finds its row group there, and a clip from
    elsewhere, to be mixed in, leaves it there.
    """

    def __init__(self, folder: Path, *, keep_groups: int = 2) -> None:
        self.dataset = open_dataset(folder)
        self._keep_groups = keep_groups
        self._groups: dict[tuple[str, int], list[Utterance]] = {}
        self._open: tuple[str, pq.ParquetFile] | None = None

    def fetch(self, place: Place) -> Utterance:
        """The row at a place.

        Raises:
            RecordRejected: the file is gone or damaged there.
        """
        key = (place.path, place.group)
        rows = self._groups.pop(key, None)
        if rows is None:
            rows = self._read(place)
            if len(self._groups) == self._keep_groups:
                del self._groups[next(iter(self._groups))]
        self._groups[key] = rows  # the last one used is the last one to go
        return rows[place.row]

    def _read(self, place: Place) -> list[Utterance]:
        try:
            with reaching(self.dataset.folder):
                return rows_of(self._reader(place), place.group, self.dataset.class_names)
        except (OSError, ValueError) as error:
            raise RecordRejected(
                "unreadable_source",
                f"{place.path} of {self.dataset.folder} cannot be read: {error}",
            ) from error

    def _reader(self, place: Place) -> pq.ParquetFile:
        """From an object store, the footer of the file at hand is fetched once."""
        path = self.dataset.folder / place.path
        if not is_remote(path):
            return parquet_file(path)
        if self._open is None or self._open[0] != place.path:
            self._open = (place.path, parquet_file(path))
        return self._open[1]
