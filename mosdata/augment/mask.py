"""Holes in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.sounding import SPARES_SILENCE, parts_of_turns, sounding_for
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

SEGMENT_S: Final = 0.120
RAMP_S: Final = 0.005

NUM_FADING: Final = 4
"""Holes in the making at a level."""

DEEPEST: Final = 0.01
"""Gain about which a hole in the making falls silent: -40 dB."""


class TimeMask(LadderCorruption):
    """Silence segments of 120 ms with ramps of 5 ms, up to a share of the clip.

    The clip is a row of slots in a drawn order; a level empties the first of them, and the next
    few are holes in the making: their gain falls evenly in decibels, one behind the other, and ends
    in silence. So a higher level takes away from every sample what a lower one does, or more, and
    the harm grows evenly, not by whole holes. A share given alone makes whole holes (the last one
    in part), as many as fit. Slots of digital silence are passed over: the next one
    that sounds falls earlier.

    Source: one of the seven probes of the XLS-R study (Tamm et al. 2023, section 4), which speaks
    of a rather long window and gives no numbers: 120 ms is a syllable or so. Chopped speech is
    rated in TCD-VoIP (Harte, Gillen & Hines, QoMEX 2015).

    ``TimeMask`` of audiomentations makes one hole, at a new place in every call: a stronger one
    may spare what a weaker one took, and PESQ then rises on a fifth of the steps.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import clip as hiss
        >>> clip = hiss(1.2)
        >>> values = {"time_mask": {"masked_fraction": 0.2}}
        >>> _, masked = harm(["time_mask"], 1, clip, seed=1, record_id="a", values=values)
        >>> 0.15 < float((masked.samples == 0).mean()) < 0.2
        True
    """

    name = "time_mask"

    parameters: ClassVar = {
        "masked_fraction": Parameter(
            "share of the clip inside holes, silence among them; one in the making counts in part",
            low=0,
            high=0.99,
        ),
        "num_fading": Parameter(
            "holes in the making at a time", low=1, high=8, choices=tuple(range(1, 9))
        ),
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """0.4 position**2."""
        return {"masked_fraction": round(0.4 * position**2, 9), "num_fading": NUM_FADING}

    def complete(
        self, given: Mapping[str, float], position: float, sample_rate_hz: int
    ) -> dict[str, float]:
        """Whole holes where a share is given."""
        return {**self.scale(position, sample_rate_hz), "num_fading": 1, **given}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``order_seed`` and ``spares_silence``."""
        return {"order_seed": draw_seed(rng), **SPARES_SILENCE}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Multiply every slot by its gain, with ramps where that changes."""
        masked = clip.samples.copy()
        starts, gains = slots(clip, applied)
        stops = np.append(starts[1:], clip.num_samples)
        before, after = np.append(1, gains[:-1]), np.append(gains[1:], 1)
        ramp = max(1, round(RAMP_S * clip.sample_rate_hz))
        for slot in np.flatnonzero(gains < 1):
            part = masked[starts[slot] : stops[slot]]
            part *= _slot_gain(len(part), ramp, before[slot], gains[slot], after[slot])
        return masked


def slots(clip: Clip, applied: Applied) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where every slot starts, and its gain: 1 untouched, 0 a hole."""
    slot = round(SEGMENT_S * clip.sample_rate_hz)
    starts = np.arange(0, clip.num_samples, slot)
    widths = np.diff(starts, append=clip.num_samples)
    generator = np.random.Generator(np.random.SFC64(int(number(applied, "order_seed"))))
    order = generator.permutation(len(starts))
    num_fading = int(number(applied, "num_fading", of_old=1))
    holes = number(applied, "masked_fraction") * clip.num_samples / slot
    front = slot * _front(holes, num_fading)
    before = np.cumsum(widths[order]) - widths[order]
    ends = np.maximum.accumulate(before + num_fading * widths[order])
    heard = sounding_for(clip.samples, slot, applied)
    parts = np.empty(len(starts))
    parts[order] = parts_of_turns(front, before, ends, heard[order])
    parts[~heard] = 1  # silence is a hole: no ramp leads up to it
    return starts, _fading(parts)


def _front(holes: float, num_fading: int) -> float:
    """How many slots are made or in the making, where all in all they count as so many holes."""
    made = np.arange(num_fading + 1)
    if holes < (num_fading + 1) / 2:
        return float(np.interp(holes, made * (made + 1) / (2 * num_fading), made))
    return holes + (num_fading - 1) / 2


def _fading(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gain of holes in the making: evenly down in decibels, from 1 to exactly 0."""
    return (DEEPEST**parts - DEEPEST) / (1 - DEEPEST)


def _slot_gain(width: int, ramp: int, before: float, gain: float, after: float) -> Samples:
    """The gain of a slot, with ramps inside it up to neighbours that are louder."""
    envelope = np.full(width, gain, np.float32)
    edge = min(ramp, width)
    up = np.arange(ramp, ramp - edge, -1, dtype=np.float32) - 1  # from a neighbour: almost its gain
    up /= np.float32(ramp)
    envelope[:edge] += np.float32(max(0.0, before - gain)) * up
    tail = envelope[width - edge :]
    np.maximum(tail, gain + np.float32(max(0.0, after - gain)) * up[::-1], out=tail)
    return envelope
