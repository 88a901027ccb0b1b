"""The process that an engine lives in: ``PYTHON worker.py ADAPTER``, in the engine's environment.

One file, executed by path, standard library only: neither mosdata nor Ray is installed where it
runs. ``ADAPTER`` is a module of this folder, or the path of somebody's own ``.py`` file.

Frames in both directions, little endian::

    u32 length of the header | u32 length of the payload | header, a JSON object | payload

Orders come in on what was standard input, answers leave on what was standard output. Both are
taken away before anything is imported, so that what an engine prints goes to standard error. An
order has ``id`` and ``op``:

=========  ==========================  ==========================================================
hello      protocol                    protocol, adapter, adapter_version, python, pid
describe   options                     sample_rate_hz, voices, fingerprint; nothing is loaded
load                                   the same, with the model loaded
add_voice  voice
synth      requests, a list            for each, at once: index, sample_rate_hz, num_samples,
                                       flags, elapsed_s, memory; float32 samples as payload
canaries                               canaries
ping                                   memory, num_done
shutdown                               the process ends after its answer
=========  ==========================  ==========================================================

An answer has the ``id`` of its order and either what is above or ``error``: ``kind`` (``rejected``,
``load_failed``, ``failed``, ``protocol``), ``reason``, ``message``, ``traceback`` and ``fatal``;
after a fatal error the process ends. It also ends when its orders end and, with ``--lifeline``,
when its parent does, whatever it is doing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROTOCOL = 1
HEAD = struct.Struct("<II")
MAX_HEADER_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 256 << 20

STAND_INS = ("mosdata", "mosdata.synth", "mosdata.synth.adapters")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1", "")
TRACEBACK_CHARS = 4_000

Json = dict[str, Any]


class ProtocolError(Exception):
    """What came is no frame of ours."""


class Refused(Exception):
    """An order that cannot be carried out as it is."""


class Channel:
    """Frames in and out, in one thread: an order that changes hands costs a turn of the machine."""

    def __init__(self, orders: int, answers: int) -> None:
        self._orders = os.fdopen(orders, "rb", buffering=0)
        self._answers = answers

    def read(self) -> Json | None:
        """The next order; None at the end.

        Raises:
            ProtocolError: no frame, or one that is larger than allowed.
        """
        head = self._exactly(HEAD.size, may_end=True)
        if not head:
            return None
        header_bytes, payload_bytes = HEAD.unpack(head)
        if header_bytes > MAX_HEADER_BYTES or payload_bytes:
            raise ProtocolError(f"an order of {header_bytes} + {payload_bytes} bytes")
        try:
            order = json.loads(self._exactly(header_bytes))
        except ValueError as error:
            raise ProtocolError(f"an order that is no JSON: {error}") from error
        if not isinstance(order, dict):
            raise ProtocolError("an order that is no object")
        return order

    def write(self, header: Json, payload: memoryview | bytes = b"") -> None:
        """Send an answer, all of it."""
        text = json.dumps(header, separators=(",", ":")).encode()
        size = memoryview(payload).nbytes
        if len(text) > MAX_HEADER_BYTES or size > MAX_PAYLOAD_BYTES:
            text, payload, size = _too_large(header, len(text), size), b"", 0
        parts = [memoryview(HEAD.pack(len(text), size) + text)]
        if size:
            parts.append(memoryview(payload).cast("B"))
        while parts:
            written = os.writev(self._answers, parts)
            while parts and written >= len(parts[0]):
                written -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][written:]

    def _exactly(self, size: int, may_end: bool = False) -> bytes:
        found = bytearray()
        while len(found) < size:
            part = self._orders.read(size - len(found))
            if not part:
                if may_end and not found:
                    return b""
                raise ProtocolError("the orders end within a frame")
            found += part
        return bytes(found)


def _too_large(header: Json, header_bytes: int, payload_bytes: int) -> bytes:
    """Header of the error that is sent in place of an answer larger than allowed."""
    given, allowed = header_bytes + payload_bytes, MAX_HEADER_BYTES + MAX_PAYLOAD_BYTES
    message = f"An answer of {given} bytes; allowed: {allowed}."
    error = {"kind": "rejected", "reason": "audio_too_long", "message": message}
    kept = {key: header[key] for key in ("id", "index") if key in header}
    return json.dumps({**kept, "error": {**error, "traceback": "", "fatal": False}}).encode()


class Host:
    """Carries out orders with one adapter."""

    def __init__(self, name: str, channel: Channel) -> None:
        self._name = name
        self._channel = channel
        self._module: Any = None
        self._adapter: Any = None
        self._options: Json = {}
        self._num_done = 0

    def serve(self, order: Json) -> bool:
        """Answer one order; False where it was the last."""
        operations: dict[str, Callable[[Json], Json | None]] = {
            "hello": self._hello,
            "describe": self._describe,
            "load": self._load,
            "add_voice": self._add_voice,
            "synth": self._synth,
            "canaries": self._canaries,
            "ping": self._ping,
            "shutdown": self._shutdown,
        }
        op = str(order.get("op"))
        try:
            answer = operations.get(op, self._unknown)(order)
            if answer is not None:
                self._channel.write({"id": order.get("id"), **answer})
        except BaseException as error:  # noqa: BLE001 - even SystemExit is the engine's, not ours
            return self._tell(order, error)
        return op != "shutdown"

    def _unknown(self, order: Json) -> Json:
        raise Refused(f"no operation is called {order.get('op')!r}")

    def _hello(self, order: Json) -> Json:
        if order.get("protocol") != PROTOCOL:
            given = order.get("protocol")
            raise Refused(f"protocol {given!r}; this worker speaks {PROTOCOL}")
        self._module = _import_adapter(self._name)
        return {
            "protocol": PROTOCOL,
            "adapter": _adapter_name(self._name),
            "adapter_version": self._module.VERSION,
            "python": ".".join(map(str, sys.version_info[:3])),
            "pid": os.getpid(),
        }

    def _describe(self, order: Json) -> Json:
        if self._adapter is None:
            self._options = dict(order["options"])
            self._adapter = self._module.build(dict(self._options))
        return self._description()

    def _description(self) -> Json:
        from mosdata.synth.adapters.kit import python_version, weight_digest

        said = dict(self._adapter.describe())
        name = _adapter_name(self._name)
        fingerprint = {
            "adapter": f"{name}/{self._module.VERSION}",
            "python": python_version(),
            **said["fingerprint"],
        }
        if self._name.endswith(".py"):  # users' own, who may forget what they changed
            fingerprint["adapter_file"] = weight_digest(self._name, whole=True)
            fingerprint.setdefault("weights", _weights(self._options.get("model_dir")))
        return {
            "sample_rate_hz": int(said["sample_rate_hz"]),
            "voices": [dict(voice) for voice in said["voices"]],
            "fingerprint": fingerprint,
        }

    def _load(self, order: Json) -> Json:
        del order
        started = time.monotonic()
        self._adapter.load()
        return {**self._description(), "elapsed_s": time.monotonic() - started, **_memory()}

    def _add_voice(self, order: Json) -> Json:
        self._adapter.add_voice(order["voice"])
        return {}

    def _synth(self, order: Json) -> None:
        for index, request in enumerate(order["requests"]):
            about = {"id": order.get("id"), "index": index}
            started = time.monotonic()
            try:
                header, samples = self._spoken(request)
            except BaseException as error:
                if not self._tell(about, error):
                    raise SystemExit(1) from error
                continue
            self._num_done += 1
            header["elapsed_s"] = time.monotonic() - started
            self._channel.write({**about, **header, **_memory()}, samples)

    def _spoken(self, request: Json) -> tuple[Json, memoryview | bytes]:
        import numpy as np

        said = self._adapter.synthesize(request)
        samples = np.asarray(said["samples"])
        if samples.ndim != 1 or samples.dtype.kind not in "fiu":
            given = f"{samples.dtype} array of shape {samples.shape}"
            raise Refused(f"the adapter made a {given}, not float32 of one dimension")
        samples = np.ascontiguousarray(samples, dtype="<f4")
        header = {
            "sample_rate_hz": int(said["sample_rate_hz"]),
            "num_samples": len(samples),
            "flags": [str(flag) for flag in said.get("flags", ())],
        }
        return header, samples.data if len(samples) else b""

    def _canaries(self, order: Json) -> Json:
        del order
        return {"canaries": [dict(canary) for canary in self._adapter.canaries()]}

    def _ping(self, order: Json) -> Json:
        del order
        return {"num_done": self._num_done, **_memory()}

    def _shutdown(self, order: Json) -> Json:
        del order
        return {}

    def _tell(self, about: Json, error: BaseException) -> bool:
        """Answer with an error; False where the process has to end after it."""
        described = _described(error)
        if described["kind"] not in ("rejected", "protocol"):
            traceback.print_exception(type(error), error, error.__traceback__)
        kept: Json = {key: about[key] for key in ("id", "index") if key in about}
        self._channel.write({**kept, "error": described})
        return not described["fatal"]


def _described(error: BaseException) -> Json:
    kind = "failed"
    names = {cls.__name__ for cls in type(error).__mro__}
    if "Rejected" in names and hasattr(error, "reason"):
        kind = "rejected"
    elif "LoadFailed" in names:
        kind = "load_failed"
    elif isinstance(error, Refused):
        kind = "protocol"
    message = str(error) if kind != "failed" else f"{type(error).__name__}: {error}"
    return {
        "kind": kind,
        "reason": str(getattr(error, "reason", "engine_failed")),
        "message": message[:TRACEBACK_CHARS],
        "traceback": "".join(traceback.format_exception(type(error), error, error.__traceback__))[
            -TRACEBACK_CHARS:
        ],
        "fatal": bool(getattr(error, "fatal", False)) or _spoils_device(error),
    }


def _spoils_device(error: BaseException) -> bool:
    """Whether all that this process would still do on its GPU fails too."""
    text = str(error)
    sticky = ("device-side assert", "illegal memory access", "CUDA error", "unspecified launch")
    return type(error).__name__ == "AcceleratorError" or any(sign in text for sign in sticky)


def _import_adapter(name: str) -> Any:
    from importlib import import_module, util

    if not name.endswith(".py"):
        return import_module("mosdata.synth.adapters." + name)
    spec = util.spec_from_file_location("mosdata_own_adapter", name)
    if spec is None or spec.loader is None or not Path(name).is_file():
        raise Refused(f"there is no file {name}")
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _weights(folder: str | None) -> dict[str, str]:
    """Digests of the files of a model folder; the first thousand, by name."""
    from mosdata.synth.adapters.kit import weight_digest

    if not folder or not Path(folder).is_dir():
        return {}
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())[:1000]
    return {path.relative_to(folder).as_posix(): weight_digest(str(path)) for path in files}


def _adapter_name(name: str) -> str:
    return Path(name).stem


def _memory() -> Json:
    """What this process holds, in bytes, of memory and of the GPU."""
    held = {"memory_bytes": _resident_bytes()}
    torch: Any = sys.modules.get("torch")
    with contextlib.suppress(Exception):
        if torch is not None and torch.cuda.is_initialized():
            held["gpu_bytes"] = int(torch.cuda.memory_reserved())
    return held


def _resident_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _stand_ins() -> None:
    """Let adapters import each other by their full names, where there is no mosdata.

    The folder itself is never on the import path: ``cosyvoice.py`` in it would hide upstream's
    package of that name. Where mosdata is installed, none of it is imported either.
    """
    from types import ModuleType

    folder = str(Path(__file__).resolve().parent)
    for name in STAND_INS:
        module = ModuleType(name)
        module.__path__ = [folder] if name == STAND_INS[-1] else []
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def _stay_at_home() -> None:
    """Refuse connections to other machines: no engine downloads what nobody asked for."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            address = arguments[1]
            host = address[0] if isinstance(address, tuple) else ""
        elif event == "socket.getaddrinfo":
            host = arguments[0]
        else:
            return
        if isinstance(host, bytes):
            host = host.decode(errors="replace")
        if isinstance(host, str) and host not in LOCAL_HOSTS:
            raise PermissionError(
                f"Engines are offline, and this one asked for {host}. 'network = true' in "
                "engines.toml allows it."
            )

    sys.addaudithook(audit)


