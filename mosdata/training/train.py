"""From a dataset on disk to a judge on disk, in one call."""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from mosdata import __version__
from mosdata.errors import NothingFound, OutputConflict
from mosdata.manifests.ids import canonical_json
from mosdata.manifests.rows import HUMAN
from mosdata.manifests.store import Dataset, open_dataset
from mosdata.training.checkpoint import (
    JudgeCard,
    StateKeeper,
    is_run,
    new_judge,
    read_run,
    save_run,
)
from mosdata.training.config import TrainConfig
from mosdata.training.context import Context, Progress, Report, pick_device
from mosdata.training.data import (
    Examples,
    Target,
    class_indices,
    load_examples,
    targets_in,
)
from mosdata.training.features import (
    Encoder,
    FeatureTable,
    dataset_features,
    encoder_key,
    make_encoder,
)
from mosdata.training.loop import LabelledFeatures, Record, fit
from mosdata.training.moe import MoEJudge
from mosdata.training.stages import Stage

MIN_TARGETS: Final = 2
"""Scores in train below which there is nothing to learn from."""

MIN_CLASSES: Final = 2
"""Known synthesizers in train below which there is nothing to tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSummary:
    """What a training run did, for people and for ``--json``.

    ``already_done`` is true where the run was finished before and nothing was computed.
    ``clips`` and ``scored`` count clips by split, all and those with a score; ``stages`` has one
    entry per stage that ran: epochs, best epoch and its validation. ``waiting`` says what stages
    2 and 3 wait for; ``notes`` what was decided on the user's behalf.
    """

    run_folder: str
    dataset_id: str
    encoder: str
    target: str
    classes: tuple[str, ...]
    clips: dict[str, int]
    scored: dict[str, int]
    num_parameters: int
    stages: tuple[dict[str, Any], ...]
    waiting: str | None
    notes: tuple[str, ...]
    seconds: float
    already_done: bool = False
    resumed_after_epochs: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def train_moe(
    dataset_folder: Path | str,
    run_folder: Path | str,
    config: TrainConfig | None = None,
    report: Report | None = None,
    *,
    device: str = "auto",
    cache_folder: Path | None = None,
    save_every_s: float = 5.0,
) -> TrainSummary:
    """Train a mixture-of-experts judge on a finished dataset.

    Run again after an interruption, it goes on with the next epoch and ends in the same bytes;
    run again when finished, it does nothing. A run that waited for scores starts anew once the
    dataset has them.

    Args:
        dataset_folder: a finished dataset.
        run_folder: where the judge goes; made as a whole at the end.
        config: settings; the ``moe`` preset where None.
        report: called with :class:`mosdata.training.context.Progress`.
        device: ``auto``, ``cpu`` or ``cuda``.
        cache_folder: of features; beside the dataset where None.
        save_every_s: shortest time between two saves of the state, in seconds.

    Raises:
        NothingFound: no dataset, or nothing in it to learn.
        UnknownName: the dataset has no such target, or there is no such encoder.
        OutputConflict: the run folder holds a run of other settings or data, or other files.
    """
    started_s = time.monotonic()
    config = config or TrainConfig()
    dataset, run_folder = open_dataset(dataset_folder), Path(run_folder)
    examples = load_examples(dataset, Target.parse(config.target, dataset))
    if _is_finished(run_folder, config, dataset, examples):
        return _summary(run_folder, started_s, already_done=True)
    material = _gather(
        dataset, examples, config, device=pick_device(device), cache=cache_folder, report=report
    )
    keeper = StateKeeper(run_folder, _identity(config, material), every_s=save_every_s)
    resume = keeper.load()
    context = Context(
        device=material.device, report=report or _quiet, save=keeper.save, resume=resume
    )
    judge = _untrained(config, material)
    history = fit(
        judge,
        material.features("train"),
        material.features("validation"),
        config=config,
        stages=material.stages,
        context=context,
    )
    card = _card(judge, dataset, material, history)
    save_run(run_folder, model=judge, config=config, card=card, history=history)
    resumed = len(resume["history"]) if resume else 0
    return _summary(run_folder, started_s, resumed_after_epochs=resumed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
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


def _gather(
    dataset: Dataset,
    examples: Examples,
    config: TrainConfig,
    *,
    device: str,
    cache: Path | None,
    report: Report | None,
) -> _Material:
    encoder = make_encoder(config.encoder, device=device)

    def advance(done: int, total: int) -> None:
        (report or _quiet)(Progress(phase="features", done=done, total=total))

    table = dataset_features(dataset, encoder, cache_folder=cache, advance=advance)
    usable = tuple(row for row in examples.rows if row.clip_id in table.vectors)
    notes = (*examples.notes, *table.notes, *_rejections(table))
    kept = replace(examples, rows=usable, notes=notes)
    stages, waiting, skipped = _plan_stages(config, kept, dataset)
    return _Material(
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
    other = ""
    if metrics:
        listed = ", ".join(metrics)
        other = f" Or learn what a metric says, with --target {metrics[0]} (present: {listed})."
    return (
        f"Stages 2 and 3 wait for scores: {examples.num_targets} train clips have one for "
        f"{str(examples.target)!r}, {MIN_TARGETS} or more are needed. Add people's ratings with "
        f"'{how}' and train again.{other}"
    )


def _untrained(config: TrainConfig, material: _Material) -> MoEJudge:
    """A judge with initial weights, and with scales that come from train alone."""
    train = material.features("train")
    classes = material.examples.class_names
    judge = new_judge(config, input_dim=material.table.width, num_classes=len(classes))
    judge.set_feature_scale(train.features_ND)
    if material.waiting is None:
        judge.set_target_scale(train.value_N)
    return judge


def _identity(config: TrainConfig, material: _Material) -> str:
    """Stands for all that decides the result; an unfinished run of another is begun anew."""
    parts = [
        __version__,
        config.to_dict(),
        encoder_key(material.encoder),
        material.labels_digest,
        sorted(material.table.rejected),
        material.device,
    ]
    return hashlib.blake2b(canonical_json(parts).encode(), digest_size=16).hexdigest()


def _is_finished(
    run_folder: Path, config: TrainConfig, dataset: Dataset, examples: Examples
) -> bool:
    """Whether this very run is done already.

    Raises:
        OutputConflict: something else is in the folder.
    """
    if not is_run(run_folder):
        if run_folder.exists() and any(run_folder.iterdir()):
            raise OutputConflict(
                f"{run_folder} holds files that are not a training run; nothing was touched. "
                "Give a new folder."
            )
        return False
    before, card = read_run(run_folder)
    if before != config:
        old, new = before.to_dict(), config.to_dict()
        changed = ", ".join(name for name in new if new[name] != old[name])
        raise OutputConflict(
            f"{run_folder} holds a run with other settings ({changed}); nothing was touched. "
            "Give a new folder."
        )
    if card.labels_digest == examples.digest:
        return True
    if card.waiting is not None and card.content_id == dataset.content_id:
        return False
    raise OutputConflict(
        f"{run_folder} holds a run on other clips or other labels; nothing was touched. "
        "Give a new folder."
    )


def _card(
    judge: MoEJudge, dataset: Dataset, material: _Material, history: list[Record]
) -> JudgeCard:
    examples = material.examples
    scored = Counter(row.split for row in examples.rows if row.value is not None)
    results = {
        "clips": dict(Counter(row.split for row in examples.rows)),
        "scored": dict(scored),
        "num_parameters": sum(parameter.numel() for parameter in judge.parameters()),
        "stages": [_stage_result(stage, history) for stage in material.stages],
        "notes": list(examples.notes),
    }
    return JudgeCard(
        classes=examples.class_names,
        target_kind=examples.target.kind,
        target_dimension=examples.target.dimension,
        encoder_key=encoder_key(material.encoder),
        input_dim=material.table.width,
        dataset_id=dataset.dataset_id,
        content_id=dataset.content_id,
        labels_digest=material.labels_digest,
        mosdata_version=__version__,
        waiting=material.waiting,
        results=results,
    )


def _stage_result(stage: Stage, history: list[Record]) -> dict[str, Any]:
    """Epochs of a stage, and the one that was kept."""
    records = [record for record in history if record["stage"] == stage.name]
    kept = [record for record in records if record["best"]][-1]
    measured = {name: value for name, value in kept.items() if name.startswith("validation_")}
    return {
        "stage": stage.name,
        "epochs": len(records),
        "best_epoch": kept["epoch"],
        "dead_experts": kept["expert_dead"],
        **measured,
    }


def _summary(
    run_folder: Path,
    started_s: float,
    *,
    already_done: bool = False,
    resumed_after_epochs: int = 0,
) -> TrainSummary:
    """The summary of a finished run, from its card."""
    _, card = read_run(run_folder)
    results = card.results
    return TrainSummary(
        run_folder=str(run_folder),
        dataset_id=card.dataset_id,
        encoder=card.encoder_key,
        target=str(card.target),
        classes=card.classes,
        clips=results["clips"],
        scored=results["scored"],
        num_parameters=results["num_parameters"],
        stages=tuple(results["stages"]),
        waiting=card.waiting,
        notes=tuple(results["notes"]),
        seconds=round(time.monotonic() - started_s, 3),
        already_done=already_done,
        resumed_after_epochs=resumed_after_epochs,
    )


def _quiet(_: Progress) -> None:
    """Tell nobody."""
