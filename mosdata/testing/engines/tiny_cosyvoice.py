"""A tiny random model folder of CosyVoice 1, 2 or 3, in upstream's own format.

Upstream's own classes load it, so it exercises the whole way from text to samples; what it says is
noise. Runs in the engine's environment, by path, with a checkout of upstream and without mosdata::

    ENV/bin/python mosdata/testing/engines/tiny_cosyvoice.py \
        --checkout CosyVoice --release 2 --out tiny-cosyvoice2

The two ONNX graphs are written byte by byte, so no package is needed for them. ``campplus``
makes a speaker vector of the mean spectrum, ``speech_tokenizer`` makes tokens of the level of every
second or fourth frame: both depend on the recording, as the real ones do.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from pathlib import Path
from typing import Any

if __package__:
    from mosdata.testing.engines import onnx_file
else:  # run by path, where mosdata is not installed
    import onnx_file  # type: ignore[import-not-found,no-redef]  # the same module

SPEECH_TOKENS = 64
SPEAKER_DIM = 192
"""Width of the speaker vector; upstream has it in its default arguments."""

HIDDEN = 32
END_OF_PROMPT_ID = 151_646
"""CosyVoice 3 has the id of ``<|endofprompt|>`` in its code, so the vocabulary must reach it."""

SFT_SPEAKERS = ("中文女", "英文男")

FRAMES_PER_TOKEN = {1: 2, 2: 4, 3: 4}
"""Of 10 ms: 50 tokens a second in the first release, 25 in the others."""

_HEAD = """\
__set_seed1: !apply:random.seed [1986]
__set_seed2: !apply:numpy.random.seed [1986]
__set_seed3: !apply:torch.manual_seed [1986]
sample_rate: {rate}
allowed_special: 'all'
"""

_SAMPLING = """\
    sampling: !name:cosyvoice.utils.common.ras_sampling
        top_p: 0.8
        top_k: 25
        win_size: 10
        tau_r: 0.1
"""

_LLM_1 = """\
llm: !new:cosyvoice.llm.llm.TransformerLM
    text_encoder_input_size: {hidden}
    llm_input_size: {hidden}
    llm_output_size: {hidden}
    text_token_size: 51866
    speech_token_size: {tokens}
    spk_embed_dim: {speaker}
    text_encoder: !new:cosyvoice.transformer.encoder.ConformerEncoder
        input_size: {hidden}
        output_size: {hidden}
        attention_heads: 2
        linear_units: {hidden}
        num_blocks: 1
        dropout_rate: 0.1
        positional_dropout_rate: 0.1
        attention_dropout_rate: 0.0
        normalize_before: True
        input_layer: 'linear'
        pos_enc_layer_type: 'rel_pos_espnet'
        selfattention_layer_type: 'rel_selfattn'
        use_cnn_module: False
        macaron_style: False
        static_chunk_size: 1
    llm: !new:cosyvoice.transformer.encoder.TransformerEncoder
        input_size: {hidden}
        output_size: {hidden}
        attention_heads: 2
        linear_units: {hidden}
        num_blocks: 2
        dropout_rate: 0.1
        positional_dropout_rate: 0.1
        attention_dropout_rate: 0.0
        input_layer: 'linear_legacy'
        pos_enc_layer_type: 'rel_pos_espnet'
        selfattention_layer_type: 'rel_selfattn'
        static_chunk_size: 1
"""

_LLM_2 = """\
qwen_pretrain_path: ''
llm: !new:cosyvoice.llm.llm.{llm_class}
    llm_input_size: {hidden}
    llm_output_size: {hidden}
    speech_token_size: {tokens}
    mix_ratio: [5, 15]
    llm: !new:cosyvoice.llm.llm.Qwen2Encoder
        pretrain_path: !ref <qwen_pretrain_path>
"""

_CFM = """\
        in_channels: 240
        n_spks: 1
        spk_emb_dim: 80
        cfm_params: !new:omegaconf.DictConfig
            content:
                sigma_min: 1e-06
                solver: 'euler'
                t_scheduler: 'cosine'
                training_cfg_rate: 0.2
                inference_cfg_rate: 0.7
                reg_loss_type: 'l1'
"""

_UNET = """\
            in_channels: 320
            out_channels: 80
            channels: {channels}
            dropout: 0.0
            attention_head_dim: 8
            n_blocks: 1
            num_mid_blocks: 1
            num_heads: 2
            act_fn: 'gelu'
"""

_FLOW_1 = (
    """\
