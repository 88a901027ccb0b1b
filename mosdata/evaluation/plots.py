"""The figures of the report; every function takes plain values and returns one ``<svg>``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mosdata.evaluation.findings import Cell, SystemRow
from mosdata.evaluation.gates import ExpertUse
from mosdata.evaluation.svg import HEAT, INK, LINE, MARKERS, MUTED, PAPER, SERIES, drawing, finish
from mosdata.manifests.ids import unit_hash
from mosdata.manifests.predictions import Prediction

MAX_POINTS: Final = 3000
"""Clips in a scatter plot; of more, a fixed choice by a hash of their ids is drawn."""

MAX_NAMED: Final = 24
"""Names that fit beside a figure."""

MAX_LADDERS: Final = 12

MAX_LABEL: Final = 30
"""Letters of a name that is drawn; tables show it whole."""

MAX_LEVEL_LABELS: Final = 5
"""Column labels of a heat map that fit side by side; more are slanted."""

ERROR_ENDINGS: Final = ("loss", "mse")
AGREEMENT_ENDINGS: Final = ("lcc", "srcc", "ktau", "ccc", "accuracy")


def drawn_points(rows: Sequence[Prediction]) -> list[Prediction]:
    """The rows that a scatter plot shows: all, or a fixed choice of them."""
    chosen = sorted(rows, key=lambda row: (unit_hash(row.clip_id), row.clip_id))[:MAX_POINTS]
    return sorted(chosen, key=lambda row: (row.system, row.clip_id))


def utterance_scatter(rows: Sequence[Prediction], *, target: str) -> str:
    """Prediction against target, a point per clip, coloured by system."""
    points = drawn_points(rows)
    systems = sorted({row.system for row in points})
    with drawing(5.6, 4.7 + 0.16 * math.ceil(min(len(systems), MAX_NAMED) / 3)) as figure:
        axes = figure.add_subplot()
        _diagonal(axes, [value for row in points for value in _values(row)])
        for number, system in enumerate(systems):
            mine = [_values(row) for row in points if row.system == system]
            true, pred = zip(*mine, strict=True)
            axes.scatter(
                true, pred, s=9, alpha=0.55, linewidths=0, label=short(system), **_look(number)
            )
        axes.set(xlabel=f"target ({target})", ylabel="prediction", anchor="N")
        if 1 < len(systems) <= MAX_NAMED:
            figure.legend(loc="outside lower center", ncols=3, markerscale=1.8)
        alt = f"Prediction against target of {len(points)} clips of {len(systems)} systems."
        return finish(figure, name="utterances", alt=alt)


def system_scatter(rows: Sequence[SystemRow], *, target: str) -> str:
    """Mean prediction against truth, a point per system with the truth's interval, and names."""
    known = [row for row in rows if row.truth is not None and row.mean_pred is not None]
    named = sorted(known, key=lambda row: (-abs(row.bias or 0), row.system))[:MAX_NAMED]
    with drawing(5.6, 4.7 + 0.16 * math.ceil(min(len(known), MAX_NAMED) / 3)) as figure:
        axes = figure.add_subplot()
        low, high = _diagonal(axes, [v or 0 for row in known for v in (row.truth, row.mean_pred)])
        for number, row in enumerate(known):
            if row.truth_low is not None:
                axes.plot(
                    [row.truth_low, row.truth_high], [row.mean_pred] * 2, color=LINE, linewidth=2
                )
            axes.scatter([row.truth], [row.mean_pred], s=42, zorder=3, **_look(number))
        named.sort(key=lambda row: (row.mean_pred or 0, row.system))
        heights = spread([row.mean_pred or 0 for row in named], low, high, 0.042 * (high - low))
        for row, height in zip(named, heights, strict=True):
            start, end = (row.truth or 0, row.mean_pred or 0), (1.02, height)
            axes.annotate(
                short(row.system), xy=start, xytext=end, textcoords=axes.get_yaxis_transform(),
                va="center", fontsize=7.5, annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": LINE, "linewidth": 0.7, "shrinkB": 4},
            )  # fmt: skip
        axes.set(xlabel=f"truth ({target})", ylabel="mean prediction", anchor="N")
        alt = f"Mean prediction against truth of {len(known)} systems: " + "; ".join(
            f"{row.system} {row.truth:.2f}, {row.mean_pred:.2f}" for row in named
        )
        return finish(figure, name="systems", alt=alt)


def short(name: str) -> str:
    """A name that leaves room for the figure."""
    return name if len(name) <= MAX_LABEL else f"{name[: MAX_LABEL - 1]}…"


