"""Tables of clips or of single scores, read row by row for what splits look at."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from mosdata.corpora.read import read_corpus
from mosdata.corpora.table import RatedCorpus
from mosdata.errors import UnknownName, UsageError
from mosdata.manifests.groups import known, whole
from mosdata.manifests.splits import SPLITS, UNUSED

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": (
        *("clip", "clip_id", "name", "utterance", "utterance_id", "sample_id", "id", "audio"),
        *("audio_path", "wav", "wav_path", "wav_file", "file", "filename", "path", "filepath_deg"),
    ),
    "parent_id": ("parent_id", "parent", "source_clip"),
    "split": ("split", "subset", "partition"),
    "system": ("system", "system_id", "sys", "condition"),
    "sentence": ("sentence", "sentence_id"),
    "text": ("text", "transcript"),
    "speaker": ("speaker", "speaker_id", "talker"),
    "dataset": ("dataset", "corpus", "db"),
    "rater": ("rater", "rater_id", "listener", "listener_id", "listener_name", "worker"),
    "score": ("score", "rating", "value", "answer", "mos", "avg_score", "mean", "mean_score"),
}
"""Header names that are understood, for each thing that a row may say; the first one counts."""

CLIP_COLUMNS: Final = (
    ("name", "id"),
    ("parent", "parent_id"),
    *((name, name) for name in ("system", "sentence", "text", "speaker", "dataset")),
)
"""Columns of ``RatedCorpus.clips`` that splits look at, and what we call them."""

SPLIT_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "tst", "eval", "evaluation"),
}


def read_rows(path: Path) -> pa.Table:
    """The rows of a table, with the columns of ``COLUMNS`` that it has, under our names.

    A table with a split of its own is taken row by row, since a row split may send the scores of
    one clip to several sides. Any other is read as the corpus that it is
    (:mod:`mosdata.corpora`), which knows what the names of clips say; where that cannot be told,
    by its header.

    Raises:
        UsageError: there is no such file, it is not a table, or no column names the clip.
    """
    header, delimiter = _header(path)
    columns = _columns(header)
    if "split" in columns and "id" in columns:
        return _with_our_splits(_plain_rows(path, header, columns, delimiter))
    try:
        rows = corpus_rows(read_corpus(path))
    except UsageError:
        if "id" not in columns:
            raise
        rows = _plain_rows(path, header, columns, delimiter)
    if not len(rows):
        raise UsageError(f"{path} has no rows.")
    if "dataset" in rows.column_names and rows["dataset"].unique().to_pylist() == [path.stem]:
        return rows.drop_columns("dataset")  # named after the file: nothing that rows share
    return rows


def corpus_rows(corpus: RatedCorpus) -> pa.Table:
    """A corpus as one row a score, and one for each clip without any."""
    ratings = corpus.ratings
    if "mos" in ratings["dimension"].unique().to_pylist():
        ratings = ratings.filter(pc.field("dimension") == "mos")
    names = whole(corpus.clips["name"])
    rated = pc.index_in(whole(ratings["clip_id"]), value_set=names)
    bare = pc.indices_nonzero(pc.invert(pc.is_in(names, value_set=whole(ratings["clip_id"]))))
    place = pa.concat_arrays([rated.cast(pa.int64()), bare.cast(pa.int64())])
    nothing = pa.nulls(len(bare))
    rows = {ours: whole(corpus.clips[theirs]).take(place) for theirs, ours in CLIP_COLUMNS}
    rows["rater"] = pa.concat_arrays([whole(ratings["rater"]), nothing.cast(pa.string())])
    rows["score"] = pa.concat_arrays([whole(ratings["value"]), nothing.cast(pa.float64())])
    return pa.table({name: v for name, v in rows.items() if v.null_count < len(v)})


def _plain_rows(
    path: Path, header: Sequence[str], columns: Mapping[str, str], delimiter: str
) -> pa.Table:
    """The columns that are known, row by row as they are."""
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(column_names=header, skip_rows=1),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[*columns.values()],
                column_types={
                    column: pa.float64() if what == "score" else pa.string()
                    for what, column in columns.items()
                },
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read as a table: {error}") from error
    table = table.rename_columns([*columns])
    if not len(table):
        raise UsageError(f"{path} has a header and no rows.")
    if table["id"].null_count:
        raise UsageError(f"{path}: {table['id'].null_count:,} rows name no clip.")
    return table


def _with_our_splits(table: pa.Table) -> pa.Table:
    place = table.column_names.index("split")
    return table.set_column(place, "split", split_names(known(table["split"])))


def split_names(values: pa.Array) -> pa.Array:
    """Splits under our names: ``dev`` is validation, ``eval`` is test, nothing is unused.

    Raises:
        UnknownName: a name that is none of ours nor usual.
    """
    dictionary = values.dictionary_encode()
    ours = []
    for name in dictionary.dictionary.to_pylist():
        found = _split_in([name.lower()])
        if found is None and name.lower() != UNUSED:
            raise UnknownName("split", name, [*SPLITS, UNUSED])
        ours.append(found or UNUSED)
    return pa.array([*ours, None], pa.string()).take(dictionary.indices).fill_null(UNUSED)


def split_of_file(argument: str) -> tuple[str, Path]:
    """The split that a file holds, by its name, or as ``test=FILE`` says.

    Example:
        >>> split_of_file("lists/vcc_train.csv")[0], split_of_file("test=b.csv")[0]
        ('train', 'test')

    Raises:
        UsageError: the name tells none, or several.
        UnknownName: ``NAME=FILE`` with a name that is not a split's.
    """
    name, equals, path = argument.partition("=")
    if equals and not Path(argument).exists():
        found = _split_in([name.lower()])
        if found is None:
            raise UnknownName("split", name, SPLITS)
        return found, Path(path)
    found = _split_in(re.split(r"[^a-z]+", Path(argument).stem.lower()))
    if found is None:
        raise UsageError(
            f"The name of {argument} does not say which split it holds. Say it: "
            f"train={argument}, validation={argument} or test={argument}."
        )
    return found, Path(argument)


def _split_in(words: Sequence[str]) -> str | None:
    """The one split that some words name."""
    found = {split for split, known_as in SPLIT_WORDS.items() if {*known_as} & {*words}}
    return found.pop() if len(found) == 1 else None


def _header(path: Path) -> tuple[list[str], str]:
    """The first line of a table, and what separates its columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a table in UTF-8; convert it with iconv.") from error
    delimiter = max(",\t;|", key=line.count)
    return next(csv.reader([line], delimiter=delimiter), []), delimiter


def _columns(header: Sequence[str]) -> dict[str, str]:
    """Our name and the header's, for each thing that is there."""
    given = {name.strip().lower(): name for name in reversed(header)}
    found = {}
    for what, aliases in COLUMNS.items():
        match = next((alias for alias in aliases if alias in given), None)
        if match is not None:
            found[what] = given[match]
    return found
