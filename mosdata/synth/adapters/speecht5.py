"""SpeechT5 with HiFi-GAN through ``transformers`` (Ao et al. 2022).

The model speaks with the voice of a 512-dimensional x-vector: each ``speakers/<name>.npy`` of the
model folder is a voice. The vocoder is a folder of its own, ``vocoder`` inside the model folder
unless the option says otherwise. The decoder's pre-net keeps its dropout when it speaks, as
published, so takes with other seeds differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mosdata.synth.adapters.kit import LoadFailed, Rejected, weight_digest
from mosdata.synth.adapters.pretrained import Pretrained

VERSION = 1
XVECTOR_DIM = 512
LONGEST_RATIO = 20.0
"""Frames per input token after which generation is cut off, as upstream has it."""


class SpeechT5(Pretrained):
    """A ``SpeechT5ForTextToSpeech`` folder with ``vocoder/`` and ``speakers/*.npy``."""

    NAME = "speecht5"
    ADAPTER = f"speecht5/{VERSION}"
    OPTIONS: ClassVar[dict[str, Any]] = {"language": "en", "vocoder": "vocoder", "threshold": 0.5}
    FILES = ("config.json",)

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self._vocoder: Any = None
        if not (self._vocoder_folder() / "config.json").is_file():
            raise LoadFailed(
                f"speecht5: there is no vocoder in {self._vocoder_folder()}. Put the folder of a "
                "SpeechT5HifiGan there, or name it with the option 'vocoder'."
            )
        if not self._speakers():
            raise LoadFailed(
                f"speecht5: {self.folder} has no speakers/*.npy. Save a {XVECTOR_DIM}-dimensional "
                "x-vector (float32) there for each voice."
            )

    def sample_rate_hz(self) -> int:
        """Rate of the vocoder; 16 kHz as published."""
        import json

        about = json.loads((self._vocoder_folder() / "config.json").read_text("utf-8"))
        return int(about.get("sampling_rate", 16_000))

    def voices(self) -> list[dict[str, str]]:
        """One for each x-vector, by file name."""
        language = str(self.options["language"])
        return [{"name": path.stem, "language": language} for path in self._speakers()]

    def describe(self) -> dict[str, Any]:
        """As for every model here; the vocoder is weights too, wherever it lies."""
        about = super().describe()
        weights = about["fingerprint"]["weights"]
        for kind in ("*.safetensors", "*.bin"):
            for path in sorted(self._vocoder_folder().glob(kind)):
                weights[f"vocoder/{path.name}"] = weight_digest(str(path))
        return about

    def open(self) -> None:
        """Load tokenizer, model and vocoder."""
        from transformers import SpeechT5ForTextToSpeech, SpeechT5HifiGan, SpeechT5Tokenizer

        self.tokenizer = self.pretrained(SpeechT5Tokenizer)
        self.model = self.placed(self.pretrained(SpeechT5ForTextToSpeech))
        self._vocoder = self.placed(self.pretrained(SpeechT5HifiGan, self._vocoder_folder()))

    def speak(self, text: str, voice: str) -> tuple[Any, list[str]]:
        """Speak one piece; ``runaway`` where the model never said that it had ended.

        Raises:
            Rejected: ``unspeakable_characters``.
        """
        self._refuse_losses(text)
        inputs = self.tokenizer(text, return_tensors="pt").to(self.device)
        spectrogram = self.model.generate_speech(
            inputs["input_ids"],
            self._xvector(voice),
            threshold=float(self.options["threshold"]),
            maxlenratio=LONGEST_RATIO,
        )
        reduction = int(self.model.config.reduction_factor)
        longest = int(inputs["input_ids"].shape[-1] * LONGEST_RATIO / reduction) * reduction
        flags = ["runaway"] if spectrogram.shape[-2] >= longest else []
        return self._vocoder(spectrogram), flags

    def _refuse_losses(self, text: str) -> None:
        pieces = self.tokenizer.tokenize(text)
        ids = self.tokenizer.convert_tokens_to_ids(pieces)
        unknown = zip(pieces, ids)
        lost = [piece for piece, index in unknown if index == self.tokenizer.unk_token_id]
        letters = "".join(dict.fromkeys(c for piece in lost for c in piece if c.isalnum()))
        if letters:
            raise Rejected(
                "unspeakable_characters",
                f"The model's vocabulary lacks {letters[:20]!r}; they would all sound alike.",
            )

    def _xvector(self, voice: str) -> Any:
        import torch

        path = next(path for path in self._speakers() if path.stem == voice)
        vector = np.load(path, allow_pickle=False).reshape(1, -1).astype(np.float32)
        if vector.shape[-1] != self.model.config.speaker_embedding_dim:
            raise LoadFailed(
                f"{path} has {vector.shape[-1]} values; this model takes "
                f"{self.model.config.speaker_embedding_dim}."
            )
        return torch.from_numpy(vector).to(self.device, getattr(torch, self.dtype))

    def _vocoder_folder(self) -> Path:
        return self.folder / str(self.options["vocoder"])

    def _speakers(self) -> list[Path]:
        return sorted((self.folder / "speakers").glob("*.npy"))


def build(options: dict[str, Any]) -> SpeechT5:
    """The adapter; see :class:`SpeechT5` for its options."""
    return SpeechT5(options)
