"""Judge the judge: from predictions to metrics with intervals, baselines and verdicts.

Reads :class:`~mosdata.manifests.predictions.Prediction` rows and nothing else, so the scores of
any predictor, ours or not, can be evaluated with the same code and against the same baselines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from mosdata.errors import InvalidValue
from mosdata.evaluation.baselines import Baseline, judge_baselines, summarize
from mosdata.evaluation.ceiling import (
    METRIC_TARGET,
    NO_RATINGS,
    Ceilings,
    LevelCeiling,
    ceiling_sentence,
)
from mosdata.evaluation.corrupted import judge_cells, with_binned_levels
from mosdata.evaluation.findings import (
    Classification,
    Counts,
    Evaluation,
    Level,
    SplitEvaluation,
    SystemPairs,
    WithinLevel,
    is_human,
)
from mosdata.evaluation.gates import ExpertUse, expert_use
from mosdata.evaluation.intervals import (
    CONFIDENCE,
    measure,
    measure_mean,
)
from mosdata.evaluation.metrics import (
    METRICS,
    MIN_CLIPS_WITHIN,
    Floats,
    system_means,
    within_system_metrics,
)
from mosdata.evaluation.ranking import rank_sentence
from mosdata.evaluation.recognition import judge_classes
from mosdata.evaluation.resampling import MIN_UNITS, REPLICATES, Resamples, resample
from mosdata.evaluation.scored import (
    has_truth,
    is_classified,
    is_scored,
    truth_and_prediction,
)
from mosdata.evaluation.systems import SystemTruth, system_rows, system_truth_of
from mosdata.evaluation.truth import FROM_CLIPS, OF_CLIPS, TruthTable
from mosdata.manifests.durable import write_json
from mosdata.manifests.predictions import Prediction, write_predictions
from mosdata.manifests.rows import UNKNOWN
from mosdata.manifests.splits import SPLITS

PREDICTIONS_NAME: Final = "predictions.parquet"
METRICS_NAME: Final = "metrics.json"

HEADLINE_ORDER: Final = ("test", "validation", "train")


def evaluate(
    predictions: Iterable[Prediction],
    *,
    reference_predictions: Iterable[Prediction] = (),
    target_name: str,
    scale: str | None = None,
    ceilings: Mapping[str, Ceilings] | None = None,
    system_truth: TruthTable | None = None,
    seed: int = 0,
) -> Evaluation:
    """Judge predictions, split by split.

    Args:
        predictions: one row per clip and split, in any order.
        reference_predictions: clips whose truth the baselines may know: the train split.
        target_name: what was predicted, such as ``"mos"`` or ``"dnsmos.ovrl"``.
        scale: name of the scale of truth and prediction, where it is known.
        ceilings: what noise in the truth leaves to be reached, by split, as
            :func:`mosdata.evaluation.ceiling.ceilings_by_split` finds it.
        system_truth: what systems are held against; the mean of each system's clips where None.
        seed: of the bootstrap; the same rows and seed give the same numbers.

    Raises:
        InvalidValue: a clip occurs twice in a split.
        InvalidRatings: the table of system truth is about other systems or on another scale.

    Example:
        >>> rows = [Prediction(clip_id=str(i), split="test", system="a", sentence=str(i),
        ...                    mos_true=1 + i % 4, mos_pred=1.5 + i % 4) for i in range(20)]
        >>> judged = evaluate(rows, target_name="mos")
        >>> judged.splits["test"].utterance.metrics["mse"].value
        0.25
    """
    rows = sorted(predictions, key=lambda row: (row.split, row.clip_id))
    reference = sorted(reference_predictions, key=lambda row: (row.split, row.clip_id))
    _check_unique(rows)
    rows, reference, notes = with_binned_levels(rows, reference)
    known = [row for row in reference if has_truth(row)]
    if not rows:
        notes = [*notes, "There are no predictions."]
    elif system_truth:
        notes += _check_table(system_truth, rows, scale)
    splits = _in_order({row.split for row in rows})
    unknown = Ceilings.unknown(NO_RATINGS if is_human(target_name) else METRIC_TARGET)
    return Evaluation(
        target=target_name,
        target_is_human=is_human(target_name),
        scale=scale,
        seed=seed,
        replicates=REPLICATES,
        confidence=CONFIDENCE,
        headline_split=next((name for name in (*HEADLINE_ORDER, *splits) if name in splits), None),
        splits={
            split: _evaluate_split(
                [row for row in rows if row.split == split],
                reference=known,
                ceilings=(ceilings or {}).get(split, unknown),
                table=system_truth,
                seed=seed,
            )
            for split in splits
        },
        notes=tuple(notes),
    )


def write_evaluation(
    folder: Path, predictions: Iterable[Prediction], evaluation: Evaluation
) -> None:
    """Write ``predictions.parquet`` and ``metrics.json``, each as a whole.

    The rows are written in the order of split and clip, whatever order they came in.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = sorted(predictions, key=lambda row: (row.split, row.clip_id))
    write_predictions(folder / PREDICTIONS_NAME, rows)
    write_json(folder / METRICS_NAME, evaluation.to_json())


