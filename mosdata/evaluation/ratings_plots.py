"""The figures of the page about ratings; every function takes plain values and returns an SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mosdata.evaluation.metrics import Floats, Ints
from mosdata.evaluation.plots import short
from mosdata.evaluation.ranking import TrueValue
from mosdata.evaluation.svg import INK, LINE, MUTED, SERIES, drawing, finish

MAX_SYSTEMS: Final = 48
"""Systems whose names fit under each other; of more, the best and the worst are drawn."""

MAX_BARS: Final = 40
"""Bars of a histogram that can be told apart."""

CURVE_VOTES: Final = 20
"""The ceiling is drawn up to this many votes, or twice as many as there are."""


def score_histogram(edges: Sequence[float], counts: Sequence[int], *, scale: str) -> str:
    """How often each score was given."""
    with drawing(5.6, 2.9) as figure:
        axes = figure.add_subplot()
        widths = np.diff(edges)
        middles = np.array(edges[:-1]) + widths / 2
        axes.bar(middles, counts, width=0.86 * widths, color=SERIES[0], alpha=0.8)
        axes.set(xlabel=f"score ({scale})", ylabel="ratings")
        if len(counts) <= 12:
            axes.set_xticks(middles, [f"{middle:g}" for middle in middles])
        axes.grid(visible=False, axis="x")
        shares = ", ".join(
            f"{middle:g}: {count}" for middle, count in zip(middles, counts, strict=True)
        )
        return finish(figure, name="scores", alt=f"How often each score was given. {shares}.")


def votes_histogram(votes_C: Ints) -> str:
    """How many clips got how many ratings."""
    with drawing(5.6, 2.9) as figure:
        axes = figure.add_subplot()
        most = int(votes_C.max(initial=1))
        step = max(1, math.ceil(most / MAX_BARS))
        edges = np.arange(0.5, most + step + 0.5, step)
        axes.hist(votes_C, bins=edges, color=SERIES[2], alpha=0.8, rwidth=0.86)
        axes.set(xlabel="ratings of a clip", ylabel="clips")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(visible=False, axis="x")
        alt = (
            f"Ratings per clip over {votes_C.size} clips: {int(votes_C.min(initial=most))} to "
            f"{most}, median {float(np.median(votes_C)):g}."
        )
        return finish(figure, name="votes", alt=alt)


def rater_offsets(offset_R: Floats, error_R: Floats) -> str:
    """What every rater adds, from the harshest to the mildest, with 95 % intervals."""
    order = np.argsort(offset_R, kind="stable")
    offset, half = offset_R[order], 1.96 * error_R[order]
    place = np.arange(1, offset.size + 1)
    with drawing(11.4, 3.2) as figure:
        axes = figure.add_subplot()
        known = np.isfinite(half)
        axes.vlines(
            place[known], (offset - half)[known], (offset + half)[known], color=SERIES[0],
            alpha=0.35, linewidth=max(0.5, min(4.0, 300 / max(1, offset.size))),
        )  # fmt: skip
        size = max(2.0, min(22.0, 2000 / max(1, offset.size)))
        axes.scatter(place, offset, s=size, color=SERIES[0], linewidths=0, zorder=3)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.set(xlabel="raters, the harshest first", ylabel="points that a rater adds")
        axes.set_xlim(0, offset.size + 1)
        axes.grid(visible=False, axis="x")
        alt = (
            f"Offsets of {offset.size} raters, sorted: {offset.min():+.2f} to "
            f"{offset.max():+.2f} points."
        )
        return finish(figure, name="offsets", alt=alt)


def ceiling_curve(single: float, votes: float) -> str:
    """What a perfect judge would score against the mean of 1, 2, 3, ... ratings."""
    most = max(CURVE_VOTES, math.ceil(2 * votes))
    grid = np.linspace(1, most, 200)
    with drawing(5.6, 3.3) as figure:
        axes = figure.add_subplot()
        axes.plot(grid, lcc_ceiling(single, grid), color=SERIES[0])
        here = float(lcc_ceiling(single, np.array([votes]))[0])
        axes.plot([votes, votes, 0], [0, here, here], color=LINE, linewidth=1, zorder=1)
        axes.scatter([votes], [here], s=42, color=SERIES[1], zorder=3)
        below = votes > most / 2
        axes.annotate(
            f"{votes:.3g} votes", (votes, here),
            (-8 if below else 8, -12), textcoords="offset points", color=SERIES[1], va="top",
            ha="right" if below else "left",
        )  # fmt: skip
        axes.set(xlabel="ratings per clip", ylabel="LCC of a perfect judge", ylim=(0, 1.02))
        axes.set_xlim(0, most)
        axes.xaxis.get_major_locator().set_params(integer=True)
        alt = (
            f"Ceiling of LCC over clips against ratings per clip: {math.sqrt(single):.2f} for one "
            f"rating, {here:.2f} for the {votes:.3g} that there are."
        )
        return finish(figure, name="ceiling", alt=alt)


def lcc_ceiling(single: float, votes: Floats) -> Floats:
    """Root of the reliability of a mean of so many ratings (Spearman 1910; Brown 1910)."""
    ceiling: Floats = np.sqrt(votes * single / (1 + (votes - 1) * single))
    return ceiling


def system_values(values: Mapping[str, TrueValue], *, dimension: str) -> str:
    """The truth of every system with its interval, the best on top."""
    ordered = sorted(values.items(), key=lambda item: (item[1].value, item[0]))
    shown = drawn_systems(ordered)
    with drawing(5.6, 0.9 + 0.19 * len(shown)) as figure:
        axes = figure.add_subplot()
        for height, (_, value) in enumerate(shown):
            if value.half_width is not None:
                axes.plot([value.low, value.high], [height] * 2, color=SERIES[0], alpha=0.4,
                          linewidth=4, solid_capstyle="round")  # fmt: skip
            axes.scatter([value.value], [height], s=22, color=SERIES[0], zorder=3)
        names = [short(name) for name, _ in shown]
        axes.set_yticks(range(len(shown)), names, color=INK, fontsize=7.5)
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.set(xlabel=f"mean {dimension} of the system's clips")
        axes.tick_params(axis="y", length=0)
        best, worst = ordered[-1], ordered[0]
        alt = (
            f"Truth of {len(ordered)} systems with 95 % intervals, from {worst[0]} "
            f"({worst[1].value:.2f}) to {best[0]} ({best[1].value:.2f})."
        )
        return finish(figure, name="systems", alt=alt)


def drawn_systems(ordered: Sequence[Any]) -> list[Any]:
    """All systems, or the ends of the list where they are too many to name."""
    if len(ordered) <= MAX_SYSTEMS:
        return [*ordered]
    half = MAX_SYSTEMS // 2
    return [*ordered[:half], *ordered[-half:]]
