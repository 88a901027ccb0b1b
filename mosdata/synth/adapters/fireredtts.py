"""FireRedTTS, first version: a language model over speech codes, flow matching, BigVGAN.

Guo et al., "FireRedTTS: A Foundation Text-To-Speech Framework for Industry-Level Generative
Speech Applications" (2024). Upstream (https://github.com/FireRedTeam/FireRedTTS) is a checkout.
What it does that a dataset cannot take, and what is done about it:

- ``synthesize`` cuts the text and drops the last piece whenever there are two or more and the last
  is not short. So ``synthesize_base`` is called, with one piece at a time, cut by mosdata.
- its text normaliser cannot be turned off and deletes characters that it does not know; a text
  that comes out with fewer letters than it went in is refused.
- of seven sampled candidates the second shortest is spoken; where one of the seven never ends, it
  fails. It is tried again with a seed made of the given one; what never ends is refused.
- prompts are read and encoded at every call, always on ``cuda``: here once per voice, on the
  device that was asked for.
- its configuration names a file relative to the working folder, and its checkpoints are pickles.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mosdata.synth.adapters import checkout as code
from mosdata.synth.adapters.kit import (
    SAME_STEPS,
    LoadFailed,
    Rejected,
    canary,
    check_options,
    check_parameters,
    package_versions,
    python_version,
    repeat_canary,
    require_files,
    require_gpu,
    seed_everything,
    weight_digest,
)
from mosdata.synth.adapters.prompt_file import (
    Limits,
    Prompt,
    check_letters,
    check_prompt,
    unknown_voice,
)

VERSION = 1

SAMPLE_RATE_HZ = 24_000

URL = "https://github.com/FireRedTeam/FireRedTTS"

FILES = ("fireredtts_gpt.pt", "fireredtts_token2wav.pt", "fireredtts_speaker.bin")

TABLES = (
    "fireredtts/modules/flow/codebook.npy",
    "fireredtts/modules/tokenizer/assets/multilingual.tiktoken",
)
"""Files of the checkout that shape the sound beside its code."""

LIMITS = Limits(
    min_duration_s=1.0, max_duration_s=30.0, min_sample_rate_hz=16_000, needs_text=False
)
"""Upstream sets none; it was trained on prompts of 3 to 8 s (``config_24k.json``)."""

LANGUAGES = ("zh", "en")

MAX_CHARS = 1000
"""Longest text that is given to upstream's normaliser, which takes a minute for some thousands."""

MAX_TOKENS = 399
"""``synthesize_base`` asserts fewer than 400 text tokens."""

RUNAWAY_CODES = 600
"""Of at most 627; at 25 a second, 24 s of speech for one sentence."""

SAMPLING = {
    "candidates": 7,
    "chosen": "second shortest",
    "top_k": 30,
    "top_p": 0.85,
    "temperature": 0.75,
    "repetition_penalty": 2.0,
    "flow_steps": 10,
}
"""What upstream has in its code (``do_gpt_inference``, ``synthesize_base``)."""

PACKAGES = (
    "WeTextProcessing",
    "diffusers",
    "lingua-language-detector",
    "librosa",
    "numpy",
    "pynini",
    "tiktoken",
    "torch",
    "torchaudio",
    "transformers",
)

USED = {
    "__init__": ("config_path", "pretrained_path", "device"),
    "extract_spk_embeddings": ("prompt_wav",),
    "do_gpt_inference": ("spk_gpt", "text_tokens"),
    "synthesize_base": ("prompt_wav", "text", "lang"),
}
"""Methods of upstream's class and their parameters."""

PROBE = "examples/prompt_1.wav"
"""A prompt that comes with the checkout, for the canaries."""

PROBE_TEXT = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
)


@dataclass(frozen=True)
class Options:
    """What can be set. ``config_file`` is relative to the model folder; empty means upstream's."""

    model_dir: str
    checkout: str
    system: str = "fireredtts"
    device: str = "cpu"
    dtype: str = ""
    config_file: str = ""
    max_attempts: int = 3
    whole_digests: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in ("", "float32"):
            raise LoadFailed(f"dtype is {self.dtype!r}; FireRedTTS speaks in float32 only.")
        if not 1 <= self.max_attempts <= 10:
            raise LoadFailed(f"max_attempts is {self.max_attempts}; allowed: 1 to 10.")


