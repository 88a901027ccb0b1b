"""Piper: fast VITS voices as ONNX, in an environment of their own (GPL-3.0-or-later)."""

from __future__ import annotations

from typing import Final

from mosdata.synth.hosting.spec import Checkpoint, EngineSpec

PIPER: Final = EngineSpec(
    name="piper",
    adapter="piper",
    family="vits",
    code_license="GPL-3.0-or-later",
    source_url="https://github.com/OHF-Voice/piper1-gpl",
    lock="piper.txt",
    checkpoints=(
        Checkpoint(
            system="piper-lessac-medium",
            sample_rate_hz=22_050,
            languages=("en",),
            weights_license="LicenseRef-Blizzard-2013",
            license="LicenseRef-Blizzard-2013",
            output_terms="restricted",
            weights_ids=("hf:rhasspy/piper-voices (en/en_US/lessac/medium)",),
            max_chars=300,
            notes="Trained on a recording licensed for research. Terms differ from voice to voice: "
            "read the MODEL_CARD beside it, and give another voice a system name of your own.",
        ),
    ),
    terms_note="Each voice has the terms of the recordings that it was trained on.",
)
