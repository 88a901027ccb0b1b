"""What a build adds up to: counts, rates and flags of its systems, and clips worth hearing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.builders.checks import flagged, rates_of
from mosdata.manifests.ids import unit_hash
from mosdata.manifests.places import parquet_file
from mosdata.manifests.store import Dataset, damage_named
from mosdata.synth.flags import FLAG_TABLE, FLAGS

_OF_ENGINES: Final = (
    "sample_rate_hz",
    "sample_rate_source_hz",
    "license",
    "code_license",
    "weights_license",
    "output_terms",
    "engine_revision",
    "engine_fingerprint",
)
"""Columns that say where the sound comes from."""

_COLUMNS: Final = (
    "id",
    "system",
    "voice",
    "language",
    "text",
    "text_spoken",
    "heard",
    "duration_s",
    "speech_s",
    *_OF_ENGINES,
)

SAMPLES_PER_SYSTEM: Final = 2
MAX_SAMPLES: Final = 24
MAX_ODD: Final = 12
LONGEST_SAMPLE_S: Final = 12.0
"""What is longer is not put on the page, unless there is nothing else."""


@dataclass(slots=True, kw_only=True)
class SystemSums:
    """One system: what its rows add up to."""

    name: str
    clips: int = 0
    voices: set[str] = field(default_factory=set)
    durations: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    flagged: int = 0
    rejected: int = 0
    facts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Values of the columns that say where the sound comes from, and may not be for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardClip:
    """A clip to listen to: whose it is, what is said, why it is here, and its sound."""

    system: str
    voice: str
    text: str
    why: str
    flac: bytes


class BuildFacts:
    """The rows of a build without their sound, summed up; O(rows) in memory."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        table = dataset.table(_COLUMNS)
        self._rows: dict[str, list[Any]] = {
            name: table[name].to_pylist() for name in ("id", "system", "voice", "text", "heard")
        }
        self._durations: NDArray[np.float64] = table["duration_s"].to_numpy()
        self._rates = rates_of(table)
        self._columns = {name: table[name].to_pylist() for name in _OF_ENGINES}
        self.checks: list[dict[str, Any]] = dataset.checks().to_pylist()
        self.fences: list[dict[str, Any]] = dataset.fences().to_pylist()
        self.quarantine = dataset.quarantined()

    @property
    def num_clips(self) -> int:
        """Clips that were made."""
        return len(self._durations)

    @property
    def hours(self) -> float:
        """Of sound."""
        return float(self._durations.sum()) / 3600

    @cached_property
    def flags_of(self) -> dict[str, list[str]]:
        """Flags by clip, of the rows and of the checks; clips without any are left out."""
        return flagged(self.dataset)

    @cached_property
    def systems(self) -> list[SystemSums]:
        """Every system that was planned, by name, those without a clip too."""
        sums: dict[str, SystemSums] = {}
        flagged = self.flags_of
        for place, name in enumerate(self._rows["system"]):
            one = sums.setdefault(name, SystemSums(name=name))
            one.clips += 1
            one.voices.add(self._rows["voice"][place])
            one.durations.append(float(self._durations[place]))
            if np.isfinite(self._rates[place]):
                one.rates.append(float(self._rates[place]))
            one.flagged += self._rows["id"][place] in flagged
            for column, values in self._columns.items():
                one.facts[column].add(str(values[place]))
        for row in self.quarantine:
            sums.setdefault(row["group"], SystemSums(name=row["group"])).rejected += 1
        return [sums[name] for name in sorted(sums)]

    @cached_property
    def flag_counts(self) -> dict[str, Counter[str]]:
        """Clips by system for each flag that there is, in the order of the table of flags."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        system_of = dict(zip(self._rows["id"], self._rows["system"], strict=True))
        for clip_id, flags in self.flags_of.items():
            for flag in flags:
                counts[flag][system_of[clip_id]] += 1
        known = [flag.name for flag in FLAG_TABLE if flag.name in counts]
        return {name: counts[name] for name in [*known, *sorted({*counts} - {*known})]}

    @cached_property
    def reasons(self) -> dict[str, list[dict[str, Any]]]:
        """Rejected records by reason, the most frequent first."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.quarantine:
            found[row["reason"]].append(row)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    def outside(self, fence: Mapping[str, Any]) -> list[float]:
        """Rates of a voice that lie outside its fences."""
        place = self._place
        return [
            check["value"]
            for check in self.checks
            if check["flag"] == "rate_outlier"
            and self._rows["system"][place[check["clip_id"]]] == fence["system"]
            and self._rows["voice"][place[check["clip_id"]]] == fence["voice"]
        ]

    def samples(self) -> list[HeardClip]:
        """A few clips of every system, chosen by the hash of their ids."""
        by_system: dict[str, list[int]] = defaultdict(list)
        for place in sorted(range(self.num_clips), key=self._by_chance):
            by_system[self._rows["system"][place]].append(place)
        each = max(1, min(SAMPLES_PER_SYSTEM, MAX_SAMPLES // max(1, len(by_system))))
        chosen = [place for name in sorted(by_system) for place in by_system[name][:each]]
        return self._heard(dict.fromkeys(chosen[:MAX_SAMPLES], ""))

    def odd_ones(self) -> list[HeardClip]:
        """The clips that stand out most, flag by flag; the rarest flags first."""
        rarest = sorted(self.flag_counts, key=lambda name: self.flag_counts[name].total())
        waiting = {flag: self._worst(flag) for flag in rarest}
        chosen: dict[int, str] = {}
        while len(chosen) < MAX_ODD and any(waiting.values()):
            for flag, places in waiting.items():
                fresh = [place for place in places if place not in chosen]
                if fresh and len(chosen) < MAX_ODD:
                    chosen[fresh[0]] = self._why(flag, fresh[0])
                waiting[flag] = fresh[1:]
        return self._heard(chosen)

    def _worst(self, flag: str) -> list[int]:
        """Places of the clips of a flag: the furthest outside first, else by chance."""
        far = {
            self._place[check["clip_id"]]: _distance(check)
            for check in self.checks
            if check["flag"] == flag
        }
        if far:
            return sorted(far, key=lambda place: (-far[place], place))[:MAX_ODD]
        places = [self._place[one] for one, flags in self.flags_of.items() if flag in flags]
        return sorted(places, key=self._by_chance)[:MAX_ODD]

    def _why(self, flag: str, place: int) -> str:
        """The flag in words, with what was measured; then the clip's other flags."""
        clip_id = self._rows["id"][place]
        said = f"{flag}: {FLAGS[flag].meaning if flag in FLAGS else 'raised by the engine'}"
        for check in self.checks:
            if check["flag"] == flag and check["clip_id"] == clip_id:
                said += _allowed(check)
        if flag in ("slow_speech", "fast_speech"):
            said += f"; {self._rates[place]:.1f} characters/s"
        if flag in FLAGS and FLAGS[flag].found_by == "transcript":
            said += f"; heard: “{self._rows['heard'][place] or ''}”"
        others = [name for name in self.flags_of[clip_id] if name != flag]
        return f"{said}. Also: {', '.join(others)}." if others else f"{said}."

    @cached_property
    def _place(self) -> dict[str, int]:
        return {clip_id: place for place, clip_id in enumerate(self._rows["id"])}

    def _by_chance(self, place: int) -> tuple[bool, float]:
        return self._durations[place] > LONGEST_SAMPLE_S, unit_hash(self._rows["id"][place])

    def _heard(self, chosen: Mapping[int, str]) -> list[HeardClip]:
        sounds = _sounds(self.dataset, chosen)
        return [
            HeardClip(
                system=self._rows["system"][place],
                voice=self._rows["voice"][place],
                text=self._rows["text"][place],
                why=why,
                flac=sounds[place],
            )
            for place, why in chosen.items()
        ]


def _distance(check: Mapping[str, Any]) -> float:
    """How far outside its limits a value is, in widths of what is allowed."""
    low, high, value = check["low"], check["high"], check["value"]
    if low is None or high is None:
        return float(value)
    return float(max(low - value, value - high) / max(high - low, 1e-9))


def _allowed(check: Mapping[str, Any]) -> str:
    if check["low"] is None or check["high"] is None:
        return f"; {check['value']:.0f} clips"
    return f"; {check['value']:.1f}, usual {check['low']:.1f} to {check['high']:.1f}"


def _sounds(dataset: Dataset, places: Iterable[int]) -> dict[int, bytes]:
    """FLAC of some rows, by their place in the dataset; only their row groups are read."""
    wanted = sorted(places)
    found: dict[int, bytes] = {}
    first = 0
    for file in dataset.files:
        here = [place for place in wanted if first <= place < first + file.rows]
        if here:
            path = dataset.folder / file.path
            with damage_named(path), parquet_file(path) as reader:
                found |= _sounds_of(reader, here, first)
        first += file.rows
    return found


def _sounds_of(reader: Any, places: Sequence[int], first: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for group in range(reader.num_row_groups):
        rows = reader.metadata.row_group(group).num_rows
        here = [place for place in places if first <= place < first + rows]
        if here:
            column = reader.read_row_group(group, columns=["audio"], use_threads=False)["audio"]
            found |= {place: column[place - first].as_py()["bytes"] for place in here}
        first += rows
    return found
