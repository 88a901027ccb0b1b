"""FireRedTTS and FireRedTTS-2: language models over speech codes; checkouts, no packages."""

from __future__ import annotations

from typing import Final

from mosdata.synth.hosting.spec import Checkpoint, EngineSpec, PromptLimits

SPEC: Final = EngineSpec(
    name="fireredtts",
    adapter="fireredtts",
    family="ar-lm",
    code_license="MPL-2.0",
    source_url="https://github.com/FireRedTeam/FireRedTTS",
    repository="https://github.com/FireRedTeam/FireRedTTS",
    commit="3c1fb92c25919996a6d16af3d740dc1d4181a8c9",
    python="3.11",
    lock="fireredtts.txt",
    prompt=PromptLimits(
        min_duration_s=1.0, max_duration_s=30.0, min_sample_rate_hz=16_000, needs_text=False
    ),
    needs_gpu=True,
    gpu_memory_gb=6.0,
    text_frontend="engine",
    terms_note="The model card says apache-2.0; upstream asks for research use of cloned voices.",
    checkpoints=(
        Checkpoint(
            system="fireredtts",
            sample_rate_hz=24_000,
            languages=("zh", "en"),
            weights_license="Apache-2.0",
            output_terms="open",
            license="Apache-2.0",
            files=("fireredtts_gpt.pt", "fireredtts_token2wav.pt", "fireredtts_speaker.bin"),
            weights_ids=("hf:fireredteam/FireRedTTS",),
            max_chars=150,
            vocoder="bigvgan",
            notes="Seven candidates are sampled and the second shortest is kept.",
        ),
    ),
)
"""``max_chars`` keeps a piece well below the 25 s of speech that the model can make at once."""

SPEC_2: Final = EngineSpec(
    name="fireredtts2",
    adapter="fireredtts2",
    family="ar-lm",
    code_license="Apache-2.0",
    source_url="https://github.com/FireRedTeam/FireRedTTS2",
    repository="https://github.com/FireRedTeam/FireRedTTS2",
    commit="404f3f61d25bb4804859b588a6a734bf8468090c",
    python="3.11",
    lock="fireredtts2.txt",
    prompt=PromptLimits(
        min_duration_s=1.0, max_duration_s=30.0, min_sample_rate_hz=16_000, needs_text=True
    ),
    needs_gpu=True,
    gpu_memory_gb=14.0,
    text_frontend="mosdata",
    terms_note="The model card says apache-2.0; the README asks for academic use of cloned voices.",
    sampling={"temperature": 0.75, "topk": 20},
    checkpoints=(
        Checkpoint(
            system="fireredtts2",
            sample_rate_hz=24_000,
            languages=("en", "zh", "ja", "ko", "fr", "de", "ru"),
            weights_license="Apache-2.0",
            output_terms="open",
            license="Apache-2.0",
            files=(
                "config_llm.json",
                "config_codec.json",
                "llm_pretrain.pt",
                "codec.pt",
                "Qwen2.5-1.5B",
            ),
            weights_ids=("hf:FireRedTeam/FireRedTTS2",),
            max_chars=130,
            vocoder="redcodec",
            notes="Without a prompt each utterance has a voice of its own, drawn from the seed.",
        ),
    ),
)
"""A piece is at most 400 bytes of UTF-8 (``split_text``): 133 Chinese characters."""
