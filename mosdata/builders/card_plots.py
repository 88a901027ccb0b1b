"""Figures of a dataset card, as SVG files that stand alone: no page gives them their colours."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from mosdata.builders.card import write_changed
from mosdata.builders.card_facts import CardFacts, ScoreFacts
from mosdata.evaluation.svg import HEAT, INK, LINE, MUTED, PAPER, SERIES, drawing, finish
from mosdata.manifests.rows import HUMAN

PLOTS_FOLDER: Final = "card"
LACKING: Final = (
    "No figures: matplotlib was not there when this was published. "
    "`pip install 'mosdata[report]'` and publish again to draw them."
)
MAX_SYSTEMS: Final = 40
MAX_SCORES: Final = 4
NUM_BINS: Final = 30

_LIGHT: Final = "--ink:#1b1f24;--muted:#57606a;--line:#d0d7de;--paper:#ffffff;--heat:#1f6feb;"
_DARK: Final = "--ink:#e6edf3;--muted:#9198a1;--line:#3d444d;--paper:#0d1117;--heat:#58a6ff;"
_SERIES_COLOURS: Final = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888",
)  # fmt: skip
"""Colours that people who do not see all colours can tell apart (P. Tol, bright scheme)."""

_SERIES_STYLE: Final = "".join(
    f"--series-{number}:{colour};" for number, colour in enumerate(_SERIES_COLOURS)
)
STYLE: Final = (
    f"<style>svg{{{_LIGHT}{_SERIES_STYLE}background:var(--paper);font-family:sans-serif}}"
    f"@media(prefers-color-scheme:dark){{svg{{{_DARK}}}}}</style>"
)


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def write_plots(folder: Path, facts: CardFacts) -> dict[str, str]:
    """Draw what there is to see; returns each figure's path and what it shows in words."""
    made = {}
    for name, svg, alt in _figures(facts):
        path = f"{PLOTS_FOLDER}/{name}.svg"
        end = svg.index(">") + 1
        write_changed(folder / path, f"{svg[:end]}{STYLE}{svg[end:]}\n")
        made[path] = alt
    return made


def _figures(facts: CardFacts) -> Iterator[tuple[str, str, str]]:
    """Name, SVG and alternative text of each figure."""
    heard = facts.durations[facts.durations > 0]
    if len(heard):
        alt = f"Durations of {len(heard):,} clips: median {np.median(heard):.1f} s"
        yield "durations", _histogram(heard, label="duration, s", name="durations", alt=alt), alt
    # People first; a card is no place for every dimension of every metric.
    scores = sorted(facts.scores, key=lambda score: score.kind != HUMAN)[:MAX_SCORES]
    for score in scores:
        name = f"scores-{score.kind}-{score.dimension}".replace("/", "-").replace(":", "-")
        label = f"{score.kind} {score.dimension} ({score.scale})"
        alt = f"{score.scores:,} scores, {label}: mean {score.values.mean():.2f}"
        yield name, _histogram(_finite(score), label=label, name=name, alt=alt), alt
    levels = sorted({level for _, level in facts.by_system_level})
    if 0 < len(facts.systems) <= MAX_SYSTEMS:
        alt = f"Clips of {len(facts.systems)} systems by level of corruption"
        yield "systems", _systems(facts, levels, alt=alt), alt


def _finite(score: ScoreFacts) -> np.ndarray:
    return score.values[np.isfinite(score.values)]


def _histogram(values: np.ndarray, *, label: str, name: str, alt: str) -> str:
    with drawing(6.4, 2.4) as figure:
        axes = figure.add_subplot()
        axes.hist(values, bins=NUM_BINS, color=SERIES[0], edgecolor=PAPER, linewidth=0.5)
        axes.set(xlabel=label, ylabel="count")
        axes.grid(visible=False, axis="x")
        return finish(figure, name=name, alt=alt)


def _systems(facts: CardFacts, levels: list[float], *, alt: str) -> str:
    """Systems by levels, each cell with its count; darker is more."""
    names = [system.name for system in facts.systems]
    counts = np.array([[facts.by_system_level[name, level] for level in levels] for name in names])
    with drawing(6.4, 0.9 + 0.24 * len(names)) as figure:
        axes = figure.add_subplot()
        _cells(axes, counts)
        ticks = [f"{level:g}" if level else "untouched" for level in levels]
        axes.set_xticks(range(len(levels)), ticks)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="level of the strongest corruption", xlim=(-0.5, len(levels) - 0.5))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False)
        axes.tick_params(length=0, color=LINE, labelcolor=MUTED)
        return finish(figure, name="systems", alt=alt)


def _cells(axes: Any, counts: np.ndarray) -> None:
    most = max(1, int(counts.max()))
    for (row, column), count in np.ndenumerate(counts):
        share = int(count) / most
        axes.bar(column, 0.9, width=0.94, bottom=row - 0.45, color=HEAT, alpha=0.08 + 0.5 * share)
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=INK, fontsize=7.5)
