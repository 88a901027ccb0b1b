"""What evaluation finds: one tree of frozen values, and its JSON with stable keys.

``docs/report.md`` explains every key. Numbers that do not exist are null, beside a reason; a
float is written with nine significant digits, so that the last bits of a machine do not show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

import numpy as np

from mosdata.evaluation.baselines import Baseline
from mosdata.evaluation.ceiling import LevelCeiling
from mosdata.evaluation.gates import ExpertUse
from mosdata.evaluation.intervals import Difference, Measure
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import DEBIASED, HUMAN

FORMAT: Final = "mosdata-evaluation"
VERSION: Final = 1

SIGNIFICANT_DIGITS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many clips there are, and how many can be judged."""

    clips: int
    with_truth: int
    scored: int
    classified: int
    systems: int
    sentences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """All metrics at one level of analysis.

    ``n`` counts what the metrics run over (clips or systems), ``resampled`` names what the
    bootstrap drew and ``num_units`` how many of these there are. ``truth`` says what the numbers
    are held against, ``ceiling`` what the noise in it leaves to be reached.
    """

    n: int
    resampled: str
    num_units: int
    metrics: Mapping[str, Measure]
    truth: str
    ceiling: LevelCeiling


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinLevel:
    """Correlations inside systems, averaged; systems that could not be judged are named."""

    n: int
    metrics: Mapping[str, Measure]
    too_few_clips: tuple[str, ...]
    constant_truth: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRow:
    """One system; ``bias`` is mean prediction minus truth.

    ``mean_true`` is the mean of its clips' targets, ``truth`` the value that it is held against:
    the same, or that of an external table. ``rank_best`` and ``rank_worst`` are the places that
    the truth's 95 % interval leaves open; None where the system has no truth.
    """

    system: str
    n: int
    mean_true: float | None
    truth: float | None
    truth_low: float | None
    truth_high: float | None
    rank_best: int | None
    rank_worst: int | None
    mean_pred: float | None
    bias: float | None
    mse: float | None
    lcc: float | None
    srcc: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPairs:
    """How many pairs of systems have known truths, and how many of these are told apart."""

    pairs: int
    told_apart: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Clips of one corruption at one level; clean clips have the empty name and level 0.

    ``relative_performance`` is RMSE of clean clips over RMSE here, against the clips' own truth;
    ``relative_performance_fixed`` keeps the truth of the clean source, as the XLS-R analysis
    (Tamm et al. 2023, figure 2) does, over the ``n_fixed`` clips whose source is known.
    """

    corruption: str
    level: float
    n: int
    mean_true: Measure
    mean_pred: Measure
    bias: float | None
    mse: float | None
    lcc: float | None
    relative_performance: float | None
    relative_performance_fixed: float | None
    n_fixed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """How well synthesizers are recognised; rows of ``confusion`` are true classes.

    ``above_chance`` is accuracy minus that of always naming the most frequent true class.
    """

    n: int
    resampled: str
    num_units: int
    metrics: Mapping[str, Measure]
    majority_class: str
    chance_majority: float
    chance_uniform: float
    above_chance: Difference
    mean_confidence: float | None
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    outcome: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitEvaluation:
    """Everything about one split; parts that cannot be computed are None or empty, with a note.

    ``verdict`` says in a few sentences whether the judge beats the baselines and chance.
    """

    counts: Counts
    verdict: tuple[str, ...]
    utterance: Level
    system: Level
    within_system: WithinLevel
    baselines: tuple[Baseline, ...]
    classification: Classification | None
    corruptions: tuple[Cell, ...]
    experts: ExpertUse | None
    systems: tuple[SystemRow, ...]
    system_pairs: SystemPairs
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A judge, judged. ``headline_split`` is the one whose numbers a report leads with.

    ``scale`` names the scale of target and prediction; None where it is not known.
    """

    target: str
    target_is_human: bool
    scale: str | None
    seed: int
    replicates: int
    confidence: float
    headline_split: str | None
    splits: Mapping[str, SplitEvaluation]
    notes: tuple[str, ...]

    @property
    def headline(self) -> SplitEvaluation | None:
        """The split that a report leads with."""
        return self.splits[self.headline_split] if self.headline_split else None

    def to_json(self) -> dict[str, JSON]:
        """The whole tree as JSON values."""
        tree = _json(self)
        assert isinstance(tree, dict)
        return {"format": FORMAT, "version": VERSION, **tree}


def is_human(target_name: str) -> bool:
    """True where people gave the scores, as they are or de-biased; all others are a metric's.

    Example:
        >>> is_human("mos"), is_human("debiased.mos"), is_human("dnsmos.ovrl")
        (True, True, False)
    """
    return target_name == "mos" or target_name.split(".", maxsplit=1)[0] in (HUMAN, DEBIASED)


def _json(value: Any) -> JSON:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return rounded(float(value))
    if isinstance(value, Mapping):
        return {str(name): _json(item) for name, item in value.items()}
    if is_dataclass(value):
        return {field.name: _json(getattr(value, field.name)) for field in fields(value)}
    return [_json(item) for item in value]


def rounded(value: float) -> float | None:
    """A float as the JSON holds it; NaN and infinity become None."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0 if math.isfinite(value) else None
