"""CosyVoice 1, 2 and 3 in their own environment: speakers of the model, or voices to clone.

Upstream (https://github.com/FunAudioLLM/CosyVoice) is a checkout, not a package. What is used of
it, and why in this way:

* The model folder must be there and whole: a path that does not exist would become a download.
  ``modelscope`` is replaced by a stand-in that refuses, so nothing else can fetch either.
* One recording is turned into tokens once per voice (``add_zero_shot_spk``), not per utterance.
* One piece of text per call, never streamed: streaming changes the model object, so the same seed
  would give other samples afterwards. Upstream's text front end is off unless it is asked for; it
  is optional there and its absence is silent, so where it is asked for, it is looked for.
* The language model runs in a thread whose errors are lost; they are caught there and told here.
* From ``transformers`` 4.53 on, CosyVoice 2 and 3 decode wrongly without an error: a mask of one
  token hides what was said before. Decoding step by step must equal decoding at once; this holds
  for all weights, and is checked on every load.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import types
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mosdata.synth.adapters import checkout as code
from mosdata.synth.adapters import cosyvoice_files as folder
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
    require_gpu,
)
from mosdata.synth.adapters.prompt_file import Limits, check_prompt, unknown_voice
from mosdata.synth.adapters.torchaudio_door import open_torchaudio

VERSION = 1

MAX_TEXT_TOKENS = 200
"""Longest text that upstream trains on (``token_max_length`` of its recipes)."""

LIMITS = Limits(
    min_duration_s=0.5, max_duration_s=30.0, min_sample_rate_hz=16_000, needs_text=False
)
"""Upstream refuses above 30 s and below 16 kHz; under 0.5 s there is no voice to copy."""

STUCK_S = 1.0
"""Equal speech tokens for so long are a model that has stopped speaking: 25 or 50 of them."""

MAX_DECODE_GAP = 1e-3
"""Of step-by-step against at-once decoding, relative; right is 1e-6, a hidden past 1e-1."""

SYSTEM_PROMPT = "You are a helpful assistant."
END_OF_PROMPT = "<|endofprompt|>"
"""CosyVoice 3 refuses any text without this token after an instruction."""

CALLS = {
    "add_zero_shot_spk": ("prompt_text", "prompt_wav", "zero_shot_spk_id"),
    "inference_sft": ("tts_text", "spk_id", "stream", "speed", "text_frontend"),
    "inference_zero_shot": (
        "tts_text",
        "prompt_text",
        "prompt_wav",
        "zero_shot_spk_id",
        "stream",
        "speed",
        "text_frontend",
    ),
    "inference_cross_lingual": (
        "tts_text",
        "prompt_wav",
        "zero_shot_spk_id",
        "stream",
        "speed",
        "text_frontend",
    ),
}
"""Methods of upstream's classes that are called here, and the arguments they must have."""

PACKAGES = (
    "torch",
    "torchaudio",
    "transformers",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "diffusers",
    "conformer",
    "openai-whisper",
    "x-transformers",
    "HyperPyYAML",
    "wetext",
)

ACCELERATORS = ("jit", "trt", "vllm")

DEFAULTS: dict[str, Any] = {
    "system": "",
    "checkout": "",
    "model_dir": "",
    "device": "cpu",
    "dtype": "float32",
    "mode": "auto",
    "speed": 1.0,
    "text_frontend": False,
    "system_prompt": SYSTEM_PROMPT,
    "max_text_tokens": MAX_TEXT_TOKENS,
    "accelerators": [],
    "whole_digests": False,
}

_MARKUP = re.compile(r"<\|[^<>|]*\|>")
_SOUND_MARKUP = re.compile(r"\[[^\[\]\s]{1,20}\]|</?(?:strong|laughter)>")
_NOT_KATAKANA = re.compile(r"[\u3040-\u309f\u3400-\u9fff]")


@dataclass(frozen=True)
class _Voice:
    """``speaker`` of the model, or a recording that is known to the model as ``prompt``."""

    name: str
    language: str
    speaker: str = ""
    prompt: str = ""
    audio: str = ""
    text: str = ""


def build(options: dict[str, Any]) -> Adapter:
    """An adapter for these options; nothing is loaded.

    Raises:
        LoadFailed: an option is unknown or has a value that does not exist.
    """
    return Adapter(options)


