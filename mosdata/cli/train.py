"""``mosdata train``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosdata.cli.options import WORKSPACE, AsJson, Out, Seed

if TYPE_CHECKING:
    from mosdata.training.context import Progress
    from mosdata.training.train import TrainSummary


def train(
    model: Annotated[str, typer.Argument(help="Which judge: moe.")],
    dataset: Annotated[
        Path | None, typer.Argument(help="Dataset folder. Default: the newest under ./out.")
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            help="Scores to learn: mos (people), debiased.mos (people, de-biased), or a metric "
            "such as dnsmos.p808, pesq."
        ),
    ] = "mos",
    encoder: Annotated[
        str,
        typer.Option(help="Front end: logmel, mfcc, or hf:FOLDER[#LAYER] of a local model."),
    ] = "logmel",
    splits: Annotated[
        str,
        typer.Option(
            help="Split set of the dataset, NAME or NAME:FOLD (mosdata splits make). Default: the "
            "splits of its files."
        ),
    ] = "",
    preset: Annotated[
        str, typer.Option(help="Settings: moe, or paper (the published rates and epochs).")
    ] = "moe",
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train a judge: the score of a clip, and the synthesizer that made it.

    Where nobody has scored yet, the judge learns to tell synthesizers apart (stage 1), and
    stages 2 and 3 wait for scores.
    """
    from mosdata.cli import console
    from mosdata.cli.found import dataset_or_newest
    from mosdata.manifests.ids import JSON, stable_id
    from mosdata.training.models import check_model, trainer

    check_model(model)
    data = dataset_or_newest(
        dataset, stages=None, first="mosdata build --transcripts transcripts.txt"
    )
    from mosdata.training.config import TrainConfig

    chosen = {"target": target, "encoder": encoder, "splits": splits, "seed": seed}
    config = TrainConfig.preset(preset, **chosen)
    key: dict[str, JSON] = {"config": config.to_dict(), "content": data.content_id}
    folder = out or WORKSPACE / f"{model}-{stable_id('run', key)[:8]}"
    run = trainer(model)
    with _progress() as report:
        summary = run(data.folder, folder, config, report, device=device)
    _show(summary)
    console.say("Next: mosdata evaluate")
    console.result(summary.to_dict(), as_json=as_json, plain=folder)


def _show(summary: TrainSummary) -> None:
    from mosdata.cli import console

    for remark in summary.notes:
        console.note(remark)
    if summary.already_done:
        console.say(f"Nothing to do: {summary.run_folder} is trained already.")
    else:
        rows = [_stage_row(stage) for stage in summary.stages]
        console.table(
            f"Stages ({summary.num_parameters:,} parameters)",
            ["stage", "epochs", "best epoch", "on validation"],
            rows,
        )
        pace = console.duration(summary.seconds)
        many = "s" if len(summary.classes) != 1 else ""
        on_scale = f" on {summary.scale}" if summary.scale else ""
        console.say(
            f"Trained on {summary.clips.get('train', 0):,} clips of {len(summary.classes)} "
            f"synthesizer{many}, target {summary.target}{on_scale}, in {pace}: "
            f"{summary.run_folder}"
        )
    if summary.waiting:
        console.say(summary.waiting)


def _stage_row(stage: dict[str, Any]) -> list[object]:
    names = {"validation_lcc": "LCC", "validation_mse": "MSE", "validation_accuracy": "accuracy"}
    values = [f"{name} {stage[key]:.3f}" for key, name in names.items() if stage.get(key)]
    return [stage["stage"], stage["epochs"], stage["best_epoch"], ", ".join(values) or "-"]


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A live bar in a terminal; a line per phase and stage elsewhere."""
    from mosdata.cli import console

    screen = console.people()
    if not screen.is_terminal:
        yield _PlainProgress()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[about]}", style="dim"),
    )
    with Bar(*columns, console=screen, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(now: Progress) -> None:
            if now.phase not in tasks:
                tasks[now.phase] = bar.add_task(now.phase, total=now.total, about="")
            about = _about(now)
            bar.update(tasks[now.phase], completed=now.done, total=now.total, about=about)

        yield show


class _PlainProgress:
    """One line when a phase or a stage begins."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, now: Progress) -> None:
        from mosdata.cli import console

        stage = str((now.record or {}).get("stage", ""))
        key = f"{now.phase} {stage}".strip()
        if key not in self._seen:
            self._seen.add(key)
            unit = "clips" if now.phase == "features" else "epochs at most"
            console.say(f"train: {key} ({now.total} {unit})")


def _about(now: Progress) -> str:
    record = now.record or {}
    parts = [str(record["stage"])] if "stage" in record else []
    return " ".join(parts)
