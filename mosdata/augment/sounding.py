"""Where a clip sounds at all: what falls on digital silence harms nothing."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Samples
from mosdata.manifests.rows import Applied

SPARES_SILENCE: Final[dict[str, Any]] = {"spares_silence": True}
"""What a row says of losses that pass digital silence over; rows of old do not say it."""


def blocks_to_harm(samples: Samples, length: int, applied: Applied) -> NDArray[np.bool_]:
    """A mask of the blocks in which a loss is heard.

    Speech that was made has pauses of digital silence, in which a lost packet is no loss: levels
    would differ and their sound would not. So blocks of zeros alone are passed over, and shares
    are of the others, as on a line with silence suppression, where they are not sent. Rows of old
    did not do that.

    Args:
        samples: of the clip.
        length: of a block, in samples; the last one may be shorter.
        applied: of the row.

    Returns:
        One truth for each block, in order.

    Example:
        >>> samples = np.array([0, 0, 0, 0.5, 0.5, 0, 0], np.float32)
        >>> applied = Applied(name="packet_loss", level=0.5, params={**SPARES_SILENCE})
        >>> blocks_to_harm(samples, 2, applied).tolist()
        [False, True, True, False]
    """
    starts = range(0, len(samples), length)
    if not applied.params.get("spares_silence", False):
        return np.ones(len(starts), np.bool_)
    heard: NDArray[np.bool_] = samples[::length] != 0
    for block in np.flatnonzero(~heard).tolist():
        heard[block] = samples[starts[block] : starts[block] + length].any()
    return heard if heard.any() else np.ones(len(starts), np.bool_)
