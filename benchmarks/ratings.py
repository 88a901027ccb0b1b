"""What it costs to inspect a million ratings, against reading them and taking one mean a clip.

    python benchmarks/ratings.py [NUM_CLIPS] [--write]

200,000 clips of 40 systems get 5 votes each from 5,000 raters, who each have an offset; names are
strings, as corpora have them. Each way runs in a process of its own, so that peaks of memory are
its own, on one core, so that the ratio is the same however many there are, and some times over:
the fastest pass counts, as the others only add what else the machine was doing. ``--write`` puts
the result into ``benchmarks/results/``.

- ``least``: ``pyarrow.csv.read_csv``, then one group-by for the mean of each clip.
- ``panel``: read the same file the same way, build the panel, and inspect it: components, halves,
  ceilings, offsets, design and the rest.
- ``corpus``: the same, read as a corpus of unknown layout by ``read_corpus``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

NUM_CLIPS, VOTES, NUM_RATERS, NUM_SYSTEMS = 200_000, 5, 5_000, 40
NUM_PASSES = 8


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--pass"]:
        print(json.dumps(measure(WAYS[arguments[1]], Path(arguments[2]))))
        return
    numbers = [int(argument) for argument in arguments if argument.isdigit()]
    lines = list(compared(numbers[0] if numbers else NUM_CLIPS))
    print("\n".join(lines))
    if "--write" in arguments:
        today = datetime.now(tz=UTC).date().isoformat()
        path = Path(__file__).with_name("results") / f"{today}-ratings.md"
        path.parent.mkdir(exist_ok=True)
        body = "\n".join(f"    {line}" for line in lines)
        path.write_text(f"# Ratings, {today}\n\n`python benchmarks/ratings.py`\n\n{body}\n")
        print(path)


def compared(num_clips: int) -> Iterator[str]:
    """What each way took, and how many times the least."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.csv"
        pacsv.write_csv(ratings_table(num_clips), path)
        megabytes = path.stat().st_size / 1e6
        yield f"{num_clips * VOTES:,} ratings of {num_clips:,} clips, {megabytes:.0f} MB of CSV"
        found = {name: alone(name, path) for name in WAYS}
    yield f"{'':<8}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}"
    for name, (wall_s, cpu_s, peak_mb) in found.items():
        yield f"{name:<8}{wall_s:>9.3f}{cpu_s:>9.3f}{peak_mb:>9.0f}"
    for name in ("panel", "corpus"):
        wall, cpu = (found[name][i] / found["least"][i] for i in (0, 1))
        yield f"{name} costs {wall:.2f} times the least in wall time, {cpu:.2f} times in CPU time"


def ratings_table(num_clips: int) -> pa.Table:
    """The ratings, clip by clip; the same numbers every time."""
    rng = np.random.Generator(np.random.SFC64(1))
    clip_N = np.repeat(np.arange(num_clips), VOTES)
    rater_N = rng.integers(NUM_RATERS, size=clip_N.size)
    quality_C = rng.normal(3, 0.8, num_clips)
    offset_R = rng.normal(0, 0.5, NUM_RATERS)
    score_N = quality_C[clip_N] + offset_R[rater_N] + rng.normal(0, 0.8, clip_N.size)
    clips = [f"corpus-sys{c % NUM_SYSTEMS:03d}-utterance{c:07d}" for c in range(num_clips)]
    raters = [f"listener{r:05d}" for r in range(NUM_RATERS)]
    return pa.table({
        "sample_id": pa.array(clips).take(pa.array(clip_N)),
        "listener_name": pa.array(raters).take(pa.array(rater_N)),
        "score": np.clip(np.rint(score_N), 1, 5).astype(np.int64),
    })  # fmt: skip


def alone(name: str, path: Path) -> tuple[float, float, float]:
    """Wall and CPU seconds and peak MB of one way, in a process of its own, on one core."""
    command = [sys.executable, __file__, "--pass", name, str(path)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    wall_s, cpu_s, peak_mb = json.loads(ended.stdout)
    return wall_s, cpu_s, peak_mb


def measure(way: Callable[[Path], None], path: Path) -> tuple[float, float, float]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    way(path)
    walls, cpus = [], []
    for _ in range(NUM_PASSES):
        wall, cpu = time.perf_counter(), time.process_time()
        way(path)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return min(walls), min(cpus), peak_mb


def least(path: Path) -> None:
    """Read, and one mean a clip."""
    pacsv.read_csv(path).group_by("sample_id").aggregate([("score", "mean")])


def panel(path: Path) -> None:
    """Read, build the panel, inspect it, and have it as JSON."""
    from mosdata.raters.inspection import inspect
    from mosdata.raters.panel import Panel

    table = pacsv.read_csv(path).rename_columns(["clip_id", "rater", "value"])
    inspect(Panel.from_ratings(table)).to_json()


def corpus(path: Path) -> None:
    """As ``panel``, with all that a corpus may be checked for."""
    from mosdata.corpora.read import read_corpus
    from mosdata.raters.inspection import inspect
    from mosdata.raters.panel import Panel

    found = read_corpus(path, scale="acr_1_5")
    rated = Panel.from_ratings(found.numbered, systems=found.clips)
    inspect(rated, findings=found.findings, published=found.clips).to_json()


WAYS = {"least": least, "panel": panel, "corpus": corpus}


if __name__ == "__main__":
    main(sys.argv[1:])
