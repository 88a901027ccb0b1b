"""The split of each imported clip: the corpus's own, or drawn so that a key stays together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mosdata.builders.findings import named
from mosdata.builders.rated_clips import RatedClip
from mosdata.corpora.table import Finding
from mosdata.errors import InvalidValue
from mosdata.manifests.splits import SplitRule

CORPUS: Final = "corpus"
SPLIT_KEYS: Final = ("sentence", "system", "speaker", "source", CORPUS)


def key_to_split_by(clips: Sequence[RatedClip], asked: str | None) -> str:
    """What was asked for, else the corpus's own split where every clip has one, else sentences."""
    return asked or (CORPUS if all(clip.split for clip in clips) else "sentence")


def splits_of(clips: Sequence[RatedClip], *, by: str, rule: SplitRule) -> list[str]:
    """The split of each clip.

    Raises:
        InvalidValue: some clips lack what the split goes by.
    """
    has = {CORPUS: "split", "system": "has_system", "speaker": "has_speaker"}.get(by)
    lacking = [clip.name for clip in clips if has and not getattr(clip, has)]
    if lacking:
        what = "split of its own" if by == CORPUS else by
        raise InvalidValue(
            "--by",
            by,
            "something that every clip has",
            f"{len(lacking):,} clips have no {what} ({', '.join(lacking[:3])}); try --by sentence.",
        )
    if by == CORPUS:
        return [str(clip.split) for clip in clips]
    return [rule.split_of(key) for key in _keys(clips, by)]


def _keys(clips: Sequence[RatedClip], by: str) -> list[str]:
    """What each clip is dealt out by; a clip made from another belongs where that one does."""
    if by == "source":
        return [clip.origin for clip in clips]
    own = {clip.name: str(clip.about[by]) for clip in clips}
    return [own.get(clip.origin, own[clip.name]) for clip in clips]


def split_findings(clips: Sequence[RatedClip], by: str) -> list[Finding]:
    """Clips whose own split was not kept."""
    own = [clip.name for clip in clips if clip.split is not None and by != CORPUS]
    what = f"clips have a split in the corpus that was not kept: --by {by} drew anew."
    return named("split_not_kept", own, what)
