"""Signatures of ``f5_tts.infer.utils_infer`` 1.1.22, and as much behaviour as the adapter meets."""

import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import tqdm

import f5_tts.model  # noqa: F401
from f5_tts.model.utils import convert_char_to_pinyin  # noqa: F401

_ref_audio_cache = {}

seen = {}
"""What the last call was given, for tests."""

device = "cpu"
target_rms = 0.1
cross_fade_duration = 0.15
ode_method = "euler"
nfe_step = 32
cfg_strength = 2.0
sway_sampling_coef = -1.0
speed = 1.0
fix_duration = None
mel_spec_type = "vocos"


def chunk_text(text, max_chars=135):
    """Cut at sentence ends where more than ``max_chars`` bytes come together."""
    chunks, current = [], ""
    for sentence in re.split(r"(?<=[;:,.!?])\s+", text):
        if current and len(f"{current}{sentence}".encode()) > max_chars:
            chunks.append(current.strip())
            current = ""
        current += f"{sentence} " if sentence else ""
    return [*chunks, current.strip()] if current else chunks


def load_vocoder(
    vocoder_name="vocos", is_local=False, local_path="", device=device, hf_cache_dir=None
):
    """Local ones only."""
    assert is_local, "this would be a download"
    return Path(local_path).name


def load_checkpoint(model, ckpt_path, device, dtype=None, use_ema=True):
    """Remember the type that it was loaded in."""
    if "size mismatch" in Path(ckpt_path).read_text():
        raise RuntimeError("Error(s) in loading state_dict for CFM: size mismatch for proj.weight")
    model.dtype = dtype
    return model


class CFM:
    """The model."""


def load_model(
    model_cls,
    model_cfg,
    ckpt_path,
    mel_spec_type=mel_spec_type,
    vocab_file="",
    ode_method=ode_method,
    use_ema=True,
    device=device,
):
    """A model that knows its vocabulary."""
    model = CFM()
    lines = Path(vocab_file).read_text(encoding="utf-8").split("\n")[:-1]
    model.vocab_char_map = {line: index for index, line in enumerate(lines)}
    return load_checkpoint(model, ckpt_path, device, dtype=None, use_ema=use_ema)


def preprocess_ref_audio_text(ref_audio_orig, ref_text, show_info=print):
    """A temporary copy that nobody takes away, and a transcript that ends."""
    assert ref_text.strip(), "this would download a recogniser"
    if ref_audio_orig not in _ref_audio_cache:
        with tempfile.NamedTemporaryFile(suffix=".wav", delete=False) as file:
            shutil.copy(ref_audio_orig, file.name)
        _ref_audio_cache[ref_audio_orig] = file.name
    return _ref_audio_cache[ref_audio_orig], ref_text + (" " if ref_text.endswith(".") else ". ")


def infer_batch_process(
    ref_audio,
    ref_text,
    gen_text_batches,
    model_obj,
    vocoder,
    mel_spec_type="vocos",
    progress=tqdm,
    target_rms=0.1,
    cross_fade_duration=0.15,
    nfe_step=32,
    cfg_strength=2.0,
    sway_sampling_coef=-1,
    speed=1,
    fix_duration=None,
    device=None,
    streaming=False,
    chunk_size=2048,
):
    """Noise of the length of the text, in float64, from the global generator."""
    print("noise on stdout")  # noqa: T201
    seen.update(batches=gen_text_batches, nfe_step=nfe_step, speed=speed, ref_text=ref_text)
    if gen_text_batches == ["nothing"]:
        yield None, 24000, None
    else:
        num_samples = 1200 * sum(len(text) for text in gen_text_batches)
        yield 0.1 * np.random.standard_normal(num_samples), 24000, np.zeros((100, 1))
