"""Engines that misbehave, and a short way to run a stage."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

USERS_ENGINES = '''
"""Engines of a user: all of them are Tone, with one fault each."""

import os
import signal
import sys
import time
from ctypes import PyDLL
from dataclasses import replace
from pathlib import Path

from mosdata.errors import RecordRejected
from mosdata.synth.tone import Tone

POISON = "chicken"


class Slow(Tone):
    """Takes its time."""

    info = replace(Tone.info, name="users-slow")

    def synthesize(self, request):
        time.sleep(0.05)
        return super().synthesize(request)


class Killer(Tone):
    """One text takes the whole process with it."""

    info = replace(Tone.info, name="users-killer")

    def synthesize(self, request):
        if POISON in request.text:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().synthesize(request)


class Crasher(Tone):
    """One text is a segmentation fault; leaves a line for every attempt at it."""

    info = replace(Tone.info, name="users-crasher")

    def synthesize(self, request):
        if POISON in request.text:
            with open(os.environ["USERS_ATTEMPTS"], "a") as attempts:
                attempts.write("crash\\n")
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().synthesize(request)


class Unlucky(Slow):
    """Somebody kills the worker at every text: at its first two attempts, and at two later ones."""

    info = replace(Tone.info, name="users-unlucky")

    def synthesize(self, request):
        with open(os.environ["USERS_ATTEMPTS"], "a+") as attempts:
            attempts.seek(0)
            num_before = attempts.read().splitlines().count(request.text)
            attempts.write(request.text + "\\n")
        if num_before in (0, 1, 3, 4):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().synthesize(request)


class Hanger(Tone):
    """One text hangs in a C function that keeps the interpreter to itself."""

    info = replace(Tone.info, name="users-hanger")

    def synthesize(self, request):
        while POISON in request.text:
            PyDLL(None).sleep(600)
        return super().synthesize(request)


class GpuKiller(Killer):
    """The same on a GPU; leaves a file for every process that loads it."""

    info = replace(Tone.info, name="users-gpu", needs_gpu=True)

    def __init__(self):
        folder = os.environ.get("USERS_LOADS")
        if folder:
            Path(folder, f"{os.getpid()}-{time.monotonic_ns()}").touch()


class GpuTone(GpuKiller):
    """Loaded on a GPU, and well behaved."""

    info = replace(Tone.info, name="users-gpu-tone", needs_gpu=True)
    synthesize = Tone.synthesize


class Raiser(Tone):
    """One text raises something of its own."""

    info = replace(Tone.info, name="users-raiser")

    def synthesize(self, request):
        if POISON in request.text:
            raise LookupError("no phone for chicken")
        return super().synthesize(request)


class Mute(Tone):
    """Says nothing until a file appears."""

    info = replace(Tone.info, name="users-mute")

    def synthesize(self, request):
        if not Path(os.environ["USERS_VOICE"]).exists():
            raise RecordRejected("lost_voice", "The voice is gone.")
        return super().synthesize(request)


def fails_in_workers():
    """Loads in the driver, which plans, and not in a worker."""
    if "mosdata.builders.worker" in getattr(sys.modules["__main__"].__spec__, "name", ""):
        raise OSError("the weights are not on this machine")
    engine = Tone()
    engine.info = replace(Tone.info, name="users-absent")
    return engine
'''


@pytest.fixture(scope="session")
def engines_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``users_engines.py``, as it would lie on somebody's PYTHONPATH."""
    folder = tmp_path_factory.mktemp("engines")
    (folder / "users_engines.py").write_text(USERS_ENGINES)
    return folder


@pytest.fixture
def engines(engines_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, importable in this process and in the workers that it starts."""
    monkeypatch.syspath_prepend(str(engines_folder))
    return engines_folder


@pytest.fixture(scope="session")
def run() -> Callable[..., Any]:
    """Run a stage in this process unless told otherwise; small shards, so that there are many."""
    from mosdata.builders.executors import Execution
    from mosdata.builders.run import run_stage

    def run_here(
        stage: Any,
        out: Path,
        *,
        executor: str = "serial",
        workers: int | None = None,
        record_deadline_s: float = 60.0,
        on: str | None = None,
        **how: Any,
    ) -> Any:
        execution = Execution(
            executor=executor, workers=workers, record_deadline_s=record_deadline_s, on=on
        )
        return run_stage(stage, out, execution=execution, **{"records_per_shard": 2, **how})

    return run_here


@pytest.fixture(scope="session")
def checksums() -> Callable[[Path], dict[str, str]]:
    """Checksums of all files below a folder, by relative path."""

    def of(folder: Path) -> dict[str, str]:
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return of


NUM_KILLS = 5


@pytest.fixture
def killed_again_and_again(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command undisturbed; then five times with SIGKILL at random moments, then to its end.

    ``command`` gives the line for an output folder; ``whom`` is the whole ``group``, or the
    ``driver`` alone, so that its workers are orphans. Makes ``undisturbed`` and ``out``.
    """

    def killed(
        command: Callable[[str], list[str]], whom: str, *, latest: float
    ) -> subprocess.CompletedProcess[str]:
        started = time.monotonic()
        subprocess.run(command("undisturbed"), cwd=tmp_path, check=True, capture_output=True)
        whole_s = time.monotonic() - started
        random_moment = random.Random(whom)
        for _ in range(NUM_KILLS):
            driver = subprocess.Popen(
                command("out"),
                cwd=tmp_path,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                driver.wait(timeout=random_moment.uniform(0.3, latest) * whole_s)
            except subprocess.TimeoutExpired:
                if whom == "group":
                    os.killpg(driver.pid, signal.SIGKILL)
                else:
                    driver.kill()
            driver.wait()
        return subprocess.run(
            command("out"), cwd=tmp_path, check=False, capture_output=True, text=True
        )

    return killed


@pytest.fixture
def hosted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Callable[[], dict[str, list[str]]]]:
    """Configure engines in processes of their own; gives their loads by system and process.

    They are the misbehaving adapter of ``tests/synth``; the interpreter is this one, and neither
    its packages nor ours are imported by anything but the adapter.
    """
    import sys

    adapter = Path(__file__).parents[1] / "synth" / "fake_adapter.py"

    def configure(**devices: str) -> Callable[[], dict[str, list[str]]]:
        loads = tmp_path / "loads"
        loads.mkdir()
        tables = [
            f'[engines.{name}]\nadapter = "{adapter}"\npython = "{sys.executable}"\n'
            f'sample_rate_hz = 24000\nlanguages = ["en"]\nlicense = "CC0-1.0"\n'
            f'device = "{device.partition("/")[0]}"\n'
            f"num_gpus = {device.partition('/')[2] or 1}\n"
            f'[engines.{name}.options]\ngain = {0.5 + i / 10}\nloads = "{loads}"\n'
            for i, (name, device) in enumerate(devices.items())
        ]
        (tmp_path / "engines.toml").write_text("\n".join(tables))
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("MOSDATA_ENGINES", raising=False)
        monkeypatch.setenv("MOSDATA_ENGINE_LOGS", str(tmp_path / "engine-logs"))

        def counted() -> dict[str, list[str]]:
            """Workers that loaded a model, for each ``system-parent``; then it begins anew."""
            found: dict[str, list[str]] = {}
            for path in loads.glob("*-*-*"):
                owner, _, worker = path.name.rpartition("-")
                found.setdefault(owner, []).append(worker)
                path.unlink()
            return found

        return counted

    return configure
