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
    key_N = clip_N * max(1, panel.num_raters) + rater_N
    starts = _starts(key_N)
    if starts is None:
        return Cells(
            clip_K=clip_N, rater_K=rater_N, count_K=np.ones(clip_N.size, np.intp), repeated=False
        )
    key_K = np.sort(key_N)[starts]
    clip_K, rater_K = np.divmod(key_K, max(1, panel.num_raters))
    count_K = np.diff(np.r_[starts, key_N.size])
    return Cells(clip_K=clip_K, rater_K=rater_K, count_K=count_K, repeated=True)


def num_repeated_pairs(panel: Panel, found: Cells) -> int:
    """Ratings beyond the first of one clip by one named rater in one test."""
    if not found.repeated or not len(panel.test_names):
        return int(found.count_K.sum()) - found.num_cells
    named_N = panel.rater_N >= 0
    key_N = panel.clip_N * panel.num_raters + panel.rater_N
    key_N = key_N * (len(panel.test_names) + 1) + panel.test_N + 1
    starts = _starts(key_N[named_N])
    return 0 if starts is None else int(np.count_nonzero(named_N)) - int(starts.size)


def _starts(key_N: Ints) -> Ints | None:
    """Where each distinct key begins in the sorted keys; None where all are distinct."""
    ordered = np.sort(key_N)
    new_N = np.ones(key_N.size, np.bool_)
    new_N[1:] = ordered[1:] != ordered[:-1]
    return None if new_N.all() else np.flatnonzero(new_N)
