"""People's scores from a CSV file, checked row by row, added to the dataset they judge."""

from __future__ import annotations

import contextlib
import csv
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from mosdata.builders.commit import add_ratings
from mosdata.builders.run import run_lock
from mosdata.builders.stage import run_folder
from mosdata.errors import InvalidRatings, UnknownName
from mosdata.manifests.durable import sha256_file
from mosdata.manifests.ids import JSON, stable_id
from mosdata.manifests.rows import HUMAN, Rating
from mosdata.manifests.schema import ratings_batch, ratings_schema
from mosdata.manifests.store import Dataset, ParquetRows

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "clip": ("clip_id", "id", "clip", "utterance", "sample_id"),
    "score": ("score", "mos", "rating", "value"),
    "rater": ("rater", "listener", "listener_id", "listener_name", "worker"),
    "test": ("test", "session"),
}
"""Header names that are understood, for each thing a rating says."""

SCALES: Final[Mapping[str, tuple[float, float]]] = {"acr_1_5": (1.0, 5.0)}
MAX_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanRatings:
    """What a ratings file added: scores, clips and raters, and the name of the set."""

    name: str
    num_ratings: int
    num_clips: int
    num_raters: int
    was_complete: bool


def add_human_ratings(
    dataset: Dataset, path: Path, *, dimension: str = "mos", scale: str = "acr_1_5"
) -> HumanRatings:
    """Add the scores of a CSV file with a header (``clip_id,score`` and, if known, ``rater``).

    Nothing is added unless every row is right.

    Args:
        dataset: what was rated.
        path: the CSV file; it is not changed.
        dimension: what was judged.
        scale: on which scale.

    Raises:
        InvalidRatings: no such file, a column is missing, or rows with a score off its scale,
            not a number, or for a clip that the dataset does not have.
        UnknownName: no such scale.
    """
    if scale not in SCALES:
        raise UnknownName("scale", scale, SCALES)
    ratings = list(_read(path, dataset, dimension=dimension, scale=scale))
    if not ratings:
        raise InvalidRatings(f"{path} has a header and no scores.")
    name = _name_of(path, dimension=dimension, scale=scale)
    known = any(entry["name"] == name for entry in dataset.manifest["ratings"])
    if not known:
        _add(dataset, name, ratings)
    return HumanRatings(
        name=name,
        num_ratings=len(ratings),
        num_clips=len({rating.clip_id for rating in ratings}),
        num_raters=len({rating.rater for rating in ratings} - {None}),
        was_complete=known,
    )


def _name_of(path: Path, *, dimension: str, scale: str) -> str:
    """The name of a set: the same file about the same thing is the same set."""
    key: dict[str, JSON] = {"file": sha256_file(path), "dimension": dimension, "scale": scale}
    return f"human-{stable_id('ratings', key)[:8]}"


def _add(dataset: Dataset, name: str, ratings: Sequence[Rating]) -> None:
    run = run_folder(dataset.folder)
    with run_lock(run):
        partial = run / f".{name}.{uuid.uuid4().hex[:12]}.parquet"
        try:
            writer = ParquetRows(partial, ratings_schema())
            writer.write(ratings_batch(ratings))
            writer.close()
            add_ratings(dataset.folder, name=name, files=[partial], about={"source": "csv"})
        finally:
            partial.unlink(missing_ok=True)


def _read(path: Path, dataset: Dataset, *, dimension: str, scale: str) -> Iterator[Rating]:
    clips = {*dataset.table(["id"])["id"].to_pylist()}
    problems: list[str] = []
    with _opened(path) as file, _csv_errors(path):
        reader = csv.DictReader(file)
        columns = _columns(path, reader.fieldnames or [])
        for row in reader:
            where = f"line {reader.line_num}"
            clip_id = (row[columns["clip"]] or "").strip()
            score = _score(row[columns["score"]], scale)
            if isinstance(score, str):
                problems.append(f"{where}: {score}")
            elif clip_id not in clips:
                problems.append(f"{where}: no clip {clip_id!r} in {dataset.folder}")
            else:
                yield Rating(
                    clip_id=clip_id,
                    kind=HUMAN,
                    dimension=dimension,
                    scale=scale,
                    value=score,
                    rater=_text(row, columns.get("rater")),
                    test=_text(row, columns.get("test")),
                )
    if problems:
        more = len(problems) - MAX_SHOWN
        shown = "; ".join(problems[:MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise InvalidRatings(f"{path}, nothing was added: {shown}.")


def _opened(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InvalidRatings(f"{path} cannot be read: {error.strerror}.") from error


@contextlib.contextmanager
def _csv_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise InvalidRatings(
            f"{path} is not UTF-8 (byte 0x{error.object[error.start]:02x}); nothing was added. "
            "Save it as 'CSV UTF-8', or convert it with iconv."
        ) from error
    except csv.Error as error:
        raise InvalidRatings(f"{path} is not CSV: {error}; nothing was added.") from error


def _columns(path: Path, header: Sequence[str]) -> dict[str, str]:
    """Which header names what; clip and score must be there."""
    given = {name.strip().lower(): name for name in header}
    found = {
        what: given[alias]
        for what, aliases in COLUMNS.items()
        for alias in reversed(aliases)
        if alias in given
    }
    for what in ("clip", "score"):
        if what not in found:
            raise InvalidRatings(
                f"{path} has the columns {', '.join(header) or '(none)'}; one for the {what} is "
                f"missing. It may be called: {', '.join(COLUMNS[what])}."
            )
    return found


def _score(text: str | None, scale: str) -> float | str:
    """The score, or what is wrong with it."""
    low, high = SCALES[scale]
    try:
        value = float(text or "")
    except ValueError:
        return f"score {text!r} is not a number"
    if math.isnan(value) or not low <= value <= high:
        return f"score {text} is outside {low:g} to {high:g}"
    return value


def _text(row: Mapping[str, str | None], column: str | None) -> str | None:
    return (row[column] or "").strip() or None if column else None
