"""Which predictions can be judged: those with a truth and an answer, both finite."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mosdata.evaluation.metrics import Floats
from mosdata.manifests.predictions import Prediction
from mosdata.manifests.rows import UNKNOWN


def has_truth(row: Prediction) -> bool:
    """True where the clip has a target."""
    return row.mos_true is not None and math.isfinite(row.mos_true)


def is_scored(row: Prediction) -> bool:
    """True where the clip has a target and a prediction."""
    return has_truth(row) and row.mos_pred is not None and math.isfinite(row.mos_pred)


def is_classified(row: Prediction) -> bool:
    """True where the true class is known and one was predicted."""
    return row.class_true not in (None, UNKNOWN) and row.class_pred is not None


def truth_and_prediction(rows: Sequence[Prediction]) -> tuple[Floats, Floats]:
    """Both sides of scored rows as vectors."""
    true = np.array([row.mos_true for row in rows], dtype=np.float64)
    pred = np.array([row.mos_pred for row in rows], dtype=np.float64)
    return true, pred


def present(value: float) -> float | None:
    """A metric that may not exist, as None where it does not."""
    return None if math.isnan(value) else value
