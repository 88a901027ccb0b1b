"""Whether corruptions make the same samples on another processor: an emulated one, say.

    python benchmarks/processors.py --under "qemu-x86_64 -cpu EPYC-Milan" [--without mp3]

Every corruption of the table harms one clip at three levels, here and in a second Python that runs
under the command given (``qemu-user`` of Debian emulates processors without AVX-512, without FMA,
without AVX). Both read the clips from one file. What was drawn has to be equal, and the samples bit
for bit, or, where spectra are involved, within 1e-4.

Levels, samples that differ and by how much are printed; the exit status is 1 where something
differs that must not.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip
from mosdata.augment.corruptions import CORRUPTIONS, SPECTRAL, build_corruption
from mosdata.augment.pool import MemoryPool
from mosdata.errors import MissingExtra
from mosdata.manifests.ids import rng_for
from mosdata.testing import speechlike

RATE_HZ = 16_000
LEVELS = (0.3, 0.7, 1.0)
TOLERANCE = 1e-4

Arrays = dict[str, NDArray[np.generic]]


def materials() -> Arrays:
    """A clip, three other talkers, a noise and a room."""
    noise = np.random.default_rng(0).standard_normal(9_000, dtype=np.float32)
    falling = np.exp(-np.arange(9_000, dtype=np.float32) / 900)
    others = {f"c{i}": speechlike(1.1, RATE_HZ, seed=i).samples for i in range(3)}
    clip = speechlike(0.8, RATE_HZ, seed=3).samples
    return {"clip": clip, "noise": np.float32(0.1) * noise, "room": noise * falling, **others}


def harmed(given: Arrays, without: frozenset[str]) -> Arrays:
    """What was drawn and the samples, of every corruption that can be had, at every level."""

    def clip(name: str) -> Clip:
        return Clip(np.asarray(given[name], np.float32).copy(), RATE_HZ)

    pool = MemoryPool(
        {f"c{i}": (clip(f"c{i}"), f"text-{i}", f"voice-{i}") for i in range(3)},
        files={
            "noise": {"noise.wav": clip("noise")},
            "impulse_responses": {"room.wav": clip("room")},
        },
    )
    made: Arrays = {}
    for name in CORRUPTIONS:
        if name in without:
            continue
        try:
            corruption = build_corruption(name, pool=pool, sentence="text-0", speaker="voice-0")
        except MissingExtra:
            continue
        for level in LEVELS:
            drawn = corruption.draw(level, clip("clip"), rng_for(1, "record", name))
            made[f"{name} {level} drawn"] = np.array(json.dumps(drawn.params, sort_keys=True))
            made[f"{name} {level}"] = corruption.apply(clip("clip"), drawn).samples
    return made


def features() -> str:
    """The highest level of instructions that numpy finds here."""
    from numpy._core._multiarray_umath import __cpu_features__

    known = ("X86_V4", "AVX512F", "X86_V3", "FMA3", "AVX2", "AVX", "X86_V2", "SSE2")
    return " ".join(name for name in known if __cpu_features__.get(name)) or "none that are known"


def compared(here: Arrays, there: Arrays) -> bool:
    """Print what differs; whether all is as it must be."""
    fine = {*here} == {*there}
    samples = [name for name in here if not name.endswith("drawn")]
    equal = [name for name in samples if np.array_equal(here[name], there.get(name, ()))]
    for name in sorted({*here} & {*there}):
        if np.array_equal(here[name], there[name]):
            continue
        is_drawn, kind = name.endswith("drawn"), name.split()[0]
        apart = 0.0 if is_drawn else float(np.abs(here[name] - there[name]).max())
        allowed = not is_drawn and kind in SPECTRAL and apart <= TOLERANCE
        fine &= allowed
        print(f"  {name:<24} {apart:.1e} {'' if allowed else 'must not differ'}".rstrip())
    print(f"{len(equal)} of {len(samples)} bit for bit; {'as' if fine else 'NOT as'} it must be")
    return fine


def main() -> int:
    """Make both and compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--under", default="", help="command to run the second Python under")
    parser.add_argument("--without", default="", help="corruptions to leave out, by commas")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    without = frozenset(filter(None, options.without.split(",")))
    if options.folder:
        with np.load(options.folder / "given.npz") as given:
            np.savez(options.folder / "there.npz", **harmed({**given}, without))
        print(f"there: {features()}")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "given.npz", **materials())
        print(f"here: {features()}")
        script = [sys.executable, __file__, "--without", options.without, "--folder", name]
        subprocess.run([*shlex.split(options.under), *script], check=True)
        with np.load(folder / "given.npz") as given, np.load(folder / "there.npz") as there:
            return 0 if compared(harmed({**given}, without), {**there}) else 1


if __name__ == "__main__":
    sys.exit(main())
