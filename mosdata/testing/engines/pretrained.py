"""Model folders of ``transformers`` small enough to be made in a test; they babble.

Each writes what a real checkpoint of its kind has, so that everything but the weights is real:
configuration, tokenizer, voices, vocoder.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz' "
ARPABET = (
    "AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 EH2 "
    "ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 "
    "P R S SH T TH UH0 UH1 UH2 UW0 UW1 UW2 V W Y Z ZH"
)
PHONES = ("<blank>", "<unk>", *ARPABET.split(), ",", ".", "!", "?", "<sos/eos>")


def vits_folder(folder: Path, *, num_speakers: int = 1, language: str = "eng") -> Path:
    """A ``VitsModel`` of 0.2 million random parameters at 16 kHz, as MMS-TTS is laid out.

    Example:
        >>> import tempfile
        >>> folder = vits_folder(Path(tempfile.mkdtemp()))
        >>> sorted(path.name for path in folder.iterdir())[:2]
        ['config.json', 'model.safetensors']
    """
    import torch
    from transformers import VitsConfig, VitsModel

    vocabulary = {letter: index for index, letter in enumerate(["_", *LETTERS])}
    torch.manual_seed(0)
    config = VitsConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        window_size=2,
        ffn_dim=16,
        flow_size=16,
        spectrogram_bins=33,
        num_speakers=num_speakers,
        speaker_embedding_size=8 if num_speakers > 1 else 0,
        upsample_initial_channel=32,
        upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
        prior_encoder_num_flows=1,
        prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1,
        wavenet_dilation_rate=1,
        duration_predictor_num_flows=1,
        depth_separable_num_layers=1,
        duration_predictor_filter_channels=16,
        sampling_rate=16_000,
    )
    VitsModel(config).save_pretrained(folder)
    _write(folder / "vocab.json", vocabulary)
    about = {
        "add_blank": True,
        "is_uroman": False,
        "language": language,
        "normalize": True,
        "pad_token": "_",
        "phonemize": False,
        "tokenizer_class": "VitsTokenizer",
        "unk_token": "<unk>",
    }
    _write(folder / "tokenizer_config.json", about)
    return folder


def speecht5_folder(folder: Path) -> Path:
    """A ``SpeechT5ForTextToSpeech`` with HiFi-GAN, a letter tokenizer and two voices at 16 kHz."""
    import torch
    from transformers import (
        SpeechT5Config,
        SpeechT5ForTextToSpeech,
        SpeechT5HifiGan,
        SpeechT5HifiGanConfig,
    )

    pieces = _letter_pieces(folder)
    torch.manual_seed(0)
    config = SpeechT5Config(
        vocab_size=pieces,
        hidden_size=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        speech_decoder_prenet_units=16,
        speech_decoder_postnet_units=16,
        speech_decoder_postnet_layers=2,
        num_mel_bins=80,
        speaker_embedding_dim=512,
    )
    model = SpeechT5ForTextToSpeech(config)
    with torch.no_grad():  # else random weights say that they have ended at once
        model.speech_decoder_postnet.prob_out.bias.fill_(-5)
    model.save_pretrained(folder)
    vocoder = SpeechT5HifiGanConfig(
        model_in_dim=80,
        upsample_initial_channel=16,
        upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
    )
    _audible(SpeechT5HifiGan(vocoder)).save_pretrained(folder / "vocoder")
    (folder / "speakers").mkdir(exist_ok=True)
    for index, name in enumerate(("ann", "bob")):
        vector = np.random.default_rng(index).standard_normal(512).astype(np.float32)
        np.save(folder / "speakers" / f"{name}.npy", vector, allow_pickle=False)
    return folder


def fastspeech2_folder(folder: Path) -> Path:
    """A ``FastSpeech2ConformerWithHifiGan`` at 22.05 kHz that reads ARPAbet."""
    import torch
    from transformers import (
        FastSpeech2ConformerConfig,
        FastSpeech2ConformerHifiGanConfig,
        FastSpeech2ConformerWithHifiGan,
        FastSpeech2ConformerWithHifiGanConfig,
    )

    torch.manual_seed(0)
    model = FastSpeech2ConformerConfig(
        vocab_size=len(PHONES),
        hidden_size=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        encoder_linear_units=16,
        decoder_linear_units=16,
        duration_predictor_channels=16,
        energy_predictor_channels=16,
        pitch_predictor_channels=16,
        speech_decoder_postnet_layers=2,
        speech_decoder_postnet_units=16,
    )
    vocoder = FastSpeech2ConformerHifiGanConfig(
        upsample_initial_channel=16,
        upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
    )
    config = FastSpeech2ConformerWithHifiGanConfig(
        model_config=model.to_dict(), vocoder_config=vocoder.to_dict()
    )
    made = FastSpeech2ConformerWithHifiGan(config)
    with torch.no_grad():  # durations of random weights are zero frames
        made.model.duration_predictor.linear.bias.fill_(1.5)
    _audible(made.vocoder)
    made.save_pretrained(folder)
    _write(folder / "vocab.json", {phone: index for index, phone in enumerate(PHONES)})
    return folder


def bark_folder(folder: Path) -> Path:
    """A ``BarkModel`` of three tiny transformers and a tiny EnCodec, with one voice preset."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BarkCoarseConfig,
        BarkConfig,
        BarkFineConfig,
        BarkModel,
        BarkSemanticConfig,
        EncodecConfig,
        PreTrainedTokenizerFast,
    )
    from transformers.models.bark.generation_configuration_bark import BarkGenerationConfig

    torch.manual_seed(0)
    small: dict[str, Any] = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "block_size": 1024}
    semantic = BarkSemanticConfig(input_vocab_size=129_600, output_vocab_size=10_048, **small)
    coarse = BarkCoarseConfig(input_vocab_size=12_096, output_vocab_size=12_096, **small)
    fine = BarkFineConfig(input_vocab_size=1056, output_vocab_size=1056, **small)
    codec = EncodecConfig(
        num_filters=4,
        hidden_size=16,
        codebook_dim=16,
        num_lstm_layers=1,
        target_bandwidths=[6.0],
        sampling_rate=24_000,
    )
    config = BarkConfig(
        semantic_config=semantic.to_dict(),
        coarse_acoustics_config=coarse.to_dict(),
        fine_acoustics_config=fine.to_dict(),
        codec_config=codec.to_dict(),
    )
    model = BarkModel(config)
    for layer in model.codec_model.quantizer.layers:  # made as zeros: all codes would sound alike
        layer.codebook.embed.normal_()
    model.save_pretrained(folder)
    generation = BarkGenerationConfig(
        semantic_config={"max_new_tokens": 32, "do_sample": True},
        coarse_acoustics_config={"do_sample": True},
        fine_acoustics_config={},
    )
    _write(folder / "generation_config.json", generation.to_dict())
    vocabulary = {"[PAD]": 0, "[UNK]": 1, **{c: i + 2 for i, c in enumerate(LETTERS)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",  # noqa: S106 - no password
        unk_token="[UNK]",  # noqa: S106 - no password
    ).save_pretrained(folder)
    _preset(folder)
    return folder


def _audible(vocoder: Any) -> Any:
    """Random weights as large as a trained vocoder's; as they are made they hardly whisper."""
    import torch

    for weight in vocoder.parameters():
        if weight.dim() > 1:
            torch.nn.init.kaiming_normal_(weight)
    return vocoder


def _preset(folder: Path) -> None:
    """One voice preset in Bark's layout."""
    rng = np.random.default_rng(0)
    shapes = {"semantic_prompt": (20,), "coarse_prompt": (2, 30), "fine_prompt": (8, 30)}
    files = {}
    (folder / "speaker_embeddings").mkdir(exist_ok=True)
    for name, shape in shapes.items():
        files[name] = f"speaker_embeddings/en_speaker_0_{name}.npy"
        codes = rng.integers(0, 1000, shape)
        np.save(folder / files[name], codes, allow_pickle=False)
    _write(folder / "speaker_embeddings_path.json", {"v2/en_speaker_0": files})


def _letter_pieces(folder: Path) -> int:
    """Train a sentencepiece model of letters; returns its number of pieces."""
    import io

    import sentencepiece

    model = io.BytesIO()
    words = (f"{a}{b}" for a in LETTERS for b in LETTERS)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([ascii_lowercase, ascii_uppercase, *words]),
        model_writer=model,
        vocab_size=70,
        model_type="char",
        hard_vocab_limit=False,
        pad_id=1,
        bos_id=0,
        eos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spm_char.model").write_bytes(model.getvalue())
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "SpeechT5Tokenizer"})
    return 81


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
