"""Who does the work in a mixture of experts: how the gate spreads clips over experts.

Two ways to fail look alike in a loss curve: one expert does everything, or all experts do the
same. The mean gate shows the first, the mutual information both: it is high only where the gate
is sure for each clip *and* differs from clip to clip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mosdata.errors import InvalidValue
from mosdata.evaluation.metrics import Floats, grouped

DEAD_SHARE: Final = 0.1
"""An expert is dead where it leads for less than this part of its fair share, 1 / N."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """Mean gate over the clips of one class or system."""

    name: str
    n: int
    mean_gate: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertUse:
    """How the gate spreads clips over experts.

    ``leading_share`` is the share of clips where an expert has the largest weight (the first of
    equal ones); entropies and ``mutual_information`` are in nats, the latter being the entropy
    of the mean gate less the mean entropy of the gates, between 0 and log N.
    """

    n: int
    num_experts: int
    mean_gate: tuple[float, ...]
    leading_share: tuple[float, ...]
    dead: tuple[int, ...]
    mean_entropy: float
    mutual_information: float
    per_class: tuple[GateRow, ...]
    per_system: tuple[GateRow, ...]


def expert_use(
    gates_BN: Floats, *, classes: Sequence[str | None], systems: Sequence[str]
) -> ExpertUse:
    """Summarise mixture weights.

    Args:
        gates_BN: weights of N experts for B clips; each row sums to 1.
        classes: true class of each clip, None where unknown.
        systems: system of each clip.

    Raises:
        InvalidValue: not a table of weights, or rows that do not sum to 1.

    Example:
        >>> use = expert_use(np.eye(2), classes=["a", "b"], systems=["a", "b"])
        >>> round(use.mutual_information, 6), use.dead
        (0.693147, ())
    """
    if gates_BN.ndim != 2 or not gates_BN.size:
        raise InvalidValue("gates", f"shape {gates_BN.shape}", "(clips, experts), both 1 or more")
    if not np.allclose(gates_BN.sum(axis=1), 1, atol=1e-3) or gates_BN.min() < 0:
        raise InvalidValue("gates", "rows that are not shares", "weights >= 0 that sum to 1")
    num_clips, num_experts = gates_BN.shape
    leaders = np.bincount(gates_BN.argmax(axis=1), minlength=num_experts) / num_clips
    mean_gate = gates_BN.mean(axis=0)
    mean_entropy = float(entropy(gates_BN).mean())
    known = np.array([name is not None for name in classes], dtype=np.bool_)
    return ExpertUse(
        n=num_clips,
        num_experts=num_experts,
        mean_gate=_floats(mean_gate),
        leading_share=_floats(leaders),
        dead=tuple(int(i) for i in np.flatnonzero(leaders < DEAD_SHARE / num_experts)),
        mean_entropy=mean_entropy,
        mutual_information=max(0.0, float(entropy(mean_gate[None])[0]) - mean_entropy),
        per_class=_per_group(gates_BN[known], [name for name in classes if name is not None]),
        per_system=_per_group(gates_BN, systems),
    )


def entropy(shares_BN: Floats) -> Floats:
    """Entropy of each row in nats; 0 log 0 is 0."""
    logs = np.log(shares_BN, out=np.zeros_like(shares_BN), where=shares_BN > 0)
    rows: Floats = -(shares_BN * logs).sum(axis=1)
    return rows


def most_information(num_experts: int) -> float:
    """The largest mutual information that N experts can have, log N."""
    return math.log(num_experts)


def _per_group(gates_BN: Floats, labels: Sequence[str]) -> tuple[GateRow, ...]:
    names, index = grouped(labels, size=len(gates_BN))
    rows = []
    for number, name in enumerate(names):
        mine = gates_BN[index == number]
        rows.append(GateRow(name=name, n=len(mine), mean_gate=_floats(mine.mean(axis=0))))
    return tuple(rows)


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
