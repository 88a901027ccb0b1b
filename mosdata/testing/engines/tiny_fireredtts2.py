"""A model folder for FireRedTTS-2 with random weights, and a checkout that knows so small a size.

The sizes of its language model and of the Whisper encoder in its codec stand in upstream's code: a
billion numbers at least. So a second checkout is laid beside the first: every file of it is a link
to upstream's, but for the empty ``__init__.py`` of the package, in whose place one of ours adds a
small size. All that runs is upstream's; what it says is noise. Frames are made so that the end of
speech comes after a second or three, as it does with trained weights. Run with the Python of
FireRedTTS-2's environment::

    ENV/bin/python mosdata/testing/engines/tiny_fireredtts2.py CHECKOUT FOLDER
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

SMALL = '''"""Upstream's package with one small size more; every other file here is upstream's."""

from fireredtts2.codec import whisper
from fireredtts2.llm import modules
from torchtune.models.qwen2 import qwen2


def small():
    """Two layers of 32 channels."""
    return qwen2(vocab_size=64, num_layers=2, num_heads=2, num_kv_heads=1, embed_dim=32,
                 intermediate_dim=64, max_seq_len=4096, attn_dropout=0.0, norm_eps=1e-6,
                 rope_base=1000000.0, tie_word_embeddings=True)


def small_whisper(cls, pretrained_path=None):
    """One layer of 64 channels."""
    encoder = cls(in_dim=128, embed_dim=64, num_layers=1, num_heads=2, ffn_dim=64)
    encoder.feature_extractor = whisper.WhisperMelExtractor(num_mels=128)
    return encoder.eval().requires_grad_(False)


modules.FLAVORS["small"] = small
whisper.PretrainedWhisperEncoder.from_pretrained = classmethod(small_whisper)
'''

WIDTH = 32
NUM_CODES = 64
NUM_STREAMS = 16
NUM_TEXT_TOKENS = 512

END_WEIGHT = 0.27
"""Of the constant channel in the logit of the first stream's code 0, which ends the speech."""

CODEC = {
    "ssl_adaptor": {"in_dim": 64, "embed_dim": 64, "out_dim": 64, "num_layers": 1, "num_heads": 2},
    "acoustic_encoder": {"num_mels": 128, "embed_dim": 64, "num_layers": 1, "num_heads": 2},
    "downsample": {"embed_dim": 128, "avg_pooler": 4},
    "rvq": {
        "input_dim": 128,
        "rvq_dim": 64,
        "output_dim": 64,
        "num_quantizers": NUM_STREAMS,
        "codebook_size": NUM_CODES,
        "codebook_dim": 16,
    },
    "upsample": {"embed_dim": 64, "stride": 4},
    "semantic_decoder": {
        "in_dim": 64,
        "embed_dim": 64,
        "out_dim": 64,
        "num_layers": 1,
        "num_heads": 2,
    },
    "acoustic_decoder": {"embed_dim": 64, "num_layers": 1, "num_heads": 2, "causal": True},
}


def write_tiny_fireredtts2(python: str, checkout: Path, folder: Path) -> tuple[Path, Path]:
    """Write model folder and small checkout; the same bytes every time.

    Args:
        python: interpreter of FireRedTTS-2's environment.
        checkout: upstream's code.
        folder: made where it does not exist.

    Returns:
        The model folder and the checkout to use with it.
    """
    from mosdata.testing.engines.inside import run_inside

    run_inside(python, Path(__file__), str(checkout), str(folder))
    return folder / "model", folder / "checkout"


def _small_checkout(checkout: Path, folder: Path) -> None:
    for path in sorted((checkout / "fireredtts2").rglob("*.py")):
        link = folder / path.relative_to(checkout)
        link.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.name == "fireredtts2" and path.name == "__init__.py":
            assert not path.read_text().strip(), "upstream's __init__ was empty"
            link.write_text(SMALL)
        elif not link.exists():
            link.symlink_to(path.resolve())


def _write(checkout: Path, folder: Path) -> None:
    import torch

    from mosdata.synth.adapters import checkout as code
    from mosdata.synth.adapters.torchaudio_door import open_torchaudio

    _small_checkout(checkout, folder / "checkout")
    open_torchaudio()
    code.importable(str(folder / "checkout"))
    model = folder / "model"
    (model / "Qwen2.5-1.5B").mkdir(parents=True, exist_ok=True)
    sizes = {
        "backbone_flavor": "small",
        "decoder_flavor": "small",
        "text_vocab_size": NUM_TEXT_TOKENS,
        "audio_vocab_size": NUM_CODES,
        "audio_num_codebooks": NUM_STREAMS,
        "decoder_loss_weight": 0.5,
    }
    (model / "config_llm.json").write_text(json.dumps({"llm_models": sizes}))
    (model / "config_codec.json").write_text(json.dumps({"codec": CODEC}))
    _write_tokenizer(model / "Qwen2.5-1.5B")
    torch.manual_seed(0)
    upstream: Any = importlib.import_module("fireredtts2.llm.utils")
    llm = upstream.load_llm_model({"llm_models": sizes}, None, "cpu")
    _make_endings_likely(llm)
    torch.save({"model": llm.state_dict()}, model / "llm_pretrain.pt")
    codecs: Any = importlib.import_module("fireredtts2.codec.model")
    codec = codecs.RedCodec.from_config(str(model / "config_codec.json"))
    for name, buffer in codec.named_buffers():
        if name.endswith("codebook"):
            buffer.normal_()
    torch.save({"generator": codec.state_dict()}, model / "codec.pt")


def _make_endings_likely(llm: Any) -> None:
    """Give all embeddings one channel that is constant and two heads that look at it.

    A frame of zeros ends the speech: streams 2 to 16 nearly always take code 0, and the first one
    every thirtieth time or so.
    """
    import torch

    with torch.no_grad():
        for parameter in (*llm.backbone.parameters(), *llm.decoder.parameters()):
            if parameter.ndim > 1:
                parameter.normal_(0, 0.02)
        llm.text_embeddings.weight.normal_(0, 1.0)
        llm.text_embeddings.weight[:, 0] = 5.0
        llm.audio_embeddings.weight.normal_(0, 0.25)
        llm.audio_embeddings.weight[:, 0] = 5.0 / NUM_STREAMS
        llm.projection.weight.copy_(torch.eye(WIDTH))
        llm.codebook0_head.weight.normal_(0, 0.2)
        llm.codebook0_head.weight[0] = 0.0
        llm.codebook0_head.weight[0, 0] = END_WEIGHT
        llm.audio_head.normal_(0, 0.3)
        llm.audio_head[:, :, 0] = 0.0
        llm.audio_head[:, 0, 0] = 12.0


def _write_tokenizer(folder: Path) -> None:
    """One token for each byte."""
    tokenizers: Any = importlib.import_module("tokenizers")
    transformers: Any = importlib.import_module("transformers")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|endoftext|>": 0, **{char: n for n, char in enumerate(alphabet, start=1)}}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    ends = dict.fromkeys(("eos_token", "pad_token"), "<|endoftext|>")
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ends)
    fast.save_pretrained(folder)


if __name__ == "__main__":
    _write(Path(sys.argv[1]), Path(sys.argv[2]))
