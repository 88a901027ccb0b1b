"""Frozen self-supervised backbones from a local folder; nothing is ever downloaded."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from mosdata.audio import Clip
from mosdata.errors import InvalidValue, MissingExtra, NothingFound
from mosdata.manifests.durable import sha256_file
from mosdata.training.spectra import samples_of

NORMALIZE_EPSILON: Final = 1e-7
"""Added to the variance, as the Wav2Vec2 feature extractor of transformers does."""


class SSLEncoder:
    """A wav2vec 2.0, HuBERT, WavLM or XLS-R folder as frames of one hidden layer.

    Clips go through one at a time. Backbones with group norm (wav2vec2-base and its kin) change
    their output with padding even under an attention mask; without a batch there is no padding.

    Args:
        folder: what ``save_pretrained`` wrote, or a downloaded model; weights in safetensors.
        layer: hidden state to use: 0 is the input of the first transformer layer, -1 the last.
        device: where the backbone runs.

    Raises:
        MissingExtra: transformers is not installed.
        NothingFound: no model in the folder.
        InvalidValue: the backbone has no such layer.
    """

    def __init__(self, folder: Path | str, *, layer: int = -1, device: str = "cpu") -> None:
        self.folder = Path(folder)
        self._model = _load(self.folder).to(device)
        self._device = device
        config = self._model.config
        num_states = int(config.num_hidden_layers) + 1
        if not -num_states <= layer < num_states:
            raise InvalidValue(
                "The layer", layer, f"{-num_states} to {num_states - 1} for {self.folder}"
            )
        self.layer = layer % num_states
        preprocessor = _preprocessor(self.folder)
        self._normalize = bool(preprocessor.get("do_normalize", True))
        self.sample_rate_hz = int(preprocessor.get("sampling_rate", 16_000))
        self.width = int(config.hidden_size)
        self.frame_rate_hz = self.sample_rate_hz / math.prod(config.conv_stride)
        self._min_samples = _receptive_field(config.conv_kernel, config.conv_stride)
        self.name = f"hf-{self.folder.resolve().name}-layer{self.layer}"
        self.revision = _fingerprint(self.folder, normalize=self._normalize)

    def encode(self, clip: Clip) -> Tensor:
        """Hidden states of one clip: shape ``(T, D)``; clips under one frame end in silence."""
        samples_S = samples_of(clip, self.sample_rate_hz)
        if self._normalize:
            spread = torch.sqrt(samples_S.var(correction=0) + NORMALIZE_EPSILON)
            samples_S = (samples_S - samples_S.mean()) / spread
        short = max(0, self._min_samples - len(samples_S))
        samples_S = torch.nn.functional.pad(samples_S, (0, short)).to(self._device)
        with torch.inference_mode():
            output = self._model(samples_S[None], output_hidden_states=True)
        frames_TD: Tensor = output.hidden_states[self.layer][0]
        return frames_TD.float().cpu().clone()


def _load(folder: Path) -> Any:
    try:
        from transformers import AutoModel
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtra("A backbone (hf:FOLDER)", ["transformers"], "all") from error
    if not (folder / "config.json").is_file():
        raise NothingFound(
            f"{folder} holds no backbone: it has no config.json. Give a folder on this machine "
            "that save_pretrained wrote or that you downloaded; mosdata downloads nothing."
        )
    bars: Any = logging  # its switches are not annotated
    showed = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        # Safetensors only: other weight files are pickles, which can run code.
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        raise NothingFound(f"The backbone in {folder} cannot be loaded: {error}") from error
    finally:
        if showed:
            bars.enable_progress_bar()
    return model.eval().requires_grad_(requires_grad=False)


def _preprocessor(folder: Path) -> dict[str, Any]:
    path = folder / "preprocessor_config.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _receptive_field(kernels: list[int], strides: list[int]) -> int:
    """Samples that the convolutions need for one frame; 400 for wav2vec 2.0."""
    needed = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        needed = (needed - 1) * stride + kernel
    return needed


def _fingerprint(folder: Path, *, normalize: bool) -> str:
    """Digest of weights and settings: a folder whose weights changed is another encoder."""
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    parts = [f"{path.name} {sha256_file(path)}" for path in files]
    text = "\n".join([*parts, f"normalize={normalize}"])
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
