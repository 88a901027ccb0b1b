"""Holes in time."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

SEGMENT_S: Final = 0.120
RAMP_S: Final = 0.005


class TimeMask(LadderCorruption):
    """Silence segments of 120 ms with ramps of 5 ms, up to a share of the clip.

    The clip is a row of slots in a drawn order; a level empties the first of them, the last one
    in part, so that the share is exact and a higher level empties the same slots and more.
    """

    name = "time_mask"

    parameters: ClassVar = {
        "masked_fraction": Parameter("share of the clip's samples inside holes", low=0, high=0.99)
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """0.4 position**2."""
        return {"masked_fraction": round(0.4 * position**2, 6)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``order_seed``."""
        return {"order_seed": draw_seed(rng)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Multiply each hole by a ramp down and up."""
        masked = clip.samples.copy()
        ramp = max(1, round(RAMP_S * clip.sample_rate_hz))
        for start, stop in holes(clip.num_samples, clip.sample_rate_hz, applied):
            masked[start:stop] *= _hole_gain(stop - start, ramp)
        return masked


def holes(num_samples: int, sample_rate_hz: int, applied: Applied) -> list[tuple[int, int]]:
    """Start and stop of every hole, in order; neighbouring slots are one hole."""
    starts = np.arange(0, num_samples, round(SEGMENT_S * sample_rate_hz))
    widths = np.diff(starts, append=num_samples)
    generator = np.random.Generator(np.random.SFC64(int(number(applied, "order_seed"))))
    order = generator.permutation(len(starts))
    total = max(1, round(number(applied, "masked_fraction") * num_samples))
    left = total - np.cumsum(widths[order]) + widths[order]
    emptied = np.zeros_like(widths)
    emptied[order] = np.clip(left, 0, widths[order])
    return _merged(starts, starts + emptied)


def _merged(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Intervals without the empty ones, those that touch joined."""
    kept = stops > starts
    starts, stops = starts[kept], stops[kept]
    apart = starts[1:] > stops[:-1]
    firsts = starts[np.append(True, apart)]
    lasts = stops[np.append(apart, True)]
    return [(int(start), int(stop)) for start, stop in zip(firsts, lasts, strict=True)]


def _hole_gain(width: int, ramp: int) -> Samples:
    """From 1 down to 0 and back; a hole shorter than both ramps does not reach 0."""
    edge = min(ramp, (width + 1) // 2)
    down = 1 - np.arange(1, edge + 1, dtype=np.float32) / np.float32(ramp)
    gain = np.zeros(width, np.float32)
    gain[:edge] = down
    gain[width - edge :] = down[::-1]
    return gain
