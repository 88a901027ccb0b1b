"""``mosdata engines list``, ``install`` and ``doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosdata.cli.options import AsJson, DryRun

if TYPE_CHECKING:
    from mosdata.synth.hosting.checkup import Checkup, Needs
    from mosdata.synth.hosting.environments import Installation, Step
    from mosdata.synth.hosting.spec import EngineSpec


def list_(
    as_json: AsJson = False,
) -> None:
    """List all systems: what they make, on which terms, and which are ready here."""
    from dataclasses import asdict

    from mosdata.cli import console
    from mosdata.synth.hosting.checkup import needs_of_all
    from mosdata.synth.hosting.settings import find_engines

    engines = find_engines()
    needs = needs_of_all(engines)
    if not as_json:
        header = ["system", "engine", "Hz", "languages", "licence", "terms", "state"]
        rows = [
            [
                *(each.system, each.engine, each.sample_rate_hz or "", _few(each.languages)),
                *(each.license, each.output_terms, "ready" if each.why_not is None else "missing"),
            ]
            for each in needs
        ]
        console.table("Systems", header, rows)
        console.say(
            f"Settings: {engines.path or 'no engines.toml'}. 'mosdata engines doctor SYSTEM' says "
            "what is missing, and lets what is ready speak."
        )
    value = {
        "settings": engines.path or None,
        "systems": [{**asdict(each), "ready": each.why_not is None} for each in needs],
    }
    ready = [each.system for each in needs if each.why_not is None]
    console.result(value, as_json=as_json, plain="\n".join(ready))


def install(
    engine: Annotated[str, typer.Argument(help="Engine or system ('mosdata engines list').")],
    folder: Annotated[
        Path,
        typer.Option(
            "--dir", help="Where environments and checkouts go: DIR/<engine>/env and src."
        ),
    ] = Path("engines"),
    python: Annotated[str, typer.Option(help="Interpreter, or version, for the environment.")] = "",
    torch_index: Annotated[
        str, typer.Option(help="Package index with the torch build for this machine.")
    ] = "",
    checkout: Annotated[
        Path | None, typer.Option(help="A checkout of the engine's repository that is there.")
    ] = None,
    model_dir: Annotated[
        Path | None, typer.Option(help="Folder of the weights, for engines.toml.")
    ] = None,
    settings: Annotated[
        Path, typer.Option("--settings", help="The engines.toml that gets the engine's table.")
    ] = Path("engines.toml"),
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make an engine's own environment from its committed pins, and fetch its code.

    Weights are never fetched: the end says where to get them. Run it again to go on after an
    interruption; what is there is left alone.
    """
    from mosdata.cli import console
    from mosdata.synth.hosting.environments import install as carry_out
    from mosdata.synth.hosting.environments import plan_installation

    spec, system = _spec_for(engine)
    plan = plan_installation(
        spec, folder, python=python, torch_index=torch_index, checkout=checkout
    )
    if dry_run:
        for step in plan.steps:
            console.say(f"would make {step.purpose}: {' '.join(step.command)}")
    else:
        carry_out(plan, on_step=_say_step)
    added = not dry_run and _add_table(settings, plan, system, model_dir)
    _tell(spec, system, plan, settings, model_dir=model_dir, dry_run=dry_run, added=added)
    value = {
        "engine": spec.name,
        "system": system,
        "environment": str(plan.environment) if plan.has_environment else None,
        "python": str(plan.python) if plan.has_environment else None,
        "checkout": str(plan.checkout) if plan.checkout else None,
        "settings": str(settings),
        "steps": [" ".join(step.command) for step in plan.steps],
        "done": not dry_run,
    }
    console.result(value, as_json=as_json, plain=plan.environment if plan.has_environment else "")


