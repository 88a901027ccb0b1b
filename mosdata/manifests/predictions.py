"""What a judge says of a clip, beside what is known: the shape between models and metrics.

``evaluate`` writes one row per clip to ``predictions.parquet``; metrics and the report read that
table and nothing else, so any predictor's scores can be judged with the same code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from mosdata.manifests.durable import beside, sync_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One clip as a judge sees it.

    ``mos_true`` is the target's value (null where the clip has none) and ``mos_pred`` the
    prediction, both on the target's own scale; ``class_true`` and ``class_pred`` are names.
    ``corruption`` is the names of the chain joined by ``+`` (empty for sources) and ``level`` the
    highest level in it. ``gate`` holds the mixture weights, one per expert.
    """

    clip_id: str
    split: str
    system: str
    sentence: str
    corruption: str = ""
    level: float = 0.0
    mos_true: float | None = None
    mos_pred: float | None = None
    class_true: str | None = None
    class_pred: str | None = None
    class_confidence: float | None = None
    gate: tuple[float, ...] = ()


PREDICTIONS_SCHEMA: Final = pa.schema(
    [
        ("clip_id", pa.string()),
        ("split", pa.string()),
        ("system", pa.string()),
        ("sentence", pa.string()),
        ("corruption", pa.string()),
        ("level", pa.float64()),
        ("mos_true", pa.float64()),
        ("mos_pred", pa.float64()),
        ("class_true", pa.string()),
        ("class_pred", pa.string()),
        ("class_confidence", pa.float64()),
        ("gate", pa.list_(pa.float64())),
    ]
)


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write the table as a whole."""
    rows = [asdict(prediction) for prediction in predictions]
    partial = beside(path)
    pq.write_table(pa.Table.from_pylist(rows, PREDICTIONS_SCHEMA), partial)
    sync_file(partial)
    partial.replace(path)


def read_predictions(path: Path) -> list[Prediction]:
    """Read the table back."""
    rows = pq.read_table(path, schema=PREDICTIONS_SCHEMA).to_pylist()
    return [Prediction(**{**row, "gate": tuple(row["gate"] or ())}) for row in rows]
