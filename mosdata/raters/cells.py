"""Cells of the table of clips and raters: the distinct pairs, and how often each occurs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mosdata.raters.counting import Ints
from mosdata.raters.panel import Panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The pairs of clip and named rater that have ratings; K of them.

    Args:
        clip_K: code of the clip.
        rater_K: code of the rater.
        count_K: ratings of the pair.
        repeated: True where some pair has more than one.
    """

    clip_K: Ints
    rater_K: Ints
    count_K: Ints
    repeated: bool

    @property
    def num_cells(self) -> int:
        """Distinct pairs."""
        return int(self.count_K.size)


def cells(panel: Panel) -> Cells:
    """The cells with a rating; in no order that means anything."""
    clip_N, rater_N, _ = panel.named()
    size = max(1, panel.num_raters)
    ordered_N, starts = _distinct(clip_N * size + rater_N)
    if starts.size == clip_N.size:
        once_K = np.ones(clip_N.size, np.intp)
        return Cells(clip_K=clip_N, rater_K=rater_N, count_K=once_K, repeated=False)
    key_K = ordered_N[starts]
    clip_K = key_K // size
    count_K = np.diff(np.r_[starts, clip_N.size])
    return Cells(clip_K=clip_K, rater_K=key_K - clip_K * size, count_K=count_K, repeated=True)


def num_repeated_pairs(panel: Panel, found: Cells) -> int:
    """Ratings beyond the first of one clip by one named rater in one test."""
    if not found.repeated or not len(panel.test_names):
        return int(found.count_K.sum()) - found.num_cells
    named_N = panel.rater_N >= 0
    key_N = panel.clip_N * panel.num_raters + panel.rater_N
    key_N = key_N * (len(panel.test_names) + 1) + panel.test_N + 1
    ordered_N, starts = _distinct(key_N[named_N])
    return int(ordered_N.size - starts.size)


def _distinct(key_N: Ints) -> tuple[Ints, Ints]:
    """The keys in order, and where each distinct one begins."""
    ordered_N = np.sort(key_N)
    new_N = np.ones(key_N.size, np.bool_)
    new_N[1:] = ordered_N[1:] != ordered_N[:-1]
    return ordered_N, np.flatnonzero(new_N)
