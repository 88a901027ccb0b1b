"""A sampling rate that is too low, and no filter before or after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, number
from mosdata.errors import InvalidValue
from mosdata.manifests.rows import Applied

HELD_RATE_HZ: Final = 4_000.0


class Resampling(LadderCorruption):
    """Resample to a lower rate and back with a filter that leaks: aliases and images remain.

    Without any filter every sample is replaced by the nearest one of a grid at ``held_rate_hz``,
    each held until the next: what lies above half of that rate folds down, and its images stand
    above it. ``leakage`` says how much of that error a filter lets pass: 0 is a perfect one, 1 is
    none. Holds are centred on their sample, so nothing is delayed. Nothing is drawn.

    Source: the sampling theorem (Shannon 1949) left aside, as by cheap converters and hasty
    scripts.

    ``Aliasing`` of audiomentations has no filter to be between none and a perfect one, and its
    ``Resample`` filters well.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"resampling": {"leakage": 1, "held_rate_hz": 4000}}
        >>> _, held = harm(["resampling"], 1, clip, seed=1, record_id="a", values=values)
        >>> held.sample_rate_hz, len({*held.samples.tolist()}) <= 4001
        (16000, True)
    """

    name = "resampling"
    parameters: ClassVar = {
        "leakage": Parameter("amplitude of aliases and images that remains", low=0, high=1),
        "held_rate_hz": Parameter("the lower rate", low=1000, high=48_000),
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """position**1.5, at 4 kHz."""
        return {"leakage": round(position**1.5, 6), "held_rate_hz": HELD_RATE_HZ}

    def check_values(self, values: Mapping[str, float], sample_rate_hz: int) -> None:
        """The lower rate is lower."""
        if values["held_rate_hz"] >= sample_rate_hz:
            raise InvalidValue(
                f"held_rate_hz of {self.name}",
                values["held_rate_hz"],
                f"below the clip's rate of {sample_rate_hz} Hz",
            )

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Hold, and go as far towards it as the filter leaks."""
        ratio = number(applied, "held_rate_hz") / clip.sample_rate_hz
        error = held(clip.samples, ratio)
        error -= clip.samples
        error *= np.float32(number(applied, "leakage"))
        error += clip.samples
        return error


def held(samples: Samples, ratio: float) -> Samples:
    """Every sample replaced by the nearest on a grid of ``ratio`` points a sample."""
    point = np.rint(np.arange(len(samples)) * ratio)
    point /= ratio
    nearest = np.rint(point, out=point).astype(np.int64)
    taken: Samples = samples[np.minimum(nearest, len(samples) - 1)]
    return taken
