"""``corrupt``: every clip of a dataset, harmed in drawn ways at given levels.

The result holds the sources too (``--keep-sources``), row for row as they were: it is a dataset
of its own, in which every copy finds its clean parent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from mosdata.audio import Clip
from mosdata.augment.base import Corruption, Material
from mosdata.augment.chain import Order, harm, in_physical_order
from mosdata.augment.corruptions import CORRUPTIONS, KINDS, build_corruption
from mosdata.builders.materials import OPTIONS, Materials, choose_clips, find_files, opened_files
from mosdata.builders.sources import Place, SourceClips, places
from mosdata.builders.stage import Estimate, Record, StageSpec
from mosdata.errors import (
    InvalidValue,
    MissingExtra,
    NothingFound,
    RecordRejected,
    UnknownName,
)
from mosdata.manifests.audible import check_audible
from mosdata.manifests.ids import JSON, rng_for, stable_id
from mosdata.manifests.places import place_of
from mosdata.manifests.rows import Unstored, Utterance
from mosdata.manifests.store import Dataset

SHORTEST_CHAIN: Final = 2
LONGEST_CHAIN: Final = 4

Chain = tuple[str, ...]


MOST_CHAINS: Final = 1000


def num_chains(num_kinds: int) -> int:
    """How many chains can be drawn of so many kinds, each in its physical order; at most 1000.

    Example:
        >>> num_chains(3)
        4
    """
    lengths = range(SHORTEST_CHAIN, LONGEST_CHAIN + 1)
    return min(MOST_CHAINS, sum(math.comb(num_kinds, length) for length in lengths))


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptConfig:
    """How to corrupt.

    Args:
        levels: strengths in [0, 1]; 0 stands for the untouched source.
        kinds: names of corruptions, and of groups of them, to choose from. What a group has and
            this dataset, machine or order cannot have is left out with a note.
        per_clip: how many kinds each clip gets, chosen per clip; 0 for all of them. The choice
            does not depend on the level, so a clip climbs one ladder per kind.
        chain: corruptions that every copy gets one after the other, instead of ``kinds``.
        chains: how many chains of two to four of the kinds each clip gets, drawn per clip.
        order: ``physical``, from the room to the network, or the chain as it is ``given``.
        values: physical values instead of the level, for all kinds that have them:
            ``{"snr_db": 10}``. Without ``levels`` every kind needs one.
        noise: folder of recorded noises.
        impulse_responses: folder of impulse responses of rooms.
        seed: seed of the run.
        keep_sources: whether the sources are part of the result.

    Raises:
        InvalidValue: a level outside [0, 1], neither level nor value, or an unknown kind
            (UnknownName).
    """

    levels: tuple[float, ...] = ()
    kinds: tuple[str, ...] = ("speech",)
    per_clip: int = 1
    chain: Chain = ()
    chains: int = 0
    order: Order = "physical"
    values: Mapping[str, float] = field(default_factory=dict)
    noise: Path | None = None
    impulse_responses: Path | None = None
    seed: int = 0
    keep_sources: bool = True

    def __post_init__(self) -> None:
        if not self.levels and not self.values:
            raise InvalidValue("--levels", self.levels, "at least one level, or a physical value")
        for level in self.levels:
            if not 0 <= level <= 1:
                raise InvalidValue("--level", level, "a number from 0 (untouched) to 1 (strongest)")
        if self.chain and self.chains:
            raise InvalidValue("--chains", self.chains, "either --chain or --chains, not both")
        num_kinds = len(self.expanded())
        most = num_chains(num_kinds)
        if not 0 <= self.chains <= max(most, 1):  # one kind alone has its own message
            kinds = f"{num_kinds} kind{'s' * (num_kinds != 1)}"
            do = "A chain has two kinds at least." if num_kinds < 2 else ""
            raise InvalidValue("--chains", self.chains, f"0 to {most} with {kinds}", do)
        if not 0 <= self.per_clip <= num_kinds:
            raise InvalidValue(
                "--per-clip", self.per_clip, f"1 to {num_kinds} (the kinds given), 0 for all"
            )
        if self.seed < 0:
            raise InvalidValue("--seed", self.seed, "0 or more")
        in_physical_order(self.chain)  # each once
        for name in (*self.expanded(), *self.chain):
            if name in self.named or name not in CORRUPTIONS:
                build_corruption(name)

    def expanded(self) -> tuple[str, ...]:
        """The kinds with every group written out, each once."""
        members = (KINDS.get(kind, (kind,)) for kind in self.kinds)
        return tuple(dict.fromkeys(name for group in members for name in group))

    @property
    def named(self) -> frozenset[str]:
        """Kinds that were asked for by their own name: they are not left out in silence."""
        return frozenset(kind for kind in self.kinds if kind not in KINDS) | {*self.chain}

    @property
    def folders(self) -> dict[Material, Path]:
        """Where the files of each material lie."""
        given: dict[Material, Path | None] = {
            "noise": self.noise,
            "impulse_responses": self.impulse_responses,
        }
        return {material: folder for material, folder in given.items() if folder is not None}


class CorruptStage:
    """Plans a corruption of a dataset."""

    needs_gpu = False

    def __init__(self, source: Dataset, config: CorruptConfig) -> None:
        check_audible(source, wanted="A corruption")
        self.source = source
        self.config = config
        self.kinds, self.notes = _usable_kinds(source, config)
        # What changes no sample changes no identity: spellings of one chain are one, and a folder
        # that nothing is taken from is none.
        physical = in_physical_order(config.chain)
        self._order: Order = config.order if config.chain != physical else "physical"
        self._chain = config.chain if self._order == "given" else physical
        self.kinds = self._chain or self.kinds
        self._folders = {
            material: folder for material, folder in config.folders.items() if self._mixes(material)
        }
        for material in sorted(config.folders.keys() - self._folders.keys()):
            self.notes += (f"{OPTIONS[material]} is of no use: no kind mixes in what is there",)
        self._files = {
            material: find_files(folder, material) for material, folder in self._folders.items()
        }
        self._opened = {
            name: found for name in self.kinds if (found := opened_files(name))
        }  # by transforms of audiomentations
        self._pool = choose_clips(source) if self._mixes("speech") else []
        self._levels = sorted({level for level in config.levels if level > 0})
        self._num_chains = min(self.config.chains, num_chains(len(self.kinds)))
        if self._num_chains < self.config.chains:
            few = f"{len(self.kinds)} kinds make {self._num_chains} chains"
            self.notes += (f"fewer chains than asked for: {few}",)
        self._per_clip = min(config.per_clip or len(self.kinds), len(self.kinds))
        corruptions = {name: build_corruption(name) for name in self.kinds}
        known = {name for made in corruptions.values() for name in made.parameters}
        for name in config.values:
            if name not in known:
                raise UnknownName("physical value of these kinds", name, sorted(known))
        self._rates_hz = sorted(
            source.table(["sample_rate_hz"])["sample_rate_hz"].unique().to_pylist()
        )
        self._given = {
            name: {k: v for k, v in config.values.items() if k in made.parameters}
            for name, made in corruptions.items()
        }
        self._ladders = {name: self._ladder(made) for name, made in corruptions.items()}

    @property
    def spec(self) -> StageSpec:
        """Identity: the source's content and the config; the source's place is an input."""
        config: dict[str, JSON] = {
            "keep_sources": self.keeps_sources,
            "kinds": list(self.kinds),
            "levels": list(self._levels),
            "per_clip": 1 if self._chain or self.config.chains else self.config.per_clip,
            "chain": list(self._chain),
            "chains": self.config.chains,
            "order": self._order,
            "values": {**self.config.values},
            "ladders": {**self._ladders},
            "pool": [entry.to_json() for entry in self._pool],
            "files": {material: {**files} for material, files in self._files.items()},
            "seed": self.config.seed,
            "source": self.source.dataset_id,
        }
        if self._opened:
            config["opened"] = {name: {**files} for name, files in self._opened.items()}
        folders: dict[str, str] = {
            material: str(folder.resolve()) for material, folder in self._folders.items()
        }
        return StageSpec(
            name="corrupt",
            table="clips",
            config=config,
            class_names=tuple(self.source.class_names),
            sample_rate_hz=self.source.sample_rate_hz,
            inputs={"source": str(self.source.folder.resolve()), **folders},
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
            for chain in self._chains_for(row["id"]):
                for damage in self._damages(chain):
                    about = {"parent": row["id"], "seed": self.config.seed, **damage}
                    child = stable_id("corrupted", {**about, "ladder": self._meaning(damage)})
                    if not (self.keeps_sources and child in self._copies):
                        yield self._record(child, split, place, damage)

    def _damages(self, chain: Chain) -> Iterator[dict[str, JSON]]:
        """The copies of one chain: one a level, or the one with the values given.

        Level 0 is the source itself, and no copy.
        """
        values: dict[str, JSON] = {name: {**own} for name in chain if (own := self._given[name])}
        more: dict[str, JSON] = {"values": values} if values else {}
        if self._order == "given":
            more["order"] = "given"
        levels: Sequence[float | None] = self._levels
        if not self.config.levels or (values and len(values) == len(chain)):
            levels = [None]  # where every value is given, no level has a say
        for level in levels:
            yield {"kinds": list(chain), "level": level, **more}

    def _meaning(self, damage: Mapping[str, Any]) -> list[JSON]:
        """What the level of a copy means, and of which files: another meaning, another copy."""
        meaning: list[JSON] = []
        for name in damage["kinds"]:
            at_level = self._ladders[name].get(f"{damage['level']}")
            needs = CORRUPTIONS[name].needs if name in CORRUPTIONS else None
            files: JSON = {**self._files[needs]} if needs in self._files else None
            files = {**self._opened[name]} if name in self._opened else files
            meaning.append([at_level, files] if files else at_level)
        return meaning

    def _ladder(self, corruption: Corruption) -> dict[str, JSON]:
        """The physical values of every level, and a check of those that were given."""
        rate_hz = self.source.sample_rate_hz or 16_000  # no rate: no clip, no copy
        if given := self._given[corruption.name]:
            _check_at_any(corruption, given, self._rates_hz or [rate_hz])
        elif not self.config.levels:
            raise InvalidValue(
                "--param",
                ", ".join(self.config.values),
                f"a value of every kind, or --level as well: {corruption.name} has "
                f"{', '.join(corruption.parameters) or 'none'}",
            )
        return {f"{level}": {**corruption.ladder(level, rate_hz)} for level in self._levels}

    def _chains_for(self, clip_id: str) -> list[Chain]:
        """What is done to one clip, by its own chance."""
        if self._chain:
            return [self._chain]
        if not self.config.chains:
            return [(kind,) for kind in self._kinds_for(clip_id)]
        rng = rng_for(self.config.seed, clip_id, "chains")
        drawn: dict[Chain, None] = {}
        tries = 0
        while tries < 4 * self.config.chains or len(drawn) < self._num_chains:
            tries += 1  # the same one twice is one
            longest = min(LONGEST_CHAIN, len(self.kinds))
            length = int(rng.integers(SHORTEST_CHAIN, longest + 1))
            chosen = rng.permutation(len(self.kinds))[:length]
            drawn[in_physical_order(self.kinds[i] for i in chosen)] = None
        return list(drawn)[: self._num_chains]

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

    def _mixes(self, material: Material) -> bool:
        return any(needs_of(kind) == material for kind in self.kinds)

    @staticmethod
    def _record(record_id: str, split: str, place: Place, damage: dict[str, JSON]) -> Record:
        payload: dict[str, JSON] = {"place": place.to_json(), **damage}
        return Record(id=record_id, split=split, group="clips", payload=payload)

    def estimate(self) -> Estimate:
        """Counts, hours and bytes; corrupted copies are as long as their sources."""
        copies = self._copies_per_clip() + self.keeps_sources
        num_bytes = sum(file.bytes for file in self.source.files)
        return Estimate(
            num_records=round(self.source.num_rows * copies),
            duration_s=float(self.source.manifest.get("duration_s", 0)) * copies,
            num_bytes=int(num_bytes * copies * 1.15),
        )

    def _copies_per_clip(self) -> float:
        """How many in the mean; of drawn chains as if none had all of its values given."""
        if self._chain:
            return len([*self._damages(self._chain)])
        if self.config.chains:
            return self._num_chains * (len(self._levels) if self.config.levels else 1)
        of_all = sum(len([*self._damages((kind,))]) for kind in self.kinds)
        return of_all * self._per_clip / len(self.kinds)

    def provenance(self) -> dict[str, JSON]:
        """The corruptions, and all that is known of the source."""
        path = self.source.folder / "provenance.json"
        parent = json.loads(path.read_text("utf-8")) if path.is_file() else None
        return {"corruptions": list(self.kinds), "levels": list(self._levels), "parent": parent}


def _check_at_any(
    corruption: Corruption, given: Mapping[str, float], rates_hz: Sequence[int]
) -> None:
    """Refuse values that no clip can have; a clip of a rate that cannot is put aside later.

    Raises:
        InvalidValue: they mean nothing at any of these rates.
    """
    for rate_hz in rates_hz[:-1]:
        try:
            corruption.values_of(given, rate_hz)
        except InvalidValue:
            continue
        return
    corruption.values_of(given, rates_hz[-1])


def needs_of(kind: str) -> Material | None:
    """What a kind mixes in."""
    return CORRUPTIONS[kind].needs if kind in CORRUPTIONS else None


def _usable_kinds(
    source: Dataset, config: CorruptConfig
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds that can be had here, and a note for each that a group had and we have not.

    Raises:
        NothingFound: a kind that was asked for by name lacks its folder, a link of the chain
            lacks anything, or no kind is left.
        MissingExtra: it lacks a package.
    """
    notes: list[str] = []
    kinds: list[str] = []
    asked = config.chain or config.expanded()
    for kind in asked:
        lack = _lack(kind, source, config)
        if lack is None:
            kinds.append(kind)
        elif kind in config.named and (config.chain or needs_of(kind) != "speech"):
            raise lack
        else:
            notes.append(f"{kind} was left out: {lack}".rstrip("."))
    if len(kinds) < (SHORTEST_CHAIN if config.chains else 1):
        wanted = f"A chain has {SHORTEST_CHAIN} kinds or more" if config.chains else "None is left"
        raise NothingFound("; ".join(["Too few kinds are left", *notes, wanted]) + ".")
    return tuple(kinds), tuple(notes)


