"""WORLD: pitch, spectral envelope and aperiodicity, and back (``mosdata[world]``).

Morise, Yokomori & Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system" (IEICE
Trans. 2016), through ``pyworld``. Pitch by DIO with StoneMask, which is an order of magnitude
faster than Harvest.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, fitted, resample
from mosdata.errors import MissingExtra

ADAPTER_VERSION: Final = "2"

FRAME_PERIOD_MS: Final = 5.0

DITHER: Final = 1e-6
"""Noise under what is analysed, at -120 dBFS. In digital silence, the last bits of the mathematical
library would decide where the pitch crosses zero, and each processor has its own."""

LOWEST_RATE_HZ: Final = 16_000
"""D4C decides on voicing by the band up to 7.9 kHz; below this rate it reads past the end of its
arrays, and says something else at every call."""


class World:
    """Vocoder with a smooth envelope and mixed excitation; its noise is its own and fixed.

    Args:
        flatness: of the pitch: 0 as spoken, 1 on one note, the geometric mean.
        detail: how many cepstral coefficients of the envelope are kept, the last one in part;
            all where it is None.
        breath: share of noise that takes the place of what is periodic, in power: 1 whispers.

    Raises:
        MissingExtra: ``pyworld`` is not installed.
    """

    name = "world"

    def __init__(
        self, *, flatness: float = 0.0, detail: float | None = None, breath: float = 0.0
    ) -> None:
        self._flatness = flatness
        self._detail = detail
        self._breath = breath
        try:
            import pyworld
        except ModuleNotFoundError as error:
            raise MissingExtra("WORLD", ["pyworld"], "world") from error
        self._pyworld: Any = pyworld

    def revision(self) -> str:
        """Version of this module and of pyworld."""
        return f"world/{ADAPTER_VERSION} pyworld/{version('pyworld-prebuilt')}"

    def resynthesize(
        self, clip: Clip, *, rng: np.random.Generator
    ) -> Clip:  # the library seeds its own noise, the same way every time
        """Analyse and synthesise at one frame every 5 ms, at 16 kHz or more.

        ``rng`` is not used: the library seeds its own noise, the same way every time.
        """
        if clip.sample_rate_hz < LOWEST_RATE_HZ:
            voice = resample(
                self.resynthesize(resample(clip, LOWEST_RATE_HZ), rng=rng), clip.sample_rate_hz
            )
            return Clip(fitted(voice.samples, clip.num_samples), clip.sample_rate_hz)
        world, rate = self._pyworld, clip.sample_rate_hz
        noise = np.random.Generator(np.random.SFC64(0)).standard_normal(clip.num_samples)
        samples = clip.samples + DITHER * noise
        rough_hz, time_s = world.dio(samples, rate, frame_period=FRAME_PERIOD_MS)
        pitch_hz = world.stonemask(samples, rough_hz, time_s, rate)
        envelope = world.cheaptrick(samples, pitch_hz, time_s, rate)
        aperiodicity = world.d4c(samples, pitch_hz, time_s, rate)
        if self._flatness:
            pitch_hz = _flattened(pitch_hz, self._flatness)
        if self._detail is not None:
            envelope = _smoothed(envelope, self._detail)
        if self._breath:
            periodic = 1 - aperiodicity**2  # of the power
            aperiodicity = np.sqrt(1 - (1 - self._breath) * periodic)
        spoken = world.synthesize(pitch_hz, envelope, aperiodicity, rate, FRAME_PERIOD_MS)
        return Clip(fitted(spoken.astype(np.float32), clip.num_samples), rate)


def _flattened(pitch_hz: NDArray[np.float64], flatness: float) -> NDArray[np.float64]:
    voiced = pitch_hz > 0
    if not voiced.any():
        return pitch_hz
    octaves = np.log2(pitch_hz, where=voiced, out=np.zeros_like(pitch_hz))
    middle = octaves[voiced].mean()
    return np.where(voiced, 2 ** (octaves + flatness * (middle - octaves)), 0.0)


def _smoothed(envelope_TB: NDArray[np.float64], detail: float) -> NDArray[np.float64]:
    """Exponential of the first cepstral coefficients of the log envelope."""
    from scipy import fft

    cepstrum = fft.dct(np.log(envelope_TB), type=1)
    cepstrum *= np.clip(detail - np.arange(envelope_TB.shape[1]), 0, 1)
    smooth: NDArray[np.float64] = np.exp(fft.idct(cepstrum, type=1))
    return smooth
