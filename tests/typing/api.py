"""Calls that a user writes; read by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

from mosdata.audio import Clip, decode_audio
from mosdata.manifests.rows import Utterance
from mosdata.manifests.store import Dataset, open_dataset
from mosdata.testing import utterance

assert_type(open_dataset("out/build"), Dataset)
assert_type(utterance(), Utterance)
assert_type(utterance().mos, float | None)
assert_type(decode_audio(b""), Clip)
