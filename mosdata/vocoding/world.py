"""WORLD: pitch, spectral envelope and aperiodicity, and back (``mosdata[world]``).

Morise, Yokomori & Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system" (IEICE
Trans. 2016), through ``pyworld``. Pitch by DIO with StoneMask, which is an order of magnitude
faster than Harvest.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

import numpy as np

from mosdata.audio import Clip
from mosdata.errors import MissingExtra

ADAPTER_VERSION: Final = "1"

FRAME_PERIOD_MS: Final = 5.0


class World:
    """Vocoder with a smooth envelope and mixed excitation; its noise is its own and fixed.

    Raises:
        MissingExtra: ``pyworld`` is not installed.
    """

    name = "world"

    def __init__(self) -> None:
        try:
            import pyworld
        except ModuleNotFoundError as error:
            raise MissingExtra("WORLD", ["pyworld"], "world") from error
        self._pyworld: Any = pyworld

    def revision(self) -> str:
        """Version of this module and of pyworld."""
        return f"world/{ADAPTER_VERSION} pyworld/{version('pyworld-prebuilt')}"

    def resynthesize(self, clip: Clip, *, rng: np.random.Generator) -> Clip:  # noqa: ARG002  # the library seeds its own noise, the same way every time
        """Analyse and synthesise at one frame every 5 ms."""
        world, rate = self._pyworld, clip.sample_rate_hz
        samples = clip.samples.astype(np.float64)
        rough_hz, time_s = world.dio(samples, rate, frame_period=FRAME_PERIOD_MS)
        pitch_hz = world.stonemask(samples, rough_hz, time_s, rate)
        envelope = world.cheaptrick(samples, pitch_hz, time_s, rate)
        aperiodicity = world.d4c(samples, pitch_hz, time_s, rate)
        spoken = world.synthesize(pitch_hz, envelope, aperiodicity, rate, FRAME_PERIOD_MS)
        missing = max(0, clip.num_samples - len(spoken))
        whole = np.pad(spoken, (0, missing))[: clip.num_samples]
        return Clip(whole.astype(np.float32), rate)
