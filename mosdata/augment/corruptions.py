"""The table of corruptions: a name, and where its code is."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Final

from mosdata.augment.base import Corruption, Pool
from mosdata.errors import InvalidValue, UnknownName

CORRUPTIONS: Final[dict[str, str]] = {
    "white_noise": "mosdata.augment.noise:WhiteNoise",
    "overlap": "mosdata.augment.overlap:Overlap",
    "reverb": "mosdata.augment.reverb:Reverb",
    "low_pass": "mosdata.augment.filters:LowPass",
    "high_pass": "mosdata.augment.filters:HighPass",
    "time_mask": "mosdata.augment.mask:TimeMask",
    "mp3": "mosdata.augment.mp3:Mp3",
}
"""Name -> ``module:Class``; nothing is imported before it is built."""

KINDS: Final[dict[str, tuple[str, ...]]] = {
    # The probes of the XLS-R study (Tamm et al. 2023, section 4).
    "speech": (
        "white_noise",
        "overlap",
        "reverb",
        "low_pass",
        "high_pass",
        "time_mask",
        "mp3",
    ),
    "all": tuple(CORRUPTIONS),
}
"""Groups that stand for several names; ``all`` has the table, not the ``am:`` transforms."""

ADAPTER_PREFIX: Final = "am:"
"""``am:<Class>`` is a transform of audiomentations; see :mod:`audiomentations_adapter`."""


def build_corruption(
    name: str, *, pool: Pool | None = None, sentence: str = "", speaker: str = ""
) -> Corruption:
    """Load a corruption by its name.

    Args:
        name: a key of ``CORRUPTIONS``, or ``am:<Class>`` with optional ``(argument=literal)``.
        pool: other clips, for ``overlap`` alone.
        sentence: sentence group of the clip to be drawn for, for ``overlap`` alone.
        speaker: speaker of the clip to be drawn for, for ``overlap`` alone.

    Raises:
        UnknownName: no such corruption; the message offers the nearest.
        InvalidValue: arguments that the transform does not take.
        MissingExtra: a package that the transform needs is not installed.

    Example:
        >>> build_corruption("mp3").ladder(1.0, 48_000)
        {'bitrate_kbps': 8, 'encoder_rate_hz': 16000}
    """
    if name.startswith(ADAPTER_PREFIX):
        from mosdata.augment.audiomentations_adapter import build_transform

        return build_transform(name)
    if name not in CORRUPTIONS:
        raise UnknownName("corruption", name, [*CORRUPTIONS, "am:<Class>"])
    module, _, class_name = CORRUPTIONS[name].partition(":")
    made = getattr(import_module(module), class_name)
    corruption: Corruption = (
        made(pool=pool, sentence=sentence, speaker=speaker) if name == "overlap" else made()
    )
    return corruption


def expand_kinds(text: str) -> tuple[str, ...]:
    """Names from a comma list of names and groups, each once, in the order given.

    Raises:
        UnknownName: neither a corruption nor a group.
        InvalidValue: an empty list, or an ``am:`` transform that cannot be read.

    Example:
        >>> expand_kinds("mp3,am:TanhDistortion(min_distortion=0.1, max_distortion=0.5)")
        ('mp3', 'am:TanhDistortion(max_distortion=0.5,min_distortion=0.1)')
    """
    names: dict[str, None] = {}
    for item in _items(text):
        names.update(dict.fromkeys(_names_of(item)))
    if not names:
        raise InvalidValue("kind", text, f"names separated by commas: {', '.join(_known())}")
    return tuple(names)


def _names_of(item: str) -> tuple[str, ...]:
    if item.startswith(ADAPTER_PREFIX):
        from mosdata.augment.transform_spec import TransformSpec

        return (str(TransformSpec.parse(item)),)
    if item in KINDS:
        return KINDS[item]
    if item not in CORRUPTIONS:
        raise UnknownName("corruption", item, _known())
    return (item,)


def _known() -> list[str]:
    return [*CORRUPTIONS, *KINDS, "am:<Class>"]


def _items(text: str) -> Iterator[str]:
    """Split at the commas that stand outside brackets."""
    depth, item = 0, ""
    for letter in f"{text},":
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth <= 0:
            if item.strip():
                yield item.strip()
            depth, item = 0, ""
        else:
            item += letter
    if item.strip(" ,"):
        raise InvalidValue("kind", text, "brackets that are closed again")
