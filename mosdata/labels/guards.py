"""What must hold before a metric is asked: packages that are there, clips that can be judged.

Metrics answer with a number, an exception or a crash to clips that nobody could judge. Here such
clips get a reason instead, the same one from every metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

import numpy as np

from mosdata.audio import PCM16_SCALE, Clip, check_samples
from mosdata.errors import InvalidValue, MissingExtra, RecordRejected
from mosdata.labels.base import MetricInfo

MIN_DURATION_S: Final = 0.25
"""Shortest clip that is judged: P.862's minimum, and less than a syllable."""


def missing_packages(packages: Sequence[str]) -> list[str]:
    """The packages that are not installed; none of them is imported."""
    return [name for name in packages if find_spec(name) is None]


def require(metric: str, *, packages: Sequence[str], extra: str) -> None:
    """Stop before the first clip where a package is not installed.

    Raises:
        MissingExtra: with the extra that brings it.
    """
    if missing := missing_packages(packages):
        raise MissingExtra(metric, missing, extra)


def check_clip(clip: Clip, info: MetricInfo) -> None:
    """Let pass what can be judged.

    Raises:
        InvalidValue: the clip is not at the metric's rate; callers resample.
        RecordRejected: ``empty_audio``, ``not_finite``, ``too_short`` or ``silent``.
    """
    if clip.sample_rate_hz != info.sample_rate_hz:
        raise InvalidValue(
            f"Rate of a clip for {info.kind}",
            f"{clip.sample_rate_hz} Hz",
            f"{info.sample_rate_hz} Hz",
            f"Use mosdata.audio.resample(clip, {info.sample_rate_hz}).",
        )
    check_samples(clip)
    if clip.duration_s < MIN_DURATION_S:
        raise RecordRejected(
            "too_short",
            f"{info.kind} needs {MIN_DURATION_S} s or more; the clip has {clip.duration_s:.3f} s.",
        )
    if np.abs(clip.samples).max() < 0.5 / PCM16_SCALE:
        raise RecordRejected("silent", f"{info.kind} has nothing to judge: every sample is zero.")


def check_pair(clip: Clip, reference: Clip | None, info: MetricInfo) -> Clip:
    """Let pass a clip and the clean source it can be compared with; returns the source.

    Raises:
        InvalidValue: one of them is not at the metric's rate.
        RecordRejected: ``no_reference``, ``length_mismatch``, or a reason of ``check_clip``.
    """
    if reference is None:
        raise RecordRejected(
            "no_reference", f"{info.kind} compares with the clean source; this clip has none."
        )
    check_clip(reference, info)
    check_clip(clip, info)
    if clip.num_samples != reference.num_samples:
        raise RecordRejected(
            "length_mismatch",
            f"{info.kind} compares sample by sample: the clip has {clip.num_samples} samples, "
            f"its source {reference.num_samples}.",
        )
    return reference
