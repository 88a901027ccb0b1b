"""What an engine writes to standard error: its last words for messages, more of it in a file."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from pathlib import Path
from typing import Final

MAX_LOG_BYTES: Final = 1 << 20
"""What a log may hold; then it is put aside as ``.old``, in place of the one before it."""

TAIL_BYTES: Final = 8_192
TAIL_LINES: Final = 12
TAIL_CHARS: Final = 1_200
LINE_CHARS: Final = 200

DUMP: Final = ("Current thread", "Thread 0x", "Stack (most recent call first)")
"""How ``faulthandler`` begins a stack; the line after it is the innermost call."""


class LastWords:
    """Drains a pipe in a thread of its own, so that a talkative engine never waits for us.

    Args:
        descriptor: read end of the pipe; closed when the other end is.
        path: log file; bounded, with the one before it beside it.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self.path = path
        self._descriptor = descriptor
        self._tail = b""
        self._thread = threading.Thread(target=self._drain, name="engine-stderr", daemon=True)
        self._thread.start()

    def mark(self) -> None:
        """Forget the tail: what comes from now on is about something else."""
        self._tail = b""

    def wait(self, seconds: float) -> None:
        """Wait for the end of the pipe, for a moment."""
        self._thread.join(seconds)

    def tail(self) -> str:
        """The last lines; may be empty."""
        return "\n".join(self._lines()[-TAIL_LINES:])[-TAIL_CHARS:]

    def telling_line(self) -> str:
        """The line that says most, without folders: the innermost place of a dump, or the last."""
        lines = self._lines()
        dumps = [i for i, line in enumerate(lines) if line.startswith(DUMP)]
        line = lines[dumps[-1] + 1 :][0] if dumps and lines[dumps[-1] + 1 :] else ""
        line = line or (lines[-1] if lines else "")
        return re.sub(r"[^\s\"']*/(?=[^/\s\"']+)", "", line.strip())[:LINE_CHARS]

    def _lines(self) -> list[str]:
        text = self._tail.decode(errors="replace")
        return [line for line in text.splitlines() if line.strip()]

    def forget(self) -> None:
        """Remove the log: nothing went wrong."""
        self._thread.join(1.0)
        for path in (self.path, self._old()):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _old(self) -> Path:
        return self.path.with_name(f"{self.path.name}.old")

    def _drain(self) -> None:
        with os.fdopen(self._descriptor, "rb", buffering=0) as pipe:
            written = 0
            log = self._open()
            while part := pipe.read(65_536):
                self._tail = (self._tail + part)[-TAIL_BYTES:]
                if log is None:
                    continue
                with contextlib.suppress(OSError):  # a full disk must not stop the engine
                    if written + len(part) > MAX_LOG_BYTES:
                        os.close(log)
                        log, written = None, 0
                        self.path.replace(self._old())
                        log = self._open()
                    if log is not None:
                        written += os.write(log, part)
            if log is not None:
                os.close(log)

    def _open(self) -> int | None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            return os.open(self.path, flags, 0o600)
        except OSError:
            return None


def logs_folder() -> Path:
    """Where engines' logs go: ``$MOSDATA_ENGINE_LOGS``, or a folder of this user's own."""
    if given := os.environ.get("MOSDATA_ENGINE_LOGS"):
        return Path(given)
    return Path(tempfile.gettempdir()) / f"mosdata-engines-{os.getuid()}"
