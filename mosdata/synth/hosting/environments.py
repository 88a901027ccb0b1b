"""Environments for engines: a Python, the pinned packages, the checkout. Asked for, never implied.

``mosdata engines install`` runs what is planned here and nothing else does. An environment has a
stamp with the digest of all that it was made from, written last: one without it is made afresh, one
with the same digest is left alone. Weights are never fetched; where to get them is said.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mosdata.errors import BuildFailed, OutputConflict, UsageError
from mosdata.manifests.durable import write_json
from mosdata.manifests.ids import canonical_json
from mosdata.synth.hosting.spec import EngineSpec

LOCKS: Final = Path(__file__).parents[1] / "engines" / "locks"
STAMP: Final = "mosdata-environment.json"

ALL_INDEXES: Final = ("--index-strategy", "unsafe-best-match")
"""uv looks no further than the first index that has a package at all, and indexes with builds of
torch have old versions of others. Versions are pinned, so this is what pip does anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of an installation, and what it is for."""

    purpose: str
    command: tuple[str, ...]
    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """All that ``install`` would do for one engine.

    ``python`` is the interpreter that the environment will have; an engine that lives in
    mosdata's own has none (``has_environment``). ``steps`` is empty where everything is there.
    """

    engine: str
    environment: Path
    python: Path
    checkout: Path | None
    has_environment: bool
    digest: str
    steps: tuple[Step, ...]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return not self.steps


def plan_installation(
    spec: EngineSpec,
    folder: Path,
    *,
    python: str = "",
    torch_index: str = "",
    checkout: Path | None = None,
) -> Installation:
    """What has to be run for an engine; nothing is run, and nothing is fetched.

    Args:
        spec: the engine.
        folder: gets ``<engine>/env`` and, for engines that are no package, ``<engine>/src``.
        python: interpreter or version for the environment; the engine's own where empty.
        torch_index: index that has the torch build for this machine's driver.
        checkout: a checkout that is there already.

    Raises:
        UsageError: no interpreter of that version, or no git where a checkout is needed.
        OutputConflict: the folder for the environment holds something else.
    """
    home = folder.absolute() / spec.name
    environment, source = home / "env", checkout or home / "src"
    digest = _digest(spec, python, torch_index)
    steps: list[Step] = []
    if spec.lock and _stamp_of(environment) != digest:
        _refuse_strangers(environment)
        steps += _environment_steps(spec, environment, python, torch_index)
    if spec.repository:
        steps += _checkout_steps(spec, source, given=checkout is not None)
    return Installation(
        engine=spec.name,
        environment=environment,
        python=environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"),
        checkout=source if spec.repository else None,
        has_environment=bool(spec.lock),
        digest=digest,
        steps=tuple(steps),
    )


def install(installation: Installation, *, on_step: Callable[[Step], None]) -> None:
    """Run the steps; an interrupted installation is begun again by the next one.

    Raises:
        BuildFailed: a step failed; its output is on standard error.
    """
    makes_environment = any("environment" in step.purpose for step in installation.steps)
    if makes_environment and installation.environment.exists():
        shutil.rmtree(installation.environment)
    installation.environment.parent.mkdir(parents=True, exist_ok=True)
    for step in installation.steps:
        on_step(step)
        _run(step)
    if makes_environment:
        stamp = {"digest": installation.digest, "engine": installation.engine}
        write_json(installation.environment / STAMP, stamp)


def settings_table(installation: Installation, system: str, *, model_dir: str) -> str:
    """The table of ``engines.toml`` for a system of the engine.

    Example:
        >>> made = Installation(
        ...     engine="piper",
        ...     environment=Path("/engines/piper/env"),
        ...     python=Path("/engines/piper/env/bin/python"),
        ...     checkout=None,
        ...     has_environment=True,
        ...     digest="",
        ...     steps=(),
        ... )
        >>> print(settings_table(made, "piper-lessac-medium", model_dir="/voices"), end="")
        [engines."piper-lessac-medium"]
        python = "/engines/piper/env/bin/python"
        model_dir = "/voices"
    """
    lines = [f"[engines.{json.dumps(system)}]"]
    if installation.has_environment:
        lines.append(f"python = {json.dumps(str(installation.python))}")
    if installation.checkout is not None:
        lines.append(f"checkout = {json.dumps(str(installation.checkout))}")
    lines.append(f"model_dir = {json.dumps(model_dir)}")
    return "\n".join(lines) + "\n"


def _environment_steps(
    spec: EngineSpec, environment: Path, python: str, torch_index: str
) -> Iterator[Step]:
    lock = str(LOCKS / spec.lock)
    wanted = python or spec.python
    uv = _uv()
    if uv:
        yield Step(
            purpose=f"an environment with Python {wanted}",
            command=(uv, "venv", "--seed", "--python", wanted, str(environment)),
        )
        index = ("--index", torch_index, *ALL_INDEXES) if torch_index else ()
        links = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS") or ""
        where = (*index, *(("--find-links", links) if links else ()))
        if not where:
            where = ("--torch-backend", "auto")
        inside = str(environment / "bin" / "python")
        overrides = _overrides(spec)
        left_out = ("--overrides", str(overrides)) if overrides.is_file() else ()
        yield Step(
            purpose=f"the packages of {spec.name}, as pinned in {spec.lock}",
            command=(uv, "pip", "install", "--python", inside, *where, *left_out, "-r", lock),
        )
        return
    yield Step(
        purpose=f"an environment with Python {wanted}",
        command=(_interpreter(wanted), "-m", "venv", str(environment)),
    )
    extra = ("--extra-index-url", torch_index) if torch_index else ()
    inside = str(environment / "bin" / "python")
    yield Step(
        purpose=f"the packages of {spec.name}, as pinned in {spec.lock}",
        command=(inside, "-m", "pip", "install", *extra, "-r", lock),
    )


def _overrides(spec: EngineSpec) -> Path:
    """Beside its lock, where there are any: what its packages ask for and its speech does not need.

    pip knows no such thing and installs all of it.
    """
    return (LOCKS / spec.lock).with_suffix(".overrides")


def _checkout_steps(spec: EngineSpec, source: Path, *, given: bool) -> Iterator[Step]:
    if (source / ".git").exists():
        if not given and _commit_of(source) != spec.commit:
            yield Step(
                purpose=f"version {spec.commit[:12]} of {spec.name}",
                command=("git", "checkout", "--detach", spec.commit),
                folder=source,
            )
        yield from _submodule_steps(spec, source)
        return
    if given:
        raise UsageError(f"{source} is no git checkout of {spec.repository}.")
    if shutil.which("git") is None:
        raise UsageError(f"{spec.name} is a repository, and there is no git here. Install git.")
    yield Step(
        purpose=f"the code of {spec.name}",
        command=("git", "clone", "--no-checkout", spec.repository, str(source)),
    )
    yield Step(
        purpose=f"version {spec.commit[:12]} of {spec.name}",
        command=("git", "checkout", "--detach", spec.commit),
        folder=source,
    )
    yield from _submodule_steps(spec, source)


def _submodule_steps(spec: EngineSpec, source: Path) -> Iterator[Step]:
    """Those that are not there: a clone may have been interrupted before them."""
    for submodule in spec.submodules:
        folder = source / submodule
        if not folder.is_dir() or not any(folder.iterdir()):
            yield Step(
                purpose=f"{submodule} of {spec.name}",
                command=("git", "submodule", "update", "--init", "--depth", "1", submodule),
                folder=source,
            )


def _digest(spec: EngineSpec, python: str, torch_index: str) -> str:
    """Name of all that an environment is made from."""
    files = [path for path in (LOCKS / spec.lock, _overrides(spec)) if spec.lock and path.is_file()]
    lock = b"".join(path.read_bytes() for path in files)
    made_from = [spec.name, python or spec.python, torch_index, hashlib.sha256(lock).hexdigest()]
    return hashlib.sha256(canonical_json(made_from).encode()).hexdigest()


def _stamp_of(environment: Path) -> str:
    try:
        return str(json.loads((environment / STAMP).read_text("utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _refuse_strangers(environment: Path) -> None:
    """Only what an installation made is ever removed by the next one."""
    if environment.exists() and not (environment / "pyvenv.cfg").is_file():
        raise OutputConflict(
            f"{environment} is there and is no Python environment. Give another folder (--dir)."
        )


def _commit_of(source: Path) -> str:
    done = subprocess.run(
        ["git", "-C", str(source), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _uv() -> str | None:
    """Uv beside this interpreter or on the path; None where there is none."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def _interpreter(wanted: str) -> str:
    """A Python of a version, or the one that was named.

    Raises:
        UsageError: there is none.
    """
    names: Sequence[str] = (wanted, f"python{wanted}")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        if wanted == here:
            return sys.executable
        raise UsageError(
            f"There is no Python {wanted} here, and no uv that could bring one: pip install uv, or "
            "name an interpreter (--python)."
        )
    return found


def _run(step: Step) -> None:
    try:
        done = subprocess.run(step.command, cwd=step.folder, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise BuildFailed(f"{step.purpose}: {step.command[0]}: {error.strerror}.") from error
    if done.returncode:
        command = " ".join(step.command)
        raise BuildFailed(
            f"{step.purpose} failed (exit {done.returncode}): {command}. What it said is above; "
            "run the same command again when it is mended."
        )
