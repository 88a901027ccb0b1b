"""What the machinery costs: a build beside a bare loop that calls the same engine and writes FLAC.

    python benchmarks/build.py [NUM_CLIPS] [--ray] [--rounds 3] [--systems a,b] [--page]

Both sides speak the same texts with the same systems on two processes, at the same rate and with
the same FLAC settings. Each is run with a third of the clips and with all, and the difference is
what is compared: the cost of one more clip. What it takes to start (interpreters, imports, engines)
is in both, cancels out, and is shown beside it. What counts is CPU time, of the driver, of all
workers and, for Ray, of its daemons; other work on the machine changes wall time more than anything
measured here. (Ray's daemons cost by the second, even idle: where other work makes the build wait,
they cost more a clip.) Bare and built take turns; the middle one of the rounds is shown.

``--page`` runs all benchmarks of the builders and writes them to ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from mosdata import __version__
from mosdata.builders.executors import Execution, ExecutorName
from mosdata.builders.run import RECORDS_PER_SHARD, run_stage
from mosdata.builders.speech import SpeechConfig, SpeechStage
from mosdata.builders.transcripts import read_transcripts
from mosdata.synth.base import SpeechRequest
from mosdata.synth.speak import voices_for
from mosdata.synth.systems import build_system

RATE_HZ = 16_000
WORKERS = 2
SMALL_SHARE = 3
"""The small run has one clip of this many."""

HERE = Path(__file__).parent
PAGES = ("plan.py", "scale.py", "parquet.py")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds."""

    cpu_s: float
    wall_s: float

    def minus(self, other: Cost) -> Cost:
        """What the whole run took beyond the small one."""
        return Cost(self.cpu_s - other.cpu_s, self.wall_s - other.wall_s)


def texts_of(num_texts: int) -> list[str]:
    """Sentences of about four seconds."""
    return [
        f"Sentence number {i} of the benchmark, spoken once and not again."
        for i in range(num_texts)
    ]


def speak_bare(job: tuple[str, list[str], str]) -> None:
    """Speak some texts and write them as FLAC, as a loop in a notebook would."""
    import soundfile
    import soxr

    system, texts, folder = job
    engine = build_system(system)
    voice = voices_for(engine, "en")[0]
    for i, text in enumerate(texts):
        clip = engine.synthesize(SpeechRequest(text=text, language="en", voice=voice.name, seed=i))
        samples = soxr.resample(clip.samples, clip.sample_rate_hz, RATE_HZ, quality="HQ")
        path = Path(folder, f"{system}-{text.split()[2]}.flac")
        soundfile.write(path, samples, RATE_HZ, format="FLAC", subtype="PCM_16")


def run_bare(texts: list[str], systems: Sequence[str], folder: Path) -> None:
    """All texts by all systems, on as many processes as the build has."""
    folder.mkdir()
    step = RECORDS_PER_SHARD
    jobs = [
        (system, texts[i : i + step], str(folder))
        for system in systems
        for i in range(0, len(texts), step)
    ]
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        pool.map(speak_bare, jobs, chunksize=1)
        pool.close()
        pool.join()


def run_built(
    texts: list[str], systems: Sequence[str], folder: Path, executor: ExecutorName
) -> None:
    """The same as a dataset."""
    path = folder.with_suffix(".txt")
    path.write_text("\n".join(texts), encoding="utf-8")
    stage = SpeechStage(read_transcripts(path), SpeechConfig(systems=tuple(systems)))
    run_stage(stage, folder, execution=Execution(executor=executor, workers=WORKERS))


def cost_of(work: Callable[[], None], cpu_s: Callable[[], float]) -> Cost:
    """CPU and wall time of some work; processes that it leaves behind are Ray's."""
    cpu, started = cpu_s(), time.monotonic()
    work()
    return Cost(cpu_s() - cpu, time.monotonic() - started)


def own_cpu_s() -> float:
    """CPU time of this process and of its children that have ended."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def family_cpu_s() -> float:
    """CPU time of this process and of all processes below it that are alive: Ray's stay."""
    import psutil

    total = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            used = process.cpu_times()
            total += used.user + used.system
    return total


@contextlib.contextmanager
def ray_session() -> Iterator[float]:
    """One Ray for all rounds; gives the seconds that it took to start."""
    from mosdata import cluster

    started = time.monotonic()
    with cluster.session(address=None, num_cpus=WORKERS):
        yield time.monotonic() - started


