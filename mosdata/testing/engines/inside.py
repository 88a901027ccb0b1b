"""Run a writer of model folders where the engine lives and mosdata does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_BOOT = """
import runpy, sys, types
path, adapters = sys.argv[1:3]
for name in ("mosdata", "mosdata.synth", "mosdata.synth.adapters"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [adapters]
sys.argv = [path, *sys.argv[3:]]
sys.path[:] = [entry for entry in sys.path if entry]
runpy.run_path(path, run_name="__main__")
"""
"""Run a file of ours where mosdata is not installed; what it may import are the adapters."""


def run_inside(python: str, script: Path, *arguments: str, timeout_s: float = 300.0) -> str:
    """Run one of the scripts of this folder with an engine's Python; what it printed.

    Raises:
        RuntimeError: it failed; the message ends with what it said.
    """
    adapters = Path(__file__).parents[2] / "synth" / "adapters"
    command = [python or sys.executable, "-c", _BOOT, str(script), str(adapters), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, cwd="/", check=False
    )
    if done.returncode:
        raise RuntimeError(f"{script.name} failed with {python}: {done.stderr[-2000:]}")
    return done.stdout
