"""Plain functions, called once per argument tuple on whatever the cluster has."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Needs:
    """What a call needs of the worker that makes it.

    A call that needs no GPU may go anywhere. Others go to actors, each of which holds what calls
    of one ``key`` have loaded; ``num_gpus`` is the share of a GPU that this takes.
    """

    num_gpus: float = 0.0
    key: str = ""


def run_calls(
    function: Callable[..., None],
    arguments: Sequence[tuple[Any, ...]],
    *,
    needs: Needs | Sequence[Needs] = Needs(),
    where: str | None = None,
    window_per_slot: int = 2,
    tells_waiting: bool = False,
    farewell: Callable[[], None] | None = None,
) -> Generator[tuple[int, Lost | MosdataError | None] | None, None, None]:
    """Call a function once per argument tuple, anywhere; yields (position, outcome) as they end.

    The outcome is None for a call that returned, the error for one that raised one of ours, and
    :class:`Lost` for one whose worker died. Calls that need a GPU run in actors that keep what
    they loaded; the others, at the same time, in tasks. A bounded window keeps the scheduler's
    queue short; it grows when nodes join. Calls that still run when the iterator is closed are
    cancelled.

    Args:
        function: what to call; it returns nothing.
        arguments: one tuple a call.
        needs: what each call needs, or all of them.
        where: name of a custom resource; only nodes that offer it are given calls.
        window_per_slot: calls under way or in the scheduler's queue, per core.
        tells_waiting: yield None, too, whenever no call has ended for some seconds.
        farewell: called in an actor that is given no more calls, to put things away.

    Raises:
        BuildFailed: the function raised something that is not ours.
        UsageError: no node has a GPU, or none has a processor for us.
    """
    import ray

    each = [needs] * len(arguments) if isinstance(needs, Needs) else needs
    calls = [_Call(i, call, n) for i, (call, n) in enumerate(zip(arguments, each, strict=True))]
    anywhere = [call for call in calls if not call.needs.num_gpus]
    on_gpus = [call for call in calls if call.needs.num_gpus]
    pools: list[_Tasks | _Actors] = []
    if on_gpus:
        pools.append(_Actors(function, on_gpus, _Supply("GPU", where), farewell))
    if anywhere:
        pools.append(_Tasks(function, anywhere, _Supply("CPU", where), window_per_slot))
    _OPEN.extend(pools)
    try:
        while True:
            for pool in pools:
                pool.fill()
            owners = {reference: pool for pool in pools for reference in pool.running}
            if not owners:
                return
            done, _ = ray.wait(list(owners), num_returns=1, timeout=RESCAN_S)
            if not done and tells_waiting:
                yield None
            for reference in done:
                outcome = _outcome(reference)
                owners[reference].ended(reference, outcome)
                yield owners[reference].running.pop(reference), outcome
    finally:
        for pool in pools:
            _close(pool)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call that waits, and where its outcome belongs."""

    position: int
    arguments: tuple[Any, ...]
    needs: Needs


def cancel_all() -> None:
    """Cancel what runs, where an iterator of :func:`run_calls` was left without being closed."""
    while _OPEN:
        _close(_OPEN[-1])


class _Supply:
    """How much of a resource the cluster has; asked now and then, since nodes come and go."""

    def __init__(self, resource: str, where: str | None) -> None:
        self.resource = resource
        self.where = where
        self._amount = 0.0
        self._asked = float("-inf")

    def refuse_empty(self) -> None:
        """Refuse to wait for what nobody has.

        Raises:
            UsageError: no node offers it.
        """
        if self.amount() > 0:
            return
        place = f" that offers {self.where!r}" if self.where else ""
        if self.resource == "GPU":
            raise UsageError(
                f"A system of this plan needs a GPU and no node of the cluster{place} has one. "
                "Join a cluster that has (--address), or leave the system out."
            )
        raise UsageError(
            f"No node of the cluster{place} has a processor for us. "
            "Start a worker ('ray start --address=HEAD:6379' on it) and run this again."
        )

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
        self,
        function: Callable[..., None],
        calls: Sequence[_Call],
        supply: _Supply,
        window_per_slot: int,
    ) -> None:
        import ray

        supply.refuse_empty()
        self.running: dict[Any, int] = {}
        self._waiting = deque(calls)
        self._cores = supply
        self._window = window_per_slot
        self._task: Any = ray.remote(
            num_cpus=1,
            resources=supply.label(),
            max_retries=0,
            runtime_env=worker_environment(),
        )(function)

    def fill(self) -> None:
        """Start calls until as many are under way, or in Ray's queue, as there is room for."""
        room = max(1, int(self._cores.amount())) * self._window
        while self._waiting and len(self.running) < room:
            call = self._waiting.popleft()
            self.running[self._task.remote(*call.arguments)] = call.position

    def ended(self, reference: Any, outcome: object) -> None:
        """Nothing to do: the worker is Ray's."""

    def close(self) -> None:
        """Ask what still runs to stop, and kill what does not."""
        import ray

        if not self.running:
            return
        _cancel(self.running, force=False)
        _, deaf = ray.wait(list(self.running), num_returns=len(self.running), timeout=GRACE_S)
        _cancel(deaf, force=True)


