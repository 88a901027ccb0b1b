"""What a plan costs: time, memory and bytes for many records of an artificial stage.

    python benchmarks/plan.py [NUM_RECORDS ...]

Each size runs in a process of its own, so that its peak of memory is its own. The records are as
large as those of a build: a sentence, names and a seed.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mosdata.builders.plan import read_plan, read_records, write_plan
from mosdata.builders.run import RECORDS_PER_SHARD
from mosdata.builders.stage import Estimate, Record, StageSpec
from mosdata.manifests.ids import JSON, seed_for, stable_id

SIZES = (100_000, 1_000_000)
NUM_LOOKS = 100
RSS_PER_MB = 1024 if sys.platform == "linux" else 1024**2


class Artificial:
    """As many records as asked for, in one split, by four systems."""

    needs_gpu = False

    def __init__(self, num_records: int) -> None:
        self._num_records = num_records

    @property
    def spec(self) -> StageSpec:
        """Identity."""
        return StageSpec(name="build", table="clips", config={"records": self._num_records})

    def records(self) -> Iterator[Record]:
        """Named and seeded as those of a build."""
        for i in range(self._num_records):
            group = f"system-{4 * i // self._num_records}"
            text = f"Sentence number {i} of an artificial plan, as long as sentences usually are."
            record_id = stable_id("clip", {"text": text, "system": group, "take": 0})
            payload: dict[str, JSON] = {
                "text": text,
                "sentence": stable_id("text", {"text": text}),
                "language": "en",
                "voice": "default",
                "seed": seed_for(0, record_id, "synth", bits=32),
            }
            yield Record(id=record_id, split="train", group=group, payload=payload)

    def estimate(self) -> Estimate:
        """Nothing that would be measured."""
        return Estimate(num_records=self._num_records, duration_s=0.0, num_bytes=0)

    def provenance(self) -> dict[str, JSON]:
        """None."""
        return {}


def measured(num_records: int) -> dict[str, float]:
    """Write a plan, open it, read some of its shards."""
    begin_mb = _peak_mb()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        started = time.process_time()
        write_plan(folder, Artificial(num_records), records_per_shard=RECORDS_PER_SHARD)
        written = time.process_time()
        plan = read_plan(folder)
        assert plan is not None
        opened = time.process_time()
        step = max(1, len(plan.shards) // NUM_LOOKS)
        looks = range(0, len(plan.shards), step)
        for index in looks:
            read_records(folder, index)
        ended = time.process_time()
        num_bytes = sum(path.stat().st_size for path in folder.iterdir())
    return {
        "records": num_records,
        "shards": len(plan.shards),
        "write_cpu_s": written - started,
        "open_cpu_s": opened - written,
        "shard_cpu_ms": 1e3 * (ended - opened) / len(looks),
        "megabytes": num_bytes / 1e6,
        "begin_mb": begin_mb,
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / RSS_PER_MB


def table(sizes: tuple[int, ...] = SIZES) -> list[str]:
    """One line a size, as Markdown; each measured in a process of its own."""
    lines = [
        "| records | shards | write, CPU s | open, CPU s | one shard, CPU ms | on disk, MB "
        "| memory before, MB | memory at most, MB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for size in sizes:
        command = [sys.executable, __file__, "--alone", str(size)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        lines.append(
            f"| {found['records']:,} | {found['shards']:,} | {found['write_cpu_s']:.1f} "
            f"| {found['open_cpu_s']:.2f} | {found['shard_cpu_ms']:.2f} "
            f"| {found['megabytes']:.0f} | {found['begin_mb']:.0f} | {found['peak_mb']:.0f} |"
        )
    return lines


if __name__ == "__main__":
    numbers = tuple(int(argument) for argument in sys.argv[1:] if argument.isdigit())
    if "--alone" in sys.argv:
        print(json.dumps(measured(numbers[0])))
    else:
        print("\n".join(table(numbers or SIZES)))
