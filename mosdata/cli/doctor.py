"""``mosdata doctor``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mosdata.cli.options import WORKSPACE


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON (docs/cli.md).")
    ] = False,
) -> None:
    """Say what works on this machine, what does not, and what would mend it."""
    from mosdata.cli import console

    found = _findings()
    if not as_json:
        _show(found)
    console.result(found, as_json=as_json, plain="ok" if found["ok"] else "needs attention")
    if not found["ok"]:
        raise typer.Exit(1)


def _findings() -> dict[str, Any]:
    import platform
    import shutil
    from pathlib import Path

    from mosdata import __version__
    from mosdata.builders.executors import usable_cores
    from mosdata.labels.metrics import METRICS
    from mosdata.labels.metrics import why_unavailable as why_no_metric
    from mosdata.synth.systems import SYSTEMS, why_unavailable

    systems = {name: why_unavailable(name) for name in SYSTEMS}
    metrics = {name: why_no_metric(name) for name in METRICS}
    here = WORKSPACE if WORKSPACE.exists() else Path()
    return {
        "ok": any(why is None for name, why in systems.items() if name != "tone"),
        "mosdata": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "cores": usable_cores(),
        "free_disk_gb": round(shutil.disk_usage(here).free / 1e9, 1),
        "gpu": _gpu(),
        "packages": _packages(),
        "systems": systems,
        "metrics": metrics,
        "report": _why_no_report(),
    }


def _packages() -> dict[str, str | None]:
    """Versions of what the work stands on, without importing any of it."""
    from importlib.metadata import PackageNotFoundError, version

    names = (
        "numpy",
        "pyarrow",
        "soundfile",
        "soxr",
        "torch",
        "transformers",
        "ray",
        "datasets",
        "audiomentations",
        "fast-mp3-augment",
        "safetensors",
        "scipy",
    )
    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _gpu() -> str | None:
    """The first NVIDIA GPU, asked of its driver; torch is not loaded for that."""
    import subprocess

    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip().splitlines()[0] if answer.stdout.strip() else None


def _why_no_report() -> str | None:
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        return "the report needs matplotlib: pip install 'mosdata[report]'"
    return None


def _show(found: dict[str, Any]) -> None:
    from mosdata.cli import console

    console.say(
        f"mosdata {found['mosdata']}, Python {found['python']}, {found['platform']}, "
        f"{found['cores']} cores, GPU: {found['gpu'] or 'none'}, "
        f"{found['free_disk_gb']} GB free here"
    )
    missing = [name for name, version in found["packages"].items() if version is None]
    if missing:
        console.say(f"Missing packages: {', '.join(missing)}: pip install mosdata")
    for title, key in (("Systems", "systems"), ("Metrics", "metrics")):
        rows = [[name, "ready" if why is None else why] for name, why in found[key].items()]
        console.table(title, ["name", "state"], rows)
    if found["report"]:
        console.say(found["report"])
    if not found["ok"]:
        console.say("No synthesizer is ready: pip install 'mosdata[espeak]'")
