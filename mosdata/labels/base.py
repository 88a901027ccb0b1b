"""What a metric is: a clip, perhaps its clean source, and numbers on named scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mosdata.audio import Clip
from mosdata.errors import UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """A metric as it appears in the ratings table.

    ``kind`` is its name there, ``dimensions`` what it judges, with the scale of each;
    ``needs_reference`` is true for metrics that compare with the clean source.
    """

    kind: str
    dimensions: dict[str, str]
    sample_rate_hz: int
    needs_reference: bool
    license: str

    def only(self, dimensions: Sequence[str]) -> MetricInfo:
        """The same metric with some of its dimensions, in its own order; all for none.

        Raises:
            UnknownName: the metric does not judge that.
        """
        for name in dimensions:
            if name not in self.dimensions:
                raise UnknownName(f"dimension of {self.kind}", name, self.dimensions)
        kept = {k: v for k, v in self.dimensions.items() if not dimensions or k in dimensions}
        return replace(self, dimensions=kept)


class Metric(Protocol):
    """A loaded metric. Built once per worker process and used by one thread."""

    @property
    def info(self) -> MetricInfo:
        """What it judges, and from what."""
        ...

    def revision(self) -> str:
        """Version of code and weights."""
        ...

    def score(self, clip: Clip, reference: Clip | None) -> dict[str, float]:
        """Scores by dimension; both clips are at ``info.sample_rate_hz``.

        Raises:
            RecordRejected: this clip has no score (too short, silent), with the reason.
        """
        ...