flow: !new:cosyvoice.flow.flow.MaskedDiffWithXvec
    input_size: {hidden}
    output_size: 80
    spk_embed_dim: {speaker}
    vocab_size: {tokens}
    input_frame_rate: 50
    encoder: !new:cosyvoice.transformer.encoder.ConformerEncoder
        input_size: {hidden}
        output_size: {hidden}
        attention_heads: 2
        linear_units: {hidden}
        num_blocks: 1
        input_layer: 'linear'
        pos_enc_layer_type: 'rel_pos_espnet'
        selfattention_layer_type: 'rel_selfattn'
        use_cnn_module: False
        macaron_style: False
    length_regulator: !new:cosyvoice.flow.length_regulator.InterpolateRegulator
        channels: 80
        sampling_ratios: [1, 1, 1, 1]
    decoder: !new:cosyvoice.flow.flow_matching.ConditionalCFM
"""
    + _CFM
    + """\
        estimator: !new:cosyvoice.flow.decoder.ConditionalDecoder
"""
    + _UNET
)

# The upsampling encoder has its width of 512 in its code.
_FLOW_2 = (
    """\
flow: !new:cosyvoice.flow.flow.CausalMaskedDiffWithXvec
    input_size: 512
    output_size: 80
    spk_embed_dim: {speaker}
    vocab_size: {tokens}
    input_frame_rate: 25
    token_mel_ratio: 2
    pre_lookahead_len: 3
    encoder: !new:cosyvoice.transformer.upsample_encoder.UpsampleConformerEncoder
        input_size: 512
        output_size: 512
        attention_heads: 2
        linear_units: {hidden}
        num_blocks: 1
        input_layer: 'linear'
        pos_enc_layer_type: 'rel_pos_espnet'
        selfattention_layer_type: 'rel_selfattn'
        use_cnn_module: False
        macaron_style: False
        static_chunk_size: 25
    decoder: !new:cosyvoice.flow.flow_matching.CausalConditionalCFM
"""
    + _CFM
    + """\
        estimator: !new:cosyvoice.flow.decoder.CausalConditionalDecoder
"""
    + _UNET
    + """\
            static_chunk_size: 50
            num_decoding_left_chunks: -1
"""
)

_FLOW_3 = (
    """\
flow: !new:cosyvoice.flow.flow.CausalMaskedDiffWithDiT
    input_size: 80
    output_size: 80
    spk_embed_dim: {speaker}
    vocab_size: {tokens}
    input_frame_rate: 25
    token_mel_ratio: 2
    pre_lookahead_len: 3
    pre_lookahead_layer: !new:cosyvoice.transformer.upsample_encoder.PreLookaheadLayer
        in_channels: 80
        channels: {hidden}
        pre_lookahead_len: 3
    decoder: !new:cosyvoice.flow.flow_matching.CausalConditionalCFM
"""
    + _CFM
    + """\
        estimator: !new:cosyvoice.flow.DiT.dit.DiT
            dim: {dit}
            depth: 2
            heads: 2
            dim_head: 64
            ff_mult: 2
            mel_dim: 80
            mu_dim: 80
            spk_dim: 80
            out_channels: 80
            static_chunk_size: 50
            num_decoding_left_chunks: -1
"""
)

_HIFT = """\
hift: !new:cosyvoice.hifigan.generator.{hift_class}
    in_channels: 80
    base_channels: {hift}
    nb_harmonics: 8
    sampling_rate: {rate}
    nsf_alpha: 0.1
    nsf_sigma: 0.003
    nsf_voiced_threshold: 10
    upsample_rates: {upsample_rates}
    upsample_kernel_sizes: {upsample_kernels}
    istft_params:
        n_fft: 16
        hop_len: 4
    resblock_kernel_sizes: [3, 7, 11]
    resblock_dilation_sizes: [[1, 3, 5], [1, 3, 5], [1, 3, 5]]
    source_resblock_kernel_sizes: {source_kernels}
    source_resblock_dilation_sizes: {source_dilations}
    lrelu_slope: 0.1
    audio_limit: 0.99
    f0_predictor: !new:cosyvoice.hifigan.f0_predictor.{f0_class}
        num_class: 1
        in_channels: 80
        cond_channels: {hidden}
"""

_FEATURES = """\
feat_extractor: !name:matcha.utils.audio.mel_spectrogram
    n_fft: {n_fft}
    num_mels: 80
    sampling_rate: {rate}
    hop_size: {hop}
    win_size: {n_fft}
    fmin: 0
    fmax: 8000
    center: False
