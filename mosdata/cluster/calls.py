"""Plain functions, called once per argument tuple on whatever the cluster has."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from mosdata.cluster.travel import worker_environment
from mosdata.errors import BuildFailed, MosdataError, UsageError

RESCAN_S: Final = 2.0
"""How often we ask whether nodes have joined or left."""

GRACE_S: Final = 3.0
"""What a cancelled call gets to put its things away before its worker is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A call that ended because its worker did.

    ``died_working`` is true where the worker process itself died (a crash, out of memory) and
    false where its node was lost: then nobody is to blame.
    """

    died_working: bool
    message: str


def run_calls(
    function: Callable[..., None],
    arguments: Sequence[tuple[Any, ...]],
    *,
    num_gpus: float = 0.0,
    where: str | None = None,
    window_per_slot: int = 2,
    tells_waiting: bool = False,
) -> Generator[tuple[int, Lost | MosdataError | None] | None, None, None]:
    """Call a function once per argument tuple, anywhere; yields (position, outcome) as they end.

    The outcome is None for a call that returned, the error for one that raised one of ours, and
    :class:`Lost` for one whose worker died. With ``num_gpus`` the calls run in actors that keep
    what they loaded; without, in tasks. A bounded window keeps the scheduler's queue short; it
    grows when nodes join. Calls that still run when the iterator is closed are cancelled.

    Args:
        function: what to call; it returns nothing.
        arguments: one tuple a call.
        num_gpus: share of a GPU for each actor; 0 means tasks of one core each.
        where: name of a custom resource; only nodes that offer it are given calls.
        window_per_slot: calls under way or in the scheduler's queue, per core.
        tells_waiting: yield None, too, whenever no call has ended for some seconds.

    Raises:
        BuildFailed: the function raised something that is not ours.
        UsageError: no node has a GPU, or none has a processor for us.
    """
    import ray

    supply = _Supply("GPU" if num_gpus else "CPU", where)
    _refuse_empty(supply)
    pool = (
        _Actors(function, supply, num_gpus)
        if num_gpus
        else _Tasks(function, supply, window_per_slot)
    )
    waiting = iter(enumerate(arguments))
    _OPEN.append(pool)
    try:
        while True:
            for position, call in islice(waiting, max(0, pool.capacity() - len(pool.running))):
                pool.running[pool.start(call)] = position
            if not pool.running:
                return
            done, _ = ray.wait(list(pool.running), num_returns=1, timeout=RESCAN_S)
            if not done and tells_waiting:
                yield None
            for reference in done:
                outcome = _outcome(reference)
                pool.ended(reference, outcome)
                yield pool.running.pop(reference), outcome
    finally:
        _close(pool)


def cancel_all() -> None:
    """Cancel what runs, where an iterator of :func:`run_calls` was left without being closed."""
    while _OPEN:
        _close(_OPEN[-1])


def _refuse_empty(supply: _Supply) -> None:
    if supply.amount() > 0:
        return
    place = f" that offers {supply.where!r}" if supply.where else ""
    if supply.resource == "GPU":
        raise UsageError(
            f"A system of this plan needs a GPU and no node of the cluster{place} has one. "
            "Join a cluster that has (--address), or leave the system out."
        )
    raise UsageError(
        f"No node of the cluster{place} has a processor for us. "
        "Start a worker ('ray start --address=HEAD:6379' on it) and run this again."
    )


class _Supply:
    """How much of a resource the cluster has; asked now and then, since nodes come and go."""

    def __init__(self, resource: str, where: str | None) -> None:
        self.resource = resource
        self.where = where
        self._amount = 0.0
        self._asked = float("-inf")

    def amount(self) -> float:
        """Total on the nodes in question, busy or not."""
        import ray

        if time.monotonic() - self._asked > RESCAN_S:
            offers = (node["Resources"] for node in ray.nodes() if node["Alive"])
            ours = (offer for offer in offers if self.where is None or self.where in offer)
            self._amount = float(sum(offer.get(self.resource, 0.0) for offer in ours))
            self._asked = time.monotonic()
        return self._amount

    def label(self) -> dict[str, float]:
        """What a call asks for to be placed there: so little that it limits nothing."""
        return {} if self.where is None else {self.where: 0.001}


class _Tasks:
    """Calls in any idle worker; some wait in Ray's queue, so that no worker waits for us."""

    def __init__(
        self, function: Callable[..., None], supply: _Supply, window_per_slot: int
    ) -> None:
        import ray

        self.running: dict[Any, int] = {}
        self._cores = supply
        self._window = window_per_slot
        self._task: Any = ray.remote(
            num_cpus=1,
            resources=supply.label(),
            max_retries=0,
            runtime_env=worker_environment(),
        )(function)

    def capacity(self) -> int:
        """Calls that may be under way or in Ray's queue."""
        return max(1, int(self._cores.amount())) * self._window

    def start(self, call: tuple[Any, ...]) -> Any:
        return self._task.remote(*call)

    def ended(self, reference: Any, outcome: object) -> None:
        """Nothing to do: the worker is Ray's."""

    def close(self) -> None:
        """Ask what still runs to stop, and kill what does not."""
        import ray

        _cancel(self.running, force=False)
        _, deaf = ray.wait(list(self.running), num_returns=len(self.running), timeout=GRACE_S)
        _cancel(deaf, force=True)


class _Actors:
    """Calls in actors that keep what they loaded, one call at a time each.

    A lost actor is replaced by us rather than restarted by Ray: calls that reach an actor while
    it restarts fail at once, and would be taken for crashes of their own.
    """

    def __init__(self, function: Callable[..., None], supply: _Supply, num_gpus: float) -> None:
        import ray

        self.running: dict[Any, int] = {}
        self._gpus = supply
        self._share = num_gpus
        self._function = function
        self._class: Any = ray.remote(
            num_gpus=num_gpus,
            resources=supply.label(),
            max_restarts=0,
            max_task_retries=0,
            runtime_env=worker_environment(),
        )(_Caller)
        self._idle: list[Any] = []
        self._busy: dict[Any, Any] = {}

    def capacity(self) -> int:
        """Actors that the GPUs of the cluster can hold."""
        return max(1, int(self._gpus.amount() / self._share))

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


_OPEN: Final[list[_Tasks | _Actors]] = []
"""Pools whose iterator is not finished. A generator that Ctrl-C left behind is closed when the
interpreter finds the time, which may be after Ray is gone."""


def _close(pool: _Tasks | _Actors) -> None:
    import ray

    if pool not in _OPEN:
        return
    _OPEN.remove(pool)
    if ray.is_initialized() and (pool.running or isinstance(pool, _Actors)):
        pool.close()


def _cancel(references: Collection[Any], *, force: bool) -> None:
    import ray

    for reference in references:
        ray.cancel(reference, force=force, recursive=True)


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
        # An actor that went down with its node says so in words only.
        return Lost(died_working="node has died" not in str(error), message=str(error))
    except exceptions.RayError as error:
        return Lost(died_working=False, message=str(error))
    return None
