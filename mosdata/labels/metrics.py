"""The table of metrics: a name, and where its code is."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from mosdata.errors import InvalidValue, MissingExtra, UnknownName, UsageError
from mosdata.labels.base import Metric, MetricInfo
from mosdata.labels.functions import load_metric
from mosdata.labels.guards import missing_packages

METRICS: Final[dict[str, str]] = {
    "dnsmos": "mosdata.labels.dnsmos:Dnsmos",
    "pesq": "mosdata.labels.pesq:Pesq",
    "stoi": "mosdata.labels.stoi:Stoi",
}
"""Name -> ``module:Class``; nothing is imported before it is asked for.

A class takes ``dimensions`` and has ``packages``, ``extra`` and ``info`` before it is built.
"""


def build_metric(text: str) -> Metric:
    """Load a metric.

    Args:
        text: a name (``dnsmos``), a name with some of its dimensions (``dnsmos.p808``,
            ``dnsmos.p808+ovrl``), or the import path of your own (``my_module:my_metric``).

    Raises:
        UnknownName: no such metric or dimension; the message offers the nearest.
        MissingExtra: a package that the metric needs is not installed.
        UsageError: the import path does not lead to a metric.

    Example:
        >>> build_metric("dnsmos.p808").info.dimensions
        {'p808': 'acr_1_5'}
    """
    if ":" in text:
        return load_metric(text, taken=METRICS)
    name, dimensions = _parse(text)
    metric: Metric = _class_of(name)(dimensions)
    return metric


def metric_info(text: str) -> MetricInfo:
    """What a metric judges, on which scale, from what; packages and weights are not needed.

    Raises:
        UnknownName: no such metric or dimension.
        UsageError: the import path does not lead to a metric.

    Example:
        >>> metric_info("pesq").needs_reference
        True
    """
    if ":" in text:
        return build_metric(text).info
    name, dimensions = _parse(text)
    info: MetricInfo = _class_of(name).info
    return info.only(dimensions)


def why_unavailable(text: str) -> str | None:
    """What stands in the way of a metric, in words; nothing heavy is imported.

    Raises:
        UnknownName: no such metric or dimension.

    Returns:
        None where ``build_metric`` can go ahead.
    """
    if ":" in text:
        try:
            load_metric(text, taken=METRICS)
        except UsageError as error:
            return str(error)
        return None
    name, _ = _parse(text)
    metric = _class_of(name)
    missing = missing_packages(metric.packages)
    return str(MissingExtra(name, missing, metric.extra)) if missing else None


def is_available(text: str) -> bool:
    """Whether everything that a metric needs is installed."""
    return why_unavailable(text) is None


def available_metrics() -> tuple[str, ...]:
    """Names in the table whose packages are installed."""
    return tuple(name for name in METRICS if is_available(name))


def _parse(text: str) -> tuple[str, tuple[str, ...]]:
    """Name and dimensions of ``name.one+two``."""
    name, dot, rest = text.strip().partition(".")
    if name not in METRICS:
        raise UnknownName("metric", name, [*METRICS, "my_module:my_metric"])
    dimensions = tuple(rest.split("+")) if dot else ()
    if not all(dimensions):
        raise InvalidValue("metric", text, f"{name}, or {name}.<dimension>+<dimension>")
    return name, dimensions


def _class_of(name: str) -> Any:
    module, _, class_name = METRICS[name].partition(":")
    return getattr(import_module(module), class_name)