class _NothingSaid(Exception):
    """The candidate that upstream chose ends before it begins."""


def build(options: dict[str, Any]) -> FireRed:
    """An adapter for the folder, checkout and options of one configured system.

    Raises:
        LoadFailed: an option that does not exist, is missing or cannot have this value.
    """
    check_options(options, (field.name for field in fields(Options)), "fireredtts")
    return FireRed(Options(**{"checkout": "", **options}))


class FireRed:
    """One checkpoint."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._prompts: dict[str, Prompt] = {}
        self._tts: Any = None
        self._num_codes = 0

    def describe(self) -> dict[str, Any]:
        """Rate, no voices of its own, and the fingerprint; nothing is loaded.

        Raises:
            LoadFailed: the checkout or a file of the model folder is missing.
        """
        options = self._options
        code.require_checkout(options.checkout, "fireredtts/fireredtts.py", URL)
        require_files(options.model_dir, self._names(), options.system)
        paths = {name: Path(options.model_dir) / name for name in FILES}
        paths |= {name: Path(options.checkout) / name for name in TABLES}
        fingerprint = {
            "adapter": f"fireredtts/{VERSION}",
            "upstream": code.identity(options.checkout, ["fireredtts"], "FireRedTTS"),
            "weights": {
                name: weight_digest(str(path), whole=options.whole_digests)
                for name, path in paths.items()
            },
            "config": weight_digest(str(self._config_path())),
            "python": python_version(),
            "packages": package_versions(PACKAGES),
            "device": options.device,
            "dtype": "float32",
            "accelerators": [],
            "text_frontend": "engine",
            "sampling": {**SAMPLING, "max_attempts": options.max_attempts},
        }
        return {"sample_rate_hz": SAMPLE_RATE_HZ, "voices": [], "fingerprint": fingerprint}

    def load(self) -> None:
        """Load all three networks from the folder.

        Raises:
            LoadFailed: packages, checkout or files do not fit each other.
        """
        from mosdata.synth.adapters.safe_load import only_tensors
        from mosdata.synth.adapters.torchaudio_door import open_torchaudio

        self.describe()
        options = self._options
        torch: Any = importlib.import_module("torch")
        require_gpu(torch, options.device)
        open_torchaudio()
        upstream = _import_upstream(options.checkout)
        with code.inside(options.checkout), only_tensors(torch, options.device):
            try:
                self._tts = upstream(
                    config_path=str(self._config_path()),
                    pretrained_path=str(Path(options.model_dir).resolve()),
                    device=options.device,
                )
            except (RuntimeError, KeyError, AssertionError, TypeError) as error:
                first = " ".join(str(error).split())[:600]
                raise LoadFailed(
                    f"{options.model_dir} does not fit {self._config_path()}: "
                    f"{type(error).__name__}: {first}"
                ) from error
        self._check_packages()
        self._replace()
        for text in (
            "Warm up, please.",
            "你好。",
        ):  # its language models are loaded by the first text
            self._tts.text_tokenizer.encode(text=text, lang="auto")

    def add_voice(self, voice: dict[str, Any]) -> None:
        """Take a recording; no transcript is needed.

        Raises:
            Rejected: the recording cannot be cloned as it is.
        """
        prompt = check_prompt(voice, LIMITS)
        self._prompts[prompt.name] = prompt

    def synthesize(self, request: dict[str, Any]) -> dict[str, Any]:
        """Speak one piece of text.

        Raises:
            Rejected: ``unknown_voice``, ``unsupported_language``, ``no_letters``, ``text_lost``,
                ``text_too_long`` or ``runaway``.
        """
        if request["voice"] not in self._prompts:
            raise unknown_voice(request["voice"], self._prompts)
        path = self._prompts[request["voice"]].path
        text, seed = str(request["text"]), int(request["seed"])
        return self._speak(path, text, _language(str(request["language"])), seed)

    def canaries(self) -> list[dict[str, Any]]:
        """Checks that hold for any weights; they take two short utterances."""
        path = str(Path(self._options.checkout) / PROBE)
        short = PROBE_TEXT.partition(".")[0] + "."
        repeats = repeat_canary(lambda: self._speak(path, short, "en", 1)["samples"])
        lost, gap = self._lost_words(PROBE_TEXT), self._decode_gap(path, short)
        return [
            canary(
                "no sentence is lost",
                not lost,
                f"words lost here: {' '.join(lost) or 'none'}; upstream's own splitting would "
                f"keep {self._kept_by_upstream(PROBE_TEXT)} of {len(PROBE_TEXT)} characters",
            ),
            canary(
                SAME_STEPS,
                gap < 1e-3,
                f"relative difference {gap:.1e} between decoding with and without a cache",
            ),
            repeats,
        ]

    def _speak(self, path: str, text: str, language: str, seed: int) -> dict[str, Any]:
        import numpy as np

        self._check_text(text, language)
        wav = self._sampled(path, text, language, seed)
        samples = np.ascontiguousarray(wav.detach().cpu().numpy().reshape(-1), dtype=np.float32)
        flags = ["runaway"] if self._num_codes >= RUNAWAY_CODES else []
        return {"samples": samples, "sample_rate_hz": SAMPLE_RATE_HZ, "flags": flags}

    def _sampled(self, path: str, text: str, language: str, seed: int) -> Any:
        """Waveform; tried again where one of upstream's candidates never ends."""
        torch: Any = importlib.import_module("torch")
        for attempt in range(self._options.max_attempts):
            seed_everything(attempt_seed(seed, attempt))
            try:
                with torch.no_grad():
                    return self._tts.synthesize_base(prompt_wav=path, text=text, lang=language)
            except _NothingSaid:
                reason, what = "empty_audio", "said nothing of"
            except IndexError as error:
                if "index 0 is out of bounds" not in str(error):
                    raise
                reason, what = "runaway", "found no end to"
        attempts = self._options.max_attempts
        raise Rejected(reason, f"FireRedTTS {what} {text[:40]!r} in {attempts} attempts.")

    def _check_text(self, text: str, language: str) -> None:
        check_letters(text)
        if len(text) > MAX_CHARS:
            raise Rejected(
                "text_too_long",
                f"The text has {len(text)} characters; FireRedTTS speaks about 300 at once.",
            )
        tokenizer = self._tts.text_tokenizer
        spoken = tokenizer.redtts_text_cleaner(text)[0]
        if _num_letters(spoken) < _num_letters(text):
            raise Rejected(
                "text_lost",
                f"FireRedTTS's normaliser makes {spoken[:80]!r} of {text[:80]!r}: letters are "
                "gone. It knows a to z and Chinese characters.",
            )
        num_tokens = len(tokenizer.encode(text=text, lang=language))
        if num_tokens > MAX_TOKENS:
            raise Rejected(
                "text_too_long",
                f"The text has {num_tokens} tokens; FireRedTTS speaks up to {MAX_TOKENS} at once.",
            )

    def _check_packages(self) -> None:
        if not hasattr(self._tts.gpt.gpt_inference, "generate"):
            raise LoadFailed(
                f"FireRedTTS needs transformers 4.44.2, not {package_versions(['transformers'])}: "
                "later ones took generate() from its language model. Run 'mosdata engines "
                "install fireredtts'."
            )

    def _replace(self) -> None:
        """Encode prompts once each, on the right device, and count the codes that are spoken."""
        tts = self._tts
        load_audio = importlib.import_module("fireredtts.utils.utils").load_audio

        def extract_spk_embeddings(prompt_wav: str) -> Any:
            _, _, audio = load_audio(audiopath=prompt_wav, sampling_rate=16_000)
            return tts.speaker_extractor(audio.to(device=tts.device)).unsqueeze(0)

        infer = tts.do_gpt_inference

        def do_gpt_inference(spk_gpt: Any, text_tokens: Any) -> Any:
            codes = infer(spk_gpt=spk_gpt, text_tokens=text_tokens)
            self._num_codes = int(codes.shape[-1])
            if not self._num_codes:
                raise _NothingSaid
            return codes

        tts.extract_spk_embeddings = _remembered(extract_spk_embeddings, "prompt_wav")
        tts.mel_extractor = _remembered(tts.mel_extractor, "wav_path")
        tts.do_gpt_inference = do_gpt_inference

    def _lost_words(self, text: str) -> list[str]:
        """Words of a plain English text that do not reach the language model."""
        tokenizer = self._tts.text_tokenizer
        heard = tokenizer.tokenizer.decode(tokenizer.encode(text=text, lang="en"))
        words = "".join(c if c.isalpha() else " " for c in text.lower()).split()
        return [word for word in words if word not in heard]

    def _kept_by_upstream(self, text: str) -> int:
        split = importlib.import_module("fireredtts.modules.text_normalizer.utils").text_split
        return sum(map(len, split(text=text)))

    def _decode_gap(self, path: str, text: str) -> float:
        """Difference between decoding token by token with a cache, and without; relative."""
        torch: Any = importlib.import_module("torch")
        tts = self._tts
        tokens = torch.IntTensor(tts.text_tokenizer.encode(text=text, lang="en"))
        model = tts.gpt.gpt_inference
        logits, cache = [], model.kv_cache
        try:
            with torch.no_grad():
                spk = tts.extract_spk_embeddings(prompt_wav=path).unsqueeze(0)
                latents = tts.gpt.reference_embedding(spk)
                for model.kv_cache in (True, False):
                    logits.append(_greedy_logits(tts.gpt, latents, tokens[None].to(tts.device)))
        finally:
            model.kv_cache = cache
        cached, whole = logits
        return float((cached - whole).abs().max() / whole.abs().max())

    def _names(self) -> list[str]:
        return [*FILES, *([self._options.config_file] if self._options.config_file else [])]

    def _config_path(self) -> Path:
        if self._options.config_file:
            return (Path(self._options.model_dir) / self._options.config_file).resolve()
        return (Path(self._options.checkout) / "configs" / "config_24k.json").resolve()


