"""What a process of its own adds to an utterance, against the same adapter called right here.

    python benchmarks/worker_overhead.py [ROUNDS]

The adapter makes ten seconds of noise at 24 kHz, in about a millisecond. Both ways take turns in
the same run, so that whatever else the machine does meets both; the median counts. Exits with 1
where the difference is above 3 ms per 10 s of audio.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from mosdata.audio import Clip
from mosdata.synth.base import Speech, SpeechRequest, SystemInfo
from mosdata.synth.hosting.hosted import HostedEngine
from mosdata.synth.hosting.worker_process import Launch

LIMIT_MS = 3.0
RATE = 24_000
DURATION_S = 10

ADAPTER = f"""
import numpy as np

VERSION = 1
RATE = {RATE}


class Adapter:
    def __init__(self, options):
        pass

    def describe(self):
        voices = [{{"name": "v", "language": "en"}}]
        return {{"sample_rate_hz": RATE, "voices": voices, "fingerprint": {{}}}}

    def load(self):
        pass

    def synthesize(self, request):
        rng = np.random.default_rng(request["seed"])
        samples = rng.random({DURATION_S} * RATE, np.float32)
        return {{"samples": samples, "sample_rate_hz": RATE, "flags": []}}


build = Adapter
"""


def main(rounds: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise_adapter.py"
        path.write_text(ADAPTER)
        started = time.perf_counter()
        hosted = hosted_engine(path)
        hosted.synthesize(request(0))
        print(f"start, describe, load, first utterance  {time.perf_counter() - started:8.2f} s")
        direct = direct_adapter(path)
        both = [(timed(direct, i), timed(hosted.synthesize, i)) for i in range(1, rounds + 1)]
        hosted.close()
    here_ms = statistics.median(here for here, _ in both)
    there_ms = statistics.median(there for _, there in both)
    added = sorted(there - here for here, there in both)
    added_ms = statistics.median(added)
    print(f"adapter called here                     {here_ms:8.2f} ms per {DURATION_S} s of audio")
    print(f"adapter in a worker                     {there_ms:8.2f} ms")
    print(f"the worker adds                         {added_ms:8.2f} ms (limit {LIMIT_MS} ms)")
    print(f"  in the quickest tenth of the rounds   {added[rounds // 10]:8.2f} ms")
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"rounds, load of the machine, cores      {rounds:8d}, {load:.1f}, {cores}")
    return 0 if added_ms <= LIMIT_MS else 1


def hosted_engine(path: Path) -> HostedEngine:
    info = SystemInfo(
        name="noise", family="test", sample_rate_hz=RATE, languages=("en",), license="CC0-1.0"
    )
    return HostedEngine(info, Launch(system="noise", python=sys.executable, adapter=str(path)))


def direct_adapter(path: Path):
    """What the same adapter gives without a worker, in the same type."""
    spec = spec_from_file_location("noise_adapter", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    adapter = module.build({})
    adapter.load()

    def speak(asked: SpeechRequest) -> Speech:
        said = adapter.synthesize({"text": asked.text, "voice": asked.voice, "seed": asked.seed})
        return Speech(clip=Clip(said["samples"], said["sample_rate_hz"]))

    return speak


def request(seed: int) -> SpeechRequest:
    return SpeechRequest(text="Ten seconds of noise.", language="en", voice="v", seed=seed)


def timed(speak, seed: int) -> float:
    """Milliseconds."""
    asked = request(seed)
    started = time.perf_counter()
    speak(asked)
    return 1e3 * (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
