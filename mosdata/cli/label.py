"""``mosdata label``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosdata.cli.options import (
    RECORD_DEADLINE_S,
    Address,
    AsJson,
    Executor,
    MaxQuarantine,
    PlanOnly,
    RecordDeadline,
    Workers,
    execution_of,
    orders_of,
    place,
)

if TYPE_CHECKING:
    from mosdata.builders.executors import Execution
    from mosdata.builders.label import LabelConfig
    from mosdata.builders.orders import Orders
    from mosdata.manifests.store import Dataset


def label(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            parser=place,
            metavar="DATASET",
            help="Dataset folder. Default: the newest under ./out.",
        ),
    ] = None,
    metrics: Annotated[
        str,
        typer.Option(
            help="Metrics, separated by commas: dnsmos, dnsmos.p808, pesq, stoi, or "
            "module:function of your own."
        ),
    ] = "",
    ratings: Annotated[
        list[Path] | None,
        typer.Option(
            help="Table of people's scores, such as a CSV file with clip_id, score and rater; any "
            "that 'mosdata import' reads. May be repeated."
        ),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Layout of the ratings. Default: found by looking.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="TOML file that says what the columns of ratings mean.")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(help="Scale of the ratings. Default: as the layout says.")
    ] = None,
    dimension: Annotated[
        str, typer.Option(help="What people judged, where the ratings do not say.")
    ] = "mos",
    executor: Executor = "auto",
    workers: Workers = None,
    address: Address = None,
    record_deadline: RecordDeadline = RECORD_DEADLINE_S,
    max_quarantine: MaxQuarantine = "100%",
    plan_only: PlanOnly = False,
    as_json: AsJson = False,
) -> None:
    """Add scores to a dataset: computed by metrics, or given by people.

    Scores are stored as what they are; a metric's score is never called human MOS.
    """
    from mosdata.builders.label import LabelConfig
    from mosdata.cli.found import dataset_or_newest
    from mosdata.errors import UsageError

    if bool(metrics) == bool(ratings):
        raise UsageError(
            "Give either --metrics (such as --metrics dnsmos) or --ratings FILE.csv, "
            "and not both at once."
        )
    if ratings and plan_only:
        raise UsageError("--plan-only is for --metrics; scores by people are added at once.")
    execution = execution_of(
        executor=executor, workers=workers, address=address, record_deadline=record_deadline
    )
    target = dataset_or_newest(
        dataset, stages=None, first="mosdata build --transcripts transcripts.txt"
    )
    if ratings:
        how = {"layout": layout, "scale": scale, "dimension": dimension, "mapping": mapping}
        _add_people(target, ratings, how, as_json=as_json)
        return
    config = LabelConfig(metrics=tuple(m.strip() for m in metrics.split(",") if m.strip()))
    orders = orders_of(max_quarantine=max_quarantine)
    _compute(target, config, execution, orders, named=dataset, plan_only=plan_only, as_json=as_json)


def _compute(
    target: Dataset,
    config: LabelConfig,
    execution: Execution,
    orders: Orders,
    *,
    named: Path | None,
    plan_only: bool,
    as_json: bool,
) -> None:
    from mosdata.builders.label import LabelStage
    from mosdata.builders.run import plan_ratings, run_ratings
    from mosdata.builders.stage import run_folder
    from mosdata.cli import console
    from mosdata.cli.run_shards import tell_plan

    stage = LabelStage(target, config)
    for name, count in stage.without_reference().items():
        console.note(f"{name} is not computed for {count:,} clips that have no clean source here.")
    if plan_only:
        plan = plan_ratings(stage, target.folder, name=stage.name, orders=orders)
        run = run_folder(target.folder) / f"ratings-{stage.name}"
        tell_plan(plan, run, folder=target.folder, as_json=as_json)
        return
    with console.progress("label") as show:
        outcome = run_ratings(
            stage,
            target.folder,
            name=stage.name,
            execution=execution,
            orders=orders,
            on_progress=show,
        )
    wanted = next(iter(stage.metrics.values())).info
    target_name = f"{wanted.kind}.{next(iter(wanted.dimensions))}"
    next_step = f"mosdata train moe{console.named(named)} --target {target_name}"
    console.summary(outcome, made="scores", next_step=next_step)
    value = {
        "folder": str(target.folder),
        "set": stage.name,
        "num_scores": outcome.num_rows,
        "num_rejected": outcome.num_rejected,
        "rejected_by_reason": dict(outcome.reasons),
        "without_reference": stage.without_reference(),
        "was_complete": outcome.was_complete,
    }
    console.result(value, as_json=as_json, plain=target.folder)


def _add_people(target: Dataset, tables: list[Path], how: dict[str, Any], *, as_json: bool) -> None:
    from mosdata.builders.ratings_file import add_human_ratings
    from mosdata.cli import console

    added = add_human_ratings(target, tables, **how)
    console.show_findings(added.findings)
    done = "were there already" if added.was_complete else "added"
    raters = f"{added.num_raters:,} raters" if added.num_raters else "raters not named"
    console.say(
        f"{added.num_ratings:,} scores of {added.num_clips:,} clips ({raters}) {done}: "
        f"{target.folder}"
    )
    console.say("Next: mosdata train moe")
    value = {
        "folder": str(target.folder),
        "set": added.name,
        "num_scores": added.num_ratings,
        "num_clips": added.num_clips,
        "num_raters": added.num_raters,
        "layout": added.layout,
        "findings": [asdict(found) for found in added.findings],
        "was_complete": added.was_complete,
    }
    console.result(value, as_json=as_json, plain=target.folder)
