"""What is known of each engine family: one file each, facts only, nothing loaded.

To add a family, write one file here with its :class:`~mosdata.synth.hosting.spec.EngineSpec`, one
adapter in ``mosdata/synth/adapters``, one line in each table below, and one name for each of its
checkpoints at the end of ``mosdata/manifests/systems.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, cast

from mosdata.errors import UnknownName
from mosdata.synth.hosting.spec import Checkpoint, EngineSpec

ENGINES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "vits": "mosdata.synth.engines.pretrained:VITS",
        "speecht5": "mosdata.synth.engines.pretrained:SPEECHT5",
        "fastspeech2": "mosdata.synth.engines.pretrained:FASTSPEECH2",
        "bark": "mosdata.synth.engines.pretrained:BARK",
        "kokoro": "mosdata.synth.engines.kokoro:KOKORO",
        "piper": "mosdata.synth.engines.piper:PIPER",
        "f5tts": "mosdata.synth.engines.f5tts:SPEC",
        "fireredtts": "mosdata.synth.engines.fireredtts:SPEC",
        "cosyvoice": "mosdata.synth.engines.cosyvoice:SPEC",
        "fireredtts2": "mosdata.synth.engines.fireredtts:SPEC_2",
    }
)
"""Engine -> ``module:SPEC``; imported when it is asked for."""

SYSTEM_ENGINES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mms-tts-eng": "vits",
        "vits-ljs": "vits",
        "vits-vctk": "vits",
        "speecht5": "speecht5",
        "fastspeech2-conformer": "fastspeech2",
        "bark": "bark",
        "bark-small": "bark",
        "kokoro-82m": "kokoro",
        "piper-lessac-medium": "piper",
        "f5tts-24khz": "f5tts",
        "fireredtts": "fireredtts",
        "cosyvoice-300m": "cosyvoice",
        "cosyvoice2-0.5b": "cosyvoice",
        "cosyvoice-300m-sft": "cosyvoice",
        "fun-cosyvoice3-0.5b": "cosyvoice",
        "fireredtts2": "fireredtts2",
    }
)
"""System, of those that mosdata names, -> engine; the checkpoints of the specs, looked up without
importing them."""


def engine_spec(engine: str) -> EngineSpec:
    """Facts of an engine family.

    Raises:
        UnknownName: no such engine.
    """
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    module, _, attribute = ENGINES[engine].partition(":")
    return cast("EngineSpec", getattr(import_module(module), attribute))


def checkpoint_of(spec: EngineSpec, system: str) -> Checkpoint:
    """Facts of one of the checkpoints of a family.

    Raises:
        UnknownName: it has no checkpoint of this name.
    """
    found = {checkpoint.system: checkpoint for checkpoint in spec.checkpoints}
    if system not in found:
        raise UnknownName(f"checkpoint of {spec.name}", system, found)
    return found[system]
