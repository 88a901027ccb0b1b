"""FireRedTTS-2: a language model over 16 streams of speech codes, 12.5 frames a second.

Xie et al., "FireRedTTS-2: Towards Long Conversational Speech Generation for Podcast and Chatbot"
(2025). Upstream (https://github.com/FireRedTeam/FireRedTTS2) is a checkout; its monologue is used,
with a recording to clone, or with a voice of its own for each utterance (the voice ``random``).
What it does that a dataset cannot take, and what is done about it:

- speech of 18 frames or fewer is made again, for ever: here a few times.
- the transcript of a prompt loses its last character, taken for a mark: one is put there.
- its checkpoints are unpickled with leave to run anything: here they hold tensors or are refused.
- the attribute ``sample_rate`` says 16,000; that is the codec's input, the sound has 24,000.
- without bfloat16 on the GPU it goes on in float32: refused.
"""

from __future__ import annotations

import importlib
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

URL = "https://github.com/FireRedTeam/FireRedTTS2"

FILES = ("config_llm.json", "config_codec.json", "llm_pretrain.pt", "codec.pt", "Qwen2.5-1.5B")

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt")
"""Those of the folder ``Qwen2.5-1.5B`` that are read, where they are there."""

LIMITS = Limits(min_duration_s=1.0, max_duration_s=30.0, min_sample_rate_hz=16_000, needs_text=True)
"""Upstream sets none; the codec's encoder has seen 30 s (``max_positions``)."""

RANDOM = "random"
"""The voice of no recording: who speaks is drawn with everything else."""

MAX_BYTES = 400
"""Longest text of one piece, in bytes of UTF-8 (``generate_monologue``)."""

RUNAWAY_FRAMES = 373
"""At most 375 frames (30 s) are made without a recording, 398 with one."""

PACKAGES = ("numpy", "torch", "torchao", "torchaudio", "torchtune", "transformers")

USED = {
    "__init__": ("pretrained_dir", "gen_type", "device", "use_bf16"),
    "load_prompt_audio": ("audio_path",),
    "_tokenize_audio": ("audio",),
    "generate_single": ("context", "temperature", "topk"),
    "generate_monologue": ("text", "prompt_wav", "prompt_text", "temperature", "topk"),
}
"""Methods of upstream's class and their parameters."""

PROBE_TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the background."


@dataclass(frozen=True)
class Options:
    """What can be set, with upstream's defaults for monologues."""

    model_dir: str
    checkout: str
    system: str = "fireredtts2"
    device: str = "cpu"
    dtype: str = "float32"
    temperature: float = 0.75
    topk: int = 20
    max_attempts: int = 8
    whole_digests: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "bfloat16"):
            raise LoadFailed(f"dtype is {self.dtype!r}; allowed: float32, bfloat16.")
        if self.dtype == "bfloat16" and not self.device.startswith("cuda"):
            raise LoadFailed("dtype bfloat16 needs device cuda; on the CPU it is float32.")
        if not (0.05 <= self.temperature <= 2 and self.topk >= 1 and self.max_attempts >= 1):
            raise LoadFailed(
                f"temperature is {self.temperature}, topk {self.topk}, max_attempts "
                f"{self.max_attempts}; allowed: 0.05 to 2, and 1 or more."
            )


def build(options: dict[str, Any]) -> FireRed2:
    """An adapter for the folder, checkout and options of one configured system.

    Raises:
        LoadFailed: an option that does not exist or cannot have this value.
    """
    check_options(options, (field.name for field in fields(Options)), "fireredtts2")
    return FireRed2(Options(**{"checkout": "", **options}))


