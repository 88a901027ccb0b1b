"""A mapping file: what the columns of any other table mean, in TOML, written by the user."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from mosdata.corpora.delimited import DELIMITERS, SPELT
from mosdata.corpora.raw import Sample
from mosdata.corpora.spec import FIELDS, OF_A_RATING, Scores, TableSpec
from mosdata.errors import InvalidRatings, InvalidValue, UnknownName
from mosdata.manifests.scales import ACR, opinion_scale

FORMS: Final[Mapping[str, Literal["single", "mean", "list"]]] = {
    "score": "single",
    "mean": "mean",
    "scores": "list",
}
"""Keys of a mapping that name a column of scores."""

TOP: Final = ("scale", "dimension", "delimiter", "header", "columns", "dimensions", "patterns")
OF_SCORES: Final = (*FORMS, "votes", "std")
OF_DIMENSION: Final = (*OF_SCORES, "scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """A checked mapping; columns are still names or places, as the file is not known yet.

    Args:
        delimiter: what separates cells; None is found out.
        header: whether the first row names the columns; None is found out.
        clip, fields, scores, patterns, scale: see :class:`~mosdata.corpora.spec.TableSpec`.
    """

    delimiter: str | None
    header: bool | None
    clip: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]]
    scores: tuple[Scores, ...]
    patterns: Mapping[str, str]
    scale: str

    def spec(self, sample: Sample) -> TableSpec:
        """The mapping applied to a file.

        Raises:
            InvalidRatings: the file lacks a column that the mapping names.
        """
        spec = TableSpec(
            clip=self.clip,
            scores=self.scores,
            fields=self.fields,
            patterns=self.patterns,
            scale=self.scale,
        )
        both = {*spec.text_columns()} & {*spec.number_columns()}
        if both:
            raise InvalidRatings(
                f"The mapping names {min(both)!r} both for scores and for something else."
            )
        wanted = [*spec.text_columns(), *spec.number_columns()]
        missing = [name for name in wanted if name not in sample.columns]
        if missing:
            raise InvalidRatings(
                f"{sample.path} has the columns {', '.join(sample.columns)}; the mapping names "
                f"{', '.join(map(repr, missing))}."
            )
        return spec


def read_mapping(source: Path | Mapping[str, Any]) -> TableMapping:
    """A mapping from a TOML file or from what such a file would hold.

    Raises:
        InvalidRatings: no such file, not TOML, or no column for the clip or for any score.
        UnknownName: a key, a field or a scale that does not exist.
        InvalidValue: a value of the wrong kind.

    Example:
        >>> mapping = read_mapping({"columns": {"clip": "file", "score": "vote"}})
        >>> mapping.clip, mapping.scores[0].column
        (('file',), 'vote')
    """
    table = source if isinstance(source, Mapping) else _toml(source)
    _known("key in a mapping", table, TOP)
    columns = _section(table, "columns")
    _known("column in a mapping", columns, ("clip", *FIELDS, *OF_SCORES))
    if "clip" not in columns:
        raise InvalidRatings("The mapping names no column for the clip: columns.clip = 'file'.")
    scale = _text(table, "scale") or ACR
    opinion_scale(scale)
    scores = [*_scores(columns, _text(table, "dimension"), None)]
    for name, keys in _section(table, "dimensions").items():
        if not isinstance(keys, Mapping):
            raise InvalidValue(f"dimensions.{name}", keys, f"a table of {', '.join(OF_DIMENSION)}")
        _known("key of a dimension in a mapping", keys, OF_DIMENSION)
        # Those who vote judge every dimension; each has its own deviation.
        shared = {"votes": columns["votes"]} if "votes" in columns else {}
        scores.extend(_scores({**shared, **keys}, name.lower(), _text(keys, "scale")))
    return TableMapping(
        delimiter=_delimiter(table),
        header=_header(table),
        clip=_columns(columns["clip"], "clip"),
        fields={name: _columns(columns[name], name) for name in FIELDS if name in columns},
        scores=_checked(scores),
        patterns=_patterns(_section(table, "patterns"), columns),
        scale=scale,
    )


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRatings(f"The mapping {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRatings(f"The mapping {path} is not TOML: {error}.") from error


def _known(kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    for name in given:
        if name not in known:
            raise UnknownName(kind, name, known)


def _section(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = table.get(name, {})
    if not isinstance(section, Mapping):
        raise InvalidValue(f"{name} in the mapping", section, f"a table: [{name}]")
    return section


def _text(table: Mapping[str, Any], name: str) -> str | None:
    value = table.get(name)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise InvalidValue(f"{name} in the mapping", value, "a text")
    return value


def _header(table: Mapping[str, Any]) -> bool | None:
    header = table.get("header")
    if header is not None and not isinstance(header, bool):
        raise InvalidValue("header in the mapping", header, "true or false")
    return header


def _delimiter(table: Mapping[str, Any]) -> str | None:
    given = table.get("delimiter")
    by_name = {name: delimiter for delimiter, name in SPELT.items()}
    delimiter = by_name.get(given, given) if isinstance(given, str) else given
    if delimiter is not None and delimiter not in DELIMITERS:
        allowed = ", ".join([*by_name, *map(repr, DELIMITERS)])
        raise InvalidValue("delimiter in the mapping", given, allowed)
    return delimiter


def _columns(value: object, name: str) -> tuple[str, ...]:
    """Names of columns; a number is a place, counted from 1, in a file without a header."""
    items = value if isinstance(value, list | tuple) else [value]
    if not items or not all(_is_column(item) for item in items):
        raise InvalidValue(
            f"columns.{name} in the mapping",
            value,
            "a column's name, its place (1, 2, ...), or a list of these",
        )
    return tuple(f"column_{item}" if isinstance(item, int) else str(item) for item in items)


def _is_column(item: object) -> bool:
    if isinstance(item, bool):
        return False
    return item >= 1 if isinstance(item, int) else isinstance(item, str) and bool(item)


def _scores(keys: Mapping[str, Any], dimension: str | None, scale: str | None) -> Iterable[Scores]:
    if scale:
        opinion_scale(scale)
    beside = {name: _columns(keys[name], name)[0] for name in ("votes", "std") if name in keys}
    for name, form in FORMS.items():
        if name in keys:
            yield Scores(
                column=_columns(keys[name], name)[0],
                form=form,
                dimension=dimension,
                scale=scale,
                votes=beside.get("votes") if form == "mean" else None,
                std=beside.get("std") if form == "mean" else None,
            )


def _checked(scores: list[Scores]) -> tuple[Scores, ...]:
    if not scores:
        raise InvalidRatings(
            "The mapping names no column of scores: columns.score (one score a row), columns.mean "
            "(a published mean), columns.scores (a list in a cell), or these in [dimensions.mos]."
        )
    return tuple(scores)


def _patterns(patterns: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, str]:
    _known(
        "pattern in a mapping", patterns, [name for name in ("clip", *FIELDS) if name in columns]
    )
    for name, pattern in patterns.items():
        try:
            groups = re.compile(pattern).groupindex
        except (re.error, TypeError) as error:
            raise InvalidValue(
                f"patterns.{name} in the mapping", pattern, "a regular expression", f"{error}."
            ) from error
        allowed = [f for f in FIELDS if f not in OF_A_RATING or name in OF_A_RATING]
        _known(
            f"group of patterns.{name}", (re.sub(r"_\d+$", "", group) for group in groups), allowed
        )
        if not groups:
            raise InvalidValue(
                f"patterns.{name} in the mapping",
                pattern,
                "at least one named group (?P<system>...)",
            )
    return dict(patterns)
