"""What a training run learns from: labels meet features, and the stages they can feed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from mosdata.errors import NothingFound
from mosdata.manifests.rows import HUMAN
from mosdata.manifests.store import Dataset
from mosdata.training.config import TrainConfig
from mosdata.training.context import Progress, Report, quiet
from mosdata.training.data import Examples, class_indices, targets_in
from mosdata.training.features import Encoder, FeatureTable, dataset_features, make_encoder
from mosdata.training.measure import LabelledFeatures
from mosdata.training.stages import Stage

MIN_TARGETS: Final = 2
"""Scores in train below which there is nothing to learn from."""

MIN_CLASSES: Final = 2
"""Known synthesizers in train below which there is nothing to tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a run learns from: labels, features, and the stages they can feed."""

    examples: Examples
    table: FeatureTable
    encoder: Encoder
    device: str
    stages: tuple[Stage, ...]
    waiting: str | None
    labels_digest: str

    def features(self, split: str) -> LabelledFeatures:
        """One split as tensors."""
        rows = self.examples.of(split)
        values = [math.nan if row.value is None else row.value for row in rows]
        classes = class_indices(rows, self.examples.class_names)
        return LabelledFeatures(
            features_ND=torch.from_numpy(self.table.matrix(row.clip_id for row in rows)),
            value_N=torch.tensor(values, dtype=torch.float32),
            class_N=torch.tensor(classes, dtype=torch.int64),
        )


def gather(
    dataset: Dataset,
    examples: Examples,
    config: TrainConfig,
    *,
    device: str,
    cache: Path | None,
    report: Report | None,
) -> Material:
    """Compute or read the features and decide which stages can run.

    Raises:
        NothingFound: no stage can run.
        UnknownName, MissingExtra: the encoder cannot be built.
    """
    encoder = make_encoder(config.encoder, device=device)

    def advance(done: int, total: int) -> None:
        (report or quiet)(Progress(phase="features", done=done, total=total))

    table = dataset_features(dataset, encoder, cache_folder=cache, advance=advance)
    usable = tuple(row for row in examples.rows if row.clip_id in table.vectors)
    notes = (*examples.notes, *table.notes, *_rejections(table))
    kept = replace(examples, rows=usable, notes=notes)
    stages, waiting, skipped = _plan_stages(config, kept, dataset)
    return Material(
        examples=replace(kept, notes=(*notes, *skipped)),
        table=table,
        encoder=encoder,
        device=device,
        stages=stages,
        waiting=waiting,
        labels_digest=examples.digest,
    )


def _rejections(table: FeatureTable) -> list[str]:
    """One note per reason for which clips have no features."""
    counts = Counter(table.rejected.values())
    return [f"{counts[reason]} clips were left out: {reason}." for reason in sorted(counts)]


def _plan_stages(
    config: TrainConfig, examples: Examples, dataset: Dataset
) -> tuple[tuple[Stage, ...], str | None, list[str]]:
    """Stages that the labels can feed, what the others wait for, and what was left out.

    Raises:
        NothingFound: no stage can run.
    """
    scored = examples.num_targets >= MIN_TARGETS
    several = len(examples.class_names) >= MIN_CLASSES
    waiting = None if scored else _waiting(examples, dataset)
    stages = tuple(stage for stage in config.stages if (scored if stage.needs_targets else several))
    if not stages:
        raise NothingFound(
            f"There is nothing to learn in {dataset.folder}: its train split has "
            f"{len(examples.class_names)} known synthesizers ({MIN_CLASSES} are needed to tell "
            f"them apart). {waiting or ''}"
        )
    skipped = []
    if not several:
        skipped.append("One synthesizer only: stage 1, which tells them apart, was left out.")
    return stages, waiting, skipped


def _waiting(examples: Examples, dataset: Dataset) -> str:
    """What stages 2 and 3 wait for, and how to give it."""
    how = f"mosdata label {dataset.folder} --ratings ratings.csv"
    metrics = [str(target) for target in targets_in(dataset) if target.kind != HUMAN]
    listed = ", ".join(metrics)
    other = (
        f"Or learn what a metric says, with --target {metrics[0]} (present: {listed})."
        if metrics
        else "Without people, a metric can stand in, under its own name: "
        f"'mosdata label {dataset.folder} --metrics dnsmos.p808', then --target dnsmos.p808."
    )
    return (
        f"Stages 2 and 3 wait for scores: {examples.num_targets} train clips have one for "
        f"{str(examples.target)!r}, {MIN_TARGETS} or more are needed. Add people's ratings with "
        f"'{how}' and train again. {other}"
    )
