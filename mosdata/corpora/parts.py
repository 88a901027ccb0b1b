"""One table, understood: its clips, what is said of them, and their scores."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mosdata.corpora.coded import (
    AUDIO_SUFFIX,
    Coded,
    encode,
    groups,
    joined,
    may_hold,
    without_suffix,
)
from mosdata.corpora.raw import RawTable, check_bytes, listed, read_bytes
from mosdata.corpora.scored import Scored, read_scores
from mosdata.corpora.spec import OF_A_RATING, TableSpec
from mosdata.corpora.table import Finding
from mosdata.errors import InvalidRatings
from mosdata.manifests.scales import opinion_scale

SPLIT_NAMES: Final = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development", "devset"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "testset"), "test"),
}
"""What corpora call their splits, and what we do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one file says.

    Args:
        source: the file.
        names: every clip once, in the order of first mention.
        fields: for each clip, what is said of it; null where nothing is.
        scored: its scores, by dimension; ``clips`` are places in ``names``.
        findings: what was odd.
    """

    source: str
    names: pa.Array
    fields: Mapping[str, pa.Array]
    scored: tuple[Scored, ...]
    findings: tuple[Finding, ...]


def understand(
    raw: RawTable, spec: TableSpec, *, dimension: str = "mos", scale: str | None = None
) -> Part:
    """Apply what is known of a layout to the cells of a file.

    Args:
        raw: the cells.
        spec: what the columns mean.
        dimension: of scores whose dimension the layout leaves open.
        scale: of all scores; None is what the layout says.

    Raises:
        InvalidRatings: no rows, a clip without a name, a path out of the folder, two values of a
            field for one clip, or scores that are no numbers on their scale.
        InvalidValue: the scale compares clips.
        UnknownName: there is no such scale.
    """
    if not raw.columns.num_rows:
        raise InvalidRatings(f"{raw.path} has no rows.")
    columns = _encoded(raw, spec.text_columns())
    given = _joined(columns, spec.clip)
    _check_names(raw, given, "clip", needed=True)
    clips = given.renamed(without_suffix(given.names))
    of_rows = {name: _joined(columns, of) for name, of in spec.fields.items()}
    of_rows |= _found(of_rows, spec.patterns)
    scored, findings = [], [*raw.findings, *_merged(columns)]
    is_rated = any(scores.form != "mean" for scores in spec.scores)
    for scores in spec.scores:
        found, odd = read_scores(
            raw,
            scores,
            clips=clips,
            raters=of_rows.get("rater"),
            tests=of_rows.get("test") or _fixed(spec, "test", len(clips.codes)),
            scale=opinion_scale(scale or scores.scale or spec.scale),
            dimension=scores.dimension or dimension,
        )
        scored.append(found)
        findings.extend(odd)
        if found.is_mean:
            findings.extend(
                _repeated_means(raw, scores.column, clips, found, beside_scores=is_rated)
            )
    return Part(
        source=str(raw.path),
        names=clips.names,
        fields=_fields(raw, spec, given, clips, of_rows),
        scored=tuple(scored),
        findings=tuple(findings),
    )


def _encoded(raw: RawTable, names: list[str]) -> dict[str, Coded]:
    """Text columns, coded side by side: Arrow lets go of the interpreter meanwhile."""
    with ThreadPoolExecutor() as pool:
        coded = dict(zip(names, pool.map(lambda n: encode(raw.columns[n]), names), strict=True))
    if any(may_hold(column.names, b"\0") for column in coded.values()):
        check_bytes(raw.path, read_bytes(raw.path))
    return coded


def _merged(columns: Mapping[str, Coded]) -> Iterator[Finding]:
    for name, coded in columns.items():
        if coded.merged:
            yield Finding(
                code="merged_name",
                count=coded.merged,
                message=f"names in {name} that are another's but for the space around them; "
                "taken as one",
            )


def _joined(columns: Mapping[str, Coded], names: tuple[str, ...]) -> Coded:
    return joined([columns[name] for name in names], between="-")


def _found(of_rows: Mapping[str, Coded], patterns: Mapping[str, str]) -> dict[str, Coded]:
    """Fields that patterns find in the values of other fields."""
    found: dict[str, Coded] = {}
    for name in patterns.keys() & of_rows.keys():
        values = of_rows[name]
        for target, parts in groups(values.names, patterns[name]).items():
            # A value in which the pattern finds nothing stays whole in its own field.
            whole = pc.coalesce(parts, values.names) if target == name else parts
            coded = encode(whole)
            found[target] = Coded(
                names=coded.names, codes=np.append(coded.codes, np.int32(-1))[values.codes]
            )
    return found


def _fixed(spec: TableSpec, name: str, length: int) -> Coded | None:
    if name not in spec.fixed:
        return None
    return Coded(names=pa.array([spec.fixed[name]]), codes=np.zeros(length, dtype=np.int32))


def _fields(
    raw: RawTable, spec: TableSpec, given: Coded, clips: Coded, of_rows: Mapping[str, Coded]
) -> dict[str, pa.Array]:
    """For each clip what is said of it: by columns, by its name, by the file as a whole."""
    has_columns = any(name not in OF_A_RATING for name in of_rows)
    first = clips.first_rows() if has_columns or clips is not given else _NO_ROWS
    fields: dict[str, pa.Array] = {}
    if "clip" in spec.patterns:
        fields |= groups(clips.names, spec.patterns["clip"])
    for name, coded in of_rows.items():
        if name not in OF_A_RATING:
            fields[name] = _one_a_clip(raw, clips, coded, name, first)
    for name, value in spec.fixed.items():
        if name not in OF_A_RATING:
            fields.setdefault(name, pa.repeat(value, len(clips.names)))
    if "audio" in spec.fields:
        _check_names(raw, of_rows["audio"], "audio", needed=False)
    elif clips is not given:
        fields["audio"] = _audio(given, first)
    if "split" in fields:
        fields["split"] = _splits(raw, fields["split"])
    return fields


_NO_ROWS: Final = np.zeros(0, dtype=np.int64)


def _audio(given: Coded, first: NDArray[np.int64]) -> pa.Array:
    """The clip's cell where it is the name of a sound file."""
    cells = Coded(names=given.names, codes=given.codes[first]).decode()
    is_file = pc.match_substring_regex(cells, AUDIO_SUFFIX)
    return pc.if_else(is_file, cells, pa.scalar(None, pa.string()))


