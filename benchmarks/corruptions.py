"""Speed of every corruption beside the nearest transform of audiomentations, in the same run.

    python benchmarks/corruptions.py [--sample-rate-hz 16000] [--duration-s 10] [--repeats 7]

Prints seconds of audio per CPU second (median over repeats, draw and apply together) and the
ratio of the two. Both run in turn within each repeat, so a busy machine slows both alike.
The nearest transform is not always the same work: its filters have a random slope of 12 to 24
dB an octave instead of 48, its reverberation gets a ready-made response from a file.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mosdata.audio import Clip
from mosdata.augment.corruptions import CORRUPTIONS, build_corruption
from mosdata.augment.pool import MemoryPool
from mosdata.augment.reverb import room_response
from mosdata.manifests.ids import rng_for
from mosdata.testing import speechlike

LEVEL = 0.6


def ours(name: str, clip: Clip) -> Callable[[], object]:
    """Draw and apply one corruption."""
    pool = MemoryPool({"other": (speechlike(8, clip.sample_rate_hz, seed=1), "text-2", "bob")})
    corruption = build_corruption(name, pool=pool, sentence="text-1", speaker="ann")

    def once() -> object:
        return corruption.apply(clip, corruption.draw(LEVEL, clip, rng_for(0, "record", name)))

    return once


def theirs(name: str, clip: Clip, folder: Path) -> Callable[[], object]:
    """The nearest transform of audiomentations at the same place of the ladder."""
    import audiomentations as am

    ladder = build_corruption(name).ladder(LEVEL, clip.sample_rate_hz)
    transform = {
        "white_noise": lambda snr_db: am.AddGaussianSNR(snr_db, snr_db, p=1),
        "overlap": lambda sir_db: am.AddBackgroundNoise(
            other_file(folder, clip), sir_db, sir_db, p=1
        ),
        "reverb": lambda **_: am.ApplyImpulseResponse(response_file(folder, clip), p=1),
        "low_pass": lambda cutoff_hz: am.LowPassFilter(cutoff_hz, cutoff_hz, 24, 24, p=1),
        "high_pass": lambda cutoff_hz: am.HighPassFilter(cutoff_hz, cutoff_hz, 24, 24, p=1),
        "time_mask": lambda masked_fraction: am.TimeMask(masked_fraction, masked_fraction, p=1),
        "mp3": lambda bitrate_kbps, **_: am.Mp3Compression(bitrate_kbps, bitrate_kbps, p=1),
    }[name](**ladder)  # fmt: skip
    return lambda: transform(clip.samples, clip.sample_rate_hz)


def other_file(folder: Path, clip: Clip) -> Path:
    """An interferer on disk, as the transform wants it."""
    import soundfile

    path = folder / "other.wav"
    soundfile.write(path, speechlike(8, clip.sample_rate_hz, seed=1).samples, clip.sample_rate_hz)
    return path


def response_file(folder: Path, clip: Clip) -> Path:
    """The room response that ours draws, on disk."""
    import soundfile

    applied = build_corruption("reverb").draw(LEVEL, clip, rng_for(0, "record", "reverb"))
    path = folder / "room.wav"
    soundfile.write(path, room_response(applied, clip.sample_rate_hz), clip.sample_rate_hz)
    return path


def cpu_seconds(work: Callable[[], object], calls: int) -> float:
    """CPU time of one call, over several."""
    start = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - start) / calls


def compare(name: str, clip: Clip, repeats: int) -> tuple[float, float]:
    """Seconds of audio per CPU second: ours, theirs."""
    with tempfile.TemporaryDirectory() as folder:
        pair = [ours(name, clip), theirs(name, clip, Path(folder))]
        calls = [max(1, round(0.05 / max(1e-6, cpu_seconds(work, 2)))) for work in pair]
        times = [
            [cpu_seconds(work, n) for work, n in zip(pair, calls, strict=True)]
            for _ in range(repeats)
        ]
    own, other = (
        clip.duration_s / statistics.median(column) for column in zip(*times, strict=True)
    )
    return own, other


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample-rate-hz", type=int, default=16_000)
    parser.add_argument("--duration-s", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.random.seed(0)  # noqa: NPY002 - the generator that audiomentations uses
    clip = speechlike(options.duration_s, options.sample_rate_hz)
    print(f"{options.duration_s:g} s at {options.sample_rate_hz} Hz, level {LEVEL}; x real time")
    print(f"{'corruption':<12} {'mosdata':>9} {'audiomentations':>16} {'ratio':>6}")
    for name in CORRUPTIONS:
        own, other = compare(name, clip, options.repeats)
        print(f"{name:<12} {own:>9.0f} {other:>16.0f} {own / other:>6.2f}")


if __name__ == "__main__":
    main()
