"""Everything that ratings say about themselves, in one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa

from mosdata.manifests.ids import JSON
from mosdata.raters.ceilings import Ceiling, ceilings
from mosdata.raters.cells import cells
from mosdata.raters.codes import looked_up, numpy_of
from mosdata.raters.components import Reliability, reliability, variance_components
from mosdata.raters.counting import Floats, counts
from mosdata.raters.debias import additive_offsets
from mosdata.raters.design import Design, component_of_raters, design
from mosdata.raters.halves import NUM_SPLITS, Level, Sides, SplitHalf, split_halves
from mosdata.raters.human_error import HumanError, rmse_human
from mosdata.raters.panel import Panel
from mosdata.raters.truth import BY_RATINGS, SystemTruth, TruthGap, system_truth, truth_gap

RATINGS_TO_SPLIT: Final = 1_500_000
"""Ratings that all random halves together look at, at most, with one split at least: halves of a
million ratings are alike."""
MIN_SPLITS: Final = 1

ROUNDING: Final = 0.01
"""How far a published mean may be from that of the ratings: two decimals, and then some."""

SLIDER_BINS: Final = 10
SHOWN_TOLERANCE: Final = 1e-4
"""Of the offsets that a page shows to the second digit."""

NUM_EXAMPLES: Final = 5


class Found(Protocol):
    """What a reader of a corpus found odd; ``mosdata.corpora.table.Finding`` is one."""

    @property
    def code(self) -> str:
        """Short and stable."""

    @property
    def count(self) -> int:
        """How many rows, clips or files."""

    @property
    def message(self) -> str:
        """What it is, for people."""

    @property
    def examples(self) -> Sequence[str]:
        """The first few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offsets:
    """The raters' offsets, in points, of additive de-biasing.

    Args:
        num_raters: named raters.
        std: standard deviation over raters (n - 1); 0 for one.
        min: the most severe.
        median: over raters.
        max: the most generous.
        largest: the raters furthest from 0 and their offsets.
    """

    num_raters: int
    std: float
    min: float
    median: float
    max: float
    largest: tuple[tuple[str, float], ...]

    def to_json(self) -> dict[str, JSON]:
        """Keys raters, std, min, median, max, largest."""
        return {
            "raters": self.num_raters,
            "std": self.std,
            "min": self.min,
            "median": self.median,
            "max": self.max,
            "largest": [{"rater": name, "offset": value} for name, value in self.largest],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How often single scores were given: a bin for each step of the scale, or ten for a slider.

    Args:
        edges: of the bins, one more than there are bins.
        counts: scores in each.
        num_between_steps: scores that are no step of the scale; counted in the nearest bin.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    num_between_steps: int

    def to_json(self) -> dict[str, JSON]:
        """Keys edges, counts, between_steps."""
        return {
            "edges": list(self.edges),
            "counts": list(self.counts),
            "between_steps": self.num_between_steps,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatches:
    """Clips whose published mean is not that of their ratings.

    Args:
        num_compared: clips with both.
        num_apart: of those, further apart than ``tolerance``.
        tolerance: for rounding, in points.
        largest: largest difference, in points.
        examples: names of the first clips that are apart.
    """

    num_compared: int
    num_apart: int
    tolerance: float
    largest: float
    examples: tuple[str, ...]

    def to_json(self) -> dict[str, JSON]:
        """Keys compared, apart, tolerance, largest, examples."""
        return {
            "compared": self.num_compared,
            "apart": self.num_apart,
            "tolerance": self.tolerance,
            "largest": self.largest,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """All there is to know of a panel; ``to_json`` documents the keys."""

    panel: Panel
    design: Design
    reliability: Reliability
    human_error: HumanError
    halves: tuple[SplitHalf, ...]
    ceilings: tuple[Ceiling, ...]
    offsets: Offsets | None
    histogram: Histogram
    system_truth: SystemTruth | None
    truth_gap: TruthGap | None
    mismatches: Mismatches | None
    findings: tuple[Found, ...]

    def to_json(self) -> dict[str, JSON]:
        """A JSON object with stable keys, without NaN.

        Keys: kind, dimension, scale, ratings, clips, raters, systems, tests, unnamed_ratings,
        published_means, left_out_rows, clips_without_system, votes_per_clip, repeated_pairs,
        mismatches, histogram, rmse_human, reliability, split_half, ceilings, design,
        rater_offsets, system_truth, findings, reasons. What is not known is null, and ``reasons``
        says why by key; numbers that may not exist are objects with value, method and reason.
        """
        panel = self.panel
        scale: dict[str, JSON] = {
            "name": panel.scale.name,
            "low": float(panel.scale.low),
            "high": float(panel.scale.high),
            "step": float(panel.scale.step),
        }
        return {
            "kind": panel.kind,
            "dimension": panel.dimension,
            "scale": scale,
            "ratings": panel.num_ratings,
            "clips": panel.num_clips,
            "raters": panel.num_raters or None,
            "systems": panel.num_systems or None,
            "tests": len(panel.test_names) or None,
            "unnamed_ratings": panel.num_unnamed,
            "published_means": int(panel.published.clip_M.size),
            "unknown_votes": panel.published.num_unknown,
            "left_out_rows": panel.num_left_out,
            "clips_without_system": panel.num_clips_without_system,
            "votes_per_clip": self.design.votes_per_clip.to_json(),
            "repeated_pairs": self.design.num_repeated_pairs,
            "mismatches": None if self.mismatches is None else self.mismatches.to_json(),
            "histogram": self.histogram.to_json(),
            "rmse_human": self.human_error.to_json(),
            "reliability": self.reliability.to_json(),
            "split_half": [half.to_json() for half in self.halves],
            "ceilings": [ceiling.to_json() for ceiling in self.ceilings],
            "design": self.design.to_json(),
            "rater_offsets": None if self.offsets is None else self.offsets.to_json(),
            "system_truth": self._truth_json(),
            "findings": [_finding_json(finding) for finding in self.findings],
            "reasons": self._reasons(),
        }

    def _truth_json(self) -> JSON:
        truth, gap = self.system_truth, self.truth_gap
        if truth is None or gap is None:
            return None
        rows = zip(truth.names, truth.value_S.tolist(), truth.num_clips_S.tolist(), strict=True)
        return {
            "definition": truth.definition,
            "systems": [{"system": s, "value": v, "clips": n} for s, v, n in rows],
            "gap": gap.to_json(),
        }

    def _reasons(self) -> dict[str, JSON]:
        """Why a key is null, for those that are."""
        panel = self.panel
        no_rater, no_system = "no rater is named", "no clip has a system"
        why: dict[str, tuple[bool, str]] = {
            "raters": (not panel.num_raters, no_rater),
            "rater_offsets": (self.offsets is None, no_rater),
            "systems": (not panel.num_systems, no_system),
            "system_truth": (self.system_truth is None, no_system),
            "tests": (not len(panel.test_names), "no listening test is named"),
            "mismatches": (self.mismatches is None, "no mean was published beside its ratings"),
        }
        return {key: reason for key, (is_null, reason) in why.items() if is_null}


def inspect(
    panel: Panel,
    *,
    findings: Sequence[Found] = (),
    published: Mapping[str, float] | pa.Table | None = None,
    num_splits: int | None = None,
    seed: int = 0,
) -> Inspection:
    """Look at a panel from every side.

    Args:
        panel: the ratings.
        findings: what reading the corpus found odd; passed on.
        published: MOS by clip as the corpus publishes it, to be compared with the means of the
            ratings; or a table with the columns ``name`` (or ``id``) and ``mos``, which may be
            null.
        num_splits: random halves; None for 20, and fewer where there are more than 75,000
            ratings: as many as look at ``RATINGS_TO_SPLIT`` ratings.
        seed: of the halves.

    Example:
        >>> table = pa.table({"clip_id": ["a", "a", "b"], "value": [3.0, 4.0, 2.0]})
        >>> found = inspect(Panel.from_ratings(table)).to_json()
        >>> found["ratings"], found["raters"], found["reasons"]["raters"]
        (3, None, 'no rater is named')
    """
    pairs = cells(panel)
    component_R = component_of_raters(panel)
    components = variance_components(panel, pairs=pairs)
    levels: tuple[Level, ...] = ("utterance", "system") if panel.num_systems else ("utterance",)
    raw: Sides = "none"
    halves = split_halves(
        panel,
        [(level, raw) for level in levels],
        num_splits=_num_splits(panel) if num_splits is None else num_splits,
        seed=seed,
    )
    truth, gap = _truth(panel)
    return Inspection(
        panel=panel,
        design=design(panel, pairs=pairs, component_R=component_R),
        reliability=reliability(panel, components=components),
        human_error=rmse_human(panel),
        halves=halves,
        ceilings=ceilings(panel, components=components, halves=halves, pairs=pairs),
        offsets=_offsets(panel),
        histogram=_histogram(panel),
        system_truth=truth,
        truth_gap=gap,
        mismatches=_mismatches(panel, published),
        findings=tuple(findings),
    )


def _truth(panel: Panel) -> tuple[SystemTruth, TruthGap] | tuple[None, None]:
    if not panel.num_systems:
        return None, None
    truth = system_truth(panel)
    return truth, truth_gap(truth, system_truth(panel, definition=BY_RATINGS))


def _num_splits(panel: Panel) -> int:
    affordable = RATINGS_TO_SPLIT // max(1, panel.num_ratings)
    return min(NUM_SPLITS, max(MIN_SPLITS, affordable))


def _offsets(panel: Panel) -> Offsets | None:
    if not panel.num_raters:
        return None
    offset_R = additive_offsets(panel, tolerance=SHOWN_TOLERANCE)
    # The names are sorted, and the sort is stable: equal offsets come by name.
    furthest = np.argsort(-np.abs(offset_R), kind="stable")[:NUM_EXAMPLES].tolist()
    return Offsets(
        num_raters=panel.num_raters,
        std=float(offset_R.std(ddof=1)) if offset_R.size > 1 else 0.0,
        min=float(offset_R.min()),
        median=float(np.median(offset_R)),
        max=float(offset_R.max()),
        largest=tuple((panel.rater_names[i].as_py(), float(offset_R[i])) for i in furthest),
    )


def _histogram(panel: Panel) -> Histogram:
    scale, value_N = panel.scale, panel.value_N
    low, high, step = float(scale.low), float(scale.high), float(scale.step)
    if not step:
        edges = np.linspace(low, high, SLIDER_BINS + 1)
        place_N = np.minimum((value_N - low) * SLIDER_BINS / (high - low), SLIDER_BINS - 1)
        bins = counts(place_N.astype(np.intp), SLIDER_BINS)
        return Histogram(
            edges=tuple(edges.tolist()), counts=tuple(bins.tolist()), num_between_steps=0
        )
    num_bins = round((high - low) / step) + 1
    place_N = ((value_N - (low - step / 2)) * (1 / step)).astype(np.intp)
    given = low + step * np.arange(num_bins)
    return Histogram(
        edges=tuple((low + step * (np.arange(num_bins + 1) - 0.5)).tolist()),
        counts=tuple(counts(place_N, num_bins).tolist()),
        num_between_steps=int(np.count_nonzero(np.abs(value_N - given[place_N]) > 1e-9 * step)),
    )


def _mismatches(
    panel: Panel, published: Mapping[str, float] | pa.Table | None
) -> Mismatches | None:
    clip, mean = panel.published.clip_M, panel.published.mean_M
    if published is not None:
        given_C = _published_by_clip(panel, published)
        clip, mean = np.r_[clip, np.arange(panel.num_clips)], np.r_[mean, given_C]
    stats = panel.clips
    both = np.isfinite(mean) & ~stats.published_C[clip] & (stats.votes_C[clip] > 0)
    clip, difference = clip[both], np.abs(mean[both] - stats.mean_C[clip[both]])
    if not clip.size:
        return None
    apart = clip[difference > ROUNDING]
    return Mismatches(
        num_compared=int(clip.size),
        num_apart=int(apart.size),
        tolerance=ROUNDING,
        largest=float(difference.max()),
        examples=tuple(panel.clip_names.take(pa.array(apart[:NUM_EXAMPLES])).to_pylist()),
    )


def _published_by_clip(panel: Panel, published: Mapping[str, float] | pa.Table) -> Floats:
    """The published mean of each clip; NaN where there is none."""
    found: Floats = numpy_of(looked_up(panel.clip_names, published, "mos", pa.float64()))
    return found.astype(np.float64)


def _finding_json(finding: Found) -> dict[str, JSON]:
    return {
        "code": finding.code,
        "count": finding.count,
        "message": finding.message,
        "examples": list(finding.examples),
    }
