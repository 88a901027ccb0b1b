"""What ``mosdata corrupt`` costs beside the bare work, in CPU seconds of one process.

    python benchmarks/corrupt.py [--clips 200] [--duration-s 5] [--kinds speech] [--repeats 3]

The bare work: decode FLAC, draw, corrupt, encode FLAC. ``mosdata corrupt`` does it with a plan,
receipts, checksums and levels of every row, from Parquet to Parquet. Both read the clips that
they mix in, and both run in the environment of mosdata's workers: one thread, freed memory kept.
Both in turn within each repeat; the median of their ratios is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mosdata.audio import decode_audio, encode_flac
from mosdata.augment.chain import harm
from mosdata.builders.corrupt import CorruptConfig, CorruptStage
from mosdata.builders.executors import Execution
from mosdata.builders.materials import Materials
from mosdata.builders.run import run_stage
from mosdata.cluster.travel import KEPT_MEMORY
from mosdata.manifests.store import Dataset
from mosdata.testing import speechlike, utterance, write_dataset

LEVEL = 0.6
WORKERS = {**KEPT_MEMORY, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def source(folder: Path, *, num_clips: int, duration_s: float) -> Dataset:
    """A dataset of clips of two voices."""
    rows = [
        replace(
            utterance(i, speechlike(duration_s, seed=i)),
            speaker=f"voice-{i % 2}",
            sentence=f"sentence-{i}",
        )
        for i in range(num_clips)
    ]
    return write_dataset(folder, {"train": rows})


def bare(dataset: Dataset, stage: CorruptStage) -> Callable[[], None]:
    """The work alone, on clips that are in memory as FLAC."""
    rows = list(dataset.utterances())
    entries = stage.spec.config["pool"]

    def once() -> None:
        pool = Materials(dataset.folder, entries=entries, files={}, folders={})  # type: ignore[arg-type]
        for row in rows:
            clip = decode_audio(row.audio)
            for kind in stage.kinds:
                about = {"pool": pool, "sentence": row.sentence, "speaker": row.speaker}
                encode_flac(harm([kind], LEVEL, clip, seed=0, record_id=row.id, **about)[1])

    return once


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--duration-s", type=float, default=5.0)
    parser.add_argument("--kinds", default="speech")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if not {*WORKERS.items()} <= {*os.environ.items()}:  # read by libraries when they start
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **WORKERS})
    with tempfile.TemporaryDirectory() as folder:
        dataset = source(
            Path(folder) / "source", num_clips=options.clips, duration_s=options.duration_s
        )
        kinds = tuple(options.kinds.split(","))
        config = CorruptConfig(levels=(LEVEL,), kinds=kinds, per_clip=0, keep_sources=False)
        stage = CorruptStage(dataset, config)
        work = bare(dataset, stage)
        work()  # loads what is loaded lazily
        ratios = []
        made_s = options.clips * options.duration_s * len(stage.kinds)
        for repeat in range(options.repeats):
            out = Path(folder) / f"out-{repeat}"

            def whole(out: Path = out) -> None:
                run_stage(
                    CorruptStage(dataset, config),
                    out,
                    execution=Execution(executor="serial"),
                    records_per_shard=256,
                )

            alone_s, whole_s = cpu_seconds(work), cpu_seconds(whole)
            ratios.append(alone_s / whole_s)
            print(
                f"bare {made_s / alone_s:,.0f}, mosdata corrupt {made_s / whole_s:,.0f} seconds of "
                f"output per CPU second: {ratios[-1]:.2f}"
            )
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
