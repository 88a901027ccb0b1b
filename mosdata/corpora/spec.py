"""What the columns of a table mean: the one description that layouts and mapping files share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

FIELDS: Final = {
    "audio": "path of the sound file",
    "system": "unit of system-level metrics",
    "speaker": "who speaks",
    "sentence": "name of what is said",
    "text": "the words",
    "language": "BCP 47 tag",
    "parent": "clip that this one was made from",
    "split": "train, validation or test",
    "dataset": "corpus, or part of it",
    "rater": "who gave the score",
    "test": "listening test that the score comes from",
}
"""What a column can say besides the clip and its scores."""

OF_A_RATING: Final = ("rater", "test")
OVERALL: Final = ("mos", "ovrl")
"""Dimensions whose published mean is a clip's ``mos``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Where the scores of one dimension stand.

    Args:
        column: the column that holds them.
        form: ``single`` is one score of one listener, ``mean`` a published mean, ``list`` many
            scores in one cell, such as ``[4, 5, 3]``.
        dimension: what was judged; None is whatever the caller names.
        scale: on which scale; None is that of the table.
        votes: column with the number of scores behind a mean.
        std: column with their standard deviation.
        may_be_empty: empty cells are counted, not refused.
    """

    column: str
    form: Literal["single", "mean", "list"] = "single"
    dimension: str | None = None
    scale: str | None = None
    votes: str | None = None
    std: str | None = None
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """What the columns of a table mean.

    Args:
        clip: column that names the clip; several are joined with ``-``.
        scores: where scores stand; none in a table that only lists clips.
        fields: columns for what ``FIELDS`` names; several are joined with ``-``.
        fixed: values of ``FIELDS`` that are the same for the whole table.
        patterns: for ``clip`` or a field, a regular expression that is looked for in its values;
            a group named after a field gives that field. ``(?P<system_1>...)`` and
            ``(?P<system_2>...)`` are joined with ``_`` in the order of their numbers.
        scale: scale of scores that name none.
    """

    clip: tuple[str, ...]
    scores: tuple[Scores, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    scale: str = "acr_1_5"

    def text_columns(self) -> list[str]:
        """Columns to read as text, each once."""
        lists = [scores.column for scores in self.scores if scores.form == "list"]
        named = [column for columns in self.fields.values() for column in columns]
        return list(dict.fromkeys([*self.clip, *named, *lists]))

    def number_columns(self) -> list[str]:
        """Columns to read as numbers, each once."""
        columns = [
            column
            for scores in self.scores
            for column in (scores.column, scores.votes, scores.std)
            if column and not (scores.form == "list" and column == scores.column)
        ]
        return list(dict.fromkeys(columns))
