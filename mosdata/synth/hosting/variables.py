"""Variables of engines: which are secrets, and which shape the sound.

Plans, provenance and rows are files that people share. So the value of a secret is never in a
setting: ``secrets`` in ``engines.toml`` names variables, and each worker takes their values from
the environment that mosdata itself runs in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Final

from mosdata.manifests.ids import JSON

SECRET: Final = re.compile(
    "TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY", re.IGNORECASE
)
"""Variables that no engine sees unless its settings name them."""

SECRET_OPTION: Final = re.compile(
    r"(?:^|_)(?:(?:api|auth|access|bearer|hf)_?(?:token|key)|secret(?:_key)?|password|passwd"
    r"|credentials?|private_key)$|^token$",
    re.IGNORECASE,
)
"""Options whose values would be keys; not ``eos_token`` and ``max_text_tokens``."""

WHERE: Final = frozenset({"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"})
"""Variables that say where something is computed, and not what."""


def secret_options(options: Mapping[str, object]) -> list[str]:
    """Names of options, however deep, that would carry a key into every row.

    Example:
        >>> secret_options({"speed": 1.0, "service": {"api_key": "k"}, "eos_token": "</s>"})
        ['api_key']
    """
    found = [name for name in options if SECRET_OPTION.search(name)]
    for value in options.values():
        if isinstance(value, Mapping):
            found += secret_options(value)
    return found


def values_of(names: Iterable[str]) -> dict[str, str]:
    """The secrets that are named, as far as they are set here."""
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def missing_secrets(names: Iterable[str]) -> list[str]:
    """Those that are not set here."""
    return [name for name in names if not os.environ.get(name)]


def shaping(environment: Mapping[str, str]) -> dict[str, JSON]:
    """Variables that may shape the sound: without folders, which differ between machines.

    Example:
        >>> shaping({"NVIDIA_TF32_OVERRIDE": "0", "LD_LIBRARY_PATH": "/opt/lib"})
        {'NVIDIA_TF32_OVERRIDE': '0'}
    """
    return {
        name: value for name, value in environment.items() if "/" not in value and name not in WHERE
    }
