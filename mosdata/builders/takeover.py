"""The worker's side of reuse: take the row of an earlier dataset where it is the same.

:mod:`mosdata.builders.reuse` says where rows are and compares what concerns whole datasets and
files; here a row is compared with its record before it is taken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from mosdata.builders.corrupt import needs_of
from mosdata.builders.plan import Shard
from mosdata.builders.sources import Place, SourceClips
from mosdata.builders.stage import Bench, Made, Record, StageSpec
from mosdata.errors import MosdataError, RecordRejected
from mosdata.manifests.rows import Utterance

INDEX_NAME: Final = "reuse.arrow"
SOURCES_NAME: Final = "reuse.json"
"""Written last: where it is, the index is whole."""


def reusing(bench: Bench, run: Path, shard: Shard, spec: StageSpec) -> Bench:
    """A bench that takes over what it can and leaves the rest to the one given."""
    found = sources(run)
    if not found:
        return bench
    try:
        rows = _index_of(run, shard.index)
    except OSError:  # another command has just asked for no reuse
        return bench
    return TakesOver(bench, spec, found, rows) if rows else bench


class TakesOver:
    """Rows of earlier datasets where they fit, else rows of the bench behind it."""

    def __init__(
        self,
        bench: Bench,
        spec: StageSpec,
        sources: Sequence[Mapping[str, Any]],
        rows: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.num_taken = 0
        self._bench = bench
        self._spec = spec
        self._sources = sources
        self._rows = rows

    def make(self, record: Record) -> Sequence[Made]:
        """The rows of one record."""
        row = self._earlier(record)
        if row is None:
            return self._bench.make(record)
        self.num_taken += 1
        return [row]

    def _earlier(self, record: Record) -> Utterance | None:
        entry = self._rows.get(record.id)
        if entry is None:
            return None
        source = self._sources[entry["source"]]
        try:
            clips = _clips(source["folder"], source["dataset_id"])
            place = Place(path=entry["path"], group=entry["group"], row=entry["row"])
            row = clips.fetch(place)
            if row.id != record.id:
                return None
            if self._spec.name == "build":
                return row if _is_spoken(row, record, self._spec) else None
            return row if self._is_copy(row, record, entry, source) else None
        except (MosdataError, IndexError):  # gone or changed since it was looked up
            return None

    def _is_copy(
        self,
        row: Utterance,
        record: Record,
        entry: Mapping[str, Any],
        source: Mapping[str, Any],
    ) -> bool:
        """Whether a row is the corrupted copy of a clip as it is now."""
        values: dict[str, Any] = record.payload
        if "kinds" not in values or "values" in values:
            return False
        if any(map(needs_of, values["kinds"])) and not source["same_source"]:
            return False
        parent = _clips(self._spec.inputs["source"], "").fetch(Place.from_json(values["place"]))
        if not source["same_source"] and entry["parent_sound"] != _sound_of(parent):
            return False
        num_before = len(parent.corruptions)
        added = [(one.name, one.level) for one in row.corruptions[num_before:]]
        return (
            row.corruptions[:num_before] == parent.corruptions
            and added == [(kind, values["level"]) for kind in values["kinds"]]
            and _without_sound(row) == _without_sound(_copy_of(parent, record.id))
        )


def _is_spoken(row: Utterance, record: Record, spec: StageSpec) -> bool:
    """Whether a row is what a build would say for a record; its id covers most of it."""
    values: dict[str, Any] = record.payload
    systems: Any = spec.config["systems"]
    return (
        row.system == record.group
        and row.engine_revision == systems[record.group]["revision"]
        and row.sample_rate_hz == (values.get("sample_rate_hz") or spec.sample_rate_hz)
        and row.voice == values["voice"]
        and _is_cloned_alike(row, systems[record.group].get("prompts", {}).get(row.voice))
        and (row.text, row.sentence) == (values["text"], values["sentence"])
        and (row.language, row.seed) == (values["language"], values["seed"])
    )


def _is_cloned_alike(row: Utterance, recording: Mapping[str, str] | None) -> bool:
    """Whether speaker and terms of a cloned voice are those of today; its id covers its sound."""
    if recording is None:
        return row.speaker == row.voice
    return (row.speaker, row.license, row.output_terms) == (
        recording["speaker"],
        recording["license"],
        recording["output_terms"],
    )


def _copy_of(parent: Utterance, record_id: str) -> Utterance:
    """All of a copy but its sound."""
    return replace(
        parent,
        id=record_id,
        parent_id=parent.id,
        mos=None,
        mos_std=None,
        mos_votes=None,
        mos_scale=None,
    )


def _without_sound(row: Utterance) -> Utterance:
    return replace(
        row,
        audio=b"",
        sample_rate_hz=0,
        num_samples=0,
        duration_s=0.0,
        corruptions=(),
        pcm_sha256="",
        bandwidth_hz=0.0,
        peak_dbfs=0.0,
        rms_dbfs=0.0,
        clipped_fraction=0.0,
    )


def _sound_of(row: Utterance) -> str:
    return f"{row.pcm_sha256}@{row.sample_rate_hz}"


@lru_cache(maxsize=4)
def _clips(folder: str, dataset_id: str) -> SourceClips:
    """Clips of an earlier dataset; one row group of it stays in memory.

    Raises:
        RecordRejected: there is another dataset now.
    """
    clips = SourceClips(Path(folder), keep_groups=1)
    if dataset_id and clips.dataset.dataset_id != dataset_id:
        raise RecordRejected("moved", f"{folder} holds another dataset now.")
    return clips


def index_about(run: Path) -> dict[str, Any]:
    """What the index of a run says of itself; empty where there is none."""
    try:
        return dict(json.loads((run / SOURCES_NAME).read_text("utf-8")))
    except FileNotFoundError:
        return {}


def sources(run: Path) -> list[dict[str, Any]]:
    """The datasets that a run takes rows over from; none where nothing was looked up."""
    return list(index_about(run).get("sources", []))


def _index_of(run: Path, index: int) -> dict[str, dict[str, Any]]:
    """The entries of one shard, by record; the others are not read."""
    with pa.memory_map(str(run / INDEX_NAME)) as source:
        entries = pa.ipc.open_file(source).get_batch(index).to_pylist()
    return {entry["id"]: entry for entry in entries}
