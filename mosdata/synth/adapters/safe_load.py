"""Checkpoints hold tensors and nothing else: no file of others is unpickled.

``torch.load`` runs whatever a pickle names unless it is told not to. Upstream code does not tell
it (``weights_only`` left to the default of the torch of the day, or set to False) and forgets
``map_location``, so that a checkpoint saved on a GPU cannot be loaded without one. While
:func:`only_tensors` is open, every ``torch.load`` in this process is told both.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator
from typing import Any

from mosdata.synth.adapters.kit import LoadFailed


@contextlib.contextmanager
def only_tensors(torch: Any, device: str) -> Iterator[None]:
    """Let upstream's constructors load checkpoints safely, and onto ``device``.

    Raises:
        LoadFailed: a file holds more than tensors, or is damaged; with its name.
    """
    load = torch.load

    def safe_load(f: Any, map_location: Any = None, *_: Any, **rest: Any) -> Any:
        rest["weights_only"] = True
        try:
            return load(f, map_location=map_location or device, **rest)
        except pickle.UnpicklingError as error:
            raise LoadFailed(_explained(str(f), error)) from error
        except (RuntimeError, EOFError, KeyError) as error:
            raise LoadFailed(f"{f} cannot be read: {error}. Download it anew.") from error

    torch.load = safe_load
    try:
        yield
    finally:
        torch.load = load


def _explained(path: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0][:300]
    return (
        f"{path} holds more than tensors, or is damaged ({reason}). A pickle can run anything, so "
        "it is not loaded. If you trust who made it, convert it once in a safe place: "
        "state = torch.load(PATH, weights_only=False, map_location='cpu'), leave only tensors in "
        "it, torch.save(state, PATH)."
    )
