"""Levels as people write them, and what they mean in physical units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from mosdata.augment.corruptions import build_corruption
from mosdata.augment.ladder import check_level
from mosdata.errors import InvalidValue

MAX_LEVELS: Final = 1000
TABLE_LEVELS: Final = (0.1, 0.25, 0.5, 0.75, 1.0)
ALLOWED: Final = (
    "numbers from 0 to 1: one (0.3), a list (0.2,0.5), or start:stop:step (0:1:0.25), whose "
    f"stop is a level where the steps meet it, {MAX_LEVELS} at most"
)


def parse_levels(text: str) -> tuple[float, ...]:
    """Read levels, each once, in the order given.

    Steps are decimal: ``0:1:0.1`` gives 0.3, not 0.30000000000000004.

    Raises:
        InvalidValue: not numbers, outside [0, 1], a step that is not positive, or over 1000.

    Example:
        >>> parse_levels("0.2,0.5")
        (0.2, 0.5)
        >>> parse_levels("0:1:0.25")
        (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    try:
        values = [value for item in text.split(",") for value in _steps(item)]
    except (InvalidOperation, ValueError) as error:
        raise InvalidValue("--level", text, ALLOWED) from error
    return tuple(dict.fromkeys(check_level(float(value)) for value in values))


def ladder_table(
    name: str, sample_rate_hz: int, *, levels: Sequence[float] = TABLE_LEVELS
) -> list[dict[str, float]]:
    """One row per level: ``level`` and the physical values it stands for.

    Example:
        >>> ladder_table("gain", 16_000, levels=[1.0])
        [{'level': 1.0, 'gain_db': -43.0}]
    """
    corruption = build_corruption(name)
    return [{"level": level, **corruption.ladder(level, sample_rate_hz)} for level in levels]


def _steps(item: str) -> Iterator[Decimal]:
    parts = [Decimal(part.strip()) for part in item.split(":")]
    if len(parts) == 1:
        yield parts[0]
        return
    start, stop, step = parts
    if not (all(part.is_finite() for part in parts) and step > 0 and start <= stop):
        raise ValueError(item)
    count = int((stop - start) / step) + 1
    if count > MAX_LEVELS:
        raise ValueError(item)
    yield from (start + step * index for index in range(count))