class Adapter:
    """One model of CosyVoice. Options are the keys of :data:`DEFAULTS`.

    ``mode`` is how voices are cloned: ``zero-shot`` continues the recording with its transcript,
    ``cross-lingual`` takes the voice alone, ``auto`` takes the first where there is a transcript.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = _checked(options)
        self._voices: dict[str, _Voice] = {}
        self._release: folder.Release | None = None
        self._described: dict[str, Any] | None = None
        self._engine: Any = None
        self._listener = _Listener()

    # -- What there is ---------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Rate, built-in voices and fingerprint, from files alone.

        Raises:
            LoadFailed: something is missing; the message names it.
        """
        if self._described is not None:
            return self._described
        options = self._options
        model_dir, system = options["model_dir"], options["system"]
        folder.check_checkout(options["checkout"])
        self._release = release = folder.release_of(model_dir, system)
        own_only = system in folder.OWN_VOICES_ONLY
        folder.check_folder(
            model_dir, release, system or "cosyvoice", (folder.SPEAKERS,) if own_only else ()
        )
        for name, language in folder.own_speakers(model_dir).items():
            self._voices[name] = _Voice(name=name, language=language, speaker=name)
        self._described = {
            "sample_rate_hz": folder.sample_rate_of(model_dir, release),
            "voices": [{"name": v.name, "language": v.language} for v in self._voices.values()],
            "fingerprint": self._fingerprint(release),
        }
        return self._described

    def _fingerprint(self, release: folder.Release) -> dict[str, Any]:
        options = self._options
        files = {name for name in release.files if name != release.yaml} | {folder.SPEAKERS}
        digests = folder.file_digests(
            options["model_dir"], files | {release.yaml}, options["whole_digests"]
        )
        checkout = options["checkout"]
        return {
            "adapter": f"cosyvoice/{VERSION}",
            "upstream": code.identity(checkout, folder.PACKAGES, "FunAudioLLM/CosyVoice"),
            "config": digests.pop(release.yaml),
            "weights": digests,
            "python": python_version(),
            "packages": package_versions(PACKAGES),
            "device": options["device"],
            "dtype": options["dtype"],
            "accelerators": sorted(options["accelerators"]),
            "text_frontend": _expected_frontend(options["text_frontend"]),
            "sampling": {
                "mode": options["mode"],
                "speed": options["speed"],
                "system_prompt": options["system_prompt"] if release.number == 3 else "",
            },
        }

    # -- Loading ---------------------------------------------------------------------------------

    def load(self) -> None:
        """Load the weights, and check that this environment computes what it should.

        Raises:
            LoadFailed: upstream or a package is another than this adapter knows.
        """
        if self._engine is not None:
            return
        described, options = self.describe(), self._options
        release = self._known_release()
        module = _import_upstream(options["checkout"], options["device"])
        engine_class = getattr(module, release.class_name)
        _check_calls(engine_class)
        self._prepare_torch()
        self._engine = engine_class(options["model_dir"], **self._load_arguments(engine_class))
        try:
            self._check_promises(described)
            self._check_decoding()
        except LoadFailed:
            self._engine = None  # What failed its checks does not speak when asked once more.
            raise
        self._listener.listen_to(self._engine.model)
        for voice in list(self._voices.values()):
            self._prepare_prompt(voice)

    def _known_release(self) -> folder.Release:
        assert self._release is not None  # describe has been called
        return self._release

    def _prepare_torch(self) -> None:
        import torch

        if self._options["device"] == "cpu":
            return
        require_gpu(torch, self._options["device"])
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)

    def _load_arguments(self, engine_class: Any) -> dict[str, bool]:
        known = inspect.signature(engine_class).parameters
        asked = {f"load_{name}": True for name in self._options["accelerators"]}
        asked["fp16"] = self._options["dtype"] == "float16"
        if unknown := [name for name in asked if name not in known]:
            raise LoadFailed(f"{engine_class.__name__} has no {', '.join(unknown)}.")
        return asked

    def _check_promises(self, described: Mapping[str, Any]) -> None:
        """What was described from files is what was loaded."""
        engine = self._engine
        if engine.sample_rate != described["sample_rate_hz"]:
            raise LoadFailed(
                f"The model speaks at {engine.sample_rate} Hz, its yaml file says "
                f"{described['sample_rate_hz']}."
            )
        missing = set(self._voices) - set(engine.list_available_spks()) - self._prompt_names()
        if missing:
            raise LoadFailed(f"The model has no speakers {', '.join(sorted(missing))}.")
        if self._options["text_frontend"]:
            passed, detail = self._frontend_canary()
            promised = described["fingerprint"]["text_frontend"]
            if not passed or self._engine.frontend.text_frontend != promised:
                raise LoadFailed(
                    f"Upstream's text front end was asked for: {detail}. Install wetext with its "
                    "rules inside (wetext>=0.1), or leave text_frontend off: mosdata normalises."
                )

    def _prompt_names(self) -> set[str]:
        return {voice.name for voice in self._voices.values() if not voice.speaker}

    def _check_decoding(self) -> None:
        if "vllm" in self._options["accelerators"]:
            return  # vLLM replaces the decoder that the check is about, and takes its layers away.
        passed, detail = self._decode_canary()
        if not passed:
            raise LoadFailed(
                f"This environment decodes wrongly: {detail}. It has transformers "
                f"{package_versions(['transformers']).get('transformers', 'unknown')}; CosyVoice 2 "
                "and 3 need 'transformers>=4.51.3,<4.53' in the engine's environment."
            )

    # -- Voices ----------------------------------------------------------------------------------

    def add_voice(self, voice: dict[str, Any]) -> None:
        """Make a recording a voice; its tokens are computed once, when the model is loaded.

        Raises:
            Rejected: the recording cannot be a prompt; the reason is counted, the message says
                what was found and what is allowed.
        """
        self.describe()
        name, system = voice["name"], self._options["system"]
        if system in folder.OWN_VOICES_ONLY:
            raise Rejected("cannot_clone", f"{system} has speakers of its own and clones nobody.")
        known = self._voices.get(name)
        if known is not None and known.speaker:
            raise Rejected("voice_exists", f"{system} has a speaker {name!r}; take another name.")
        checked = check_prompt(
            voice, replace(LIMITS, needs_text=self._options["mode"] == "zero-shot")
        )
        if _MARKUP.search(checked.text):
            raise Rejected("control_tokens", f"The transcript of {name!r} has control tokens.")
        added = _Voice(
            name=name,
            language=voice.get("language") or "mul",
            prompt=f"prompt:{name}",
            audio=checked.path,
            text=checked.text,
        )
        self._prepare_prompt(added)
        self._voices[name] = added

    def _prepare_prompt(self, voice: _Voice) -> None:
        if self._engine is None or voice.speaker:
            return
        text = voice.text
        if self._options["text_frontend"]:
            text = self._engine.frontend.text_normalize(text, split=False, text_frontend=True)
        if self._known_release().number == 3:
            text = self._options["system_prompt"] + END_OF_PROMPT + text
        self._engine.add_zero_shot_spk(text, voice.audio, voice.prompt)

    # -- Speaking --------------------------------------------------------------------------------

    def synthesize(self, request: dict[str, Any]) -> dict[str, Any]:
        """Speak one piece of text; the same request gives the same samples.

        Raises:
            Rejected: this text or voice cannot be spoken.
            RuntimeError: upstream failed; the message has its own error, whatever thread it was in.
        """
        self.load()
        voice = self._voice(request["voice"])
        text = self._text(request["text"], request["language"], voice)
        pieces = self._speak(text, voice, int(request["seed"]))
        if not pieces:
            raise Rejected("empty_audio", f"CosyVoice said nothing to {request['text'][:40]!r}.")
        return {
            "samples": np.concatenate(pieces),
            "sample_rate_hz": int(self._engine.sample_rate),
            "flags": self._listener.flags(self._known_release().tokens_per_s),
        }

    def _voice(self, name: str) -> _Voice:
        if name not in self._voices:
            raise unknown_voice(name, self._voices)
        return self._voices[name]

    def _text(self, text: str, language: str, voice: _Voice) -> str:
        """What upstream is given: checked, and with the marks that its release needs."""
        release = self._known_release()
        spoken = check_text(text, release.number)
        tag = _language_tag(language, release)
        cross_lingual = not voice.speaker and self._is_cross_lingual(voice)
        if release.number == 3 and tag == "ja" and _NOT_KATAKANA.search(spoken):
            raise Rejected(
                "unspeakable_characters",
                "CosyVoice 3 reads Japanese in katakana only; transcribe kanji and hiragana.",
            )
        self._check_length(spoken)
        if not cross_lingual or release.number == 2:
            return spoken
        if self._options["text_frontend"]:  # Upstream skips it where it sees a mark.
            spoken = self._engine.frontend.text_normalize(spoken, split=False, text_frontend=True)
        if release.number == 3:
            return f"{self._options['system_prompt']}{END_OF_PROMPT}{spoken}"
        return f"<|{tag}|>{spoken}"

    def _check_length(self, text: str) -> None:
        frontend, most = self._engine.frontend, self._options["max_text_tokens"]
        tokens = len(frontend.tokenizer.encode(text, allowed_special=frontend.allowed_special))
        if tokens > most:
            raise Rejected(
                "text_too_long",
                f"The text has {tokens} tokens ({len(text)} characters); CosyVoice speaks at most "
                f"{most} in one piece. Split it into sentences.",
            )

    def _is_cross_lingual(self, voice: _Voice) -> bool:
        mode = self._options["mode"]
        return mode == "cross-lingual" or (mode == "auto" and not voice.text)

    def _speak(self, text: str, voice: _Voice, seed: int) -> list[np.ndarray]:
        from cosyvoice.utils.common import set_all_random_seed

        self._listener.start()
        set_all_random_seed(seed)
        try:
            pieces = [
                output["tts_speech"].detach().cpu().float().numpy().reshape(-1)
                for output in self._outputs(text, voice)
            ]
        except Exception as error:
            if self._listener.error is None and self._listener.heard_nothing():
                return []
            raise _explained(self._listener.error or error) from error
        finally:
            self._forget_sessions()
        if self._listener.error is not None:
            raise _explained(self._listener.error)
        return pieces

    def _outputs(self, text: str, voice: _Voice) -> Iterator[Any]:
        options, engine = self._options, self._engine
        common = {
            "stream": False,
            "speed": options["speed"],
            "text_frontend": options["text_frontend"],
        }
        if voice.speaker:
            return iter(engine.inference_sft(text, voice.speaker, **common))
        common["zero_shot_spk_id"] = voice.prompt
        if self._is_cross_lingual(voice):
            return iter(engine.inference_cross_lingual(text, "", **common))
        return iter(engine.inference_zero_shot(text, "", "", **common))

    def _forget_sessions(self) -> None:
        """Drop what a failed call leaves in the model: upstream removes it on success only."""
        for name, value in vars(self._engine.model).items():
            if name.endswith("_dict") and isinstance(value, dict):
                value.clear()

    # -- Canaries --------------------------------------------------------------------------------

    def canaries(self) -> list[dict[str, Any]]:
        """Checks that hold for all weights; ``detail`` has what was measured."""
        self.load()
        results = []
        if (repeats := self._repeat_canary()) is not None:
            results.append(repeats)
        if "vllm" not in self._options["accelerators"]:
            results.append(canary(SAME_STEPS, *self._decode_canary()))
        if self._options["text_frontend"]:
            results.append(canary("text front end", *self._frontend_canary()))
        return results

    def _decode_canary(self) -> tuple[bool, str]:
        gap, dtype = decode_gap(self._engine.model.llm)
        detail = (
            f"step by step and at once differ by {gap:.1e} of the largest value, at most "
            f"{MAX_DECODE_GAP:g} is right; weights of the language model are {dtype}, float32 is "
            "right"
        )
        return gap <= MAX_DECODE_GAP and dtype == "float32", detail

    def _frontend_canary(self) -> tuple[bool, str]:
        """Whether numbers and units become words; without a normaliser they stay, silently."""
        frontend = self._engine.frontend
        found = str(getattr(frontend, "text_frontend", ""))
        said = [
            frontend.text_normalize(text, split=False, text_frontend=True)
            for text in ("I paid $25 on 3 May.", "共465篇 约315万字")
        ]
        passed = bool(found) and not re.search(r"[\d$]", "".join(said))
        return passed, f"front end {found or 'none'!r} made {said}"

    def _repeat_canary(self) -> dict[str, Any] | None:
        """None where there is no voice to try it with: then nobody knows."""
        if not self._voices:
            return None
        voice = next(iter(self._voices))
        request = {"text": "Hello there.", "language": "en", "voice": voice, "seed": 7}
        return repeat_canary(lambda: self.synthesize(dict(request))["samples"])


