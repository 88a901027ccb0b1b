"""Read a rated corpus: find its tables, tell their layout, understand them, put them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mosdata.corpora.corpus import put_together
from mosdata.corpora.delimited import DelimitedFile
from mosdata.corpora.layouts import (
    GENERIC,
    LAYOUTS,
    Layout,
    detect,
    fits,
    layout_named,
    unrecognised,
)
from mosdata.corpora.mapping import TableMapping, read_mapping
from mosdata.corpora.parts import Part, understand
from mosdata.corpora.raw import MAX_SHOWN
from mosdata.corpora.records import RecordFile
from mosdata.corpora.spec import TableSpec
from mosdata.corpora.table import Finding, RatedCorpus
from mosdata.errors import InvalidRatings, NothingFound, UsageError
from mosdata.manifests.scales import opinion_scale

TableFile = DelimitedFile | RecordFile
"""A file with a table in it: a look at its head first, then the columns that matter."""

RECORDS: Final = (".jsonl", ".ndjson", ".json", ".xlsx")
TABLES: Final = (".csv", ".tsv", ".txt", *RECORDS)
BARE_NAMES: Final = ("TRAINSET", "DEVSET", "VALIDSET", "TESTSET")
"""Lists of the VoiceMOS challenges and of SOMOS, which have no suffix."""


def read_corpus(
    paths: Path | Sequence[Path],
    *,
    layout: str | None = None,
    mapping: Path | Mapping[str, Any] | None = None,
    dataset: str | None = None,
    dimension: str = "mos",
    scale: str | None = None,
) -> RatedCorpus:
    """Read the tables of a rated corpus. Nothing is changed on disk.

    Args:
        paths: a table, several that belong together, or a corpus's folder.
        layout: a name of ``LAYOUTS``; None tells it from the files.
        mapping: a TOML file, or what it would hold, that says what the columns mean.
        dataset: name of the corpus; None is what its tables or its layout say.
        dimension: what was judged, where the layout leaves it open.
        scale: on which scale; None is that of the layout.

    Raises:
        NothingFound: no such file, or a folder without tables.
        InvalidRatings: the tables cannot be read, contradict each other, or hold scores that are
            not on their scale. Nothing is imported then.
        UnknownName: no such layout, scale or mapping key.
        InvalidValue: the scale compares clips, or a mapping value is of the wrong kind.
        MissingExtra: a spreadsheet, and openpyxl is not installed.
    """
    if scale is not None:
        opinion_scale(scale)
    wanted = layout_named(layout) if layout else None
    if wanted and mapping is not None:
        raise InvalidRatings("Give a layout or a mapping, not both.")
    given = [paths] if isinstance(paths, Path) else list(paths)
    known = None if mapping is None else read_mapping(mapping)
    files, unread = _files(given, wanted, known)
    if known:
        specs, name = [known.spec(file.sample) for file in files], "mapping"
    else:
        specs, name = _specs(files, wanted)
    parts = [
        _part(file, spec, dimension=dimension, scale=scale)
        for file, spec in zip(files, specs, strict=True)
    ]
    if not any(part.scored for part in parts):
        raise InvalidRatings(f"{parts[0].source} lists clips and holds no scores.")
    corpus = put_together(
        parts, layout=name, dataset=dataset, fallback=_fallback(name, files[0].sample.path)
    )
    return replace(corpus, findings=(*corpus.findings, *unread))


def open_table(
    path: Path, *, delimiter: str | None = None, header: bool | None = None
) -> TableFile:
    """A file with a table in it, by its suffix: records, or else separated cells."""
    if path.suffix.lower() in RECORDS:
        return RecordFile(path)
    return DelimitedFile(path, delimiter=delimiter, header=header)


def _specs(files: Sequence[TableFile], wanted: Layout | None) -> tuple[list[TableSpec], str]:
    samples = [file.sample for file in files]
    if wanted is None:
        found = detect(samples)
        return [fit.spec for fit in found], found[0].layout.name
    specs = []
    for sample in samples:
        fit = wanted.fit(sample)
        if fit is None:
            columns = ", ".join(sample.columns) if sample.has_header else "no header"
            if wanted.name == GENERIC:
                raise unrecognised(sample)
            raise InvalidRatings(
                f"{sample.path} is not of the layout {wanted.name} ({columns}); that one has: "
                f"{wanted.looks()}."
            )
        specs.append(fit.spec)
    return specs, wanted.name


def _part(file: TableFile, spec: TableSpec, *, dimension: str, scale: str | None) -> Part:
    numbers = spec.number_columns()
    text = [name for name in spec.text_columns() if name not in numbers]
    raw = file.read(text=text, numbers=numbers)
    part = understand(raw, spec, dimension=dimension, scale=scale)
    unread = [name for name in file.sample.columns if name not in {*text, *numbers}]
    if not unread:
        return part
    finding = Finding(
        code="unread_column",
        count=len(unread),
        message="columns that are not used",
        examples=tuple(f"{file.sample.path.name}: {name}" for name in unread[:MAX_SHOWN]),
    )
    return replace(part, findings=(*part.findings, finding))


def _fallback(layout: str, path: Path) -> str:
    return path.stem if layout in (GENERIC, "mapping") else layout


def _files(
    given: Sequence[Path], wanted: Layout | None, known: TableMapping | None
) -> tuple[list[TableFile], list[Finding]]:
    if not given:
        raise NothingFound("No file was given. Name a table or a folder with one.")
    delimiter, header = (known.delimiter, known.header) if known else (None, None)
    files: list[TableFile] = []
    unread: list[Finding] = []
    for path in given:
        if path.is_dir():
            chosen, left = _in_folder(path, wanted, mapped=known is not None)
            files += [open_table(file, delimiter=delimiter, header=header) for file in chosen]
            unread += _unread(left)
        elif path.exists():
            files.append(open_table(path, delimiter=delimiter, header=header))
        else:
            raise NothingFound(f"There is no file {path}.")
    _check_once([file.path for file in files])
    return files, unread


def _check_once(paths: Sequence[Path]) -> None:
    """Refuse a file that was given twice: all of its scores would count double."""
    seen: dict[Path, Path] = {}
    for path in paths:
        first = seen.setdefault(path.resolve(), path)
        if first is not path:
            raise InvalidRatings(f"{path} was given twice (as {first}). Name every file once.")


def _in_folder(
    folder: Path, wanted: Layout | None, *, mapped: bool
) -> tuple[list[Path], list[Path]]:
    """The tables of a corpus's folder that are to be read, and the others."""
    tables = sorted(
        path
        for path in folder.rglob("*")
        if (path.suffix.lower() in TABLES or path.name in BARE_NAMES)
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    found = {path: names for path in tables if (names := _layouts_of(path, wanted, mapped))}
    layouts = {name for names in found.values() for name in names} - {GENERIC}
    if len(layouts) > 1:
        listed = "; ".join(f"{path.name}: {', '.join(found[path])}" for path in found)
        raise InvalidRatings(
            f"{folder} holds tables of several layouts ({listed}). Name the files."
        )
    name = layouts.pop() if layouts else GENERIC
    chosen = _preferred(folder, LAYOUTS[name], [p for p in found if name in found[p]])
    if not chosen:
        raise NothingFound(
            f"No table of a known layout is in {folder}. Name the files, or write a mapping file."
        )
    if name == GENERIC and len(chosen) > 1 and wanted is None and not mapped:
        several = ", ".join(path.name for path in chosen)
        raise InvalidRatings(
            f"{folder} holds several tables ({several}), and nothing says which belong together. "
            "Name the files."
        )
    return chosen, [path for path in tables if path not in chosen]


def _layouts_of(path: Path, wanted: Layout | None, mapped: bool) -> list[str]:
    if mapped:
        return [GENERIC] if path.suffix.lower() != ".json" else []
    try:
        sample = open_table(path).sample
    except UsageError:  # not a table at all: named among the files that were not read
        return []
    if wanted:
        return [wanted.name] if wanted.fit(sample) else []
    return [fit.layout.name for fit in fits(sample)]


def _preferred(folder: Path, layout: Layout, tables: Sequence[Path]) -> list[Path]:
    for patterns in layout.files:
        matching = {path for pattern in patterns for path in folder.glob(pattern)}
        chosen = [path for path in tables if path in matching]
        if chosen:
            return chosen
    return list(tables)


def _unread(paths: Sequence[Path]) -> list[Finding]:
    if not paths:
        return []
    return [
        Finding(
            code="unread_file",
            count=len(paths),
            message="tables in the folder that were not read",
            examples=tuple(str(path) for path in paths[:MAX_SHOWN]),
        )
    ]
