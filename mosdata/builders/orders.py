"""How a run is to go: all that is asked of it and changes nothing of what it makes."""

from __future__ import annotations

from dataclasses import dataclass, field

from mosdata.builders.budget import Budget
from mosdata.manifests.store import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the command says beside the stage, the folder and the executor.

    Args:
        command: the words of the command line, for people who come later; empty where there was
            none.
        budget: how many records may be rejected.
        reuse: finished datasets whose rows are taken over where they are the same.
        report: whether a build gets its ``report.html``.
    """

    command: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)
    reuse: tuple[Dataset, ...] = ()
    report: bool = True
