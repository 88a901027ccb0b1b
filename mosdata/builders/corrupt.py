"""``corrupt``: every clip of a dataset, harmed in drawn ways at given levels.

The result holds the sources too (``--keep-sources``), row for row as they were: it is a dataset
of its own, in which every copy finds its clean parent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from mosdata.audio import Clip
from mosdata.augment.base import Material
from mosdata.augment.chain import apply_chain, draw_chain
from mosdata.augment.corruptions import KINDS, build_corruption
from mosdata.builders.sources import Place, SourceClips, places
from mosdata.builders.stage import Estimate, Record, StageSpec
from mosdata.errors import InvalidValue, NothingFound
from mosdata.manifests.audible import check_audible
from mosdata.manifests.ids import JSON, rng_for, stable_id, unit_hash
from mosdata.manifests.places import place_of
from mosdata.manifests.rows import Utterance
from mosdata.manifests.store import Dataset

POOL_SIZE: Final = 64
"""Clips of the source dataset that may be mixed in by ``overlap``."""

NEEDS_POOL: Final = "overlap"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptConfig:
    """How to corrupt.

    Args:
        levels: strengths in [0, 1]; 0 stands for the untouched source.
        kinds: names of corruptions to choose from.
        per_clip: how many kinds each clip gets, chosen per clip; 0 for all of them. The choice
            does not depend on the level, so a clip climbs one ladder per kind.
        seed: seed of the run.
        keep_sources: whether the sources are part of the result.

    Raises:
        InvalidValue: a level outside [0, 1], none at all, or an unknown kind (UnknownName).
    """

    levels: tuple[float, ...]
    kinds: tuple[str, ...] = KINDS["speech"]
    per_clip: int = 1
    seed: int = 0
    keep_sources: bool = True

    def __post_init__(self) -> None:
        if not self.levels:
            raise InvalidValue("--levels", self.levels, "at least one level")
        for level in self.levels:
            if not 0 <= level <= 1:
                raise InvalidValue("--level", level, "a number from 0 (untouched) to 1 (strongest)")
        if not 0 <= self.per_clip <= len(self.kinds):
            raise InvalidValue(
                "--per-clip", self.per_clip, f"1 to {len(self.kinds)} (the kinds given), 0 for all"
            )
        if self.seed < 0:
            raise InvalidValue("--seed", self.seed, "0 or more")
        for kind in self.kinds:
            if kind != NEEDS_POOL:
                build_corruption(kind)


class CorruptStage:
    """Plans a corruption of a dataset."""

    needs_gpu = False

    def __init__(self, source: Dataset, config: CorruptConfig) -> None:
        check_audible(source, wanted="A corruption")
        self.source = source
        self.config = config
        self._pool = _choose_pool(source) if NEEDS_POOL in config.kinds else []
        self.kinds, self.notes = _usable_kinds(source, config)
        self._levels = sorted({level for level in config.levels if level > 0})
        self._per_clip = min(config.per_clip or len(self.kinds), len(self.kinds))

    @property
    def spec(self) -> StageSpec:
        """Identity: the source's content and the config; the source's place is an input."""
        config: dict[str, JSON] = {
            "keep_sources": self.config.keep_sources,
            "kinds": list(self.kinds),
            "levels": list(self._levels),
            "per_clip": self.config.per_clip,
            "pool": [entry.to_json() for entry in self._pool],
            "seed": self.config.seed,
            "source": self.source.dataset_id,
        }
        return StageSpec(
            name="corrupt",
            table="clips",
            config=config,
            class_names=tuple(self.source.class_names),
            sample_rate_hz=self.source.sample_rate_hz,
            inputs={"source": str(self.source.folder.resolve())},
        )

    @property
    def keeps_sources(self) -> bool:
        """Whether all clips of the source are part of the result."""
        return self.config.keep_sources or 0 in self.config.levels

    def records(self) -> Iterator[Record]:
        """A source, then its corrupted copies from mild to strong; sources in file order.

        A copy that the source dataset has already, from an earlier corruption with the same
        seed, is kept as a source and not made a second time.
        """
        for split, place, row in places(self.source, ("id", "system")):
            if self.keeps_sources:
                yield self._record(row["id"], split, place, {})
            for kind in self._kinds_for(row["id"]):
                for level in self._levels:
                    chain: dict[str, JSON] = {"kinds": [kind], "level": level}
                    child = stable_id(
                        "corrupted", {"parent": row["id"], "seed": self.config.seed, **chain}
                    )
                    if not (self.keeps_sources and child in self._copies):
                        yield self._record(child, split, place, chain)

    @cached_property
    def _copies(self) -> frozenset[str]:
        """Clips of the source dataset that are corrupted copies themselves."""
        table = self.source.table(["id", "parent_id"])
        return frozenset(table.filter(table["parent_id"].is_valid())["id"].to_pylist())

    def _kinds_for(self, clip_id: str) -> list[str]:
        """The kinds of one clip, by its own chance, in table order."""
        if self._per_clip == len(self.kinds):
            return list(self.kinds)
        rng = rng_for(self.config.seed, clip_id, "kinds")
        chosen = rng.permutation(len(self.kinds))[: self._per_clip]
        return [self.kinds[i] for i in sorted(chosen)]

    @staticmethod
    def _record(record_id: str, split: str, place: Place, chain: dict[str, JSON]) -> Record:
        payload: dict[str, JSON] = {"place": place.to_json(), **chain}
        return Record(id=record_id, split=split, group="clips", payload=payload)

    def estimate(self) -> Estimate:
        """Counts, hours and bytes; corrupted copies are as long as their sources."""
        copies = len(self._levels) * self._per_clip + self.keeps_sources
        num_bytes = sum(file.bytes for file in self.source.files)
        return Estimate(
            num_records=self.source.num_rows * copies,
            duration_s=float(self.source.manifest.get("duration_s", 0)) * copies,
            num_bytes=int(num_bytes * copies * 1.15),
        )

    def provenance(self) -> dict[str, JSON]:
        """The corruptions, and all that is known of the source."""
        path = self.source.folder / "provenance.json"
        parent = json.loads(path.read_text("utf-8")) if path.is_file() else None
        return {"corruptions": list(self.kinds), "levels": list(self._levels), "parent": parent}


@dataclass(frozen=True, slots=True, kw_only=True)
class _PoolEntry:
    """A clip that may be mixed into others, and what it must not be mixed with."""

    clip_id: str
    sentence: str
    speaker: str
    place: Place

    def to_json(self) -> list[JSON]:
        return [self.clip_id, self.sentence, self.speaker, self.place.to_json()]


def _choose_pool(source: Dataset) -> list[_PoolEntry]:
    """A sample of the clean clips that depends on their ids alone."""
    columns = ("id", "sentence", "speaker", "parent_id")
    clean = [
        _PoolEntry(clip_id=row["id"], sentence=row["sentence"], speaker=row["speaker"], place=place)
        for _, place, row in places(source, columns)
        if row["parent_id"] is None
    ]
    return sorted(clean, key=lambda entry: unit_hash(f"pool/{entry.clip_id}"))[:POOL_SIZE]


def _usable_kinds(
    source: Dataset, config: CorruptConfig
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds that this dataset can have; overlap needs a second text by a second voice."""
    if NEEDS_POOL not in config.kinds or config.kinds == (NEEDS_POOL,):
        return config.kinds, ()
    rows = source.table(["sentence", "speaker"])
    if min(len(rows["sentence"].unique()), len(rows["speaker"].unique())) >= 2:
        return config.kinds, ()
    kinds = tuple(kind for kind in config.kinds if kind != NEEDS_POOL)
    note = "overlap was left out: it needs at least two texts and two voices in the dataset"
    return kinds, (note,)


