"""``mosdata verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosdata.cli.options import AsJson


def verify(
    dataset: Annotated[
        Path | None, typer.Argument(help="Dataset folder. Default: the newest under ./out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every file and row of a dataset against its manifest."""
    from mosdata.builders.verify import verify_content, verify_files
    from mosdata.cli import console
    from mosdata.cli.found import dataset_or_newest

    source = dataset_or_newest(
        dataset, stages=None, first="mosdata build --transcripts transcripts.txt"
    )
    num_files = verify_files(source)
    verify_content(source)
    console.say(f"{source.folder}: {num_files} files and {source.num_rows:,} rows are as written.")
    value = {
        "folder": str(source.folder),
        "dataset_id": source.dataset_id,
        "content_id": source.content_id,
        "num_files": num_files,
        "num_rows": source.num_rows,
    }
    console.result(value, as_json=as_json, plain=source.content_id)
