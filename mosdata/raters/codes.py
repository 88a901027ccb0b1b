"""Names as codes: the Arrow side of a panel, without a Python loop over rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.intp]

UNKNOWN_CODE: Final = -1
"""Code of a rater, test or system that has no name."""


def codes_of(table: pa.Table, name: str) -> tuple[Ints, pa.Array]:
    """Codes of a column of names and the names that occur; -1 for null and the empty name."""
    column = column_of(table, name)
    if column is None or column.null_count == len(column):
        return np.full(table.num_rows, UNKNOWN_CODE, np.intp), pa.array([], pa.string())
    return encode(column)


def encode(column: pa.ChunkedArray | pa.Array) -> tuple[Ints, pa.Array]:
    """Codes of names and the names that occur, each once; -1 for null and the empty name.

    Example:
        >>> codes, names = encode(pa.array(["b", None, "a", "b", ""]))
        >>> codes.tolist(), names.to_pylist()
        ([0, -1, 1, 0, -1], ['b', 'a'])
    """
    chunks, names = _encoded(column)
    codes: Ints = np.concatenate([
        numpy_of(chunk.indices.fill_null(UNKNOWN_CODE) if chunk.null_count else chunk.indices)
        for chunk in chunks
    ]).astype(np.intp)  # fmt: skip
    occurs = np.zeros(len(names) + 1, np.bool_)
    occurs[codes] = True
    occurs = occurs[:-1]
    occurs &= ~numpy_of(pc.fill_null(pc.equal(names, ""), True))
    if occurs.all():
        return codes, names
    renamed = np.full(len(names) + 1, UNKNOWN_CODE, np.intp)
    renamed[:-1][occurs] = np.arange(np.count_nonzero(occurs))
    return renamed[codes], names.filter(pa.array(occurs))


def _encoded(column: pa.ChunkedArray | pa.Array) -> tuple[list[pa.DictionaryArray], pa.Array]:
    """The chunks of a column as codes into one list of names."""
    given = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    if pa.types.is_dictionary(given.type):
        given = given.unify_dictionaries()
    else:
        # Arrow numbers the names of all chunks in one list; to unify them would take far longer.
        given = given.cast(pa.string()).dictionary_encode()
    names = given.chunk(0).dictionary.cast(pa.string())
    assert all(len(chunk.dictionary) == len(names) for chunk in given.chunks)
    return given.chunks, names


def sorted_codes_of(table: pa.Table, name: str) -> tuple[Ints, pa.Array]:
    """As :func:`codes_of`, names in order: a draw for each of them is then their own."""
    codes, names = codes_of(table, name)
    if not len(names):
        return codes, names
    order = numpy_of(pc.sort_indices(names))
    place = np.full(len(names) + 1, UNKNOWN_CODE, np.intp)
    place[order] = np.arange(len(names))
    return place[codes], names.take(pa.array(order))


def systems_of(
    clip_names: pa.Array, systems: Mapping[str, str] | pa.Table | None
) -> tuple[Ints, pa.Array]:
    """Code of the system of each clip, and the systems' names, sorted."""
    if systems is None:
        return np.full(len(clip_names), UNKNOWN_CODE, np.intp), pa.array([], pa.string())
    by_clip = looked_up(clip_names, systems, "system", pa.string())
    return sorted_codes_of(pa.table({"system": by_clip}), "system")


def looked_up(
    clip_names: pa.Array,
    table: Mapping[str, Any] | pa.Table,
    column: str,
    kind: pa.DataType,
) -> pa.Array | pa.ChunkedArray:
    """What a table or a mapping says of each clip; null of those that it does not know.

    Args:
        clip_names: the clips that are asked about.
        table: values by name of the clip; or a table with the columns ``name`` (or ``id``) and
            ``column``.
        column: which column.
        kind: Arrow type of the answer.
    """
    if isinstance(table, pa.Table):
        names = table["name" if "name" in table.column_names else "id"].cast(pa.string())
        values = table[column].cast(kind)
    else:
        names = pa.chunked_array([pa.array(table.keys(), pa.string())])
        values = pa.chunked_array([pa.array(table.values(), kind)])
    if values.null_count == len(values):
        return pa.nulls(len(clip_names), kind)
    if names.equals(pa.chunked_array([clip_names])):
        return values  # clip by clip, as a reader lists them: no need to look for any
    place = pc.index_in(clip_names, value_set=names.combine_chunks())
    return values.take(place)


def only_name(column: pa.ChunkedArray) -> str | None:
    """The one name in a column of codes; None where the column may have several, or is of text."""
    if not pa.types.is_dictionary(column.type) or column.null_count or not column.num_chunks:
        return None
    names = {chunk.dictionary[0].as_py() for chunk in column.chunks if len(chunk.dictionary) == 1}
    alone = len(names) == 1 and all(len(chunk.dictionary) == 1 for chunk in column.chunks)
    return names.pop() if alone else None


def column_of(table: pa.Table, name: str) -> pa.ChunkedArray | None:
    """A column; None where the table has none of that name."""
    return table[name] if name in table.column_names else None


def numpy_of(array: pa.ChunkedArray | pa.Array) -> NDArray[Any]:
    """An Arrow array as numpy, copied only where it must be."""
    options = {} if isinstance(array, pa.ChunkedArray) else {"zero_copy_only": False}
    values: NDArray[Any] = array.to_numpy(**options)
    return values
