"""``splits check``: find what leaks between the splits of a dataset, of files, or of a table.

For every leak there is a demonstration: a table of train means, which has learnt nothing about
sound, is looked up for the spoiled rows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mosdata.augment.corruptions import MIXING_SPEECH
from mosdata.augment.overlap import clips_heard
from mosdata.builders.split_sets import rating_pairs
from mosdata.builders.split_tables import read_rows, split_of_file
from mosdata.errors import UsageError
from mosdata.evaluation.metrics import lcc, srcc
from mosdata.manifests.groups import CLIP_KEYS, RATER, encoded, keys_of, known, whole
from mosdata.manifests.leaks import CHECKED, Column, LeakReport, find_leaks
from mosdata.manifests.rows import HUMAN
from mosdata.manifests.split_sets import split_set_entry
from mosdata.manifests.store import Dataset, damage_named

Floats = NDArray[np.float64]

MIN_LOOKUPS: Final = 3
"""Rows below which a correlation means nothing: two always give +1 or -1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What a model reaches that knows the train mean of every value of a key, and nothing else.

    Args:
        key: whose values are looked up.
        split: whose spoiled rows they are looked up for.
        num_rows: spoiled rows that have a score, here and in train.
        lcc, srcc: of the train means and the scores of these rows.
        without_lcc, without_srcc: of the same rows, where train has none of the shared values:
            what is left to look up is the train mean of the row's system.

    A correlation that does not exist (nothing to look up, or always the same) is None.
    """

    key: str
    split: str
    num_rows: int
    lcc: float | None
    srcc: float | None
    without_lcc: float | None
    without_srcc: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCheck:
    """What leaks, and what a table of train means makes of it."""

    rows: str
    report: LeakReport
    lookups: tuple[Lookup, ...]

    def to_json(self) -> dict[str, Any]:
        """With documented, stable keys (docs/cli.md)."""
        lookups = [asdict(lookup) for lookup in self.lookups]
        return {**self.report.to_json(), "rows": self.rows, "lookups": lookups}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Rows of one kind: keys, splits and scores, each in one piece."""

    splits: pa.Array
    keys: Mapping[str, pa.Array]
    scores: Floats

    def columns(self) -> dict[str, Column]:
        return {key: Column(splits=self.splits, values=v) for key, v in self.keys.items()}


def check_dataset(
    dataset: Dataset, *, splits: str | None = None, by: Iterable[str] | None = None
) -> SplitCheck:
    """Compare the splits of a dataset.

    Args:
        dataset: a finished one.
        splits: a split set, ``NAME`` or ``NAME:FOLD``; the splits of the files where None.
        by: keys that the splits claim to hold out. By default those of the set, or the sentence.

    Raises:
        UnknownName, UsageError: no such set or key, or nothing to compare.
    """
    if splits is not None and by is None:
        by = split_set_entry(dataset.manifest, splits)[0]["rule"]["by"]
    over_ratings = (
        splits is not None and split_set_entry(dataset.manifest, splits)[0]["rows"] == "ratings"
    )
    clips = _clip_rows(dataset, None if over_ratings else splits)
    if over_ratings:
        assert splits is not None
        rows = _rating_rows(clips, dataset.rating_split_set(splits))
        return _checked(rows, by, rows_are="ratings")
    columns = clips.columns()
    heard = _mixed_in(dataset, clips)
    if heard is not None:
        columns["mixed_in"] = heard
    pairs, _ = rating_pairs(dataset)
    if len(pairs):
        place = pc.index_in(whole(pairs["clip_id"]), value_set=clips.keys["clip"])
        columns[RATER] = Column(splits=clips.splits.take(place), values=known(pairs["rater"]))
    return _checked(clips, by, columns=columns, rows_are="clips")


