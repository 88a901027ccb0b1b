"""The dataset on disk as Arrow: two tables, versioned, readable without us.

``clips`` (``data/<split>-*.parquet``) has one row a clip, with its audio inside;
``ratings`` (``ratings/**/*.parquet``) has one row a score. The clip schema carries the
``huggingface`` metadata that ``datasets`` writes for an ``Audio`` and a ``ClassLabel`` column, so
``datasets.load_dataset(folder)`` sees them as such. It is written here as data rather than
by ``datasets`` itself: training reads datasets on machines that do not have it. A test holds the
two equal.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, Final

import pyarrow as pa

from mosdata.errors import DamagedDataset
from mosdata.manifests.ids import canonical_json
from mosdata.manifests.rows import UNKNOWN, Applied, Rating, Utterance

SCHEMA_VERSION: Final = "3"

READABLE_VERSIONS: Final = ("2", SCHEMA_VERSION)
"""What this mosdata reads; columns that a version lacks (:data:`ADDED_IN`) are blank."""

AUDIO_TYPE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CORRUPTION_TYPE: Final = pa.struct(
    [("name", pa.string()), ("level", pa.float64()), ("params", pa.string())]
)

CLIPS: Final[Mapping[str, tuple[pa.DataType, str]]] = {
    "id": (pa.string(), "stable name of the clip: same inputs, same id"),
    "audio": (
        AUDIO_TYPE,
        "FLAC, 16-bit, mono, in `bytes`; `path` is `<id>.flac`, not a file; null where a corpus "
        "came as ratings only",
    ),
    "sample_rate_hz": (pa.int32(), "rate of `audio`; 0 where there is none"),
    "num_samples": (pa.int64(), "length of `audio` in samples"),
    "duration_s": (pa.float64(), "length of `audio` in seconds"),
    "speech_s": (
        pa.float64(),
        "the same without silence at the edges, of built speech and its copies; else null",
    ),
    "text": (pa.string(), "what is said, as it was written"),
    "text_spoken": (
        pa.string(),
        "what the engine was given: `text` in words (docs/text.md); empty for recorded speech",
    ),
    "boundaries_s": (
        pa.list_(pa.float64()),
        "where pieces after the first begin, of a text that was spoken in several",
    ),
    "heard": (
        pa.string(),
        "what a recogniser heard in the clip (`build --asr`); null where none listened",
    ),
    "language": (pa.string(), "BCP 47 tag of the text"),
    "speaker": (pa.string(), "who speaks: the engine's voice, or the person"),
    "voice": (pa.string(), "voice that the engine was asked for; empty for recorded speech"),
    "synthesizer": (pa.int64(), "class index (ClassLabel): 0 natural, 1 unknown, then systems"),
    "system": (pa.string(), "unit of system-level metrics; name of the class for built speech"),
    "engine_revision": (pa.string(), "version of everything that made the sound"),
    "engine_fingerprint": (
        pa.string(),
        "the same in detail, as JSON: adapter, upstream, digests of weights, packages, dtype; "
        "empty where an engine has none",
    ),
    "dataset": (pa.string(), "corpus the clip comes from"),
    "sentence": (
        pa.string(),
        "what is said, as a name: the same words share it; the clip's own id where unknown",
    ),
    "parent_id": (pa.string(), "clip this one was made from by corruption; null for sources"),
    "corruptions": (
        pa.list_(CORRUPTION_TYPE),
        "in the order applied; `params` is JSON of what was drawn",
    ),
    "mos": (
        pa.float64(),
        "overall quality as its corpus publishes it, raw, on `mos_scale`; where it publishes "
        "single scores only, their mean; null where nobody rated",
    ),
    "mos_std": (pa.float64(), "standard deviation of the scores behind `mos` (n - 1)"),
    "mos_votes": (pa.int32(), "number of scores behind `mos`"),
    "mos_scale": (pa.string(), "scale of `mos`, such as acr_1_5; null without `mos`"),
    "seed": (pa.uint64(), "seed the engine was given"),
    "license": (pa.string(), "SPDX id that applies to this clip"),
    "code_license": (pa.string(), "SPDX id of the engine's code; empty where there is none"),
    "weights_license": (pa.string(), "SPDX id of its weights; empty where there are none"),
    "output_terms": (pa.string(), "open, non-commercial, restricted or unknown"),
    "pcm_sha256": (pa.string(), "checksum of the 16-bit samples"),
    "flags": (pa.list_(pa.string()), "quality flags (docs/gates.md); a flagged clip is kept"),
    "sample_rate_source_hz": (pa.int32(), "rate the engine or the file had"),
    "num_channels_source": (pa.int16(), "channels the engine or the file had"),
    "encoding_source": (
        pa.string(),
        "container and samples of the file, such as WAV/FLOAT; empty for engines",
    ),
    "bandwidth_hz": (pa.float32(), "99.9 % of the energy lies below"),
    "peak_dbfs": (pa.float32(), "highest sample, dB re full scale"),
    "rms_dbfs": (pa.float32(), "root mean square, dB re full scale"),
    "clipped_fraction": (pa.float32(), "share of samples at full scale"),
}
"""Columns of the clip table, in order: Arrow type and meaning."""

ADDED_IN: Final[Mapping[str, str]] = {
    "voice": "3",
    "text_spoken": "3",
    "boundaries_s": "3",
    "engine_fingerprint": "3",
    "code_license": "3",
    "weights_license": "3",
    "speech_s": "3",
    "heard": "3",
}
"""Columns of the clip table that earlier versions lack, and the version that brought them."""

NOT_KNOWN: Final = ("speech_s", "heard")
"""Those of them that are null where they were not measured; the others are empty."""

RATINGS: Final[Mapping[str, tuple[pa.DataType, str]]] = {
    "clip_id": (pa.string(), "`id` of the clip"),
    "kind": (pa.string(), '"human", or the name of the metric that computed the score'),
    "dimension": (pa.string(), "what was judged: mos, sig, bak, ovrl, p808, ..."),
    "scale": (pa.string(), "scale of `value`, such as acr_1_5"),
    "value": (pa.float64(), "the score, raw; a mean where `votes` is given"),
    "votes": (
        pa.int32(),
        "number of scores whose mean `value` is, 0 where nobody says; null for a single score",
    ),
    "std": (pa.float64(), "their standard deviation (n - 1), where it was published"),
    "rater": (pa.string(), "who gave it; null for metrics"),
    "test": (pa.string(), "listening test; null for metrics"),
    "revision": (pa.string(), "version of the metric; null for people"),
}
"""Columns of the rating table, in order: Arrow type and meaning."""

CHECKS: Final[Mapping[str, tuple[pa.DataType, str]]] = {
    "clip_id": (pa.string(), "`id` of the clip"),
    "flag": (pa.string(), "what stands out (docs/gates.md)"),
    "value": (pa.float64(), "by how much: characters a second, or clips that share it"),
    "low": (pa.float64(), "least that was allowed; null for no limit"),
    "high": (pa.float64(), "most that was allowed; null for no limit"),
    "twin": (pa.string(), "`id` of the clip that it repeats; null for rates"),
}
"""Columns of ``checks/clips.parquet``: clips that stand out among all clips of a build."""

FENCES: Final[Mapping[str, tuple[pa.DataType, str]]] = {
    "system": (pa.string(), "`system` of the clips"),
    "voice": (pa.string(), "`voice` of the clips"),
    "language": (pa.string(), "`language` of the clips"),
    "clips": (pa.int64(), "clips whose speaking rate is known"),
    "q1": (pa.float64(), "quartile of characters a second of `speech_s`; null below 8 clips"),
    "median": (pa.float64(), "their median"),
    "q3": (pa.float64(), "upper quartile"),
    "low": (pa.float64(), "lower fence, q1 - 2 (q3 - q1)"),
    "high": (pa.float64(), "upper fence, q3 + 2 (q3 - q1)"),
    "outside": (pa.int64(), "clips outside the fences, each flagged `rate_outlier`"),
}
"""Columns of ``checks/fences.parquet``: what is usual for each voice of a build."""


def clips_schema(*, class_names: Sequence[str], sample_rate_hz: int | None) -> pa.Schema:
    """Arrow schema of the clip table, with the metadata that ``datasets`` and mosdata read.

    Args:
        class_names: names of the synthesizer classes, by index.
        sample_rate_hz: the one rate of all clips; None where each clip keeps its own.
    """
    metadata = {
        "huggingface": json.dumps({"info": {"features": _features(class_names, sample_rate_hz)}}),
        "mosdata": canonical_json({"table": "clips", "schema_version": SCHEMA_VERSION}),
    }
    return pa.schema([(name, kind) for name, (kind, _) in CLIPS.items()], metadata=metadata)


def columns_of(version: str) -> dict[str, pa.DataType]:
    """Columns that a clip table of a readable version has, with their types.

    Example:
        >>> "text" in columns_of("2"), "text_spoken" in columns_of("2")
        (True, False)
    """
    return {
        name: kind
        for name, (kind, _) in CLIPS.items()
        if int(ADDED_IN.get(name, "0")) <= int(version)
    }


def with_added_columns(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """A clip table of an earlier version, with blanks in those columns of ``names`` it lacks."""
    for name in names:
        if name in ADDED_IN and name not in table.column_names:
            kind = CLIPS[name][0]
            empty: Any = [] if pa.types.is_list(kind) else ""
            blank = pa.scalar(None if name in NOT_KNOWN else empty, kind)
            table = table.append_column(name, pa.repeat(blank, len(table)))
    return table


def ratings_schema() -> pa.Schema:
    """Arrow schema of the rating table."""
    metadata = {"mosdata": canonical_json({"table": "ratings", "schema_version": SCHEMA_VERSION})}
    return pa.schema([(name, kind) for name, (kind, _) in RATINGS.items()], metadata=metadata)


def clips_table(rows: Iterable[Utterance], schema: pa.Schema) -> pa.Table:
    """Utterances as a table of ``schema``, column by column; sounds are not copied.

    Raises:
        DamagedDataset: a system that is not in the schema's class list.
    """
    rows = tuple(rows)
    index = {name: i for i, name in enumerate(class_names_of(schema))}
    unknown = next((row.synthesizer for row in rows if row.synthesizer not in index), None)
    if unknown is not None:
        raise DamagedDataset(f"Class {unknown!r} is not in the class list {[*index]}.")
    columns = _columns(rows, schema.names)
    made = {
        "audio": _audio(rows),
        "corruptions": _corruptions([row.corruptions for row in rows]),
        "synthesizer": pa.array([index[row.synthesizer] for row in rows], pa.int64()),
    }
    arrays = [
        made[field.name] if field.name in made else pa.array(column, field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _columns(rows: Sequence[object], names: Sequence[str]) -> list[Sequence[Any]]:
    """The values of each field, in row order."""
    return [*zip(*map(attrgetter(*names), rows), strict=True)] if rows else [()] * len(names)


def _audio(rows: Sequence[Utterance]) -> pa.ChunkedArray:
    """The sound of each row, a chunk of its own; null where there is none."""
    names = pa.array([f"{row.id}.flac" for row in rows], pa.string())
    sounds = (_sound(row.audio, names[i : i + 1]) for i, row in enumerate(rows))
    return pa.chunked_array(list(sounds), AUDIO_TYPE)


def _sound(audio: bytes, name: pa.StringArray) -> pa.Array:
    """One sound where it is: Arrow's own way copies it, into a buffer that it copies as it grows.

    Sounds of a row group are large, and a copy would drive all else out of the processor.
    """
    if not audio:
        return pa.nulls(1, AUDIO_TYPE)
    ends = pa.py_buffer(struct.pack("=2i", 0, len(audio)))
    blob = pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(audio)])
    return pa.Array.from_buffers(AUDIO_TYPE, 1, [None], children=[blob, name])


def _corruptions(chains: Sequence[tuple[Applied, ...]]) -> pa.Array:
    """What was applied to each row, in order."""
    flat = [applied for chain in chains for applied in chain]
    values = [
        [applied.name for applied in flat],
        [applied.level for applied in flat],
        [canonical_json(applied.params) for applied in flat],
    ]
    parts = [pa.array(v, f.type) for v, f in zip(values, CORRUPTION_TYPE, strict=True)]
    items = pa.StructArray.from_arrays(parts, fields=[*CORRUPTION_TYPE])
    offsets = pa.array([0, *accumulate(map(len, chains))], pa.int32())
    return pa.ListArray.from_arrays(offsets, items, type=pa.list_(CORRUPTION_TYPE))


def ratings_table(ratings: Iterable[Rating]) -> pa.Table:
    """Ratings as a table, column by column."""
    schema = ratings_schema()
    columns = zip(_columns(tuple(ratings), schema.names), schema, strict=True)
    arrays = [pa.array(column, field.type) for column, field in columns]
    return pa.Table.from_arrays(arrays, schema=schema)


def utterances_from(table: pa.Table, class_names: Sequence[str]) -> Iterator[Utterance]:
    """The rows of a clip table, one by one.

    Columns that were not read keep their default; ``audio`` becomes ``b""``. The other columns
    are turned into Python values at once; sound is copied out of the table row by row.
    """
    names = [name for name in _FIELD_NAMES if name in table.column_names]
    columns = [_values(name, table[name], class_names) for name in names]
    blank = Utterance(**_BLANK)
    rest = [(_PLACES[name], getattr(blank, name)) for name in _FIELD_NAMES if name not in names]
    places = [_PLACES[name] for name in names]
    for values in zip(*columns, strict=True):
        row = object.__new__(Utterance)
        for place, value in chain(zip(places, values, strict=True), rest):
            place(row, value)
        yield row


def side_schema(table: str, columns: Mapping[str, tuple[pa.DataType, str]]) -> pa.Schema:
    """Arrow schema of a table beside the clips, such as :data:`CHECKS`."""
    metadata = {"mosdata": canonical_json({"table": table, "schema_version": SCHEMA_VERSION})}
    return pa.schema([(name, kind) for name, (kind, _) in columns.items()], metadata=metadata)


def _values(name: str, column: pa.ChunkedArray, class_names: Sequence[str]) -> Iterable[Any]:
    """Values of a column, as an utterance has them."""
    if name == "audio":
        return (sound.as_py() or b"" for part in column.chunks for sound in part.flatten()[0])
    values: list[Any] = column.to_pylist()
    if name == "synthesizer":
        return [UNKNOWN if value is None else class_names[value] for value in values]
    if name in ("flags", "boundaries_s"):
        return [tuple(value or ()) for value in values]
    if name == "corruptions":
        return [tuple(map(_applied, value or ())) for value in values]
    return values


def _applied(values: Mapping[str, Any]) -> Applied:
    params = json.loads(values["params"])
    return Applied(name=values["name"], level=values["level"], params=params)


def class_names_of(schema: pa.Schema) -> list[str]:
    """The class list that a clip schema carries.

    Raises:
        DamagedDataset: the schema is not one of ours.
    """
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        return list(features["synthesizer"]["names"])
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedDataset(
            "The Parquet schema has no class list: not a mosdata table."
        ) from error


_FIELD_NAMES: Final = tuple(f.name for f in fields(Utterance))
_PLACES: Final = {name: getattr(Utterance, name).__set__ for name in _FIELD_NAMES}
"""Each field's slot, to be filled directly: the constructor of a frozen class with thirty fields
takes longer than reading them. Utterance checks nothing there."""

_BLANK: Final[dict[str, Any]] = {
    "id": "",
    "audio": b"",
    "sample_rate_hz": 0,
    "num_samples": 0,
    "duration_s": 0.0,
    "text": "",
    "language": "",
    "speaker": "",
    "synthesizer": UNKNOWN,
    "system": "",
    "engine_revision": "",
    "dataset": "",
    "sentence": "",
}


def _features(class_names: Sequence[str], sample_rate_hz: int | None) -> dict[str, Any]:
    """The clip table in the words of ``datasets.Features``."""
    features: dict[str, Any] = {name: _feature(kind) for name, (kind, _) in CLIPS.items()}
    rate = {} if sample_rate_hz is None else {"sampling_rate": sample_rate_hz}
    features["audio"] = {**rate, "_type": "Audio"}
    features["synthesizer"] = {"names": list(class_names), "_type": "ClassLabel"}
    return features


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {kind.field(i).name: _feature(kind.field(i).type) for i in range(kind.num_fields)}
    name = {"float": "float32", "double": "float64"}.get(str(kind), str(kind))
    return {"dtype": name, "_type": "Value"}
