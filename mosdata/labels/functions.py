"""Metrics that users bring: a function, a factory or a class, by import path.

A function of a clip, or of a clip and its clean source, is a metric at once::

    def loudness(clip):
        return 20 * np.log10(np.abs(clip.samples).max())
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from mosdata.audio import Clip
from mosdata.errors import InvalidValue, RecordRejected, UnknownName, UsageError
from mosdata.labels.base import Metric, MetricInfo
from mosdata.labels.guards import check_clip, check_pair
from mosdata.manifests.rows import HUMAN

DIMENSION: Final = "score"
"""The dimension of a plain function."""

_SHAPES: Final = (
    "a function (clip) -> float, a function (clip, reference) -> float, "
    "or a class or factory without arguments that gives a Metric"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionMetric:
    """A metric made of a function and of what is said about it.

    Use it in a factory where the rate should not be 16 kHz, or the scale should have a name.

    Args:
        function: of the clip, and of its source where ``info.needs_reference``; gives a number.
        info: exactly one dimension.

    Example:
        >>> info = MetricInfo(kind="peak", dimensions={"peak": "0_1"}, sample_rate_hz=48_000,
        ...                   needs_reference=False, license="CC0-1.0")
        >>> metric = FunctionMetric(function=lambda clip: clip.samples.max(), info=info)
    """

    function: Callable[..., float]
    info: MetricInfo

    def __post_init__(self) -> None:
        if len(self.info.dimensions) != 1:
            given = sorted(self.info.dimensions)
            raise InvalidValue("FunctionMetric.info.dimensions", given, "exactly one")

    def revision(self) -> str:
        """Digest of the function's source, so that an edited function is another version."""
        try:
            source = inspect.getsource(self.function)
        except (OSError, TypeError):
            return "source-unknown"
        return f"source-{hashlib.sha256(source.encode()).hexdigest()[:12]}"

    def score(self, clip: Clip, reference: Clip | None) -> dict[str, float]:
        """The function's number.

        Raises:
            RecordRejected: the clip cannot be judged, or the number is NaN or infinite.
        """
        if self.info.needs_reference:
            value = float(self.function(clip, check_pair(clip, reference, self.info)))
        else:
            check_clip(clip, self.info)
            value = float(self.function(clip))
        if not math.isfinite(value):
            raise RecordRejected("no_score", f"{self.info.kind} answered {value}.")
        (dimension,) = self.info.dimensions
        return {dimension: value}


def load_metric(path: str, *, taken: Iterable[str]) -> Metric:
    """Build the metric that an import path names.

    Args:
        path: ``my_module:my_metric``; the module is found as ``import`` would find it.
        taken: kinds that are not free: scores of another origin must not carry them.

    Raises:
        UsageError: no such module, or it fails when imported.
        UnknownName: the module has no such name.
        InvalidValue: not a metric, or its kind is taken.
    """
    metric = _as_metric(path, _import(path))
    kind = metric.info.kind
    if kind == HUMAN or kind in taken:
        raise InvalidValue("Kind of a metric", kind, "a name of your own", "Rename it.")
    return metric


def _import(path: str) -> Any:
    module_name, _, name = path.partition(":")
    try:
        module = import_module(module_name)
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"The metric {path!r} cannot be imported: {error}. "
            "Its module must be installed, or its folder be on PYTHONPATH."
        ) from error
    if not hasattr(module, name):
        public = [known for known in vars(module) if not known.startswith("_")]
        raise UnknownName(f"object in {module_name}", name, public)
    return getattr(module, name)


def _as_metric(path: str, given: Any) -> Metric:
    if _is_metric(given):
        metric: Metric = given
        return metric
    function = _callable(path, given)
    num_arguments = _num_required(path, function)
    if num_arguments == 0:
        return _made_by(path, function)
    if num_arguments > 2 or inspect.isclass(given):
        raise InvalidValue(f"The metric {path!r}", str(inspect.signature(given)), _SHAPES)
    return FunctionMetric(
        function=function,
        info=MetricInfo(
            kind=path.partition(":")[2],
            dimensions={DIMENSION: "unknown"},
            sample_rate_hz=16_000,
            needs_reference=num_arguments == 2,
            license="unknown",
        ),
    )


def _callable(path: str, given: Any) -> Callable[..., Any]:
    if not callable(given):
        raise InvalidValue(f"The metric {path!r}", given, _SHAPES)
    function: Callable[..., Any] = given
    return function


def _made_by(path: str, factory: Callable[[], Metric]) -> Metric:
    metric = factory()
    if not _is_metric(metric):
        raise InvalidValue(f"What {path!r} gave", metric, _SHAPES)
    return metric


def _is_metric(given: object) -> bool:
    """An object, not a class, with the three members of the protocol."""
    return (
        not inspect.isclass(given)
        and isinstance(getattr(given, "info", None), MetricInfo)
        and callable(getattr(given, "revision", None))
        and callable(getattr(given, "score", None))
    )


def _num_required(path: str, given: Callable[..., Any]) -> int:
    """Arguments without a default."""
    try:
        parameters = inspect.signature(given).parameters.values()
    except ValueError as error:
        raise InvalidValue(f"The metric {path!r}", given, _SHAPES) from error
    free = (p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
    return sum(p.default is p.empty for p in free)
