"""``mosdata publish``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mosdata.cli.options import AsJson


def publish(
    dataset: Annotated[
        Path | None, typer.Argument(help="Dataset folder. Default: the newest under ./out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to make; must be new or empty.")
    ] = None,
    accept_terms: Annotated[
        bool, typer.Option(help="Publish although some clips' terms are restricted or unknown.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every file and row of a dataset, then copy it with its card and checksums."""
    from mosdata.builders.publish import publish as publish_dataset
    from mosdata.cli import console
    from mosdata.cli.found import dataset_or_newest
    from mosdata.errors import UsageError

    if out is None:
        raise UsageError("Give --out FOLDER: where the published dataset should lie.")
    source = dataset_or_newest(
        dataset, stages=None, first="mosdata build --transcripts transcripts.txt"
    )
    published = publish_dataset(source, out, accept_terms=accept_terms)
    done = "was there already" if published.was_complete else "published"
    console.say(
        f"Dataset {published.dataset_id[:8]} {done}: {published.num_files} files, "
        f"{published.num_bytes / 1e6:,.1f} MB, terms {published.output_terms}, every checksum "
        f"checked. Load it with datasets.load_dataset('{out}')."
    )
    value = {**asdict(published), "folder": str(out)}
    console.result(value, as_json=as_json, plain=out)
