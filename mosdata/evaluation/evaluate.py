"""Judge the judge: from predictions to metrics with intervals, baselines and verdicts.

Reads :class:`~mosdata.manifests.predictions.Prediction` rows and nothing else, so the scores of
any predictor, ours or not, can be evaluated with the same code and against the same baselines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from mosdata.errors import InvalidValue
from mosdata.evaluation.baselines import Baseline, judge_baselines, summarize
from mosdata.evaluation.corrupted import judge_cells, with_binned_levels
from mosdata.evaluation.findings import (
    Classification,
    Counts,
    Evaluation,
    Level,
    SplitEvaluation,
    SystemRow,
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
    lcc,
    mse,
    srcc,
    system_means,
    within_system_metrics,
)
from mosdata.evaluation.recognition import judge_classes
from mosdata.evaluation.resampling import MIN_UNITS, REPLICATES, Resamples, resample
from mosdata.evaluation.scored import (
    has_truth,
    is_classified,
    is_scored,
    present,
    truth_and_prediction,
)
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
    seed: int = 0,
) -> Evaluation:
    """Judge predictions, split by split.

    Args:
        predictions: one row per clip and split, in any order.
        reference_predictions: clips whose truth the baselines may know: the train split.
        target_name: what was predicted, such as ``"mos"`` or ``"dnsmos.ovrl"``.
        seed: of the bootstrap; the same rows and seed give the same numbers.

    Raises:
        InvalidValue: a clip occurs twice in a split.

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
    splits = _in_order({row.split for row in rows})
    return Evaluation(
        target=target_name,
        target_is_human=is_human(target_name),
        seed=seed,
        replicates=REPLICATES,
        confidence=CONFIDENCE,
        headline_split=next((name for name in (*HEADLINE_ORDER, *splits) if name in splits), None),
        splits={
            split: _evaluate_split(
                [row for row in rows if row.split == split], reference=known, seed=seed
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


def _in_order(splits: set[str]) -> list[str]:
    return [name for name in SPLITS if name in splits] + sorted(splits - {*SPLITS})


def _evaluate_split(
    rows: Sequence[Prediction], *, reference: Sequence[Prediction], seed: int
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
    return SplitEvaluation(
        counts=Counts(
            clips=len(rows),
            with_truth=sum(map(has_truth, rows)),
            scored=len(scored),
            classified=len(classified),
            systems=len({row.system for row in rows}),
            sentences=len({row.sentence for row in rows}),
        ),
        verdict=_verdict(baselines, classification),
        utterance=_utterance_level(scored, resamples),
        system=_system_level(scored, seed),
        within_system=_within_level(scored, seed, notes),
        baselines=baselines,
        classification=classification,
        corruptions=judge_cells(scored, seed=seed, notes=notes),
        experts=_experts(rows, notes),
        systems=_system_rows(rows),
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
    baselines: Sequence[Baseline], classification: Classification | None
) -> tuple[str, ...]:
    sentences = summarize(baselines)
    if classification is not None:
        sentences.append(classification.sentence)
    return tuple(sentences)


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


def _utterance_level(rows: Sequence[Prediction], resamples: Resamples) -> Level:
    true, pred = truth_and_prediction(rows)
    return _level(true, pred, resamples)


def _system_level(rows: Sequence[Prediction], seed: int) -> Level:
    means = system_means(*truth_and_prediction(rows), [row.system for row in rows])
    resamples = resample(means.names, unit="systems", seed=seed)
    return _level(means.truth, means.predicted, resamples)


def _level(true: Floats, pred: Floats, resamples: Resamples) -> Level:
    return Level(
        n=true.size,
        resampled=resamples.unit,
        num_units=resamples.num_units,
        metrics={name: measure(name, true, pred, resamples=resamples) for name in METRICS},
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


def _system_rows(rows: Sequence[Prediction]) -> tuple[SystemRow, ...]:
    groups: dict[str, list[Prediction]] = {}
    for row in rows:
        groups.setdefault(row.system, []).append(row)
    return tuple(_system_row(name, groups[name]) for name in sorted(groups))


def _system_row(name: str, rows: Sequence[Prediction]) -> SystemRow:
    true, pred = truth_and_prediction([row for row in rows if is_scored(row)])
    hits = [row.class_true == row.class_pred for row in rows if is_classified(row)]
    return SystemRow(
        system=name,
        n=len(rows),
        mean_true=float(true.mean()) if true.size else None,
        mean_pred=float(pred.mean()) if true.size else None,
        bias=float(pred.mean() - true.mean()) if true.size else None,
        mse=present(mse(true, pred)),
        lcc=present(lcc(true, pred)),
        srcc=present(srcc(true, pred)),
        accuracy=sum(hits) / len(hits) if hits else None,
    )
