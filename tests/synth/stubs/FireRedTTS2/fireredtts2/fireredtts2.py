"""Signatures of ``fireredtts2.fireredtts2`` at 404f3f6, and what the adapter meets of its ways."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

from fireredtts2.llm.utils import load_llm_model
from fireredtts2.utils.spliter import clean_text, split_text


class FireRedTTS2:
    """Upstream's class; ``lengths`` are the frames of the next utterances."""

    def __init__(self, pretrained_dir, gen_type, device, use_bf16=False):
        import torch

        assert gen_type in ["monologue", "dialogue"]
        folder = Path(pretrained_dir)
        self.sample_rate = 16000
        self.config = json.loads((folder / "config_llm.json").read_text())
        self._model = load_llm_model(self.config, folder / "llm_pretrain.pt", device)
        self.codec = torch.load(folder / "codec.pt")["generator"]
        self._audio_tokenizer = SimpleNamespace(
            decode=lambda tokens: 0.1 * torch.randn(1, 1, 1920 * tokens.shape[-1])
        )
        self.lengths = []
        self.spoken = []
        self.num_encoded = 0

    def load_prompt_audio(self, audio_path):
        """A recording."""
        import torch

        return torch.zeros(1, 8)

    def _tokenize_audio(self, audio):
        self.num_encoded += 1
        return audio, audio

    def generate(
        self, text, speaker, context, max_audio_length_ms=90_000, temperature=0.9, topk=20
    ):
        """Speech of a speaker who is drawn."""
        return self._audio_tokenizer.decode(self._frames()).squeeze(0).squeeze(0)

    def generate_single(self, context, temperature=0.9, topk=20):
        """Frames of speech."""
        self._tokenize_audio(context)
        return self._frames()

    def _frames(self):
        import torch

        length = self.lengths.pop(0) if self.lengths else 25
        return torch.stack([torch.zeros(1, 16)] * length).permute(1, 2, 0)

    def generate_monologue(
        self, text, prompt_wav=None, prompt_text=None, temperature=0.75, topk=20
    ):
        """As upstream: again and again where it is short."""
        if prompt_wav is None:
            self.spoken.append((clean_text(text=text), ""))
            return self.generate(text, "[S1]", []).unsqueeze(0)
        assert os.path.exists(prompt_wav)
        (piece,) = split_text(text=clean_text(text=text), length=400)
        self.spoken.append((piece, clean_text(text=prompt_text)[:-1]))
        audio = self.load_prompt_audio(prompt_wav)
        while True:
            tokens = self.generate_single(context=audio, temperature=temperature, topk=topk)
            if tokens.shape[2] > 18:
                break
        return self._audio_tokenizer.decode(tokens[:, :, 2:]).squeeze(0)