@dataclass(frozen=True, slots=True)
class _Actor:
    """An actor, and what it holds."""

    handle: Any
    needs: Needs


class _Actors:
    """Calls in actors that keep what they loaded, one call at a time each.

    An actor is given calls of the key that it holds, as long as there are any; then it leaves, and
    its share of a GPU goes to the key with most calls waiting for each actor that holds it. So
    what a key needs is loaded once in an actor, and in as few of them as keep the GPUs busy.

    A lost actor is replaced by us rather than restarted by Ray: calls that reach an actor while
    it restarts fail at once, and would be taken for crashes of their own.
    """

    def __init__(
        self,
        function: Callable[..., None],
        calls: Sequence[_Call],
        supply: _Supply,
        farewell: Callable[[], None] | None,
    ) -> None:
        supply.refuse_empty()
        self.running: dict[Any, int] = {}
        self._gpus = supply
        self._function = function
        self._farewell = farewell
        self._waiting: dict[Needs, deque[_Call]] = {}
        for call in calls:
            self._waiting.setdefault(call.needs, deque()).append(call)
        self._idle: list[_Actor] = []
        self._busy: dict[Any, _Actor] = {}
        self._leaving: dict[Any, _Actor] = {}

    def fill(self) -> None:
        """Give idle actors what they hold, let others go, start new ones where there is room."""
        self._bury()
        idle, self._idle = self._idle, []
        for actor in idle:
            if self._waiting.get(actor.needs):
                self._start(actor)
            else:
                self._dismiss(actor)
        while (needs := self._most_wanted()) is not None and self._has_room(needs):
            self._start(_Actor(self._hired(needs), needs))

    def ended(self, reference: Any, outcome: object) -> None:
        """The actor is free, or lost."""
        import ray

        actor = self._busy.pop(reference)
        if isinstance(outcome, Lost):
            ray.kill(actor.handle)  # where only the connection was lost, it would keep its GPU
        else:
            self._idle.append(actor)

    def close(self) -> None:
        """Give the GPUs back at once; Ray takes its time with actors that nobody names."""
        import ray

        for actor in self._idle:
            self._dismiss(actor)
        if self._leaving:
            ray.wait(list(self._leaving), num_returns=len(self._leaving), timeout=GRACE_S)
        for actor in [*self._leaving.values(), *self._busy.values()]:
            ray.kill(actor.handle)

    def _start(self, actor: _Actor) -> None:
        call = self._waiting[actor.needs].popleft()
        reference = actor.handle.call.remote(self._function, *call.arguments)
        self._busy[reference] = actor
        self.running[reference] = call.position

    def _dismiss(self, actor: _Actor) -> None:
        """Let it put its things away; its GPU is free when it has."""
        import ray

        if self._farewell is None:
            ray.kill(actor.handle)
        else:
            self._leaving[actor.handle.call.remote(self._farewell)] = actor

    def _bury(self) -> None:
        import ray

        if not self._leaving:
            return
        patience_s = 0.0 if self._busy else GRACE_S  # nobody else would wake us up
        gone, _ = ray.wait(list(self._leaving), num_returns=len(self._leaving), timeout=patience_s)
        for reference in gone or (() if self._busy else list(self._leaving)):
            ray.kill(self._leaving.pop(reference).handle)

    def _most_wanted(self) -> Needs | None:
        """The key with most waiting calls for each actor that holds it; the first among equals."""
        holders = Counter(actor.needs for actor in self._busy.values())
        wanted = {n: len(calls) / (1 + holders[n]) for n, calls in self._waiting.items() if calls}
        return max(wanted, key=wanted.__getitem__, default=None)

    def _has_room(self, needs: Needs) -> bool:
        """Whether the GPUs, filled one after the other, hold one more; always one actor."""
        there = [*self._busy.values(), *self._leaving.values()]
        if not there:
            return True
        shares = sorted((a.needs.num_gpus for a in there), reverse=True)
        return _fit([*shares, needs.num_gpus], int(self._gpus.amount()))

    def _hired(self, needs: Needs) -> Any:
        import ray

        return ray.remote(
            num_gpus=needs.num_gpus,
            resources=self._gpus.label(),
            max_restarts=0,
            max_task_retries=0,
            runtime_env=worker_environment(),
        )(_Caller).remote()


def _fit(shares: Sequence[float], num_gpus: int) -> bool:
    """Whether shares of single GPUs, and whole ones, can be had at the same time.

    Example:
        >>> _fit([0.5, 0.5], 1), _fit([0.6, 0.6], 1), _fit([2.0, 0.5], 3)
        (True, False, True)
    """
    left = [1.0] * num_gpus
    for share in sorted(shares, reverse=True):
        if share > 1:  # these come first, when all are whole
            if len(left) < share:
                return False
            del left[: int(share)]
            continue
        room = next((i for i, rest in enumerate(left) if rest + 1e-6 >= share), None)
        if room is None:
            return False
        left[room] -= share
    return True


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