class _Listener:
    """Hears what the language model's thread does: its tokens, its limit, its errors."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._pieces: list[tuple[int, list[int]]] = []

    def start(self) -> None:
        """Forget the last utterance."""
        self.error = None
        self._pieces = []

    def listen_to(self, model: Any) -> None:
        """Put itself between upstream's thread and its language model."""
        job, infer = model.llm_job, model.llm.inference
        ratio = inspect.signature(infer).parameters.get("max_token_text_ratio")
        most_per_token = float(ratio.default) if ratio is not None else 20.0

        def llm_job(*args: Any, **kwargs: Any) -> None:
            try:
                job(*args, **kwargs)
            except BaseException as error:
                self.error = error
                raise

        def inference(*args: Any, **kwargs: Any) -> Iterator[Any]:
            text = kwargs["text"] if "text" in kwargs else args[0]
            heard: list[int] = []
            self._pieces.append((int(text.shape[1] * most_per_token), heard))
            for token in infer(*args, **kwargs):
                heard.append(int(token))
                yield token

        model.llm_job, model.llm.inference = llm_job, inference

    def heard_nothing(self) -> bool:
        """Whether a piece ended before its first token; upstream then fails in a convolution."""
        return any(not heard for _, heard in self._pieces)

    def flags(self, tokens_per_s: int) -> list[str]:
        """``runaway``: cut at the length limit; ``repeated_sound``: one token over and over."""
        flags = []
        if any(len(heard) >= 0.98 * most for most, heard in self._pieces):
            flags.append("runaway")
        if any(longest_run(heard) >= STUCK_S * tokens_per_s for _, heard in self._pieces):
            flags.append("repeated_sound")
        return flags


