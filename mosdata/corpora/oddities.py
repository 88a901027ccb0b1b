"""What a careful reader wants to know of scores that are right one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mosdata.corpora.parts import Part
from mosdata.corpora.raw import MAX_SHOWN
from mosdata.corpora.scored import Scored
from mosdata.corpora.table import Finding

MEAN_TOLERANCE: Final = 1e-6
"""Published and recomputed means may differ by this, in points of the scale."""


def findings_of(
    parts: Sequence[Part],
    names: pa.Array,
    codes: Sequence[NDArray[np.int32]],
    singles: Sequence[Scored],
    means: Sequence[Scored],
) -> Iterator[Finding]:
    """Everything odd about the scores of a corpus, as they stand side by side."""
    for dimension in dict.fromkeys(scores.dimension for scores in (*singles, *means)):
        of_singles = [scores for scores in singles if scores.dimension == dimension]
        of_means = [scores for scores in means if scores.dimension == dimension]
        yield from _repeated_pairs(names, of_singles)
        yield from _lonely(names, of_singles, of_means)
        for published in of_means:
            yield from _against_published(names, of_singles, published)
    yield from _unmatched(parts, names, codes)


def mean_of_scores(
    clips: NDArray[np.int32], values: NDArray[np.float64], num: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean score and number of scores of every clip: the float64 sum in file order over the number.

    Returns:
        means (NaN for a clip without scores) and counts, both of length ``num``.
    """
    counts = np.bincount(clips, minlength=num)
    sums = np.bincount(clips, weights=values, minlength=num)
    means = np.full(num, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means, counts


def _repeated_pairs(names: pa.Array, singles: Sequence[Scored]) -> Iterator[Finding]:
    count, examples = 0, []
    for scores in singles:
        if scores.raters is None:
            continue
        raters = scores.raters
        keys = raters.codes.astype(np.int64) * len(names) + scores.clips
        if scores.tests is not None:
            keys += (scores.tests.codes + 1) * (len(names) * np.int64(len(raters.names)))
        ordered = np.sort(keys if (raters.codes >= 0).all() else keys[raters.codes >= 0])
        again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        count += len(again)
        for key in again[:MAX_SHOWN].tolist():
            rater = raters.names[key // len(names) % len(raters.names)].as_py()
            examples.append(f"{rater} and {names[key % len(names)].as_py()}")
    if count:
        yield Finding(
            code="repeated_pair",
            count=count,
            message="pairs of rater and clip with more than one score of "
            f"{singles[0].dimension} in one test; all are kept",
            examples=tuple(examples[:MAX_SHOWN]),
        )


def _lonely(
    names: pa.Array, singles: Sequence[Scored], means: Sequence[Scored]
) -> Iterator[Finding]:
    """Clips with one score, raters who gave one, means of unknown weight."""
    if singles:
        counts = sum(np.bincount(scores.clips, minlength=len(names)) for scores in singles)
        once = np.flatnonzero(np.asarray(counts) == 1)
        yield from _of_clips("one_vote", names, once, "clips with one score only")
    for scores in singles:
        if scores.raters is None:
            unnamed = len(scores.values)
        else:
            unnamed, *given = np.bincount(scores.raters.codes + 1).tolist()
            if len(given) > 1 and max(given) == 1:
                yield Finding(
                    code="one_rating_per_rater",
                    count=len(given),
                    message="raters with one score each, and no other rater: the column may "
                    "number rows rather than people",
                )
        if unnamed:
            yield Finding(
                code="no_rater", count=unnamed, message="scores that do not say who gave them"
            )
    rated = np.zeros(len(names), dtype=bool)
    for scores in singles:
        rated[scores.clips] = True
    for scores in means:
        unknown = ~rated[scores.clips]
        if scores.votes is not None:
            unknown &= np.isnan(scores.votes)
        yield from _of_clips(
            "unknown_votes",
            names,
            scores.clips[unknown],
            f"means of {scores.dimension} that do not say how many scores are behind them",
        )


def _against_published(
    names: pa.Array, singles: Sequence[Scored], published: Scored
) -> Iterator[Finding]:
    """Published means beside the mean of the scores that are there."""
    if not singles:
        return
    clips = np.concatenate([scores.clips for scores in singles])
    values = np.concatenate([scores.values for scores in singles])
    means, _ = mean_of_scores(clips, values, len(names))
    distance = np.abs(means[published.clips] - published.values)
    off = np.flatnonzero(distance > MEAN_TOLERANCE)
    if len(off):
        worst = off[np.argsort(-distance[off], kind="stable")]
        examples = [
            f"{names[int(published.clips[row])].as_py()}: published {published.values[row]:g}, "
            f"mean of its scores {means[published.clips[row]]:g}"
            for row in worst[:MAX_SHOWN].tolist()
        ]
        yield Finding(
            code="mean_mismatch",
            count=len(off),
            message=f"published means of {published.dimension} that are not the mean of the scores "
            f"given here; the largest difference is {distance[off].max():.6g}",
            examples=tuple(examples),
        )


def _unmatched(
    parts: Sequence[Part], names: pa.Array, codes: Sequence[NDArray[np.int32]]
) -> Iterator[Finding]:
    """Clips that only the ratings know, and clips that only the list of clips knows."""
    rated, known = np.zeros(len(names), bool), np.zeros(len(names), bool)
    has_list = has_ratings = False
    for part, of_part in zip(parts, codes, strict=True):
        if any(not scores.is_mean for scores in part.scored):
            has_ratings = True
            rated[of_part] = True
        else:
            has_list = True
            known[of_part] = True
    if has_list and has_ratings:
        yield from _of_clips(
            "unknown_clip",
            names,
            np.flatnonzero(rated & ~known),
            "clips with ratings that the list of clips does not have; kept",
        )
        yield from _of_clips(
            "no_rating",
            names,
            np.flatnonzero(known & ~rated),
            "clips of the list that no single rating is for; kept",
        )


def _of_clips(
    code: str, names: pa.Array, clips: NDArray[np.integer], message: str
) -> Iterator[Finding]:
    if len(clips):
        shown = names.take(pa.array(clips[:MAX_SHOWN])).to_pylist()
        yield Finding(code=code, count=len(clips), message=message, examples=tuple(shown))
