"""From a table of ``engines.toml`` to a system that can speak."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from mosdata.errors import UsageError
from mosdata.manifests.ids import JSON
from mosdata.manifests.systems import SYSTEM_NAMES
from mosdata.synth.base import Synthesizer, SystemInfo
from mosdata.synth.engines import checkpoint_of, engine_spec
from mosdata.synth.hosting.hosted import HostedEngine, Limits
from mosdata.synth.hosting.settings import COMMAND, OWN, EngineSettings
from mosdata.synth.hosting.spec import Checkpoint, EngineSpec, PromptLimits
from mosdata.synth.hosting.variables import missing_secrets, shaping
from mosdata.synth.hosting.worker_process import Launch

ANY_PROMPT: Final = PromptLimits(
    min_duration_s=0.5, max_duration_s=60.0, min_sample_rate_hz=8_000, needs_text=False
)
"""What adapters of users' own are given; they may refuse more."""


def build_configured(settings: EngineSettings) -> Synthesizer:
    """The system of a table; its worker starts when it is first asked something.

    Raises:
        UsageError: something that it needs is not on this machine.
    """
    if missing := why_not_configured(settings):
        raise UsageError(missing)
    if settings.engine == COMMAND:
        from mosdata.synth.command_line import CommandLine

        return CommandLine(settings)
    spec, checkpoint = facts_of(settings)
    engine = HostedEngine(
        system_info(settings, spec, checkpoint),
        launch_of(settings, spec, checkpoint),
        limits=_limits(settings, spec),
        prompt_limits=spec.prompt if checkpoint.clones else None,
        facts=_sound_facts(settings, checkpoint),
    )
    if settings.prompts:
        from mosdata.synth.prompts import read_prompts

        engine.add_prompts(read_prompts(Path(settings.prompts)))
    return engine


def facts_of(settings: EngineSettings) -> tuple[EngineSpec, Checkpoint]:
    """The engine family and the checkpoint, known ones or those that the table describes.

    Raises:
        UnknownName: ``base`` is no checkpoint of the engine.
    """
    if settings.engine == OWN:
        checkpoint = _own_facts(
            settings,
            Checkpoint(
                system=settings.system,
                sample_rate_hz=settings.sample_rate_hz,
                languages=settings.languages,
                weights_license="",
                output_terms="unknown",
                license="unknown",
            ),
        )
        return _own_spec(settings, checkpoint), checkpoint
    spec = engine_spec(settings.engine)
    if settings.system in SYSTEM_NAMES:
        return spec, checkpoint_of(spec, settings.system)
    base = checkpoint_of(spec, settings.base) if settings.base else spec.checkpoints[0]
    unknown = replace(base, weights_license="unknown", license="unknown", output_terms="unknown")
    return spec, _own_facts(settings, unknown)


def system_info(settings: EngineSettings, spec: EngineSpec, checkpoint: Checkpoint) -> SystemInfo:
    """The facts that rows carry."""
    return SystemInfo(
        name=settings.system,
        family=settings.family or spec.family,
        sample_rate_hz=checkpoint.sample_rate_hz,
        languages=checkpoint.languages,
        license=checkpoint.license,
        code_license=settings.code_license or spec.code_license,
        weights_license=checkpoint.weights_license,
        vocoder=checkpoint.vocoder,
        output_terms=checkpoint.output_terms,
        max_chars=checkpoint.max_chars,
        text_frontend=settings.text_frontend or spec.text_frontend,
        needs_gpu=device_of(settings, spec) == "cuda",
        seconds_per_char=spec.seconds_per_char,
        source_url=settings.source_url or spec.source_url,
        notes=checkpoint.notes,
    )


def launch_of(settings: EngineSettings, spec: EngineSpec, checkpoint: Checkpoint) -> Launch:
    """How its worker is started."""
    options: dict[str, JSON] = {
        "system": checkpoint.system,
        "checkout": settings.checkout,
        "model_dir": settings.model_dir,
        "device": device_of(settings, spec),
        "dtype": settings.dtype or spec.dtype,
        **dict(checkpoint.options),
        **settings.options,
    }
    return Launch(
        system=settings.system,
        python=settings.python or sys.executable,
        adapter=settings.adapter or spec.adapter,
        options=options,
        environment=settings.environment,
        secrets=settings.secrets,
        threads=settings.threads,
        network=settings.network,
    )


