"""A second environment for engines, real and bare, and an adapter that misbehaves in it."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

collect_ignore_glob = ["stubs/*"]
"""Not ours to test: stand-ins for upstream code."""


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Interpreter of an environment that holds numpy and nothing else: no mosdata, no Ray."""
    import numpy as np

    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    only_numpy = folder / "packages"
    only_numpy.mkdir()
    home = Path(np.__file__).parent
    for name in (home.name, "numpy.libs"):
        if (home.parent / name).is_dir():
            (only_numpy / name).symlink_to(home.parent / name)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "env" / "lib" / version / "site-packages"
    (site / "numpy.pth").write_text(f"{only_numpy}\n")
    return str(folder / "env" / "bin" / "python")


@pytest.fixture
def fake_adapter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Path of the adapter; logs of engines go to the test's own folder."""
    monkeypatch.setenv("MOSDATA_ENGINE_LOGS", str(tmp_path / "engine-logs"))
    return str(Path(__file__).with_name("fake_adapter.py"))
