"""The three stages of training and how rates and weights move within one.

Hu et al. 2025 (arXiv 2507.06116), section III-E, gives the stages, learning rates, AdamW, cosine
annealing, clipping at 1.0 and a patience of 5. The weights of the losses are elided in the
paper; those here are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from mosdata.errors import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage.

    ``mos_start`` and ``mos_end`` are the score loss's weight in the first and the last epoch; the
    class loss has the rest to 1. ``scored_only`` keeps clips without a score out. Epochs are
    before ``TrainConfig.epochs_scale``, rates before ``TrainConfig.learning_rate_scale``.
    """

    name: str
    learning_rate: float
    mos_start: float
    mos_end: float
    max_epochs: int
    min_epochs: int = 1
    label_smoothing: float = 0.0
    scored_only: bool = False

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise InvalidValue("learning_rate", self.learning_rate, "above 0")
        if not (0 <= self.mos_start <= 1 and 0 <= self.mos_end <= 1):
            raise InvalidValue("The score weight", (self.mos_start, self.mos_end), "0 to 1")
        if not 1 <= self.min_epochs <= self.max_epochs:
            given = (self.min_epochs, self.max_epochs)
            raise InvalidValue("The epochs", given, "1 <= min_epochs <= max_epochs")
        if not 0 <= self.label_smoothing < 1:
            raise InvalidValue("label_smoothing", self.label_smoothing, "0 to below 1")

    @property
    def needs_targets(self) -> bool:
        """Whether the stage learns scores."""
        return max(self.mos_start, self.mos_end) > 0


PAPER_STAGES: Final = (
    Stage(
        name="classes",
        learning_rate=1e-4,
        mos_start=0.0,
        mos_end=0.0,
        max_epochs=15,
        min_epochs=10,
    ),
    Stage(
        name="joint",
        learning_rate=5e-5,
        mos_start=0.3,
        mos_end=0.7,
        max_epochs=15,
        label_smoothing=0.1,
    ),
    Stage(
        name="finetune",
        learning_rate=1e-5,
        mos_start=0.9,
        mos_end=0.9,
        max_epochs=10,
        label_smoothing=0.1,
        scored_only=True,
    ),
)
"""Learning rates, order and the epochs of stage 1 are the paper's; the rest is ours."""


def cosine(learning_rate: float, epoch: int, num_epochs: int) -> float:
    """Cosine annealing to 0: the rate of ``epoch`` out of ``num_epochs``, counted from 0."""
    return learning_rate * (1 + math.cos(math.pi * epoch / num_epochs)) / 2


def ramp(start: float, end: float, epoch: int, num_epochs: int) -> float:
    """A straight line from the first epoch to the last."""
    return start if num_epochs < 2 else start + (end - start) * epoch / (num_epochs - 1)


def task_weights(
    mos_weight: float, dynamic: tuple[float, float] = (1.0, 1.0)
) -> tuple[float, float]:
    """Weights of score and class loss: ramp times pace, brought back to a sum of 1.

    Args:
        mos_weight: the ramp's weight of the score loss.
        dynamic: factors of :func:`mosdata.training.losses.dynamic_weights`.
    """
    mos, classes = mos_weight * dynamic[0], (1 - mos_weight) * dynamic[1]
    return mos / (mos + classes), classes / (mos + classes)
