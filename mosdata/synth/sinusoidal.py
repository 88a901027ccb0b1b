"""eSpeak NG through a sum of sines: :mod:`mosdata.vocoding.sinusoidal`."""

from __future__ import annotations

from mosdata.synth import espeak
from mosdata.synth.resynthesis import Resynthesis
from mosdata.vocoding.sinusoidal import Sinusoidal


def formant() -> Resynthesis:
    """``espeak-formant-sinusoidal``."""
    return Resynthesis(espeak.formant(), Sinusoidal())


def klatt() -> Resynthesis:
    """``espeak-klatt-sinusoidal``."""
    return Resynthesis(espeak.klatt(), Sinusoidal())


why_unavailable = espeak.why_unavailable