def check_tables(arguments: Sequence[str], *, by: Iterable[str] | None = None) -> SplitCheck:
    """Compare the splits of several files, or of one table with a column ``split``.

    Args:
        arguments: files whose names say their split, or ``test=FILE``; or one table.
        by: as for :func:`check_dataset`.

    Raises:
        UnknownName, UsageError: a table cannot be read, a split's name is not known, or there is
            nothing to compare.
    """
    tables = [_table_of(argument, alone=len(arguments) == 1) for argument in arguments]
    table = pa.concat_tables(tables, promote_options="default")
    keys = {"clip": known(table["id"])}
    clip_keys = [key for key in CLIP_KEYS if key in table.column_names]
    if "parent_id" in table.column_names:
        clip_keys.append("source")
    keys.update(keys_of(table, clip_keys))
    if RATER in table.column_names:
        keys[RATER] = known(table[RATER])
    scores = np.full(len(table), math.nan)
    if "score" in table.column_names:
        scores = np.asarray(whole(table["score"]).fill_null(math.nan))
    rows = _Rows(splits=whole(table["split"]), keys=keys, scores=scores)
    several = pc.count_distinct(keys["clip"]).as_py() < len(table)
    return _checked(rows, by, rows_are="ratings" if several else "clips")


def _table_of(argument: str, *, alone: bool) -> pa.Table:
    if alone:
        table = read_rows(Path(argument))
        if "split" in table.column_names:
            return table
        raise UsageError(
            f"{argument} has no column 'split', so there is nothing to compare. Give the files of "
            "all splits, such as: mosdata splits check train.csv test.csv"
        )
    split, path = split_of_file(argument)
    table = read_rows(path)
    if "split" in table.column_names:
        table = table.drop_columns("split")
    return table.append_column("split", pa.array([split] * len(table), pa.string()))


def _checked(
    rows: _Rows,
    by: Iterable[str] | None,
    *,
    rows_are: str,
    columns: Mapping[str, Column] | None = None,
) -> SplitCheck:
    report = find_leaks(columns or rows.columns(), by=by)
    lookups = [
        _lookup(rows, finding.key, crossing.between[1])
        for finding in report.keys
        if finding.verdict == "leak" and finding.key in rows.keys
        for crossing in finding.crossings
        if crossing.between[0] == "train"
    ]
    return SplitCheck(rows=rows_are, report=report, lookups=tuple(lookups))


def _clip_rows(dataset: Dataset, splits: str | None) -> _Rows:
    names = ["system", "sentence", "text", "speaker", "dataset"]
    clips = dataset.table(["id", "parent_id", "pcm_sha256", "mos", *names])
    keys = keys_of(clips, [*names, "source"])
    keys |= {"clip": whole(clips["id"]), "audio": known(clips["pcm_sha256"])}
    where = whole(clips["split"])
    if splits is not None:
        where = pa.array([*dataset.split_set(splits).values()], pa.string())
    ordered: dict[str, pa.Array] = {key: keys[key] for key in CHECKED if key in keys}
    return _Rows(splits=where, keys=ordered, scores=_scores(dataset, clips))


def _mixed_in(dataset: Dataset, clips: _Rows) -> Column | None:
    """Every source where it stands, and what an earlier split has of it; None where none is heard.

    An earlier split has a clip of a later one where it hears it, or is heard by it.

    That validation or test hears train is by design where they have nobody else
    (docs/corruptions.md), and gives away nothing: it is left out.
    """
    chains = whole(dataset.table(["corruptions"])["corruptions"])
    links, rows = chains.flatten(), pc.list_parent_indices(chains)
    mixes = pc.is_in(links.field("name"), value_set=pa.array([*MIXING_SPEECH]))
    heard = [
        (row, clip_id)
        for row, params in zip(
            rows.filter(mixes).to_pylist(),
            links.field("params").filter(mixes).to_pylist(),
            strict=True,
        )
        for clip_id in clips_heard(json.loads(params))
    ]
    if not heard:
        return None
    sources, splits = clips.keys["source"], clips.splits
    names = pa.array([clip_id for _, clip_id in heard], pa.string())
    rows_heard_in = pa.array([row for row, _ in heard])
    here = splits.take(rows_heard_in)
    there = splits.take(pc.index_in(names, value_set=sources))  # null where it is none of these
    also: dict[tuple[str, str], None] = {}  # what else an earlier split has of a later one
    for split, own, clip_id, hearer in zip(
        *(column.to_pylist() for column in (here, there, names, sources.take(rows_heard_in))),
        strict=True,
    ):
        if split == own or own in (None, "train") or split is None:
            continue
        is_first = _order(split) < _order(own)
        also[(split, clip_id) if is_first else (own, hearer)] = None
    return Column(
        splits=pa.concat_arrays([splits, pa.array([split for split, _ in also], pa.string())]),
        values=pa.concat_arrays([sources, pa.array([name for _, name in also], pa.string())]),
        num_rows=len(sources),
    )


