"""The frames of ``adapters/worker.py`` as the parent sees them: with a deadline, never trusted."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.manifests.ids import JSON
from mosdata.synth.adapters.worker import HEAD, MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES

PIPE_BYTES: Final = 1 << 20
"""Room in a pipe, where the system grants it: an utterance goes through in one or two turns."""

LOOK_EVERY_S: Final = 0.5
"""How often we ask whether a silent worker is alive; its children may keep its pipe open."""


class WireEnded(Exception):
    """The other side closed its end, or is gone."""


class WireTimeout(Exception):
    """Nothing whole came, or could be sent, within the deadline."""


class WireBroken(Exception):
    """What came is no frame of ours, or a larger one than allowed."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One answer: what it says, and the samples that came with it."""

    header: Mapping[str, Any]
    samples: NDArray[np.float32]


class Wire:
    """Frames through two descriptors, which belong to us from now on.

    Args:
        orders: descriptor that we write to.
        answers: descriptor that we read from.
        is_alive: whether the other side still is; asked when nothing comes.
    """

    def __init__(self, orders: int, answers: int, is_alive: Callable[[], bool]) -> None:
        self._orders = orders
        self._answers = answers
        self._is_alive = is_alive
        for descriptor in (orders, answers):
            os.set_blocking(descriptor, False)
        with contextlib.suppress(OSError, AttributeError):  # Linux only, and up to a limit
            fcntl.fcntl(answers, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def send(self, header: Mapping[str, JSON], deadline: float) -> None:
        """Send an order; ``deadline`` is in seconds of ``time.monotonic``.

        Raises:
            WireTimeout, WireEnded: it could not be sent.
            WireBroken: it is larger than the other side takes.
        """
        text = json.dumps(header, separators=(",", ":")).encode()
        if len(text) > MAX_HEADER_BYTES:
            raise WireBroken(f"an order of {len(text)} bytes; allowed: {MAX_HEADER_BYTES}")
        rest = memoryview(HEAD.pack(len(text), 0) + text)
        while rest:
            self._wait(self._orders, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(self._orders, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise WireEnded from error

    def receive(self, deadline: float) -> Frame:
        """Wait for one whole frame.

        Raises:
            WireTimeout, WireEnded: there is none.
            WireBroken: what came is none.
        """
        header_bytes, payload_bytes = HEAD.unpack(self._exactly(HEAD.size, deadline))
        if header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
            raise WireBroken(
                f"a frame of {header_bytes} + {payload_bytes} bytes; "
                f"allowed: {MAX_HEADER_BYTES} + {MAX_PAYLOAD_BYTES}"
            )
        if payload_bytes % 4:
            raise WireBroken(f"a payload of {payload_bytes} bytes, which are no float32 samples")
        header = _parsed(bytes(self._exactly(header_bytes, deadline)))
        samples = np.empty(payload_bytes // 4, "<f4")
        if payload_bytes:
            self._fill(samples.view(np.uint8).data, deadline)
        return Frame(header, samples)

    def close(self) -> None:
        """Close both ends; the other side takes that as a farewell."""
        for descriptor in (self._orders, self._answers):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _exactly(self, size: int, deadline: float) -> bytearray:
        found = bytearray(size)
        self._fill(memoryview(found), deadline)
        return found

    def _fill(self, rest: memoryview, deadline: float) -> None:
        while rest:
            try:
                size = os.readv(self._answers, [rest])
            except BlockingIOError:
                self._wait(self._answers, select.POLLIN, deadline)
                continue
            if not size:
                raise WireEnded
            rest = rest[size:]

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise WireTimeout
            was_alive = self._is_alive()
            if poll.poll(1000 * min(left_s, LOOK_EVERY_S)):
                return
            if not was_alive:
                raise WireEnded


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise WireBroken(f"a header that is no JSON: {text[:40]!r}") from error
    if not isinstance(header, dict):
        raise WireBroken("a header that is no object")
    return header
