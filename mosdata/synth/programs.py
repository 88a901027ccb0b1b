"""Running a program that speaks: in a folder of its own, with a deadline, and no child left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_program(
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str],
    timeout_s: float,
    text: bytes | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; no shell sees its arguments.

    Args:
        command: program and arguments.
        folder: where it runs.
        environment: all the variables it sees.
        timeout_s: it and all that it started are killed afterwards.
        text: standard input; empty where it is None.

    Raises:
        subprocess.TimeoutExpired: it took longer.
        OSError: it cannot be started.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        try:
            out, err = process.communicate(text, timeout=timeout_s)
        except BaseException:  # it has not been waited for, so its id is still its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)
