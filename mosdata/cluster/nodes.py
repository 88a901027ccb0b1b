"""What the nodes of a cluster have, and whether they can work together."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mosdata import __version__
from mosdata.errors import UsageError

SECOND_NODE_HINT: Final = (
    "Give --out a folder that every node sees under the same path (NFS, Lustre), "
    "or run on one node."
)

ANSWER_S: Final = 60.0
"""How long a node may take to start a worker and look; a loaded machine needs its time."""

NETWORK_FOLDER_S: Final = 5.0
"""How long a file from another node may take to appear (NFS asks every few seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node as its own worker describes it; what could not be asked is None.

    ``trouble`` is None where a worker of the node answered, else why not. ``folder_trouble`` is
    None where the folder in question can be used from there.
    """

    name: str
    cpus: float
    gpus: float
    resources: tuple[str, ...] = ()
    python: str | None = None
    ray: str | None = None
    mosdata: str | None = None
    trouble: str | None = None
    folder_trouble: str | None = None


def num_nodes() -> int:
    """Nodes of the joined cluster that are alive."""
    import ray

    return sum(1 for node in ray.nodes() if node["Alive"])


def check_shared_folder(folder: Path) -> None:
    """Refuse a folder that only this node sees, before any work is done.

    Every node that can work reads what we write there, writes what we read, and does what
    receipts need: link a file where there is none, and fail where there is one.

    Raises:
        UsageError: names the nodes that cannot work with the folder, or not with us.
    """
    refuse_strangers(survey(folder, workers_only=True), folder)


def refuse_strangers(nodes: Sequence[Node], folder: Path) -> None:
    """Say which nodes cannot take part, and why.

    Raises:
        UsageError: a node does not answer, has another mosdata, or does not share the folder.
    """
    if troubled := [f"{node.name}: {node.trouble}" for node in nodes if node.trouble]:
        raise UsageError(
            f"{_count(troubled)} of the cluster cannot work for us ({'; '.join(troubled)}). "
            "Each has to answer, and to have the same mosdata in the environment that runs Ray."
        )
    if others := [f"{n.name} has {n.mosdata}" for n in nodes if n.mosdata != __version__]:
        raise UsageError(
            f"mosdata {__version__} is here, and {'; '.join(others)}. Two versions in one "
            "dataset would not be reproducible: install the same one on every node."
        )
    if blind := [f"{n.name}: {n.folder_trouble}" for n in nodes if n.folder_trouble]:
        raise UsageError(
            f"{_count(blind)} of the cluster cannot use {folder} ({'; '.join(blind)}). "
            f"{SECOND_NODE_HINT}"
        )


def _count(nodes: Sequence[str]) -> str:
    return "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"


def survey(
    folder: Path | None = None, *, workers_only: bool = False, patience_s: float = ANSWER_S
) -> list[Node]:
    """Ask a worker on every living node what it is and, with a folder, what it can do there.

    Args:
        folder: one that this process can write to.
        workers_only: leave out nodes that offer neither processors nor GPUs, such as a head.
        patience_s: how long to wait for all of them together.
    """
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    if workers_only:
        alive = [node for node in alive if {"CPU", "GPU"} & {*node["Resources"]}]
    with _probe_in(folder) as probe:
        asked = {_ask(node, probe): node for node in alive}
        ray.wait(list(asked), num_returns=len(asked), timeout=patience_s)
        return [
            _seen_from_here(_described(node, _answer(reference)), probe.reply_of(node["NodeID"]))
            for reference, node in asked.items()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Probe:
    """A file that we wrote for the nodes to find. Without a path there is nothing to find."""

    path: Path | None = None
    text: str = ""

    def reply_of(self, name: str) -> Path | None:
        """Where the worker on a node leaves its own file."""
        return None if self.path is None else self.path.with_name(f"{self.path.name}.{name}")


@contextlib.contextmanager
def _probe_in(folder: Path | None) -> Iterator[_Probe]:
    if folder is None:
        yield _Probe()
        return
    path = folder / f".seen-{uuid.uuid4().hex[:12]}"
    probe = _Probe(path=path, text=uuid.uuid4().hex)
    try:
        path.write_text(probe.text, encoding="utf-8")
        yield probe
    finally:
        for left in folder.glob(f"{path.name}*"):
            left.unlink(missing_ok=True)


def _ask(node: dict[str, Any], probe: _Probe) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    # Without an environment of its own: a worker that idles there can answer at once.
    look: Any = ray.remote(_looker()).options(num_cpus=0, max_retries=0, scheduling_strategy=where)
    reply = probe.reply_of(node["NodeID"])
    return look.remote(str(probe.path or ""), probe.text, str(reply or ""))


def _looker() -> Callable[[str, str, str], dict[str, str | None]]:
    """The function that looks around; made here so that it travels whole.

    A module's function travels by name, and could not say that the module is missing.
    """

    def look(probe: str, text: str, reply: str) -> dict[str, str | None]:
        import os
        import platform
        from importlib import import_module
        from pathlib import Path

        def version_of(name: str) -> str | None:
            try:
                return str(import_module(name).__version__)
            except ImportError:
                return None

        def trouble_with_folder() -> str | None:
            mine, linked = Path(reply), Path(f"{reply}.link")
            try:
                if Path(probe).read_text(encoding="utf-8") != text:
                    return "sees another file there"
            except OSError:
                return "does not see it"
            try:
                with mine.open("x", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(mine, linked)
                linked = linked.replace(f"{reply}.moved")
            except OSError as error:
                return f"cannot write, link and rename there ({error.strerror})"
            try:
                os.link(mine, linked)
            except FileExistsError:
                return None
            return "may link over a file that exists"

        return {
            "python": platform.python_version(),
            "ray": version_of("ray"),
            "mosdata": version_of("mosdata"),
            "folder_trouble": trouble_with_folder() if probe else None,
        }

    return look


def _answer(reference: Any) -> dict[str, Any] | str:
    """What the worker said, or why it said nothing."""
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    try:
        answer: dict[str, Any] = ray.get(reference, timeout=0)
    except GetTimeoutError:
        ray.cancel(reference, force=True)
        return "does not answer"
    except RayError as error:
        return str(error).strip().splitlines()[-1]
    return answer


def _described(node: dict[str, Any], answer: dict[str, Any] | str) -> Node:
    resources = node["Resources"]
    name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:6]})"
    own = (key for key in resources if ":" not in key)
    standard = {"CPU", "GPU", "memory", "object_store_memory"}
    here: dict[str, Any] = {
        "name": name,
        "cpus": resources.get("CPU", 0.0),
        "gpus": resources.get("GPU", 0.0),
        "resources": tuple(sorted({*own} - standard)),
    }
    if isinstance(answer, str):
        return Node(**here, trouble=answer)
    missing = None if answer["mosdata"] else "mosdata is not installed there"
    return Node(**here, **answer, trouble=missing)


def _seen_from_here(node: Node, reply: Path | None) -> Node:
    """The same node, after a look at the file that it says it wrote."""
    if reply is None or node.trouble or node.folder_trouble:
        return node
    deadline = time.monotonic() + NETWORK_FOLDER_S
    while not reply.exists():
        if time.monotonic() > deadline:
            return replace(node, folder_trouble="what it writes there does not appear here")
        time.sleep(0.05)
    return node
