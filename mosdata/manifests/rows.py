"""What is known about one clip, and one score that somebody or something gave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mosdata.audio import Clip, Rounded, Stored, decode_audio, rounded, stored
from mosdata.errors import RecordRejected
from mosdata.manifests.ids import JSON

NATURAL = "natural"
"""Class of recorded, unsynthesised speech."""

UNKNOWN = "unknown"
"""Class of speech whose synthesizer nobody told us; masked in the classification loss."""

HUMAN = "human"
"""``Rating.kind`` of a score that a person gave. Everything else is the name of a metric."""

DEBIASED = "debiased"
"""``Rating.kind`` of people's scores less what each listener adds to every clip: one a clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One corruption as it was drawn: enough to apply it again, bit for bit.

    ``level`` is in [0, 1]: 0 leaves the clip untouched, 1 is the strongest. ``params`` holds the
    drawn physical values with their unit in the name (``snr_db``, ``cutoff_hz``).
    """

    name: str
    level: float
    params: dict[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One clip and all that is known about it: a row of ``data/*.parquet``.

    ``mosdata.manifests.schema.CLIPS`` documents every field as a column.
    """

    id: str
    audio: bytes
    sample_rate_hz: int
    num_samples: int
    duration_s: float
    text: str
    language: str
    speaker: str
    synthesizer: str
    system: str
    engine_revision: str
    dataset: str
    sentence: str
    voice: str = ""
    text_spoken: str = ""
    boundaries_s: tuple[float, ...] = ()
    engine_fingerprint: str = ""
    speech_s: float | None = None
    heard: str | None = None
    parent_id: str | None = None
    corruptions: tuple[Applied, ...] = ()
    mos: float | None = None
    mos_std: float | None = None
    mos_votes: int | None = None
    mos_scale: str | None = None
    seed: int = 0
    license: str = "unknown"
    code_license: str = ""
    weights_license: str = ""
    output_terms: str = "unknown"
    pcm_sha256: str = ""
    flags: tuple[str, ...] = ()
    sample_rate_source_hz: int = 0
    num_channels_source: int = 1
    encoding_source: str = ""
    bandwidth_hz: float = 0.0
    peak_dbfs: float = 0.0
    rms_dbfs: float = 0.0
    clipped_fraction: float = 0.0

    def clip(self) -> Clip:
        """Decode the audio.

        Raises:
            RecordRejected: there is none; the corpus was imported as ratings only.
        """
        if not self.audio:
            raise RecordRejected(
                "no_audio",
                f"Clip {self.id} has no audio: its corpus came as ratings only. Import it again "
                "with --audio FOLDER.",
            )
        return decode_audio(self.audio)

    def with_clip(self, clip: Clip, **changes: Any) -> Utterance:
        """The row with this sound: encoded, counted, hashed and measured as it is read back.

        Args:
            clip: the sound.
            changes: other fields that change with it.

        Raises:
            RecordRejected: the clip holds NaN or infinity, or no sample at all.
        """
        return with_sounds([self.to_store(clip, **changes)])[0]

    def to_store(self, clip: Clip, *, made_from: str = "", **changes: Any) -> Unstored:
        """What :meth:`with_clip` does, as far as it goes without encoding; the rest can wait.

        Args:
            clip: the sound.
            made_from: ``pcm_sha256`` of the clip that this one was made from, and which it must
                not be again.
            changes: to other fields.

        Raises:
            RecordRejected: the clip holds NaN or infinity, or no sample at all.
        """
        return Unstored(self, rounded(clip), changes, made_from)


@dataclass(frozen=True, slots=True)
class Unstored:
    """A row and the sound that it will have: rounded, and not yet encoded."""

    row: Utterance
    sound: Rounded
    changes: Mapping[str, Any]
    made_from: str = ""

    def stored(self, kept: Stored) -> Utterance:
        """The row with its sound as it is kept.

        Raises:
            RecordRejected: ``unchanged``: these are the samples of the clip it was made from.
        """
        if kept.pcm_sha256 == self.made_from:
            raise RecordRejected(
                "unchanged",
                "Every 16-bit sample of this clip was left as it was: a copy would be its source "
                "under another label.",
            )
        return replace(
            self.row,
            audio=kept.flac,
            sample_rate_hz=self.sound.sample_rate_hz,
            num_samples=len(self.sound.pcm),
            duration_s=self.sound.duration_s,
            pcm_sha256=kept.pcm_sha256,
            bandwidth_hz=kept.levels.bandwidth_hz,
            peak_dbfs=kept.levels.peak_dbfs,
            rms_dbfs=kept.levels.rms_dbfs,
            clipped_fraction=kept.levels.clipped_fraction,
            **self.changes,
        )


def with_sounds(rows: Sequence[Unstored]) -> list[Utterance]:
    """Store some sounds together, which takes less time than one by one."""
    kept = stored([row.sound for row in rows])
    return [row.stored(each) for row, each in zip(rows, kept, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One score for one clip: a row of ``ratings/**/*.parquet``.

    ``kind`` is ``"human"`` or the name of a metric (``"dnsmos"``, ``"pesq"``); a metric's score
    is never stored as a human one. ``dimension`` says what was judged (``"mos"``, ``"sig"``),
    ``scale`` on which scale (``"acr_1_5"``), ``rater`` and ``test`` who and where (people only),
    ``revision`` which version of a metric. Where a corpus publishes means only, ``value`` is the
    mean of ``votes`` scores (0 where nobody says of how many) and ``std`` their standard
    deviation; both are None for one score.
    """

    clip_id: str
    kind: str
    dimension: str
    scale: str
    value: float
    votes: int | None = None
    std: float | None = None
    rater: str | None = None
    test: str | None = None
    revision: str | None = None
