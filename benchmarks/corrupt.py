"""What ``mosdata corrupt`` costs beside the bare work, in CPU seconds of one process.

    python benchmarks/corrupt.py [--clips 200] [--duration-s 5] [--kinds speech] [--repeats 3]

The bare work: decode FLAC, draw, corrupt, encode FLAC; once from memory to memory, and once as a
script does it that keeps what it makes, from files to files. ``mosdata corrupt`` does it with a
plan, receipts, checksums and levels of every row, from Parquet to Parquet. All read the clips that
they mix in, and all run in the environment of mosdata's workers: one thread, freed memory kept.
They take turns within each repeat, and what was written is removed before the next, so that no
repeat needs memory that none before had; medians of the ratios are printed.
"""

from __future__ import annotations

import argparse
import os
import shutil
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


def bare(dataset: Dataset, stage: CorruptStage, files: Path | None = None) -> Callable[[], None]:
    """The work alone: on clips in memory as FLAC, or on a folder of FLAC files, into another."""
    rows = list(dataset.utterances())
    entries = stage.spec.config["pool"]
    if files:
        (files / "in").mkdir(parents=True)
        for row in rows:
            (files / "in" / f"{row.id}.flac").write_bytes(row.audio)

    def once() -> None:
        pool = Materials(dataset.folder, entries=entries, files={}, folders={})  # type: ignore[arg-type]
        if files:
            (files / "out").mkdir()
        for row in rows:
            clip = decode_audio(files / "in" / f"{row.id}.flac" if files else row.audio)
            for kind in stage.kinds:
                about = {"pool": pool, "sentence": row.sentence, "speaker": row.speaker}
                _, harmed = harm([kind], LEVEL, clip, seed=0, record_id=row.id, **about)
                flac = encode_flac(harmed)
                if files:
                    (files / "out" / f"{row.id}-{kind}.flac").write_bytes(flac)

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
        files, out = Path(folder) / "files", Path(folder) / "out"
        in_memory, to_files = bare(dataset, stage), bare(dataset, stage, files)

        def whole() -> None:
            run_stage(
                CorruptStage(dataset, config),
                out,
                execution=Execution(executor="serial"),
                records_per_shard=256,
            )

        ratios = []
        made_s = options.clips * options.duration_s * len(stage.kinds)
        for repeat in range(1 + options.repeats):
            times = [cpu_seconds(work) for work in (in_memory, to_files, whole)]
            shutil.rmtree(files / "out")
            shutil.rmtree(out)
            if not repeat:  # loads what is loaded lazily
                continue
            memory, disk, own = (made_s / each for each in times)
            ratios.append((own / memory, own / disk))
            print(
                f"seconds of output per CPU second: bare {memory:,.0f}, from files to files "
                f"{disk:,.0f}, mosdata corrupt {own:,.0f}: {own / memory:.2f} and {own / disk:.2f}",
                flush=True,
            )
    medians = [statistics.median(column) for column in zip(*ratios, strict=True)]
    print(f"median ratios {medians[0]:.2f} to bare, {medians[1]:.2f} from files to files")


if __name__ == "__main__":
    main()
