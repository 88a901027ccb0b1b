"""``mosdata evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosdata.cli.options import WORKSPACE, AsJson, Out

if TYPE_CHECKING:
    from mosdata.evaluation.findings import Level
    from mosdata.evaluation.intervals import Measure
    from mosdata.manifests.store import Dataset
    from mosdata.training.assess import Assessment


def evaluate(
    judge: Annotated[
        Path | None, typer.Argument(help="Training run. Default: the newest under ./out.")
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Dataset to judge. Default: the one that the judge was trained on."),
    ] = None,
    splits: Annotated[
        str,
        typer.Option(
            help="Split set of the dataset, NAME or NAME:FOLD. Default: those of the training, or "
            "of the files of another dataset."
        ),
    ] = "",
    system_truth: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the truth of systems: system, value and, if known, ci (half-width "
            "of the 95 % interval). Default: the mean of each system's clips."
        ),
    ] = None,
    out: Out = None,
    open_report: Annotated[
        bool, typer.Option("--open", help="Open the report in a browser at the end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Judge a judge: metrics with intervals, baselines, and a report for the browser.

    Writes predictions.parquet, metrics.json and report.html.
    """
    from mosdata.cli import console
    from mosdata.cli.found import judge_or_newest
    from mosdata.training.assess import assess

    run = judge_or_newest(judge)
    target = _dataset_of(run, dataset)
    found = assess(run, target, out=out, splits=splits or None, system_truth=system_truth)
    _show(found)
    report = found.report.resolve()
    console.say(f"Report: {report.as_uri()}")
    console.result(found.evaluation.to_json(), as_json=as_json, plain=found.report)
    if open_report:
        typer.launch(str(report))


def _dataset_of(run: Path, folder: Path | None) -> Dataset:
    """The dataset that was named, or the one under ``./out`` that the judge learned from."""
    from mosdata.cli import console
    from mosdata.errors import NothingFound
    from mosdata.manifests.store import find_datasets, open_dataset
    from mosdata.training.checkpoint import read_run

    if folder is not None:
        return open_dataset(folder)
    _, card = read_run(run)
    for dataset in find_datasets(WORKSPACE):
        if dataset.content_id == card.content_id:
            console.say(f"Taking the dataset it was trained on: {dataset.folder}")
            return dataset
    raise NothingFound(
        f"The dataset that {run} was trained on (id {card.dataset_id[:8]}) is not under "
        f"./{WORKSPACE}. Name it: mosdata evaluate {run} --dataset FOLDER"
    )


def _show(found: Assessment) -> None:
    from mosdata.cli import console

    split = found.evaluation.headline
    if split is None:
        console.say("There was nothing to judge.")
        return
    levels = (("utterance", split.utterance), ("system", split.system))
    rows = [row for name, level in levels for row in _rows(name, level)]
    if rows:
        scale = f", {found.evaluation.scale}" if found.evaluation.scale else ""
        title = f"{found.evaluation.target} on the {found.evaluation.headline_split} split{scale}"
        header = ["level", "metric", "value", "95 % interval", "ceiling", "of ceiling"]
        console.table(title, header, rows)
        console.say(f"Truth of systems: {split.system.truth}.")
    for sentence in split.verdict:
        console.say(sentence)
    for remark in (*found.evaluation.notes, *split.notes):
        console.note(remark)


def _rows(name: str, level: Level) -> list[list[object]]:
    """Lines of the table: the metrics that the challenges report, beside what can be reached."""
    bounds = {
        "lcc": (level.ceiling.lcc, level.ceiling.normalised_lcc),
        "srcc": (level.ceiling.srcc, level.ceiling.normalised_srcc),
    }
    rows: list[list[object]] = []
    for metric in ("mse", "lcc", "srcc", "ktau"):
        measure = level.metrics[metric]
        if measure.value is not None:
            beside = [_value(bound) for bound in bounds.get(metric, (None, None))]
            rows.append([name, metric.upper(), _value(measure.value), _interval(measure), *beside])
    return rows


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return "-"
    return f"{measure.low:.3f} to {measure.high:.3f}"
