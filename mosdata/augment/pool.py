"""A pool of interferers that fits in memory."""

from __future__ import annotations

from collections.abc import Mapping

from mosdata.audio import Clip
from mosdata.errors import NothingFound


class MemoryPool:
    """Clips by id, each with its sentence group and its speaker; for tests and small sets.

    Args:
        clips: clip id -> (clip, sentence, speaker). Kept, not copied.

    Example:
        >>> from mosdata.testing import clip
        >>> pool = MemoryPool({"a": (clip(), "text-1", "ann"), "b": (clip(), "text-2", "bob")})
        >>> pool.candidates(sentence="text-1", speaker="ann")
        ('b',)
    """

    def __init__(self, clips: Mapping[str, tuple[Clip, str, str]]) -> None:
        self._clips = clips

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
