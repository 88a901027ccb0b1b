"""What corruptions cost, beside audiomentations and beside the bare libraries, in the same run.

    python benchmarks/corruptions.py [--parts pipeline,floors,kinds,memory] [--repeats 5]

Speeds are seconds of audio per second of CPU time (of this process), medians over repeats (means
where rooms are drawn at random, which have no typical size). What is compared runs in turn within
each repeat, so a busy machine slows both alike. Clips are 10 s of something that moves like
speech, and shorter ones too beside RoomSimulator, whose work hardly depends on the clip. Every call
gets one that was just made, as from a decoder, and that nothing is remembered of. Calls of one kind
are timed in threes after one that is not, so that nobody pays for memory that the other gave back.

It runs in the environment of mosdata's own workers: one thread, freed memory kept.

pipeline: decode FLAC, draw and apply the seven corruptions of the XLS-R study, encode seven FLACs;
    against a plain loop over the same seven of audiomentations, read and written by soundfile, and
    on two processes at once. Each has a process of its own, as in use, and they take turns of some
    clips. The plain loop runs once as anybody's script does, and once in the environment of our
    workers.
floors: white noise, and normal numbers alone, against numpy's normal numbers; reverb against
    RoomSimulator (making its room each time, as ours does); MP3 against fast_mp3_augment alone at
    every bitrate, with the draw and without it.
kinds: every corruption of the table at level 0.6.
memory: the peak of a process after 5 and after 60 clips.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import soundfile

from mosdata.audio import Clip, decode_audio, encode_flac
from mosdata.augment.chain import generator_for
from mosdata.augment.corruptions import CORRUPTIONS, KINDS, build_corruption
from mosdata.augment.mp3 import Mp3
from mosdata.augment.normals import normal_noise
from mosdata.augment.pool import MemoryPool
from mosdata.cluster.travel import KEPT_MEMORY
from mosdata.errors import MissingExtra
from mosdata.manifests.rows import Applied
from mosdata.testing import speechlike

RATES_HZ = (16_000, 24_000, 48_000)
DURATION_S = 10.0
PIPELINE_S = (5.0, 7.0, DURATION_S)
IN_A_ROW = 4
LEVELS = (0.25, 0.5, 0.75, 1.0)
CLIPS_A_TURN = 2 * len(LEVELS)
WORKERS = {**KEPT_MEMORY, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TARGETS = {16_000: 1_000, 24_000: 900, 48_000: 450}
Work = Callable[[int], object]
Harm = Callable[[int, Clip], object]


def talk(rate_hz: int, seed: int, duration_s: float = DURATION_S) -> Clip:
    """A clip at the level of speech corpora."""
    clip = speechlike(duration_s, rate_hz, seed=seed)
    return Clip(clip.samples * np.float32(0.6), rate_hz)


def pool_of(rate_hz: int) -> MemoryPool:
    """Other talkers, and a noise and a room on file."""
    others = {f"c{i}": (talk(rate_hz, 90 + i), f"text-{i}", f"voice-{i}") for i in range(3)}
    noise = np.random.default_rng(0).standard_normal(8 * rate_hz, dtype=np.float32)
    room = noise[:rate_hz] * np.exp(-np.arange(rate_hz, dtype=np.float32) / (0.06 * rate_hz))
    return MemoryPool(
        others,
        files={
            "noise": {"noise.wav": Clip(np.float32(0.1) * noise, rate_hz)},
            "impulse_responses": {"room.wav": Clip(room, rate_hz)},
        },
    )


def cpu_seconds(work: Work, turn: int) -> float:
    """CPU time of one call."""
    start = time.process_time()
    work(turn)
    return time.process_time() - start


class TurnTaker:
    """A pipeline in a process of its own, which makes some clips in a row when it is told to."""

    def __init__(
        self, pipeline: str, rate_hz: int, duration_s: float, environment: Mapping[str, str]
    ) -> None:
        command = [
            sys.executable,
            __file__,
            "--take-turns",
            pipeline,
            f"{rate_hz}",
            f"{duration_s}",
        ]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**environment}
        )

    def __call__(self, turn: int) -> float:
        """Its CPU seconds a clip."""
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answered is not None
        print(turn, file=asked, flush=True)
        return float(answered.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def take_turns(pipeline: str, rate_hz: int, duration_s: float) -> None:
    """Answer the number of each turn with its CPU seconds a clip: some of every level in a row."""
    with tempfile.TemporaryDirectory() as folder:
        work: Work
        if pipeline == "audiomentations":
            work = Theirs(rate_hz, Path(folder), duration_s)
        else:
            work = {"mosdata": Ours, "libraries": Libraries}[pipeline](rate_hz, duration_s)
        for turn in sys.stdin:
            first = int(turn) * CLIPS_A_TURN
            times = [cpu_seconds(work, first + i) for i in range(CLIPS_A_TURN)]
            print(statistics.mean(times), flush=True)


def means(pipelines: Sequence[TurnTaker], turns: int) -> list[float]:
    """CPU seconds a clip, over all turns but the first: rooms of random size are never typical."""
    times = [[pipeline(turn) for pipeline in pipelines] for turn in range(1 + turns)]
    return [statistics.mean(column) for column in zip(*times[1:], strict=True)]


def in_turn(
    works: Sequence[Harm],
    clips: Sequence[Clip],
    repeats: int,
    typical: Callable[[Sequence[float]], float] = statistics.median,
) -> list[float]:
    """CPU seconds of each, run one after the other within each repeat.

    Each runs some times in a row, and not the first time is timed: nobody pays for memory that the
    other gave back, or for code that the other drove out of the processor. Who is first changes
    from repeat to repeat.
    """

    def once(work: Harm, turn: int) -> float:
        times = []
        for _ in range(IN_A_ROW):
            clip = clips[turn % len(clips)]
            made = Clip(clip.samples.copy(), clip.sample_rate_hz)
            times.append(cpu_seconds(partial(work, clip=made), turn))
        return statistics.mean(times[1:])

    for work in works:
        once(work, 0)
    times: list[list[float]] = [[] for _ in works]
    for turn in range(repeats):
        for place in range(len(works)):
            which = (turn + place) % len(works)
            times[which].append(once(works[which], turn + 1))
    return [typical(of_one) for of_one in times]


class Ours:
    """The seven, from FLAC to FLAC."""

    def __init__(self, rate_hz: int, duration_s: float = DURATION_S) -> None:
        self.pool = pool_of(rate_hz)
        self.flacs = [encode_flac(talk(rate_hz, seed, duration_s)) for seed in range(len(LEVELS))]

    def __call__(self, turn: int) -> int:
        """One clip in, seven out, each turn at the next level."""
        clip = decode_audio(self.flacs[turn % len(self.flacs)])
        level, size = LEVELS[turn % len(LEVELS)], 0
        for name in KINDS["speech"]:
            corruption = build_corruption(name, pool=self.pool, sentence="text", speaker="ann")
            rng = generator_for(corruption, 0, f"record-{turn}")
            drawn = corruption.draw(level, clip, rng)
            size += self.encode(corruption.apply(clip, drawn), turn)
        return size

    def encode(self, clip: Clip, turn: int) -> int:  # noqa: ARG002 - for those who keep it
        """Bytes of a copy as FLAC."""
        return len(encode_flac(clip))


class Libraries(Ours):
    """FLAC in, one clip to MP3 and back, seven FLACs out, and nothing else.

    What is encoded is what the pipeline made: noise costs more bits than speech.
    """

    def __init__(self, rate_hz: int, duration_s: float) -> None:
        super().__init__(rate_hz, duration_s)
        self.made: dict[int, list[Clip]] = {}
        self.kbps = [
            build_corruption("mp3").ladder(level, rate_hz)["bitrate_kbps"] for level in LEVELS
        ]
        for turn in range(len(LEVELS)):
            self.made[turn] = []
            super().__call__(turn)

    def encode(self, clip: Clip, turn: int) -> int:
        """Keep what is made before the first turn."""
        self.made[turn].append(clip)
        return 0

    def __call__(self, turn: int) -> int:
        """One clip in, its seven out."""
        turn %= len(LEVELS)
        clip = decode_audio(self.flacs[turn])
        bare_mp3(self.kbps[turn])(turn, clip)
        return sum(len(encode_flac(made)) for made in self.made[turn])


class Theirs:
    """The same seven of audiomentations, at the values of our ladder, from FLAC to FLAC.

    Read and written by ``soundfile``, as in anybody's loop; the files are of the same kind.
    """

    def __init__(self, rate_hz: int, folder: Path, duration_s: float) -> None:
        self.flacs = [encode_flac(talk(rate_hz, seed, duration_s)) for seed in range(len(LEVELS))]
        other = folder / f"other-{rate_hz}.flac"
        other.write_bytes(encode_flac(talk(rate_hz, 90)))
        self.chains = [list(transforms(level, rate_hz, other)) for level in LEVELS]

    def __call__(self, turn: int) -> int:
        """One clip in, seven out, each turn at the next level."""
        flac = io.BytesIO(self.flacs[turn % len(self.flacs)])
        samples, rate_hz = soundfile.read(flac, dtype="float32")
        size = 0
        for transform in self.chains[turn % len(LEVELS)]:
            made, file = transform(samples, rate_hz)[: len(samples)], io.BytesIO()
            soundfile.write(file, made, rate_hz, format="FLAC", subtype="PCM_16")
            size += len(file.getvalue())
        return size


def transforms(level: float, rate_hz: int, other: Path) -> Iterator[Callable[..., np.ndarray]]:
    """The seven with fixed parameters; RoomSimulator with its own ones."""
    import audiomentations as am

    at = {name: build_corruption(name).ladder(level, rate_hz) for name in KINDS["speech"]}
    snr_db, sir_db = at["white_noise"]["snr_db"], at["overlap"]["sir_db"]
    low_hz, high_hz = at["low_pass"]["cutoff_hz"], at["high_pass"]["cutoff_hz"]
    share, kbps = at["time_mask"]["masked_fraction"], int(at["mp3"]["bitrate_kbps"])
    yield am.AddGaussianSNR(snr_db, snr_db, p=1)
    yield am.AddBackgroundNoise(other, sir_db, sir_db, p=1)
    yield am.RoomSimulator(leave_length_unchanged=True, p=1)
    yield am.LowPassFilter(low_hz, low_hz, 48, 48, p=1)
    yield am.HighPassFilter(high_hz, high_hz, 48, 48, p=1)
    yield am.TimeMask(share, share, p=1)
    yield am.Mp3Compression(kbps, kbps, p=1)


def pipeline(repeats: int) -> None:
    """Seconds of output per CPU second, ratios, and two processes at once."""
    print("pipeline: FLAC -> seven corruptions -> seven FLACs; output s per CPU s")
    print("(audiomentations: as anybody runs it; and in the environment of our workers)")
    print(
        f"{'rate':>6} {'clip s':>6} {'mosdata':>8} {'audiomentations':>16} {'ratio':>6}"
        f" {'':>16} {'ratio':>6} {'libraries alone':>16} {'ratio':>6}"
    )
    plain = {name: value for name, value in os.environ.items() if name not in WORKERS}
    for rate_hz in RATES_HZ:
        for duration_s in PIPELINE_S:
            with (
                TurnTaker("mosdata", rate_hz, duration_s, os.environ) as ours,
                TurnTaker("audiomentations", rate_hz, duration_s, plain) as theirs,
                TurnTaker("audiomentations", rate_hz, duration_s, os.environ) as helped,
                TurnTaker("libraries", rate_hz, duration_s, os.environ) as libraries,
            ):
                times = means((ours, theirs, helped, libraries), repeats)
            seconds_out = duration_s * len(KINDS["speech"])
            own, other, third, most = (seconds_out / cpu for cpu in times)
            print(
                f"{rate_hz:>6} {duration_s:>6g} {own:>8.0f} {other:>16.0f} {own / other:>6.1f}"
                f" {third:>16.0f} {own / third:>6.1f} {most:>16.0f} {most / other:>6.1f}",
                flush=True,
            )
        wall, cpu = two_processes(rate_hz, repeats)
        print(
            f"{rate_hz:>6} wanted {TARGETS[rate_hz]}; two processes: {wall:.2f} x by the clock, "
            f"{cpu:.2f} x by CPU time",
            flush=True,
        )


def two_processes(rate_hz: int, repeats: int) -> tuple[float, float]:
    """Throughput of two processes at once over that of one: by the clock, and by CPU time."""
    command = [sys.executable, __file__, "--worker", str(rate_hz), "--repeats", str(2 * repeats)]

    def run(count: int) -> list[tuple[float, float]]:
        started = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)
        ]
        lines = [process.communicate()[0].split() for process in started]
        return [(float(clock), float(cpu)) for clock, cpu in lines]

    singles, pairs = [], []
    for _ in range(3):
        singles += run(1)
        pairs += run(2)
    (clock, cpu), (clock_2, cpu_2) = (
        [statistics.median(column) for column in zip(*runs, strict=True)]
        for runs in (singles, pairs)
    )
    return 2 * clock / clock_2, 2 * cpu / cpu_2


def worker(rate_hz: int, repeats: int) -> None:
    """Print clock and CPU seconds of some turns of the pipeline."""
    work = Ours(rate_hz)
    work(0)
    clock, cpu = time.perf_counter(), time.process_time()
    for turn in range(repeats):
        work(turn + 1)
    print(time.perf_counter() - clock, time.process_time() - cpu)


def harm(
    name: str, rate_hz: int, pool: MemoryPool, values: Mapping[str, float] | None = None
) -> Harm:
    """Draw and apply one corruption, at given values or level 0.6."""
    corruption = build_corruption(name, pool=pool, sentence="text", speaker="ann")
    whole = corruption.values_of(values, rate_hz) if values else {}

    def once(turn: int, clip: Clip) -> object:
        drawn = corruption.draw(0.6, clip, generator_for(corruption, 0, f"record-{turn}"))
        return corruption.apply(clip, replace(drawn, params={**drawn.params, **whole}))

    return once


def floors(repeats: int) -> None:
    """Ratios to the bare libraries."""
    print("\nfloors: x real time, and the ratio to the bare library")
    for rate_hz in RATES_HZ:
        clips, pool = [talk(rate_hz, seed) for seed in range(3)], pool_of(rate_hz)
        pairs = {
            "white_noise / numpy": (harm("white_noise", rate_hz, pool), normals),
            "normal numbers / numpy": (own_normals, normals),
        }
        for name, both in pairs.items():
            say(rate_hz, DURATION_S, name, in_turn(both, clips, 4 * repeats))
        rungs = []
        for rung in Mp3.rungs:
            name, values = f"mp3 {rung.bitrate_kbps}", {"bitrate_kbps": rung.bitrate_kbps}
            three = harm("mp3", rate_hz, pool, values), coded(rate_hz, values), bare_mp3(**values)
            drawn_s, applied_s, bare_s = in_turn(three, clips, 4 * repeats)
            say(rate_hz, DURATION_S, f"{name} / bare", (drawn_s, bare_s))
            say(rate_hz, DURATION_S, f"{name}, apply alone / bare", (applied_s, bare_s))
            rungs.append((drawn_s, applied_s, bare_s))
        drawn_s, applied_s, bare_s = (statistics.mean(times) for times in zip(*rungs, strict=True))
        say(rate_hz, DURATION_S, "mp3, all rungs / bare", (drawn_s, bare_s))
        say(rate_hz, DURATION_S, "mp3, all rungs, apply / bare", (applied_s, bare_s))
        for duration_s in (4.0, DURATION_S):
            clips = [talk(rate_hz, seed, duration_s) for seed in range(3)]
            for name, room in {
                "reverb / RoomSimulator": rooms(),
                "reverb / the same, order 10": rooms(use_ray_tracing=False, max_order=10),
            }.items():
                both = harm("reverb", rate_hz, pool), room
                # Rooms of random size have no typical turn.
                say(rate_hz, duration_s, name, in_turn(both, clips, 4 * repeats, statistics.mean))


def say(rate_hz: int, duration_s: float, name: str, times: Sequence[float]) -> None:
    """One line: speeds, and their ratio."""
    fast, slow = times
    print(
        f"{rate_hz:>6} {duration_s:>3g} s {name:<28} {duration_s / fast:>8.0f} "
        f"{duration_s / slow:>8.0f} {slow / fast:>6.2f}",
        flush=True,
    )


def normals(turn: int, clip: Clip) -> object:
    """As many normal numbers as a clip has samples."""
    generator = np.random.Generator(np.random.SFC64(turn))
    return generator.standard_normal(clip.num_samples, dtype=np.float32)


def own_normals(turn: int, clip: Clip) -> object:
    """The same number of ours."""
    return normal_noise(turn, clip.num_samples)


def rooms(**options: object) -> Harm:
    """A room of audiomentations, made for every clip."""
    import audiomentations as am

    transform = am.RoomSimulator(leave_length_unchanged=True, p=1, **options)
    return lambda _, clip: transform(clip.samples, clip.sample_rate_hz)


def coded(rate_hz: int, values: Mapping[str, float]) -> Harm:
    """MP3 as it was drawn: there and back, without the draw."""
    corruption = build_corruption("mp3")
    whole = {**corruption.values_of(values, rate_hz)}
    drawn = Applied(name="mp3", level=0.6, params=whole)
    return lambda _, clip: corruption.apply(clip, drawn)


def bare_mp3(bitrate_kbps: float) -> Harm:
    """The library alone, at the clip's own rate."""
    from fast_mp3_augment import compress_roundtrip

    return lambda _, clip: compress_roundtrip(clip.samples, clip.sample_rate_hz, int(bitrate_kbps))


