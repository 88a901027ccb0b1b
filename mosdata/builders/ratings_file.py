"""People's scores from a table of any known layout, added to the dataset whose clips they judge."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from mosdata.builders.commit import add_ratings
from mosdata.builders.ground import run_lock
from mosdata.builders.rated_clips import ratings_digest
from mosdata.builders.stage import run_folder
from mosdata.corpora.read import read_corpus
from mosdata.corpora.table import Finding
from mosdata.errors import InvalidRatings
from mosdata.manifests.ids import JSON
from mosdata.manifests.places import parquet_file
from mosdata.manifests.rows import HUMAN
from mosdata.manifests.schema import ratings_schema
from mosdata.manifests.store import Dataset, ParquetRows, damage_named

MAX_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanRatings:
    """What some tables added: scores, clips and raters, the name of the set, and what was odd."""

    name: str
    layout: str
    num_ratings: int
    num_clips: int
    num_raters: int
    was_complete: bool
    findings: tuple[Finding, ...] = ()


def add_human_ratings(
    dataset: Dataset,
    tables: Path | Sequence[Path],
    *,
    layout: str | None = None,
    mapping: Path | None = None,
    dimension: str = "mos",
    scale: str | None = None,
) -> HumanRatings:
    """Add the scores of a table, such as a CSV file with ``clip_id,score`` and ``rater``.

    Nothing is added unless every row is right. The same scores are added once, whatever file they
    are in.

    Args:
        dataset: what was rated.
        tables: one table, or several that belong together; they are not changed.
        layout: a layout of :data:`mosdata.corpora.layouts.LAYOUTS`; None tells it from the files.
        mapping: a TOML file that says what the columns mean.
        dimension: what was judged, where the tables leave it open.
        scale: on which scale; None is that of the layout.

    Raises:
        InvalidRatings: a table cannot be read, a column is missing, or rows with a score off its
            scale, not a number, for a clip that the dataset does not have, or of a dimension
            that is on another scale there.
        UnknownName: no such layout or scale.
        InvalidValue: a scale that compares clips.
    """
    given = [tables] if isinstance(tables, Path) else [*tables]
    corpus = read_corpus(given, layout=layout, mapping=mapping, dimension=dimension, scale=scale)
    ratings = corpus.ratings
    _check_whole(corpus.findings, given)
    if not ratings.num_rows:
        raise InvalidRatings(f"{given[0]} has a header and no scores.")
    _check_clips(ratings, dataset, given)
    _check_scales(ratings, dataset, given)
    name = f"human-{ratings_digest(ratings)[:8]}"
    known = any(entry["name"] == name for entry in dataset.manifest["ratings"])
    if not known:
        _add(dataset, name, ratings, layout=corpus.layout)
    return HumanRatings(
        name=name,
        layout=corpus.layout,
        num_ratings=ratings.num_rows,
        num_clips=pc.count_distinct(ratings["clip_id"]).as_py(),
        num_raters=pc.count_distinct(ratings["rater"], mode="only_valid").as_py(),
        was_complete=known,
        findings=tuple(corpus.findings),
    )


def _add(dataset: Dataset, name: str, ratings: pa.Table, *, layout: str) -> None:
    run = run_folder(dataset.folder)
    with run_lock(run):
        partial = run / f".{name}.{uuid.uuid4().hex[:12]}.parquet"
        try:
            writer = ParquetRows(partial, ratings_schema())
            for batch in ratings.cast(ratings_schema()).to_batches():
                writer.write(batch)
            writer.close()
            about: dict[str, JSON] = {"source": "tables", "layout": layout}
            add_ratings(dataset.folder, name=name, files=[partial], about=about)
        finally:
            partial.unlink(missing_ok=True)


def _check_whole(findings: Sequence[Finding], tables: Sequence[Path]) -> None:
    """A corpus may be imported without rows that do not fit; a dataset gets all or nothing.

    Raises:
        InvalidRatings: some rows were left out.
    """
    for found in findings:
        if found.code == "ragged_row":
            shown = "; ".join(found.examples)
            raise InvalidRatings(
                f"{tables[0]}, nothing was added: {found.count} {found.message} ({shown})."
            )


def _check_scales(ratings: pa.Table, dataset: Dataset, tables: Sequence[Path]) -> None:
    """People's scores of one dimension are on one scale in a dataset, or they cannot be averaged.

    Raises:
        InvalidRatings: the dataset has scores of the same dimension on another scale.
    """
    columns = ["kind", "dimension", "scale"]
    there = {
        (row["dimension"], row["scale"])
        for path in dataset.rating_files
        for row in _read(path, columns).group_by(columns).aggregate([]).to_pylist()
        if row["kind"] == HUMAN
    }
    new = ratings.select(columns[1:]).group_by(columns[1:]).aggregate([]).to_pylist()
    for row in new:
        other = sorted(s for dimension, s in there if dimension == row["dimension"]) or [
            row["scale"]
        ]
        if row["scale"] not in other:
            raise InvalidRatings(
                f"{tables[0]}, nothing was added: its scores of {row['dimension']} are on "
                f"{row['scale']}, those of {dataset.folder} on {other[0]}. Give them a --dimension "
                "of their own, or import them as a dataset of their own."
            )


def _read(path: Path, columns: list[str]) -> pa.Table:
    with damage_named(path), parquet_file(path) as file:
        return file.read(columns=columns)


def _check_clips(ratings: pa.Table, dataset: Dataset, tables: Sequence[Path]) -> None:
    """Every clip that is scored must be in the dataset.

    Raises:
        InvalidRatings: names the first that are not, with the line where they come first.
    """
    rated = pc.unique(ratings["clip_id"])
    strange = rated.filter(pc.invert(pc.is_in(rated, dataset.table(["id"])["id"].combine_chunks())))
    if not len(strange):
        return
    shown = "; ".join(
        f"{_where(name, tables)}no clip {name!r} in {dataset.folder}"
        for name in strange[:MAX_SHOWN].to_pylist()
    )
    more = len(strange) - MAX_SHOWN
    tail = f"; and {more} more" if more > 0 else ""
    raise InvalidRatings(f"{tables[0]}, nothing was added: {shown}{tail}.")


def _where(name: str, tables: Sequence[Path]) -> str:
    """The line of a text table where a clip is first named."""
    for path in tables:
        if not path.is_file():
            continue
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if name in line:
                    return f"line {number}: "
    return ""
