import os

import torch

from cosyvoice.utils.file_utils import load_wav


class CosyVoiceFrontEnd:
    installed = ""

    def __init__(
        self,
        get_tokenizer,
        feat_extractor,
        campplus_model,
        speech_tokenizer_model,
        spk2info="",
        allowed_special="all",
    ):
        self.tokenizer = get_tokenizer()
        self.allowed_special = allowed_special
        self.text_frontend = self.installed
        self.spk2info = torch.load(spk2info, weights_only=True) if os.path.exists(spk2info) else {}
        self.num_prompts = 0

    def text_normalize(self, text, split=True, text_frontend=True):
        if "<|" in text and "|>" in text:
            text_frontend = False
        if text_frontend is False or text == "":
            return [text] if split is True else text
        if self.text_frontend:
            text = "".join("#" if c.isdigit() or c == "$" else c for c in text)
        return text.split("|") if split is True else text

    def tokens(self, text):
        return torch.tensor([self.tokenizer.encode(text, allowed_special=self.allowed_special)])

    def prompt(self, prompt_text, prompt_wav):
        self.num_prompts += 1
        speech = load_wav(prompt_wav, 16000)
        return {"prompt_text": self.tokens(prompt_text), "flow_embedding": speech.mean().reshape(1)}
