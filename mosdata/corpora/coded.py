"""A column of names as whole numbers and the few names that they stand for.

A million ratings hold a hundred thousand clips and a thousand raters: what is done to names is done
to each name once, and what is done to rows is done to numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Codes = NDArray[np.int32]

MOST_BYTES_OF_ONE_ARRAY: Final = 1 << 30
"""Arrow counts the bytes of a string array with 32 bits."""

AUDIO_SUFFIX: Final = r"(?i:\.(wav|flac|mp3|ogg|opus|m4a|aac|wma|aif|aiff|sph)$)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """Names and, for every row, which one.

    Args:
        names: each name once, in the order of first mention; no nulls.
        codes: place in ``names`` for every row; -1 where the row has none.
        text: the column as it was read, where it is just what ``decode`` would make again.
        merged: names that were another's but for the space around them.
    """

    names: pa.Array
    codes: Codes
    text: pa.Array | None = None
    merged: int = 0

    def decode(self) -> pa.Array:
        """The column as strings; null where there is no name."""
        if self.text is not None:
            return self.text
        indices = pa.array(self.codes, mask=self.codes < 0)
        return self.names.take(indices)

    def first_rows(self) -> NDArray[np.int64]:
        """For every name the first row that has it."""
        first = np.zeros(len(self.names), dtype=np.int64)
        rows = np.flatnonzero(self.codes >= 0)[::-1]
        first[self.codes[rows]] = rows
        return first

    def renamed(self, names: pa.Array) -> Coded:
        """The same rows with other names; rows whose names become equal share one."""
        if names.equals(self.names):
            return self
        again = encode(names)
        if len(again.names) == len(names):
            return Coded(names=again.names, codes=self.codes)
        codes = np.append(again.codes, np.int32(-1))[self.codes]
        return Coded(names=again.names, codes=codes)


def encode(column: pa.Array | pa.ChunkedArray) -> Coded:
    """Code a column of strings; names are trimmed and an empty one is none.

    Example:
        >>> coded = encode(pa.array(["b", " a", "b", ""]))
        >>> coded.names.to_pylist(), coded.codes.tolist()
        (['b', 'a'], [0, 1, 0, -1])
    """
    coded = _one_array(column)
    text = None
    if not pa.types.is_dictionary(coded.type):
        text, coded = coded, coded.dictionary_encode()
    names: pa.Array = coded.dictionary
    codes = _with_holes(coded.indices)
    trimmed = pc.utf8_trim_whitespace(names)
    if not names.equals(trimmed) or pc.any(pc.equal(names, "")).as_py():
        unique = trimmed.dictionary_encode()
        filled = pc.not_equal(unique.dictionary, "")
        kept = unique.dictionary.filter(filled)
        place = np.where(filled.to_numpy(zero_copy_only=False), 0, -1).astype(np.int32)
        place[place == 0] = np.arange(len(kept), dtype=np.int32)
        moved = np.append(place[unique.indices.to_numpy()], np.int32(-1))
        num_filled = pc.sum(pc.not_equal(trimmed, "")).as_py() or 0
        return Coded(names=kept, codes=moved[codes], merged=num_filled - len(kept))
    return Coded(names=names, codes=codes, text=text)


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array in place of many: of strings, or of codes where strings would not fit into one.

    One large dictionary is twice as quick to build as several that are then united.
    """
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.nbytes >= MOST_BYTES_OF_ONE_ARRAY:
        column = column.dictionary_encode().unify_dictionaries()
    whole = column.combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def joined(columns: Sequence[Coded], *, between: str) -> Coded:
    """Several columns as one: their names joined where all are there.

    Example:
        >>> pair = joined([encode(pa.array(["x", "x"])), encode(pa.array(["1", "2"]))], between="-")
        >>> pair.names.to_pylist()
        ['x-1', 'x-2']
    """
    first, *others = columns
    for other in others:
        width = len(other.names) + 1
        keys = first.codes.astype(np.int64) * width + other.codes
        keys[(first.codes < 0) | (other.codes < 0)] = -1
        pairs = pa.array(keys, mask=keys < 0).dictionary_encode()
        unique = pairs.dictionary.to_numpy()
        names = pc.binary_join_element_wise(
            first.names.take(pa.array(unique // width)),
            other.names.take(pa.array(unique % width)),
            between,
        )
        first = Coded(names=names, codes=_with_holes(pairs.indices))
    return first.renamed(first.names)


def may_hold(names: pa.Array, text: bytes) -> bool:
    """False where no name holds a text; a look at all their bytes at once, before any pattern."""
    buffer = names.buffers()[2]
    return buffer is not None and text in buffer.to_pybytes()


def without_suffix(names: pa.Array) -> pa.Array:
    """Clip names without a leading ``./`` and the suffix of a sound file."""
    if not may_hold(names, b"."):
        return names
    if not pc.any(pc.match_substring_regex(names, rf"^\./|{AUDIO_SUFFIX}")).as_py():
        return names
    bare = pc.replace_substring_regex(names, pattern=r"^(\./)+", replacement="")
    return pc.replace_substring_regex(bare, pattern=AUDIO_SUFFIX, replacement="")


def groups(names: pa.Array, pattern: str) -> dict[str, pa.Array]:
    """What the named groups of a pattern find in each name; null where it is not found.

    ``system_1`` and ``system_2`` are joined with ``_`` in the order of their numbers.

    Example:
        >>> found = groups(pa.array(["N06_x_HUB"]), r"(?P<system_2>N..)_x_(?P<system_1>...)")
        >>> found["system"].to_pylist()
        ['HUB_N06']
    """
    expression = re.compile(pattern)
    parts: dict[str, list[str]] = {}
    for group in sorted(expression.groupindex):
        parts.setdefault(re.sub(r"_\d+$", "", group), []).append(group)
    rows: dict[str, list[str | None]] = {name: [] for name in parts}
    for name in names.to_pylist():
        match = expression.search(name)
        for target, members in parts.items():
            found = [match[m] for m in members if match and match[m]]
            rows[target].append("_".join(found) if found else None)
    return {name: pa.array(values, type=pa.string()) for name, values in rows.items()}


def _with_holes(indices: pa.Array) -> Codes:
    filled = indices.fill_null(-1) if indices.null_count else indices
    codes: Codes = filled.to_numpy().astype(np.int32, copy=False)
    return codes
