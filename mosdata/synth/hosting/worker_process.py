"""One process of one engine: started, asked with deadlines, watched, and killed with its children.

The engine gets an environment of its own, a process group of its own (so that what it starts dies
with it) and a folder of its own for what it leaves behind. When we are gone, however we went, the
kernel ends it: see ``adapters/worker.py``.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from mosdata.errors import UsageError
from mosdata.manifests.ids import JSON
from mosdata.synth.adapters import worker
from mosdata.synth.hosting.last_words import LastWords, logs_folder
from mosdata.synth.hosting.variables import SECRET, values_of
from mosdata.synth.hosting.wire import Frame, Wire, WireBroken, WireEnded, WireTimeout

HELLO_S: Final = 30.0
DESCRIBE_S: Final = 60.0
FAREWELL_S: Final = 5.0
LAST_WORDS_S: Final = 2.0
"""What a hanging or dying worker gets to write down where it is."""

LOG_DAYS: Final = 7
FOLDER: Final = "mosdata-engine-"
"""How the folders of workers are called, in the system's one for temporary files."""

WORKER: Final = Path(worker.__file__)

OFFLINE: Final = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "DO_NOT_TRACK": "1",
    "WANDB_MODE": "disabled",
    "MODELSCOPE_DOMAIN": "offline.invalid",  # it knows no offline mode
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start an engine.

    Args:
        system: its name, for messages.
        python: interpreter of its environment.
        adapter: module of ``mosdata.synth.adapters``, or the path of a ``.py`` file.
        options: what its adapter is built from.
        environment: variables to add.
        secrets: names of variables of ours that it gets, though they look like secrets.
        threads: what its libraries may use.
        network: whether it may connect to other machines.
    """

    system: str
    python: str
    adapter: str
    options: Mapping[str, JSON] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    threads: int = 1
    network: bool = False


class WorkerLost(Exception):
    """The worker died, hung or said nonsense, and is gone.

    ``reason`` is for summaries, the message for rows: what happened, and where, without anything
    that differs from one machine to the next. ``details`` are the last lines that it wrote.
    """

    def __init__(self, reason: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.details = details


class WorkerSaid(Exception):
    """The worker answered with an error; after a fatal one it is gone."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", "")))
        self.kind = str(error.get("kind", "failed"))
        self.reason = str(error.get("reason", "engine_failed"))
        self.traceback = str(error.get("traceback", ""))
        self.is_fatal = bool(error.get("fatal", False))


