import logging
import re

import torch
from modelscope import snapshot_download

from cosyvoice.cli.frontend import CosyVoiceFrontEnd
from cosyvoice.cli.model import CosyVoiceModel
from cosyvoice.llm.llm import Qwen2LM, TransformerLM

logging.basicConfig(level=logging.DEBUG)
download = snapshot_download


class Letters:
    def encode(self, text, allowed_special):
        return [ord(c) for c in text]


class CosyVoice:
    llm, yaml = TransformerLM, "cosyvoice.yaml"

    def __init__(self, model_dir, load_jit=False, load_trt=False, fp16=False, trt_concurrent=1):
        self.prepare(model_dir, fp16)

    def prepare(self, model_dir, fp16):
        text = open(f"{model_dir}/{self.yaml}").read()
        self.sample_rate = int(re.search(r"sample_rate: (\d+)", text)[1])
        self.frontend = CosyVoiceFrontEnd(Letters, None, "", "", f"{model_dir}/spk2info.pt")
        torch.manual_seed(0)
        self.model = CosyVoiceModel(self.llm(), None, None, fp16)
        self.calls = []

    def list_available_spks(self):
        return list(self.frontend.spk2info)

    def add_zero_shot_spk(self, prompt_text, prompt_wav, zero_shot_spk_id):
        self.calls.append(("add_zero_shot_spk", prompt_text, prompt_wav, zero_shot_spk_id))
        self.frontend.spk2info[zero_shot_spk_id] = self.frontend.prompt(prompt_text, prompt_wav)
        return True

    def inference_sft(self, tts_text, spk_id, stream=False, speed=1.0, text_frontend=True):
        self.calls.append(("inference_sft", tts_text, spk_id, stream, speed, text_frontend))
        self.frontend.spk2info[spk_id]["embedding"]
        yield from self.speak(tts_text, torch.zeros(1, 0, dtype=torch.long), speed, text_frontend)

    def inference_zero_shot(
        self,
        tts_text,
        prompt_text,
        prompt_wav,
        zero_shot_spk_id="",
        stream=False,
        speed=1.0,
        text_frontend=True,
    ):
        self.calls.append(
            ("inference_zero_shot", tts_text, prompt_text, prompt_wav, zero_shot_spk_id, stream)
        )
        prompt = self.frontend.spk2info[zero_shot_spk_id]["prompt_text"]
        yield from self.speak(tts_text, prompt, speed, text_frontend)

    def inference_cross_lingual(
        self,
        tts_text,
        prompt_wav,
        zero_shot_spk_id="",
        stream=False,
        speed=1.0,
        text_frontend=True,
    ):
        self.calls.append(
            ("inference_cross_lingual", tts_text, prompt_wav, zero_shot_spk_id, stream)
        )
        self.frontend.spk2info[zero_shot_spk_id]["flow_embedding"]
        yield from self.speak(tts_text, torch.zeros(1, 0, dtype=torch.long), speed, text_frontend)

    def speak(self, text, prompt, speed, text_frontend):
        for piece in self.frontend.text_normalize(text, split=True, text_frontend=text_frontend):
            yield from self.model.tts(self.frontend.tokens(piece), prompt, speed)


class CosyVoice2(CosyVoice):
    llm, yaml = Qwen2LM, "cosyvoice2.yaml"

    def __init__(
        self,
        model_dir,
        load_jit=False,
        load_trt=False,
        load_vllm=False,
        fp16=False,
        trt_concurrent=1,
    ):
        self.prepare(model_dir, fp16)


class CosyVoice3(CosyVoice2):
    yaml = "cosyvoice3.yaml"

    def __init__(self, model_dir, load_trt=False, load_vllm=False, fp16=False, trt_concurrent=1):
        self.prepare(model_dir, fp16)
        self.model.llm.needs_mark = True
