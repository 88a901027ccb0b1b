"""A number, how it was found, and, where it cannot be known, why not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mosdata.manifests.ids import JSON
from mosdata.raters.counting import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One number with its method; None with a reason where the ratings cannot tell.

    Args:
        value: the number, always finite; None where it is not known.
        method: how it was, or would have been, found; for people.
        reason: empty, or why there is no number.

    Example:
        >>> Estimate.unknown("one-way ANOVA", "every clip has one rating").to_json()["value"]
    """

    value: float | None
    method: str
    reason: str = ""

    @classmethod
    def of(
        cls, value: float, method: str, *, reason: str = "it is not a finite number"
    ) -> Estimate:
        """The estimate of a computed number; unknown for ``reason`` where it is NaN or infinite."""
        if not math.isfinite(value):
            return cls(value=None, method=method, reason=reason)
        return cls(value=float(value), method=method)

    @classmethod
    def mean(cls, values: Floats, method: str, *, reason: str) -> Estimate:
        """Mean of those that are finite; unknown for ``reason`` where none is."""
        known = values[np.isfinite(values)]
        return cls.of(float(known.mean()) if known.size else math.nan, method, reason=reason)

    @classmethod
    def unknown(cls, method: str, reason: str) -> Estimate:
        """No number, and why."""
        return cls(value=None, method=method, reason=reason)

    def __str__(self) -> str:
        return f"n/a ({self.reason})" if self.value is None else f"{self.value:.3f}"

    def to_json(self) -> dict[str, JSON]:
        """Keys ``value``, ``method`` and ``reason``; ``reason`` is null where there is a value."""
        return {"value": self.value, "method": self.method, "reason": self.reason or None}
