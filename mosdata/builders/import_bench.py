"""The making side of ``import``: one file, taken in as it is, becomes one row."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mosdata.builders.stage import Record, StageSpec
from mosdata.corpora.sound import take_in
from mosdata.errors import RecordRejected, UsageError
from mosdata.manifests.rows import Unstored, Utterance


class ImportBench:
    """Takes in one file a record."""

    def __init__(self, spec: StageSpec) -> None:
        self._config: dict[str, Any] = dict(spec.config)
        self._folder = Path(spec.inputs["audio"]) if "audio" in spec.inputs else None
        self._places: dict[str, str] = json.loads(spec.inputs.get("files", "{}"))

    def make(self, record: Record) -> list[Utterance | Unstored]:
        """The clip as it is, at its own rate; without audio where only ratings are imported.

        Raises:
            RecordRejected: ``no_audio``, or a reason of :func:`mosdata.corpora.sound.take_in`.
        """
        values: dict[str, Any] = record.payload
        row = Utterance(
            id=values["name"],
            audio=b"",
            sample_rate_hz=0,
            num_samples=0,
            duration_s=0.0,
            engine_revision="",
            license=self._config["license"],
            output_terms=self._config["output_terms"],
            num_channels_source=0,
            **values["about"],
        )
        if self._folder is None:
            return [row]
        sound = take_in(self._read(self._folder, values["sha256"]))
        made = row.to_store(
            sound.clip,
            flags=sound.flags,
            sample_rate_source_hz=sound.clip.sample_rate_hz,
            num_channels_source=sound.num_channels,
            encoding_source=sound.encoding,
        )
        return [made]

    def _read(self, folder: Path, sha256: str | None) -> bytes:
        """The bytes that the plan was made for.

        Raises:
            RecordRejected: there were none, or they could not be read.
            UsageError: the file has changed since.
        """
        if sha256 is None:
            raise RecordRejected("no_audio", "The folder has no file of this clip.")
        if not sha256:
            raise RecordRejected("unreadable_file", "The file of this clip could not be opened.")
        path = folder / self._places[sha256]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"{path} was there when the import was planned, and cannot be read now: "
                f"{error.strerror}. Do all workers see this folder?"
            ) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise UsageError(
                f"{path} has changed since the import was planned. Put it back, or remove the "
                "unfinished run and import anew."
            )
        return data
