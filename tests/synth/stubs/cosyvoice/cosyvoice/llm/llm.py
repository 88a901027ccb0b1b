import torch

from cosyvoice.transformer.encoder import BaseEncoder

END_OF_PROMPT = "<|endofprompt|>"


def speak(text, prompt_text, size, limit):
    """Tokens, as the text asks for."""
    words = "".join(map(chr, text.flatten().tolist()))
    if "boom" in words:
        raise ValueError("the model lost its mind")
    if "mute" in words:
        return
    if "stuck" in words:
        yield from [7] * 30
        return
    number = limit if "endless" in words else 2 * text.shape[1]
    for _ in range(number):
        yield int(torch.randint(size, (1,)))


class TransformerLM(torch.nn.Module):
    def __init__(self, size=64):
        super().__init__()
        self.speech_token_size = size
        self.speech_embedding = torch.nn.Embedding(size, 8)
        self.llm = BaseEncoder()

    def inference(
        self,
        text,
        text_len,
        prompt_text,
        prompt_text_len,
        prompt_speech_token,
        prompt_speech_token_len,
        embedding,
        sampling=25,
        max_token_text_ratio=20,
        min_token_text_ratio=2,
        uuid="",
    ):
        limit = int(text.shape[1] * max_token_text_ratio)
        yield from speak(text, prompt_text, self.speech_token_size, limit)


class Qwen2Encoder(torch.nn.Module):
    """The same, with a cache; ``hides_the_past`` is what a wrong transformers does to it."""

    hides_the_past = False

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward_one_step(self, xs, masks, cache=None):
        outputs = xs.cumsum(dim=1) * self.scale
        if cache is not None and not self.hides_the_past:
            outputs = outputs + cache
        return outputs, outputs[:, -1:]


class Qwen2LM(TransformerLM):
    needs_mark = False

    def __init__(self, size=64):
        super().__init__(size)
        self.llm = Qwen2Encoder()

    def inference(
        self,
        text,
        text_len,
        prompt_text,
        prompt_text_len,
        prompt_speech_token,
        prompt_speech_token_len,
        embedding,
        sampling=25,
        max_token_text_ratio=20,
        min_token_text_ratio=2,
        uuid="",
    ):
        given = "".join(map(chr, torch.cat([prompt_text, text], dim=1).flatten().tolist()))
        assert not self.needs_mark or END_OF_PROMPT in given, "<|endofprompt|> not detected"
        limit = int(text.shape[1] * max_token_text_ratio)
        yield from speak(text, prompt_text, self.speech_token_size, limit)
