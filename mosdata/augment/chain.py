"""Several corruptions of one clip, in the order in which they would happen to a sound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from mosdata.audio import Clip
from mosdata.augment.base import Pool
from mosdata.augment.corruptions import ADAPTER_PREFIX, build_corruption
from mosdata.errors import InvalidValue
from mosdata.manifests.ids import rng_for
from mosdata.manifests.rows import Applied

PHYSICAL_ORDER: Final = (
    "reverb",  # the room around the speaker
    "overlap",  # who else is in it
    "white_noise",
    "high_pass",  # the microphone and the line
    "low_pass",
    ADAPTER_PREFIX,  # whatever audiomentations does, in the order given
    "mp3",  # the codec
    "time_mask",  # the network
)


def in_physical_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names sorted from the room to the network.

    Raises:
        InvalidValue: a name given twice.

    Example:
        >>> in_physical_order(["mp3", "reverb"])
        ('reverb', 'mp3')
    """
    given = list(names)
    if len({*given}) < len(given):
        raise InvalidValue("chain", given, "each corruption once")
    return tuple(sorted(given, key=_place))


def draw_chain(
    names: Sequence[str],
    level: float,
    clip: Clip,
    *,
    seed: int,
    record_id: str,
    pool: Pool | None = None,
    sentence: str = "",
    speaker: str = "",
) -> tuple[Applied, ...]:
    """Draw a chain; each link is drawn for the clip as the former links leave it.

    Args:
        names: corruptions, in any order; they are applied in the physical one.
        level: in [0, 1], for every link.
        clip: not changed.
        seed: seed of the run.
        record_id: whose chance this is. It must not contain the level, or the same record at a
            higher level would be other damage instead of more of the same.
        pool: other clips; needed where ``overlap`` is in the chain.
        sentence: sentence group of the clip; needed where ``overlap`` is in the chain.
        speaker: speaker of the clip.

    Returns:
        One ``Applied`` per name, in the order in which they are applied.

    Raises:
        RecordRejected: a link cannot be drawn for this clip.
        UnknownName: no such corruption.
        InvalidValue: a level outside [0, 1], a name given twice, or no pool for ``overlap``.
    """
    drawn: list[Applied] = []
    for name in in_physical_order(names):
        if drawn:
            clip = apply_chain(clip, drawn[-1:], pool=pool)
        corruption = build_corruption(name, pool=pool, sentence=sentence, speaker=speaker)
        drawn.append(corruption.draw(level, clip, rng_for(seed, record_id, name)))
    return tuple(drawn)


def apply_chain(clip: Clip, applied: Iterable[Applied], *, pool: Pool | None = None) -> Clip:
    """Apply what was drawn, in the order given; pure.

    Raises:
        RecordRejected: the clip is not the one that the chain was drawn for, and cannot be made.
    """
    for link in applied:
        clip = build_corruption(link.name, pool=pool).apply(clip, link)
    return clip


def _place(name: str) -> int:
    if name.startswith(ADAPTER_PREFIX):
        return PHYSICAL_ORDER.index(ADAPTER_PREFIX)
    return PHYSICAL_ORDER.index(name) if name in PHYSICAL_ORDER else len(PHYSICAL_ORDER)