def _check_unique(rows: Sequence[Prediction]) -> None:
    counts = Counter((row.split, row.clip_id) for row in rows)
    for (split, clip_id), count in counts.items():
        if count > 1:
            raise InvalidValue(
                f"Clip {clip_id!r} of split {split!r}", f"there {count} times", "once",
                "Give one prediction per clip.",
            )  # fmt: skip


def _check_table(table: TruthTable, rows: Sequence[Prediction], scale: str | None) -> list[str]:
    """What of a table is not about any system that is judged, in words."""
    judged = {row.system for row in rows}
    table.check(judged, scale=scale)
    strangers = sorted({*table.values} - judged)
    if not strangers:
        return []
    return [
        f"{len(strangers)} systems of {table.name} are not judged here: {', '.join(strangers)}."
    ]


def _in_order(splits: set[str]) -> list[str]:
    return [name for name in SPLITS if name in splits] + sorted(splits - {*SPLITS})


def _evaluate_split(
    rows: Sequence[Prediction],
    *,
    reference: Sequence[Prediction],
    ceilings: Ceilings,
    table: TruthTable | None,
    seed: int,
) -> SplitEvaluation:
    scored = [row for row in rows if is_scored(row)]
    classified = [row for row in rows if is_classified(row)]
    notes = _missing(rows, scored, classified)
    resamples = draws_for(scored, seed=seed, notes=notes)
    baselines = (
        judge_baselines(scored, reference=reference, resamples=resamples, notes=notes)
        if scored
        else ()
    )
    classification = judge_classes(classified, seed=seed)
    truth = system_truth_of(scored, table, notes)
    utterance = _utterance_level(scored, resamples, ceilings.utterance)
    system = _system_level(scored, truth, seed, ceilings.system)
    notes += _without_ceiling(utterance, system)
    return SplitEvaluation(
        counts=Counts(
            clips=len(rows),
            with_truth=sum(map(has_truth, rows)),
            scored=len(scored),
            classified=len(classified),
            systems=len({row.system for row in rows}),
            sentences=len({row.sentence for row in rows}),
        ),
        verdict=_verdict(baselines, classification, utterance, system, truth),
        utterance=utterance,
        system=system,
        within_system=_within_level(scored, seed, notes),
        baselines=baselines,
        classification=classification,
        corruptions=judge_cells(scored, seed=seed, notes=notes),
        experts=_experts(rows, notes),
        systems=system_rows(rows, truth),
        system_pairs=SystemPairs(pairs=truth.ranks.pairs, told_apart=truth.ranks.told_apart),
        notes=tuple(dict.fromkeys(notes)),
    )


def _missing(
    rows: Sequence[Prediction], scored: Sequence[Prediction], classified: Sequence[Prediction]
) -> list[str]:
    """What cannot be judged for want of a truth or a prediction, in words."""
    notes = []
    without_truth = sum(not has_truth(row) for row in rows)
    silent = len(rows) - without_truth - len(scored)
    if without_truth:
        notes.append(f"{without_truth} of {len(rows)} clips have no target and are left out.")
    if silent:
        notes.append(f"{silent} clips have a target but no finite prediction and are left out.")
    if not classified:
        notes.append("No clip has a true and a predicted class: nothing is said about classes.")
    elif len(classified) < len(rows):
        missing = len(rows) - len(classified)
        notes.append(f"{missing} of {len(rows)} clips have no known class or none was predicted.")
    return notes


def _verdict(
    baselines: Sequence[Baseline],
    classification: Classification | None,
    utterance: Level,
    system: Level,
    truth: SystemTruth,
) -> tuple[str, ...]:
    sentences = summarize(baselines)
    sentences += [_against_ceiling("clips", utterance), _against_ceiling("systems", system)]
    sentences.append(rank_sentence(truth.ranks, truth.title))
    if classification is not None:
        sentences.append(classification.sentence)
    return tuple(filter(None, sentences))


