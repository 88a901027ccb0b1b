"""Two disjoint halves of the listeners: how well they agree, before and after de-biasing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mosdata.manifests.ids import JSON
from mosdata.raters.debias import Method
from mosdata.raters.estimate import Estimate
from mosdata.raters.panel import Panel

Level = Literal["utterance", "system"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitHalf:
    """Agreement of two random halves, averaged over splits.

    Args:
        level: ``utterance`` or ``system``.
        halves: ``raters`` where each half is other people; ``ratings within a clip`` where raters
            are not named.
        debiased: ``none``, ``one side`` or ``both sides``.
        lcc: mean Pearson correlation of the two halves.
        srcc: mean Spearman correlation.
        mse: mean squared difference, in squared points.
        lcc_std: standard deviation of ``lcc`` over splits; None for fewer than two.
        srcc_std: the same of ``srcc``.
        num_splits: how many random splits.
        num_items: clips or systems that both halves rated, mean over splits.
    """

    level: Level
    halves: str
    debiased: str
    lcc: Estimate
    srcc: Estimate
    mse: Estimate
    lcc_std: float | None
    srcc_std: float | None
    num_splits: int
    num_items: float

    def to_json(self) -> dict[str, JSON]:
        """Every field by its name."""
        raise NotImplementedError


def split_half(
    panel: Panel,
    *,
    level: Level = "utterance",
    num_splits: int = 20,
    seed: int = 0,
    debias: Method | None = None,
) -> SplitHalf:
    """Agreement of two disjoint halves of the raters; with ``debias``, both halves apart."""
    raise NotImplementedError


def agreement_lift(
    panel: Panel,
    *,
    method: Method = "additive",
    shrinkage: float = 5.0,
    num_splits: int = 20,
    seed: int = 0,
) -> tuple[SplitHalf, ...]:
    """What de-biasing is worth: raw, one side and both sides, per utterance and per system.

    Rows in this order: utterance none, one side, both sides; system none, one side, both sides
    (the latter only where systems are known).
    """
    raise NotImplementedError