def doctor(
    systems: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SYSTEM]...", help="Default: what each engine needs."),
    ] = None,
    no_load: Annotated[
        bool, typer.Option("--no-load", help="Load no model: look, ask, and stop there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what each engine needs; for systems that are named, or configured, let them speak.

    A checkup looks for the environment, the checkout and the weights, starts the engine, compares
    what it says of itself, loads its model, runs its canaries, and sends one sentence through the
    gates of a build.
    """
    from dataclasses import asdict

    from mosdata.cli import console
    from mosdata.synth.hosting.checkup import check_system, needs_of_all
    from mosdata.synth.hosting.settings import find_engines

    engines = find_engines()
    chosen = list(systems or engines.systems)
    needs = [] if systems else needs_of_all(engines)
    if needs and not as_json:
        _show_needs(needs)
    checkups = []
    for name in chosen:
        checkups.append(check_system(name, engines, loads=not no_load))
        if not as_json:
            _show_checkup(checkups[-1])
    ok = all(checkup.state == "ready" for checkup in checkups)
    value = {
        "ok": ok,
        "settings": engines.path or None,
        "needs": [asdict(each) for each in needs],
        "checkups": [asdict(each) for each in checkups],
    }
    console.result(value, as_json=as_json, plain="ok" if ok else "needs attention")
    if not ok:
        raise typer.Exit(1)


def _spec_for(name: str) -> tuple[EngineSpec, str]:
    """The engine, and the system that is meant: the one named, or its first checkpoint."""
    from mosdata.errors import UnknownName, UsageError
    from mosdata.synth.engines import ENGINES, SYSTEM_ENGINES, engine_spec
    from mosdata.synth.systems import SYSTEMS, why_unavailable

    if name in ENGINES:
        spec = engine_spec(name)
        return spec, spec.checkpoints[0].system
    if name in SYSTEM_ENGINES:
        return engine_spec(SYSTEM_ENGINES[name]), name
    if name in SYSTEMS:
        missing = why_unavailable(name)
        raise UsageError(
            f"{name} is built in and needs no environment."
            + (f" What it lacks: {missing}" if missing else " It is ready.")
        )
    raise UnknownName("engine", name, [*ENGINES, *SYSTEM_ENGINES])


def _say_step(step: Step) -> None:
    from mosdata.cli import console

    console.say(f"making {step.purpose} ...")


def _add_table(settings: Path, plan: Installation, system: str, model_dir: Path | None) -> bool:
    """Add the system's table to engines.toml unless it has one; whether it was added."""
    from mosdata.manifests.durable import write_text
    from mosdata.synth.hosting.environments import settings_table
    from mosdata.synth.hosting.settings import read_engines

    before = settings.read_text(encoding="utf-8") if settings.is_file() else ""
    if before and system in read_engines(settings).systems:
        return False
    if model_dir is None:
        return False
    table = settings_table(plan, system, model_dir=str(model_dir.absolute()))
    write_text(settings, f"{before.rstrip()}\n\n{table}".lstrip())
    return True


def _tell(
    spec: EngineSpec,
    system: str,
    plan: Installation,
    settings: Path,
    *,
    model_dir: Path | None,
    dry_run: bool,
    added: bool,
) -> None:
    """What was made, and what is for people to do next."""
    from mosdata.cli import console
    from mosdata.synth.hosting.environments import settings_table

    if dry_run:
        console.say("Nothing was made.")
        return
    console.say(f"{spec.name} is installed." if plan.steps else f"{spec.name} was there already.")
    checkpoint = next(c for c in spec.checkpoints if c.system == system)
    if model_dir is None:
        ids = " or ".join(checkpoint.weights_ids) or spec.source_url
        console.say(
            f"Its weights are not fetched. Get them from {ids} ({checkpoint.weights_license}, "
            f"output: {checkpoint.output_terms}), then put this into {settings}:"
        )
        console.say(settings_table(plan, system, model_dir="FOLDER OF THE WEIGHTS"))
    elif added:
        console.say(f"{settings} has a table for {system} now.")
    else:
        console.say(f"{settings} has a table for {system} already; it was left as it is.")
    console.say(f"Then: mosdata engines doctor {system}")


def _show_needs(needs: list[Needs]) -> None:
    from mosdata.cli import console

    rows = [[each.system, "ready" if each.why_not is None else _wants(each)] for each in needs]
    console.table("What each system needs", ["system", "state, or what it needs"], rows)


def _wants(needs: Needs) -> str:
    """One cell: what to bring, in the order in which it is brought."""
    if needs.engine == "built-in":
        return needs.why_not or ""
    parts = [
        needs.environment,
        f"weights from {' or '.join(needs.weights)} ({needs.weights_license})"
        if needs.weights
        else "",
        f"a recording to clone: {needs.prompt}" if needs.prompt else "",
        _gpu(needs),
        needs.notes,
    ]
    return "; ".join(part for part in parts if part)


def _gpu(needs: Needs) -> str:
    if needs.gpu_memory_gb:
        return f"a GPU with about {needs.gpu_memory_gb:g} GB"
    return "a GPU" if needs.needs_gpu else ""


def _show_checkup(checkup: Checkup) -> None:
    from mosdata.cli import console

    words: dict[bool | None, Any] = {True: "ok", False: "FAILED", None: "note"}
    rows = [[check.name, words[check.passed], check.detail] for check in checkup.checks]
    console.table(f"{checkup.system}: {checkup.state}", ["check", "", "what was seen"], rows)


def _few(languages: tuple[str, ...]) -> str:
    return ", ".join(languages[:4]) + (" ..." if len(languages) > 4 else "")
