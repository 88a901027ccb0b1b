"""Stable names and private chance for every record.

An id is a digest of what the record *is*: the same inputs give the same id on any machine. A
generator is seeded from the run's seed, the record's id and a purpose, so what a record draws
does not depend on workers, order, batches or restarts.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Final

import numpy as np

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]
"""A value that survives a round trip through JSON."""


_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
"""Built once: ``json.dumps`` builds one for every call, which takes as long as encoding."""


def canonical_json(value: object) -> str:
    """One spelling per value: sorted keys, no spaces, NaN refused."""
    return _CANONICAL.encode(value)


def stable_id(kind: str, key: Mapping[str, JSON]) -> str:
    """A 26-letter name for what ``key`` says; lower-case base32 of 128 bits of blake2b.

    Example:
        >>> stable_id("text", {"text": "hello"}) == stable_id("text", {"text": "hello"})
        True
    """
    digest = _digest(f"{kind}\x00{canonical_json(key)}")
    return base64.b32encode(digest).decode().rstrip("=").lower()


def rng_for(seed: int, record_id: str, purpose: str) -> np.random.Generator:
    """A generator of its own for one record and one purpose.

    Args:
        seed: seed of the run.
        record_id: whose chance this is.
        purpose: what is drawn, such as ``"white_noise"``; never contains a level, so that the
            same record at a higher level is the same damage and more of it.
    """
    return np.random.Generator(np.random.SFC64(seed_for(seed, record_id, purpose)))


def seed_for(seed: int, record_id: str, purpose: str, bits: int = 128) -> int:
    """An integer seed of ``bits`` bits for libraries that take one."""
    digest = _digest(f"{seed}\x00{record_id}\x00{purpose}")
    return int.from_bytes(digest, "big") >> (128 - bits)


def unit_hash(text: str) -> float:
    """A number in [0, 1) that depends on the text alone; used to split and to choose."""
    return int.from_bytes(_digest(text)[:7], "big") / 2**56


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
