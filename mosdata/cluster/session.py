"""Joining a cluster, or starting a quiet local one, for the time of a block."""

from __future__ import annotations

import atexit
import contextlib
import io
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TextIO

from mosdata.cluster.calls import cancel_all
from mosdata.cluster.travel import users_modules
from mosdata.errors import UsageError

KNOCK_S: Final = 5.0

HTTP2_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""What a gRPC client says first: the preface and an empty SETTINGS frame (RFC 9113, 3.4)."""
SETTINGS_FRAME: Final = 4

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

WHERE_TOKENS_LIE: Final = (
    "Copy ~/.ray/auth_token from the head node to the same place here (chmod 600), "
    "or give it in RAY_AUTH_TOKEN."
)


@contextlib.contextmanager
def session(*, address: str | None, num_cpus: int) -> Iterator[None]:
    """Join the cluster at ``address``, or start a quiet local one, for the time of the block.

    Whatever still runs when the block ends, however it ends, is cancelled. To a cluster that is
    joined go the user's own modules that are loaded here (an engine in the current folder).

    Raises:
        UsageError: there is no cluster at the address, or it refuses our token.
    """
    prepare_environment(address)
    if address is not None:
        _check_reachable(address)
    import ray

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        # "local": without it, Ray joins whatever cluster was started on this machine.
        options |= {"address": "local", "num_cpus": num_cpus, "include_dashboard": False}
    else:
        _show_token(address)
        options["address"] = address
        if modules := users_modules():
            options["runtime_env"] = {"py_modules": modules}
    _init(address, options)
    atexit.register(cancel_all)  # runs before Ray's own: a generator may outlive its Ctrl-C
    try:
        with contextlib.redirect_stdout(_WithoutRay(sys.stdout)):
            yield
    finally:
        atexit.unregister(cancel_all)
        # Leaving, Ray prints what it has held back, in this very thread.
        with contextlib.redirect_stdout(io.StringIO()):
            cancel_all()
            ray.shutdown()


class _WithoutRay(io.TextIOBase):
    """Standard output without what Ray's own threads print there when a node or a worker dies.

    Ray has no switch for it, and results on standard output are for programs to read. Deaths
    reach us as outcomes of calls; Ray's words stay in its own log files.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Pass on what is not Ray's."""
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        return self._stream.write(text)

    def flush(self) -> None:
        """The stream's own."""
        self._stream.flush()


def prepare_environment(address: str | None) -> None:
    """Settings that Ray reads when it is imported or started; never overrides the user's."""
    os.environ.setdefault("RAY_SCHEDULER_EVENTS", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is None:
        # Without this, a local cluster listens on every interface of a Linux machine.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        return
    # Ray's own patience: 20 tries of a second each, then a minute for a node on this machine.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "8")
    os.environ.setdefault("RAY_gcs_server_request_timeout_seconds", "12")
    if has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def asks_for_token() -> bool:
    """Whether the joined cluster refuses those who come without a token.

    Asked by a process that has none: a cluster that wants no token takes ours as well.
    """
    import ray

    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    environment.pop("RAY_AUTH_TOKEN", None)
    code = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"
    command = [sys.executable, "-c", code, ray.get_runtime_context().gcs_address]
    try:
        ended = subprocess.run(
            command, env=environment, capture_output=True, timeout=KNOCK_S, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return ended.returncode != 0


def has_token() -> bool:
    """Whether this user has a cluster's token, in one of the three places where Ray looks."""
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return True
    return (Path.home() / ".ray" / "auth_token").is_file()


def _init(address: str | None, options: dict[str, Any]) -> None:
    import ray
    from ray.exceptions import RayError

    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        if modules := options.get("runtime_env", {}).get("py_modules"):
            names = ", ".join(Path(path).name for path in modules)
            hint = f" If sending {names} to the workers is what failed: install it on every node."
        else:
            hint = ""
        raise _not_joined(address, error, hint) from error


def _check_reachable(address: str) -> None:
    """Knock at the door before Ray does: it knocks for minutes where nobody answers.

    Before Ray is imported: a cluster that answers on loopback and nowhere else (one that was
    started like our own) is joined there, which Ray has to know by then.

    Raises:
        UsageError: nothing listens there, or it is not Ray.
    """
    if address.startswith("ray://"):
        raise UsageError(
            f"{address!r} is for Ray's client, whose files are not the cluster's. Run on a "
            "machine of the cluster with --address auto, or hand the command to 'ray job submit'."
        )
    door = _door(address)
    if door is None:
        return  # Ray finds it, or refuses at once
    try:
        _knock(*door)
    except (OSError, OverflowError) as error:
        raise _not_joined(address, error) from error
    if door[0] in LOOPBACK and not _answers_outside(door[1]):
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


def _door(address: str) -> tuple[str, int] | None:
    """Host and port behind an address; None where it does not say."""
    host, colon, port = _known(address).rpartition(":")
    return (host.strip("[]"), int(port)) if colon and port.isdecimal() else None


def _known(address: str) -> str:
    """What ``auto`` stands for: the variable, or the cluster that was last started here."""
    if address != "auto":
        return address
    if known := os.environ.get("RAY_ADDRESS"):
        return known
    note = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")  # noqa: S108 - Ray's own place
    return note.read_text(encoding="utf-8").strip() if note.is_file() else ""


def _answers_outside(port: int) -> bool:
    """Whether the cluster behind a loopback address listens on this machine's own address too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(
                ("192.0.2.1", 9)
            )  # a documentation address: asks the table, sends nothing
            _knock(route.getsockname()[0], port)
        except OSError:
            return False
    return True


def _knock(host: str, port: int) -> None:
    """Say hello as gRPC does; a server answers with its settings within milliseconds.

    Raises:
        OSError: nobody answers, or not as Ray would.
    """
    with socket.create_connection((host, port), timeout=KNOCK_S) as door:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return  # speaks only after a handshake that is Ray's business
        door.sendall(HTTP2_HELLO)
        with door.makefile("rb") as answers:
            answer = answers.read(9)
    if len(answer) < 9 or answer[3] != SETTINGS_FRAME:
        raise ConnectionError("something else than Ray answers there")


def _show_token(address: str) -> None:
    """Ask for the cluster's id, which needs the token: Ray itself would ask for 20 seconds.

    Raises:
        UsageError: the cluster does not accept our token, or wants one that we do not have.
    """
    if _door(address) is None:
        return
    from ray.exceptions import AuthenticationError, RayError

    # Private: where a newer Ray has moved it, ray.init decides alone, and takes its time.
    ask: Any = getattr(import_module("ray._raylet"), "GcsClient", lambda **_: None)
    try:
        ask(address=_known(address))
    except AuthenticationError as error:
        had = "refuses the token that" if has_token() else "asks for a token, and none"
        raise UsageError(
            f"The Ray cluster at {address!r} {had} was found here "
            f"(RAY_AUTH_MODE={os.environ.get('RAY_AUTH_MODE', 'unset')}). {WHERE_TOKENS_LIE}"
        ) from error
    except RayError as error:
        raise _not_joined(address, error) from error


def _not_joined(address: str | None, error: Exception, hint: str = "") -> UsageError:
    return UsageError(
        f"No Ray cluster could be joined at {address!r}: {error}.{hint} Check the address "
        "('ray status' on the head node), that this machine is a node of the cluster, and that "
        "it has the cluster's token."
    )
