"""What a corpus says of its clips, whatever files it came in: two Arrow tables and what was odd.

Every layout is read into this shape and nothing after it knows layouts. No audio has been looked
at yet: a clip goes by the name that its corpus gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from mosdata.manifests.schema import ratings_schema

CLIP_COLUMNS: Final = {
    "name": (pa.string(), "the corpus's own name of the clip; unique; becomes its id"),
    "audio": (pa.string(), "path of the file as the table gives it; null where it gives none"),
    "dataset": (pa.string(), "corpus, or the part of it, that the clip comes from"),
    "system": (pa.string(), "unit of system-level metrics; null where unknown"),
    "speaker": (pa.string(), "who speaks; null where unknown"),
    "sentence": (pa.string(), "name of what is said; null where unknown"),
    "text": (pa.string(), "the words; null where unknown"),
    "language": (pa.string(), "BCP 47 tag; null where unknown"),
    "parent": (pa.string(), "name of the clip this one was made from; null for most"),
    "split": (
        pa.string(),
        "train, validation or test as the corpus has it; null where it has none",
    ),
    "mos": (pa.float64(), "published overall score, raw; null where only single scores are"),
    "mos_std": (pa.float64(), "published standard deviation of the scores behind it (n - 1)"),
    "mos_votes": (pa.int32(), "published number of scores behind it"),
    "mos_scale": (pa.string(), "scale of `mos`; null without it"),
}
"""Columns of ``RatedCorpus.clips``: Arrow type and meaning."""

CLIPS_SCHEMA: Final = pa.schema([(name, kind) for name, (kind, _) in CLIP_COLUMNS.items()])
RATINGS_SCHEMA: Final = ratings_schema()
"""``RatedCorpus.ratings`` has the columns of a dataset's ratings; ``clip_id`` holds names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something in a corpus that a careful reader wants to know; counted, never mended silently.

    Args:
        code: short and stable, such as ``repeated_pair``; reports and ``--json`` count by it.
        count: how many rows, clips or files.
        message: what it is and what was done with it, for people.
        examples: the first few, each naming file, row, column or clip.
    """

    code: str
    count: int
    message: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedCorpus:
    """A corpus as its tables give it.

    Args:
        layout: name of the layout that it was read as.
        clips: one row a clip, columns ``CLIP_COLUMNS``, in the order of first mention.
        ratings: one row a score, columns of ``mosdata.manifests.schema.RATINGS``; ``clip_id`` is
            a ``name`` of ``clips``. Means that come without single scores are rows with ``votes``.
        findings: what was odd.
        sources: the files.
        coded: ``ratings`` again, with every name as a code: the columns that have values, for
            statistics over millions of rows. None where it was not read that way.
    """

    layout: str
    clips: pa.Table
    ratings: pa.Table
    findings: tuple[Finding, ...] = ()
    sources: Sequence[str] = field(default=())
    coded: pa.Table | None = None

    @property
    def numbered(self) -> pa.Table:
        """The ratings as :class:`mosdata.raters.panel.Panel` reads them fastest."""
        return self.ratings if self.coded is None else self.coded
