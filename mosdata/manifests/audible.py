"""Whether there is anything to hear: a corpus may come as ratings only."""

from __future__ import annotations

from mosdata.errors import UsageError
from mosdata.manifests.store import Dataset


def check_audible(dataset: Dataset, *, wanted: str) -> None:
    """Refuse a dataset without any sound, before work on it begins.

    Args:
        dataset: opened dataset.
        wanted: who needs the sound, to begin the message with.

    Raises:
        UsageError: no clip has audio.
    """
    if not dataset.num_rows:
        return
    if not dataset.table(["num_samples"])["num_samples"].to_numpy().any():
        raise UsageError(
            f"{wanted} needs audio, and {dataset.folder} has none: its corpus came as ratings "
            "only. Import it again with --audio FOLDER."
        )
