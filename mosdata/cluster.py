"""The only module that knows Ray.

The rest of the house hands plain functions to :func:`run_calls` and gets their outcomes back.
No audio travels through Ray: functions return nothing and leave their results on the disk.

Secure by default: a cluster that we start here listens on loopback only, has no dashboard, and
uses Ray's token authentication; a cluster that is given by its address is joined with the token
that lies in the user's home, where there is one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mosdata.errors import BuildFailed, MosdataError, UsageError

SECOND_NODE_HINT = (
    "Give --out a folder that every node sees under the same path (NFS, Lustre), "
    "or run on one node."
)

KNOCK_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A call that ended because its worker did.

    ``died_working`` is true where the worker process itself died (a crash, out of memory) and
    false where its node was lost: then nobody is to blame.
    """

    died_working: bool
    message: str


@contextlib.contextmanager
def session(*, address: str | None, num_cpus: int) -> Iterator[None]:
    """Join the cluster at ``address``, or start a quiet local one, for the time of the block.

    Raises:
        UsageError: there is no cluster at the address, or it refuses our token.
    """
    _prepare_environment(address)
    import ray

    if ray.is_initialized():
        yield
        return
    if address is not None:
        _check_reachable(address)
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        options |= {"num_cpus": num_cpus, "include_dashboard": False}
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _not_joined(address, error) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Knock at the door before Ray does: it knocks for minutes where nobody answers.

    Raises:
        UsageError: nothing listens there.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # "auto", or something that Ray refuses at once
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise _not_joined(address, error) from error


def _not_joined(address: str | None, error: Exception) -> UsageError:
    return UsageError(
        f"No Ray cluster could be joined at {address!r}: {error}. Check the address "
        "('ray status' on the head node), and that this machine has the cluster's token."
    )


def run_calls(
    function: Callable[..., None],
    arguments: Sequence[tuple[Any, ...]],
    *,
    num_gpus: float = 0.0,
    window_per_slot: int = 2,
) -> Iterator[tuple[int, Lost | MosdataError | None]]:
    """Call a function once per argument tuple, anywhere; yields (position, outcome) as they end.

    The outcome is None for a call that returned, the error for one that raised one of ours, and
    :class:`Lost` for one whose worker died. With ``num_gpus`` the calls run in actors that keep
    what they loaded; without, in tasks. A bounded window keeps the scheduler's queue short.

    Raises:
        BuildFailed: the function raised something that is not ours, or no node has a GPU.
    """
    import ray

    if num_gpus and not ray.cluster_resources().get("GPU"):
        raise UsageError(
            "A system of this plan needs a GPU and no node of the cluster has one. "
            "Join a cluster that has (--address), or leave the system out."
        )
    pool = _Actors(function, num_gpus) if num_gpus else _Tasks(function, window_per_slot)
    waiting = iter(enumerate(arguments))
    running: dict[Any, int] = {}
    try:
        while True:
            for position, call in islice(waiting, pool.capacity - len(running)):
                running[pool.start(call)] = position
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                outcome = _outcome(reference)
                pool.ended(reference, outcome)
                yield running.pop(reference), outcome
    finally:
        pool.close()


def num_nodes() -> int:
    """Nodes of the joined cluster that are alive."""
    import ray

    return sum(1 for node in ray.nodes() if node["Alive"])


def check_shared_folder(folder: Path) -> None:
    """Refuse a folder that only this node sees, before any work is done.

    Raises:
        UsageError: on a cluster of several nodes, one of them does not see the folder.
    """
    if num_nodes() < 2:
        return
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    probe = folder / f".seen-by-{uuid.uuid4().hex[:8]}"
    probe.write_text(socket.gethostname(), encoding="utf-8")
    try:
        look = ray.remote(num_cpus=0)(_sees)
        for node in ray.nodes():
            if not node["Alive"]:
                continue
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            if not ray.get(look.options(scheduling_strategy=strategy).remote(str(probe))):
                name = node.get("NodeManagerHostname", node["NodeID"])
                raise UsageError(f"Node {name} does not see {folder}. {SECOND_NODE_HINT}")
    finally:
        probe.unlink(missing_ok=True)


def _sees(path: str) -> bool:
    return Path(path).is_file()


class _Tasks:
    """Calls in any idle worker; some wait in Ray's queue, so that no worker waits for us."""

    def __init__(self, function: Callable[..., None], window_per_slot: int) -> None:
        import ray

        slots = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self.capacity = slots * window_per_slot
        self._task = ray.remote(num_cpus=1, max_retries=0, runtime_env=_runtime_env())(function)

    def start(self, call: tuple[Any, ...]) -> Any:
        return self._task.remote(*call)

    def ended(self, reference: Any, outcome: object) -> None:
        """Nothing to do: the worker is Ray's."""

    def close(self) -> None:
        """Nothing to do either."""


class _Actors:
    """Calls in actors that keep what they loaded, one call at a time each.

    A lost actor is replaced by us rather than restarted by Ray: calls that reach an actor while
    it restarts fail at once, and would be taken for crashes of their own.
    """

    def __init__(self, function: Callable[..., None], num_gpus: float) -> None:
        import ray

        self.capacity = max(1, int(ray.cluster_resources()["GPU"] / num_gpus))
        self._function = function
        self._class: Any = ray.remote(
            num_gpus=num_gpus, max_restarts=0, max_task_retries=0, runtime_env=_runtime_env()
        )(_Caller)
        self._idle: list[Any] = []
        self._busy: dict[Any, Any] = {}

    def start(self, call: tuple[Any, ...]) -> Any:
        actor = self._idle.pop() if self._idle else self._class.remote()
        reference = actor.call.remote(self._function, *call)
        self._busy[reference] = actor
        return reference

    def ended(self, reference: Any, outcome: object) -> None:
        import ray

        actor = self._busy.pop(reference)
        if isinstance(outcome, Lost):
            ray.kill(actor)  # where only the connection was lost, it would keep its GPU
        else:
            self._idle.append(actor)

    def close(self) -> None:
        """Give the GPUs back at once; Ray takes its time with actors that nobody names."""
        import ray

        for actor in [*self._idle, *self._busy.values()]:
            ray.kill(actor)


class _Caller:
    """An actor that owns what the functions it calls have loaded."""

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        function(*arguments)


def _outcome(reference: Any) -> Lost | MosdataError | None:
    import ray
    from ray import exceptions

    try:
        ray.get(reference)
    except exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, MosdataError):
            return cause
        raise BuildFailed(f"A worker failed: {type(cause).__name__}: {cause}") from error
    except (
        exceptions.WorkerCrashedError,
        exceptions.OutOfMemoryError,
        exceptions.ActorDiedError,
    ) as error:
        return Lost(died_working=True, message=str(error))
    except exceptions.RayError as error:
        return Lost(died_working=False, message=str(error))
    return None


def _runtime_env() -> dict[str, Any]:
    """One thread a worker, and no busy waiting beside it."""
    return {"env_vars": {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}}


def _prepare_environment(address: str | None) -> None:
    """Settings that Ray reads when it is imported or started; never overrides the user's."""
    os.environ.setdefault("RAY_SCHEDULER_EVENTS", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is None:
        # Without this, a local cluster listens on every interface of a Linux machine.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    elif (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