def longest_run(tokens: list[int]) -> int:
    """Most equal tokens in a row.

    Example:
        >>> longest_run([5, 5, 7, 7, 7])
        3
    """
    longest = current = 0
    previous: int | None = None
    for token in tokens:
        current = current + 1 if token == previous else 1
        previous = token
        longest = max(longest, current)
    return longest


def decode_gap(llm: Any) -> tuple[float, str]:
    """How far decoding step by step is from decoding at once, and the type of the weights.

    Takes a prefix of 12 speech tokens and 6 steps, in the very shape of upstream's calls. The gap
    is the largest difference of an output over the largest output.
    """
    import torch

    prefix, steps = 12, 6
    weight = llm.speech_embedding.weight
    rows = torch.arange(prefix + steps, device=weight.device) * 37 % weight.shape[0]
    inputs = weight[rows].unsqueeze(0)
    with torch.inference_mode():
        whole = _decode(llm, [inputs])[0][:, prefix - 1 :]
        ones = [inputs[:, i : i + 1] for i in range(prefix, prefix + steps)]
        stepped = torch.cat([y[:, -1:] for y in _decode(llm, [inputs[:, :prefix], *ones])], dim=1)
        gap = (stepped - whole).abs().max() / whole.abs().max()
    core = next(p for p in llm.llm.parameters() if p.is_floating_point())
    return float(gap), str(core.dtype).replace("torch.", "")


