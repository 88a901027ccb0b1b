"""Rules that deal rows out by one key or several, as shares, as folds, or one group at a time.

Where a group goes is a function of its name, its key and the rule alone; there is no index, rank
or count in it. So a rule that is kept may be applied to a dataset that has grown, and moves nobody.
With several keys every key is dealt by itself, and a row is used where its keys agree (a crossed
hold-out): then no value of any key is on two sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mosdata.errors import InvalidValue, UnknownName, UsageError
from mosdata.manifests.groups import (
    Ints,
    Keys,
    check_keys,
    combinations,
    components,
    encoded,
    nested,
)
from mosdata.manifests.ids import JSON, unit_hash
from mosdata.manifests.splits import SPLITS, UNUSED, SplitRule

CANDIDATES: Final = 256
"""Salts that are tried at most where groups are few."""

HASH_BUDGET: Final = 20_000
"""Hashes spent on trying salts: where groups are many, chance alone is even enough."""

FOLD_JOIN: Final = "+"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRule:
    """Which rows go where.

    Args:
        by: keys out of ``SPLIT_KEYS``; every value of each is on one side.
        shares: of train, validation and test; None where there are folds.
        folds: number of folds; None where there are shares, or one fold a group.
        salt: another salt deals the groups out differently.

    Without shares and folds, every group of the one key is a fold of its own (leave one out).

    Example:
        >>> rule = GroupRule(by=("system",), shares=(1, 1, 1))
        >>> rule.part_of("system", "tts-a") in ("train", "validation", "test")
        True

    Raises:
        UnknownName: no such key.
        InvalidValue: shares or folds that mean nothing.
    """

    by: tuple[str, ...]
    shares: tuple[float, float, float] | None = None
    folds: int | None = None
    salt: str = ""

    def __post_init__(self) -> None:
        check_keys(self.by)
        if self.shares is not None:
            SplitRule(shares=self.shares)
        if self.shares is not None and self.folds is not None:
            raise InvalidValue("A rule", "shares and folds", "one of the two")
        if self.folds is not None and self.folds < 2:
            raise InvalidValue("--folds", self.folds, "2 or more")
        if self.leaves_one_out and len(self.by) > 1:
            raise InvalidValue(
                "--leave-out",
                ",".join(self.by),
                "one key",
                "With --folds K, several keys can be held out together.",
            )

    @property
    def leaves_one_out(self) -> bool:
        """Whether every group is a fold of its own."""
        return self.shares is None and self.folds is None

    def part_of(self, key: str, group: str) -> str:
        """The split or fold of one value of one key."""
        return self.dealer(key)(group)

    def dealer(self, key: str) -> Callable[[str], str]:
        """:meth:`part_of` of one key, for many values of it."""
        salt = f"{self.salt}/{key}"
        if self.shares is not None:
            return SplitRule(shares=self.shares, salt=salt).split_of
        if self.folds is None:
            return str
        folds = self.folds
        return lambda group: str(int(unit_hash(f"fold/{salt}/{group}") * folds))

    def parts(self, groups: Sequence[str] = ()) -> tuple[str, ...]:
        """Splits, or folds in the order in which they validate each other.

        Args:
            groups: values of the key, for leave-one-out: there the next fold is the next on a
                circle of hashes, so that a new group changes the validation of one fold only.
        """
        if self.shares is not None:
            return tuple(s for s, share in zip(SPLITS, self.shares, strict=True) if share)
        if self.folds is not None:
            return tuple(map(str, range(self.folds)))
        return tuple(sorted(groups, key=lambda g: (unit_hash(f"next/{self.salt}/{g}"), g)))

    def to_json(self) -> dict[str, JSON]:
        """As manifests and rule files hold it."""
        shares: JSON = None if self.shares is None else [float(share) for share in self.shares]
        return {"by": [*self.by], "shares": shares, "folds": self.folds, "salt": self.salt}

    @classmethod
    def from_json(cls, values: Any) -> GroupRule:
        """The inverse of :meth:`to_json`.

        Raises:
            InvalidValue: not a rule.
        """
        try:
            shares, folds = values["shares"], values["folds"]
            return cls(
                by=tuple(map(str, values["by"])),
                shares=None if shares is None else _three(shares),
                folds=None if folds is None else int(folds),
                salt=str(values["salt"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidValue("A rule", values, "what 'mosdata splits make' wrote") from error

    def __str__(self) -> str:
        how = "leave one out" if self.leaves_one_out else f"{self.folds} folds"
        if self.shares is not None:
            how = ":".join(f"{share:g}" for share in self.shares)
        return f"{how} by {' and '.join(self.by)}"


def _three(shares: Any) -> tuple[float, float, float]:
    train, validation, test = shares
    return float(train), float(validation), float(test)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """Where every row went.

    Args:
        rule: that decided it.
        column: name of the column of labels: ``split`` or ``fold``.
        labels: one a row. Splits are named, with ``unused``; folds are numbered or named, those
            of several keys joined by ``+``, with null where a key is not known.
        parts: splits, or folds in the order in which they validate each other.
        counts: rows by split, or test rows by fold; ``unused`` counts the rest.
        num_unknown: rows, among the unused, where a key is not known.
        notes: for people.
    """

    rule: GroupRule
    column: str
    labels: pa.Array
    parts: tuple[str, ...]
    counts: Mapping[str, int]
    num_unknown: int
    notes: tuple[str, ...] = ()


def deal(rule: GroupRule, keys: Keys) -> Dealt:
    """Apply a rule to rows.

    Args:
        rule: its salt is used as it is.
        keys: the values of every key of the rule, one a row (``groups.keys_of``).

    Raises:
        UsageError: a split or fold stays empty; a key has one value only, or none.
    """
    codes, names = _encoded(rule, keys)
    combos, counts = combinations(codes)
    _check_groups(rule, names, combos)
    parts = rule.parts(names[0])
    places = _places(rule, codes, names, parts)
    agreed = _agreed(places)
    found = {part: int(n) for part, n in zip(parts, _count(agreed, len(parts)), strict=True)}
    empty = [part for part, count in found.items() if not count]
    if empty:
        raise UsageError(
            f"Nothing would be in {', '.join(empty)} with {rule}: there are "
            f"{_sizes(rule, names)}. {_remedy(rule)}"
        )
    num_unused = int((agreed < 0).sum())
    return Dealt(
        rule=rule,
        column="fold" if rule.shares is None else "split",
        labels=_labels(rule, places, agreed, parts),
        parts=parts,
        counts={**found, UNUSED: num_unused},
        num_unknown=int((places < 0).any(axis=1).sum()),
        notes=tuple(_advice(rule, combos, counts, num_unused)),
    )


def balanced(rule: GroupRule, keys: Keys) -> GroupRule:
    """The rule with the salt, out of a fixed list, that comes nearest to what was asked for.

    Few groups make hashed shares uneven. This is done once, when a rule is made; the salt is
    part of the rule from then on.

    Args:
        rule: its salt is the first of the candidates and the stem of the others.
        keys: as for :func:`deal`.
    """
    codes, names = _encoded(rule, keys)
    combos, counts = combinations(codes)
    num_tries = min(CANDIDATES, HASH_BUDGET // max(1, sum(map(len, names))))
    if rule.leaves_one_out or not len(combos) or num_tries < 2:
        return rule
    tries = [replace(rule, salt=f"{rule.salt}.{n}" if n else rule.salt) for n in range(num_tries)]
    return min(tries, key=lambda tried: _unevenness(tried, combos, counts, names))


def splits_of_fold(labels: pa.Array, fold: str, rule: GroupRule, parts: Sequence[str]) -> pa.Array:
    """Train, validation and test where one fold is the test, the next one validation.

    A row of several keys is test where all of them are in the test fold, train where none of
    them is in the test or the validation fold, and else unused. With two folds there is none to
    spare: the other one is train.

    Args:
        labels: of rows, as :class:`Dealt` holds them.
        fold: which one is the test.
        rule: of the labels.
        parts: all folds in order.

    Raises:
        UnknownName: no such fold.
    """
    if fold not in parts:
        raise UnknownName("fold", fold, parts)
    following = parts[(parts.index(fold) + 1) % len(parts)] if len(parts) > 2 else None
    dictionary = labels.dictionary_encode()
    several = len(rule.by) > 1
    roles = [
        _role({*label.split(FOLD_JOIN)} if several else {label}, fold, following)
        for label in dictionary.dictionary.to_pylist()
    ]
    return pa.array([*roles, None], pa.string()).take(dictionary.indices).fill_null(UNUSED)


def _role(folds: set[str], test: str, validation: str | None) -> str:
    if folds == {test}:
        return "test"
    if folds == {validation}:
        return "validation"
    return UNUSED if folds & {test, validation} else "train"


def _encoded(rule: GroupRule, keys: Keys) -> tuple[list[Ints], list[list[str]]]:
    pairs = [encoded(keys[key]) for key in rule.by]
    return [codes for codes, _ in pairs], [names for _, names in pairs]


def _check_groups(rule: GroupRule, names: Sequence[Sequence[str]], combos: Ints) -> None:
    for key, groups in zip(rule.by, names, strict=True):
        if len(groups) < 2 and (rule.shares is None or sum(map(bool, rule.shares)) > 1):
            has = f"one {key} only, {groups[0]!r}" if groups else f"no {key} at all"
            raise UsageError(
                f"A split by {key} needs two or more to tell apart; the rows have {has}. "
                "Split by another key."
            )
    if not len(combos):
        raise UsageError(f"No row has all of {', '.join(rule.by)}; split by fewer keys.")


def _places(
    rule: GroupRule, codes: Sequence[Ints], names: Sequence[Sequence[str]], parts: Sequence[str]
) -> Ints:
    """Part of every row by each key, (rows, keys); -1 where the key is not known."""
    index = {part: i for i, part in enumerate(parts)}
    columns = []
    for key, code, groups in zip(rule.by, codes, names, strict=True):
        part_of = rule.dealer(key)
        of_group = [index[part_of(group)] for group in groups]
        columns.append(np.array([*of_group, -1], dtype=np.int64)[code])
    return np.stack(columns, axis=1)


def _agreed(places: Ints) -> Ints:
    """The part that all keys name, or -1."""
    same: NDArray[np.bool_] = (places == places[:, :1]).all(axis=1)
    return np.where(same, places[:, 0], -1)


def _count(agreed: Ints, num_parts: int) -> Ints:
    return np.bincount(agreed[agreed >= 0], minlength=num_parts).astype(np.int64)


def _labels(rule: GroupRule, places: Ints, agreed: Ints, parts: Sequence[str]) -> pa.Array:
    if rule.shares is not None:
        return pa.array([*parts, UNUSED], pa.string()).take(pa.array(agreed % (len(parts) + 1)))
    distinct, where = np.unique(places, axis=0, return_inverse=True)
    texts = [
        None if min(row) < 0 else FOLD_JOIN.join(dict.fromkeys(parts[i] for i in row))
        for row in distinct.tolist()
    ]
    return pa.array(texts, pa.string()).take(pa.array(where.ravel()))


def _unevenness(
    rule: GroupRule, combos: Ints, counts: Ints, names: Sequence[Sequence[str]]
) -> tuple[int, float]:
    """Empty parts, and how far the shares of rows are from those that were asked for."""
    parts = rule.parts()
    agreed = _agreed(_places(rule, [*combos.T], names, parts))
    used = agreed >= 0
    found = np.bincount(agreed[used], counts[used], minlength=len(parts)) / counts.sum()
    shares = np.array([s for s in rule.shares if s] if rule.shares else [1.0] * len(parts))
    wanted = (shares / shares.sum()) ** len(rule.by)
    return int((found == 0).sum()), float(np.abs(found - wanted).sum())


def _advice(rule: GroupRule, combos: Ints, counts: Ints, num_unused: int) -> list[str]:
    """What would lose fewer rows, where something would."""
    if len(rule.by) < 2 or not num_unused:
        return []
    for outer, inner in nested(combos, rule.by):
        rest = ",".join(key for key in rule.by if key != inner)
        return [
            f"Each {inner} has one {outer} only: --by {rest} keeps both apart and leaves fewer "
            "rows unused."
        ]
    rows = components(combos, counts)
    share = rows[0] / counts.sum()
    if len(rows) == 1:
        return [
            f"All rows hang together over {' and '.join(rule.by)}, so no split keeps them apart "
            "without leaving rows unused."
        ]
    return [
        f"The rows fall into {len(rows):,} parts that share no {' and no '.join(rule.by)}; the "
        f"largest holds {share:.0%} of them. A split by part would lose no row, and its parts "
        "may merge when clips are added: give each part a name in a column of its own "
        "(dataset, say) and split by that."
    ]


def _sizes(rule: GroupRule, names: Sequence[Sequence[str]]) -> str:
    return ", ".join(f"{len(g):,} values of {key}" for key, g in zip(rule.by, names, strict=True))


def _remedy(rule: GroupRule) -> str:
    if len(rule.by) > 1:
        return "Give the small parts a larger share (--shares 4:3:3), or split by fewer keys."
    if rule.folds is not None:
        return f"Ask for fewer folds, or --leave-out {rule.by[0]}."
    return f"Give the small parts a larger share, or take --leave-out {rule.by[0]}."
