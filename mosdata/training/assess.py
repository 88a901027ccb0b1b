"""From a judge and a dataset on disk to predictions, metrics and a report, in one call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Final

from mosdata import __version__
from mosdata.errors import InvalidRatings
from mosdata.evaluation.ceiling import Ceilings, ceilings_by_split
from mosdata.evaluation.evaluate import evaluate, write_evaluation
from mosdata.evaluation.findings import Evaluation
from mosdata.evaluation.report import REPORT_NAME, Sample, check_report, write_report
from mosdata.evaluation.truth import read_truth_table
from mosdata.manifests.predictions import Prediction
from mosdata.manifests.rows import Utterance
from mosdata.manifests.store import Dataset
from mosdata.training.checkpoint import HISTORY_NAME, JudgeCard, read_run
from mosdata.training.config import TrainConfig
from mosdata.training.data import Target, load_examples, opinions_of, same_range
from mosdata.training.score import predict_dataset

MAX_LADDERS: Final = 4
"""Clips whose ladder from untouched to strongest can be listened to in the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A judge, judged: where the files lie, and what they say."""

    folder: Path
    report: Path
    evaluation: Evaluation
    num_clips: int


def assess(
    run_folder: Path,
    dataset: Dataset,
    *,
    out: Path | None = None,
    splits: str | None = None,
    system_truth: Path | None = None,
    device: str = "cpu",
    advance: Callable[[int, int], None] | None = None,
) -> Assessment:
    """Judge every clip of a dataset with a trained judge, and write down how good it is.

    Args:
        run_folder: a finished training run.
        dataset: what to judge; its ratings are the truth.
        out: folder for ``predictions.parquet``, ``metrics.json`` and ``report.html``; inside the
            run where None.
        splits: a split set of the dataset; on the dataset it was trained on, the judge's own.
        system_truth: CSV file of what systems are worth (``system``, ``value`` and, if known,
            ``ci``); the mean of each system's clips where None.
        device: of the encoder's backbone.
        advance: called with clips done and clips in all while features are computed.

    Raises:
        NothingFound: no finished run in the folder.
        DamagedDataset: the run or the dataset cannot be read.
        MissingExtra: matplotlib is not installed.
        InvalidRatings: the dataset's scores are not on the scale that the judge learned, or the
            table of system truth does not fit.
    """
    check_report()
    table = read_truth_table(system_truth) if system_truth else None
    config, card = read_run(run_folder)
    scale = _scale(card, dataset)
    predictions = predict_dataset(
        run_folder, dataset, splits=splits, device=device, advance=advance
    )
    evaluation = evaluate(
        predictions,
        reference_predictions=[row for row in predictions if row.split == "train"],
        target_name=str(card.target),
        scale=scale,
        ceilings=_ceilings(card.target, dataset, predictions),
        system_truth=table,
    )
    named = f"-{splits.replace(':', '-')}" if splits else ""
    named += f"-against-{system_truth.stem}" if system_truth else ""
    folder = out or run_folder / f"evaluation-{dataset.dataset_id[:8]}{named}"
    write_evaluation(folder, predictions, evaluation)
    write_report(
        folder / REPORT_NAME,
        evaluation=evaluation,
        predictions=predictions,
        facts=_facts(config, card, dataset),
        history=_history(run_folder),
        samples=list(_samples(dataset, predictions, evaluation)),
    )
    return Assessment(
        folder=folder,
        report=folder / REPORT_NAME,
        evaluation=evaluation,
        num_clips=len(predictions),
    )


def _scale(card: JudgeCard, dataset: Dataset) -> str | None:
    """The scale of truth and prediction.

    Raises:
        InvalidRatings: they are on two.
    """
    learned = card.results.get("scale")
    judged = load_examples(dataset, card.target, carve=False).scale
    if learned and judged and not same_range(learned, judged):
        raise InvalidRatings(
            f"The judge learned {card.target} on the scale {learned}, the scores of "
            f"{dataset.folder} are on {judged}; its errors would mean nothing. Judge a dataset on "
            f"{learned}, or train on one that is on {judged}."
        )
    return judged or learned


def _ceilings(
    target: Target, dataset: Dataset, predictions: Sequence[Prediction]
) -> dict[str, Ceilings]:
    """How much the noise of people's ratings leaves to be reached, split by split."""
    dimension, ratings = opinions_of(dataset, target)
    return ceilings_by_split(ratings, predictions, kind=target.kind, dimension=dimension)


def _facts(config: TrainConfig, card: JudgeCard, dataset: Dataset) -> dict[str, object]:
    """What was judged, and on what."""
    own = dataset.content_id == card.content_id
    size = f"{dataset.num_rows:,} clips, id {dataset.dataset_id[:8]}"
    facts: dict[str, object] = {
        "dataset": f"{dataset.folder.name} ({size})",
        "judge": f"mixture of {config.num_experts} experts, "
        f"{card.results.get('num_parameters', 0):,} parameters",
        "front end": card.encoder_key,
        "trained on": "the train split of this dataset"
        if own
        else f"another dataset (id {card.dataset_id[:8]})",
        "classes": f"{len(card.classes)} synthesizers",
        "seed": config.seed,
        "mosdata": __version__,
    }
    if card.waiting:
        facts["waiting"] = card.waiting
    return facts


def _history(run_folder: Path) -> list[dict[str, object]]:
    lines = (run_folder / HISTORY_NAME).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _samples(
    dataset: Dataset, predictions: Sequence[Prediction], evaluation: Evaluation
) -> Iterator[Sample]:
    """Some clips of the headline split to listen to: each source with its corrupted copies.

    One ladder per corruption; which, depends on the clips' ids alone.
    """
    judged = {row.clip_id: row for row in predictions if row.split == evaluation.headline_split}
    light = dataset.utterances(columns=["id", "parent_id", "corruptions"])
    ladders = list(islice(_ladders(row for row in light if row.id in judged), MAX_LADDERS))
    wanted = {name for ladder in ladders for row in ladder for name in (row.id, row.parent_id)}
    full = {row.id: row for row in dataset.pick({name for name in wanted if name})}
    for ladder in ladders:
        source = full.get(ladder[0].parent_id or "")
        if source is not None:
            yield _sample(source, "untouched", judged)
        for row in ladder:
            applied = row.corruptions[-1]
            yield _sample(full[row.id], f"{applied.name} at level {applied.level:g}", judged)


def _ladders(rows: Iterable[Utterance]) -> Iterator[list[Utterance]]:
    """The corrupted copies of one source per kind of corruption, from mild to strong."""
    copies = [row for row in rows if row.corruptions and row.parent_id]
    copies.sort(
        key=lambda row: (row.corruptions[-1].name, row.parent_id, row.corruptions[-1].level)
    )
    for _, same_kind in groupby(copies, key=lambda row: row.corruptions[-1].name):
        for _, ladder in groupby(same_kind, key=lambda row: row.parent_id):
            yield list(ladder)
            break


def _sample(row: Utterance, what: str, judged: dict[str, Prediction]) -> Sample:
    found = judged.get(row.id)
    parts = [f"\u201c{row.text}\u201d"]
    if found is not None and found.mos_true is not None:
        parts.append(f"target {found.mos_true:.2f}")
    if found is not None and found.mos_pred is not None:
        parts.append(f"judge {found.mos_pred:.2f}")
    return f"{row.system}: {what}", ", ".join(parts), row.audio
