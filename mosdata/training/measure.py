"""Labelled clips as tensors, and how well a judge does on them while it learns.

Shapes: ``N`` clips, ``D`` features, ``C`` classes. These few figures choose epochs; the figures to
report, with their uncertainty, come from evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from mosdata.training.losses import class_loss
from mosdata.training.moe import MoEJudge
from mosdata.training.stages import Stage

EVALUATION_CLIPS: Final = 1024
"""Clips judged at once; bounds memory, not a setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFeatures:
    """Clips as tensors: ``value_N`` is NaN and ``class_N`` -1 where the label is not known."""

    features_ND: Tensor
    value_N: Tensor
    class_N: Tensor

    def __len__(self) -> int:
        return len(self.value_N)

    def to(self, device: str) -> LabelledFeatures:
        """The same on a device."""
        return LabelledFeatures(
            features_ND=self.features_ND.to(device),
            value_N=self.value_N.to(device),
            class_N=self.class_N.to(device),
        )

    def rows(self, index: Tensor) -> LabelledFeatures:
        """Some clips, by index or mask."""
        return LabelledFeatures(
            features_ND=self.features_ND[index],
            value_N=self.value_N[index],
            class_N=self.class_N[index],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Validation in short; None where no clip has the label, or too few do.

    ``mse`` is in squared units of the target, ``standard_mse`` in squared deviations of it,
    ``lcc`` Pearson's correlation over clips, ``class_loss`` cross-entropy without smoothing.
    """

    mse: float | None = None
    standard_mse: float | None = None
    lcc: float | None = None
    accuracy: float | None = None
    class_loss: float | None = None


@torch.inference_mode()
def measure(judge: MoEJudge, clips: LabelledFeatures, *, scores: bool = True) -> Measured:
    """Judge clips without dropout and compare with their labels.

    Args:
        judge: put in evaluation mode.
        clips: in any number.
        scores: False leaves out the score output, where it has not been trained.
    """
    if not len(clips):
        return Measured()
    judge.eval()
    parts = [judge(part) for part in torch.split(clips.features_ND, EVALUATION_CLIPS)]
    pred_N = torch.cat([part.mos_B for part in parts]).double()
    logits_NC = torch.cat([part.logits_BC for part in parts]).double()
    values: dict[str, float | None] = {}
    scored_N = ~clips.value_N.isnan()
    if scores and bool(scored_N.any()):
        true, pred = clips.value_N[scored_N].double(), pred_N[scored_N]
        mse = float(((pred - true) ** 2).mean())
        values["mse"] = mse
        values["standard_mse"] = mse / float(judge.target_scale) ** 2
        values["lcc"] = _pearson(pred, true)
    classed_N = clips.class_N >= 0
    if bool(classed_N.any()):
        chosen_N = logits_NC[classed_N].argmax(dim=1)
        values["accuracy"] = float((chosen_N == clips.class_N[classed_N]).double().mean())
        values["class_loss"] = float(class_loss(logits_NC, clips.class_N))
    return Measured(**values)


def _pearson(first: Tensor, second: Tensor) -> float | None:
    """None below three clips, or where one side is constant."""
    if len(first) < 3:
        return None
    a, b = first - first.mean(), second - second.mean()
    norm = float(a.norm() * b.norm())
    return float(a @ b) / norm if norm > 0 else None


def gain_of(stage: Stage, measured: Measured) -> float | None:
    """What early stopping maximises: LCC less standard MSE, or in stage 1 less cross-entropy."""
    if not stage.needs_targets:
        return None if measured.class_loss is None else -measured.class_loss
    if measured.standard_mse is None:
        return None
    return (measured.lcc or 0.0) - measured.standard_mse