def _end_with_parent(lifeline: int) -> None:
    """Have the kernel end this process group when nobody holds the other end of a pipe.

    A thread that waits for that end does the same, for systems whose pipes send no signal; it
    could not run while C code holds the interpreter.
    """
    import fcntl

    threading.Thread(target=_wait_for_the_end, args=(lifeline,), daemon=True).start()
    if hasattr(fcntl, "F_SETOWN") and hasattr(os, "O_ASYNC"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgid(0))
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)


def _wait_for_the_end(lifeline: int) -> None:
    os.read(lifeline, 1)
    _end_all()


def _end_all() -> None:
    """End this process, and what it has started where the group is ours."""
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main(arguments: list[str]) -> None:
    """Serve one adapter until told to stop, or until the orders end.

    Args:
        arguments: adapter; then, optionally, ``--lifeline FD`` and ``--network``.
    """
    channel = Channel(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    import faulthandler

    faulthandler.enable(all_threads=False)
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is our parent's to handle
    if "--lifeline" in arguments:
        _end_with_parent(int(arguments[arguments.index("--lifeline") + 1]))
    if "--network" not in arguments:
        _stay_at_home()
    _stand_ins()
    host = Host(arguments[0], channel)
    try:
        while (order := channel.read()) is not None:
            if not host.serve(order):
                sys.stderr.flush()
                os._exit(0)  # engines leave threads behind that would keep us waiting
    except ProtocolError as error:
        print(f"worker: {error}", file=sys.stderr, flush=True)  # noqa: T201
    _end_all()


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    main(sys.argv[1:])
