"""The command line, called as the console script calls it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def mosdata(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Run ``mosdata ARGUMENTS`` in this process; returns exit code and both streams."""
    from mosdata.cli import main

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["mosdata", *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


@pytest.fixture
def workspace(tmp_path: Path, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with ``transcripts.txt``, and we are in it."""
    (tmp_path / "transcripts.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(mosdata: Callable, workspace: Path) -> Callable:
    """Run a command that must be refused: exit code 2, one message, and nothing changes."""

    def call(*arguments: object) -> str:
        before = _state_of(workspace)
        ended = mosdata(*arguments)
        assert ended.code == 2, ended
        assert ended.err.count("error: ") == 1, ended.err
        assert "Traceback" not in ended.err
        assert not ended.out
        assert before == _state_of(workspace)
        return ended.err

    return call


def _state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }
