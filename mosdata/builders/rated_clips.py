"""What a corpus says of each clip, in the words of a dataset's row; nothing has been heard yet."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from mosdata.builders.findings import named
from mosdata.builders.transcripts import normalise
from mosdata.corpora.table import Finding, RatedCorpus
from mosdata.errors import InvalidRatings
from mosdata.manifests.ids import JSON, canonical_json, stable_id
from mosdata.manifests.rows import HUMAN, UNKNOWN

UNDETERMINED: Final = "und"
"""BCP 47 for a language that nobody names."""

OVERALL: Final = ("ovrl", "mos")
"""Dimensions that a row's ``mos`` may be about; the last one that was judged counts."""

MAX_SHOWN: Final = 5
DIGEST_ROWS: Final = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedClip:
    """One clip of a corpus: the fields of its row that come from tables.

    Args:
        name: the corpus's own name; becomes the id.
        audio: path of its file as the table gives it.
        split: as the corpus has it.
        origin: the clip that it was made from in the end; itself for most.
        has_system: whether the corpus names its system.
        has_speaker: whether the corpus names who speaks.
        is_rated: whether anybody has scored it.
        about: values of the columns of ``mosdata.manifests.schema.CLIPS`` that tables can know.
    """

    name: str
    audio: str | None
    split: str | None
    origin: str
    has_system: bool
    has_speaker: bool
    is_rated: bool
    about: Mapping[str, JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Overall:
    """A clip's overall score, from single scores where nothing else was published."""

    mos: float
    mos_std: float | None
    mos_votes: int | None
    mos_scale: str


def rated_clips(corpus: RatedCorpus) -> tuple[list[RatedClip], list[Finding]]:
    """The clips of a corpus in its order, and what was odd about them.

    Raises:
        InvalidRatings: clips that are made from one another in a circle.
    """
    rows: list[dict[str, Any]] = corpus.clips.to_pylist()
    overall, findings = overall_scores(corpus.ratings)
    rated = {*corpus.ratings["clip_id"].to_pylist()}
    itself = [row["name"] for row in rows if row["parent"] == row["name"]]
    parents = {
        row["name"]: row["parent"] for row in rows if row["parent"] not in (None, row["name"])
    }
    by_name = {row["name"]: row for row in rows}
    clips = []
    for row in rows:
        origin = _origin(row["name"], parents)
        words = row if row["sentence"] or row["text"] else by_name.get(origin, row)
        about = _about(row, parents.get(row["name"]), _sentence(words, origin))
        score = overall.get(row["name"])
        if row["mos"] is None and score is not None:
            about |= {name: getattr(score, name) for name in _Overall.__slots__}
        clips.append(
            RatedClip(
                name=row["name"],
                audio=row["audio"],
                split=row["split"],
                origin=origin,
                has_system=row["system"] is not None,
                has_speaker=row["speaker"] is not None,
                is_rated=row["mos"] is not None or row["name"] in rated,
                about=about,
            )
        )
    findings += named(
        "own_parent", itself, "clips name themselves as what they were made from; left out."
    )
    lost = [name for name, parent in parents.items() if parent not in by_name]
    findings += named("lost_parent", lost, "clips were made from a clip that is not in the corpus.")
    return clips, findings


def unrated_clip(name: str, dataset: str) -> RatedClip:
    """A clip that the tables do not know: a file that nobody has scored."""
    row: dict[str, Any] = {**dict.fromkeys(_FROM_TABLE), "name": name, "dataset": dataset}
    return RatedClip(
        name=name,
        audio=name,
        split=None,
        origin=name,
        has_system=False,
        has_speaker=False,
        is_rated=False,
        about=_about(row, None, name),
    )


_FROM_TABLE: Final = (
    "system", "speaker", "text", "language", "synthesizer",
    "mos", "mos_std", "mos_votes", "mos_scale",
)  # fmt: skip


def _about(row: Mapping[str, Any], parent: str | None, sentence: str) -> dict[str, JSON]:
    return {
        "dataset": row["dataset"] or UNKNOWN,
        "system": row["system"] or UNKNOWN,
        "speaker": row["speaker"] or UNKNOWN,
        "sentence": sentence,
        "text": row["text"] or "",
        "language": row["language"] or UNDETERMINED,
        "parent_id": parent,
        "synthesizer": row.get("synthesizer"),
        "mos": row["mos"],
        "mos_std": row["mos_std"],
        "mos_votes": row["mos_votes"],
        "mos_scale": row["mos_scale"] if row["mos"] is not None else None,
    }


def _sentence(row: Mapping[str, Any], origin: str) -> str:
    """As the corpus names it; else by its words, as texts of ``build`` are; else the clip alone."""
    if row["sentence"]:
        return str(row["sentence"])
    text = normalise(row["text"] or "")
    return stable_id("text", {"text": text}) if text else origin


def _origin(name: str, parents: Mapping[str, str]) -> str:
    """The clip that another one was made from in the end.

    Raises:
        InvalidRatings: there is no end.
    """
    passed = [name]
    while (parent := parents.get(passed[-1])) is not None:
        if parent in passed:
            circle = " -> ".join([*passed, parent][:MAX_SHOWN])
            raise InvalidRatings(
                f"Clips are made from one another in a circle: {circle}. Mend the column that "
                "names what a clip was made from."
            )
        passed.append(parent)
    return passed[-1]


def ratings_digest(ratings: pa.Table) -> str:
    """Checksum of scores in their order, whatever file they come from."""
    digest = hashlib.blake2b(digest_size=16)
    for batch in ratings.combine_chunks().to_batches(max_chunksize=DIGEST_ROWS):
        columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
        digest.update(canonical_json(columns).encode())
    return digest.hexdigest()


def overall_scores(ratings: pa.Table) -> tuple[dict[str, _Overall], list[Finding]]:
    """Mean, deviation (n - 1) and count of each clip's single scores of overall quality.

    A clip with one published mean and no single scores has that. Scores of one clip on several
    scales have no mean.
    """
    found: dict[str, _Overall] = {}
    mixed: list[str] = []
    people = ratings.filter(pc.equal(ratings["kind"], HUMAN))
    for dimension in OVERALL:
        rows = people.filter(pc.equal(people["dimension"], dimension))
        grouped = rows.group_by("clip_id", use_threads=False).aggregate(
            [("value", "list"), ("votes", "list"), ("std", "list"), ("scale", "list")]
        )
        for name, *lists in zip(*(column.to_pylist() for column in grouped.columns), strict=True):
            by_name = dict(zip(grouped.column_names, (name, *lists), strict=True))
            if len({*by_name["scale_list"]}) > 1:
                mixed.append(name)
            elif (score := _overall(by_name)) is not None:
                found[name] = score
    what = "clips are scored on several scales; no mean is made of that."
    return found, named("mixed_scales", mixed, what)


def _overall(of_clip: Mapping[str, Any]) -> _Overall | None:
    """Of single scores their mean, else the published one where there is just one."""
    values, votes = of_clip["value_list"], of_clip["votes_list"]
    scale = of_clip["scale_list"][0]
    single = [value for value, count in zip(values, votes, strict=True) if count is None]
    if single:
        return _mean(single, scale)
    if len(values) > 1:
        return None
    return _Overall(
        mos=values[0],
        mos_std=of_clip["std_list"][0],
        mos_votes=votes[0] or None,
        mos_scale=scale,
    )


def _mean(values: Sequence[float], scale: str) -> _Overall:
    """Exact sums, rounded once: the same on every machine and in every order."""
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    std = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None
    return _Overall(mos=mean, mos_std=std, mos_votes=len(values), mos_scale=scale)
