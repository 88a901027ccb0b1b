"""Signatures of ``fireredtts.fireredtts`` at 3c1fb92, and what the adapter meets of its ways."""

import os
from types import SimpleNamespace

import numpy as np


class Tokenizer:
    """A token for each character, after a normaliser that deletes what it does not know."""

    def __init__(self):
        self.tokenizer = SimpleNamespace(decode=lambda tokens: "".join(map(chr, tokens)))

    def redtts_text_cleaner(self, text):
        """Lower case; a to z, digits, marks and two Chinese characters stay."""
        return "".join(c for c in text.lower() if c.isascii() or c in "你好"), "en"

    def encode(self, text, lang="auto"):
        """Code points."""
        return [ord(c) for c in self.redtts_text_cleaner(text)[0]]


class FireRedTTS:
    """Upstream's class."""

    def __init__(self, config_path, pretrained_path, device="cuda"):
        import torch

        assert os.path.exists("fireredtts/modules/flow/codebook.npy")  # relative, as upstream's
        self.device = device
        self.states = [
            torch.load(os.path.join(pretrained_path, f"fireredtts_{name}"))
            for name in ("gpt.pt", "token2wav.pt", "speaker.bin")
        ]
        self.text_tokenizer = Tokenizer()
        self.mel_extractor = lambda wav_path: wav_path
        self.speaker_extractor = lambda audio: audio.sum()
        inference = SimpleNamespace(generate=lambda: None, kv_cache=True)
        self.gpt = SimpleNamespace(gpt_inference=inference)
        self.failures = 0
        self.num_codes = None
        self.calls = []

    def extract_spk_embeddings(self, prompt_wav):
        """As upstream: on a GPU, always."""
        raise AssertionError("Torch not compiled with CUDA enabled")

    def do_gpt_inference(self, spk_gpt, text_tokens):
        """Codes; fails where a candidate has no end, as often as a test says."""
        import torch

        if self.failures:
            self.failures -= 1
            torch.zeros(0)[0]
        return torch.zeros(1, 25 if self.num_codes is None else self.num_codes)

    def synthesize_base(self, prompt_wav, text, lang="auto"):
        """Noise of the length of the codes, from the global generator."""
        import torch

        assert lang in ["zh", "en", "auto"]
        self.calls.append((text, lang))
        tokens = self.text_tokenizer.encode(text=text, lang=lang)
        assert len(tokens) < 400
        self.extract_spk_embeddings(prompt_wav=prompt_wav)
        codes = self.do_gpt_inference(spk_gpt=None, text_tokens=tokens)
        self.mel_extractor(wav_path=prompt_wav)
        assert np.isfinite(codes.numpy()).all()
        return 0.1 * torch.randn(1, 960 * codes.shape[-1])

    def synthesize(self, prompt_wav, text, lang="auto"):
        """Never to be called: it loses the last piece."""
        raise AssertionError("synthesize loses text")