def _sound_facts(settings: EngineSettings, checkpoint: Checkpoint) -> dict[str, JSON]:
    """Settings that shape the sound, whether or not the adapter says so; without folders."""
    options: dict[str, JSON] = {
        key: Path(value).name if isinstance(value, str) and value.startswith("/") else value
        for key, value in {**dict(checkpoint.options), **settings.options}.items()
    }
    environment = shaping(settings.environment)
    return {
        **({"threads": settings.threads} if settings.threads != 1 else {}),
        **({"options": options} if options else {}),
        **({"environment": environment} if environment else {}),
    }


def device_of(settings: EngineSettings, spec: EngineSpec) -> str:
    """Where the engine computes: as asked, or where it has to."""
    return settings.device or ("cuda" if spec.needs_gpu else "cpu")


def num_gpus_of(settings: EngineSettings) -> float:
    """Share of a GPU that one worker of a system takes; 0 where it computes elsewhere."""
    if settings.engine == COMMAND:
        return 0.0
    spec = _own_spec_only(settings) if settings.engine == OWN else engine_spec(settings.engine)
    return settings.num_gpus if device_of(settings, spec) == "cuda" else 0.0


def why_not_configured(settings: EngineSettings) -> str | None:
    """None where all that a table names is there, else what is missing; nothing is started."""
    name = settings.system
    if unset := missing_secrets(settings.secrets):
        return f"{name} needs {', '.join(unset)} in the environment ('secrets' in engines.toml)"
    if settings.engine == COMMAND:
        program = settings.command[0]
        return None if shutil.which(program) else f"{name} needs the program {program}"
    if settings.engine == OWN and not Path(settings.adapter).is_file():
        return f"{name} needs its adapter: there is no file {settings.adapter}"
    python = settings.python or sys.executable
    if not os.access(python, os.X_OK) or Path(python).is_dir():
        return f"{name} needs an interpreter: there is no {python} ('python' in engines.toml)"
    spec, checkpoint = facts_of(settings)
    if spec.lock and not settings.python:
        return (
            f"{name} needs an environment of its own: 'mosdata engines install {spec.name}' makes "
            "one, and 'python' in engines.toml says where it is"
        )
    if spec.repository and not Path(settings.checkout or "?").is_dir():
        return (
            f"{name} needs a checkout of {spec.repository} ('checkout' in engines.toml): "
            f"{settings.checkout or 'none is given'}"
        )
    return _why_no_model(settings, checkpoint)


def _why_no_model(settings: EngineSettings, checkpoint: Checkpoint) -> str | None:
    if not checkpoint.files and not settings.model_dir:
        return None
    ids = " or ".join(checkpoint.weights_ids) or "its authors"
    get_it = f"get it from {ids} and name its folder: 'model_dir' in engines.toml"
    folder = Path(settings.model_dir or "?")
    if not folder.is_dir():
        given = f"there is no folder {folder}" if settings.model_dir else "no folder is given"
        return f"{settings.system} needs its model: {given}; {get_it}"
    missing = [file for file in checkpoint.files if not (folder / file).exists()]
    if missing:
        return f"{settings.system} needs its whole model: {folder} lacks {', '.join(missing)}"
    return None


def _limits(settings: EngineSettings, spec: EngineSpec) -> Limits:
    asked = settings.recycle_after
    return Limits(
        load_s=settings.load_deadline_s or spec.load_deadline_s,
        shortest_s=settings.deadline_s,
        recycle_after=spec.recycle_after if asked < 0 else asked,
        growth_bytes=settings.max_growth_mb * 2**20,
    )


def _own_facts(settings: EngineSettings, checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint with what the table says of it."""
    given: Mapping[str, object] = {
        "sample_rate_hz": settings.sample_rate_hz,
        "languages": settings.languages,
        "weights_license": settings.weights_license,
        "output_terms": settings.output_terms,
        "license": settings.license,
        "max_chars": settings.max_chars,
        "vocoder": settings.vocoder,
    }
    return replace(checkpoint, **{key: value for key, value in given.items() if value})  # type: ignore[arg-type] # each of its own type


def _own_spec(settings: EngineSettings, checkpoint: Checkpoint) -> EngineSpec:
    return replace(_own_spec_only(settings), checkpoints=(checkpoint,))


def _own_spec_only(settings: EngineSettings) -> EngineSpec:
    return EngineSpec(
        name=OWN,
        adapter=settings.adapter,
        family=settings.family or "neural",
        code_license=settings.code_license or "unknown",
        source_url=settings.source_url,
        checkpoints=(),
        prompt=ANY_PROMPT,
        seconds_per_char=settings.seconds_per_char,
        text_frontend=settings.text_frontend or "engine",
    )
