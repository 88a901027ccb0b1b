"""Harm that spreads over a clip block by block, and what becomes of it in digital silence.

Speech that was made has pauses of digital silence, in which a lost packet is no loss and a hole no
hole. Blocks have their turn in an order that was drawn. Were nothing done, a level whose turn is
that of silence would sound as the one below; so there the next block that sounds begins its turn
early, when that of the last one is over. It ends its turn as ever: the same clip with more silence
in it loses the same blocks and more, and shares are of the whole clip.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Samples
from mosdata.manifests.rows import Applied

SPARES_SILENCE: Final[dict[str, Any]] = {"spares_silence": True}
"""What a row says whose turns are as above; rows of old do not say it."""


def sounding(samples: Samples, length: int) -> NDArray[np.bool_]:
    """Which blocks of a clip sound: those of zeros alone do not.

    Args:
        samples: of the clip.
        length: of a block, in samples; the last one may be shorter.

    Returns:
        One truth for each block, in order; all true of a clip that is silent altogether.

    Example:
        >>> sounding(np.array([0, 0, 0, 0.5, 0.5, 0, 0], np.float32), 2).tolist()
        [False, True, True, False]
    """
    heard: NDArray[np.bool_] = samples[::length] != 0
    for block in np.flatnonzero(~heard).tolist():
        heard[block] = samples[block * length : (block + 1) * length].any()
    return heard if heard.any() else np.ones_like(heard)


def sounding_for(samples: Samples, length: int, applied: Applied) -> NDArray[np.bool_]:
    """As :func:`sounding`, for a row; where it is one of old, all blocks have their turn."""
    if applied.params.get("spares_silence") is True:
        return sounding(samples, length)
    return np.ones(-(-len(samples) // length), np.bool_)


def parts_of_turns(
    front: float,
    begins: NDArray[np.float64],
    ends: NDArray[np.float64],
    heard: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """How far each turn has come, from 0 to 1; those of silence never begin.

    Args:
        front: how far the harm has come.
        begins: where each turn begins, shape (turns,), rising.
        ends: where each is over, rising; turns may overlap.
        heard: which of them are turns of what sounds, in the same order.

    Example:
        >>> order = np.arange(4.0)
        >>> parts_of_turns(2.5, order, order + 1, np.array([True, False, False, True])).tolist()
        [1.0, 0.0, 0.0, 0.5]
    """
    parts = np.zeros(len(heard))
    until = ends[heard]
    since = np.minimum(begins[heard], np.concatenate([[0.0], until[:-1]]))
    parts[heard] = np.clip((front - since) / (until - since), 0, 1)
    return parts
