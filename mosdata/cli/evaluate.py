"""``mosdata evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosdata.cli.options import AsJson, Out


def evaluate(
    judge: Annotated[
        Path | None, typer.Argument(help="Training run. Default: the newest under ./out.")
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Dataset to judge. Default: the one that the judge was trained on."),
    ] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Judge a judge: metrics with intervals, baselines, and a report for the browser."""
