"""Text-to-speech models of ``transformers``: VITS and MMS, SpeechT5, FastSpeech2, Bark.

They run in mosdata's own environment, in a process of their own. Licences are those of the model
cards of the checkpoints named; another checkpoint of a family is a system of your own name.
"""

from __future__ import annotations

from typing import Final

from mosdata.synth.hosting.spec import Checkpoint, EngineSpec

TRANSFORMERS: Final = "https://github.com/huggingface/transformers"
BARK_LANGUAGES: Final = (
    *("de", "en", "es", "fr", "hi", "it", "ja"),
    *("ko", "pl", "pt", "ru", "tr", "zh"),
)

VITS: Final = EngineSpec(
    name="vits",
    adapter="vits",
    family="vits",
    code_license="Apache-2.0",
    source_url=TRANSFORMERS,
    checkpoints=(
        Checkpoint(
            system="mms-tts-eng",
            sample_rate_hz=16_000,
            languages=("en",),
            weights_license="CC-BY-NC-4.0",
            license="CC-BY-NC-4.0",
            output_terms="non-commercial",
            files=("config.json", "vocab.json", "tokenizer_config.json"),
            weights_ids=("hf:facebook/mms-tts-eng",),
            max_chars=300,
            notes="One of 1,107 languages of MMS-TTS; another is a system of your own name.",
        ),
        Checkpoint(
            system="vits-ljs",
            sample_rate_hz=22_050,
            languages=("en",),
            weights_license="MIT",
            license="MIT",
            output_terms="open",
            files=("config.json", "vocab.json", "tokenizer_config.json"),
            weights_ids=("hf:kakao-enterprise/vits-ljs",),
            max_chars=300,
            notes="Reads phonemes: pip install phonemizer (GPL-3.0) and eSpeak NG.",
        ),
        Checkpoint(
            system="vits-vctk",
            sample_rate_hz=22_050,
            languages=("en",),
            weights_license="MIT",
            license="MIT",
            output_terms="open",
            files=("config.json", "vocab.json", "tokenizer_config.json"),
            weights_ids=("hf:kakao-enterprise/vits-vctk",),
            max_chars=300,
            notes="109 speakers. Reads phonemes: pip install phonemizer and eSpeak NG.",
        ),
    ),
)

SPEECHT5: Final = EngineSpec(
    name="speecht5",
    adapter="speecht5",
    family="ar-mel",
    code_license="Apache-2.0",
    source_url=TRANSFORMERS,
    checkpoints=(
        Checkpoint(
            system="speecht5",
            sample_rate_hz=16_000,
            languages=("en",),
            weights_license="MIT",
            license="MIT",
            output_terms="open",
            files=("config.json", "spm_char.model", "vocoder/config.json", "speakers"),
            weights_ids=("hf:microsoft/speecht5_tts", "hf:microsoft/speecht5_hifigan"),
            vocoder="hifigan",
            max_chars=300,
            notes="Voices are x-vectors (512 float32) in speakers/<voice>.npy.",
        ),
    ),
)

FASTSPEECH2: Final = EngineSpec(
    name="fastspeech2",
    adapter="fastspeech2",
    family="nar-mel",
    code_license="Apache-2.0",
    source_url=TRANSFORMERS,
    checkpoints=(
        Checkpoint(
            system="fastspeech2-conformer",
            sample_rate_hz=22_050,
            languages=("en",),
            weights_license="Apache-2.0",
            license="Apache-2.0",
            output_terms="open",
            files=("config.json", "vocab.json"),
            weights_ids=("hf:espnet/fastspeech2_conformer_with_hifigan",),
            vocoder="hifigan",
            max_chars=300,
        ),
    ),
)

BARK: Final = EngineSpec(
    name="bark",
    adapter="bark",
    family="ar-codec",
    code_license="Apache-2.0",
    source_url=TRANSFORMERS,
    needs_gpu=False,
    gpu_memory_gb=8.0,
    checkpoints=tuple(
        Checkpoint(
            system=system,
            sample_rate_hz=24_000,
            languages=BARK_LANGUAGES,
            weights_license="MIT",
            license="MIT",
            output_terms="open",
            files=("config.json", "generation_config.json", "tokenizer_config.json"),
            weights_ids=(f"hf:suno/{system}",),
            vocoder="encodec",
            max_chars=150,
            notes="Slow; says more, or less, than the text. No more than about 13 s at once.",
        )
        for system in ("bark", "bark-small")
    ),
)
