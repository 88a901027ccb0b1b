"""Named split sets of a dataset: other ways to deal out its clips, kept beside them.

A set is a file ``splits/<name>.parquet`` and an entry in the manifest under ``split_sets`` with its
rule, its counts and the checksum of the file. The files of clips stay as they are. A copy that was
made later follows its source, so the file of a set need not know it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from mosdata.errors import DamagedDataset, InvalidValue, UnknownName
from mosdata.manifests.group_rules import GroupRule, splits_of_fold
from mosdata.manifests.groups import known, whole

MAX_GENERATIONS: Final = 100
"""Steps from a copy to its source beyond which parents must form a circle."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_set_name(name: str) -> str:
    """A name that may be a file's, and has no colon in it.

    Raises:
        InvalidValue: it may not.
    """
    if not NAME.fullmatch(name):
        raise InvalidValue(
            "The name of a split set", name, "letters, digits, '.', '_' and '-', such as by-system"
        )
    return name


def split_set_entry(manifest: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], str | None]:
    """The entry of ``NAME`` or ``NAME:FOLD``, and the fold.

    Raises:
        UnknownName: the dataset has no such set, or the set no such fold.
        InvalidValue: a fold is missing, or there are none.
    """
    stem, colon, fold = name.partition(":")
    sets = {entry["name"]: entry for entry in manifest.get("split_sets", [])}
    if not sets:
        raise InvalidValue(
            "--splits",
            name,
            "the name of a split set",
            "The dataset has none yet; make one with 'mosdata splits make DATASET --by system'.",
        )
    if stem not in sets:
        raise UnknownName("split set", stem, sets)
    entry = sets[stem]
    rule, parts = GroupRule.from_json(entry["rule"]), entry["parts"]
    if rule.shares is not None and colon:
        raise InvalidValue("--splits", name, f"{stem!r} alone, which has no folds")
    if rule.shares is None and not colon:
        raise InvalidValue(
            "--splits", name, f"a fold too, such as {stem}:{parts[0]} (folds: {', '.join(parts)})"
        )
    if colon and fold not in parts:
        raise UnknownName("fold", fold, parts)
    return entry, fold if colon else None


def set_splits(entry: Mapping[str, Any], fold: str | None, rows: pa.Table) -> pa.Array:
    """Split of every row of a set's file.

    Args:
        entry: of the manifest.
        fold: the test fold; None for a set of shares.
        rows: the file, with its column ``split`` or ``fold``.
    """
    if fold is None:
        return whole(rows["split"])
    rule = GroupRule.from_json(entry["rule"])
    return splits_of_fold(whole(rows["fold"]), fold, rule, entry["parts"])


def follow_sources(clips: pa.Table, listed: pa.Array, *, name: str) -> pa.Array:
    """Row of every clip in a set's file: its own where it is listed, else its nearest parent's.

    Args:
        clips: columns ``id`` and ``parent_id``.
        listed: ids that the set's file knows, in the order of its rows.
        name: of the set, for the message.

    Raises:
        DamagedDataset: the set knows neither a clip nor any of its parents.
    """
    ids, parents = whole(clips["id"]), known(clips["parent_id"])
    current = ids
    found = pc.index_in(current, value_set=listed)
    for _ in range(MAX_GENERATIONS):
        lost = pc.and_(pc.is_null(found), pc.is_valid(current))
        if not pc.any(lost).as_py():
            break
        current = parents.take(pc.index_in(current, value_set=ids, skip_nulls=True))
        found = pc.coalesce(found, pc.index_in(current, value_set=listed))
    if found.null_count:
        first = ids.filter(pc.is_null(found))[0].as_py()
        raise DamagedDataset(
            f"The split set {name!r} says nothing of {found.null_count:,} clips (such as "
            f"{first}), nor of their sources. Make it again with 'mosdata splits make --rule'."
        )
    return found
