"""Everything that ratings say about themselves, in one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mosdata.manifests.ids import JSON
from mosdata.raters.ceilings import Ceiling
from mosdata.raters.components import Reliability
from mosdata.raters.design import Design
from mosdata.raters.halves import SplitHalf
from mosdata.raters.human_error import HumanError
from mosdata.raters.panel import Floats, Ints, Panel
from mosdata.raters.truth import TruthGap


class Found(Protocol):
    """What a reader of a corpus found odd; ``mosdata.corpora.table.Finding`` is one."""

    @property
    def code(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def examples(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offsets:
    """The raters' offsets of additive de-biasing, in points: over named raters."""

    std: float
    min: float
    median: float
    max: float
    largest: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How often scores were given; bins of the scale's step, or ten for a slider."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """All there is to know of a panel; ``to_json`` documents the keys."""

    panel: Panel
    design: Design
    reliability: Reliability
    human_error: HumanError
    halves: tuple[SplitHalf, ...]
    ceilings: tuple[Ceiling, ...]
    offsets: Offsets | None
    histogram: Histogram
    truth: TruthGap | None
    num_mismatches: int | None
    findings: tuple[Found, ...]

    def to_json(self) -> dict[str, JSON]:
        """A JSON object with stable keys; what is not known is null, with a reason beside it.

        Keys: kind, dimension, scale, ratings, clips, raters, systems, tests, unnamed_ratings,
        published_means, votes_per_clip, repeated_pairs, mismatches, histogram, rmse_human,
        reliability, split_half, ceilings, design, rater_offsets, system_truth, findings.
        """
        raise NotImplementedError


def inspect(
    panel: Panel,
    *,
    findings: Sequence[Found] = (),
    published: Mapping[str, float] | None = None,
    num_splits: int | None = None,
    seed: int = 0,
) -> Inspection:
    """Look at a panel from every side.

    Args:
        panel: the ratings.
        findings: what reading the corpus found odd; passed on.
        published: MOS by clip as the corpus publishes it, to be compared with the ratings' means.
        num_splits: random halves; None for 20, fewer for a million ratings.
        seed: of the halves.
    """
    raise NotImplementedError
