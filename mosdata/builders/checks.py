"""What only shows in all clips of a build together: speaking rates out of line, sound said twice.

Written when a build is committed, from its rows and nothing else, so the same rows give the same
bytes: ``checks/clips.parquet`` names clips with what was found and what was allowed, and
``checks/fences.parquet`` says what is usual for each voice, and which voices have too few clips to
be judged. Neither changes a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mosdata.manifests.durable import sync_file
from mosdata.manifests.places import is_remote, make_folder, write_parquet
from mosdata.manifests.schema import CHECKS, FENCES, side_schema
from mosdata.manifests.store import CHECKS_NAME, FENCES_NAME, Dataset, describe_file
from mosdata.synth.gates import spoken_chars

FENCE_BELOW_IQR: Final = 2.0
FENCE_ABOVE_IQR: Final = 2.0
"""Fences of Tukey (Exploratory Data Analysis, 1977) lie at Q1 - k IQR and Q3 + k IQR; Piper's
filter of utterances takes k = 2, on characters a second as here."""

RATE_COLUMNS: Final = ("text", "text_spoken", "speech_s")
"""What :func:`rates_of` needs."""

FEWEST_CLIPS: Final = 8
"""Fewer clips have no quartiles worth the name; such a voice is not judged."""

_COLUMNS: Final = ("id", "system", "voice", "language", "text", "seed", "pcm_sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One clip that stands out: a row of ``checks/clips.parquet``.

    ``low`` and ``high`` are what was allowed, ends included; ``twin`` is the first clip that this
    one repeats, or the second where it is the first itself.
    """

    clip_id: str
    flag: str
    value: float
    low: float | None = None
    high: float | None = None
    twin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What is usual for a voice in one language, in characters a second of trimmed speech.

    All numbers but ``clips`` are None where a voice has too few clips to be judged.
    """

    system: str
    voice: str
    language: str
    clips: int
    q1: float | None = None
    median: float | None = None
    q3: float | None = None
    low: float | None = None
    high: float | None = None
    outside: int | None = None


def write_checks(dataset: Dataset, folder: Path) -> dict[str, Any]:
    """Look at all clips of a build together, and write what stands out.

    Args:
        dataset: the clips.
        folder: where ``checks/`` goes.

    Returns:
        What the manifest says of it.
    """
    findings, fences = check(dataset)
    tables = {
        CHECKS_NAME: pa.Table.from_pylist(
            [asdict(one) for one in findings], side_schema("checks", CHECKS)
        ),
        FENCES_NAME: pa.Table.from_pylist(
            [asdict(one) for one in fences], side_schema("fences", FENCES)
        ),
    }
    make_folder((folder / CHECKS_NAME).parent)
    return {"files": [_write(folder, name, table) for name, table in tables.items()]}


def _write(folder: Path, name: str, table: pa.Table) -> dict[str, Any]:
    path = folder / name
    write_parquet(table, path, compression="zstd")
    if not is_remote(path):
        sync_file(path)
    return asdict(describe_file(folder, path, split="all", rows=len(table)))


def check(dataset: Dataset) -> tuple[list[Finding], list[Fence]]:
    """Findings in the order of the rows, flag by flag; fences by system, voice and language."""
    rows = dataset.table([*dict.fromkeys([*_COLUMNS, *RATE_COLUMNS])])
    ids = rows["id"].to_pylist()
    voices = [rows[name].to_pylist() for name in ("system", "voice", "language")]
    groups, known = _numbered([*zip(*voices, strict=True)])
    rates = rates_of(rows)
    fences, outliers = _fenced(ids, rates, groups, known)
    sounds, _ = _numbered(rows["pcm_sha256"].to_pylist())
    asked = [rows[name].to_pylist() for name in ("system", "voice", "language", "text", "seed")]
    requests, _ = _numbered([*zip(*asked, strict=True)])
    findings = [
        *outliers,
        *_twins(ids, sounds, requests, flag="same_sound"),
        *_twins(ids, requests, None, flag="same_request"),
    ]
    return findings, fences


def rates_of(rows: pa.Table) -> NDArray[np.float64]:
    """Characters of what was said for each second of trimmed speech; NaN where nobody knows.

    What was said is what the engine was given; the text itself where a row does not say.
    """
    texts = zip(rows["text_spoken"].to_pylist(), rows["text"].to_pylist(), strict=True)
    chars = [spoken_chars(spoken or text) for spoken, text in texts]
    speech_s = np.array(rows["speech_s"].to_pylist(), np.float64)
    return np.array(chars, np.float64) / np.where(speech_s > 0, speech_s, np.nan)


def _fenced(
    ids: Sequence[str],
    rates: NDArray[np.float64],
    groups: NDArray[np.int64],
    known: Sequence[tuple[str, str, str]],
) -> tuple[list[Fence], list[Finding]]:
    """Each voice's fences, and the clips outside them."""
    ends = np.cumsum(np.bincount(groups, minlength=len(known)))[:-1]
    parts = np.split(rates[np.argsort(groups, kind="stable")], ends)
    fences = [
        _fence(*name, part[np.isfinite(part)]) for name, part in zip(known, parts, strict=True)
    ]
    outliers = []
    for place, (group, rate) in enumerate(zip(groups, rates, strict=True)):
        fence = fences[group]
        if _outside(float(rate), fence):
            found = Finding(
                clip_id=ids[place],
                flag="rate_outlier",
                value=float(rate),
                low=fence.low,
                high=fence.high,
            )
            outliers.append(found)
    return sorted(fences, key=lambda fence: (fence.system, fence.voice, fence.language)), outliers


