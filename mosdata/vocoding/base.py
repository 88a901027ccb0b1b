"""What a vocoder is."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mosdata.audio import Clip


class Vocoder(Protocol):
    """Speech to parameters and back.

    ``name`` becomes the last part of the system's name.
    """

    name: str

    def revision(self) -> str:
        """Version of everything that shapes the sound."""
        ...

    def resynthesize(self, clip: Clip, *, rng: np.random.Generator) -> Clip:
        """The clip as this vocoder speaks it: same rate, same length.

        Args:
            clip: speech; not changed.
            rng: for noise and initial phases; belongs to the utterance.
        """
        ...
