"""What rows have in common: the keys that splits go by, and how the keys hang together.

A corrupted or resynthesised copy belongs where its source belongs, so every key of a copy is the
key of the first clip in its chain of parents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mosdata.errors import DamagedDataset, InvalidValue, UnknownName

Ints = NDArray[np.int64]
Keys = Mapping[str, pa.Array]
"""Values by key, one a row; null where a row has none."""

CLIP_KEYS: Final[Mapping[str, str]] = {
    "system": "unit of system-level metrics: a synthesizer, a codec at one rate, a condition",
    "sentence": "what is said, as a name",
    "speaker": "who speaks",
    "source": "the clip at the start of the chain of parents; a clip's own id for most",
    "text": "the words themselves",
    "dataset": "the corpus that the clip comes from",
}
RATER: Final = "rater"
SPLIT_KEYS: Final[Mapping[str, str]] = {**CLIP_KEYS, RATER: "who gave the score"}
"""Keys that a split can go by, and what each means."""


def check_keys(by: Iterable[str], *, option: str = "--by") -> tuple[str, ...]:
    """Names of keys, known and each once.

    Raises:
        UnknownName: no such key.
        InvalidValue: none, or one twice.
    """
    keys = tuple(by)
    for key in keys:
        if key not in SPLIT_KEYS:
            raise UnknownName("split key", key, SPLIT_KEYS)
    if not keys or len({*keys}) < len(keys):
        raise InvalidValue(
            option, ",".join(keys), f"one or more of {', '.join(SPLIT_KEYS)}, each once"
        )
    return keys


def keys_of(clips: pa.Table, by: Sequence[str]) -> dict[str, pa.Array]:
    """Values of clip keys, each taken from the first clip of the row's chain of parents.

    Args:
        clips: a column ``id``, ``parent_id`` where there are parents, and those of the keys.
        by: names out of ``CLIP_KEYS``.

    Returns:
        One value a row and key, in the order of the rows; null where it is empty or unknown.

    Raises:
        InvalidValue: the table has no such column.
        DamagedDataset: parents form a circle.
    """
    first, names = _first_of_chain(clips)
    found = {}
    for key in by:
        if key == "source":
            found[key] = names
        elif key not in clips.column_names:
            raise InvalidValue(
                "A key to split by",
                key,
                f"a column that is there ({', '.join(clips.column_names)})",
            )
        else:
            found[key] = known(clips[key]).take(pa.array(first))
    return found


def known(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Values as text in one piece, with null in place of the empty text."""
    text = whole(values).cast(pa.string())
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(text), ""), pa.scalar(None), text)


def whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _first_of_chain(clips: pa.Table) -> tuple[Ints, pa.Array]:
    """Row of the first clip of each chain, and the name of the source.

    A parent that is not in the table (its copies were kept without it) gives its name alone.
    """
    ids = whole(clips["id"])
    rows = np.arange(len(ids))
    if "parent_id" not in clips.column_names:
        return rows, ids
    parents = known(clips["parent_id"])
    above = pc.index_in(parents, value_set=ids, skip_nulls=True)
    step = np.where(above.is_valid(), above.fill_null(0), rows).astype(np.int64)
    first = step
    for _ in range(len(ids).bit_length() + 1):
        if np.array_equal(first[first], first):
            break
        first = first[first]
    if not np.array_equal(step[first], first):
        raise DamagedDataset(
            "Some clips are, over several steps, parents of themselves (parent_id): their source "
            "cannot be told. Make the dataset again."
        )
    names = pc.coalesce(parents.take(pa.array(first)), ids.take(pa.array(first)))
    return first, names


def encoded(values: pa.Array) -> tuple[Ints, list[str]]:
    """Values as codes with -1 for null, and the names of the codes in sorted order.

    Example:
        >>> codes, names = encoded(pa.array(["b", None, "a"]))
        >>> codes.tolist(), names
        ([1, -1, 0], ['a', 'b'])
    """
    dictionary = values.dictionary_encode()
    names = dictionary.dictionary
    order = np.asarray(pc.sort_indices(names))
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    rank[-1] = -1
    codes = np.asarray(dictionary.indices.fill_null(-1)).astype(np.int64)
    return rank[codes], names.take(pa.array(order)).to_pylist()


def combinations(codes: Sequence[Ints]) -> tuple[NDArray[np.int64], Ints]:
    """Distinct combinations of several codes and how many rows have each; rows with -1 left out.

    Returns:
        Codes of shape (combinations, keys), and counts.
    """
    stacked = np.stack(codes, axis=1) if codes else np.empty((0, 0), dtype=np.int64)
    stacked = stacked[(stacked >= 0).all(axis=1)]
    if not len(stacked):
        return stacked, np.empty(0, dtype=np.int64)
    flat = np.zeros(len(stacked), dtype=np.int64)
    for column in stacked.T:
        flat = np.unique(flat * (int(column.max()) + 1) + column, return_inverse=True)[1]
    _, where, counts = np.unique(flat, return_index=True, return_counts=True)
    return stacked[where], counts


def components(combos: NDArray[np.int64], counts: Ints) -> Ints:
    """Rows in each connected part of the graph of keys, the largest first.

    Two rows hang together where they share the value of any key, directly or over others.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(combos):
        return np.empty(0, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(combos.max(axis=0) + 1)])
    nodes = combos + offsets[:-1]
    others = nodes.shape[1] - 1
    ends = (np.tile(nodes[:, 0], others), nodes[:, 1:].T.ravel())
    size = int(offsets[-1])
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(size, size))
    labels: Any = connected_components(graph, directed=False)[1]
    rows = np.bincount(labels[nodes[:, 0]], counts).astype(np.int64)
    return np.sort(rows[rows > 0])[::-1]


def nested(combos: NDArray[np.int64], keys: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (outer, inner) where every value of the inner key has one value of the outer."""
    found = []
    for i, outer in enumerate(keys):
        for j, inner in enumerate(keys):
            if i != j:
                pairs, _ = combinations([combos[:, i], combos[:, j]])
                if len(pairs) == len(np.unique(combos[:, j])):
                    found.append((outer, inner))
    return found
