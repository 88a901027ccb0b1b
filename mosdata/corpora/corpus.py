"""Several tables as one corpus: clips matched by name, scores put together, oddities counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mosdata.corpora.coded import Coded, encode
from mosdata.corpora.oddities import findings_of
from mosdata.corpora.parts import Part
from mosdata.corpora.raw import listed
from mosdata.corpora.scored import Scored
from mosdata.corpora.spec import OVERALL
from mosdata.corpora.table import CLIPS_SCHEMA, RATINGS_SCHEMA, Finding, RatedCorpus
from mosdata.errors import InvalidRatings
from mosdata.manifests.rows import HUMAN

FIELD_NAMES: Final = (
    "audio",
    "dataset",
    "system",
    "speaker",
    "sentence",
    "text",
    "language",
    "parent",
    "split",
)


def put_together(
    parts: Sequence[Part], *, layout: str, dataset: str | None, fallback: str
) -> RatedCorpus:
    """The corpus that some tables describe together.

    Args:
        parts: the tables, understood.
        layout: name of their layout.
        dataset: name of the corpus, whatever the tables say; None leaves it to them.
        fallback: name of the corpus where nobody says one.

    Raises:
        InvalidRatings: tables contradict each other.
    """
    names, codes = _names(parts)
    fields = {
        field: _field(parts, names, codes, field)
        for field in FIELD_NAMES
        if any(field in part.fields for part in parts)
    }
    if dataset or "dataset" not in fields:
        fields["dataset"] = pa.repeat(dataset or fallback, len(names))
    fields["dataset"] = fields["dataset"].fill_null(fallback)
    scored = [
        replace(scores, clips=scores.clips if len(parts) == 1 else of_part[scores.clips])
        for part, of_part in zip(parts, codes, strict=True)
        for scores in part.scored
    ]
    singles = [scores for scores in scored if not scores.is_mean]
    means = _means(names, [scores for scores in scored if scores.is_mean])
    clips = pa.table({"name": names, **fields, **_published(len(names), means)})
    tables = _rated(names, singles, means)
    return RatedCorpus(
        layout=layout,
        clips=_shaped(clips, CLIPS_SCHEMA),
        ratings=_concatenated_rows([_rating_rows(names, scores) for scores in tables]),
        coded=_coded_rows(names, tables[0]) if len(tables) == 1 else None,
        findings=(
            *_summed(finding for part in parts for finding in part.findings),
            *findings_of(parts, names, codes, singles, means),
        ),
        sources=tuple(part.source for part in parts),
    )


def _names(parts: Sequence[Part]) -> tuple[pa.Array, list[NDArray[np.int32]]]:
    """Every clip once, and for every part the places of its clips among them."""
    if len(parts) == 1:
        return parts[0].names, [np.arange(len(parts[0].names), dtype=np.int32)]
    together = encode(pa.chunked_array([part.names for part in parts]))
    ends = np.cumsum([len(part.names) for part in parts])[:-1]
    return together.names, np.split(together.codes, ends)


def _field(
    parts: Sequence[Part], names: pa.Array, codes: Sequence[NDArray[np.int32]], field: str
) -> pa.Array:
    """What the tables say of each clip; the first that says something, and all must agree."""
    if len(parts) == 1:
        return parts[0].fields[field]
    values = encode(
        pa.chunked_array(
            [
                part.fields.get(field, pa.nulls(len(part.names), pa.string())).cast(pa.string())
                for part in parts
            ]
        )
    )
    clips = np.concatenate(codes)
    chosen = np.full(len(names), -1, dtype=np.int32)
    said = np.flatnonzero(values.codes >= 0)[::-1]
    chosen[clips[said]] = values.codes[said]
    differs = (values.codes >= 0) & (values.codes != chosen[clips])
    if field != "audio" and differs.any():
        problems = [
            f"{names[int(clips[row])].as_py()!r} has {field} "
            f"{values.names[int(chosen[clips[row]])].as_py()!r} and "
            f"{values.names[int(values.codes[row])].as_py()!r}"
            for row in np.flatnonzero(differs).tolist()
        ]
        raise InvalidRatings(
            f"{_files(parts)} contradict each other, nothing was imported: {listed(problems)}."
        )
    return Coded(names=values.names, codes=chosen).decode()


def _means(names: pa.Array, scored: Sequence[Scored]) -> list[Scored]:
    """Published means of one dimension each, every clip and test once."""
    return [
        _once(names, _concatenated([s for s in scored if s.dimension == dimension]))
        for dimension in dict.fromkeys(scores.dimension for scores in scored)
    ]


def _once(names: pa.Array, scores: Scored) -> Scored:
    keys = scores.clips.astype(np.int64)
    if scores.tests is not None:
        keys = keys * (len(scores.tests.names) + 1) + scores.tests.codes + 1
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) == len(keys):
        return scores
    differs = np.flatnonzero(scores.values != scores.values[first][place])
    if len(differs):
        problems = [
            f"{names[int(scores.clips[row])].as_py()!r} has {scores.dimension} "
            f"{scores.values[first][place[row]]:g} and {scores.values[row]:g}"
            for row in differs.tolist()
        ]
        raise InvalidRatings(
            "Tables contradict each other about published means, nothing was imported: "
            f"{listed(problems)}."
        )
    return scores.at(np.sort(first))


def _concatenated(scored: Sequence[Scored]) -> Scored:
    first = scored[0]
    if len(scored) == 1:
        return replace(first, rows=None)
    if any(scores.scale != first.scale for scores in scored):
        scales = " and ".join(sorted({scores.scale for scores in scored}))
        raise InvalidRatings(f"The published means of {first.dimension} are on {scales}: name one.")
    sizes = [len(scores.values) for scores in scored]
    return replace(
        first,
        rows=None,
        clip_text=None,
        values=np.concatenate([scores.values for scores in scored]),
        clips=np.concatenate([scores.clips for scores in scored]),
        tests=_all_coded([scores.tests for scores in scored], sizes),
        votes=_all_floats([scores.votes for scores in scored], sizes),
        std=_all_floats([scores.std for scores in scored], sizes),
    )


def _all_coded(columns: Sequence[Coded | None], sizes: Sequence[int]) -> Coded | None:
    if not any(columns):
        return None
    return encode(
        pa.chunked_array(
            [
                column.decode() if column else pa.nulls(size, pa.string())
                for column, size in zip(columns, sizes, strict=True)
            ]
        )
    )


def _all_floats(columns: Sequence[Any], sizes: Sequence[int]) -> NDArray[np.float64]:
    filled = [
        np.full(size, np.nan) if column is None else column
        for column, size in zip(columns, sizes, strict=True)
    ]
    return np.concatenate(filled)


def _published(num_clips: int, means: Sequence[Scored]) -> dict[str, pa.Array]:
    """``mos`` and what belongs to it, from the overall dimension."""
    by_dimension = {scores.dimension: scores for scores in means}
    overall = next((by_dimension[name] for name in OVERALL if name in by_dimension), None)
    if overall is None:
        return {}
    counts = np.bincount(overall.clips, minlength=num_clips)
    one = counts[overall.clips] == 1  # a clip with a mean in each of two tests has no one mean
    chosen = overall.at(np.flatnonzero(one))
    known = np.zeros(num_clips, dtype=bool)
    known[chosen.clips] = True
    columns = {}
    for name, values in (
        ("mos", chosen.values),
        ("mos_std", chosen.std),
        ("mos_votes", chosen.votes),
    ):
        full = np.full(num_clips, np.nan)
        if values is not None:
            full[chosen.clips] = values
        columns[name] = _nullable(full)
    columns["mos_scale"] = pc.if_else(pa.array(known), overall.scale, pa.scalar(None, pa.string()))
    return columns


def _rated(names: pa.Array, singles: Sequence[Scored], means: Sequence[Scored]) -> list[Scored]:
    """Single scores in the order of the files, then the means of clips that have none."""
    tables = [*singles]
    for scores in means:
        rated = np.zeros(len(names), dtype=bool)
        for single in singles:
            if single.dimension == scores.dimension:
                rated[single.clips] = True
        left = np.flatnonzero(~rated[scores.clips])
        if len(left):
            tables.append(scores.at(left))
    return tables


def _concatenated_rows(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables) if tables else RATINGS_SCHEMA.empty_table()


def _coded_rows(names: pa.Array, scores: Scored) -> pa.Table:
    """The same rows with codes for names; what is one for all rows is a list of one name."""
    same = np.zeros(len(scores.values), dtype=np.int8)
    columns = {
        name: pa.DictionaryArray.from_arrays(same, pa.array([value]))
        for name, value in (
            ("kind", HUMAN),
            ("dimension", scores.dimension),
            ("scale", scores.scale),
        )
    }
    columns["clip_id"] = pa.DictionaryArray.from_arrays(scores.clips, names)
    columns["value"] = pa.array(scores.values)
    for name, coded in (("rater", scores.raters), ("test", scores.tests)):
        if coded is not None:
            holes = coded.codes < 0
            codes = pa.array(coded.codes, mask=holes) if holes.any() else coded.codes
            columns[name] = pa.DictionaryArray.from_arrays(codes, coded.names)
    if scores.is_mean:
        columns["votes"] = _votes(scores)
    if scores.std is not None:
        columns["std"] = _nullable(scores.std)
    return pa.table(columns)


def _rating_rows(names: pa.Array, scores: Scored) -> pa.Table:
    num = len(scores.values)
    columns = {
        "clip_id": names.take(pa.array(scores.clips))
        if scores.clip_text is None
        else scores.clip_text,
        "kind": pa.repeat(HUMAN, num),
        "dimension": pa.repeat(scores.dimension, num),
        "scale": pa.repeat(scores.scale, num),
        "value": pa.array(scores.values),
    }
    if scores.is_mean:
        columns["votes"] = _votes(scores)
    if scores.std is not None:
        columns["std"] = _nullable(scores.std)
    if scores.raters is not None:
        columns["rater"] = scores.raters.decode()
    if scores.tests is not None:
        columns["test"] = scores.tests.decode()
    return _shaped(pa.table(columns), RATINGS_SCHEMA)


def _votes(scores: Scored) -> pa.Array:
    """How many scores are behind each mean; 0 where nobody says, for null is a single score."""
    votes = np.zeros(len(scores.values)) if scores.votes is None else scores.votes
    return pa.array(np.nan_to_num(votes, nan=0.0).astype(np.int32))


def _nullable(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


def _shaped(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a schema, in its order; those that the table lacks are null."""
    have = {*table.column_names}
    arrays = [
        table[field.name].cast(field.type)
        if field.name in have
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _summed(findings: Iterator[Finding]) -> list[Finding]:
    """Findings of several files under one code as one."""
    summed: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.message)
        before = summed.get(key)
        summed[key] = (
            finding
            if before is None
            else replace(
                before,
                count=before.count + finding.count,
                examples=(*before.examples, *finding.examples)[:5],
            )
        )
    return list(summed.values())


def _files(parts: Sequence[Part]) -> str:
    return " and ".join(part.source for part in parts)
