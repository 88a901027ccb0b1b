"""Too few bits."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, number
from mosdata.manifests.rows import Applied


class BitDepth(LadderCorruption):
    """Round the samples to fewer bits, without dither.

    The converter is a uniform mid-tread one with ``2**bits`` steps from -peak to peak of the clip:
    somebody set its gain rightly. ``bits`` is a real number; 7.5 bits have 181 steps. The error
    of coarse steps is not noise, it follows the speech, and pauses fall silent. Nothing is drawn.

    Source: uniform quantisation without dither, whose error follows the signal (Lipshitz,
    Wannamaker & Vanderkooy, J. Audio Eng. Soc. 40, 1992).

    ``BitCrush`` of audiomentations has whole bits, of full scale: a soft clip loses more than a
    loud one.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"bit_depth": {"bits": 4}}
        >>> _, coarse = harm(["bit_depth"], 1, clip, seed=1, record_id="a", values=values)
        >>> len({*coarse.samples.tolist()}) <= 2**4 + 1
        True
    """

    name = "bit_depth"
    parameters: ClassVar = {
        "bits": Parameter("resolution, relative to the clip's peak", low=1, high=24)
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """13 - 10.5 position bits."""
        return {"bits": round(13 - 10.5 * position, 4)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Divide, round half to even, multiply."""
        peak = max(float(clip.samples.max()), -float(clip.samples.min()))
        if peak == 0:
            return clip.samples.copy()
        step = np.float32(peak * 2 ** (1 - number(applied, "bits")))
        steps: Samples = np.rint(clip.samples / step)
        steps *= step
        return steps
