"""F5-TTS: flow matching without an aligner; a package on PyPI, weights for non-commercial use."""

from __future__ import annotations

from typing import Final

from mosdata.synth.hosting.spec import Checkpoint, EngineSpec, PromptLimits

SPEC: Final = EngineSpec(
    name="f5tts",
    adapter="f5tts",
    family="flow",
    code_license="MIT",
    source_url="https://github.com/SWivid/F5-TTS",
    python="3.11",
    lock="f5tts.txt",
    prompt=PromptLimits(
        min_duration_s=1.0, max_duration_s=12.0, min_sample_rate_hz=16_000, needs_text=True
    ),
    needs_gpu=True,
    gpu_memory_gb=3.0,
    text_frontend="mosdata",
    dtype="",
    terms_note="The weights are CC-BY-NC-4.0, so a dataset with these clips is non-commercial.",
    sampling={"nfe_step": 32, "cfg_strength": 2.0, "sway_sampling_coef": -1.0, "speed": 1.0},
    checkpoints=(
        Checkpoint(
            system="f5tts-24khz",
            sample_rate_hz=24_000,
            languages=("en", "zh"),
            weights_license="CC-BY-NC-4.0",
            output_terms="non-commercial",
            license="CC-BY-NC-4.0",
            files=("vocos/config.yaml", "vocos/pytorch_model.bin"),
            weights_ids=(
                "hf:SWivid/F5-TTS (F5TTS_v1_Base/model_1250000.safetensors), with "
                "hf:charactr/vocos-mel-24khz as vocos/ beside it",
            ),
            max_chars=135,
            vocoder="vocos",
            notes="How much one piece may hold depends on the prompt, up to about 160 bytes.",
        ),
    ),
)
"""``max_chars`` is upstream's own default for a chunk (``chunk_text``). The checkpoint is not among
the files, as those of users have other names (option ``ckpt_file``): the adapter looks for it."""