def _decode(llm: Any, chunks: list[Any]) -> list[Any]:
    """Outputs of the language model, chunk after chunk, called as upstream calls it."""
    import torch

    outputs = []
    offset, cache = 0, None
    att, cnn = torch.zeros(0, 0, 0, 0), torch.zeros(0, 0, 0, 0)
    for chunk in chunks:
        length = chunk.shape[1]
        mask = torch.tril(torch.ones((1, length, length), device=chunk.device)).to(torch.bool)
        if hasattr(llm.llm, "forward_one_step"):
            y, cache = llm.llm.forward_one_step(chunk, masks=mask, cache=cache)
        else:
            att, cnn = att.to(chunk.device), cnn.to(chunk.device)
            y, att, cnn = llm.llm.forward_chunk(
                chunk,
                offset=offset,
                required_cache_size=-1,
                att_cache=att,
                cnn_cache=cnn,
                att_mask=mask,
            )
        offset += length
        outputs.append(y)
    return outputs


def check_text(text: str, release: int) -> str:
    """Text without outer space, if there is something to say and no mark that steers the model.

    Raises:
        Rejected: ``empty_text``, ``no_letters`` or ``control_tokens``.
    """
    spoken = text.strip()
    if not spoken:
        raise Rejected("empty_text", "There is no text.")
    if not any(unicodedata.category(c)[0] in "LN" for c in spoken):
        raise Rejected("no_letters", f"There is nothing to read in {spoken[:40]!r}.")
    marks = _MARKUP.findall(spoken) + (_SOUND_MARKUP.findall(spoken) if release > 1 else [])
    if marks:
        raise Rejected(
            "control_tokens",
            f"{', '.join(dict.fromkeys(marks))} would steer CosyVoice and not be read. Remove it.",
        )
    return spoken


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    check_options(options, DEFAULTS, "CosyVoice")
    checked = {**DEFAULTS, **options}
    allowed = {
        "device": ("cpu", "cuda"),
        "dtype": ("float32", "float16"),
        "mode": ("auto", "zero-shot", "cross-lingual"),
    }
    for key, values in allowed.items():
        if checked[key] not in values:
            raise LoadFailed(f"{key} is {checked[key]!r}; allowed: {', '.join(values)}.")
    checked["accelerators"] = list(checked["accelerators"])
    if unknown := sorted(set(checked["accelerators"]) - set(ACCELERATORS)):
        raise LoadFailed(f"Unknown accelerators {', '.join(unknown)}; {', '.join(ACCELERATORS)}.")
    if checked["device"] == "cpu" and (checked["accelerators"] or checked["dtype"] != "float32"):
        # Upstream would go on in float32 with a line in its log; the fingerprint would lie.
        raise LoadFailed("float16 and accelerators need device cuda.")
    if not 0.5 <= float(checked["speed"]) <= 2.0:
        raise LoadFailed(f"speed is {checked['speed']}; allowed: 0.5 to 2.")
    return checked