def _order(split: str) -> tuple[int, str]:
    """As a report has them: train first, test last."""
    return {"train": 0, "validation": 1, "test": 3}.get(split, 2), split


def _rating_rows(clips: _Rows, pairs: Mapping[tuple[str, str], str]) -> _Rows:
    """The same keys, one row a pair of clip and rater; single scores are not looked up."""
    ids = pa.array([clip_id for clip_id, _ in pairs], pa.string())
    place = pc.index_in(ids, value_set=clips.keys["clip"])
    keys = {key: values.take(place) for key, values in clips.keys.items()}
    keys[RATER] = pa.array([rater for _, rater in pairs], pa.string())
    scores = clips.scores[np.asarray(place)]
    return _Rows(splits=pa.array([*pairs.values()], pa.string()), keys=keys, scores=scores)


def _scores(dataset: Dataset, clips: pa.Table) -> Floats:
    """Mean of what people said of each clip, else its published score; NaN where nobody did."""
    published = np.asarray(whole(clips["mos"]).fill_null(math.nan))
    parts = []
    for path in dataset.rating_files:
        with damage_named(path):
            parts.append(pq.read_table(path, columns=["clip_id", "kind", "dimension", "value"]))
    if not parts:
        return published
    mine = (pc.field("kind") == HUMAN) & (pc.field("dimension") == "mos")
    people = pa.concat_tables(parts).filter(mine)
    means = people.group_by("clip_id", use_threads=False).aggregate([("value", "mean")])
    place = pc.index_in(whole(clips["id"]), value_set=whole(means["clip_id"]))
    found = np.asarray(whole(means["value_mean"]).take(place).fill_null(math.nan))
    return np.where(np.isnan(found), published, found)


def _lookup(rows: _Rows, key: str, split: str) -> Lookup:
    """Look the spoiled rows of a split up in a table of train means."""
    codes, _ = encoded(rows.keys[key])
    scored = np.isfinite(rows.scores) & (codes >= 0)
    train = scored & np.asarray(pc.equal(rows.splits, "train"))
    later = scored & np.asarray(pc.equal(rows.splits, split))
    means = _means(codes, rows.scores, train)
    spoiled = later & np.isfinite(means[codes])
    shared = np.isin(codes, codes[spoiled])
    left = np.full(len(codes), math.nan)
    if "system" in rows.keys:
        systems, _ = encoded(rows.keys["system"])
        left = _means(systems, rows.scores, train & ~shared & (systems >= 0))[systems]
    truth = rows.scores[spoiled]
    with_it, without = (_correlations(truth, p[spoiled]) for p in (means[codes], left))
    return Lookup(
        key=key,
        split=split,
        num_rows=int(spoiled.sum()),
        lcc=with_it[0],
        srcc=with_it[1],
        without_lcc=without[0],
        without_srcc=without[1],
    )


def _means(codes: NDArray[np.int64], scores: Floats, used: NDArray[np.bool_]) -> Floats:
    """Mean score by code over some rows; NaN where there is none, and at the end, for -1."""
    size = int(codes.max(initial=-1)) + 1
    counts = np.bincount(codes[used], minlength=size)
    sums = np.bincount(codes[used], scores[used], minlength=size)
    found = np.full(size + 1, math.nan)
    np.divide(sums, counts, out=found[:-1], where=counts > 0)
    return found


def _correlations(truth: Floats, predicted: Floats) -> tuple[float | None, float | None]:
    there = np.isfinite(predicted)
    if there.sum() < MIN_LOOKUPS:
        return None, None
    linear, ranked = (metric(truth[there], predicted[there]) for metric in (lcc, srcc))
    return (None, None) if math.isnan(linear) else (linear, ranked)
