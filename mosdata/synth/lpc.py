"""eSpeak NG through linear prediction: :mod:`mosdata.vocoding.lpc`."""

from __future__ import annotations

from mosdata.synth import espeak
from mosdata.synth.resynthesis import Resynthesis
from mosdata.vocoding.lpc import Lpc


def formant() -> Resynthesis:
    """``espeak-formant-lpc``."""
    return Resynthesis(espeak.formant(), Lpc())


def klatt() -> Resynthesis:
    """``espeak-klatt-lpc``."""
    return Resynthesis(espeak.klatt(), Lpc())


why_unavailable = espeak.why_unavailable
