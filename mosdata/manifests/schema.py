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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

import pyarrow as pa

from mosdata.errors import DamagedDataset
from mosdata.manifests.ids import canonical_json
from mosdata.manifests.rows import Applied, Rating, Utterance

SCHEMA_VERSION: Final = "2"

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
    "text": (pa.string(), "what is said"),
    "language": (pa.string(), "BCP 47 tag of the text"),
    "speaker": (pa.string(), "who speaks: the engine's voice, or the person"),
    "synthesizer": (pa.int64(), "class index (ClassLabel): 0 natural, 1 unknown, then systems"),
    "system": (pa.string(), "unit of system-level metrics; name of the class for built speech"),
    "engine_revision": (pa.string(), "version of everything that made the sound"),
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
    "output_terms": (pa.string(), "open, non-commercial, restricted or unknown"),
    "pcm_sha256": (pa.string(), "checksum of the 16-bit samples"),
    "flags": (pa.list_(pa.string()), "quality flags; a flagged clip is kept"),
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

RATINGS: Final[Mapping[str, tuple[pa.DataType, str]]] = {
    "clip_id": (pa.string(), "`id` of the clip"),
    "kind": (pa.string(), '"human", or the name of the metric that computed the score'),
    "dimension": (pa.string(), "what was judged: mos, sig, bak, ovrl, p808, ..."),
    "scale": (pa.string(), "scale of `value`, such as acr_1_5"),
    "value": (pa.float64(), "the score, raw; a mean where `votes` is given"),
    "votes": (pa.int32(), "number of scores whose mean `value` is; null for a single score"),
    "std": (pa.float64(), "their standard deviation (n - 1), where it was published"),
    "rater": (pa.string(), "who gave it; null for metrics"),
    "test": (pa.string(), "listening test; null for metrics"),
    "revision": (pa.string(), "version of the metric; null for people"),
}
"""Columns of the rating table, in order: Arrow type and meaning."""


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


def ratings_schema() -> pa.Schema:
    """Arrow schema of the rating table."""
    metadata = {"mosdata": canonical_json({"table": "ratings", "schema_version": SCHEMA_VERSION})}
    return pa.schema([(name, kind) for name, (kind, _) in RATINGS.items()], metadata=metadata)


def clips_batch(rows: Iterable[Utterance], schema: pa.Schema) -> pa.RecordBatch:
    """Utterances as one Arrow batch of ``schema``.

    Raises:
        DamagedDataset: a system that is not in the schema's class list.
    """
    index = {name: i for i, name in enumerate(class_names_of(schema))}
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for row in rows:
        if row.synthesizer not in index:
            raise DamagedDataset(f"Class {row.synthesizer!r} is not in the class list {[*index]}.")
        values = {name: getattr(row, name) for name in schema.names}
        values["audio"] = {"bytes": row.audio, "path": f"{row.id}.flac"} if row.audio else None
        values["synthesizer"] = index[row.synthesizer]
        values["corruptions"] = [
            {"name": a.name, "level": a.level, "params": canonical_json(a.params)}
            for a in row.corruptions
        ]
        for name, value in values.items():
            columns[name].append(value)
    arrays = [pa.array(columns[field.name], type=field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def ratings_batch(ratings: Iterable[Rating]) -> pa.RecordBatch:
    """Ratings as one Arrow batch."""
    return pa.RecordBatch.from_pylist([asdict(rating) for rating in ratings], ratings_schema())


def utterance_from(values: Mapping[str, Any], class_names: Sequence[str]) -> Utterance:
    """One row of the clip table, as ``to_pylist`` gives it, as an :class:`Utterance`.

    Columns that were not read keep their default; ``audio`` becomes ``b""``.
    """
    known = {name: values[name] for name in _FIELD_NAMES if name in values}
    known["audio"] = (values.get("audio") or {}).get("bytes") or b""
    if values.get("synthesizer") is not None:
        known["synthesizer"] = class_names[values["synthesizer"]]
    known["corruptions"] = tuple(
        Applied(name=c["name"], level=c["level"], params=json.loads(c["params"]))
        for c in values.get("corruptions") or ()
    )
    known["flags"] = tuple(values.get("flags") or ())
    return Utterance(**{**_BLANK, **known})


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
_BLANK: Final[dict[str, Any]] = {
    "id": "",
    "audio": b"",
    "sample_rate_hz": 0,
    "num_samples": 0,
    "duration_s": 0.0,
    "text": "",
    "language": "",
    "speaker": "",
    "synthesizer": "unknown",
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
