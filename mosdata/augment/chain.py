"""Several corruptions of one clip, in the order in which they would happen to a sound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import numpy as np

from mosdata.audio import Clip
from mosdata.augment.base import Corruption, Pool
from mosdata.augment.corruptions import ADAPTER_PREFIX, CORRUPTIONS, STAGES, build_corruption
from mosdata.augment.ladder import LadderCorruption
from mosdata.augment.transform_spec import TransformSpec
from mosdata.errors import InvalidValue, RecordRejected
from mosdata.manifests.ids import rng_for
from mosdata.manifests.rows import Applied

Order = Literal["physical", "given"]

NO_VALUES: Final[Mapping[str, Mapping[str, float]]] = {}

_IDLE: Final = np.random.Generator(np.random.SFC64(0))
"""For those that draw nothing."""

ADAPTER_STAGE: Final = "distortion"
"""Whatever audiomentations does, in the order given, after our own distortions."""


def in_physical_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names sorted from the room to the network.

    Raises:
        InvalidValue: a name given twice.

    Example:
        >>> in_physical_order(["mp3", "reverb"])
        ('reverb', 'mp3')
    """
    return tuple(sorted(_each_once(names), key=_place))


def harm(
    names: Sequence[str],
    level: float,
    clip: Clip,
    *,
    seed: int,
    record_id: str,
    values: Mapping[str, Mapping[str, float]] = NO_VALUES,
    order: Order = "physical",
    pool: Pool | None = None,
    sentence: str = "",
    speaker: str = "",
) -> tuple[tuple[Applied, ...], Clip]:
    """Draw a chain and apply it; each link is drawn for the clip as the former links leave it.

    Args:
        names: corruptions, each once.
        level: in [0, 1], for every link without values of its own.
        clip: not changed.
        seed: seed of the run.
        record_id: whose chance this is. It must not contain the level, or the same record at a
            higher level would be other damage instead of more of the same.
        values: physical values instead of the level, by name: ``{"mp3": {"bitrate_kbps": 16}}``.
        order: ``physical``, from the room to the network, or as the names are ``given``.
        pool: other clips and files; needed where a link mixes them in.
        sentence: sentence group of the clip; needed where ``overlap`` is in the chain.
        speaker: speaker of the clip.

    Returns:
        One ``Applied`` per name, in the order in which they are applied, and the clip after
        them: what :func:`apply_chain` makes of the clip.

    Raises:
        RecordRejected: a link cannot be drawn for this clip, or not be applied to it.
        UnknownName: no such corruption.
        InvalidValue: a level outside [0, 1], a name given twice, values that mean nothing, or no
            pool for a link that mixes others in.
    """
    drawn: list[Applied] = []
    for name in in_physical_order(names) if order == "physical" else _each_once(names):
        corruption = build_corruption(name, pool=pool, sentence=sentence, speaker=speaker)
        rng = generator_for(corruption, seed, record_id)
        try:
            if name in values:
                link = corruption.draw_at(values[name], clip, rng)
            else:
                link = corruption.draw(level, clip, rng)
            clip = corruption.apply(clip, link)
        except RecordRejected as error:
            if not drawn or error.reason != "silence":
                raise
            before = ", ".join(one.name for one in drawn)
            detail = f"{before} left no speech for {name}; take a lower level or a shorter chain."
            raise RecordRejected("silence", detail) from error
        drawn.append(link)
    return tuple(drawn), clip


def generator_for(corruption: Corruption, seed: int, record_id: str) -> np.random.Generator:
    """The record's own generator for a corruption; one for all where nothing is drawn.

    To make a generator costs a few per cent of what the quicker corruptions do.

    Example:
        >>> first = generator_for(build_corruption("low_pass"), 1, "a")
        >>> first is generator_for(build_corruption("mp3"), 1, "b")
        True
    """
    if isinstance(corruption, LadderCorruption) and not corruption.takes_a_chance:
        return _IDLE
    return rng_for(seed, record_id, corruption.name)


def apply_chain(
    clip: Clip, applied: Iterable[Applied], *, pool: Pool | None = None, files: bool = False
) -> Clip:
    """Apply what was drawn, in the order given; pure.

    Args:
        clip: that it was drawn for; not changed.
        applied: of a row, say.
        pool: other clips and files; needed where a link mixes them in.
        files: whether transforms of audiomentations may open the paths in their names. A row that
            somebody else made may name any file.

    Raises:
        RecordRejected: the clip is not the one that the chain was drawn for, and cannot be made.
        InvalidValue: a link names a path, and ``files`` does not allow it.
    """
    for link in applied:
        if link.name.startswith(ADAPTER_PREFIX) and not files:
            _refuse_paths(link.name)
        clip = build_corruption(link.name, pool=pool).apply(clip, link)
    return clip


def _refuse_paths(name: str) -> None:
    if paths := TransformSpec.parse(name).paths:
        do = f"It would open what {', '.join(paths)} names. Pass files=True if you trust the row."
        raise InvalidValue("corruption", name, "without a path of this machine", do)


def _each_once(names: Iterable[str]) -> list[str]:
    given = list(names)
    # Whatever its arguments, and however it is spaced.
    if len({"".join(name.partition("(")[0].split()) for name in given}) < len(given):
        raise InvalidValue("chain", ",".join(given), "each corruption once")
    return given


def _place(name: str) -> tuple[int, int]:
    """Stage, and the place in the table within it; transforms of audiomentations come last."""
    kind = CORRUPTIONS.get(name)
    if kind is None:
        stage = ADAPTER_STAGE if name.startswith(ADAPTER_PREFIX) else STAGES[-1]
        return STAGES.index(stage), len(CORRUPTIONS)
    return STAGES.index(kind.stage), [*CORRUPTIONS].index(name)
