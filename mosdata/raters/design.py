"""Who rated what: the shape of a listening test, and what it allows to be modelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from mosdata.manifests.ids import JSON
from mosdata.raters.cells import Cells, cells, num_repeated_pairs
from mosdata.raters.counting import Ints, counts
from mosdata.raters.panel import Panel

Name = Literal["crossed", "incomplete", "nested", "unknown"]

RECOMMENDATIONS: Final = {
    "crossed": "Model the listening test rather than the raters: everybody rated everything, so "
    "offsets of raters cancel in every mean and ranking.",
    "incomplete": "Model the raters: clips were rated by different people, so their offsets are "
    "in the means. De-bias the ratings, or give the model an embedding for each rater.",
    "nested": "Offsets of raters cannot be told from the quality of their clips: no two of them "
    "share a clip. Model the listening test, and let raters share clips next time.",
    "unknown": "Nothing can be said of raters, since none is named. Keep the listening test as a "
    "column, and names of raters next time.",
}
"""What to model, by the name of the design."""

MOST_STEPS: Final = 4
"""From one rater over clips to others and on; a few steps reach everybody who shares clips."""

CLIPS_FIRST: Final = 8
"""Ratings per rater that are looked at first for who is connected with whom."""

PARTS: Final = " Offsets compare only within each of the {} parts that share no clip."


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Least, median and most of some counts."""

    min: int
    median: float
    max: int

    @classmethod
    def of(cls, numbers: Ints) -> Spread:
        """The spread of at least one count."""
        return cls(min=int(numbers.min()), median=float(np.median(numbers)), max=int(numbers.max()))

    def to_json(self) -> dict[str, JSON]:
        """Keys min, median and max."""
        return {"min": self.min, "median": self.median, "max": self.max}


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

    name: Name
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
        ratings = self.ratings_per_rater
        return {
            "name": self.name,
            "filled": self.filled,
            "votes_per_clip": self.votes_per_clip.to_json(),
            "ratings_per_rater": None if ratings is None else ratings.to_json(),
            "num_components": self.num_components,
            "largest_component_share": self.largest_component_share,
            "num_tests": self.num_tests,
            "num_repeated_pairs": self.num_repeated_pairs,
            "recommendation": self.recommendation,
        }


def design(panel: Panel, *, pairs: Cells | None = None, component_R: Ints | None = None) -> Design:
    """The shape of a panel.

    Args:
        panel: the ratings.
        pairs: ``cells(panel)``, where they are known already.
        component_R: ``component_of_raters(panel)``, where it is known already.
    """
    found = cells(panel) if pairs is None else pairs
    parts_R = component_of_raters(panel) if component_R is None else component_R
    raters = panel.num_raters
    name, filled = _shape(panel, found)
    parts = int(parts_R.max(initial=-1)) + 1
    mixed = PARTS.format(parts) if parts > 1 and name == "incomplete" else ""
    per_rater = counts(panel.rater_N[panel.rater_N >= 0], raters)
    return Design(
        name=name,
        filled=filled,
        votes_per_clip=Spread.of(panel.clips.votes_C),
        ratings_per_rater=Spread.of(per_rater) if raters else None,
        num_components=parts,
        largest_component_share=float(np.bincount(parts_R).max() / raters) if raters else None,
        num_tests=len(panel.test_names),
        num_repeated_pairs=num_repeated_pairs(panel, found),
        recommendation=RECOMMENDATIONS[name] + mixed,
    )


def component_of_raters(panel: Panel) -> Ints:
    """The connected part of each named rater, numbered from 0 by its first rater; shape ``(R,)``.

    Two raters are connected where they share a clip, or where a chain of others does.
    """
    clip_N, rater_N, _ = panel.named()
    root_R = np.arange(panel.num_raters)
    if not rater_N.size:
        return root_R
    if _all_joined(clip_N, rater_N, panel):
        return np.zeros_like(root_R)
    # Some clips join most raters already, and then few ratings of all are left to look at.
    some_N = clip_N < panel.num_clips * min(1.0, CLIPS_FIRST * panel.num_raters / rater_N.size)
    root_R = _joined(root_R, clip_N[some_N], rater_N[some_N], panel.num_clips)
    root_R = _joined(root_R, clip_N, rater_N, panel.num_clips)
    _, part_R = np.unique(root_R, return_inverse=True)
    return part_R.astype(np.intp)


def _all_joined(clip_N: Ints, rater_N: Ints, panel: Panel) -> bool:
    """Whether everybody can be reached from the first rater in few steps, as in most designs."""
    reached_R = np.zeros(panel.num_raters, np.bool_)
    reached_R[0] = True
    reached_C = np.zeros(panel.num_clips, np.bool_)
    for _ in range(MOST_STEPS):
        reached_C[clip_N[reached_R[rater_N]]] = True
        reached_R[rater_N[reached_C[clip_N]]] = True
        if reached_R.all():
            return True
    return False


def _joined(root_R: Ints, clip_N: Ints, rater_N: Ints, num_clips: int) -> Ints:
    """The smallest rater that each is joined with, by hooking roots and halving paths.

    The rounds of Shiloach and Vishkin (1982): each clip stands for one of its raters, each root
    hangs itself under the smallest root next to it, then paths are halved until all are flat.
    """
    root_C = np.zeros(num_clips, np.intp)
    while True:
        own_N = root_R[rater_N]
        root_C[clip_N] = own_N
        clips_N = root_C[clip_N]
        apart_N = own_N != clips_N
        if not apart_N.any():
            return root_R
        first, second = own_N[apart_N], clips_N[apart_N]
        np.minimum.at(root_R, np.maximum(first, second), np.minimum(first, second))
        while not np.array_equal(jumped_R := root_R[root_R], root_R):
            root_R = jumped_R


def _shape(panel: Panel, pairs: Cells) -> tuple[Name, float | None]:
    if not panel.num_raters:
        return "unknown", None
    rated_C = counts(pairs.clip_K, panel.num_clips)
    num_clips = int(np.count_nonzero(rated_C))
    num_raters = int(np.count_nonzero(counts(pairs.rater_K, panel.num_raters)))
    filled = pairs.num_cells / (num_clips * num_raters)
    if pairs.num_cells == num_clips * num_raters and num_raters > 1:
        return "crossed", filled
    return ("nested" if rated_C.max() == 1 else "incomplete"), filled
