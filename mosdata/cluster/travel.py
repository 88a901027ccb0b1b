"""What has to go along to the workers of a cluster: its environment and the user's own modules."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

NEVER = frozenset({"mosdata", "ray", "__main__", "__mp_main__"})
"""Modules that every node has installed, or that are nobody's engine."""


TUNABLES: Final = "GLIBC_TUNABLES"

KEPT_MEMORY: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_TOP_PAD_": str(32 << 20),
    TUNABLES: "glibc.malloc.hugetlb=1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""glibc keeps what a clip's arrays used for the next clip, rather than asking the system for it
page by page, over and over: a tenth of a worker's time. What it asks for it asks for in huge pages,
where the system lends them: some 5 % again, for the arrays of a clip are more pages than a core
has in mind. Arrow takes its memory from there too, for its own pool would give back what a row
group needed before the next one is made. Other C libraries ignore it."""


def keeping_memory(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment with ``KEPT_MEMORY`` in it; tunables that were set already stay, and win."""
    given = environment.get(TUNABLES, "").split(":")
    tunables = dict.fromkeys([KEPT_MEMORY[TUNABLES], *filter(None, given)])  # the last one wins
    return {**environment, **KEPT_MEMORY, TUNABLES: ":".join(tunables)}


def worker_environment() -> dict[str, Any]:
    """One thread a worker, and no busy waiting beside it."""
    one_thread = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
    return {"env_vars": {**one_thread, **KEPT_MEMORY}}


def users_modules() -> list[str]:
    """Files and folders of the loaded modules that are installed nowhere.

    Local worker processes find a user's engine through the caller's import path; a worker on
    another machine does not have that path. The driver has planned already, so the engine and
    what it imports are loaded here. Modules that lie in ``site-packages`` are taken to be
    installed on every node.
    """
    import_path = {Path(entry or ".").resolve() for entry in sys.path}
    found = (
        _place(module)
        for name, module in sorted(sys.modules.items())
        if "." not in name and name not in NEVER
    )
    return [
        str(path)
        for path in found
        if path is not None and path.parent in import_path and not _is_installed(path)
    ]


def _place(module: ModuleType) -> Path | None:
    """The folder of a package, the file of a module, None for what has neither."""
    folders = list(getattr(module, "__path__", ()))
    if folders:
        return Path(folders[0]).resolve()
    file = getattr(module, "__file__", None)
    path = Path(file).resolve() if file else None
    return path if path is not None and path.suffix == ".py" else None


def _is_installed(path: Path) -> bool:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    homes = {Path(sysconfig.get_path(name)).resolve() for name in names}
    return any(
        folder in homes or folder.name in {"site-packages", "dist-packages"}
        for folder in path.parents
    )
