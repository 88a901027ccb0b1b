"""G.726: adaptive differential coding at 40, 32, 24 and 16 kbit/s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Samples, from_pcm16, to_pcm16
from mosdata.augment.base import Parameter
from mosdata.augment.codec import ERROR_GAIN, Rung, TelephoneCodec
from mosdata.augment.ladder import number
from mosdata.manifests.rows import Applied

ITU_ROUNDING: Final = 48
"""What the Recommendation adds to a product in the predictor before four bits are dropped."""


class Tables(NamedTuple):
    """The quantiser of one bitrate (G.726, tables 1 to 4, and the scale and speed factors)."""

    decision_levels: NDArray[np.int64]
    log_outputs: NDArray[np.int64]
    multipliers: NDArray[np.int64]
    speeds: NDArray[np.int64]
    leak_shift: int


def _tables(
    decision_levels: Sequence[int],
    log_outputs: Sequence[int],
    multipliers: Sequence[int],
    speeds: Sequence[int],
    leak_shift: int = 8,
) -> Tables:
    """Tables for positive codes; those for negative ones are their mirror."""
    return Tables(
        np.array(decision_levels, np.int64),
        np.array([*log_outputs, *log_outputs[::-1]], np.int64),
        np.array([*multipliers, *multipliers[::-1]], np.int64),
        np.array([*speeds, *speeds[::-1]], np.int64) * 512,
        leak_shift,
    )


# fmt: off
TABLES: Final = {
    16: _tables([261], [116, 365], [-704, 14048], [0, 7]),
    24: _tables(
        [8, 218, 331], [-2048, 135, 273, 373], [-128, 960, 4384, 18624], [0, 1, 2, 7],
    ),
    32: _tables(
        [-124, 80, 178, 246, 300, 349, 400],
        [-2048, 4, 135, 213, 273, 323, 373, 425],
        [-384, 576, 1312, 2048, 3584, 6336, 11360, 35904],
        [0, 0, 0, 1, 1, 1, 3, 7],
    ),
    40: _tables(
        [-122, -16, 68, 139, 198, 250, 298, 339, 378, 413, 445, 475, 502, 528, 553],
        [-2048, -66, 28, 104, 169, 224, 274, 318, 358, 395, 429, 459, 488, 514, 539, 566],
        [448, 448, 768, 1248, 1280, 1312, 1856, 3200,
         4512, 5728, 7008, 8960, 11456, 14080, 16928, 22272],
        [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6],
        leak_shift=9,
    ),
}
# fmt: on
"""By bitrate in kbit/s."""


class G726(TelephoneCodec):
    """G.726, the ADPCM of cordless telephones (DECT) and transatlantic cables.

    ITU-T G.726 (12/90): 40, 32, 24 and 16 kbit/s at 8 kHz. An own implementation in integers, to
    the bit of the Recommendation's: libsndfile's G.721 and G.723 leave out a rounding in the
    predictor and have no 16 kbit/s, and FFmpeg's takes a difference of zero for no sign. Coded at
    -26 dBFS active level, from linear samples. Below 16 kbit/s the scale amplifies its noise.

    audiomentations has no codec but MP3.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"g726": {"bitrate_kbps": 24}}
        >>> (applied,), _ = harm(["g726"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'bitrate_kbps': 24, 'error_gain': 1.0}
    """

    name = "g726"
    parameters: ClassVar = {
        "bitrate_kbps": Parameter("bitrate", low=16, high=40, choices=(16, 24, 32, 40)),
        "error_gain": ERROR_GAIN,
    }
    rungs: ClassVar = (
        Rung(bitrate_kbps=32, rate_hz=8_000, start=0.3),
        Rung(bitrate_kbps=24, rate_hz=8_000, start=0.985),
        Rung(bitrate_kbps=16, rate_hz=8_000, start=0.94),
    )
    worst = 5.0

    def code_nominal(self, samples: Samples, applied: Applied) -> Samples:
        """Encode and decode the 14 highest bits."""
        from mosdata.augment.adpcm import there_and_back

        steps = to_pcm16(samples).astype(np.int64) >> 2
        tables = TABLES[int(number(applied, "bitrate_kbps"))]
        decoded = there_and_back(steps, *tables, ITU_ROUNDING) << 2
        return from_pcm16(np.clip(decoded, -32768, 32767).astype("<i2"))
