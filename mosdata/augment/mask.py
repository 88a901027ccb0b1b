"""Holes in time."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.augment.ladder import LadderCorruption, check_level, draw_seed, number
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

SEGMENT_S: Final = 0.120
RAMP_S: Final = 0.005


class TimeMask(LadderCorruption):
    """Silence segments of 120 ms: 0.4 level**2 of the clip in all, with ramps of 5 ms.

    The clip is a row of slots in a drawn order; a level empties the first of them, the last one
    in part, so that the share is exact and a higher level empties the same slots and more.
    """

    name = "time_mask"

    def ladder(self, level: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same ladder
        """``masked_fraction``: share of the clip's samples inside holes."""
        return {"masked_fraction": round(0.4 * check_level(level) ** 2, 6)}

    def draw_params(self, level: float, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:
        """``masked_fraction`` and ``order_seed``."""
        return {**self.ladder(level, clip.sample_rate_hz), "order_seed": draw_seed(rng)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Multiply each hole by a ramp down and up."""
        masked = clip.samples.copy()
        ramp = max(1, round(RAMP_S * clip.sample_rate_hz))
        for start, stop in runs(holes(clip, applied)):
            inward = np.arange(1, stop - start + 1)
            depth = np.minimum(inward, inward[::-1]) / ramp
            masked[start:stop] *= np.clip(1 - depth, 0, 1).astype(np.float32)
        return masked


def holes(clip: Clip, applied: Applied) -> NDArray[np.bool_]:
    """True where the clip is masked; shape ``(num_samples,)``."""
    segment = round(SEGMENT_S * clip.sample_rate_hz)
    num_slots = -(-clip.num_samples // segment)
    generator = np.random.Generator(np.random.SFC64(int(number(applied, "order_seed"))))
    left = max(1, round(number(applied, "masked_fraction") * clip.num_samples))
    masked = np.zeros(clip.num_samples, np.bool_)
    for slot in generator.permutation(num_slots):
        hole = masked[slot * segment :][: min(segment, left)]
        hole[:] = True
        left -= len(hole)
        if not left:
            break
    return masked


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and stop of every run of True."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
