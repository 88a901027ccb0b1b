"""Same record, same bytes: on other processors, with other threads, in any order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.augment.corruptions import CORRUPTIONS, KINDS, SPECTRAL, build_corruption
from mosdata.augment.pool import MemoryPool
from mosdata.errors import MissingExtra
from mosdata.manifests.ids import rng_for
from mosdata.testing.clips import speechlike

ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-4


def build(name: str):
    """The corruption with a pool of everything, or None where its package is missing."""
    noise = np.random.default_rng(0).standard_normal(9_000, dtype=np.float32)
    falling = noise * np.exp(-np.arange(9_000, dtype=np.float32) / 900)
    pool = MemoryPool(
        {f"c{i}": (speechlike(1.1, seed=i), f"text-{i}", f"voice-{i}") for i in range(3)},
        files={
            "noise": {"noise.wav": Clip(np.float32(0.1) * noise, 16_000)},
            "impulse_responses": {"room.wav": Clip(falling, 16_000)},
        },
    )
    try:
        return build_corruption(name, pool=pool, sentence="text-0", speaker="voice-0")
    except MissingExtra:
        return None


def harmed(name: str, seed: int = 3) -> np.ndarray:
    """Samples at level 0.7."""
    clip = speechlike(0.8, seed=seed)
    corruption = build(name)
    drawn = corruption.draw(0.7, clip, rng_for(1, f"record-{seed}", name))
    return corruption.apply(clip, drawn).samples


def all_harmed() -> dict[str, np.ndarray]:
    """Every kind that can be built here; spectral ones also of longer, quiet and clipped clips."""
    kinds = [name for name in CORRUPTIONS if build(name) is not None]
    found = {name: harmed(name) for name in kinds}
    for name in SPECTRAL & {*kinds}:
        for seed, gain in ((6, 0.03), (8, 5.0)):
            samples = speechlike(3.0, 22_050, seed=seed).samples * np.float32(gain)
            clip = Clip(np.clip(samples, -1, 1), 22_050)
            drawn = build(name).draw(1.0, clip, rng_for(1, f"record-{seed}", name))
            found[f"{name} {seed}"] = build(name).apply(clip, drawn).samples
    return found


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
from test_augment_determinism import all_harmed
np.savez({out!r}, **all_harmed())
"""


@pytest.fixture(scope="module")
def here() -> dict[str, np.ndarray]:
    """In this process, with what this processor can do."""
    return all_harmed()


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"},
        {
            "OMP_NUM_THREADS": "2",
            "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL "
            "AVX512_ICL AVX512_SPR X86_V4 AVX2 FMA3 X86_V3",
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-AVX2,-AVX512F",
        },
    ],
    ids=["one thread", "an old processor and two threads"],
)
def test_other_processors_make_the_same_samples(
    here: dict[str, np.ndarray], environment: dict[str, str], tmp_path: Path
) -> None:
    """Bit for bit, and within 1e-4 where spectra are involved."""
    out = str(tmp_path / "there.npz")
    subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            SCRIPT.format(folder=str(Path(__file__).parent), out=out),
        ],
        env={**os.environ, **environment},
        check=True,
    )
    with np.load(out) as there:
        assert {*there.files} == {*here}
        for name, samples in here.items():
            if name.partition(" ")[0] in SPECTRAL:
                np.testing.assert_allclose(there[name], samples, atol=TOLERANCE, err_msg=name)
            else:
                assert np.array_equal(there[name], samples), name


def test_threads_and_order_change_nothing() -> None:
    """Four threads at once, backwards, give what one gives: no state is shared."""
    names = [name for name in KINDS["speech"] + KINDS["codec"] if build(name) is not None]
    jobs = [(name, seed) for seed in range(3) for name in names]
    alone = [harmed(*job) for job in jobs]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda job: harmed(*job), reversed(jobs)))

    for job, one, other in zip(jobs, alone, reversed(together), strict=True):
        assert np.array_equal(one, other), job


def test_no_noise_of_torch() -> None:
    """torch.randn differs between processors; nothing in this room draws from it."""
    for path in sorted((ROOT / "mosdata" / "augment").glob("*.py")):
        assert not re.search(
            r"\btorch\.rand|\bnp\.random\.(?!Generator|SFC64|get_state|seed|set_)",
            path.read_text(encoding="utf-8"),
        ), path.name
