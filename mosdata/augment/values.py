"""Physical values as people write them in place of a level: ``snr_db=10``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from mosdata.augment.base import Material
from mosdata.augment.corruptions import CORRUPTIONS, KINDS, build_corruption
from mosdata.errors import InvalidValue, MissingExtra


def read_values(texts: Iterable[str], **named: float | None) -> dict[str, float]:
    """Read ``NAME=VALUE`` texts, and join what options of their own gave.

    Raises:
        InvalidValue: no name, no number, or a name given twice.

    Example:
        >>> read_values(["rt60_s=0.5"], snr_db=10.0, cutoff_hz=None)
        {'snr_db': 10.0, 'rt60_s': 0.5}
    """
    values = {name: value for name, value in named.items() if value is not None}
    for text in texts:
        name, _, number = text.partition("=")
        name = name.strip().replace("-", "_")
        if name in values:
            raise InvalidValue("--param", text, f"{name} once")
        values[name] = _number(text, number)
    return values


def kinds_with(
    values: Iterable[str], kinds: Sequence[str], *, without: Iterable[Material] = ()
) -> tuple[str, ...]:
    """Kinds that were named, and of groups, written out, those that have all these values.

    Args:
        values: names of physical values.
        kinds: names of corruptions and groups.
        without: materials that are not there; members of groups that need them are left out.

    Raises:
        InvalidValue: no member of the groups has, and no kind was named.
    """
    wanted, missing = {*values}, {*without}
    fitting = tuple(
        name
        for kind in kinds
        for name in KINDS.get(kind, (kind,))
        if kind not in KINDS
        or (wanted <= _parameters(name) and CORRUPTIONS[name].needs not in missing)
    )
    if not fitting:
        raise InvalidValue(
            "physical values",
            ", ".join(sorted(wanted)),
            "those of one of the kinds",
            f"None of {', '.join(kinds)} has them all: name the kind that does with --kinds.",
        )
    return fitting


def _parameters(name: str) -> set[str]:
    try:
        return {*build_corruption(name).parameters}
    except MissingExtra:
        return set()


def _number(text: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError as error:
        raise InvalidValue("--param", text, "NAME=VALUE, such as snr_db=10") from error
    if not math.isfinite(value):
        raise InvalidValue("--param", text, "a finite number")
    return value
