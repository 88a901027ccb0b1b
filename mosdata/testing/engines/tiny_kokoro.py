"""A Kokoro model folder with random weights; its sizes are fixed in upstream's code (about 230 MB).

Runs in the engine's environment, by path, without mosdata::

    ENV/bin/python mosdata/testing/engines/tiny_kokoro.py --out tiny-kokoro
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from unittest import mock

PARTS = ("bert", "bert_encoder", "predictor", "text_encoder", "decoder")
PHONEMES = ";:,.!?— AIOQSTWYᵊabdefhijklmnopqrstuvwxzæðŋɑɐɒɔəɚɛɜɡɪɹɾʃʊʌʒʔˈˌːθᵻʤʧ"  # noqa: RUF001 - IPA
STYLE_DIM = 128

CONFIG: dict[str, Any] = {
    "n_token": len(PHONEMES) + 1,
    "vocab": {phoneme: index + 1 for index, phoneme in enumerate(PHONEMES)},
    "hidden_dim": 512,
    "style_dim": STYLE_DIM,
    "n_layer": 1,
    "max_dur": 50,
    "dropout": 0.2,
    "text_encoder_kernel_size": 3,
    "n_mels": 80,
    "plbert": {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 512,
        "num_hidden_layers": 1,
        "dropout": 0.1,
        "embedding_size": 16,
    },
    "istftnet": {
        "upsample_kernel_sizes": [20, 12],
        "upsample_rates": [10, 6],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 3, 5]],
        "resblock_kernel_sizes": [3],
        "upsample_initial_channel": 512,
    },
}


def kokoro_folder(folder: Path) -> Path:
    """``config.json``, ``tiny.pth`` and ``voices/af_tiny.pt``; needs the package ``kokoro``."""
    import torch
    from kokoro import KModel

    (folder / "voices").mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    with mock.patch("torch.load", return_value={}):  # the class wants weights to read
        model = KModel("local", config=CONFIG, model="none")
    weights = {part: getattr(model, part).state_dict() for part in PARTS}
    torch.save(weights, folder / "tiny.pth")
    torch.save(torch.randn(510, 1, 2 * STYLE_DIM), folder / "voices" / "af_tiny.pt")
    (folder / "config.json").write_text(json.dumps(CONFIG, ensure_ascii=False), encoding="utf-8")
    return folder


def main() -> None:
    """Write one folder; see the module."""
    parser = argparse.ArgumentParser(description="Write a random Kokoro model folder.")
    parser.add_argument("--out", type=Path, required=True)
    kokoro_folder(parser.parse_args().out)


if __name__ == "__main__":
    main()
