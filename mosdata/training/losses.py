"""Losses of the judge, how they are weighted, and what to watch.

Shapes: ``B`` clips, ``N`` experts, ``E`` features of an expert's output, ``C`` classes.

Every loss is a mean over the clips it applies to, and 0 with zero gradients where there are none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from mosdata.errors import UnknownName
from mosdata.training.moe import Judgement


def smooth_l1(pred_B: Tensor, true_B: Tensor, *, beta: float = 1.0) -> Tensor:
    """Squared error below ``beta``, absolute error above; NaN in ``true_B`` is masked.

    Hu et al. 2025, equation 4; the formula is Girshick 2015 (Fast R-CNN), equation 3.
    """
    known_B = ~true_B.isnan()
    filled_B = torch.where(known_B, true_B, pred_B.detach())
    loss_B = functional.smooth_l1_loss(pred_B, filled_B, beta=beta, reduction="none")
    return loss_B.sum() / known_B.sum().clamp(min=1)


def contrastive(pred_B: Tensor, true_B: Tensor, *, margin: float = 0.1) -> Tensor:
    """How far the differences between two clips' scores are off, beyond a margin.

    Mean over all ordered pairs of clips with a score of ``max(0, |dpred - dtrue| - margin) / 2``;
    UTMOS (Saeki et al. 2022), section 3.3.
    """
    known_B = ~true_B.isnan()
    pred, true = pred_B[known_B], true_B[known_B]
    if not len(true):
        return pred_B.sum() * 0.0
    off = (pred[:, None] - pred) - (true[:, None] - true)
    return (off.abs() - margin).clamp(min=0).mean() / 2


def class_loss(logits_BC: Tensor, class_B: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy with smoothed labels; classes below 0 are masked.

    The target class gets ``1 - s + s / C`` and every other ``s / C`` (Szegedy et al. 2016,
    section 7). Hu et al. 2025, equation 5.
    """
    known_B = class_B >= 0
    if logits_BC.shape[1] == 0 or not bool(known_B.any()):
        return logits_BC.sum() * 0.0
    return functional.cross_entropy(
        logits_BC[known_B], class_B[known_B], label_smoothing=label_smoothing
    )


def diversity(experts_BNE: Tensor) -> Tensor:
    """Mean squared cosine between the outputs of two experts: 0 orthogonal, 1 redundant."""
    num_experts = experts_BNE.shape[1]
    if num_experts == 1:
        return experts_BNE.sum() * 0.0
    unit_BNE = functional.normalize(experts_BNE, dim=-1)
    cosine_BNN = unit_BNE @ unit_BNE.transpose(1, 2)
    first, second = torch.triu_indices(num_experts, num_experts, offset=1)
    return (cosine_BNN[:, first, second] ** 2).mean()


def gate_sparsity(gate_BN: Tensor) -> Tensor:
    """L1 norm of L2-normalised gates: 1 for one expert per clip, sqrt(N) for a flat gate.

    SpeechMoE (You et al. 2021), sparsity L1 loss.
    """
    return functional.normalize(gate_BN, dim=-1).abs().sum(dim=-1).mean()


def mean_importance(gate_BN: Tensor) -> Tensor:
    """1 where the experts carry equal weight over the batch, N where one carries it all.

    SpeechMoE (You et al. 2021), mean importance loss.
    """
    return gate_BN.shape[1] * (gate_BN.mean(dim=0) ** 2).sum()


def switch_balance(gate_BN: Tensor) -> Tensor:
    """N times the sum of argmax share and mean gate: 1 where balanced.

    Switch Transformer (Fedus et al. 2022), equation 4. The share has no gradient.
    """
    return gate_BN.shape[1] * (_argmax_share(gate_BN) * gate_BN.mean(dim=0)).sum()