class WorkerProcess:
    """A running worker that has said hello.

    Raises:
        UsageError: the interpreter is missing, its environment cannot run a worker, or the
            worker speaks another protocol.
    """

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self._next_id = 0
        lifeline, self._lifeline = os.pipe()
        _sweep()
        self._folder = tempfile.mkdtemp(prefix=f"{FOLDER}{_here()}-{os.getpid()}-")
        try:
            self._process = self._start(lifeline)
        except OSError as error:
            os.close(self._lifeline)
            shutil.rmtree(self._folder, ignore_errors=True)
            raise UsageError(
                f"{launch.system}: {launch.python} cannot be run: {error.strerror or error}. "
                "'python' in engines.toml is the interpreter of the engine's environment."
            ) from error
        finally:
            os.close(lifeline)
        orders, answers, errors = self._descriptors()
        self._wire = Wire(orders, answers, lambda: _exit_code(self._process.pid) is None)
        name = f"{re.sub('[^A-Za-z0-9._-]', '_', launch.system)}-{self._process.pid}.log"
        self._words = LastWords(errors, logs_folder() / name)
        self._farewell = weakref.finalize(
            self, _end, self._process, self._wire, self._lifeline, self._folder, os.getpid()
        )
        try:
            self.hello = self._introduced()
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """Process id, and id of its process group."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._farewell.alive and _exit_code(self._process.pid) is None

    @property
    def log(self) -> Path:
        """Where its standard error goes."""
        return self._words.path

    def wait_for_log(self, seconds: float) -> None:
        """Wait until all that it wrote is in its log; for one that has ended."""
        self._words.wait(seconds)

    def ask(self, op: str, *, deadline_s: float, **values: JSON) -> Frame:
        """One order, one answer.

        Raises:
            WorkerLost: there is none, and the worker is gone.
            WorkerSaid: the answer is an error.
        """
        return next(self.ask_many(op, [deadline_s], **values))

    def ask_many(self, op: str, deadlines_s: Sequence[float], **values: JSON) -> Iterator[Frame]:
        """One order, as many answers as there are deadlines; each counts from the answer before.

        An answer that is an error is raised by the first one only; :meth:`ask_each` gives them
        as values.
        """
        for answer in self.ask_each(op, deadlines_s, **values):
            if isinstance(answer, WorkerSaid):
                raise answer
            yield answer

    def ask_each(
        self, op: str, deadlines_s: Sequence[float], **values: JSON
    ) -> Iterator[Frame | WorkerSaid]:
        """As :meth:`ask_many`, with errors as values; after a fatal one nothing comes.

        Raises:
            WorkerLost: as :meth:`ask`.
        """
        if self._next_id:  # what a worker says before it is asked anything is about its start
            self._words.mark()
        self._next_id += 1
        order: dict[str, JSON] = {"id": self._next_id, "op": op, **values}
        with self._losses(op, deadlines_s[0]):
            self._wire.send(order, time.monotonic() + deadlines_s[0])
        for deadline_s in deadlines_s:
            with self._losses(op, deadline_s):
                frame = self._wire.receive(time.monotonic() + deadline_s)
                if frame.header.get("id") != self._next_id:
                    given = frame.header.get("id")
                    raise WireBroken(f"an answer to order {given!r}, not to {self._next_id}")
            if "error" not in frame.header:
                yield frame
                continue
            said = WorkerSaid(dict(frame.header["error"]))
            if said.is_fatal:
                self.kill()
            yield said
            if said.is_fatal:
                return

    def close(self) -> None:
        """Ask it to end, and end it where it does not."""
        if self.is_alive:
            with contextlib.suppress(WorkerLost, WorkerSaid):
                self.ask("shutdown", deadline_s=FAREWELL_S)
                _wait(self._process.pid, FAREWELL_S)
        self.kill()
        if self._process.returncode == 0:
            self._words.forget()

    def kill(self) -> None:
        """End it and all that it started; safe to call twice."""
        self._farewell()

    def _start(self, lifeline: int) -> subprocess.Popen[bytes]:
        launch = self.launch
        command = [launch.python, "-s", str(WORKER), launch.adapter, "--lifeline", str(lifeline)]
        return subprocess.Popen(
            [*command, *(["--network"] if launch.network else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=self._folder,
            env=engine_environment(launch, self._folder),
            pass_fds=(lifeline,),
            start_new_session=True,
        )

    def _descriptors(self) -> tuple[int, int, int]:
        """Our ends of the three pipes, as plain descriptors that nobody else closes."""
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        kept = []
        for pipe in pipes:
            assert pipe is not None
            kept.append(os.dup(pipe.fileno()))
            pipe.close()
        self._process.stdin = self._process.stdout = self._process.stderr = None
        return kept[0], kept[1], kept[2]

    def _introduced(self) -> Mapping[str, Any]:
        launch = self.launch
        where = f"{launch.system} in the environment of {launch.python}"
        try:
            said = self.ask("hello", deadline_s=HELLO_S, protocol=worker.PROTOCOL).header
        except WorkerSaid as error:
            if error.kind == "protocol":
                raise UsageError(f"{where}: {error}. Install one mosdata only.") from error
            raise UsageError(
                f"{where} does not start: {error}. Mend that environment, or make it anew with "
                "'mosdata engines install'."
            ) from error
        except WorkerLost as error:
            raise UsageError(
                f"{where} does not start: {error} Is this the Python of the engine's environment, "
                "version 3.9 or later?"
            ) from error
        if said.get("protocol") != worker.PROTOCOL:
            raise UsageError(
                f"{where} speaks protocol {said.get('protocol')!r}, this mosdata speaks "
                f"{worker.PROTOCOL}. Install one mosdata only."
            )
        return said

    @contextlib.contextmanager
    def _losses(self, op: str, deadline_s: float) -> Iterator[None]:
        """Turn what goes wrong on the wire into a worker that is gone, with its last words."""
        try:
            yield
        except WireTimeout as error:
            os.kill(self._process.pid, signal.SIGUSR1)  # it writes down where it hangs
            self._words.wait(LAST_WORDS_S)
            happened = f"gave no answer to {op!r} within {deadline_s:g} s"
            raise self._lost("engine_timeout", happened) from error
        except WireEnded as error:
            happened = _death(_wait(self._process.pid, LAST_WORDS_S))
            raise self._lost("engine_crashed", happened) from error
        except WireBroken as error:
            raise self._lost("engine_crashed", f"sent {error}") from error

    def _lost(self, reason: str, happened: str) -> WorkerLost:
        self.kill()
        self._words.wait(LAST_WORDS_S)
        line = self._words.telling_line()
        message = f"the worker {happened}" + (f"; its last words: {line}" if line else ".")
        return WorkerLost(reason, message, f"{self._words.tail()}\n(all of it: {self.log})")


def engine_environment(launch: Launch, folder: str) -> dict[str, str]:
    """Variables of an engine: clean ones, and what keeps its Python to itself.

    ``PYTHONHASHSEED`` is fixed, since the order of a set of strings would differ from process to
    process; that is why workers start with ``-s`` and without ``-I``, which ignores it.
    """
    return {
        **clean_environment(launch.threads),
        **values_of(launch.secrets),
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONIOENCODING": "utf-8",
        "TMPDIR": folder,
        **launch.environment,
    }


def clean_environment(threads: int = 1) -> dict[str, str]:
    """Our variables without secrets and without what is meant for our own Python; offline.

    ``RAY_*``, ``AWS_*``, ``MOSDATA_*`` and ``PYTHON*`` go too.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not (SECRET.search(name) or name.startswith(("PYTHON", "RAY_", "AWS_", "MOSDATA_")))
    }
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {
        **kept,
        **OFFLINE,
        **dict.fromkeys(names, str(threads)),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _here() -> str:
    """Names the machine and the container in whose sight process ids mean what they say."""
    with contextlib.suppress(OSError):
        return f"{os.uname().nodename}-{Path('/proc/self/ns/pid').stat().st_ino}"
    return os.uname().nodename


@cache
def _sweep() -> None:
    """Remove folders of workers whose owner was killed, and logs of last week; once a process."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}{_here()}-*-*"):
        if not folder.is_dir():
            continue
        owner = folder.name.removeprefix(f"{FOLDER}{_here()}-").partition("-")[0]
        is_ours = folder.stat().st_uid == os.getuid()
        if is_ours and owner.isdigit() and not _exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    for log in logs_folder().glob("*.log*"):
        with contextlib.suppress(OSError):
            if time.time() - log.stat().st_mtime > LOG_DAYS * 86_400:
                log.unlink()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _end(
    process: subprocess.Popen[bytes], wire: Wire, lifeline: int, folder: str, owner: int
) -> None:
    """Kill a process group, and put away what belonged to it; never from a fork of its owner."""
    if os.getpid() != owner:
        return
    # Nobody has waited for the process yet, so its id is still its own, dead or alive.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    wire.close()
    with contextlib.suppress(OSError):
        os.close(lifeline)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(FAREWELL_S)
    shutil.rmtree(folder, ignore_errors=True)


def _exit_code(pid: int) -> int | None:
    """How a child ended (as ``Popen`` has it), which stays to be waited for; None while it runs."""
    try:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return -signal.SIGKILL  # somebody else waited for it
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _wait(pid: int, seconds: float) -> int | None:
    """As :func:`_exit_code`, for up to some seconds."""
    deadline = time.monotonic() + seconds
    while (code := _exit_code(pid)) is None and time.monotonic() < deadline:
        time.sleep(0.002)
    return code


def _death(exit_code: int | None) -> str:
    if exit_code is None:
        return "closed its pipe"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
