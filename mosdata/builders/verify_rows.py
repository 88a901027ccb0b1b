"""Rows against themselves: what is in a clip's file, its header and its columns must agree."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from mosdata.audio import pcm_sha256
from mosdata.errors import DamagedDataset, RecordRejected
from mosdata.manifests.places import parquet_file, place_of
from mosdata.manifests.rows import Utterance
from mosdata.manifests.scales import SCALES
from mosdata.manifests.schema import READABLE_VERSIONS, class_names_of, columns_of
from mosdata.manifests.store import Dataset, content_sum, rows_of

GROUPS_PER_TASK: Final = 8
"""Row groups that a worker checks in one go."""

SAME_DURATION_S: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTask:
    """Some row groups of one file; ``fault`` says why it cannot be read at all."""

    folder: str
    path: str
    groups: tuple[int, ...]
    num_rows: int
    class_names: tuple[str, ...]
    sample_rate_hz: int | None
    quick: bool
    fault: str = ""


@dataclass(slots=True, kw_only=True)
class RowFindings:
    """What the rows of a task are, and what is wrong with them."""

    problems: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    parents: dict[str, str] = field(default_factory=dict)
    content_sum: int = 0
    num_decoded: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlacHeader:
    """What the STREAMINFO block of a FLAC file says (RFC 9639, section 8.2)."""

    sample_rate_hz: int
    num_channels: int
    bits: int
    num_samples: int


def row_tasks(dataset: Dataset, *, quick: bool) -> list[RowTask]:
    """All rows of a dataset, in pieces; a file that cannot be opened is one piece with a fault."""
    return [task for file in dataset.files for task in _tasks_of(dataset, file.path, quick=quick)]


def _tasks_of(dataset: Dataset, path: str, *, quick: bool) -> Iterator[RowTask]:
    def task(groups: tuple[int, ...], num_rows: int, fault: str = "") -> RowTask:
        return RowTask(
            folder=str(dataset.folder),
            path=path,
            groups=groups,
            num_rows=num_rows,
            class_names=tuple(dataset.class_names),
            sample_rate_hz=dataset.sample_rate_hz,
            quick=quick,
            fault=fault,
        )

    try:
        metadata = parquet_file(dataset.folder / path).metadata
        fault = _schema_fault(metadata.schema.to_arrow_schema(), dataset.class_names)
    except FileNotFoundError:  # named already, with the checksums
        return
    except (OSError, pa.ArrowException, DamagedDataset) as error:
        yield task((), 0, f"cannot be read: {error}")
        return
    if fault:
        yield task((), 0, fault)
        return
    for start in range(0, metadata.num_row_groups, GROUPS_PER_TASK):
        groups = tuple(range(start, min(start + GROUPS_PER_TASK, metadata.num_row_groups)))
        yield task(groups, sum(metadata.row_group(group).num_rows for group in groups))


def _schema_fault(schema: pa.Schema, class_names: list[str]) -> str:
    about = json.loads((schema.metadata or {}).get(b"mosdata", b"{}"))
    version = about.get("schema_version")
    if version not in READABLE_VERSIONS:
        known = " and ".join(map(repr, READABLE_VERSIONS))
        return f"has schema version {version!r}; this mosdata reads {known}"
    wrong = [name for name, kind in columns_of(version).items() if not _has(schema, name, kind)]
    if wrong:
        return f"lacks the columns {', '.join(wrong)}, or has them of another type"
    if class_names_of(schema) != class_names:
        return "has another list of classes than the manifest"
    return ""


def _has(schema: pa.Schema, name: str, kind: pa.DataType) -> bool:
    return name in schema.names and bool(schema.field(name).type.equals(kind))


def check_rows(task: RowTask) -> RowFindings:
    """Check the rows of a task; runs in any process."""
    found = RowFindings()
    if task.fault:
        found.problems.append(task.fault)
        return found
    for group in task.groups:
        try:
            reader = parquet_file(place_of(task.folder) / task.path)
            rows = rows_of(reader, group, task.class_names)
        except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
            found.problems.append(f"cannot be read in row group {group}: {error}")
            continue
        for row in rows:
            _add(found, row, task)
    return found


def _add(found: RowFindings, row: Utterance, task: RowTask) -> None:
    found.ids.append(row.id)
    found.content_sum += content_sum([row])
    if row.parent_id is not None:
        found.parents[row.id] = row.parent_id
    problems = [*_label_problems(row), *_sound_problems(row, task.sample_rate_hz)]
    if row.audio and not problems and not task.quick:
        problems = _sample_problems(row)
        found.num_decoded += 1
    found.problems += [f"has clip {row.id}, which {problem}" for problem in problems]


def _label_problems(row: Utterance) -> Iterator[str]:
    if not row.id:
        yield "has no id"
    for applied in row.corruptions:
        if not 0 <= applied.level <= 1:
            yield f"has {applied.name} at level {applied.level}; allowed: 0 to 1"
    if row.mos is None:
        return
    scale = SCALES.get(row.mos_scale or "")
    if scale is None:
        yield f"has a MOS on the scale {row.mos_scale!r}; known: {', '.join(SCALES)}"
    elif not scale.allows(row.mos):
        yield f"has MOS {row.mos} on {scale}"


def _sound_problems(row: Utterance, rate_hz: int | None) -> Iterator[str]:
    """The columns, the header and the rate of the dataset; nothing is decoded."""
    if not row.audio:
        if (row.sample_rate_hz, row.num_samples) != (0, 0):
            yield f"has no audio and {row.num_samples} samples at {row.sample_rate_hz} Hz"
        return
    header = flac_header(row.audio)
    if header is None:
        yield "has audio that is not FLAC"
        return
    facts: tuple[tuple[str, object, object], ...] = (
        ("rate", header.sample_rate_hz, row.sample_rate_hz),
        ("number of channels", header.num_channels, 1),
        ("number of bits", header.bits, 16),
        ("length", header.num_samples, row.num_samples),
    )
    for what, is_, says in facts:
        if is_ != says:
            yield f"has FLAC of {what} {is_}; the row says {says}"
    if rate_hz is not None and row.sample_rate_hz != rate_hz:
        yield f"is at {row.sample_rate_hz} Hz; the manifest says {rate_hz}"
    seconds = row.num_samples / max(row.sample_rate_hz, 1)
    if not math.isclose(seconds, row.duration_s, abs_tol=SAME_DURATION_S):
        yield f"lasts {seconds:g} s; the row says {row.duration_s:g}"


def _sample_problems(row: Utterance) -> list[str]:
    try:
        clip = row.clip()
    except RecordRejected as error:
        return [f"cannot be decoded: {error}"]
    if pcm_sha256(clip) != row.pcm_sha256:
        return ["has other samples than its pcm_sha256 says"]
    return []


def flac_header(data: bytes) -> FlacHeader | None:
    """Read the header of a FLAC file; None where it is none.

    Example:
        >>> from mosdata.testing import utterance
        >>> flac_header(utterance(0).audio)
        FlacHeader(sample_rate_hz=16000, num_channels=1, bits=16, num_samples=8000)
    """
    if len(data) < 42 or data[:4] != b"fLaC" or data[4] & 0x7F != 0:
        return None
    # After 10 bytes of block and frame sizes: 20 bits rate, 3 channels, 5 bits, 36 samples.
    packed = int.from_bytes(data[18:26], "big")
    return FlacHeader(
        sample_rate_hz=packed >> 44,
        num_channels=(packed >> 41 & 0x7) + 1,
        bits=(packed >> 36 & 0x1F) + 1,
        num_samples=packed & 0xFFFFFFFFF,
    )
