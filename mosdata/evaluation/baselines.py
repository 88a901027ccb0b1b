"""What a judge must beat to be worth its name: guesses that never listen.

Three know the training targets: their mean, their mean per (corruption, level), their mean per
system. The fourth, an oracle, is told the true mean of every judged system; nobody can have it
before the listening test, and a judge that beats it hears differences inside systems.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mosdata.evaluation.intervals import Difference, Measure, measure, paired_difference
from mosdata.evaluation.metrics import ERRORS, METRICS, Floats
from mosdata.evaluation.resampling import Resamples
from mosdata.manifests.predictions import Prediction

COMPARED: Final = ("mse", "srcc")
"""Metrics that verdicts are about: how far off, and how well ordered."""

BETTER: Final = "better"
WORSE: Final = "worse"
UNDECIDED: Final = "undecided"
UNKNOWN_OUTCOME: Final = "unknown"

Key = Callable[[Prediction], Hashable]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Judge against baseline in one metric, as numbers and as a sentence.

    ``outcome`` is "better" or "worse" where the interval of the difference (judge minus
    baseline) leaves out 0, "undecided" where it holds 0, "unknown" where there is no interval.
    """

    metric: str
    outcome: str
    difference: Difference
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One guess: its own metrics over clips, and the verdicts of the judge against it."""

    name: str
    title: str
    oracle: bool
    metrics: Mapping[str, Measure]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    name: str
    title: str
    key: Key
    oracle: bool = False


def _everyone(_: Prediction) -> Hashable:
    return ()


def _condition(row: Prediction) -> Hashable:
    return row.corruption, row.level


def _system(row: Prediction) -> Hashable:
    return row.system


KINDS: Final = (
    _Kind(name="train_mean", title="the mean of the training targets", key=_everyone),
    _Kind(
        name="train_level_mean",
        title="the training mean of the corruption and level",
        key=_condition,
    ),
    _Kind(
        name="train_system_mean",
        title="the training mean of the system",
        key=_system,
    ),
    _Kind(
        name="system_mean_oracle",
        title="the true mean of the system (oracle)",
        key=_system,
        oracle=True,
    ),
)
"""All baselines, the weakest first."""


def judge_baselines(
    rows: Sequence[Prediction],
    *,
    reference: Sequence[Prediction],
    resamples: Resamples,
    notes: list[str],
) -> tuple[Baseline, ...]:
    """Compare the predictions of some clips with every baseline that can be made.

    Args:
        rows: clips with truth and prediction.
        reference: clips with truth that the baselines may know, usually the train split.
        resamples: draws over ``rows``.
        notes: gets a line for each baseline that could not be made, or had to guess.
    """
    made = []
    for kind in _possible(rows, reference, notes):
        guess = _guess(rows, rows if kind.oracle else reference, kind, notes)
        made.append(_judged(kind, rows, guess, resamples))
    return tuple(made)


def _possible(
    rows: Sequence[Prediction], reference: Sequence[Prediction], notes: list[str]
) -> list[_Kind]:
    """Baselines for which there is something to know; the others are named in the notes."""
    if not reference:
        notes.append("No training targets were given: baselines that need them are left out.")
        return [kind for kind in KINDS if kind.oracle]
    if any(row.corruption for row in reference) and any(row.corruption for row in rows):
        return [*KINDS]
    notes.append("No corrupted clips: the baseline per corruption and level is left out.")
    return [kind for kind in KINDS if kind.name != "train_level_mean"]


def _guess(
    rows: Sequence[Prediction], known: Iterable[Prediction], kind: _Kind, notes: list[str]
) -> Floats:
    """The baseline's prediction for every row: the known mean of its group."""
    means = group_means(known, key=kind.key)
    mean = group_means(known, key=_everyone)[()]
    strangers = sum(kind.key(row) not in means for row in rows)
    if strangers:
        notes.append(
            f"{strangers} of {len(rows)} clips belong to no group that {kind.title} knows; "
            "there it says the mean of all training targets."
        )
    return np.array([means.get(kind.key(row), mean) for row in rows])