class CorruptBench:
    """Makes corrupted copies of clips that it fetches from the source dataset."""

    def __init__(self, spec: StageSpec) -> None:
        config: dict[str, Any] = dict(spec.config)
        folder = place_of(spec.inputs["source"])
        self._seed: int = config["seed"]
        self._sources = SourceClips(folder)
        self._pool = _DatasetPool(folder, config["pool"])
        self._last: tuple[str, Clip] | None = None

    def make(self, record: Record) -> list[Utterance]:
        """The source as it is, or one corrupted copy of it."""
        values: dict[str, Any] = record.payload
        source = self._sources.fetch(Place.from_json(values["place"]))
        if "kinds" not in values:
            return [source]
        clip = self._decoded(source)
        applied = draw_chain(
            values["kinds"],
            values["level"],
            clip,
            seed=self._seed,
            record_id=source.id,
            pool=self._pool,
            sentence=source.sentence,
            speaker=source.speaker,
        )
        about = replace(
            source,
            id=record.id,
            parent_id=source.id,
            corruptions=(*source.corruptions, *applied),
            mos=None,
            mos_std=None,
            mos_votes=None,
            mos_scale=None,
        )
        return [about.with_clip(apply_chain(clip, applied, pool=self._pool))]

    def _decoded(self, source: Utterance) -> Clip:
        """The clip of a source; its copies follow one another, so the last one is kept."""
        if self._last is None or self._last[0] != source.id:
            self._last = (source.id, source.clip())
        return self._last[1]


class _DatasetPool:
    """Clips of the source dataset that may be mixed in; each is read once per worker."""

    def __init__(self, folder: Path, entries: list[list[Any]]) -> None:
        self._sources = SourceClips(folder)
        self._entries = {
            clip_id: _PoolEntry(
                clip_id=clip_id, sentence=sentence, speaker=speaker, place=Place.from_json(place)
            )
            for clip_id, sentence, speaker, place in entries
        }
        self._clips: dict[str, Clip] = {}

    def candidates(self, *, sentence: str, speaker: str) -> tuple[str, ...]:
        """Clips with another text and another speaker."""
        return tuple(
            entry.clip_id
            for entry in self._entries.values()
            if sentence != entry.sentence and speaker != entry.speaker
        )

    def clip(self, clip_id: str) -> Clip:
        """A clip of the pool."""
        if clip_id not in self._clips:
            entry = self._entries[clip_id]
            self._clips[clip_id] = self._sources.fetch(entry.place).clip()
        return self._clips[clip_id]

    def files(self, material: Material) -> tuple[str, ...]:  # noqa: ARG002 - a dataset has none
        """None: a dataset holds clips."""
        return ()

    def file_clip(self, material: Material, file_id: str, sample_rate_hz: int) -> Clip:  # noqa: ARG002 - a dataset has none
        """Refuse: there is no file."""
        raise NothingFound(f"There is no {material} folder with a file {file_id!r}.")
