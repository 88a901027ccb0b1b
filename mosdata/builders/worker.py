"""A local worker process: ``python -m mosdata.builders.worker RUN_FOLDER``.

It reads shard numbers from standard input, one a line, and answers one JSON line a shard. A
plain child process rather than ``multiprocessing``: it never re-imports the caller's main module,
pickles nothing, and ends by itself when its driver does, however the driver ended.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import signal
import sys
import threading
import traceback
from typing import IO

from mosdata.builders.shard import close_bench, run_shard
from mosdata.errors import MosdataError


def main(folder: str) -> None:
    """Serve until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    faulthandler.register(signal.SIGUSR1)  # "where do you hang?", before the driver kills us
    answers = _private_stdout()
    shards: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_listen, args=(shards, busy), daemon=True).start()
    while (index := shards.get()) is not None:
        busy.set()
        answer = _answer(folder, index)
        busy.clear()  # before the driver knows: it may close our orders at once
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    close_bench()


def _answer(folder: str, index: int) -> dict[str, object]:
    try:
        run_shard(folder, index)
    except MosdataError as error:
        return {"shard": index, "error": type(error).__name__, "message": str(error)}
    except Exception as error:  # noqa: BLE001 - the driver decides what an error means
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        return {"shard": index, "error": type(error).__name__, "message": message}
    return {"shard": index}


def _private_stdout() -> IO[str]:
    """Keep the answering channel to ourselves: engines print to standard output freely."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _listen(shards: queue.SimpleQueue[int | None], busy: threading.Event) -> None:
    """Pass orders on; leave at once when the driver is gone in the middle of a shard."""
    for line in sys.stdin:
        shards.put(int(line))
    if busy.is_set():
        os._exit(1)
    shards.put(None)


if __name__ == "__main__":
    main(sys.argv[1])