def group_means(rows: Iterable[Prediction], *, key: Key) -> dict[Hashable, float]:
    """Mean truth of each group; rows without truth are left out."""
    values: dict[Hashable, list[float]] = {}
    for row in rows:
        if row.mos_true is not None:
            values.setdefault(key(row), []).append(row.mos_true)
    return {group: math.fsum(sorted(known)) / len(known) for group, known in values.items()}


def _judged(
    kind: _Kind, rows: Sequence[Prediction], guess: Floats, resamples: Resamples
) -> Baseline:
    true = np.array([row.mos_true for row in rows], dtype=np.float64)
    pred = np.array([row.mos_pred for row in rows], dtype=np.float64)
    metrics = {
        name: measure(name, true, guess, resamples=resamples)
        for name in METRICS
        if name != "ktau"  # quadratic in clips, and says nothing that SRCC does not
    }
    verdicts = [
        _verdict(
            name,
            judge=METRICS[name](true, pred),
            other=metrics[name].value,
            title=kind.title,
            difference=paired_difference(true, pred, guess, metric=name, resamples=resamples),
        )
        for name in COMPARED
    ]
    return Baseline(
        name=kind.name,
        title=kind.title,
        oracle=kind.oracle,
        metrics=metrics,
        verdicts=tuple(verdicts),
    )


def _verdict(
    metric: str, *, judge: float, other: float | None, title: str, difference: Difference
) -> Verdict:
    outcome = outcome_of(metric, difference)
    return Verdict(
        metric=metric,
        outcome=outcome,
        difference=difference,
        sentence=verdict_sentence(
            metric, outcome=outcome, judge=judge, other=other, title=title, difference=difference
        ),
    )


def summarize(baselines: Sequence[Baseline]) -> list[str]:
    """All verdicts in one sentence per metric; baselines that have no value there are left out.

    Returns:
        Sentences such as "MSE: better than A and B, outside the noise; not to be told apart
        from C."
    """
    openings = {
        BETTER: "better than {}, outside the noise",
        UNDECIDED: "not to be told apart from {}",
        WORSE: "worse than {}, outside the noise",
        UNKNOWN_OUTCOME: "cannot be decided against {}",
    }
    sentences = []
    for metric in COMPARED:
        titles: dict[str, list[str]] = {outcome: [] for outcome in openings}
        for baseline in baselines:
            for verdict in baseline.verdicts:
                if verdict.metric == metric and verdict.difference.value is not None:
                    titles[verdict.outcome].append(baseline.title)
        parts = [
            openings[outcome].format(_listed(names)) for outcome, names in titles.items() if names
        ]
        if parts:
            sentences.append(f"{metric.upper()}: {'; '.join(parts)}.")
    return sentences


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def outcome_of(metric: str, difference: Difference) -> str:
    """Whether a difference is outside the noise, and in whose favour."""
    if difference.low is None or difference.high is None:
        return UNKNOWN_OUTCOME
    if difference.low <= 0 <= difference.high:
        return UNDECIDED
    return BETTER if (difference.high < 0) == (metric in ERRORS) else WORSE


def verdict_sentence(
    metric: str,
    *,
    outcome: str,
    judge: float,
    other: float | None,
    title: str,
    difference: Difference,
) -> str:
    """Say plainly what a comparison shows.

    Example:
        >>> gap = Difference(value=-0.4, low=-0.5, high=-0.3, p_value=0.001)
        >>> verdict_sentence("mse", outcome="better", judge=0.2, other=0.6, title="the mean",
        ...                  difference=gap)
        'Better than the mean, outside the noise: MSE 0.200 against 0.600 \
(difference -0.400, 95 % interval -0.500 to -0.300, p = 0.001).'
    """
    name = metric.upper()
    if outcome == UNKNOWN_OUTCOME:
        seen = "" if difference.value is None else f" (difference {difference.value:+.3f})"
        return f"{name} against {title} cannot be decided{seen}: {difference.reason}."
    opening = {
        BETTER: f"Better than {title}, outside the noise",
        WORSE: f"Worse than {title}, outside the noise",
        UNDECIDED: f"Not to be told apart from {title}: the difference is inside the noise",
    }[outcome]
    return (
        f"{opening}: {name} {judge:.3f} against {other:.3f} "
        f"(difference {difference.value:+.3f}, 95 % interval {difference.low:+.3f} to "
        f"{difference.high:+.3f}, p = {difference.p_value:.3f})."
    )
