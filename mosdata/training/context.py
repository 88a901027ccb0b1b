"""Where a fit runs and whom it tells: the loop knows this and nothing of launchers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mosdata.errors import InvalidValue

State = dict[str, Any]
"""Tensors, lists, strings and numbers: what ``torch.load(weights_only=True)`` gives back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """News of a run.

    ``phase`` is ``"features"`` (done and total count clips) or ``"train"`` (epochs, where total
    is the most there can be); ``record`` is the epoch's line of the history.
    """

    phase: str
    done: int
    total: int
    record: Mapping[str, Any] | None = None


Report = Callable[[Progress], None]


def quiet(_: Progress) -> None:
    """Tell nobody."""


def _alone(tensor: Tensor) -> Tensor:
    """The sum over one rank."""
    return tensor


def _forget(_: Callable[[], State]) -> None:
    """Keep nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a launcher gives to ``fit``.

    Args:
        rank: number of this process, from 0.
        world: number of processes.
        device: ``"cpu"`` or ``"cuda"``.
        report: called after every epoch.
        total: sum of a tensor over all ranks, such as ``all_reduce`` gives.
        save: offered the state after every epoch, as a function so that it may decline.
        resume: state of an earlier fit that did not end.
    """

    rank: int = 0
    world: int = 1
    device: str = "cpu"
    report: Report = quiet
    total: Callable[[Tensor], Tensor] = _alone
    save: Callable[[Callable[[], State]], None] = _forget
    resume: State | None = None


def pick_device(name: str) -> str:
    """``auto`` becomes ``cuda`` where there is one, else ``cpu``.

    Raises:
        InvalidValue: another name, or ``cuda`` where there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InvalidValue("--device", name, "auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InvalidValue("--device", name, "cpu", "This machine has no CUDA device.")
    return name
