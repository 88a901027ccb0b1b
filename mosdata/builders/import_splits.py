"""The split of each imported clip: the corpus's own, or drawn so that a key stays together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from mosdata.builders.findings import named
from mosdata.builders.rated_clips import RatedClip
from mosdata.corpora.table import Finding
from mosdata.errors import InvalidValue
from mosdata.manifests.splits import SPLITS, SplitRule

CORPUS: Final = "corpus"
CANDIDATES: Final = 256
"""Salts that are tried where the first leaves a split empty."""

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


def filled(rule: SplitRule, clips: Sequence[RatedClip], *, by: str) -> SplitRule:
    """The rule with a salt that leaves no wanted split empty, where there are groups enough.

    A corpus of a dozen sentences often gives validation none by chance. The salt is tried in a
    fixed order, the nearest to the shares wins, and it is stored with the dataset: importing a
    corpus that has grown with ``--salt`` as it was moves no clip.
    """
    wanted = sum(share > 0 for share in rule.shares)
    keys = [] if by == CORPUS else _keys(clips, by)
    if len({*keys}) < wanted or len({*map(rule.split_of, keys)}) == wanted:
        return rule
    size = Counter(keys)
    tries = [replace(rule, salt=f"{rule.salt}.{number}") for number in range(1, CANDIDATES + 1)]
    return min(tries, key=lambda tried: _unevenness(tried, size))


def _unevenness(rule: SplitRule, size: Counter[str]) -> float:
    """How far the splits are from their shares; an empty one is the worst of all."""
    clips: Counter[str] = Counter()
    for key, count in size.items():
        clips[rule.split_of(key)] += count
    shares = dict(zip(SPLITS, rule.shares, strict=True))
    off = [abs(clips[name] / size.total() - s / sum(rule.shares)) for name, s in shares.items()]
    return sum(off) + sum(share > 0 and not clips[name] for name, share in shares.items())


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
