"""Engines whose code is a git checkout and no package: found, named and made importable."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from mosdata.synth.adapters.kit import LoadFailed, git_commit


def require_checkout(checkout: str, marker: str, url: str) -> None:
    """Upstream's code is where the settings say.

    Args:
        checkout: the folder.
        marker: a file that only this engine has.
        url: where it is cloned from.

    Raises:
        LoadFailed: with the command that gets it.
    """
    if not checkout or not (Path(checkout) / marker).is_file():
        raise LoadFailed(
            f"checkout is {checkout!r}, which has no {marker}. Run 'git clone {url}' and set "
            "'checkout' to its folder."
        )


def identity(checkout: str, packages: Iterable[str], name: str) -> dict[str, str]:
    """Name, commit, and a digest of the code itself, as a commit does not see changed files.

    Args:
        checkout: the folder.
        packages: folders in it with the Python files that run.
        name: of the engine.
    """
    digest = hashlib.sha256()
    root = Path(checkout)
    for path in (path for package in packages for path in sorted((root / package).rglob("*.py"))):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return {"name": name, "commit": git_commit(checkout), "code": "sha256:" + digest.hexdigest()}


def importable(checkout: str) -> None:
    """Put a checkout first on the path, once."""
    folder = str(Path(checkout).resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)


@contextlib.contextmanager
def inside(folder: str) -> Iterator[None]:
    """Work in a folder for a while: upstream's settings name files relative to it."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
