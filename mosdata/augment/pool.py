"""A pool of interferers and files that fits in memory."""

from __future__ import annotations

from collections.abc import Mapping

from mosdata.audio import Clip, check_samples, resample
from mosdata.augment.base import Material
from mosdata.augment.mixing import checked_sound
from mosdata.errors import NothingFound


class MemoryPool:
    """Clips by id, each with its sentence group and its speaker; for tests and small sets.

    Args:
        clips: clip id -> (clip, sentence, speaker). Kept, not copied.
        files: material -> file id -> clip, as from a folder of noises or impulse responses.

    Example:
        >>> from mosdata.testing import clip
        >>> pool = MemoryPool({"a": (clip(), "text-1", "ann"), "b": (clip(), "text-2", "bob")})
        >>> pool.candidates(sentence="text-1", speaker="ann")
        ('b',)
    """

    def __init__(
        self,
        clips: Mapping[str, tuple[Clip, str, str]],
        *,
        files: Mapping[Material, Mapping[str, Clip]] | None = None,
    ) -> None:
        self._clips = clips
        self._files = files or {}

    def candidates(self, *, sentence: str, speaker: str) -> tuple[str, ...]:
        """Ids of clips with another text and another speaker, sorted."""
        return tuple(
            sorted(
                clip_id
                for clip_id, (_, other_sentence, other_speaker) in self._clips.items()
                if other_sentence != sentence and other_speaker != speaker
            )
        )

    def clip(self, clip_id: str) -> Clip:
        """The clip of an id.

        Raises:
            NothingFound: no such clip; the row was made with another pool.
        """
        if clip_id not in self._clips:
            raise NothingFound(f"The pool has no clip {clip_id!r}: use the pool it was drawn from.")
        return self._clips[clip_id][0]

    def files(self, material: Material) -> tuple[str, ...]:
        """Ids of the files of a material, sorted."""
        return tuple(sorted(self._files.get(material, {})))

    def file_clip(self, material: Material, file_id: str, sample_rate_hz: int) -> Clip:
        """A file at a rate.

        Raises:
            NothingFound: no such file; the row was made with another folder.
        """
        if file_id not in self._files.get(material, {}):
            raise NothingFound(
                f"The {material} folder has no file {file_id!r}: use the one it was drawn from."
            )
        sound = check_samples(self._files[material][file_id])
        if material == "noise":  # a response may be as short as it likes
            checked_sound(sound)
        return resample(sound, sample_rate_hz)
