"""Tiny speech recognisers with random weights, written as folders that ``--asr hf:FOLDER`` opens.

They hear nonsense, always the same; what they are for is everything around a real one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyz'"


def write_tiny_ctc(folder: Path, *, seed: int = 0) -> Path:
    """A wav2vec 2.0 model with a CTC head over letters."""
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    vocab = {"<pad>": 0, "|": 1, "<unk>": 2, **{c: i for i, c in enumerate(LETTERS, 3)}}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    marks = {"pad_token": "<pad>", "unk_token": "<unk>", "word_delimiter_token": "|"}
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), **marks)
    config = transformers.Wav2Vec2Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8, 8),
        conv_stride=(10, 8, 4),
        conv_kernel=(10, 8, 4),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = transformers.Wav2Vec2ForCTC(config)
    _save(folder, model, tokenizer, transformers.Wav2Vec2FeatureExtractor())
    return folder


def write_tiny_whisper(folder: Path, *, seed: int = 0) -> Path:
    """A Whisper model that writes bytes."""
    import torch
    import transformers
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    folder.mkdir(parents=True, exist_ok=True)
    marks = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>"]
    marks += ["<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
    marks += ["<|notimestamps|>", *(f"<|{i * 0.02:.2f}|>" for i in range(1501))]
    vocab = {token: i for i, token in enumerate([*bytes_to_unicode().values(), *marks])}
    tokenizer: Any = transformers.WhisperTokenizer(vocab=vocab, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": marks[1:9]})
    end = vocab["<|endoftext|>"]
    config = transformers.WhisperConfig(
        vocab_size=len(vocab),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=vocab["<|startoftranscript|>"],
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = transformers.WhisperForConditionalGeneration(config)
    ways = model.generation_config
    ways.is_multilingual, ways.return_timestamps, ways.max_length = True, False, 24
    ways.lang_to_id = {"<|en|>": vocab["<|en|>"]}
    ways.task_to_id = {name: vocab[f"<|{name}|>"] for name in ("transcribe", "translate")}
    ways.no_timestamps_token_id = vocab["<|notimestamps|>"]
    ways.prev_sot_token_id = vocab["<|startofprev|>"]
    ways.suppress_tokens = [vocab[mark] for mark in marks]
    ways.begin_suppress_tokens = None
    _save(folder, model, tokenizer, transformers.WhisperFeatureExtractor())
    return folder


def _save(folder: Path, *parts: Any) -> None:
    for part in parts:
        part.save_pretrained(folder)
