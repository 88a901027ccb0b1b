"""What the machinery costs: a build beside a bare loop that calls the same engine and writes FLAC.

    python benchmarks/build.py [NUM_TEXTS] [--ray]

Both sides speak the same texts with the same system on the same number of processes; each is timed
without its start-up. The ratio is what to compare between machines.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from mosdata.audio import encode_flac, resample
from mosdata.builders.executors import Execution, ExecutorName, usable_cores
from mosdata.builders.run import run_stage
from mosdata.builders.speech import SpeechConfig, SpeechStage
from mosdata.builders.transcripts import read_transcripts
from mosdata.synth.base import SpeechRequest
from mosdata.synth.systems import build_system

SYSTEM = "espeak-formant"
RATE_HZ = 16_000
CHUNK = 64


def main(num_texts: int, *, with_ray: bool) -> None:
    workers = usable_cores()
    texts = [
        f"Sentence number {i} of the benchmark, spoken once and not again."
        for i in range(num_texts)
    ]
    print(f"{num_texts} texts, {SYSTEM}, {workers} workers, load average {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        bare = _bare(texts, workers, Path(folder) / "bare")
        print(f"bare loop          {num_texts / bare:8.1f} clips/s")
        names: list[ExecutorName] = ["process", "ray"] if with_ray else ["process"]
        for name in names:
            steady, start = _built(texts, workers, Path(folder) / name, name)
            print(
                f"build, {name:<11} {num_texts / steady:8.1f} clips/s, "
                f"ratio {bare / steady:.2f}, start-up {start:.1f} s"
            )


def _speak(job: tuple[int, list[str], str]) -> float:
    """Speak some texts and write them as FLAC; the time since this process could begin."""
    number, texts, folder = job
    engine = build_system(SYSTEM)
    voice = engine.voices()[0]
    for i, text in enumerate(texts):
        clip = engine.synthesize(SpeechRequest(text=text, language="en", voice=voice.name, seed=i))
        Path(folder, f"{number}-{i}.flac").write_bytes(encode_flac(resample(clip, RATE_HZ)))
    return time.monotonic()


def _bare(texts: list[str], workers: int, folder: Path) -> float:
    folder.mkdir()
    jobs = [(i, texts[i : i + CHUNK], str(folder)) for i in range(0, len(texts), CHUNK)]
    with multiprocessing.Pool(workers) as pool:
        pool.map(_speak, [(-1, texts[:2], str(folder))] * workers, chunksize=1)
        started = time.monotonic()
        pool.map(_speak, jobs, chunksize=1)
        return time.monotonic() - started


def _built(
    texts: list[str], workers: int, folder: Path, executor: ExecutorName
) -> tuple[float, float]:
    """Seconds from the first finished shard to the end, scaled to all clips; and those before."""
    path = folder.with_suffix(".txt")
    path.write_text("\n".join(texts), encoding="utf-8")
    stage = SpeechStage(read_transcripts(path), SpeechConfig(systems=(SYSTEM,)))
    marks: list[tuple[float, int]] = []
    started = time.monotonic()
    run_stage(
        stage,
        folder,
        execution=Execution(executor=executor, workers=workers),
        records_per_shard=CHUNK,
        on_progress=lambda now: marks.append((time.monotonic(), now.num_done)),
    )
    ended = time.monotonic()
    shutil.rmtree(folder)
    first_time, first_done = next((t, n) for t, n in marks if n)
    steady = (ended - first_time) * len(texts) / max(len(texts) - first_done, 1)
    return steady, ended - started - steady


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(numbers[0] if numbers else 2000, with_ray="--ray" in sys.argv)
