"""Counts that the parts of a dataset card need, from one look at the light columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mosdata.builders.licences import Together, strictest_terms, together
from mosdata.manifests.places import parquet_file
from mosdata.manifests.store import Dataset, damage_named

COLUMNS: Final = (
    "id",
    "system",
    "synthesizer",
    "engine_revision",
    "duration_s",
    "license",
    "output_terms",
    "language",
    "sentence",
    "corruptions",
    "sample_rate_hz",
)


@dataclass(slots=True, kw_only=True)
class SystemFacts:
    """One system: its class, and what its clips add up to."""

    name: str
    label: str
    clips: int = 0
    seconds: float = 0.0
    revisions: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    terms: str = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFacts:
    """The scores of one kind, dimension and scale in one set of ratings."""

    name: str
    kind: str
    dimension: str
    scale: str
    scores: int
    clips: int
    raters: int
    votes: int
    values: NDArray[np.float64]


class CardFacts:
    """What the clips and the ratings of a dataset add up to."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._rows = dataset.table(list(COLUMNS)).to_pylist() if dataset.files else []
        self.languages = sorted({row["language"] for row in self._rows})
        self.splits = Counter(row["split"] for row in self._rows)
        self.licenses = Counter((row["license"], row["output_terms"]) for row in self._rows)
        self.rates = Counter(row["sample_rate_hz"] for row in self._rows if row["sample_rate_hz"])
        self.durations = np.array([row["duration_s"] for row in self._rows], dtype=np.float64)
        self.hours = float(self.durations.sum()) / 3600
        self.by_corruption: Counter[tuple[str, float]] = Counter()
        self.by_system_level: Counter[tuple[str, float]] = Counter()
        for row in self._rows:
            applied = row["corruptions"] or ()
            level = max((one["level"] for one in applied), default=0.0)
            self.by_system_level[row["system"], level] += 1
            self.by_corruption.update((one["name"], one["level"]) for one in applied)

    @cached_property
    def systems(self) -> list[SystemFacts]:
        """Every system, by name."""
        by_name: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self._rows:
            by_name[row["system"]].append(row)
        return [self._system(name, rows) for name, rows in sorted(by_name.items())]

    def _system(self, name: str, rows: list[dict[str, Any]]) -> SystemFacts:
        names = self.dataset.class_names
        labels = sorted({names[row["synthesizer"]] for row in rows})
        return SystemFacts(
            name=name,
            label=", ".join(labels),
            clips=len(rows),
            seconds=sum(row["duration_s"] for row in rows),
            revisions=tuple(sorted({row["engine_revision"] for row in rows} - {""})),
            licences=tuple(sorted({row["license"] for row in rows})),
            terms=strictest_terms({row["output_terms"] for row in rows}),
        )

    @property
    def licence(self) -> Together:
        """All licences as one."""
        return together({name for name, _ in self.licenses})

    @property
    def terms(self) -> str:
        """The strictest output terms."""
        return strictest_terms({terms for _, terms in self.licenses})

    @property
    def sentences_in_several_splits(self) -> tuple[int, int]:
        """How many sentences are in more than one split, and how many there are."""
        splits: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._rows:
            splits[row["sentence"]].add(row["split"])
        return sum(len(found) > 1 for found in splits.values()), len(splits)

    @cached_property
    def scores(self) -> list[ScoreFacts]:
        """Scores by set, kind, dimension and scale."""
        return [
            found for entry in self.dataset.manifest["ratings"] for found in self._scores_of(entry)
        ]

    def _scores_of(self, entry: dict[str, Any]) -> list[ScoreFacts]:
        tables = []
        for file in entry["files"]:
            with damage_named(self.dataset.folder / file["path"]):
                tables.append(parquet_file(self.dataset.folder / file["path"]).read())
        if not tables:
            return []
        table = pa.concat_tables(tables)
        keys = list(zip(*(table[name].to_pylist() for name in _KEY), strict=True))
        found = []
        for key in sorted({*keys}, key=str):
            part = table.filter(pa.array([one == key for one in keys], pa.bool_()))
            found.append(_scores(entry["name"], key, part))
        return found

    @cached_property
    def reasons(self) -> dict[str, int]:
        """Records in quarantine by reason, the most frequent first."""
        counts: Counter[str] = Counter()
        for entry in self.dataset.manifest["quarantine"]:
            path = self.dataset.folder / entry["path"]
            with damage_named(path), parquet_file(path) as reader:
                table = reader.read(columns=["reason"])
            counts.update(table["reason"].to_pylist())
        return dict(counts.most_common())


_KEY: Final = ("kind", "dimension", "scale")


def _scores(name: str, key: tuple[str, str, str], part: pa.Table) -> ScoreFacts:
    kind, dimension, scale = key
    votes = [1 if count is None else count for count in part["votes"].to_pylist()]
    return ScoreFacts(
        name=name,
        kind=kind,
        dimension=dimension,
        scale=scale,
        scores=len(part),
        clips=len(part["clip_id"].unique()),
        raters=len({*part["rater"].to_pylist()} - {None}),
        votes=sum(votes),
        values=part["value"].to_numpy().astype(np.float64),
    )
