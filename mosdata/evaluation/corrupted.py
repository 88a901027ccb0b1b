"""What corruption does to a judge: one cell per corruption and level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from mosdata.evaluation.findings import Cell
from mosdata.evaluation.intervals import measure_mean
from mosdata.evaluation.metrics import lcc, mse, rmse
from mosdata.evaluation.resampling import resample
from mosdata.evaluation.scored import present, truth_and_prediction
from mosdata.manifests.predictions import Prediction

MAX_LEVELS: Final = 10
"""A corruption with more distinct levels than this was drawn from a range, not from a ladder."""


def with_binned_levels(
    rows: Sequence[Prediction], reference: Sequence[Prediction]
) -> tuple[list[Prediction], list[Prediction], list[str]]:
    """Round levels to one decimal where they were drawn from a range; rungs stay as they are."""
    levels: dict[str, set[float]] = {}
    for row in (*rows, *reference):
        levels.setdefault(row.corruption, set()).add(row.level)
    digits = 6 if all(len(found) <= MAX_LEVELS for found in levels.values()) else 1
    notes = ["Levels of corruptions are rounded to one decimal."] if digits == 1 else []
    binned = [
        [replace(row, level=round(row.level, digits)) for row in side] for side in (rows, reference)
    ]
    return binned[0], binned[1], notes


def judge_cells(rows: Sequence[Prediction], *, seed: int, notes: list[str]) -> tuple[Cell, ...]:
    """Truth, prediction and error of each corruption and level, clean clips first.

    Args:
        rows: clips with truth and prediction; levels on rungs.
        seed: of the bootstrap.
        notes: gets a line for what cannot be said.
    """
    groups: dict[tuple[str, float], list[Prediction]] = {}
    for row in rows:
        groups.setdefault((row.corruption, row.level), []).append(row)
    if not any(row.corruption for row in rows):
        notes.append("No corrupted clip has a truth and a prediction.")
    clean = [row for row in rows if not row.corruption]
    if rows and not clean:
        notes.append("No clean clips: relative performance under corruption is not known.")
    clean_rmse = rmse(*truth_and_prediction(clean)) if clean else math.nan
    sources = _source_truth(clean)
    return tuple(
        _cell(*key, groups[key], clean_rmse=clean_rmse, sources=sources, seed=seed)
        for key in sorted(groups)
    )


def _source_truth(clean: Sequence[Prediction]) -> dict[tuple[str, str], float]:
    """Truth of the clean clip of a sentence and system, where there is exactly one."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in clean:
        assert row.mos_true is not None
        found.setdefault((row.sentence, row.system), []).append(row.mos_true)
    return {key: values[0] for key, values in found.items() if len(values) == 1}


def _cell(
    corruption: str,
    level: float,
    rows: Sequence[Prediction],
    *,
    clean_rmse: float,
    sources: dict[tuple[str, str], float],
    seed: int,
) -> Cell:
    true, pred = truth_and_prediction(rows)
    draws = resample([row.system for row in rows], unit="systems", seed=seed)
    if draws.refusal:
        draws = resample([row.sentence for row in rows], unit="sentences", seed=seed)
    pairs = [
        (sources[key], row.mos_pred)
        for row in rows
        if (key := (row.sentence, row.system)) in sources
    ]
    fixed_rmse = rmse(*zip(*pairs, strict=True)) if pairs else math.nan
    return Cell(
        corruption=corruption,
        level=level,
        n=len(rows),
        mean_true=measure_mean(true, resamples=draws),
        mean_pred=measure_mean(pred, resamples=draws),
        bias=float(pred.mean() - true.mean()),
        mse=mse(true, pred),
        lcc=present(lcc(true, pred)),
        relative_performance=relative_performance(clean_rmse, rmse(true, pred)),
        relative_performance_fixed=relative_performance(clean_rmse, fixed_rmse),
        n_fixed=len(pairs),
    )


def relative_performance(clean_rmse: float, corrupted_rmse: float) -> float | None:
    """RMSE on clean clips over RMSE on corrupted ones; 1 = insensitive, less = worse.

    Tamm et al. 2023, "Analysis of XLS-R for speech quality assessment", section 4.

    Example:
        >>> round(relative_performance(0.50, 0.65), 6)
        0.769231
    """
    if not corrupted_rmse > 0:
        return None
    return present(clean_rmse / corrupted_rmse)
