"""Analysis and resynthesis: what a vocoder makes of another system's clip.

A vocoder reduces speech to a few parameters and speaks from these alone; what it loses on the way
is its fingerprint, which is what a model of synthetic speech should learn to hear. Each vocoder
here is the textbook method in numpy, so a few more *methods* come for free with every engine,
named as what they are: ``espeak-formant-griffinlim``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from mosdata.audio import Clip
from mosdata.manifests.ids import rng_for
from mosdata.synth.base import Speech, SpeechRequest, Synthesizer, Voice, as_speech
from mosdata.vocoding.base import Vocoder

HIGHEST_PEAK: Final = 0.99
"""A new phase can add up to more than full scale; the clip is then turned down to this."""


class Resynthesis:
    """A synthesizer whose speech goes through a vocoder; itself a synthesizer.

    Args:
        base: speaks first.
        vocoder: has the last word.

    Example:
        >>> from mosdata.vocoding.lpc import Lpc
        >>> from mosdata.synth.tone import Tone
        >>> Resynthesis(Tone(), Lpc()).info.name
        'tone-lpc'
    """

    def __init__(self, base: Synthesizer, vocoder: Vocoder) -> None:
        self._base = base
        self._vocoder = vocoder
        self.info = replace(
            base.info,
            name=f"{base.info.name}-{vocoder.name}",
            family=f"{base.info.family}+{vocoder.name}",
        )

    def voices(self) -> tuple[Voice, ...]:
        """The voices of the base."""
        return self._base.voices()

    def revision(self) -> str:
        """Revisions of both."""
        return f"{self._base.revision()} > {self._vocoder.revision()}"

    def synthesize(self, request: SpeechRequest) -> Speech:
        """Speak with the base, then from the vocoder's parameters.

        Raises:
            RecordRejected: as the base does.
        """
        source = as_speech(self._base.synthesize(request))
        rng = rng_for(request.seed, request.text, self._vocoder.name)
        made = self._vocoder.resynthesize(source.clip, rng=rng)
        return Speech(clip=_within_full_scale(made), flags=source.flags)


def _within_full_scale(clip: Clip) -> Clip:
    peak = float(np.abs(clip.samples).max(initial=0.0))
    if peak <= HIGHEST_PEAK:
        return clip
    return Clip(clip.samples * np.float32(HIGHEST_PEAK / peak), clip.sample_rate_hz)
