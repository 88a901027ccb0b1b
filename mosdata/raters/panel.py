"""The ratings of one kind and dimension as arrays: who gave which clip which score.

Letters of shapes: N ratings, C clips, R raters, S systems, T listening tests, M published means.
Codes are indices into the names; -1 stands for a name that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mosdata.errors import InvalidRatings, NothingFound
from mosdata.manifests.rows import HUMAN
from mosdata.manifests.scales import Scale, opinion_scale, scale_named

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

UNKNOWN_CODE: Final = -1
"""Code of a rater, test or system that has no name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Means that came without the single scores behind them: rows with ``votes``.

    Args:
        clip_M: code of the clip.
        mean_M: mean of its scores, raw.
        votes_M: how many there were.
        std_M: their standard deviation (n - 1); NaN where it was not published.
    """

    clip_M: Ints
    mean_M: Floats
    votes_M: Ints
    std_M: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Ratings of one kind, dimension and scale, and the names behind their codes.

    Args:
        kind: ``"human"``, or the name of a metric.
        dimension: what was judged.
        scale: scale of all values.
        clip_N: code of the clip of each single rating.
        rater_N: code of its rater; -1 where nobody is named.
        test_N: code of its listening test; -1 where none is named.
        value_N: the score, raw.
        clip_names: names of the clips, in the order of first mention (Arrow strings).
        rater_names: names of the raters, sorted (Arrow strings).
        test_names: names of the listening tests, sorted (Arrow strings).
        system_names: names of the systems, sorted (Arrow strings).
        system_C: code of the system of each clip; -1 where unknown.
        published: means without single scores, kept apart; never mixed into ``value_N``.
        num_left_out: rows of the table that are of another kind or dimension.

    Example:
        >>> table = pa.table({"clip_id": ["a", "a"], "rater": ["x", "y"], "value": [3.0, 4.0]})
        >>> panel = Panel.from_ratings(table)
        >>> panel.num_ratings, panel.num_clips, panel.num_raters, panel.clips.mean_C.tolist()
        (2, 1, 2, [3.5])
    """

    kind: str
    dimension: str
    scale: Scale
    clip_N: Ints
    rater_N: Ints
    test_N: Ints
    value_N: Floats
    clip_names: pa.Array
    rater_names: pa.Array
    test_names: pa.Array
    system_names: pa.Array
    system_C: Ints
    published: Published
    num_left_out: int = 0

    @classmethod
    def from_ratings(
        cls,
        table: pa.Table,
        *,
        kind: str = HUMAN,
        dimension: str = "mos",
        systems: Mapping[str, str] | pa.Table | None = None,
    ) -> Panel:
        """The ratings of one kind and dimension in a table of ratings.

        Args:
            table: columns of ``mosdata.manifests.schema.RATINGS``; only ``clip_id`` and ``value``
                are needed. Where ``kind``, ``dimension`` or ``scale`` is missing, all rows are
                taken to be of the wanted kind and dimension, on acr_1_5.
            kind: ``"human"``, or the name of a metric.
            dimension: what was judged.
            systems: system of each clip by its name; or a table with the columns ``name`` (or
                ``id``) and ``system``, which is faster for many clips. Clips that are not in it
                have no system and are counted by ``num_clips_without_system``.

        Raises:
            InvalidRatings: more than one scale, a value that is not on it, a clip without a name,
                or a mean of fewer than one vote.
            NothingFound: no rating of this kind and dimension.
        """
        raise NotImplementedError

    @property
    def num_ratings(self) -> int:
        """Single ratings; published means are not among them."""
        return int(self.value_N.size)

    @property
    def num_clips(self) -> int:
        """Clips with a single rating or a published mean."""
        return len(self.clip_names)

    @property
    def num_raters(self) -> int:
        """Raters with a name."""
        return len(self.rater_names)

    @property
    def num_unnamed(self) -> int:
        """Single ratings whose rater is not named."""
        raise NotImplementedError

    @property
    def num_clips_without_system(self) -> int:
        """Clips whose system is not known."""
        raise NotImplementedError

    @property
    def clips(self) -> ClipStats:
        """Votes, mean and spread of every clip."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipStats:
    """What each clip got; from its single ratings, else from its published mean.

    Args:
        votes_C: number of ratings.
        mean_C: their mean.
        ss_C: sum of their squared distances from it; NaN where a mean came without its spread.
        published_C: True where the numbers are a published mean's.
    """

    votes_C: Ints
    mean_C: Floats
    ss_C: Floats
    published_C: Bools
