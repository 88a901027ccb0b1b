"""A model folder for F5-TTS with random weights: a DiT of two layers and a Vocos of one.

All of the engine's real code runs on it, in seconds, on a CPU; what it says is noise. Written by
upstream's own classes, with the Python of F5-TTS's environment.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

CONFIG = """\
model:
  name: tiny
  backbone: DiT
  arch: {dim: 64, depth: 2, heads: 2, ff_mult: 2, text_dim: 32, conv_layers: 1}
  mel_spec:
    {target_sample_rate: 24000, n_mel_channels: 100, hop_length: 256, win_length: 1024,
     n_fft: 1024, mel_spec_type: vocos}
"""

VOCODER = """\
feature_extractor:
  class_path: vocos.feature_extractors.MelSpectrogramFeatures
  init_args: {sample_rate: 24000, n_fft: 1024, hop_length: 256, n_mels: 100, padding: center}
backbone:
  class_path: vocos.models.VocosBackbone
  init_args: {input_channels: 100, dim: 32, intermediate_dim: 64, num_layers: 1}
head:
  class_path: vocos.heads.ISTFTHead
  init_args: {dim: 32, n_fft: 1024, hop_length: 256, padding: center}
"""

OPTIONS = {
    "ckpt_file": "model.safetensors",
    "vocab_file": "vocab.txt",
    "config_file": "model.yaml",
    "nfe_step": 4,
}
"""What the adapter has to be told about such a folder."""


def write_tiny_f5tts(python: str, folder: Path) -> Path:
    """Write the folder with an engine's Python; the same bytes every time.

    Args:
        python: interpreter of an environment that holds ``f5-tts``.
        folder: made where it does not exist.
    """
    from mosdata.testing.engines.inside import run_inside

    run_inside(python, Path(__file__), str(folder))
    return folder


def _write(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    yaml: Any = importlib.import_module("yaml")
    from mosdata.synth.adapters.f5tts import _backbone, _import_upstream, _package

    upstream = _import_upstream()
    (folder / "vocos").mkdir(parents=True, exist_ok=True)
    (folder / "model.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "vocos" / "config.yaml").write_text(VOCODER, encoding="utf-8")
    vocabulary = (_package() / "infer" / "examples" / "vocab.txt").read_text(encoding="utf-8")
    (folder / "vocab.txt").write_text(vocabulary, encoding="utf-8")
    arch = yaml.safe_load(CONFIG)["model"]["arch"]
    transformer = _backbone("DiT")(
        **arch, text_num_embeds=len(vocabulary.splitlines()), mel_dim=100
    )
    weights = {f"ema_model.transformer.{k}": v for k, v in _random(transformer, seed=1).items()}
    save_file(weights, folder / "model.safetensors")
    vocoder = upstream.Vocos.from_hparams(str(folder / "vocos" / "config.yaml"))
    torch.save(_random(vocoder, seed=2), folder / "vocos" / "pytorch_model.bin")


def _random(module: Any, *, seed: int) -> dict[str, Any]:
    """Its state with small random weights; upstream starts its output layers at zero."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    parameters = {name for name, _ in module.named_parameters()}
    return {
        name: 0.1 * torch.randn(tensor.shape, generator=generator)
        if name in parameters
        else tensor.clone()
        for name, tensor in module.state_dict().items()
    }


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
