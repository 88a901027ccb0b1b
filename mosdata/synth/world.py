"""eSpeak NG through WORLD (``mosdata[world]``): :mod:`mosdata.vocoding.world`."""

from __future__ import annotations

from importlib.util import find_spec

from mosdata.errors import MissingExtra
from mosdata.synth import espeak
from mosdata.synth.resynthesis import Resynthesis
from mosdata.vocoding.world import World


def formant() -> Resynthesis:
    """``espeak-formant-world``."""
    return Resynthesis(espeak.formant(), World())


def klatt() -> Resynthesis:
    """``espeak-klatt-world``."""
    return Resynthesis(espeak.klatt(), World())


def why_unavailable(system: str) -> str | None:
    """None where the engine and pyworld are installed, else what is missing."""
    if find_spec("pyworld") is None:
        return str(MissingExtra(system, ["pyworld"], "world"))
    return espeak.why_unavailable(system)
