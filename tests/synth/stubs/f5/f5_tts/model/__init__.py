"""Upstream's models; importing them imports the trainer."""

from f5_tts.model.trainer import Trainer  # noqa: F401


class DiT:
    """The backbone of F5-TTS."""


class UNetT:
    """The backbone of E2-TTS."""


class MMDiT:
    """Another one."""
