"""G.711: the logarithmic 8 bits of the digital telephone."""

from __future__ import annotations

from functools import cache
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Pcm, Samples, from_pcm16, to_pcm16
from mosdata.augment.codec import Rung, TelephoneCodec
from mosdata.manifests.rows import Applied

Law = Literal["mu", "a"]

MU_LAW_BIAS: Final = 33
"""In steps of 14-bit samples; moves the segments to powers of two (G.711, table 2a)."""


class _G711(TelephoneCodec):
    law: ClassVar[Law]
    rungs: ClassVar = (Rung(bitrate_kbps=64, rate_hz=8_000, start=0.3),)
    worst = 60.0

    def setting(self, bitrate_kbps: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - 64 kbit/s, always
        """None beside the gain."""
        return {}

    def code_nominal(self, samples: Samples, applied: Applied) -> Samples:  # noqa: ARG002 - one setting
        """Look every 16-bit sample up in a table of what the other end hears."""
        return from_pcm16(companded(self.law)[to_pcm16(samples).view(np.uint16)])


class MuLaw(_G711):
    """G.711 mu-law, the 64 kbit/s of North America and Japan.

    ITU-T G.711 (11/88), table 2a/2b: 8 segments of 16 steps on a logarithmic scale, from 14-bit
    samples. The clip is coded at 8 kHz and -26 dBFS active level, so everything above 4 kHz goes.
    The codec alone is mild: the scale goes on by amplifying its noise, which follows the speech
    like that of an MNRU.

    audiomentations has no codec but MP3.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"g711_mu": {"error_gain": 1}}
        >>> (applied,), _ = harm(["g711_mu"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'error_gain': 1}
    """

    name = "g711_mu"
    law = "mu"


class ALaw(_G711):
    """G.711 A-law, the 64 kbit/s of Europe and of international links.

    ITU-T G.711 (11/88), table 1a/1b: 7 segments on a logarithmic scale, from 13-bit samples.
    Otherwise as ``g711_mu``.

    audiomentations has no codec but MP3.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"g711_a": {"error_gain": 1}}
        >>> (applied,), _ = harm(["g711_a"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'error_gain': 1}
    """

    name = "g711_a"
    law = "a"


@cache
def companded(law: Law) -> Pcm:
    """What each 16-bit sample becomes; index it by the bits of the sample as ``uint16``.

    Example:
        >>> [int(companded("mu")[n]) for n in (0, 8, 1000, 32767)]
        [0, 8, 988, 32124]
    """
    samples = np.arange(-32768, 32768)
    magnitudes = np.minimum(np.abs(samples), 32767)
    heard = _mu_law(magnitudes) if law == "mu" else _a_law(magnitudes)
    signed = np.where(samples < 0, -heard, heard)
    return np.roll(signed, 32768).astype(np.int16)  # from 0 up, then the negative ones


def _mu_law(magnitudes: NDArray[np.int64]) -> NDArray[np.int64]:
    """14-bit magnitudes plus a bias: the highest bit is the segment, the four below it the step."""
    biased = np.minimum((magnitudes >> 2) + MU_LAW_BIAS, 8191)
    shift = np.maximum(_bit_length(biased) - 5, 1)
    decoded: NDArray[np.int64] = ((biased >> shift) << shift) + (1 << shift >> 1) - MU_LAW_BIAS
    return decoded << 2


def _a_law(magnitudes: NDArray[np.int64]) -> NDArray[np.int64]:
    """12-bit magnitudes: like floats with four bits of mantissa and a linear first segment."""
    coarse = magnitudes >> 4
    shift = np.maximum(_bit_length(coarse) - 5, 0)
    steps = coarse >> shift
    decoded: NDArray[np.int64] = ((2 * steps + 1) << shift) << 3
    return decoded


def _bit_length(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)
