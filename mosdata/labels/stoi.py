"""STOI: how much of the clean source can still be understood.

Short-time objective intelligibility (Taal, Hendriks, Heusdens, Jensen, IEEE TASLP 2011) by the
``pystoi`` package. It correlates envelopes of the clip with those of its source; it is about
intelligibility, not about quality, and says little about clips that all can be understood.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import ClassVar, Final

from mosdata.audio import Clip
from mosdata.errors import RecordRejected
from mosdata.labels.base import MetricInfo
from mosdata.labels.guards import check_pair, require

CODE_VERSION: Final = "1"
"""Goes up with every change here that changes scores."""

INFO: Final = MetricInfo(
    kind="stoi",
    dimensions={"stoi": "0_1"},
    sample_rate_hz=16_000,
    needs_reference=True,
    license="MIT",
)


class Stoi:
    """STOI at 16 kHz; see the module.

    Args:
        dimensions: ``stoi``, from 0 to 1 (equal to the source).

    Raises:
        UnknownName: no such dimension.
        MissingExtra: the package is not installed.
    """

    packages: ClassVar[tuple[str, ...]] = ("pystoi",)
    extra: ClassVar[str] = "metrics"

    info: MetricInfo = INFO

    def __init__(self, dimensions: Sequence[str] = ()) -> None:
        self.info = INFO.only(dimensions)
        require(INFO.kind, packages=self.packages, extra=self.extra)

    def revision(self) -> str:
        """Versions of this code and of the package."""
        return f"{CODE_VERSION}+pystoi-{version('pystoi')}"

    def score(self, clip: Clip, reference: Clip | None) -> dict[str, float]:
        """Intelligibility of a clip against its clean source.

        Raises:
            RecordRejected: no source, another length, silent, or less than about 0.4 s of
                speech, where the measure is not defined.
        """
        from pystoi import stoi

        source = check_pair(clip, reference, self.info)
        try:
            # pystoi warns and answers 1e-5 where it has too few frames; that is not a score.
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                value = stoi(source.samples, clip.samples, clip.sample_rate_hz)
        except RuntimeWarning as warning:
            raise RecordRejected(
                "too_short", "stoi needs about 0.4 s of speech in the clean source."
            ) from warning
        return {"stoi": float(value)}