def spread(heights: Sequence[float], low: float, high: float, gap: float) -> list[float]:
    """Move sorted label heights apart to at least ``gap``, within limits as far as they fit."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else max(height, low))
    ceiling = high
    for place in reversed(range(len(placed))):
        placed[place] = min(placed[place], ceiling)
        ceiling = placed[place] - gap
    return placed


def residual_histogram(rows: Sequence[Prediction]) -> str:
    """How far predictions are off, and to which side."""
    errors = np.array([pred - true for true, pred in map(_values, rows)])
    with drawing(5.6, 2.7) as figure:
        axes = figure.add_subplot()
        reach = max(0.1, float(np.abs(errors).max()))
        bins = min(41, max(9, 2 * math.isqrt(len(errors)) // 2 + 1))
        axes.hist(errors, bins=np.linspace(-reach, reach, bins), color=SERIES[0], alpha=0.75)
        axes.margins(y=0.16)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.axvline(errors.mean(), color=SERIES[1], linestyle=(0, (4, 2)))
        axes.annotate(
            f"mean {errors.mean():+.2f}", (errors.mean(), 0.98), (5, 0),
            xycoords=axes.get_xaxis_transform(), textcoords="offset points", va="top",
            color=SERIES[1],
        )  # fmt: skip
        axes.grid(visible=False, axis="x")
        axes.set(xlabel="prediction minus target", ylabel="clips")
        alt = (
            f"Histogram of prediction minus target over {len(errors)} clips: "
            f"mean {errors.mean():+.2f}, standard deviation {errors.std():.2f}."
        )
        return finish(figure, name="residuals", alt=alt)


def ladders(cells: Sequence[Cell], *, target: str) -> str:
    """Mean target and mean prediction against level, a panel per corruption."""
    names = drawn_corruptions(cells)
    columns = 4
    lines = math.ceil(len(names) / columns)
    with drawing(11.4, 0.6 + 2.1 * lines) as figure:
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for panel, name in zip(panels.flat, names, strict=False):
            steps = ladder_steps(cells, name)
            _band(panel, steps, "mean_true", color=INK, dashes=(0, (4, 2)), label="target")
            _band(panel, steps, "mean_pred", color=SERIES[0], dashes="-", label="prediction")
            panel.set_title(short(name), loc="left")
        for panel in panels.flat[len(names) :]:
            panel.set_visible(False)
        for panel in panels.flat[max(0, len(names) - columns) : len(names)]:
            panel.xaxis.set_tick_params(labelbottom=True)
        panels[0, 0].set_xlim(-0.04, 1.04)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2)
        figure.supxlabel("level (0 = untouched, 1 = strongest)", color=MUTED, fontsize=8.5)
        figure.supylabel(f"mean {target}", color=MUTED, fontsize=8.5)
        alt = f"Mean target and mean prediction against level for {', '.join(names)}."
        return finish(figure, name="ladders", alt=alt)


def drawn_corruptions(cells: Sequence[Cell]) -> list[str]:
    """Corruptions that get a panel: those with most clips, in the order of their names."""
    counts: dict[str, int] = {}
    for cell in cells:
        if cell.corruption:
            counts[cell.corruption] = counts.get(cell.corruption, 0) + cell.n
    return sorted(sorted(counts, key=lambda name: (-counts[name], name))[:MAX_LADDERS])


def ladder_steps(cells: Sequence[Cell], corruption: str) -> list[Cell]:
    """Cells of one corruption by level; clean clips stand in for level 0 where it is absent."""
    steps = sorted((c for c in cells if c.corruption == corruption), key=lambda cell: cell.level)
    clean = [cell for cell in cells if not cell.corruption]
    return steps if steps and steps[0].level == 0 else [*clean, *steps]


def _band(
    axes: Any, steps: Sequence[Cell], side: str, *, color: str, dashes: Any, label: str
) -> None:
    found = [(cell.level, getattr(cell, side)) for cell in steps]
    levels = [level for level, _ in found]
    axes.plot(
        levels, [m.value for _, m in found], marker="o", markersize=3, color=color,
        linestyle=dashes, label=label,
    )  # fmt: skip
    sure = [(level, m.low, m.high) for level, m in found if m.low is not None]
    if len(sure) > 1:
        axes.fill_between(*zip(*sure, strict=True), color=color, alpha=0.14, linewidth=0)


def confusion_map(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Which synthesizer was taken for which; shade is the share of the true class."""
    table = np.array(counts, dtype=np.float64)
    sums = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, sums, out=np.zeros_like(table), where=sums > 0)
    texts = [[f"{n:.0f}" if n else "" for n in row] for row in table]
    right = float(np.trace(table) / max(1.0, table.sum()))
    return _heat_map(
        shares, texts, rows=classes, columns=classes, name="confusion",
        x_label="predicted", y_label="true",
        alt=f"Confusion of {len(classes)} synthesizers; {100 * right:.1f} % on the diagonal.",
    )  # fmt: skip


