"""Kokoro-82M, in an environment of its own."""

from __future__ import annotations

from typing import Final

from mosdata.synth.hosting.spec import Checkpoint, EngineSpec

KOKORO: Final = EngineSpec(
    name="kokoro",
    adapter="kokoro",
    family="styletts2",
    code_license="Apache-2.0",
    source_url="https://github.com/hexgrad/kokoro",
    lock="kokoro.txt",
    checkpoints=(
        Checkpoint(
            system="kokoro-82m",
            sample_rate_hz=24_000,
            languages=("en", "es", "fr", "hi", "it", "pt"),
            weights_license="Apache-2.0",
            license="Apache-2.0",
            output_terms="open",
            files=("config.json", "voices"),
            weights_ids=("hf:hexgrad/Kokoro-82M",),
            vocoder="istftnet",
            max_chars=300,
            notes="English reads through misaki and spaCy's en_core_web_sm, or eSpeak by option.",
        ),
    ),
)
