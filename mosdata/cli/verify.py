"""``mosdata verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosdata.cli.options import AsJson, Workers, place

if TYPE_CHECKING:
    from mosdata.builders.verify import Verified
    from mosdata.manifests.store import Dataset


def verify(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            parser=place,
            metavar="DATASET",
            help="Dataset folder. Default: the newest under ./out.",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Read the headers of the audio; do not decode it.")
    ] = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Check every file, row, sample and score of a dataset, and list all that is wrong."""
    from mosdata.builders.verify import open_to_verify, verify_dataset
    from mosdata.cli import console
    from mosdata.cli.found import dataset_or_newest

    source = (
        dataset_or_newest(None, stages=None, first="mosdata build --transcripts transcripts.txt")
        if dataset is None
        else open_to_verify(dataset)
    )
    with console.progress("verify") as show:
        verified = verify_dataset(
            source, quick=quick, workers=workers_of(workers), on_progress=show
        )
    for note in verified.notes:
        console.note(f"{note}.")
    if verified.is_sound:
        console.say(
            f"{source.folder}: {verified.num_files} files, {verified.num_rows:,} rows "
            f"({verified.num_decoded:,} decoded) and {verified.num_ratings:,} scores are as "
            "written."
        )
    for problem in verified.problems:
        console.complain(str(problem), word="wrong")
    if verified.is_sound or as_json:
        console.result(_value(source, verified), as_json=as_json, plain=source.content_id)
    if not verified.is_sound:
        console.complain(
            f"{source.folder} has {len(verified.problems)} problems. Make the dataset again, or "
            "copy it again from its source."
        )
        raise typer.Exit(1)


def workers_of(workers: int | None) -> int:
    """As many as asked for, or one per core this process may use."""
    from mosdata.builders.executors import usable_cores

    return usable_cores() if workers is None else workers


def _value(source: Dataset, verified: Verified) -> dict[str, object]:
    return {
        "folder": str(source.folder),
        "dataset_id": source.dataset_id,
        "content_id": source.content_id,
        "num_files": verified.num_files,
        "num_rows": verified.num_rows,
        "num_decoded": verified.num_decoded,
        "num_ratings": verified.num_ratings,
        "problems": [{"path": one.path, "says": one.says} for one in verified.problems],
        "notes": list(verified.notes),
    }
