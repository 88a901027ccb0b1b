"""Tables of clips or of single scores, read row by row for what splits look at."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import csv as arrow_csv

from mosdata.errors import UnknownName, UsageError
from mosdata.manifests.groups import known
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

SPLIT_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "tst", "eval", "evaluation"),
}


def read_rows(path: Path) -> pa.Table:
    """The rows of a table, with the columns of ``COLUMNS`` that it has, under our names.

    Raises:
        UsageError: there is no such file, it is not a table, or no column names the clip.
    """
    header, delimiter = _header(path)
    columns = _columns(header)
    names = header
    if "id" not in columns and _is_bare(header):
        names, columns = ["id", "score"], {"id": "id", "score": "score"}
    if "id" not in columns:
        raise UsageError(
            f"{path} has the columns {', '.join(header) or '(none)'}; one for the clip is missing. "
            f"It may be called: {', '.join(COLUMNS['id'])}."
        )
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=int(names is header)),
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
    if not len(table):
        raise UsageError(f"{path} has a header and no rows.")
    table = table.rename_columns([*columns])
    if table["id"].null_count:
        raise UsageError(f"{path}: {table['id'].null_count:,} rows name no clip.")
    if "split" in columns:
        table = table.set_column(
            table.column_names.index("split"), "split", split_names(known(table["split"]))
        )
    return table


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


def _is_bare(header: Sequence[str]) -> bool:
    """Whether a first line of two columns is a row already: a clip and its score."""
    try:
        return len(header) == 2 and bool(float(header[1]) or True)
    except ValueError:
        return False
