"""The ratings of one kind and dimension as arrays: who gave which clip which score.

Letters of shapes: N ratings, C clips, R raters, S systems, T listening tests, M published means.
Codes are indices into the names; -1 stands for a name that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mosdata.errors import InvalidRatings, NothingFound
from mosdata.manifests.rows import HUMAN
from mosdata.manifests.scales import ACR, Scale, scale_named
from mosdata.raters.codes import (
    codes_of,
    column_of,
    numpy_of,
    only_name,
    sorted_codes_of,
    systems_of,
)
from mosdata.raters.counting import Floats, Ints, counts, ratio, totals

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Means that came without the single scores behind them: rows with ``votes``.

    Args:
        clip_M: code of the clip.
        mean_M: mean of its scores, raw.
        votes_M: how many there were; 1 where nobody says.
        num_unknown: means that do not say how many scores are behind them.
        std_M: their standard deviation (n - 1); NaN where it was not published.
    """

    clip_M: Ints
    mean_M: Floats
    votes_M: Ints
    std_M: Floats
    num_unknown: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipStats:
    """What each clip got: from its single ratings, or else from its published means.

    Args:
        votes_C: number of ratings.
        mean_C: their mean.
        ss_C: sum of their squared distances from it; NaN where a mean came without its spread.
        published_C: True where the numbers are those of published means.
    """

    votes_C: Ints
    mean_C: Floats
    ss_C: Floats
    published_C: Bools


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
        clip_names: names of the clips (Arrow strings).
        rater_names: names of the raters, sorted (Arrow strings).
        test_names: names of the listening tests, sorted (Arrow strings).
        system_names: names of the systems, sorted (Arrow strings).
        system_C: code of the system of each clip; -1 where unknown.
        published: means without single scores, kept apart; never mixed into ``value_N``.
        num_left_out: rows of the table that are of another kind or dimension.
        clips: votes, mean and spread of every clip; computed, not given.
        num_unnamed: single ratings whose rater is not named; computed, not given.

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
    clips: ClipStats = field(init=False)
    num_unnamed: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "num_unnamed", int(np.count_nonzero(self.rater_N < 0)))
        object.__setattr__(self, "clips", self._clip_stats())

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
                are needed. Without ``kind`` or ``dimension`` all rows are taken to be of the
                wanted ones, without ``scale`` on acr_1_5. An empty name is no name.
            kind: ``"human"``, or the name of a metric.
            dimension: what was judged.
            systems: system of each clip by its name; or a table with the columns ``name`` (or
                ``id``) and ``system``, which is faster for many clips. Clips that it does not
                know have no system and are counted by ``num_clips_without_system``.

        Raises:
            InvalidRatings: more than one scale, a value that is not on it, a clip without a name,
                or a mean of fewer than no votes.
            NothingFound: no rating of this kind and dimension.
        """
        chosen = _of_kind(table, kind=kind, dimension=dimension)
        scale = _one_scale(chosen, dimension=dimension)
        value_N = _values(chosen, scale)
        clip_N, clip_names = codes_of(chosen, "clip_id")
        if (clip_N < 0).any():
            raise InvalidRatings(f"{(clip_N < 0).sum()} ratings name no clip; name it in clip_id.")
        votes = column_of(chosen, "votes")
        mean_N = None if votes is None or votes.null_count == len(votes) else votes.is_valid()
        single = chosen if mean_N is None else chosen.filter(pc.invert(mean_N))
        is_mean_N = np.zeros(0, np.bool_) if mean_N is None else numpy_of(mean_N)
        rater_N, rater_names = sorted_codes_of(single, "rater")
        test_N, test_names = sorted_codes_of(single, "test")
        system_C, system_names = systems_of(clip_names, systems)
        published = _published(chosen, clip_N=clip_N, value_N=value_N, is_mean_N=is_mean_N)
        return cls(
            kind=kind,
            dimension=dimension,
            scale=scale,
            clip_N=clip_N if mean_N is None else clip_N[~is_mean_N],
            rater_N=rater_N,
            test_N=test_N,
            value_N=value_N if mean_N is None else value_N[~is_mean_N],
            clip_names=clip_names,
            rater_names=rater_names,
            test_names=test_names,
            system_names=system_names,
            system_C=system_C,
            published=published,
            num_left_out=table.num_rows - chosen.num_rows,
        )

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
    def num_systems(self) -> int:
        """Systems with a name and a clip."""
        return len(self.system_names)

    @property
    def num_clips_without_system(self) -> int:
        """Clips whose system is not known."""
        return int(np.count_nonzero(self.system_C < 0))

    @property
    def rater_or_spare(self) -> Ints:
        """Codes of the raters with ``num_raters`` for "not named", so that all can be counted."""
        if not self.num_unnamed:
            return self.rater_N
        codes: Ints = np.where(self.rater_N < 0, self.num_raters, self.rater_N)
        return codes

    def named(self) -> tuple[Ints, Ints, Floats]:
        """Clip, rater and value of the ratings whose rater is named."""
        if not self.num_unnamed:
            return self.clip_N, self.rater_N, self.value_N
        named_N = self.rater_N >= 0
        return self.clip_N[named_N], self.rater_N[named_N], self.value_N[named_N]

    def clip_ranks(self) -> Ints:
        """Place of each clip in the order of the names; shape ``(C,)``.

        What is drawn in this order does not depend on the order of the rows.
        """
        rank_C = np.empty(self.num_clips, np.intp)
        rank_C[numpy_of(pc.sort_indices(self.clip_names))] = np.arange(self.num_clips)
        return rank_C

    def select(self, keep_N: Bools) -> Panel:
        """The panel of some of its single ratings; clips, raters and systems keep their codes.

        Published means are left behind: they say nothing of who rated. A clip may be left without
        any rating; what is told of such a panel looks at ``clips.votes_C`` first.
        """
        none = Published(clip_M=_NO_CODES, mean_M=_NO_VALUES, votes_M=_NO_CODES, std_M=_NO_VALUES)
        return replace(
            self,
            clip_N=self.clip_N[keep_N],
            rater_N=self.rater_N[keep_N],
            test_N=self.test_N[keep_N],
            value_N=self.value_N[keep_N],
            published=none,
        )

    def _clip_stats(self) -> ClipStats:
        votes_C = counts(self.clip_N, self.num_clips)
        mean_C = ratio(totals(self.clip_N, self.value_N, self.num_clips), votes_C)
        # Of distances rather than of raw squares, which would lose the digits that matter.
        distance_N = self.value_N - mean_C[self.clip_N]
        ss_C = totals(self.clip_N, distance_N * distance_N, self.num_clips)
        stats = ClipStats(
            votes_C=votes_C,
            mean_C=mean_C,
            ss_C=ss_C,
            published_C=np.zeros(self.num_clips, np.bool_),
        )
        return _with_published(stats, self.published) if self.published.clip_M.size else stats


_NO_CODES: Final[Ints] = np.zeros(0, np.intp)
_NO_VALUES: Final[Floats] = np.zeros(0, np.float64)


def _with_published(stats: ClipStats, published: Published) -> ClipStats:
    """Published means for the clips without single ratings; several of one clip are pooled."""
    alone_M = stats.votes_C[published.clip_M] == 0
    clip, mean = published.clip_M[alone_M], published.mean_M[alone_M]
    votes, std = published.votes_M[alone_M], published.std_M[alone_M]
    size = stats.votes_C.size
    votes_C = totals(clip, votes, size).astype(np.intp)
    mean_C = ratio(totals(clip, votes * mean, size), votes_C)
    within = np.where(votes == 1, 0.0, std * std * (votes - 1))
    ss_C = totals(clip, within + votes * (mean - mean_C[clip]) ** 2, size)
    is_published_C = votes_C > 0
    return ClipStats(
        votes_C=np.where(is_published_C, votes_C, stats.votes_C),
        mean_C=np.where(is_published_C, mean_C, stats.mean_C),
        ss_C=np.where(is_published_C, ss_C, stats.ss_C),
        published_C=is_published_C,
    )


def _of_kind(table: pa.Table, *, kind: str, dimension: str) -> pa.Table:
    for name in ("clip_id", "value"):
        if name not in table.column_names:
            raise InvalidRatings(
                f"A table of ratings needs the columns clip_id and value; {name} is missing. "
                f"It has {', '.join(table.column_names)}."
            )
    chosen = table
    for name, wanted in (("kind", kind), ("dimension", dimension)):
        column = column_of(chosen, name)
        if column is None:
            continue
        if only_name(column) == wanted:
            continue
        same = pc.fill_null(pc.equal(column.cast(pa.string()), wanted), False)
        if not pc.all(same, min_count=0).as_py():
            chosen = chosen.filter(same)
    if not chosen.num_rows:
        raise NothingFound(
            f"None of {table.num_rows} ratings is of kind {kind!r} and dimension {dimension!r}."
        )
    return chosen


def _one_scale(table: pa.Table, *, dimension: str) -> Scale:
    column = column_of(table, "scale")
    if column is None:
        return scale_named(ACR)
    if (name := only_name(column)) is not None:
        return scale_named(name)
    same = pc.all(pc.fill_null(pc.equal(column, column[0]), False))
    if column[0].is_valid and same.as_py():
        return scale_named(column[0].as_py())
    found = sorted(str(name) for name in pc.unique(column).to_pylist())
    raise InvalidRatings(
        f"The ratings of {dimension!r} are on more than one scale or on none: {', '.join(found)}. "
        "Numbers of different scales cannot be averaged: give each scale a dataset of its own."
    )


def _values(table: pa.Table, scale: Scale) -> Floats:
    given: Floats = numpy_of(table["value"].cast(pa.float64()))
    wrong = ~scale.allows(given)
    if wrong.any():
        place = int(np.argmax(wrong))
        clip, value = table["clip_id"][place].as_py(), table["value"][place].as_py()
        raise InvalidRatings(
            f"{np.count_nonzero(wrong)} ratings are not on their scale, such as {value!r} of clip "
            f"{clip!r}; allowed on {scale}. Name the right scale, or leave them out."
        )
    return given


def _published(table: pa.Table, *, clip_N: Ints, value_N: Floats, is_mean_N: Bools) -> Published:
    if not is_mean_N.size:
        return Published(clip_M=_NO_CODES, mean_M=_NO_VALUES, votes_M=_NO_CODES, std_M=_NO_VALUES)
    means = table.filter(pa.array(is_mean_N))
    votes_M = numpy_of(means["votes"]).astype(np.intp)
    if (votes_M < 0).any():
        clip = means["clip_id"][int(np.argmax(votes_M < 0))].as_py()
        raise InvalidRatings(
            f"{np.count_nonzero(votes_M < 0)} means are of fewer than no votes, such as that of "
            f"clip {clip!r}. Give the number of scores behind the mean, or 0 where nobody says."
        )
    std = column_of(means, "std")
    nothing = np.full(votes_M.size, np.nan)
    std_M = nothing if std is None else numpy_of(std.cast(pa.float64())).astype(np.float64)
    return Published(
        clip_M=clip_N[is_mean_N],
        mean_M=value_N[is_mean_N],
        votes_M=np.maximum(votes_M, 1),
        std_M=std_M,
        num_unknown=int(np.count_nonzero(votes_M == 0)),
    )
