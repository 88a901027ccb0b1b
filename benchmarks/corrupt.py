"""What ``mosdata corrupt`` costs beside the bare work, in CPU seconds of one process.

    python benchmarks/corrupt.py [--clips 200] [--duration-s 5] [--kinds speech] [--repeats 5]

The bare work: decode FLAC, draw, corrupt, encode FLAC; once from memory to memory, and once as a
script does it that keeps what it makes, from files to files. ``mosdata corrupt`` does it with a
plan, receipts, checksums and levels of every row, from Parquet to Parquet. All read the clips that
they mix in, and all run in the environment of mosdata's workers: one thread, freed memory kept.

The three take turns of a shard: whenever ``mosdata corrupt`` has finished one, as many copies are
made by each of the bare ones, and their time is not its own. So all three see the same machine,
however its speed drifts; the plan and the commit count as well. Medians of the ratios are printed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mosdata.audio import decode_audio, encode_flac
from mosdata.augment.chain import harm
from mosdata.builders.corrupt import CorruptConfig, CorruptStage
from mosdata.builders.executors import Execution
from mosdata.builders.materials import Materials
from mosdata.builders.run import run_stage
from mosdata.builders.sources import SourceClips
from mosdata.cli.corrupt import RECORDS_PER_SHARD
from mosdata.cluster.travel import KEPT_MEMORY
from mosdata.manifests.rows import Utterance
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


class Bare:
    """The work alone, a few clips a turn; what it reads and leaves is up to its kind."""

    def __init__(self, dataset: Dataset, stage: CorruptStage) -> None:
        self.rows = list(dataset.utterances())
        self.kinds = stage.kinds
        self._folder = dataset.folder
        self._entries = stage.spec.config["pool"]
        self.start()

    def start(self) -> None:
        """From the first clip again, as a new process would."""
        self._left: Iterator[Utterance] = iter(self.rows)
        self._pool = Materials(
            SourceClips(self._folder),
            entries=self._entries,  # type: ignore[arg-type]
            files={},
            folders={},
        )
        self.seconds = 0.0

    def take_turn(self, num_clips: int | None) -> None:
        """Make all copies of the next clips, or of all that are left."""
        start = time.process_time()
        for row in itertools.islice(self._left, num_clips):
            clip = decode_audio(self.read(row))
            for kind in self.kinds:
                about = {"pool": self._pool, "sentence": row.sentence, "speaker": row.speaker}
                _, harmed = harm([kind], LEVEL, clip, seed=0, record_id=row.id, **about)  # type: ignore[arg-type]
                self.leave(f"{row.id}-{kind}", encode_flac(harmed))
        self.seconds += time.process_time() - start

    def read(self, row: Utterance) -> bytes | Path:
        """The FLAC of a clip, or the file that holds it."""
        return row.audio

    def leave(self, name: str, flac: bytes) -> None:
        """Where a copy goes; here it is dropped."""


class BareFiles(Bare):
    """From a folder of FLAC files into another."""

    def __init__(self, dataset: Dataset, stage: CorruptStage, folder: Path) -> None:
        self.folder = folder
        (folder / "in").mkdir(parents=True)
        super().__init__(dataset, stage)
        for row in self.rows:
            (folder / "in" / f"{row.id}.flac").write_bytes(row.audio)

    def start(self) -> None:
        """Into an empty folder, so that no repeat writes over what is there."""
        super().start()
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        (self.folder / "out").mkdir()

    def read(self, row: Utterance) -> bytes | Path:
        """The file of a clip."""
        return self.folder / "in" / f"{row.id}.flac"

    def leave(self, name: str, flac: bytes) -> None:
        """Keep a copy."""
        (self.folder / "out" / f"{name}.flac").write_bytes(flac)


def seconds_of_all(
    corrupt: Callable[[Callable[[object], None]], object], bares: Sequence[Bare], num_clips: int
) -> tuple[float, ...]:
    """CPU seconds of ``mosdata corrupt``, and of each of the bare ones in its turns."""
    for bare in bares:
        bare.start()
    start = time.process_time()

    def shard_is_made(_: object) -> None:
        for bare in bares:
            bare.take_turn(num_clips)

    corrupt(shard_is_made)
    own = time.process_time() - start - sum(bare.seconds for bare in bares)
    for bare in bares:
        bare.take_turn(None)
    return (own, *(bare.seconds for bare in bares))


def main() -> None:
    """Print all three and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--duration-s", type=float, default=5.0)
    parser.add_argument("--kinds", default="speech")
    parser.add_argument("--repeats", type=int, default=5)
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
        bares = (Bare(dataset, stage), BareFiles(dataset, stage, Path(folder) / "files"))
        out = Path(folder) / "out"

        def corrupt(on_progress: Callable[[object], None]) -> None:
            run_stage(
                CorruptStage(dataset, config),
                out,
                execution=Execution(executor="serial"),
                records_per_shard=RECORDS_PER_SHARD,
                on_progress=on_progress,
            )

        ratios = []
        made_s = options.clips * options.duration_s * len(stage.kinds)
        for repeat in range(1 + options.repeats):
            times = seconds_of_all(corrupt, bares, RECORDS_PER_SHARD // len(stage.kinds))
            shutil.rmtree(out)
            shutil.rmtree(out.with_name("out.run"), ignore_errors=True)
            if not repeat:  # loads what is loaded lazily
                continue
            own, memory, disk = (made_s / each for each in times)
            ratios.append((own / memory, own / disk))
            print(
                f"seconds of output per CPU second: bare {memory:,.0f}, from files to files "
                f"{disk:,.0f}, mosdata corrupt {own:,.0f}: {own / memory:.3f} and {own / disk:.3f}",
                flush=True,
            )
    medians = [statistics.median(column) for column in zip(*ratios, strict=True)]
    print(f"median ratios {medians[0]:.3f} to bare, {medians[1]:.3f} from files to files")


if __name__ == "__main__":
    main()
