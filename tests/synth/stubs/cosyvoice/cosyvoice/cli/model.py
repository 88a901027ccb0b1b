import threading
import uuid as uuids

import torch


class CosyVoiceModel:
    def __init__(self, llm, flow, hift, fp16=False):
        self.llm = llm
        self.fp16 = fp16
        self.tts_speech_token_dict = {}
        self.llm_end_dict = {}

    def load(self, llm_model, flow_model, hift_model):
        pass

    def llm_job(self, text, prompt_text, llm_prompt_speech_token, llm_embedding, uuid):
        for token in self.llm.inference(
            text=text,
            text_len=torch.tensor([text.shape[1]]),
            prompt_text=prompt_text,
            prompt_text_len=torch.tensor([prompt_text.shape[1]]),
            prompt_speech_token=llm_prompt_speech_token,
            prompt_speech_token_len=torch.tensor([0]),
            embedding=llm_embedding,
            uuid=uuid,
        ):
            self.tts_speech_token_dict[uuid].append(token)
        self.llm_end_dict[uuid] = True

    def tts(self, text, prompt_text, speed):
        uuid = str(uuids.uuid1())
        self.tts_speech_token_dict[uuid], self.llm_end_dict[uuid] = [], False
        job = threading.Thread(target=self.llm_job, args=(text, prompt_text, None, None, uuid))
        job.start()
        job.join()
        tokens = torch.tensor(self.tts_speech_token_dict[uuid], dtype=torch.float32)
        if not len(tokens):
            raise RuntimeError("Calculated padded input size per channel: (4)")
        speech = tokens.repeat_interleave(int(100 / speed)) / 100 + 0.01 * torch.randn(1)
        yield {"tts_speech": speech.unsqueeze(0)}
        self.tts_speech_token_dict.pop(uuid)
        self.llm_end_dict.pop(uuid)
