"""People's scores less what each listener adds to every clip, as a set of ratings of their own.

The ratings as they were given stay as they are. The set has the kind ``debiased``, the dimension
that was judged, and one row a clip: the estimated quality, on the scale of the ratings, and the
number of votes behind it. A quality may lie a little outside the scale: a clip that only harsh
listeners heard, and called excellent, was better than that.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from mosdata.builders.commit import add_ratings
from mosdata.builders.ground import run_lock
from mosdata.builders.stage import run_folder
from mosdata.manifests.ids import JSON, stable_id
from mosdata.manifests.rows import DEBIASED, Rating
from mosdata.manifests.schema import ratings_schema, ratings_table
from mosdata.manifests.store import Dataset, ParquetRows, open_dataset
from mosdata.raters.debias import Debiased
from mosdata.raters.panel import Panel


@dataclass(frozen=True, slots=True, kw_only=True)
class DebiasedRatings:
    """What was added: scores, those outside the scale, and the name of the set."""

    name: str
    num_ratings: int
    num_outside_scale: int
    was_complete: bool


def add_debiased_ratings(dataset: Dataset, panel: Panel, found: Debiased) -> DebiasedRatings:
    """Add the clips' qualities to the dataset that was rated; the same again adds nothing.

    Args:
        dataset: what was rated; opened again here, under the lock.
        panel: the ratings, all of them of the dataset's clips.
        found: ``debias(panel)``.

    Raises:
        OutputConflict: another process is working on the dataset.
    """
    ratings = _ratings(panel, found)
    name = _name_of(ratings, panel, found)
    outside = sum(not panel.scale.allows(rating.value).all() for rating in ratings)
    run = run_folder(dataset.folder)
    with run_lock(run):
        latest = open_dataset(dataset.folder)
        known = any(entry["name"] == name for entry in latest.manifest["ratings"])
        if not known:
            _add(dataset, name, ratings, found)
    return DebiasedRatings(
        name=name, num_ratings=len(ratings), num_outside_scale=outside, was_complete=known
    )


def _ratings(panel: Panel, found: Debiased) -> list[Rating]:
    """One a clip, by the name of the clip."""
    table = found.clips_table(panel).sort_by("clip_id")
    columns = (table[name].to_pylist() for name in ("clip_id", "quality", "votes"))
    return [
        Rating(
            clip_id=clip_id,
            kind=DEBIASED,
            dimension=panel.dimension,
            scale=panel.scale.name,
            value=quality,
            votes=votes,
            revision=f"{found.method}, shrinkage {found.shrinkage:g}",
        )
        for clip_id, quality, votes in zip(*columns, strict=True)
    ]


def _name_of(ratings: Sequence[Rating], panel: Panel, found: Debiased) -> str:
    """The name of a set: the same scores by the same method are the same set."""
    key: dict[str, JSON] = {
        "dimension": panel.dimension,
        "scale": panel.scale.name,
        "method": found.method,
        "shrinkage": found.shrinkage,
        "scores": [[rating.clip_id, rating.value, rating.votes] for rating in ratings],
    }
    return f"{DEBIASED}-{stable_id('ratings', key)[:8]}"


def _add(dataset: Dataset, name: str, ratings: Sequence[Rating], found: Debiased) -> None:
    run = run_folder(dataset.folder)
    partial = run / f".{name}.{uuid.uuid4().hex[:12]}.parquet"
    try:
        writer = ParquetRows(partial, ratings_schema())
        writer.write(ratings_table(ratings))
        writer.close()
        config: dict[str, JSON] = {"method": found.method, "shrinkage": found.shrinkage}
        about: dict[str, JSON] = {"config": config}
        add_ratings(dataset.folder, name=name, files=[partial], about=about)
    finally:
        partial.unlink(missing_ok=True)
