"""CosyVoice 1, 2 and 3 (Du et al. 2024, arXiv 2407.05407; 2024, 2412.10117; 2025, 2505.17589).

Facts and licences: ``docs/engines/cosyvoice.md``.
"""

from __future__ import annotations

from typing import Final

from mosdata.synth.adapters.cosyvoice_files import RELEASES, SPEAKERS
from mosdata.synth.hosting.spec import Checkpoint, EngineSpec, PromptLimits

_FIRST, _SECOND, _THIRD = RELEASES

MAX_CHARS: Final = 140
"""A piece: Chinese has up to 1.4 tokens a character, and texts of training had 200 at most."""

SPEC: Final = EngineSpec(
    name="cosyvoice",
    adapter="cosyvoice",
    family="ar-lm",
    code_license="Apache-2.0",
    source_url="https://github.com/FunAudioLLM/CosyVoice",
    repository="https://github.com/FunAudioLLM/CosyVoice",
    commit="ace7c47f41bbd303aa6bf1ea80e6f9fbd595cd40",
    submodules=("third_party/Matcha-TTS",),
    python="3.11",
    lock="cosyvoice.txt",
    prompt=PromptLimits(
        min_duration_s=0.5, max_duration_s=30.0, min_sample_rate_hz=16_000, needs_text=False
    ),
    needs_gpu=True,
    recycle_after=1000,  # host memory was seen to grow (upstream's issue 491, open)
    terms_note=(
        "Code and weights are Apache-2.0 and say nothing about the sound; the README asks that "
        "its demos serve academic purposes. A cloned voice belongs to whoever spoke the prompt."
    ),
    sampling={"top_p": 0.8, "top_k": 25, "win_size": 10, "tau_r": 0.1},
    checkpoints=(
        Checkpoint(
            system="cosyvoice-300m",
            sample_rate_hz=_FIRST.sample_rate_hz,
            languages=_FIRST.languages,
            weights_license="Apache-2.0",
            output_terms="open",
            license="Apache-2.0",
            files=_FIRST.files,
            weights_ids=("hf:FunAudioLLM/CosyVoice-300M", "modelscope:iic/CosyVoice-300M"),
            vocoder="hift",
            max_chars=MAX_CHARS,
            notes="Clones a voice: zero-shot with a transcript, cross-lingual without one.",
        ),
        Checkpoint(
            system="cosyvoice2-0.5b",
            sample_rate_hz=_SECOND.sample_rate_hz,
            languages=_SECOND.languages,
            weights_license="Apache-2.0",
            output_terms="open",
            license="Apache-2.0",
            files=_SECOND.files,
            weights_ids=("hf:FunAudioLLM/CosyVoice2-0.5B", "modelscope:iic/CosyVoice2-0.5B"),
            vocoder="hift",
            max_chars=MAX_CHARS,
            notes="Clones a voice; has none of its own.",
        ),
        Checkpoint(
            system="cosyvoice-300m-sft",
            sample_rate_hz=_FIRST.sample_rate_hz,
            languages=_FIRST.languages,
            weights_license="Apache-2.0",
            output_terms="open",
            license="Apache-2.0",
            files=(*_FIRST.files, SPEAKERS),
            weights_ids=("hf:FunAudioLLM/CosyVoice-300M-SFT", "modelscope:iic/CosyVoice-300M-SFT"),
            vocoder="hift",
            max_chars=MAX_CHARS,
            clones=False,
            notes="Seven speakers of its own; clones nobody.",
        ),
        Checkpoint(
            system="fun-cosyvoice3-0.5b",
            sample_rate_hz=_THIRD.sample_rate_hz,
            languages=_THIRD.languages,
            weights_license="Apache-2.0",
            output_terms="open",
            license="Apache-2.0",
            files=_THIRD.files,
            weights_ids=(
                "hf:FunAudioLLM/Fun-CosyVoice3-0.5B-2512",
                "modelscope:FunAudioLLM/Fun-CosyVoice3-0.5B-2512",
            ),
            vocoder="hift",
            max_chars=MAX_CHARS,
            notes="Clones a voice; reads Japanese in katakana only.",
        ),
    ),
)