def _against_ceiling(items: str, level: Level) -> str:
    """How near the ceiling a level's order of items is; of LCC where SRCC has none."""
    metric = "srcc" if level.ceiling.srcc is not None else "lcc"
    ceiling = level.ceiling.srcc if metric == "srcc" else level.ceiling.lcc
    return ceiling_sentence(items, metric, level.metrics[metric], ceiling)


def draws_for(rows: Sequence[Prediction], *, seed: int, notes: list[str]) -> Resamples:
    """Draws over systems; over sentences where there are too few systems to draw."""
    by_system = resample([row.system for row in rows], unit="systems", seed=seed)
    if not rows or not by_system.refusal:
        return by_system
    by_sentence = resample([row.sentence for row in rows], unit="sentences", seed=seed)
    if by_sentence.refusal:
        notes.append(
            f"No intervals over clips: {by_system.num_units} systems and "
            f"{by_sentence.num_units} sentences, fewer than {MIN_UNITS} of either."
        )
        return by_system
    notes.append(
        f"Fewer than {MIN_UNITS} systems: intervals over clips draw sentences instead, and say "
        "nothing about systems that were not judged."
    )
    return by_sentence


def _utterance_level(
    rows: Sequence[Prediction], resamples: Resamples, ceiling: LevelCeiling
) -> Level:
    true, pred = truth_and_prediction(rows)
    return _level(true, pred, resamples, truth=OF_CLIPS, ceiling=ceiling)


def _system_level(
    rows: Sequence[Prediction], truth: SystemTruth, seed: int, ceiling: LevelCeiling
) -> Level:
    kept = [row for row in rows if row.system in truth.values]
    means = system_means(*truth_and_prediction(kept), [row.system for row in kept])
    resamples = resample(means.names, unit="systems", seed=seed)
    if truth.title != FROM_CLIPS:
        ceiling = LevelCeiling(reason=f"the ratings behind the {truth.title} are not known")
    true = np.array([truth.values[name].value for name in means.names], dtype=np.float64)
    return _level(true, means.predicted, resamples, truth=truth.title, ceiling=ceiling)


def _without_ceiling(utterance: Level, system: Level) -> list[str]:
    """Levels whose noise ceiling is not known, each with its reason, in words."""
    sides = {"clips": utterance, "systems": system}
    reasons: dict[str, list[str]] = {}
    for items, level in sides.items():
        if level.n and level.ceiling.lcc is None:
            reasons.setdefault(level.ceiling.reason, []).append(items)
    return [
        f"Noise ceiling over {' and '.join(items)}: n/a, {reason}."
        for reason, items in reasons.items()
    ]


def _level(
    true: Floats, pred: Floats, resamples: Resamples, *, truth: str, ceiling: LevelCeiling
) -> Level:
    metrics = {name: measure(name, true, pred, resamples=resamples) for name in METRICS}
    return Level(
        n=true.size,
        resampled=resamples.unit,
        num_units=resamples.num_units,
        metrics=metrics,
        truth=truth,
        ceiling=ceiling.against(metrics),
    )


def _within_level(rows: Sequence[Prediction], seed: int, notes: list[str]) -> WithinLevel:
    within = within_system_metrics(*truth_and_prediction(rows), [row.system for row in rows])
    resamples = resample(within.systems, unit="systems", seed=seed)
    if left_out := len(within.too_few) + len(within.constant):
        notes.append(
            f"Within systems: {left_out} systems are left out ({len(within.too_few)} with fewer "
            f"than {MIN_CLIPS_WITHIN} clips, {len(within.constant)} with a constant truth)."
        )
    metrics = {
        name: measure_mean(values, resamples=resamples)
        for name, values in (("srcc", within.srcc), ("lcc", within.lcc))
    }
    if not within.systems:
        reason = "no system has enough clips of different truth"
        metrics = {name: replace(found, reason=reason) for name, found in metrics.items()}
    return WithinLevel(
        n=len(within.systems),
        metrics=metrics,
        too_few_clips=within.too_few,
        constant_truth=within.constant,
    )


def _experts(rows: Sequence[Prediction], notes: list[str]) -> ExpertUse | None:
    gated = [row for row in rows if row.gate]
    if not gated:
        notes.append("No mixture weights in the predictions: nothing is said about experts.")
        return None
    sizes = {len(row.gate) for row in gated}
    if len(sizes) > 1:
        raise InvalidValue("gate", f"of {sorted(sizes)} weights", "the same number in every row")
    if len(gated) < len(rows):
        notes.append(f"{len(rows) - len(gated)} clips have no mixture weights.")
    return expert_use(
        np.array([row.gate for row in gated], dtype=np.float64),
        classes=[None if row.class_true == UNKNOWN else row.class_true for row in gated],
        systems=[row.system for row in gated],
    )