def attempt_seed(seed: int, attempt: int) -> int:
    """Seed of an attempt: the given one first, then others that follow from it.

    Example:
        >>> attempt_seed(7, 0), attempt_seed(7, 1) != attempt_seed(8, 1)
        (7, True)
    """
    if attempt == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}/{attempt}".encode()).digest()[:4], "big")


def _import_upstream(checkout: str) -> Any:
    code.importable(checkout)
    try:
        upstream: Any = importlib.import_module("fireredtts.fireredtts").FireRedTTS
    except ImportError as error:
        raise LoadFailed(
            f"FireRedTTS cannot be imported: {error}. Run 'mosdata engines install fireredtts'."
        ) from error
    check_parameters(upstream, USED, f"FireRedTTS in {checkout}", "commit 3c1fb92")
    return upstream


def _language(tag: str) -> str:
    primary = tag.replace("_", "-").partition("-")[0].lower()
    primary = "zh" if primary == "cmn" else primary
    if primary not in LANGUAGES:
        raise Rejected("unsupported_language", f"FireRedTTS speaks zh and en, not {tag!r}.")
    return primary


def _greedy_logits(gpt: Any, latents: Any, tokens: Any) -> Any:
    """Logits of the first codes, always taking the likeliest."""
    inputs, mask = gpt.compute_embeddings(latents, tokens)
    said = gpt.gpt_inference.generate(
        inputs,
        attention_mask=mask,
        bos_token_id=gpt.start_audio_token,
        pad_token_id=gpt.stop_audio_token,
        eos_token_id=gpt.stop_audio_token,
        max_length=inputs.shape[-1] + 8,
        min_length=inputs.shape[-1] + 8,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    torch: Any = importlib.import_module("torch")
    return torch.stack(said.logits)


def _remembered(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function, computed once for each value of its only argument."""
    known: dict[str, Any] = {}

    def remembered(**arguments: str) -> Any:
        key = arguments[name]
        if key not in known:
            known[key] = function(**arguments)
        return known[key]

    return remembered


def _num_letters(text: str) -> int:
    return sum(c.isalpha() for c in text)