class FireRed2:
    """One checkpoint."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._prompts: dict[str, Prompt] = {}
        self._tts: Any = None
        self._spliter: Any = None
        self._num_frames = 0

    def describe(self) -> dict[str, Any]:
        """Rate, the voice that is drawn, and the fingerprint; nothing is loaded.

        Raises:
            LoadFailed: the checkout or a file of the model folder is missing.
        """
        options, folder = self._options, Path(self._options.model_dir)
        code.require_checkout(options.checkout, "fireredtts2/fireredtts2.py", URL)
        require_files(options.model_dir, FILES, options.system)
        names = [*FILES[2:4], *(f"{FILES[4]}/{name}" for name in TOKENIZER_FILES)]
        fingerprint = {
            "adapter": f"fireredtts2/{VERSION}",
            "upstream": code.identity(options.checkout, ["fireredtts2"], "FireRedTTS2"),
            "weights": {
                name: weight_digest(str(folder / name), whole=options.whole_digests)
                for name in names
                if (folder / name).is_file()
            },
            "config": {name: weight_digest(str(folder / name)) for name in FILES[:2]},
            "python": python_version(),
            "packages": package_versions(PACKAGES),
            "device": options.device,
            "dtype": options.dtype,
            "accelerators": [],
            "text_frontend": "mosdata",
            "sampling": {
                name: getattr(options, name) for name in ("temperature", "topk", "max_attempts")
            },
        }
        voices = [{"name": RANDOM, "language": "mul"}]
        return {"sample_rate_hz": SAMPLE_RATE_HZ, "voices": voices, "fingerprint": fingerprint}

    def load(self) -> None:
        """Load language model and codec from the folder.

        Raises:
            LoadFailed: packages, checkout or files do not fit each other.
        """
        from mosdata.synth.adapters.safe_load import only_tensors
        from mosdata.synth.adapters.torchaudio_door import open_torchaudio

        self.describe()
        options = self._options
        torch: Any = importlib.import_module("torch")
        _check_gpu(torch, options)
        open_torchaudio()
        upstream = _import_upstream(options.checkout)
        self._spliter = importlib.import_module("fireredtts2.utils.spliter")
        with only_tensors(torch, options.device):
            try:
                self._tts = upstream(
                    pretrained_dir=options.model_dir,
                    gen_type="monologue",
                    device=options.device,
                    use_bf16=options.dtype == "bfloat16",
                )
            except (RuntimeError, KeyError, AssertionError, TypeError, ValueError) as error:
                first = " ".join(str(error).split())[:600]
                raise LoadFailed(
                    f"{options.model_dir} does not fit FireRedTTS-2: {type(error).__name__}: "
                    f"{first}"
                ) from error
        self._replace()

    def add_voice(self, voice: dict[str, Any]) -> None:
        """Take a recording and its transcript; the recording is encoded once.

        Raises:
            Rejected: the recording cannot be cloned as it is.
        """
        prompt = check_prompt(voice, LIMITS)
        self._prompts[prompt.name] = prompt

    def synthesize(self, request: dict[str, Any]) -> dict[str, Any]:
        """Speak one piece of text.

        Raises:
            Rejected: ``unknown_voice``, ``no_letters``, ``control_tokens``, ``text_lost``,
                ``text_too_long``, ``empty_audio`` or ``too_short``.
        """
        name = request["voice"]
        if name != RANDOM and name not in self._prompts:
            raise unknown_voice(name, [RANDOM, *self._prompts])
        return self._speak(str(request["text"]), self._prompts.get(name), int(request["seed"]))

    def canaries(self) -> list[dict[str, Any]]:
        """Checks that hold for any weights; they take two short utterances."""
        short = PROBE_TEXT.partition(".")[0] + "."
        repeats = repeat_canary(lambda: self._speak(short, None, 1)["samples"])
        pieces, gap = self._spliter.split_text(text=PROBE_TEXT, length=MAX_BYTES), self._gap(short)
        return [
            canary(
                "no sentence is lost",
                _letters("".join(pieces)) == _letters(PROBE_TEXT),
                f"{len(pieces)} piece of {len(PROBE_TEXT)} characters",
            ),
            canary(
                SAME_STEPS,
                gap < (1e-3 if self._options.dtype == "float32" else 5e-2),
                f"relative difference {gap:.1e} between reading with and without a cache",
            ),
            repeats,
        ]

    def _speak(self, text: str, prompt: Prompt | None, seed: int) -> dict[str, Any]:
        import numpy as np

        self._check_text(text)
        seed_everything(seed)
        try:
            wav = self._tts.generate_monologue(
                text=text,
                prompt_wav=prompt.path if prompt else None,
                prompt_text=self._ended(prompt.text) if prompt else None,
                temperature=self._options.temperature,
                topk=self._options.topk,
            )
        except RuntimeError as error:
            if not _is_empty(error):
                raise
            raise Rejected("empty_audio", f"FireRedTTS-2 said nothing of {text[:40]!r}.") from error
        samples = np.ascontiguousarray(
            wav.detach().float().cpu().numpy().reshape(-1), dtype=np.float32
        )
        flags = ["runaway"] if self._num_frames >= RUNAWAY_FRAMES else []
        return {"samples": samples, "sample_rate_hz": SAMPLE_RATE_HZ, "flags": flags}

    def _check_text(self, text: str) -> None:
        check_letters(text)
        if "<|" in text:
            raise Rejected(
                "control_tokens", f"{text[:60]!r} holds '<|', which FireRedTTS-2 would obey."
            )
        if len(text.encode()) > 4 * MAX_BYTES:
            pieces = [text[:MAX_BYTES], text[MAX_BYTES:]]
        else:
            pieces = self._spliter.split_text(text=text, length=MAX_BYTES)
        if len(pieces) > 1 or len(text.encode()) > 2 * MAX_BYTES:
            raise Rejected(
                "text_too_long",
                f"The text has {len(text.encode())} bytes; FireRedTTS-2 speaks up to {MAX_BYTES} "
                "at once. Split it.",
            )
        if _letters("".join(pieces)) != _letters(text):
            raise Rejected("text_lost", f"FireRedTTS-2 would speak {pieces} instead of {text!r}.")

    def _ended(self, text: str) -> str:
        """A transcript that ends with a mark: upstream takes its last character away."""
        cleaned = self._spliter.clean_text(text=text)
        return text if cleaned and not cleaned[-1].isalnum() else f"{cleaned}."

    def _replace(self) -> None:
        """Encode prompts once each, count frames, and end what upstream would repeat for ever."""
        tts = self._tts
        known: dict[str, Any] = {}
        encoded: dict[int, Any] = {}
        load, encode, single = tts.load_prompt_audio, tts._tokenize_audio, tts.generate_single  # noqa: SLF001 - of upstream
        decode = tts._audio_tokenizer.decode  # noqa: SLF001

        def load_prompt_audio(audio_path: str) -> Any:
            if audio_path not in known:
                known[audio_path] = load(audio_path)
            return known[audio_path]

        def tokenize_audio(audio: Any) -> Any:
            if id(audio) not in encoded:  # those in ``known`` live as long as this
                encoded[id(audio)] = encode(audio)
            return encoded[id(audio)]

        def generate_single(context: Any, temperature: float = 0.9, topk: int = 20) -> Any:
            for _ in range(self._options.max_attempts):
                try:
                    tokens = single(context=context, temperature=temperature, topk=topk)
                except RuntimeError as error:
                    if not _is_empty(error):
                        raise
                    continue
                if tokens.shape[2] > 18:
                    return tokens
            raise Rejected(
                "too_short",
                f"FireRedTTS-2 made less than 1.5 s in {self._options.max_attempts} attempts.",
            )

        def counted(tokens: Any) -> Any:
            self._num_frames = int(tokens.shape[-1])
            return decode(tokens)

        tts.load_prompt_audio, tts._tokenize_audio = load_prompt_audio, tokenize_audio  # noqa: SLF001
        tts.generate_single, tts._audio_tokenizer.decode = generate_single, counted  # noqa: SLF001

    def _gap(self, text: str) -> float:
        """Difference between reading a text token by token with a cache, and at once; relative."""
        torch: Any = importlib.import_module("torch")
        tts, model = self._tts, self._tts._model  # noqa: SLF001
        with torch.inference_mode():
            frames, masks = tts._tokenize_text_segment(text, "[S1]")  # noqa: SLF001
            embedded = model._embed_tokens(frames[None]) * masks[None].unsqueeze(-1)  # noqa: SLF001
            summed = embedded.sum(dim=2)
            places = torch.arange(summed.shape[1], device=summed.device)[None]

            def read(start: int, end: int) -> Any:
                here = places[:, start:end]
                mask = model.backbone_causal_mask[here, :]
                return model.backbone(summed[:, start:end], input_pos=here, mask=mask)

            model.reset_caches()
            whole = read(0, summed.shape[1])
            model.reset_caches()
            steps = [read(place, place + 1) for place in range(summed.shape[1])]
            model.reset_caches()
            gap = (torch.cat(steps, dim=1) - whole).abs().max() / whole.abs().max()
        return float(gap)


def _check_gpu(torch: Any, options: Options) -> None:
    require_gpu(torch, options.device)
    if options.dtype == "bfloat16" and not torch.cuda.is_bf16_supported():
        raise LoadFailed("This GPU has no bfloat16, and upstream would go on without a word.")


def _import_upstream(checkout: str) -> Any:
    code.importable(checkout)
    try:
        upstream: Any = importlib.import_module("fireredtts2.fireredtts2").FireRedTTS2
    except ImportError as error:
        raise LoadFailed(
            f"FireRedTTS-2 cannot be imported: {error}. Run 'mosdata engines install fireredtts2'."
        ) from error
    check_parameters(upstream, USED, f"FireRedTTS-2 in {checkout}", "commit 404f3f6")
    return upstream


def _is_empty(error: RuntimeError) -> bool:
    """Whether upstream stacked no frames at all."""
    return "non-empty" in str(error)


def _letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())
