"""The class list: every system that mosdata names, in an order that never changes.

The class of a clip is its *system*: engine, checkpoint and vocoder; not the voice, the text or
the language. Names are only ever appended, so an index means the same in every dataset that
mosdata wrote. Systems brought by users come after the committed ones, in a dataset's own list;
readers go by name (the ``ClassLabel`` in the schema), never by a number from another dataset.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mosdata.manifests.rows import NATURAL, UNKNOWN

SYSTEM_NAMES: Final = (
    NATURAL,
    UNKNOWN,
    # The MoE paper's four augmenters (Hu et al. 2025, section II-B), named as there.
    "cosyvoice-300m",
    "cosyvoice2-0.5b",
    "fireredtts",
    "f5tts-24khz",
    # Offline engines.
    "espeak-formant",
    "espeak-klatt",
    "espeak-formant-griffinlim",
    "espeak-formant-lpc",
    "espeak-formant-world",
    "espeak-formant-sinusoidal",
    "espeak-klatt-griffinlim",
    "espeak-klatt-lpc",
    "espeak-klatt-world",
    "espeak-klatt-sinusoidal",
    "flite-diphone",
    "flite-clustergen",
    "festival-diphone",
    "festival-hts",
    "tone",
    # Models of transformers, and engines with packages of their own.
    "mms-tts-eng",
    "vits-ljs",
    "vits-vctk",
    "speecht5",
    "fastspeech2-conformer",
    "bark",
    "bark-small",
    "kokoro-82m",
    "piper-lessac-medium",
    "cosyvoice-300m-sft",
    "fun-cosyvoice3-0.5b",
    "fireredtts2",
)
"""Append only. Index 0 is natural speech, index 1 is reserved for ``unknown``."""


def class_names(systems: Iterable[str]) -> list[str]:
    """The class list of a dataset: the committed names, then the user's own, in given order.

    Example:
        >>> class_names(["my-tts", "tone"])[-1:]
        ['my-tts']
    """
    names = list(SYSTEM_NAMES)
    names += [name for name in dict.fromkeys(systems) if name not in SYSTEM_NAMES]
    return names
