"""The table of judges: a name, and the function that trains it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from mosdata.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable

    from mosdata.training.train import TrainSummary

MODELS: Final = {"moe": "mosdata.training.train:train_moe"}
"""Name -> ``module:function``; nothing is imported before it is asked for."""


def check_model(name: str) -> None:
    """Refuse a name that is not in the table, before anything heavy is loaded.

    Raises:
        UnknownName: no such judge; the nearest name is offered.
    """
    if name not in MODELS:
        raise UnknownName("model", name, MODELS)


def trainer(name: str) -> Callable[..., TrainSummary]:
    """The function that trains a judge, by the judge's name.

    Raises:
        UnknownName: no such judge.
    """
    check_model(name)
    module, _, attribute = MODELS[name].partition(":")
    function: Callable[..., TrainSummary] = getattr(import_module(module), attribute)
    return function
