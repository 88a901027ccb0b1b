"""What a perfect predictor would score against labels as noisy as these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mosdata.manifests.ids import JSON
from mosdata.raters.components import VarianceComponents
from mosdata.raters.estimate import Estimate
from mosdata.raters.halves import Level, SplitHalf
from mosdata.raters.panel import Panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The correlation that a predictor which knows the true quality would reach.

    Args:
        level: ``utterance`` or ``system``.
        against: ``mean`` of the votes that there are, or a ``single`` rating.
        source: ``components`` or ``halves``: where the noise was estimated from.
        lcc: ceiling of LCC.
        srcc: ceiling of SRCC.
    """

    level: Level
    against: Literal["mean", "single"]
    source: Literal["components", "halves"]
    lcc: Estimate
    srcc: Estimate

    def to_json(self) -> dict[str, JSON]:
        """Keys level, against, source, lcc, srcc."""
        raise NotImplementedError


def ceilings(
    panel: Panel,
    *,
    components: VarianceComponents | None = None,
    halves: Sequence[SplitHalf] = (),
) -> tuple[Ceiling, ...]:
    """Every ceiling, in a fixed order.

    Order: utterance/mean/components, utterance/single/components, system/mean/components, then
    one halves ceiling for each of ``halves`` (as of :func:`mosdata.raters.halves.split_half`).

    Args:
        panel: the ratings.
        components: as ``variance_components(panel)`` gave them; computed where not given.
        halves: agreements of halves without de-biasing.
    """
    raise NotImplementedError