class Race:
    """Bare and built in turns."""

    def __init__(self, num_clips: int, systems: Sequence[str], folder: Path) -> None:
        self._texts = texts_of(num_clips // len(systems))
        self._systems = systems
        self._folder = folder
        self._lap = 0
        self.num_clips = len(self._texts) * len(systems)
        small = max(len(self._texts) // SMALL_SHARE, 1)
        self.num_compared = self.num_clips - small * len(systems)
        self._small = self._texts[:small]
        self.costs: dict[str, list[Cost]] = {}
        self.fixed_s: dict[str, list[float]] = {}

    def round(self, name: str, executor: ExecutorName | None) -> None:
        """One small and one whole run."""
        cpu_s = family_cpu_s if executor == "ray" else own_cpu_s
        whole, small = (
            cost_of(lambda texts=texts: self._run(texts, executor), cpu_s)  # type: ignore[misc] # mypy knows no defaults of lambdas
            for texts in (self._texts, self._small)
        )
        more = whole.minus(small)
        num_small = self.num_clips - self.num_compared
        fixed_s = small.cpu_s - more.cpu_s * num_small / self.num_compared
        self.costs.setdefault(name, []).append(more)
        self.fixed_s.setdefault(name, []).append(fixed_s)

    def _run(self, texts: list[str], executor: ExecutorName | None) -> None:
        self._lap += 1
        place = self._folder / f"lap-{self._lap}"
        if executor is None:
            run_bare(texts, self._systems, place)
        else:
            run_built(texts, self._systems, place, executor)

    def lines(self) -> list[str]:
        """The middle of the rounds, as a Markdown table."""
        lines = [
            "| | CPU ms for one more clip | CPU s besides | of the bare loop's throughput, by CPU "
            "time | by wall time |",
            "|---|---:|---:|---:|---:|",
        ]
        bare = self.costs["bare loop"]
        for name, costs in self.costs.items():
            cpu_ms = median(1e3 * cost.cpu_s / self.num_compared for cost in costs)
            by_cpu = median(b.cpu_s / c.cpu_s for b, c in zip(bare, costs, strict=True))
            by_wall = median(b.wall_s / c.wall_s for b, c in zip(bare, costs, strict=True))
            fixed_s = median(self.fixed_s[name])
            lines.append(
                f"| {name} | {cpu_ms:.2f} | {fixed_s:.1f} | {by_cpu:.2f} | {by_wall:.2f} |"
            )
        return [*lines, *self._ray_line()]

    def _ray_line(self) -> list[str]:
        """What a clip costs more on Ray than in local processes, round by round."""
        pairs = zip(self.costs["build, process"], self.costs.get("build, ray", ()), strict=False)
        more = [1e3 * (ray.cpu_s - own.cpu_s) / self.num_compared for own, ray in pairs]
        told = ", ".join(f"{ms:+.2f}" for ms in more)
        line = f"Ray beside processes, ms for one more clip, by round: {told}."
        return ["", line] if more else []


def race(num_clips: int, systems: Sequence[str], *, rounds: int, with_ray: bool) -> list[str]:
    """Run all rounds; the result as Markdown."""
    with tempfile.TemporaryDirectory() as place:
        contest = Race(num_clips, systems, Path(place))
        with ray_session() if with_ray else contextlib.nullcontext() as start_s:
            for _ in range(rounds):
                contest.round("bare loop", None)
                contest.round("build, process", "process")
                if with_ray:
                    contest.round("build, ray", "ray")
        about = (
            f"{contest.num_clips:,} clips by {', '.join(systems)} on {WORKERS} workers, {rounds} "
            f"round{'s' * (rounds > 1)}, beside {contest.num_clips - contest.num_compared:,} clips."
        )
        ray = ["", f"Ray took {start_s:.1f} s to start, once; not in the table."] if start_s else []
        return [about, "", *contest.lines(), *ray]


def page(num_clips: int, systems: Sequence[str], *, rounds: int, with_ray: bool) -> Path:
    """Everything, as a dated page."""
    began = os.getloadavg()[0]
    parts = [
        "# What the builders cost",
        f"mosdata {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load average {began:.1f} at the beginning: CPU times are comparable, wall times less so.",
        f"## A build beside a bare loop\n\n`python benchmarks/build.py {num_clips} --rounds "
        f"{rounds}{' --ray' * with_ray}`",
        "\n".join(race(num_clips, systems, rounds=rounds, with_ray=with_ray)),
    ]
    for name in PAGES:
        command = [sys.executable, str(HERE / name)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        parts.append(f"## `python benchmarks/{name}`\n\n{printed.strip()}")
    path = HERE / "results" / f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}-build.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("num_clips", type=int, nargs="?", default=6000)
    parser.add_argument("--systems", default="espeak-formant")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args()
    names = given.systems.split(",")
    if given.page:
        print(page(given.num_clips, names, rounds=given.rounds, with_ray=given.ray))
    else:
        told = race(given.num_clips, names, rounds=given.rounds, with_ray=given.ray)
        print("\n".join(told))