def kinds(repeats: int) -> None:
    """Every corruption of the table."""
    print(f"\nkinds at level 0.6: x real time at {', '.join(map(str, RATES_HZ))} Hz")
    clips = {rate_hz: [talk(rate_hz, seed) for seed in range(3)] for rate_hz in RATES_HZ}
    pools = {rate_hz: pool_of(rate_hz) for rate_hz in RATES_HZ}
    for name in CORRUPTIONS:
        try:
            speeds = [
                DURATION_S / in_turn([harm(name, rate, pools[rate])], clips[rate], repeats)[0]
                for rate in RATES_HZ
            ]
        except MissingExtra as missing:
            print(f"{name:<24} {missing}")
            continue
        print(f"{name:<24} {' '.join(f'{speed:>8.0f}' for speed in speeds)}", flush=True)


def memory() -> None:
    """Peak memory of a process that corrupted few and many clips."""
    peaks = [
        int(subprocess.check_output([sys.executable, __file__, "--peak", str(count)]))
        for count in (5, 60)
    ]
    print(f"\nmemory: peak after 5 clips {peaks[0]} MiB, after 60 clips {peaks[1]} MiB")


def peak(count: int) -> None:
    """Print the peak in MiB after some clips at 16 kHz."""
    work = Ours(16_000)
    for turn in range(count):
        work(turn)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default="pipeline,floors,kinds,memory")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--take-turns", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.random.seed(0)  # noqa: NPY002 - the generator that audiomentations uses
    if options.take_turns:
        pipeline_name, rate_hz, duration_s = options.take_turns
        return take_turns(pipeline_name, int(rate_hz), float(duration_s))
    if not {*WORKERS.items()} <= {*os.environ.items()}:  # read by libraries when they start
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **WORKERS})
    if options.worker:
        return worker(options.worker, options.repeats)
    if options.peak:
        return peak(options.peak)
    parts = {"pipeline": pipeline, "floors": floors, "kinds": kinds}
    for part in options.parts.split(","):
        if part == "memory":
            memory()
        else:
            parts[part](options.repeats)
    return None


if __name__ == "__main__":
    main()
