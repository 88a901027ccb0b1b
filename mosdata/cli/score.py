"""``mosdata score``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mosdata.cli.options import AsJson


def score(
    files: Annotated[list[Path], typer.Argument(help="Audio files: WAV, FLAC, MP3, any rate.")],
    judge: Annotated[
        Path | None,
        typer.Option(help="Training run. Default: the newest under ./out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score audio files with a trained judge, in the order given.

    One line per file: score, most likely synthesizer with its probability, file. A file that
    cannot be read gets a line that says why, and the exit code is 1.
    """
    from mosdata.cli import console
    from mosdata.cli.found import judge_or_newest
    from mosdata.training.score import score_clips

    failed = 0
    for found in score_clips(judge_or_newest(judge), files):
        failed += found.duration_s is None
        if as_json:
            line = json.dumps(asdict(found), ensure_ascii=False)
        else:
            value = "-" if found.mos is None else f"{found.mos:.3f}"
            system = found.synthesizer or "-"
            share = "-" if found.confidence is None else f"{found.confidence:.2f}"
            line = f"{value}\t{system}\t{share}\t{found.name}"
        sys.stdout.write(line + "\n")
        if found.duration_s is None:
            console.complain(f"{found.name}: {found.message}")
    if failed:
        raise typer.Exit(1)
