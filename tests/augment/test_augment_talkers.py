"""Who may talk over a clip: nobody whose recording is no speech, and nobody is lost for it."""

from __future__ import annotations

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.augment.chain import harm
from mosdata.augment.pool import MemoryPool
from mosdata.errors import RecordRejected
from mosdata.testing import speechlike

BROKEN = {
    "one sample": Clip(np.array([0.5], np.float32), 16_000),
    "10 ms": Clip(speechlike(1.0).samples[8_000:8_160].copy(), 16_000),
    "constant": Clip(np.full(16_000, 0.3, np.float32), 16_000),
    "constant at another rate": Clip(np.full(44_100, 0.3, np.float32), 44_100),
    "silence": Clip(np.zeros(16_000, np.float32), 16_000),
}


def heard(kind: str, pool: MemoryPool, record_id: str) -> list[object]:
    """Ids of who is mixed in."""
    about = {"pool": pool, "sentence": "text", "speaker": "ann"}
    (applied,), _ = harm([kind], 0.5, speechlike(1.0), seed=1, record_id=record_id, **about)  # type: ignore[arg-type]
    talkers = applied.params.get("talker_ids", [applied.params.get("interferer_id")])
    assert isinstance(talkers, list)
    return talkers


@pytest.mark.parametrize("kind", ["babble", "overlap"])
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_talker_who_says_nothing_is_passed_over(kind: str, broken: Clip) -> None:
    """One such clip costs no record, and is in none; alone it is a reason."""
    others = {f"c{i}": (speechlike(1.0, seed=i), f"text-{i}", f"voice-{i}") for i in range(7)}
    pool = MemoryPool({**others, "broken": (broken, "text-b", "voice-b")})
    for record in range(20):
        assert "broken" not in heard(kind, pool, f"record-{record}")
    with pytest.raises(RecordRejected) as refused:
        heard(kind, MemoryPool({"broken": (broken, "text-b", "voice-b")}), "record")
    assert refused.value.reason == "no_interferer"
