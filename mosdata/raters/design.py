"""Who rated what: the shape of a listening test, and what it allows to be modelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mosdata.manifests.ids import JSON
from mosdata.raters.panel import Ints, Panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Least, median and most of some counts."""

    min: int
    median: float
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The shape of the table of raters and clips.

    Args:
        name: ``crossed``: everybody rated everything; ``nested``: nobody shares a clip with
            anybody; ``incomplete``: between the two; ``unknown``: raters are not named.
        filled: share of the cells (rater, clip) with a rating; None where raters are not named.
        votes_per_clip: over clips.
        ratings_per_rater: over named raters; None without any.
        num_components: connected parts of the rater-clip graph; offsets of raters can only be
            compared within one. 0 where raters are not named.
        largest_component_share: share of the named raters that are in the largest part.
        num_tests: listening tests named.
        num_repeated_pairs: ratings beyond the first of one clip by one rater in one test.
        recommendation: what to model, in words.
    """

    name: Literal["crossed", "incomplete", "nested", "unknown"]
    filled: float | None
    votes_per_clip: Spread
    ratings_per_rater: Spread | None
    num_components: int
    largest_component_share: float | None
    num_tests: int
    num_repeated_pairs: int
    recommendation: str

    def to_json(self) -> dict[str, JSON]:
        """Every field by its name; a spread has the keys min, median and max."""
        raise NotImplementedError


def design(panel: Panel) -> Design:
    """The shape of a panel."""
    raise NotImplementedError


def component_of_raters(panel: Panel) -> Ints:
    """The connected part of each rater, numbered from 0; shape ``(R,)``."""
    raise NotImplementedError
