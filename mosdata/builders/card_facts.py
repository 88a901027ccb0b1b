"""Counts that the parts of a dataset card need, from one look at the light columns."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mosdata.builders.licences import Together, strictest_terms, together
from mosdata.manifests.places import parquet_file
from mosdata.manifests.store import Dataset, damage_named

COLUMNS: Final = (
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
    """What the clips and the ratings of a dataset add up to; no clip is kept in memory."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.splits: Counter[str] = Counter()
        self.licenses: Counter[tuple[str, str]] = Counter()
        self.rates: Counter[int] = Counter()
        self.by_corruption: Counter[tuple[str, float]] = Counter()
        self.by_system_level: Counter[tuple[str, float]] = Counter()
        self._languages: set[str] = set()
        self._systems: defaultdict[str, _SystemSums] = defaultdict(_SystemSums)
        self._sentences = _Sentences()
        durations = [np.zeros(0)]
        for table in dataset.tables(COLUMNS):
            durations.append(table["duration_s"].to_numpy())
            self._sentences.add(table)
            for row in table.to_pylist():
                self._add(row)
        self.languages = sorted(self._languages)
        self.durations: NDArray[np.float64] = np.concatenate(durations)
        self.hours = float(self.durations.sum()) / 3600

    def _add(self, row: Mapping[str, Any]) -> None:
        self._languages.add(row["language"])
        self.splits[row["split"]] += 1
        self.licenses[row["license"], row["output_terms"]] += 1
        if row["sample_rate_hz"]:
            self.rates[row["sample_rate_hz"]] += 1
        applied = row["corruptions"] or ()
        level = max((one["level"] for one in applied), default=0.0)
        self.by_system_level[row["system"], level] += 1
        self.by_corruption.update((one["name"], one["level"]) for one in applied)
        self._systems[row["system"]].add(row)

    @cached_property
    def systems(self) -> list[SystemFacts]:
        """Every system, by name."""
        return [self._system(name, sums) for name, sums in sorted(self._systems.items())]

    def _system(self, name: str, sums: _SystemSums) -> SystemFacts:
        names = self.dataset.class_names
        return SystemFacts(
            name=name,
            label=", ".join(sorted({names[index] for index in sums.classes})),
            clips=sums.clips,
            seconds=sums.seconds,
            revisions=tuple(sorted(sums.revisions - {""})),
            licences=tuple(sorted(sums.licences)),
            terms=strictest_terms(sums.terms),
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
        return self._sentences.shared(), self._sentences.total()

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
        counts = Counter(row["reason"] for row in self.dataset.quarantined(["reason"]))
        return dict(counts.most_common())


@dataclass(slots=True)
class _SystemSums:
    """What the clips of one system add up to so far."""

    clips: int = 0
    seconds: float = 0.0
    classes: set[int] = field(default_factory=set)
    revisions: set[str] = field(default_factory=set)
    licences: set[str] = field(default_factory=set)
    terms: set[str] = field(default_factory=set)

    def add(self, row: Mapping[str, Any]) -> None:
        self.clips += 1
        self.seconds += row["duration_s"]
        self.classes.add(row["synthesizer"])
        self.revisions.add(row["engine_revision"])
        self.licences.add(row["license"])
        self.terms.add(row["output_terms"])


class _Sentences:
    """Which sentences are in which splits: eight bytes each, for there may be millions."""

    def __init__(self) -> None:
        self._digests: defaultdict[str, list[NDArray[np.uint64]]] = defaultdict(list)

    def add(self, table: pa.Table) -> None:
        """The sentences of one file, whose clips are of one split."""
        names = {name.encode() for name in table["sentence"].to_pylist()}
        raw = b"".join(hashlib.blake2b(name, digest_size=8).digest() for name in names)
        for split in table["split"].slice(0, 1).to_pylist():
            self._digests[split].append(np.frombuffer(raw, np.uint64))

    @cached_property
    def _num_splits(self) -> NDArray[np.intp]:
        """In how many splits each sentence is."""
        each = [np.unique(np.concatenate(parts)) for parts in self._digests.values()]
        return np.unique(np.concatenate([np.zeros(0, np.uint64), *each]), return_counts=True)[1]

    def shared(self) -> int:
        """Sentences in more than one split."""
        return int((self._num_splits > 1).sum())

    def total(self) -> int:
        """Sentences."""
        return len(self._num_splits)


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
