"""An adapter that misbehaves on demand: the text says how. Runs in an environment of its own."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

VERSION = 3
RATE = 24000


def build(options):
    """What the worker asks for first."""
    if options.get("build") == "raise":
        raise ValueError("no such option")
    return Adapter(options)


class Adapter:
    """White noise whose length is that of the text."""

    def __init__(self, options):
        self.options = options
        self.is_loaded = False
        self.voices = {}
        self.num_spoken = 0
        self.hoard = []

    def describe(self):
        """Facts, with noise on standard output."""
        sys.stdout.write("a banner on standard output\n")
        os.write(1, b"and one from below Python\n")
        fingerprint = {
            "upstream": {"name": "fake", "version": "1"},
            "device": self.options.get("device", "cpu"),
            "gain": self.options.get("gain", 1.0),
        }
        if self.is_loaded and self.options.get("changes"):
            fingerprint["upstream"]["version"] = "2"
        return {
            "sample_rate_hz": int(self.options.get("rate", RATE)),
            "voices": [{"name": "ann", "language": "en"}, {"name": "bob", "language": "en"}],
            "fingerprint": fingerprint,
        }

    def load(self):
        """Leaves a file for every load."""
        import numpy  # noqa: F401, ICN001 - so that no deadline of an utterance is about this

        how = self.options.get("load")
        if how == "missing":
            from mosdata.synth.adapters.kit import LoadFailed

            raise LoadFailed("fake: /models/fake lacks llm.pt. Download the model anew.")
        if how == "crash":
            os._exit(7)
        if how == "hang":
            time.sleep(600)
        if self.options.get("loads"):
            name = f"{self.options['system']}-{os.getppid()}-{os.getpid()}"
            Path(self.options["loads"], name).touch()
        self.is_loaded = True

    def add_voice(self, voice):
        """A voice that speaks more slowly."""
        if voice["text"] == "bad":
            from mosdata.synth.adapters.kit import Rejected

            raise Rejected("bad_prompt", "The prompt is silent.")
        self.voices[voice["name"]] = 1 + len(voice["text"])
        if self.options.get("loads"):
            Path(self.options["loads"], f"voice {voice['name']} {os.getpid()}").touch(
                exist_ok=False
            )

    def synthesize(self, request):
        """Noise, or worse."""
        import numpy as np

        assert self.is_loaded, "load comes first"
        self.num_spoken += 1
        misbehave(self, request["text"])
        rng = np.random.default_rng([request["seed"], len(request["text"])])
        num = 240 * len(request["text"]) * self.voices.get(request["voice"], 1)
        samples = rng.uniform(-0.5, 0.5, num).astype(np.float32) * float(
            self.options.get("gain", 1.0)
        )
        flags = ["runaway"] if "runaway" in request["text"] else []
        return {"samples": samples, "sample_rate_hz": RATE, "flags": flags}

    def canaries(self):
        """One that holds."""
        return [{"name": "sums", "passed": 1 + 1 == 2, "detail": "1 + 1 = 2"}]


def once(options, what):
    """Whether this is the first time, over all processes of a test."""
    mark = Path(options["loads"], "once-" + what)
    if mark.exists():
        return False
    mark.touch()
    return True


def misbehave(adapter, text):
    """Do what the first word says."""
    word, _, rest = text.partition(" ")
    if word == "exit":
        os._exit(int(rest or 3))
    if word == "crash-once" and once(adapter.options, "crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "segv":
        ctypes.string_at(0)
    if word == "hang":
        time.sleep(600)
    if word == "hold":
        while True:
            ctypes.PyDLL(None).sleep(600)
    if word == "print":
        sys.stdout.write("x" * int(rest) + "\n")
        sys.stdout.flush()
    if word == "shout":
        os.write(1, b"\xff" * int(rest))
    if word == "raise":
        raise LookupError("no phone for " + rest)
    if word == "leave":
        sys.exit("I am leaving")
    if word == "fatal":
        raise RuntimeError("CUDA error: device-side assert triggered")
    if word == "reject":
        from mosdata.synth.adapters.kit import Rejected

        raise Rejected(rest, "This cannot be said.")
    if word == "child":
        child = subprocess.Popen(["sleep", "600"])
        Path(rest).write_text(json.dumps([os.getpid(), child.pid]))
        time.sleep(600)
    if word == "hoard":
        adapter.hoard.append(bytearray(int(rest)))
    if word == "thread":
        threading.Thread(target=time.sleep, args=(600,)).start()
    if word == "net":
        import socket

        socket.create_connection((rest, 80), timeout=1)
