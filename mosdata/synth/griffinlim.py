"""eSpeak NG through a mel spectrogram and a made-up phase: :mod:`mosdata.vocoding.griffinlim`."""

from __future__ import annotations

from mosdata.synth import espeak
from mosdata.synth.resynthesis import Resynthesis
from mosdata.vocoding.griffinlim import GriffinLim


def formant() -> Resynthesis:
    """``espeak-formant-griffinlim``."""
    return Resynthesis(espeak.formant(), GriffinLim())


def klatt() -> Resynthesis:
    """``espeak-klatt-griffinlim``."""
    return Resynthesis(espeak.klatt(), GriffinLim())


why_unavailable = espeak.why_unavailable
