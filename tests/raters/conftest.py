"""Panels whose truth is known, since the tests made them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mosdata.raters.panel import Panel


@pytest.fixture(scope="session")
def panel_of() -> Callable[..., Panel]:
    """A panel of rows (clip, rater, value), on a scale without steps unless told."""

    def make(
        rows: Sequence[tuple[Any, ...]], *, scale: str = "continuous_0_100", **more: Any
    ) -> Panel:
        clips, raters, values = zip(*rows, strict=True)
        table = pa.table(
            {
                "clip_id": pa.array([str(c) for c in clips]),
                "rater": pa.array([None if r is None else str(r) for r in raters], pa.string()),
                "value": pa.array([float(v) for v in values]),
                "scale": [scale] * len(rows),
            }
        )
        return Panel.from_ratings(table, **more)

    return make


@pytest.fixture(scope="session")
def drawn() -> Callable[..., tuple[Panel, np.ndarray]]:
    """A panel of known variances, and the true quality of its clips in the panel's order."""

    def make(
        *,
        clips: int = 2000,
        raters: int = 100,
        votes: int = 5,
        variances: tuple[float, float, float] = (0.6, 0.3, 0.5),
        systems: int = 0,
        system_variance: float = 0.0,
        crossed: bool = False,
        steps: bool = False,
        named: bool = True,
        seed: int = 1,
    ) -> tuple[Panel, np.ndarray]:
        rng = np.random.default_rng(seed)
        clip_sd, rater_sd, residual_sd = np.sqrt(variances)
        number_C = np.arange(clips)
        system_C = number_C % max(1, systems)
        level_S = rng.normal(0, np.sqrt(system_variance), max(1, systems))
        quality_C = 3.0 + level_S[system_C] + rng.normal(0, clip_sd, clips)
        offset_R = rng.normal(0, rater_sd, raters)
        if crossed:
            rater_N = np.tile(np.arange(raters), clips)
        else:
            rater_N = np.concatenate([rng.permutation(raters)[:votes] for _ in range(clips)])
        clip_N = np.repeat(number_C, rater_N.size // clips)
        value_N = quality_C[clip_N] + offset_R[rater_N] + rng.normal(0, residual_sd, clip_N.size)
        # On the slider, far from its ends.
        value_N = np.clip(np.rint(value_N), 1, 5) if steps else 50 + value_N
        table = pa.table({
            "clip_id": [f"c{c:05d}" for c in clip_N],
            "rater": [f"r{r:04d}" if named else None for r in rater_N],
            "value": value_N,
            "scale": ["acr_1_5" if steps else "continuous_0_100"] * clip_N.size,
        }, schema=pa.schema([
            ("clip_id", pa.string()), ("rater", pa.string()), ("value", pa.float64()),
            ("scale", pa.string()),
        ]))  # fmt: skip
        names = [f"c{c:05d}" for c in number_C]
        by_clip = (
            {n: f"s{s:02d}" for n, s in zip(names, system_C, strict=True)} if systems else None
        )
        return Panel.from_ratings(table, systems=by_clip), quality_C

    return make
