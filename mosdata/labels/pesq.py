"""PESQ: how far a clip is from its clean source, as a listener would hear it.

Wide-band PESQ at 16 kHz (ITU-T P.862.2, 2007) by the ``pesq`` package, which wraps the ITU's
reference code. Its C code holds the interpreter lock, divides by zero on a silent clip, and
writes beyond an array of 50 utterances where a clip has more. So clips that are not fit for it
are rejected before they reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import ClassVar, Final

from mosdata.audio import Clip
from mosdata.errors import RecordRejected
from mosdata.labels.base import MetricInfo
from mosdata.labels.guards import check_pair, require

CODE_VERSION: Final = "1"
"""Goes up with every change here that changes scores."""

MAX_DURATION_S: Final = 20.0
"""Longest clip that is safe: P.862 needs 200 ms for an utterance and 200 ms for the gap after it
(``MINUTTLENGTH``, ``JOINSPEECHLGTH``), so its 50 places (``MAXNUTTERANCES``) last for 20 s."""

INFO: Final = MetricInfo(
    kind="pesq",
    dimensions={"mos_lqo": "lqo_1_4.64"},
    sample_rate_hz=16_000,
    needs_reference=True,
    license="MIT (wrapper), ITU-T P.862 reference code",
)


class Pesq:
    """Wide-band PESQ at 16 kHz; see the module.

    Args:
        dimensions: ``mos_lqo``, from 1.04 (worst in practice) to 4.64 (equal to the source).

    Raises:
        UnknownName: no such dimension.
        MissingExtra: the package is not installed.
    """

    packages: ClassVar[tuple[str, ...]] = ("pesq",)
    extra: ClassVar[str] = "pesq"

    info: MetricInfo = INFO

    def __init__(self, dimensions: Sequence[str] = ()) -> None:
        self.info = INFO.only(dimensions)
        require(INFO.kind, packages=self.packages, extra=self.extra)

    def revision(self) -> str:
        """Versions of this code and of the package."""
        return f"{CODE_VERSION}+pesq-{version('pesq')}"

    def score(self, clip: Clip, reference: Clip | None) -> dict[str, float]:
        """MOS-LQO of a clip against its clean source.

        Raises:
            RecordRejected: no source, another length, shorter than 0.25 s, longer than 20 s,
                silent, or no utterance that P.862 finds in one of the two.
        """
        import pesq

        source = check_pair(clip, reference, self.info)
        if clip.duration_s > MAX_DURATION_S:
            raise RecordRejected(
                "too_long",
                f"pesq takes {MAX_DURATION_S:g} s or less; the clip has {clip.duration_s:.2f} s.",
            )
        try:
            value = pesq.pesq(clip.sample_rate_hz, source.samples, clip.samples, "wb")
        except (pesq.PesqError, ValueError) as error:
            raise RecordRejected("no_score", f"pesq gives no score: {_words(error)}.") from error
        return {"mos_lqo": float(value)}


def _words(error: Exception) -> str:
    """What the package says; it says it in bytes."""
    told = error.args[0] if error.args else repr(error)
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)
