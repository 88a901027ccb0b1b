"""What adapters share, in an engine's environment: errors, digests, versions, seeds.

Everything in this folder runs where neither mosdata nor Ray is installed, on Python 3.9 or later
with numpy, and must not import anything of mosdata outside this folder.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterable
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
