"""From a dataset on disk to a judge on disk, in one call."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mosdata import __version__
from mosdata.errors import OutputConflict
from mosdata.manifests.ids import canonical_json
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
from mosdata.training.context import Context, Report, pick_device, quiet
from mosdata.training.data import Examples, Target, load_examples
from mosdata.training.features import encoder_key
from mosdata.training.loop import Record, fit
from mosdata.training.material import Material, gather
from mosdata.training.moe import MoEJudge
from mosdata.training.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSummary:
    """What a training run did, for people and for ``--json``.

    ``already_done`` is true where the run was finished before and nothing was computed.
    ``scale`` is that of the target's scores, None where there are none.
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
    scale: str | None = None

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
    target = Target.parse(config.target, dataset)
    examples = load_examples(dataset, target, splits=config.splits or None)
    if _is_finished(run_folder, config, dataset, examples):
        return _summary(run_folder, started_s, already_done=True)
    material = gather(
        dataset, examples, config, device=pick_device(device), cache=cache_folder, report=report
    )
    keeper = StateKeeper(run_folder, _identity(config, material), every_s=save_every_s)
    resume = keeper.load()
    context = Context(
        device=material.device, report=report or quiet, save=keeper.save, resume=resume
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


def _untrained(config: TrainConfig, material: Material) -> MoEJudge:
    """A judge with initial weights, and with scales that come from train alone."""
    train = material.features("train")
    classes = material.examples.class_names
    judge = new_judge(config, input_dim=material.table.width, num_classes=len(classes))
    judge.set_feature_scale(train.features_ND)
    if material.waiting is None:
        judge.set_target_scale(train.value_N)
    return judge


def _identity(config: TrainConfig, material: Material) -> str:
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
    judge: MoEJudge, dataset: Dataset, material: Material, history: list[Record]
) -> JudgeCard:
    examples = material.examples
    scored = Counter(row.split for row in examples.rows if row.value is not None)
    results = {
        "clips": dict(Counter(row.split for row in examples.rows)),
        "scored": dict(scored),
        "scale": examples.scale,
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
        scale=results.get("scale"),
    )
