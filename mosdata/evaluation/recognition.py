"""How well a judge recognises synthesizers, against chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mosdata.evaluation.baselines import BETTER, UNDECIDED, UNKNOWN_OUTCOME, WORSE
from mosdata.evaluation.confusion import CLASS_METRICS, confusion
from mosdata.evaluation.findings import Classification
from mosdata.evaluation.intervals import Difference, Measure, measure_class, measure_mean
from mosdata.evaluation.resampling import resample
from mosdata.manifests.predictions import Prediction


def judge_classes(rows: Sequence[Prediction], *, seed: int) -> Classification | None:
    """Accuracy and its kin with intervals, chance and verdict; None where there are no rows.

    Args:
        rows: clips with a true and a predicted class.
        seed: of the bootstrap.
    """
    if not rows:
        return None
    true = [str(row.class_true) for row in rows]
    pred = [str(row.class_pred) for row in rows]
    table = confusion(true, pred)
    # Classes are a closed list, not a sample of one: what varies is what is said.
    resamples = resample([row.sentence for row in rows], unit="sentences", seed=seed)
    metrics = {name: measure_class(name, true, pred, resamples=resamples) for name in CLASS_METRICS}
    chance = table.metrics()
    gains = [(t == p) - (t == table.majority) for t, p in zip(true, pred, strict=True)]
    gain = measure_mean(np.array(gains, dtype=np.float64), resamples=resamples)
    sure = [row.class_confidence for row in rows if row.class_confidence is not None]
    outcome, sentence = _class_verdict(metrics["accuracy"], gain, chance["chance_majority"])
    return Classification(
        n=len(rows),
        resampled=resamples.unit,
        num_units=resamples.num_units,
        metrics=metrics,
        majority_class=table.majority,
        chance_majority=chance["chance_majority"],
        chance_uniform=chance["chance_uniform"],
        above_chance=Difference(value=gain.value, low=gain.low, high=gain.high, reason=gain.reason),
        mean_confidence=float(np.mean(sure)) if sure else None,
        classes=table.names,
        confusion=tuple(tuple(int(count) for count in row) for row in table.counts),
        outcome=outcome,
        sentence=sentence,
    )


def _class_verdict(accuracy: Measure, gain: Measure, chance: float) -> tuple[str, str]:
    seen = f"accuracy {accuracy.value:.3f} against {chance:.3f}"
    if gain.low is None or gain.high is None:
        return (
            UNKNOWN_OUTCOME,
            f"Synthesizers against chance cannot be decided ({seen}): {gain.reason}.",
        )
    spread = f"difference {gain.value:+.3f}, 95 % interval {gain.low:+.3f} to {gain.high:+.3f}"
    if gain.low > 0:
        return BETTER, f"Recognises synthesizers better than chance: {seen} ({spread})."
    if gain.high < 0:
        return WORSE, f"Recognises synthesizers worse than chance: {seen} ({spread})."
    return (
        UNDECIDED,
        f"Recognising synthesizers is not to be told apart from chance: {seen} ({spread}).",
    )
