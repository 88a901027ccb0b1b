"""The mixture-of-experts judge: one vector per clip to a score and a synthesizer.

Shapes: ``B`` clips, ``D`` input features, ``F`` fused features, ``N`` experts, ``E`` features of
an expert's output, ``C`` classes.

The structure follows Hu et al. 2025 (arXiv 2507.06116), section III: feature fusion, experts
behind a gate, and two output layers. What the paper leaves open is in ``docs/moe.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from mosdata.errors import InvalidValue, UnknownName

MIN_SCALE: Final = 1e-6
"""Features and targets that vary less are treated as constant."""

MAX_DEVIATIONS: Final = 10.0
"""A feature further from its train mean counts as this far, so no clip can shout."""


class Judgement(NamedTuple):
    """What the judge says of a batch.

    ``mos_B`` is on the target's own scale; ``gate_BN`` sums to 1 over the experts.
    """

    mos_B: Tensor
    logits_BC: Tensor
    gate_BN: Tensor
    experts_BNE: Tensor
    gate_logits_BN: Tensor


class ExpertLayer(nn.Module):
    """One linear layer of all experts at once, each with its own weights."""

    def __init__(self, num_experts: int, width_in: int, width_out: int) -> None:
        super().__init__()
        self.weight_NIO = nn.Parameter(torch.empty(num_experts, width_in, width_out))
        self.bias_N1O = nn.Parameter(torch.empty(num_experts, 1, width_out))
        bound = 1 / math.sqrt(width_in)  # as nn.Linear draws both
        nn.init.uniform_(self.weight_NIO, -bound, bound)
        nn.init.uniform_(self.bias_N1O, -bound, bound)

    def forward(self, inputs_NBI: Tensor) -> Tensor:
        """Apply each expert to its own inputs: shape ``(N, B, O)``."""
        return torch.baddbmm(self.bias_N1O, inputs_NBI, self.weight_NIO)


class TrainNorm(nn.Module):
    """Standardise each feature with its mean and deviation over the train clips.

    Stands in for LayerNorm, with as many parameters. LayerNorm takes out what all features of a
    clip have in common; in log-mel features that is the level, which a judge should hear.
    """

    mean_D: Tensor
    scale_D: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.weight_D = nn.Parameter(torch.ones(num_features))
        self.bias_D = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("mean_D", torch.zeros(num_features))
        self.register_buffer("scale_D", torch.ones(num_features))

    def forward(self, features_BD: Tensor) -> Tensor:
        """Features in deviations from the train mean, scaled and shifted."""
        standard_BD = (features_BD - self.mean_D) / self.scale_D
        return standard_BD.clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS) * self.weight_D + self.bias_D

    def fit(self, features_ND: Tensor) -> None:
        """Take mean and deviation from these clips."""
        self.mean_D.copy_(features_ND.mean(dim=0))
        self.scale_D.copy_(_spread(features_ND))


INPUT_NORMS: Final[Mapping[str, Callable[[int], nn.Module]]] = {
    "layer": nn.LayerNorm,
    "train": TrainNorm,
}
"""First step of the feature fusion: per clip, or over the train clips."""


class MoEJudge(nn.Module):
    """Score and synthesizer of a clip from a mixture of experts.

    The gate is dense: every expert sees every clip. Both output layers are linear and shared,
    so mixing the experts' features is the same as mixing their predictions (equation 2).

    Args:
        input_dim: features per clip.
        num_classes: synthesizers to tell apart; 0 leaves the class output away.
        num_experts: experts of identical structure and separate parameters.
        fusion_dim: width of the fused feature.
        expert_dims: widths of an expert's hidden layers; the paper has two or three.
        gate_hidden: width of the gate's hidden layer; 0 is the literal equation 1.
        dropout: probability after the fusion and after each expert layer.
        input_norm: ``layer``, or ``train`` (then :meth:`set_feature_scale` gives it its numbers).

    Raises:
        UnknownName: no such input norm.
        InvalidValue: a size below 1, or a dropout outside [0, 1).

    Example:
        >>> judge = MoEJudge(768, num_classes=12)
        >>> sum(parameter.numel() for parameter in judge.parameters())
        611537
    """

    target_mean: Tensor
    target_scale: Tensor

    def __init__(
        self,
        input_dim: int,
        *,
        num_classes: int,
        num_experts: int = 4,
        fusion_dim: int = 256,
        expert_dims: Sequence[int] = (256, 128),
        gate_hidden: int = 64,
        dropout: float = 0.1,
        input_norm: str = "layer",
    ) -> None:
        super().__init__()
        sizes = (input_dim, num_experts, fusion_dim, *expert_dims)
        if min(sizes) < 1 or not expert_dims:
            raise InvalidValue("The sizes of the judge", sizes, "1 or more each")
        if not 0 <= dropout < 1:
            raise InvalidValue("dropout", dropout, "0 to below 1")
        if input_norm not in INPUT_NORMS:
            raise UnknownName("input norm", input_norm, INPUT_NORMS)
        self.num_experts = num_experts
        self.fusion = nn.Sequential(
            INPUT_NORMS[input_norm](input_dim),
            nn.Linear(input_dim, fusion_dim),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.gate = _gate(fusion_dim, gate_hidden, num_experts)
        widths = [fusion_dim, *expert_dims]
        self.expert_layers = nn.ModuleList(
            ExpertLayer(num_experts, width_in, width_out)
            for width_in, width_out in pairwise(widths)
        )
        self.expert_dropout = nn.Dropout(dropout)
        self.mos_head = nn.Linear(widths[-1], 1)
        self.class_head = nn.Linear(widths[-1], num_classes) if num_classes else None
        self.register_buffer("target_mean", torch.zeros(()))
        self.register_buffer("target_scale", torch.ones(()))

    def forward(self, features_BD: Tensor) -> Judgement:
        """Judge a batch of feature vectors."""
        fused_BF = self.fusion(features_BD)
        gate_logits_BN = self.gate(fused_BF)
        gate_BN = gate_logits_BN.softmax(dim=-1)
        experts_BNE = self._experts(fused_BF)
        mixed_BE = torch.einsum("bn,bne->be", gate_BN, experts_BNE)
        mos_B = self.mos_head(mixed_BE).squeeze(-1) * self.target_scale + self.target_mean
        logits_BC = self.class_head(mixed_BE) if self.class_head else mixed_BE[:, :0]
        return Judgement(mos_B, logits_BC, gate_BN, experts_BNE, gate_logits_BN)

    def _experts(self, fused_BF: Tensor) -> Tensor:
        hidden = fused_BF.expand(self.num_experts, *fused_BF.shape)
        for layer in self.expert_layers:
            hidden = self.expert_dropout(torch.relu(layer(hidden)))
        return hidden.transpose(0, 1)

    def set_feature_scale(self, features_ND: Tensor) -> None:
        """Give a ``train`` norm its mean and deviation; a ``layer`` norm needs none."""
        norm = self.fusion[0]
        if isinstance(norm, TrainNorm):
            norm.fit(features_ND)

    def set_target_scale(self, values_N: Tensor) -> None:
        """Let the score output start at the mean of these (train) scores; NaN is left out."""
        known = values_N[~values_N.isnan()]
        self.target_mean.copy_(known.mean())
        self.target_scale.copy_(_spread(known))

    def standard(self, mos: Tensor) -> Tensor:
        """Scores in deviations from the train mean: the unit of the loss."""
        return (mos - self.target_mean) / self.target_scale


def _gate(fusion_dim: int, hidden: int, num_experts: int) -> nn.Sequential:
    if not hidden:
        return nn.Sequential(nn.Linear(fusion_dim, num_experts))
    return nn.Sequential(nn.Linear(fusion_dim, hidden), nn.ReLU(), nn.Linear(hidden, num_experts))


def _spread(values: Tensor) -> Tensor:
    """Population deviation along the first axis; 1 where the values are constant."""
    spread = values.std(dim=0, correction=0)
    return torch.where(spread > MIN_SCALE, spread, torch.ones_like(spread))