def _import_upstream(checkout: str, device: str) -> Any:
    """Module ``cosyvoice.cli.cosyvoice`` of the checkout, with no way to the network."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        os.environ[name] = "1"
    os.environ["TQDM_DISABLE"] = "1"
    os.environ.pop("onnx_path", None)  # Upstream would load training-time models from there.
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Upstream takes a GPU wherever there is one.
    else:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    root = Path(checkout).resolve()
    for path in (str(root / "third_party" / "Matcha-TTS"), str(root)):
        if path not in sys.path:
            sys.path.insert(0, path)
    sys.modules["modelscope"] = _no_downloads()
    try:
        open_torchaudio()
        from cosyvoice.cli import cosyvoice as module
    except (ImportError, OSError) as error:
        raise LoadFailed(
            f"The engine's environment ({sys.executable}) cannot import CosyVoice: {error}. "
            "Install its lock file there."
        ) from error
    if root not in Path(module.__file__ or "").resolve().parents:
        raise LoadFailed(
            f"{sys.executable} imports cosyvoice from {module.__file__}, not from {root}. "
            "Uninstall the package cosyvoice there; it is another's."
        )
    _quieten()
    return module


def _no_downloads() -> Any:
    module = types.ModuleType("modelscope")

    def snapshot_download(model_id: str, *_: Any, **__: Any) -> str:
        raise LoadFailed(f"CosyVoice wanted to download {model_id}; mosdata downloads nothing.")

    module.snapshot_download = snapshot_download  # type: ignore[attr-defined]  # a made module
    return module


def _quieten() -> None:
    """Upstream sets the root logger to debug on import."""
    import logging

    logging.getLogger().setLevel(logging.WARNING)


def _check_calls(engine_class: Any) -> None:
    """Raise where upstream's methods lack an argument that is used here."""
    what = engine_class.__name__
    methods = [method for name in CALLS if (method := getattr(engine_class, name, None))]
    if any("prompt_speech_16k" in inspect.signature(method).parameters for method in methods):
        raise LoadFailed(
            f"{what} takes prompt_speech_16k: the checkout is older than December 2025 (622a3a1), "
            "when it became prompt_wav. Update the checkout."
        )
    check_parameters(engine_class, CALLS, what, "the commit that docs/engines/cosyvoice.md names")


def _expected_frontend(wanted: bool) -> str:
    """Which normaliser will be used; upstream prefers ttsfrd to wetext."""
    from importlib.util import find_spec

    if not wanted:
        return "mosdata"
    return next((name for name in ("ttsfrd", "wetext") if find_spec(name)), "none")


def _language_tag(language: str, release: folder.Release) -> str:
    primary = language.lower().replace("_", "-").split("-")[0]
    if primary == "zh" and language.lower().endswith(("-hk", "-yue")) and release.number == 1:
        primary = "yue"
    if primary not in release.languages:
        raise Rejected(
            "unsupported_language",
            f"{release.class_name} reads {', '.join(release.languages)}, not {language!r}.",
        )
    return primary


def _explained(error: BaseException) -> RuntimeError:
    """An error of upstream; the worker looks into the message for that of a lost GPU."""
    return RuntimeError(f"CosyVoice failed: {type(error).__name__}: {error}")
