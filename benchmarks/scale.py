"""Whether the builders stay small and quick as runs grow: memory of a build, time of a resume.

    python benchmarks/scale.py [--clips 1000,20000,60000] [--shards 10000]

Memory is that of a build of ``tone`` by two processes: the peak of the driver and of the largest
worker, each size in processes of its own. A resume finds all shards finished: first every file is
looked at (what a user waits for before work begins), then all are compared with their checksums
(before anything is published).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from plan import Artificial

from mosdata.builders.executors import Execution
from mosdata.builders.finish import finish_shards, resume
from mosdata.builders.plan import write_plan
from mosdata.builders.receipts import Receipt, save_receipt
from mosdata.builders.run import run_stage
from mosdata.builders.speech import SpeechConfig, SpeechStage
from mosdata.builders.transcripts import read_transcripts
from mosdata.manifests.durable import sha256_file

SAMPLE_EVERY_S = 0.05
SHARD_BYTES = 200_000


def build(num_clips: int) -> dict[str, float]:
    """Build, and say how much memory it took at most, in MB."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "texts.txt"
        path.write_text("\n".join(f"This is sentence number {i}." for i in range(num_clips)))
        stage = SpeechStage(read_transcripts(path), SpeechConfig(systems=("tone",)))
        peaks = {"driver": 0.0, "worker": 0.0}
        finished = threading.Event()
        watcher = threading.Thread(target=_watch, args=(peaks, finished))
        watcher.start()
        try:
            run_stage(
                stage, Path(place) / "out", execution=Execution(executor="process", workers=2)
            )
        finally:
            finished.set()
            watcher.join()
    return {"clips": num_clips, **peaks}


def _watch(peaks: dict[str, float], finished: threading.Event) -> None:
    import psutil

    me = psutil.Process()
    while not finished.wait(SAMPLE_EVERY_S):
        peaks["driver"] = max(peaks["driver"], me.memory_info().rss / 1e6)
        for child in me.children():
            with contextlib.suppress(psutil.Error):
                peaks["worker"] = max(peaks["worker"], child.memory_info().rss / 1e6)


def memory(sizes: list[int]) -> list[str]:
    """Markdown."""
    lines = [
        "| clips | driver, MB | bytes for each clip more | largest worker, MB |",
        "|---:|---:|---:|---:|",
    ]
    before: dict[str, float] | None = None
    for size in sizes:
        command = [sys.executable, __file__, "--alone", str(size)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        slope = "" if before is None else f"{_slope(before, found):.0f}"
        lines.append(f"| {size:,} | {found['driver']:.0f} | {slope} | {found['worker']:.0f} |")
        before = found
    return [*lines, "", "Each clip has a text of its own here: the driver keeps the texts."]


def _slope(before: dict[str, float], found: dict[str, float]) -> float:
    return 1e6 * (found["driver"] - before["driver"]) / (found["clips"] - before["clips"])


def resumed(num_shards: int) -> list[str]:
    """Markdown: a run whose shards are all finished."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place)
        plan = write_plan(run, Artificial(num_shards), records_per_shard=1)
        attempts = run / "attempts"
        attempts.mkdir()
        first = attempts / "first"
        first.write_bytes(bytes(range(250)) * (SHARD_BYTES // 250))
        checksum = sha256_file(first)
        for shard in plan.shards:
            path = attempts / f"{shard.index:06d}.parquet"
            shutil.copyfile(first, path)
            receipt = Receipt(
                shard_key=shard.key,
                file=path.relative_to(run).as_posix(),
                sha256=checksum,
                num_bytes=SHARD_BYTES,
                num_rows=1,
                duration_s=1.0,
                content_sum=shard.index,
            )
            save_receipt(run, shard, receipt)
        began = time.process_time(), time.monotonic()
        found = resume(run, plan)
        looked = time.process_time(), time.monotonic()
        execution = Execution(executor="process", workers=2)
        receipts = finish_shards(
            run, plan, execution, found=found, needs_gpu=False, on_progress=lambda _: None
        )
        ended = time.process_time(), time.monotonic()
    assert len(receipts) == num_shards
    return [
        f"{num_shards:,} finished shards of {SHARD_BYTES / 1e6:g} MB.",
        "",
        "| | CPU s | wall s |",
        "|---|---:|---:|",
        f"| look at every receipt and file | {looked[0] - began[0]:.2f} "
        f"| {looked[1] - began[1]:.2f} |",
        f"| compare every file with its checksum | {ended[0] - looked[0]:.2f} "
        f"| {ended[1] - looked[1]:.2f} |",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", default="1000,20000,60000")
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(build(given.alone)))
    else:
        told = [*resumed(given.shards), "", *memory([int(n) for n in given.clips.split(",")])]
        print("\n".join(told))