"""

_WHISPER_TOKENIZER = """\
get_tokenizer: !name:whisper.tokenizer.get_tokenizer
    multilingual: True
    num_languages: 100
    language: 'en'
    task: 'transcribe'
"""

_QWEN_TOKENIZER = """\
get_tokenizer: !name:cosyvoice.tokenizer.tokenizer.get_qwen_tokenizer
    token_path: !ref <qwen_pretrain_path>
    skip_special_tokens: True
"""


def recipe(release: int) -> str:
    """The yaml file of a release with small widths."""
    flow = {1: _FLOW_1, 2: _FLOW_2, 3: _FLOW_3}[release]
    tokenizer = _WHISPER_TOKENIZER if release == 1 else _QWEN_TOKENIZER
    if release == 3:
        tokenizer += "    version: cosyvoice3\n"
    text = _HEAD + (_LLM_1 if release == 1 else _LLM_2) + _SAMPLING + flow + _HIFT
    upsampling = "[8, 8]" if release == 1 else "[8, 5, 3]"
    return (text + _FEATURES + tokenizer).format(
        rate=22_050 if release == 1 else 24_000,
        hidden=HIDDEN,
        tokens=SPEECH_TOKENS,
        speaker=SPEAKER_DIM,
        llm_class="CosyVoice3LM" if release == 3 else "Qwen2LM",
        channels="[16, 16]" if release == 1 else "[16]",
        dit=64,
        hift=32,
        hift_class="CausalHiFTGenerator" if release == 3 else "HiFTGenerator",
        f0_class="CausalConvRNNF0Predictor" if release == 3 else "ConvRNNF0Predictor",
        upsample_rates=upsampling,
        upsample_kernels="[16, 16]" if release == 1 else "[16, 11, 7]",
        source_kernels="[7, 11]" if release == 1 else "[7, 7, 11]",
        source_dilations=[[1, 3, 5]] * (2 if release == 1 else 3),
        n_fft=1024 if release == 1 else 1920,
        hop=256 if release == 1 else 480,
    )


def write_model(
    out: Path, release: int, *, sft: bool = False, seed: int = 0, end_bias: float = 6.0
) -> None:
    """Write a model folder; upstream's modules must be importable.

    Args:
        out: folder that is made, or filled.
        release: 1, 2 or 3.
        sft: also two speakers of its own (first release).
        seed: of the weights.
        end_bias: raises the end of speech. Random weights do not know when to stop: -20
            lets them run into upstream's limit, 6 stops them early.
    """
    import torch
    from hyperpyyaml import load_hyperpyyaml

    out.mkdir(parents=True, exist_ok=True)
    overrides = {}
    if release > 1:
        blank = out / "CosyVoice-BlankEN"
        write_blank_qwen(blank, release, seed)
        overrides["qwen_pretrain_path"] = str(blank)
    name = "cosyvoice.yaml" if release == 1 else f"cosyvoice{release}.yaml"
    (out / name).write_text(recipe(release), encoding="utf-8")
    with (out / name).open(encoding="utf-8") as file:
        parts = load_hyperpyyaml(file, overrides=overrides)
    torch.manual_seed(seed)
    for key in ("llm", "flow", "hift"):
        _randomize(parts[key])
        if key == "llm":
            _teach_to_stop(parts[key], end_bias)
        torch.save(parts[key].state_dict(), out / f"{key}.pt")
    (out / "campplus.onnx").write_bytes(speaker_graph(seed))
    tokenizer = speech_tokenizer_graph(FRAMES_PER_TOKEN[release])
    (out / f"speech_tokenizer_v{release}.onnx").write_bytes(tokenizer)
    if sft:
        speakers = {name: {"embedding": torch.randn(1, SPEAKER_DIM)} for name in SFT_SPEAKERS}
        torch.save(speakers, out / "spk2info.pt")


def _teach_to_stop(llm: Any, end_bias: float) -> None:
    """Raise the end of speech; the third release has no bias there, and 200 ways to stop.

    What would stop it too early for a sound is twice the weight of a token of speech, not more.
    """
    decoder, end = llm.llm_decoder, llm.eos_token
    if decoder.bias is not None:
        decoder.bias.data[llm.speech_token_size :] = min(end_bias, -20.0)  # any of them is an end
        decoder.bias.data[end] = end_bias
        return
    decoder.weight.data[: llm.speech_token_size] *= 8.0  # far above the zeros that follow
    ends = decoder.weight.data[end].clone()
    decoder.weight.data[llm.speech_token_size :] = 0.0
    decoder.weight.data[end] = ends * 8.0 * min(max(end_bias, 0.0), 2.0)


def _randomize(module: Any) -> None:
    """Weights that are drawn again, as some of upstream's layers begin at zero."""
    import torch

    for parameter in module.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3 / parameter[0].numel() ** 0.25)


