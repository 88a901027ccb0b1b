"""``mosdata publish``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosdata.cli.options import AsJson, DryRun, Workers

if TYPE_CHECKING:
    from mosdata.builders.publish import Published
    from mosdata.manifests.store import Dataset

STAGING = ".published"
"""Where the copy lies that goes to the Hub; no command takes it for a dataset to work on."""


def publish(
    dataset: Annotated[
        Path | None, typer.Argument(help="Dataset folder. Default: the newest under ./out.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", help="hub:org/name: send it to the Hugging Face Hub as well."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder to make; new, empty, or an earlier copy. Default with --to: in the "
            "dataset's .run folder.",
        ),
    ] = None,
    arrow: Annotated[
        bool,
        typer.Option("--arrow", help="Add Arrow files for load_from_disk; twice the bytes."),
    ] = False,
    accept_terms: Annotated[
        bool, typer.Option(help="Publish although some clips' terms are restricted or unknown.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository on the Hub a private one.")
    ] = False,
    revision: Annotated[
        str | None,
        typer.Option(help="Branch on the Hub to send to; main is then left as it is."),
    ] = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Check a dataset, copy it with its card, licences and checksums, and send it to the Hub.

    Nothing goes over the network without --to.
    """
    from mosdata.builders.hub import push, repo_of
    from mosdata.builders.publish import publish as publish_dataset
    from mosdata.builders.stage import run_folder
    from mosdata.cli import console
    from mosdata.cli.found import dataset_or_newest
    from mosdata.cli.verify import workers_of

    _check(to=to, out=out, arrow=arrow, private=private, revision=revision)
    repo = None if to is None else repo_of(to)
    source = dataset_or_newest(
        dataset, stages=None, first="mosdata build --transcripts transcripts.txt"
    )
    place = out or run_folder(source.folder) / STAGING
    if dry_run:
        _show_plan(source, place, repo, arrow=arrow, revision=revision, as_json=as_json)
        return
    with console.progress("verify") as show:
        published = publish_dataset(
            source,
            place,
            accept_terms=accept_terms,
            arrow=arrow,
            replace=out is None,
            workers=workers_of(workers),
            on_progress=show,
        )
    _say(published, place)
    value: dict[str, Any] = {**asdict(published), "folder": str(place), "hub": None}
    if repo is not None:
        pushed = push(place, repo, private=private or None, branch=revision, say=console.say)
        value["hub"] = asdict(pushed)
        console.say(
            f"{pushed.url} has all {pushed.num_files} files, each compared. Load it with "
            f"datasets.load_dataset({repo!r}, revision={pushed.tag!r})."
        )
        if not pushed.main:
            console.say(f"main is as it was; branch {pushed.branch} has the dataset.")
    console.result(value, as_json=as_json, plain=value["hub"]["url"] if repo else place)


def _check(
    *, to: str | None, out: Path | None, arrow: bool, private: bool, revision: str | None
) -> None:
    """Options that do not go together.

    Raises:
        UsageError: says which, and what to give.
    """
    from mosdata.errors import UsageError

    if to is None and out is None:
        raise UsageError(
            "Give --out FOLDER: where the published dataset should lie; or --to hub:org/name."
        )
    if to is not None and arrow:
        raise UsageError(
            "--arrow is for a folder: the Hub reads the Parquet files. Leave out --arrow or --to."
        )
    if to is None and (private or revision):
        raise UsageError("--private and --revision are about the Hub: give --to hub:org/name.")


def _say(published: Published, place: Path) -> None:
    from mosdata.cli import console

    done = "was there already" if published.was_complete else "published"
    console.say(
        f"Dataset {published.dataset_id[:8]} {done}: {published.num_files} files, "
        f"{published.num_bytes / 1e6:,.1f} MB, licence {published.license}, terms "
        f"{published.output_terms}, every checksum checked. Load it with "
        f"datasets.load_dataset('{place}')."
    )


def _show_plan(
    source: Dataset,
    place: Path,
    repo: str | None,
    *,
    arrow: bool,
    revision: str | None,
    as_json: bool,
) -> None:
    from mosdata.builders.publish import outlook
    from mosdata.cli import console

    plan = outlook(source, arrow=arrow)
    files = ", ".join(f"{split} {count}" for split, count in plan.files_by_split.items())
    console.say(
        f"Would publish {plan.num_rows:,} clips, {plan.num_bytes / 1e6:,.1f} MB, to {place} "
        f"(Parquet files: {files})" + (f", and send it to {repo}." if repo else ".")
    )
    for system in plan.closed_systems:
        console.note(f"needs --accept-terms: {system}")
    value = {
        "dry_run": True,
        "folder": str(place),
        "repo": repo,
        "branch": revision,
        **asdict(plan),
        "closed_systems": list(plan.closed_systems),
    }
    console.result(value, as_json=as_json, plain=place)