def importance_cv2(gate_BN: Tensor) -> Tensor:
    """Squared coefficient of variation of the experts' total weights (population variance).

    Shazeer et al. 2017, equations 6 and 7.
    """
    importance_N = gate_BN.sum(dim=0)
    return importance_N.var(correction=0) / importance_N.mean() ** 2


def z_loss(gate_logits_BN: Tensor) -> Tensor:
    """Mean squared log-sum-exp of the gate's logits: keeps them small.

    ST-MoE (Zoph et al. 2022), equation 5.
    """
    return (gate_logits_BN.logsumexp(dim=-1) ** 2).mean()


REGULARIZERS: Final[Mapping[str, Callable[[Judgement], Tensor]]] = {
    "diversity": lambda judgement: diversity(judgement.experts_BNE),
    "sparsity": lambda judgement: gate_sparsity(judgement.gate_BN),
    "mean_importance": lambda judgement: mean_importance(judgement.gate_BN),
    "switch_balance": lambda judgement: switch_balance(judgement.gate_BN),
    "importance_cv2": lambda judgement: importance_cv2(judgement.gate_BN),
    "z_loss": lambda judgement: z_loss(judgement.gate_logits_BN),
}
"""Terms that a config can weight."""


def moe_regularizer(judgement: Judgement, weights: Mapping[str, float]) -> Tensor:
    """Weighted sum of terms of :data:`REGULARIZERS`; Hu et al. 2025, equation 6.

    Raises:
        UnknownName: no such term.
    """
    total = judgement.gate_BN.new_zeros(())
    for name, weight in weights.items():
        if name not in REGULARIZERS:
            raise UnknownName("regularizer", name, REGULARIZERS)
        if weight:
            total = total + weight * REGULARIZERS[name](judgement)
    return total


def dynamic_weights(
    last: Sequence[float], before: Sequence[float], *, temperature: float = 2.0
) -> list[float]:
    """Dynamic weight average: a task whose loss falls slower gets more; they sum to K.

    MTAN (Liu et al. 2019), equation 7. A task without a loss to compare counts as steady.

    Args:
        last: loss of each task in the last epoch.
        before: loss of each task in the epoch before it.
        temperature: higher is more even.
    """
    pace = [now / then if then > 0 else 1.0 for now, then in zip(last, before, strict=True)]
    exponents = [math.exp(ratio / temperature) for ratio in pace]
    return [len(pace) * value / sum(exponents) for value in exponents]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertUse:
    """How the gate uses the experts.

    ``share`` is how often each expert has the highest weight, ``mean_gate`` its mean weight;
    ``dead`` counts experts whose share is below a tenth of an even one. ``mutual_information``
    is the entropy of the mean gate less the mean entropy of the gates, in nats: 0 where every
    clip is treated alike, log N where each clip has one expert and all experts work equally.
    """

    share: tuple[float, ...]
    mean_gate: tuple[float, ...]
    dead: int
    mutual_information: float


def expert_use(gate_BN: Tensor) -> ExpertUse:
    """Statistics of the gates of some clips; Hu et al. 2025, section III-B, asks to watch them."""
    gate_BN = gate_BN.detach().double().cpu()
    share_N = _argmax_share(gate_BN)
    mean_N = gate_BN.mean(dim=0)
    information = _entropy(mean_N) - _entropy(gate_BN).mean()
    return ExpertUse(
        share=tuple(share_N.tolist()),
        mean_gate=tuple(mean_N.tolist()),
        dead=int((share_N < 1 / (10 * gate_BN.shape[1])).sum()),
        mutual_information=float(information),
    )


def _argmax_share(gate_BN: Tensor) -> Tensor:
    """Share of clips by the expert with the highest weight; the first of equals."""
    chosen_BN = functional.one_hot(gate_BN.argmax(dim=1), gate_BN.shape[1])
    return chosen_BN.to(gate_BN.dtype).mean(dim=0)


def _entropy(shares: Tensor) -> Tensor:
    return -torch.xlogy(shares, shares).sum(dim=-1)