def _lack(kind: str, source: Dataset, config: CorruptConfig) -> NothingFound | MissingExtra | None:
    """Why a kind cannot be had here, as the error that says so."""
    needs = needs_of(kind)
    if needs == "speech" and not _has_others(source):
        return NothingFound(
            f"{kind} needs at least two texts and two voices among the clean clips of the dataset."
        )
    if needs is not None and needs in OPTIONS and needs not in config.folders:
        return NothingFound(f"{kind} needs a folder of files: {OPTIONS[needs]} FOLDER.")
    try:
        build_corruption(kind)
    except MissingExtra as error:
        return error
    return None


def _has_others(source: Dataset) -> bool:
    """Copies are never mixed in, only what is clean."""
    rows = source.table(["sentence", "speaker", "parent_id"])
    rows = rows.filter(rows["parent_id"].is_null())
    return min(len(rows["sentence"].unique()), len(rows["speaker"].unique())) >= 2


class CorruptBench:
    """Makes corrupted copies of clips that it fetches from the source dataset."""

    def __init__(self, spec: StageSpec) -> None:
        config: dict[str, Any] = dict(spec.config)
        folder = place_of(spec.inputs["source"])
        self._seed: int = config["seed"]
        self._sources = SourceClips(folder)
        self._pool = Materials(
            self._sources,
            entries=config["pool"],
            files=config["files"],
            folders={name: place for name, place in spec.inputs.items() if name != "source"},
        )
        self._last: tuple[str, Clip] | None = None

    def make(self, record: Record) -> list[Utterance | Unstored]:
        """The source as it is, or one corrupted copy of it."""
        values: dict[str, Any] = record.payload
        source = self._sources.fetch(Place.from_json(values["place"]))
        if "kinds" not in values:
            return [source]
        clip = self._decoded(source)
        given = values.get("values", {})
        try:
            applied, harmed = harm(
                values["kinds"],
                values["level"] or 0.0,
                clip,
                seed=self._seed,
                record_id=source.id,
                values=given,
                order=values.get("order", "physical"),
                pool=self._pool.of_split(record.split),
                sentence=source.sentence,
                speaker=source.speaker,
            )
        except InvalidValue as error:
            if not given:
                raise
            # The plan made sure that other clips can have it.
            message = f"{error} Other clips have another rate."
            raise RecordRejected("value_not_possible", message) from error
        made = source.to_store(
            harmed,
            made_from=source.pcm_sha256,
            id=record.id,
            parent_id=source.id,
            corruptions=(*source.corruptions, *applied),
            mos=None,
            mos_std=None,
            mos_votes=None,
            mos_scale=None,
        )
        return [made]

    def _decoded(self, source: Utterance) -> Clip:
        """The clip of a source; its copies follow one another, so the last one is kept."""
        if self._last is None or self._last[0] != source.id:
            self._last = (source.id, source.clip())
        return self._last[1]
