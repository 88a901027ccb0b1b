"""``mosdata doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from mosdata.cli.options import WORKSPACE, Address

PATIENCE_S: Final = 10.0
"""How long the nodes of a cluster may take to answer, all together."""


def doctor(
    *,
    address: Address = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="With --address: can all nodes share this folder?"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON (docs/cli.md).")
    ] = False,
) -> None:
    """Say what works on this machine, what does not, and what would mend it."""
    from mosdata.cli import console

    found = _findings()
    if address is not None:
        found["cluster"] = _cluster(address, out or found_workspace())
        found["ok"] = found["ok"] and not found["cluster"]["problems"]
    if not as_json:
        _show(found)
    console.result(found, as_json=as_json, plain="ok" if found["ok"] else "needs attention")
    if not found["ok"]:
        raise typer.Exit(1)


def _findings() -> dict[str, Any]:
    import platform
    import shutil

    from mosdata import __version__
    from mosdata.builders.executors import usable_cores
    from mosdata.labels.metrics import METRICS
    from mosdata.labels.metrics import why_unavailable as why_no_metric
    from mosdata.synth.systems import known_systems, why_unavailable

    systems = {name: why_unavailable(name) for name in known_systems()}
    metrics = {name: why_no_metric(name) for name in METRICS}
    here = found_workspace()
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


def found_workspace() -> Path:
    """The folder where results go, or this one where nothing went there yet."""
    return WORKSPACE if WORKSPACE.exists() else Path()


def _cluster(address: str, folder: Path) -> dict[str, Any]:
    """What the nodes of a cluster are, and all that would stop a build on them."""
    from dataclasses import asdict

    from mosdata import cluster
    from mosdata.errors import NothingFound, UsageError

    if not folder.is_dir():
        raise NothingFound(f"{folder} is no folder; --out names one that exists.")
    problems = []
    with cluster.session(address=address, num_cpus=1):
        nodes = cluster.survey(folder.absolute(), patience_s=PATIENCE_S)
        try:
            cluster.refuse_strangers([n for n in nodes if n.cpus or n.gpus], folder.absolute())
        except UsageError as error:
            problems.append(str(error))
        token = cluster.asks_for_token()
    if not token:
        problems.append(
            "The cluster asks for no token: whoever reaches its ports runs code there. "
            "Start it with RAY_AUTH_MODE=token."
        )
    return {
        "address": address,
        "folder": str(folder.absolute()),
        "cpus": sum(node.cpus for node in nodes),
        "gpus": sum(node.gpus for node in nodes),
        "token": token,
        "nodes": [asdict(node) for node in nodes],
        "problems": problems,
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
    console.say("Engines with weights of their own: 'mosdata engines list'.")
    if found["report"]:
        console.say(found["report"])
    if all(why is not None for name, why in found["systems"].items() if name != "tone"):
        console.say("No synthesizer is ready: pip install 'mosdata[espeak]'")
    if "cluster" in found:
        _show_cluster(found["cluster"])


def _show_cluster(found: dict[str, Any]) -> None:
    from mosdata.cli import console

    token = "asks for a token" if found["token"] else "asks for no token"
    console.say(
        f"Cluster at {found['address']}: {len(found['nodes'])} nodes, {found['cpus']:g} cores, "
        f"{found['gpus']:g} GPUs, {token}; {found['folder']} was tried"
    )
    header = ["node", "cores", "GPUs", "resources", "Python", "Ray", "mosdata", "state"]
    rows = [
        [
            *(
                node["name"],
                f"{node['cpus']:g}",
                f"{node['gpus']:g}",
                ", ".join(node["resources"]) or "-",
            ),
            *(node["python"] or "?", node["ray"] or "?", node["mosdata"] or "?"),
            node["trouble"] or node["folder_trouble"] or "ready",
        ]
        for node in found["nodes"]
    ]
    console.table("Nodes", header, rows)
    for problem in found["problems"]:
        console.say(problem)