def expert_map(use: ExpertUse) -> str:
    """Mean mixture weight of every expert for every system, and over all clips."""
    rows = [("all clips", use.mean_gate), *((row.name, row.mean_gate) for row in use.per_system)]
    weights = np.array([gates for _, gates in rows])
    columns = [f"expert {n}{' (dead)' if n in use.dead else ''}" for n in range(use.num_experts)]
    return _heat_map(
        weights, [[f"{w:.2f}" for w in row] for row in weights], rows=[n for n, _ in rows],
        columns=columns, name="experts", x_label="", y_label="",
        alt=f"Mean weight of {use.num_experts} experts for {len(rows) - 1} systems.",
    )  # fmt: skip


def _heat_map(
    shares: Any,
    texts: Sequence[Sequence[str]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    name: str,
    x_label: str,
    y_label: str,
    alt: str,
) -> str:
    from matplotlib.patches import Rectangle

    with drawing(5.6, 1.3 + min(0.27 * len(rows), 5.6)) as figure:
        axes = figure.add_subplot()
        for y, line in enumerate(shares):
            for x, share in enumerate(line):
                # Opacity, not a colour scale: it reads on light and on dark paper.
                axes.add_patch(
                    Rectangle((x, y), 1, 1, facecolor=HEAT, alpha=float(share), linewidth=0)
                )
                if len(columns) <= MAX_NAMED:
                    color = PAPER if share > 0.55 else INK
                    axes.text(
                        x + 0.5, y + 0.5, texts[y][x], ha="center", va="center", fontsize=7,
                        color=color,
                    )  # fmt: skip
        axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0), xlabel=x_label, ylabel=y_label)
        named = [short(column) for column in columns] if len(columns) <= MAX_NAMED else []
        axes.set_xticks(np.arange(len(named)) + 0.5, named)
        if len(columns) > MAX_LEVEL_LABELS:
            axes.tick_params(axis="x", rotation=35, rotation_mode="anchor")
            for label in axes.get_xticklabels():
                label.set_ha("right")
        axes.set_yticks(np.arange(len(rows)) + 0.5, [short(row) for row in rows])
        axes.tick_params(length=0)
        axes.grid(visible=False)
        return finish(figure, name=name, alt=alt)


def training_curves(history: Iterable[Mapping[str, Any]]) -> str | None:
    """Losses and agreement over epochs; None where the history holds neither."""
    rows = list(history)
    panels = [
        (title, found)
        for title, endings in (("losses", ERROR_ENDINGS), ("agreement", AGREEMENT_ENDINGS))
        if (found := _curves(rows, endings))
    ]
    if not panels:
        return None
    with drawing(11.4, 3.4) as figure:
        for axes, (title, curves) in zip(
            figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True
        ):
            for number, (key, points) in enumerate(curves.items()):
                axes.plot(
                    *zip(*points, strict=True), label=key, color=SERIES[number % len(SERIES)],
                    marker=MARKERS[number % len(MARKERS)], markersize=2.5, linewidth=1.2,
                )  # fmt: skip
            _stage_marks(axes, rows)
            axes.set(xlabel="epoch, over all stages")
            axes.set_title(title, loc="right", color=MUTED)
            axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.18))
        alt = (
            "Training curves over "
            + f"{len(rows)} epochs: "
            + ", ".join(key for _, curves in panels for key in curves)
        )
        return finish(figure, name="training", alt=alt)


def _curves(
    rows: Sequence[Mapping[str, Any]], endings: tuple[str, ...]
) -> dict[str, list[tuple[int, float]]]:
    """Finite values of every key with such an ending, by row number from 1."""
    found: dict[str, list[tuple[int, float]]] = {}
    for number, row in enumerate(rows, start=1):
        for key, value in row.items():
            number_like = isinstance(value, int | float) and not isinstance(value, bool)
            if key.endswith(endings) and number_like and math.isfinite(value):
                found.setdefault(key, []).append((number, float(value)))
    return dict(sorted(found.items()))


def _stage_marks(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """A line where a stage begins, with its name."""
    before: object = None
    for number, row in enumerate(rows, start=1):
        stage = row.get("stage")
        if stage is not None and stage != before:
            axes.axvline(number - 0.5, color=MUTED, linewidth=0.7)
            axes.annotate(
                str(stage), (number - 0.5, 1.0), (3, 2), va="bottom", fontsize=7.5, color=MUTED,
                xycoords=axes.get_xaxis_transform(), textcoords="offset points",
            )  # fmt: skip
        before = stage


def _diagonal(axes: Any, values: Sequence[float]) -> tuple[float, float]:
    """Equal limits on both axes and the line of perfect agreement."""
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.5
    low, high = low - margin, high + margin
    axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    return low, high


def _look(number: int) -> dict[str, Any]:
    return {"color": SERIES[number % len(SERIES)], "marker": MARKERS[number % len(MARKERS)]}


def _values(row: Prediction) -> tuple[float, float]:
    assert row.mos_true is not None
    assert row.mos_pred is not None
    return row.mos_true, row.mos_pred
