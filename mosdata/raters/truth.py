"""The value of a system: three definitions that corpora use, and how far they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mosdata.manifests.ids import JSON
from mosdata.raters.estimate import Estimate
from mosdata.raters.counting import Floats, Ints
from mosdata.raters.panel import Panel

Definition = Literal["mean of clip means", "mean of ratings", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemTruth:
    """The value of each system, and which definition it follows.

    Args:
        definition: ``mean of clip means`` (unweighted, the rule of the VoiceMOS challenges),
            ``mean of ratings`` (clips with more votes weigh more), or ``table`` (published).
        names: systems, sorted.
        value_S: value of each, raw.
        num_clips_S: clips of each.
        num_ratings_S: ratings of each.
    """

    definition: Definition
    names: tuple[str, ...]
    value_S: Floats
    num_clips_S: Ints
    num_ratings_S: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthGap:
    """How far two definitions of system truth differ.

    Args:
        definitions: which two.
        max_difference: largest difference of a system, in points.
        srcc: rank correlation of the two.
    """

    definitions: tuple[Definition, Definition]
    max_difference: Estimate
    srcc: Estimate

    def to_json(self) -> dict[str, JSON]:
        """Keys definitions, max_difference, srcc."""
        raise NotImplementedError


def system_truth(
    panel: Panel,
    *,
    definition: Definition = "mean of clip means",
    table: Mapping[str, float] | None = None,
) -> SystemTruth:
    """The value of every system that has rated clips.

    Raises:
        InvalidRatings: no clip has a system; or ``table`` lacks one that has.
        InvalidValue: ``table`` is asked for and not given.
    """
    raise NotImplementedError


def truth_gap(first: SystemTruth, second: SystemTruth) -> TruthGap:
    """How far two truths of the same systems differ."""
    raise NotImplementedError
