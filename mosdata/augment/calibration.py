"""From a level to a place on a corruption's own scale, so that levels mean equal harm.

The knots in ``calibration.json`` were measured (``benchmarks/calibrate.py``, which writes the
file and says in it how). A corruption without knots takes its level as the position.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("calibration.json")

Knots = tuple[tuple[float, float], ...]
"""Pairs of level and position, both strictly rising from (0, 0) to level 1."""

CURVE: Final[Knots] = ((0.0, 4.64), (0.25, 3.6), (0.5, 2.6), (0.75, 1.9), (1.0, 1.45))
"""What a level means: MOS-LQO (PESQ wide band, ITU-T P.862.2) of clean speech at 16 kHz, mean over
clips; linear in between. 4.64 is what PESQ gives the clean clip itself."""

ANCHORED_ELSEWHERE: Final[dict[str, str]] = {
    "gain": (
        "the E-model of ITU-T G.107, which sums up listening tests of telephony, for a sender that "
        "is so much softer, all else by default (it was made for up to 10 dB; beyond, it is "
        "carried on). PESQ aligns levels before it listens, so it hears no gain"
    ),
}
"""Kinds that PESQ cannot judge, and what their levels rest on instead."""

IDENTITY: Final[Knots] = ((0.0, 0.0), (1.0, 1.0))


def position_of(name: str, level: float) -> float:
    """Where on the scale of a corruption a level lies.

    Args:
        name: of the corruption.
        level: in [0, 1].

    Example:
        >>> position_of("am:Gain", 0.25)
        0.25
    """
    return between(level, knots_of(name))


def level_at(name: str, position: float) -> float:
    """The inverse of :func:`position_of`; positions beyond the last knot are level 1."""
    return between(position, [(there, level) for level, there in knots_of(name)])


def knots_of(name: str) -> Knots:
    """What was measured for a corruption; the identity where nothing was."""
    return _measured().get(name, IDENTITY)


def measurement_of(name: str) -> dict[str, Any]:
    """What was measured for a corruption, as ``benchmarks/calibrate.py`` wrote it; else empty."""
    return dict(_kinds().get(name, {}))


@cache
def _measured() -> dict[str, Knots]:
    return {
        name: tuple((float(level), float(there)) for level, there in kind["knots"])
        for name, kind in _kinds().items()
        if kind["knots"]
    }


@cache
def _kinds() -> dict[str, dict[str, Any]]:
    kinds: dict[str, dict[str, Any]] = json.loads(FILE.read_text("utf-8"))["kinds"]
    return kinds


def between(x: float, knots: Sequence[tuple[float, float]]) -> float:
    """Linear between knots, constant outside.

    Example:
        >>> between(0.5, [(0.0, 0.0), (1.0, 10.0)])
        5.0
    """
    index = bisect_left(knots, x, key=lambda knot: knot[0])
    if index == 0 or index == len(knots):
        return knots[min(index, len(knots) - 1)][1]
    (left, low), (right, high) = knots[index - 1], knots[index]
    return high if x == right else low + (high - low) * (x - left) / (right - left)


def expected_mos_lqo(level: float) -> float:
    """The published curve: mean MOS-LQO of a clip at a level, whatever the corruption.

    Example:
        >>> expected_mos_lqo(0.5)
        2.6
    """
    return between(level, CURVE)
