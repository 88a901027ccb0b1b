"""Real environments for engines, made by the installer that users have, kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mosdata.errors import BuildFailed
from mosdata.synth.engines import engine_spec
from mosdata.synth.hosting.environments import install, plan_installation

KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mosdata" / "test-engines"


def python_of(engine: str) -> str:
    """Interpreter of an engine's environment, installed from its lock where it is not there.

    Where packages cannot be fetched the test is skipped, except in CI, where it fails.
    """
    plan = plan_installation(engine_spec(engine), KEPT)
    try:
        install(plan, on_step=lambda _: None)
    except BuildFailed as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the environment of {engine} cannot be made here: {error}")
    return str(plan.python)