def _one_a_clip(
    raw: RawTable, clips: Coded, coded: Coded, name: str, first: NDArray[np.int64]
) -> pa.Array:
    """A field that all rows of a clip agree about; empty cells agree with everything."""
    of_clip = coded.codes[first]
    if (of_clip < 0).any() and (coded.codes >= 0).any():
        filled = np.flatnonzero(coded.codes >= 0)[::-1]
        of_clip[clips.codes[filled]] = coded.codes[filled]
    differs = (coded.codes >= 0) & (coded.codes != of_clip[clips.codes])
    if name != "audio" and differs.any():
        problems = [
            f"line {raw.line(row)}: {clips.names[int(clips.codes[row])].as_py()!r} has {name} "
            f"{coded.names[int(coded.codes[row])].as_py()!r} here and "
            f"{coded.names[int(of_clip[clips.codes[row]])].as_py()!r} before"
            for row in np.flatnonzero(differs).tolist()
        ]
        raise InvalidRatings(
            f"{raw.path}, nothing was imported: one clip has one {name}: {listed(problems)}."
        )
    return Coded(names=coded.names, codes=of_clip).decode()


def _splits(raw: RawTable, given: pa.Array) -> pa.Array:
    """Splits under our names."""
    unknown = {name for name in given.unique().to_pylist() if name} - {*SPLIT_NAMES}
    unknown = {name for name in unknown if name.lower() not in SPLIT_NAMES}
    if unknown:
        raise InvalidRatings(
            f"{raw.path}: split is {min(unknown)!r}; allowed: train, validation, test, or what "
            f"else they are called ({', '.join(sorted(SPLIT_NAMES))})."
        )
    names = [None if name is None else SPLIT_NAMES[name.lower()] for name in given.to_pylist()]
    return pa.array(names, type=pa.string())


def _repeated_means(
    raw: RawTable, column: str, clips: Coded, scored: Scored, *, beside_scores: bool
) -> Iterator[Finding]:
    """Rows that say the same mean again; an error where they say another."""
    place, keys = scored.clips, scored.clips.astype(np.int64)
    if scored.tests is not None:
        keys = keys * (len(scored.tests.names) + 1) + scored.tests.codes + 1
    _, first, of_row = np.unique(keys, return_index=True, return_inverse=True)
    differs = np.flatnonzero(scored.values != scored.values[first][of_row])
    rows = np.arange(len(keys)) if scored.rows is None else scored.rows
    if len(differs):
        before = first[of_row]
        problems = [
            f"line {raw.line(int(rows[row]))}: {clips.names[int(place[row])].as_py()!r} has "
            f"{column} {scored.values[row]:g} here and {scored.values[before[row]]:g} on line "
            f"{raw.line(int(rows[before[row]]))}"
            for row in differs.tolist()
        ]
        raise InvalidRatings(
            f"{raw.path}, nothing was imported: {column} is a published mean, one a clip: "
            f"{listed(problems)}. If it holds single scores, say so in a mapping file: "
            f"score = {column!r}."
        )
    if len(first) < len(keys) and not beside_scores:
        yield Finding(
            code="repeated_row",
            count=len(keys) - len(first),
            message=f"rows that give a clip the {column} it already has; imported once",
        )


def _check_names(raw: RawTable, coded: Coded, what: str, *, needed: bool) -> None:
    if needed and (coded.codes < 0).any():
        rows = np.flatnonzero(coded.codes < 0).tolist()
        problems = [f"line {raw.line(row)}: {what} is empty" for row in rows]
        raise InvalidRatings(f"{raw.path}, nothing was imported: {listed(problems)}.")
    if not may_hold(coded.names, b".."):
        return
    climbs = pc.match_substring_regex(coded.names, r"(^|[/\\])\.\.([/\\]|$)")
    if pc.any(climbs).as_py():
        codes = np.flatnonzero(climbs.to_numpy(zero_copy_only=False))
        rows = np.flatnonzero(np.isin(coded.codes, codes)).tolist()
        problems = [
            f"line {raw.line(row)}: {what} {coded.names[int(coded.codes[row])].as_py()!r}"
            for row in rows
        ]
        raise InvalidRatings(
            f"{raw.path}, nothing was imported: a path may not climb out of its folder: "
            f"{listed(problems)}."
        )


def split_in_name(name: str) -> str | None:
    """The split that a file's name speaks of; None where it speaks of none or of several.

    Example:
        >>> split_in_name("NISQA_VAL_SIM_file.csv"), split_in_name("withReverberationTrainDevMOS")
        ('validation', None)
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    splits = {SPLIT_NAMES[word.lower()] for word in words if word.lower() in SPLIT_NAMES}
    return splits.pop() if len(splits) == 1 else None