def _outside(rate: float, fence: Fence) -> bool:
    """Whether a rate that is known is outside fences that there are."""
    if fence.low is None or fence.high is None:
        return False
    return rate < fence.low or rate > fence.high


def _fence(system: str, voice: str, language: str, rates: NDArray[np.float64]) -> Fence:
    blank = Fence(system=system, voice=voice, language=language, clips=len(rates))
    if len(rates) < FEWEST_CLIPS:
        return blank
    q1, median, q3 = (float(value) for value in np.quantile(rates, (0.25, 0.5, 0.75)))
    low, high = q1 - FENCE_BELOW_IQR * (q3 - q1), q3 + FENCE_ABOVE_IQR * (q3 - q1)
    outside = int(np.count_nonzero((rates < low) | (rates > high)))
    values = {"q1": q1, "median": median, "q3": q3, "low": low, "high": high, "outside": outside}
    return Fence(**{**asdict(blank), **values})


def _twins(
    ids: Sequence[str],
    keys: NDArray[np.int64],
    requests: NDArray[np.int64] | None,
    *,
    flag: str,
) -> Iterator[Finding]:
    """Clips that share a key; with ``requests``, only where those differ among them."""
    counts = np.bincount(keys, minlength=1)
    members: dict[int, list[int]] = {}
    for place in np.flatnonzero(counts[keys] > 1).tolist():
        members.setdefault(int(keys[place]), []).append(place)
    found = []
    for places in members.values():
        if requests is not None and len({int(requests[place]) for place in places}) == 1:
            continue
        for place in places:
            twin = places[1] if place == places[0] else places[0]
            found.append((place, len(places), twin))
    for place, count, twin in sorted(found):
        yield Finding(clip_id=ids[place], flag=flag, value=float(count), high=1.0, twin=ids[twin])


def _numbered(values: Sequence[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Each value's number in order of appearance, and the values by number."""
    numbers: dict[Any, int] = {}
    found = np.fromiter(
        (numbers.setdefault(value, len(numbers)) for value in values), np.int64, len(values)
    )
    return found, [*numbers]


def flagged(dataset: Dataset) -> dict[str, list[str]]:
    """Flags of each clip that has any: those of its row, then those of the checks."""
    found: dict[str, list[str]] = {}
    for table in dataset.tables(["id", "flags"]):
        for row in table.to_pylist():
            if row["flags"]:
                found[row["id"]] = [*row["flags"]]
    for check in dataset.checks().to_pylist():
        found.setdefault(check["clip_id"], []).append(check["flag"])
    return found
