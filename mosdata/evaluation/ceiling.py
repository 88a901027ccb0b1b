"""How high a judge can score at all: the ratings that it is held against are noisy themselves.

A judge that knew the true quality of every clip would still miss LCC 1, because the mean of a
few ratings is not the true quality. What it would reach is the noise ceiling; a score beside it
says how much of what can be known the judge knows. Ceilings come as data from
``mosdata.raters``; predictions hold no raters and need none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from mosdata.errors import NothingFound
from mosdata.evaluation.intervals import Measure
from mosdata.manifests.predictions import Prediction
from mosdata.manifests.rows import DEBIASED, HUMAN
from mosdata.raters.ceilings import Ceiling
from mosdata.raters.ceilings import ceilings as raters_ceilings
from mosdata.raters.components import variance_components
from mosdata.raters.debias import debias
from mosdata.raters.halves import Level, split_half
from mosdata.raters.panel import Panel

LEVELS: Final[tuple[Level, Level]] = ("utterance", "system")


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCeiling:
    """What noise in the truth leaves to be reached at one level of analysis.

    ``reliability`` is the share of the truth's variance that is not noise; ``lcc`` and ``srcc``
    what a perfect judge would score; the normalised ones the judge's own score over that, above 1
    by luck only. What is not known is None, and ``reason`` says why. ``source`` is how the noise
    was estimated.
    """

    reliability: float | None = None
    lcc: float | None = None
    srcc: float | None = None
    normalised_lcc: float | None = None
    normalised_srcc: float | None = None
    source: str = ""
    reason: str = ""

    def against(self, metrics: Mapping[str, Measure]) -> LevelCeiling:
        """The same with the scores of a judge over it."""
        return replace(
            self,
            normalised_lcc=_share(metrics["lcc"].value, self.lcc),
            normalised_srcc=_share(metrics["srcc"].value, self.srcc),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The ceilings of one split."""

    utterance: LevelCeiling
    system: LevelCeiling

    @classmethod
    def unknown(cls, reason: str) -> Ceilings:
        """None at either level, and why."""
        return cls(utterance=LevelCeiling(reason=reason), system=LevelCeiling(reason=reason))


NO_RATINGS: Final = "no ratings by single people were given, and means do not tell their noise"
METRIC_TARGET: Final = "the target was computed by a metric, not given by listeners"


def ceilings_by_split(
    ratings: pa.Table, predictions: Iterable[Prediction], *, kind: str, dimension: str
) -> dict[str, Ceilings]:
    """Ceilings of every split that is judged, from the ratings of its clips alone.

    Args:
        ratings: columns of ``mosdata.manifests.schema.RATINGS``; people's.
        predictions: say which clips are judged, in which split and of which system.
        kind: of the target: ``human`` or ``debiased``; anything else is a metric's.
        dimension: what was judged.
    """
    splits: dict[str, dict[str, str]] = {}
    for row in predictions:
        systems = splits.setdefault(row.split, {})
        if row.mos_true is not None:
            systems[row.clip_id] = row.system
    if kind not in (HUMAN, DEBIASED):
        return dict.fromkeys(splits, Ceilings.unknown(METRIC_TARGET))
    return {
        split: _of_clips(ratings, systems, dimension=dimension, debiased=kind == DEBIASED)
        for split, systems in splits.items()
    }


def _of_clips(
    ratings: pa.Table, systems: Mapping[str, str], *, dimension: str, debiased: bool
) -> Ceilings:
    names = pa.array(sorted(systems), pa.string())
    mine = ratings.filter(pc.is_in(ratings["clip_id"], names))
    try:
        panel = Panel.from_ratings(mine, dimension=dimension, systems=systems)
    except NothingFound:
        return Ceilings.unknown(NO_RATINGS)
    if debiased:
        panel = replace(panel, value_N=debias(panel).value_N)
    found = noise_ceilings(panel)
    if panel.num_clips == len(systems):
        return found
    part = f"; from the {panel.num_clips} of {len(systems)} clips that have ratings"
    return Ceilings(
        utterance=replace(found.utterance, source=found.utterance.source + part),
        system=replace(found.system, source=found.system.source + part),
    )


def noise_ceilings(panel: Panel) -> Ceilings:
    """Reliability and ceilings of the clips' and the systems' means.

    From the variances of clips, raters and residual; where these are not known, from halves of
    the listeners.
    """
    components = variance_components(panel)
    known = raters_ceilings(panel, components=components)
    if any(_first(known, level).lcc.value is None for level in LEVELS):
        halves = tuple(split_half(panel, level=level) for level in LEVELS)
        known = raters_ceilings(panel, components=components, halves=halves)
    return Ceilings(utterance=_level(_first(known, "utterance")),
                    system=_level(_first(known, "system")))  # fmt: skip


def _first(known: Sequence[Ceiling], level: str) -> Ceiling:
    """The first ceiling of the clips' or systems' means that has a value; else the first."""
    mine = [found for found in known if found.level == level and found.against == "mean"]
    return next((found for found in mine if found.lcc.value is not None), mine[0])


def _level(found: Ceiling) -> LevelCeiling:
    lcc, srcc = found.lcc, found.srcc
    return LevelCeiling(
        reliability=None if lcc.value is None else lcc.value**2,
        lcc=lcc.value,
        srcc=srcc.value,
        source=lcc.method,
        reason=lcc.reason or srcc.reason,
    )


def _share(value: float | None, ceiling: float | None) -> float | None:
    return None if value is None or not ceiling else value / ceiling


def ceiling_sentence(level: str, metric: str, measure: Measure, ceiling: float | None) -> str:
    """Say what part of what can be known a judge knows; empty where nothing can be said.

    Example:
        >>> near = Measure(value=0.93, low=0.88, high=0.96, n=20)
        >>> ceiling_sentence("systems", "srcc", near, 0.95)
        'SRCC over systems: 0.930 is not to be told apart from a perfect judge, which would score \
0.950 against ratings as noisy as these; judges this good are not ranked by them.'
        >>> far = Measure(value=0.6, low=0.5, high=0.7, n=400)
        >>> ceiling_sentence("clips", "srcc", far, 0.9)
        'SRCC over clips: 0.600 of the 0.900 that a perfect judge would score against these \
ratings (67 %), outside their noise.'
    """
    if measure.value is None or not ceiling:
        return ""
    opening = f"{metric.upper()} over {level}: {measure.value:.3f}"
    if measure.high is None:
        return (
            f"{opening}; a perfect judge would score {ceiling:.3f} against ratings as noisy as "
            f"these. Whether that is reached cannot be decided: {measure.reason}."
        )
    if measure.high >= ceiling:
        return (
            f"{opening} is not to be told apart from a perfect judge, which would score "
            f"{ceiling:.3f} against ratings as noisy as these; judges this good are not ranked by "
            "them."
        )
    return (
        f"{opening} of the {ceiling:.3f} that a perfect judge would score against these ratings "
        f"({100 * measure.value / ceiling:.0f} %), outside their noise."
    )
