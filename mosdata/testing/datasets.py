"""Rows and whole dataset folders made by hand, without a build."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mosdata.audio import Clip
from mosdata.manifests.ids import stable_id
from mosdata.manifests.rows import HUMAN, Rating, Utterance
from mosdata.manifests.schema import (
    SCHEMA_VERSION,
    clips_schema,
    clips_table,
    ratings_schema,
    ratings_table,
)
from mosdata.manifests.store import (
    FORMAT,
    Dataset,
    ParquetRows,
    content_id,
    content_sum,
    describe_file,
    open_dataset,
    write_manifest,
)
from mosdata.manifests.systems import class_names
from mosdata.testing.clips import speechlike


def utterance(index: int = 0, audio: Clip | None = None, **changes: Any) -> Utterance:
    """A valid row; override only what the test is about.

    Args:
        index: makes text, id and sound differ from row to row.
        audio: sound of the row; ``speechlike(0.5, seed=index)`` where none is given.
        changes: fields of :class:`Utterance`.
    """
    sound = speechlike(0.5, seed=index) if audio is None else audio
    text = f"Sentence number {index}."
    row = Utterance(
        id=stable_id("test-clip", {"index": index}),
        audio=b"",
        sample_rate_hz=sound.sample_rate_hz,
        num_samples=0,
        duration_s=0.0,
        text=text,
        language="en",
        speaker="default",
        synthesizer="tone",
        system="tone",
        engine_revision="test",
        dataset="test",
        sentence=stable_id("text", {"text": text}),
        license="CC0-1.0",
        output_terms="open",
        sample_rate_source_hz=sound.sample_rate_hz,
    )
    return replace(row.with_clip(sound), **changes)


def human_ratings(clip_id: str, scores: Iterable[float], dimension: str = "mos") -> list[Rating]:
    """One rating per score, by raters called r0, r1, ..."""
    return [
        Rating(
            clip_id=clip_id,
            kind=HUMAN,
            dimension=dimension,
            scale="acr_1_5",
            value=float(score),
            rater=f"r{i}",
            test="t0",
        )
        for i, score in enumerate(scores)
    ]


def write_dataset(
    folder: Path,
    rows: Mapping[str, Iterable[Utterance]],
    ratings: Iterable[Rating] = (),
    stage: str = "build",
) -> Dataset:
    """A finished dataset folder from rows by split, with one set of ratings.

    Example:
        >>> write_dataset(tmp, {"train": [utterance(0)], "test": [utterance(1)]})  # doctest: +SKIP
    """
    by_split = {split: list(part) for split, part in rows.items()}
    every = [row for part in by_split.values() for row in part]
    names = class_names(row.synthesizer for row in every)
    rates = {row.sample_rate_hz for row in every}
    rate = rates.pop() if len(rates) == 1 else None
    schema = clips_schema(class_names=names, sample_rate_hz=rate)
    (folder / "data").mkdir(parents=True)
    files = []
    for split, part in by_split.items():
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
        writer = ParquetRows(path, schema)
        writer.write(clips_table(part, schema))
        writer.close()
        files.append(describe_file(folder, path, split=split, rows=len(part)))
    manifest = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "stage": stage,
        "class_names": names,
        "sample_rate_hz": rate,
        "content_id": content_id([content_sum(every)]),
        "data": [asdict(file) for file in files],
        "quarantine": [],
        "ratings": _write_ratings(folder, list(ratings)),
    }
    write_manifest(folder, manifest)
    return open_dataset(folder)


def _write_ratings(folder: Path, ratings: list[Rating]) -> list[dict[str, Any]]:
    if not ratings:
        return []
    path = folder / "ratings" / "test" / "part-00000.parquet"
    path.parent.mkdir(parents=True)
    writer = ParquetRows(path, ratings_schema())
    writer.write(ratings_table(ratings))
    writer.close()
    dimensions: dict[str, set[str]] = defaultdict(set)
    for rating in ratings:
        dimensions[rating.kind].add(rating.dimension)
    file = describe_file(folder, path, split="all", rows=len(ratings))
    return [
        {
            "name": "test",
            "kinds": {kind: sorted(names) for kind, names in dimensions.items()},
            "files": [asdict(file)],
        }
    ]
