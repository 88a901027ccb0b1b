"""What adapters share, in an engine's environment: errors, digests, versions, seeds.

Everything in this folder runs where neither mosdata nor Ray is installed, on Python 3.9 or later
with numpy, and must not import anything of mosdata outside this folder.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

MIB = 1 << 20


class Rejected(Exception):
    """This request cannot be spoken; the worker goes on. ``reason`` is counted by summaries."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class LoadFailed(Exception):
    """The engine cannot start here; the message says what is missing and what to do."""

    fatal = True


def weight_digest(path: str, whole: bool = False) -> str:
    """Name of a file's content: of all of it, or of its size and three MiB of it.

    Weights are gigabytes; size, beginning, middle and end tell checkpoints apart in milliseconds.
    """
    size = Path(path).stat().st_size
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        if whole:
            for block in iter(lambda: file.read(MIB), b""):
                digest.update(block)
            return "sha256:" + digest.hexdigest()
        digest.update(str(size).encode())
        for start in sorted({0, max(0, size // 2 - MIB // 2), max(0, size - MIB)}):
            file.seek(start)
            digest.update(file.read(MIB))
    return "fast:" + digest.hexdigest()


def require_files(folder: str, names: Iterable[str], what: str) -> None:
    """Say which files of a model folder are missing, before anything is loaded.

    Raises:
        LoadFailed: the folder or some of the files are not there.
    """
    if not Path(folder).is_dir():
        raise LoadFailed(f"{what}: there is no folder {folder}. Give the model's local folder.")
    missing = [name for name in names if not (Path(folder) / name).exists()]
    if missing:
        raise LoadFailed(f"{what}: {folder} lacks {', '.join(missing)}. Download the model anew.")


def check_options(given: Iterable[str], known: Iterable[str], engine: str) -> None:
    """Refuse options that would change nothing.

    Raises:
        LoadFailed: with the first of them, and those that there are.
    """
    names = sorted(known)
    if unknown := sorted(set(given) - set(names)):
        raise LoadFailed(
            f"{engine} has no option {unknown[0]!r}. Known: {', '.join(names) or 'none'}."
        )


def require_gpu(torch: Any, device: str) -> None:
    """Where ``device`` is a GPU, there is one.

    Raises:
        LoadFailed: torch finds none.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise LoadFailed(
            f"device is {device}, but torch {torch.__version__} sees no GPU. Install a CUDA build "
            "of torch in the engine's environment, or set device to cpu."
        )


def check_parameters(owner: Any, used: Mapping[str, Iterable[str]], what: str, known: str) -> None:
    """What is called upstream has the parameters that are given.

    Args:
        owner: module or class.
        used: names of its functions, and of their parameters.
        what: upstream, for the message.
        known: the version that the adapter was written for.

    Raises:
        LoadFailed: a function or a parameter is gone.
    """
    import inspect

    for name, parameters in used.items():
        function = getattr(owner, name, None)
        if function is None:
            raise LoadFailed(f"{what} has no {name}. This adapter was written for {known}.")
        has = inspect.signature(function).parameters
        if missing := [parameter for parameter in parameters if parameter not in has]:
            raise LoadFailed(
                f"{what}: {name} has no parameter {', '.join(missing)}; it has {', '.join(has)}. "
                f"This adapter was written for {known}."
            )


SAME_SAMPLES = "same seed, same samples"
SAME_STEPS = "step by step equals at once"


def no_such_voice(engine: str, voice: str, known: Iterable[str]) -> Rejected:
    """The error for a voice that an engine does not have, with the first of those it has."""
    names = ", ".join([*known][:20])
    return Rejected("unknown_voice", f"{engine} has no voice {voice!r}. Known: {names}.")


def cannot_clone(engine: str, voice: Mapping[str, Any]) -> LoadFailed:
    """The error of an engine that has voices of its own and takes no recording."""
    return LoadFailed(f"{engine} has its own voices and cannot clone {voice['name']!r}.")


def canary(name: str, passed: Any, detail: str) -> dict[str, Any]:
    """One answer of ``canaries``."""
    return {"name": name, "passed": bool(passed), "detail": detail}


def repeat_canary(say: Callable[[], Any]) -> dict[str, Any]:
    """Whether the same request gives the same samples; what is rejected gives none."""
    try:
        one, two = say(), say()
    except Rejected as error:
        return canary(SAME_SAMPLES, False, str(error))
    same = one.tobytes() == two.tobytes()
    return canary(SAME_SAMPLES, same, f"{len(one)} samples {'twice' if same else 'and others'}")


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of the packages that are installed, without importing them."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit(folder: str) -> str:
    """Commit of a checkout; ``unknown`` where it is no git checkout."""
    command = ["git", "-C", folder, "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def python_version() -> str:
    """Version of this interpreter, such as 3.10.14."""
    return platform.python_version()


def seed_everything(seed: int) -> None:
    """Seed random, numpy and torch (where it is loaded) right before a request."""
    import random
    import sys

    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - upstream code draws from the global state
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
