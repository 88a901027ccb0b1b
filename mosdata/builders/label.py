"""``label``: scores that need no people, computed for every clip and stored as what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mosdata.audio import resample
from mosdata.builders.sources import Place, SourceClips, places
from mosdata.builders.stage import Estimate, Record, StageSpec
from mosdata.errors import InvalidValue
from mosdata.labels.base import Metric
from mosdata.labels.metrics import build_metric
from mosdata.manifests.audible import check_audible
from mosdata.manifests.ids import JSON, stable_id
from mosdata.manifests.places import place_of
from mosdata.manifests.rows import Rating
from mosdata.manifests.store import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """Which metrics to compute, by name (``dnsmos``, ``dnsmos.p808``, ``pesq``, ``stoi``, ...)."""

    metrics: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.metrics:
            raise InvalidValue("--metrics", "", "at least one metric")


class LabelStage:
    """Plans one score record per clip and metric.

    A metric that compares with the clean source is planned only for clips that have one in the
    same dataset: their most distant ancestor.
    """

    needs_gpu = False

    def __init__(self, dataset: Dataset, config: LabelConfig) -> None:
        check_audible(dataset, wanted="A metric")
        self.dataset = dataset
        self.metrics = {name: build_metric(name) for name in dict.fromkeys(config.metrics)}
        self._revisions = {name: metric.revision() for name, metric in self.metrics.items()}

    @property
    def name(self) -> str:
        """Name of the set of ratings: the metrics and a digest of what they are computed on."""
        kinds = "-".join(sorted({metric.info.kind for metric in self.metrics.values()}))
        digest = stable_id("ratings", {"config": self.spec.config})[:8]
        return f"{kinds}-{digest}"

    @property
    def spec(self) -> StageSpec:
        """Identity: the dataset's content, and each metric with its revision."""
        metrics: dict[str, JSON] = {**self._revisions}
        return StageSpec(
            name="label",
            table="ratings",
            config={"dataset": self.dataset.dataset_id, "metrics": metrics},
            inputs={"dataset": str(self.dataset.folder.resolve())},
        )

    def records(self) -> Iterator[Record]:
        """Clips in file order, metric by metric."""
        for name, metric in self.metrics.items():
            for _, place, row in places(self.dataset, ("id", "parent_id")):
                payload: dict[str, JSON] = {"place": place.to_json()}
                if metric.info.needs_reference:
                    origin = self._origins.get(row["id"])
                    if origin is None:
                        continue
                    payload["reference"] = origin.to_json()
                key: dict[str, JSON] = {"clip": row["id"], "metric": self._revisions[name]}
                yield Record(
                    id=stable_id("rating", {**key, "name": name}),
                    split="all",
                    group=name,
                    payload=payload,
                )

    def without_reference(self) -> dict[str, int]:
        """Clips that each comparing metric cannot judge: they have no clean source here."""
        compared = [n for n, metric in self.metrics.items() if metric.info.needs_reference]
        count = self.dataset.num_rows - len(self._origins) if compared else 0
        return {name: count for name in compared if count}

    @cached_property
    def _origins(self) -> dict[str, Place]:
        """The place of each corrupted clip's clean source; empty where no metric compares."""
        if not any(metric.info.needs_reference for metric in self.metrics.values()):
            return {}
        parents: dict[str, str] = {}
        found: dict[str, Place] = {}
        for _, place, row in places(self.dataset, ("id", "parent_id")):
            found[row["id"]] = place
            if row["parent_id"] is not None:
                parents[row["id"]] = row["parent_id"]
        origins = {clip_id: _origin(clip_id, parents) for clip_id in parents}
        return {clip: found[origin] for clip, origin in origins.items() if origin in found}

    def estimate(self) -> Estimate:
        """Counts; scores take no space worth counting."""
        counts = Counter(record.group for record in self.records())
        return Estimate(
            num_records=counts.total(),
            duration_s=float(self.dataset.manifest.get("duration_s", 0)) * len(self.metrics),
            num_bytes=200 * counts.total(),
            details=tuple({"metric": name, "clips": n} for name, n in counts.items()),
        )

    def provenance(self) -> dict[str, JSON]:
        """Each metric with its revision and licence."""
        return {
            "metrics": {
                name: {"revision": self._revisions[name], "license": metric.info.license}
                for name, metric in self.metrics.items()
            }
        }


def _origin(clip_id: str, parents: dict[str, str]) -> str:
    while clip_id in parents:
        clip_id = parents[clip_id]
    return clip_id


class LabelBench:
    """Scores clips that it fetches from the dataset."""

    def __init__(self, spec: StageSpec) -> None:
        config: dict[str, Any] = dict(spec.config)
        folder = place_of(spec.inputs["dataset"])
        self._revisions: dict[str, str] = config["metrics"]
        self._clips = SourceClips(folder)
        self._references = SourceClips(folder)
        self._loaded: dict[str, Metric] = {}

    def make(self, record: Record) -> list[Rating]:
        """One rating per dimension of the metric."""
        metric = self._metric(record.group)
        values: dict[str, Any] = record.payload
        rate = metric.info.sample_rate_hz
        row = self._clips.fetch(Place.from_json(values["place"]))
        reference = None
        if "reference" in values:
            clean = self._references.fetch(Place.from_json(values["reference"]))
            reference = resample(clean.clip(), rate)
        scores = metric.score(resample(row.clip(), rate), reference)
        return [
            Rating(
                clip_id=row.id,
                kind=metric.info.kind,
                dimension=dimension,
                scale=metric.info.dimensions[dimension],
                value=value,
                revision=self._revisions[record.group],
            )
            for dimension, value in scores.items()
        ]

    def _metric(self, name: str) -> Metric:
        if name not in self._loaded:
            self._loaded[name] = build_metric(name)
        return self._loaded[name]
