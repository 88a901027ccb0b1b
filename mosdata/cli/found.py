"""Finding the newest result where no folder is named, and saying which it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mosdata.cli.options import WORKSPACE

if TYPE_CHECKING:
    from mosdata.manifests.store import Dataset


def dataset_or_newest(
    folder: Path | None, *, stages: tuple[str, ...] | None, first: str
) -> Dataset:
    """The dataset of a folder, or the newest under ``./out`` that one of the stages made.

    Args:
        folder: what the user named, if anything.
        stages: which kinds of dataset will do; None for all.
        first: the command that makes one, for the message.

    Raises:
        NothingFound: there is none.
    """
    from mosdata.cli import console
    from mosdata.errors import NothingFound
    from mosdata.manifests.store import find_datasets, open_dataset

    if folder is not None:
        return open_dataset(folder)
    found = find_datasets(WORKSPACE, stages, on_damaged=console.note)
    if not found:
        raise NothingFound(
            f"No finished dataset under ./{WORKSPACE}. Make one first: {first}; "
            "or name a dataset folder."
        )
    console.say(f"Taking the newest dataset: {found[0].folder}")
    return found[0]


def judge_or_newest(folder: Path | None) -> Path:
    """The run folder that was named, or the newest finished one under ``./out``.

    Raises:
        NothingFound: there is none, or the folder that was named is not one.
    """
    from mosdata.cli import console
    from mosdata.errors import NothingFound
    from mosdata.training.checkpoint import CARD_NAME, read_run

    if folder is not None:
        read_run(folder)
        return folder
    cards = list(WORKSPACE.glob(f"*/{CARD_NAME}"))
    if not cards:
        raise NothingFound(
            f"No trained judge under ./{WORKSPACE}. Train one first: mosdata train moe; "
            "or name a run folder."
        )
    newest = max(cards, key=lambda card: card.stat().st_mtime_ns).parent
    console.say(f"Taking the newest judge: {newest}")
    return newest