def write_blank_qwen(out: Path, release: int, seed: int) -> None:
    """A Qwen2 of two layers with a tokenizer of bytes."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=152_064 if release == 3 else 1024,
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    Qwen2ForCausalLM(config).save_pretrained(out)
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|endofprompt|>"]
    first = END_OF_PROMPT_ID - 3 if release == 3 else 256
    vocabulary = {symbol: index for index, symbol in enumerate(byte_symbols())}
    vocabulary.update({mark: first + index for index, mark in enumerate(marks)})
    (out / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (out / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    settings = {"tokenizer_class": "Qwen2Tokenizer", "model_max_length": 32_768}
    settings.update({"eos_token": marks[0], "pad_token": marks[0], "unk_token": marks[0]})
    (out / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def byte_symbols() -> list[str]:
    """The printable character that a byte-level BPE vocabulary has for each of 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def speaker_graph(seed: int) -> bytes:
    """``campplus.onnx``: ``[1, frames, 80]`` -> ``[1, 192]``, a random map of the mean frame."""
    import numpy as np

    weight = np.random.default_rng(seed).standard_normal((80, SPEAKER_DIM)).astype("<f4")
    nodes = [
        onnx_file.node("ReduceMean", ["input"], ["mean"], axes=[1], keepdims=0),
        onnx_file.node("MatMul", ["mean", "weight"], ["output"]),
    ]
    tensors = [onnx_file.tensor("weight", onnx_file.FLOAT, [80, SPEAKER_DIM], weight.tobytes())]
    inputs = [onnx_file.value("input", onnx_file.FLOAT, [1, "frames", 80])]
    return onnx_file.model(
        nodes, tensors, inputs, [onnx_file.value("output", onnx_file.FLOAT, [1, SPEAKER_DIM])]
    )


def speech_tokenizer_graph(frames_per_token: int) -> bytes:
    """``speech_tokenizer``: ``[1, 128, frames]`` and their number -> one token in some frames."""
    nodes = [
        onnx_file.node("ReduceMean", ["feats"], ["level"], axes=[1], keepdims=0),
        onnx_file.node("Slice", ["level", "start", "end", "axis", "step"], ["picked"]),
        onnx_file.node("Mul", ["picked", "scale"], ["scaled"]),
        onnx_file.node("Cast", ["scaled"], ["whole"], to=onnx_file.INT64),
        onnx_file.node("Mod", ["whole", "size"], ["indices"]),
    ]
    tensors = [
        onnx_file.tensor("start", onnx_file.INT64, [1], struct.pack("<q", 0)),
        onnx_file.tensor("end", onnx_file.INT64, [1], struct.pack("<q", 1 << 40)),
        onnx_file.tensor("axis", onnx_file.INT64, [1], struct.pack("<q", 1)),
        onnx_file.tensor("step", onnx_file.INT64, [1], struct.pack("<q", frames_per_token)),
        onnx_file.tensor("scale", onnx_file.FLOAT, [1], struct.pack("<f", 97.0)),
        onnx_file.tensor("size", onnx_file.INT64, [1], struct.pack("<q", SPEECH_TOKENS)),
    ]
    inputs = [
        onnx_file.value("feats", onnx_file.FLOAT, [1, 128, "frames"]),
        onnx_file.value("feats_length", onnx_file.INT32, [1]),
    ]
    return onnx_file.model(
        nodes, tensors, inputs, [onnx_file.value("indices", onnx_file.INT64, [1, "tokens"])]
    )


def main() -> None:
    """Write one folder; see the module."""
    parser = argparse.ArgumentParser(description="Write a tiny random CosyVoice model folder.")
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--release", type=int, choices=(1, 2, 3), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sft", action="store_true", help="with two speakers of its own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--end-bias", type=float, default=6.0)
    args = parser.parse_args()
    root = args.checkout.resolve()
    sys.path[:0] = [str(root), str(root / "third_party" / "Matcha-TTS")]
    write_model(args.out, args.release, sft=args.sft, seed=args.seed, end_bias=args.end_bias)


if __name__ == "__main__":
    main()
