"""F5-TTS (PyPI ``f5-tts``): flow matching over mel frames, then Vocos; runs in its environment.

Chen et al., "F5-TTS: A Fairytaler that Fakes Fluent and Faithful Speech with Flow Matching"
(2024). What upstream does that a dataset cannot take, and what is done about it:

- a text of more than one of its chunks is spoken by several threads that share one random
  generator, and cross-faded in float64: other samples on every run. So a text is refused where
  upstream would cut it; mosdata cuts before.
- a prompt of more than 12 s is clipped and its transcript is not, so words of the prompt turn up
  in the speech; an empty transcript downloads a recogniser. Both are refused.
- characters that its vocabulary does not have are read as spaces without a word: refused.
- a checkpoint or vocoder that is not named is downloaded: both are files of the model folder.
- it imports its trainer, and with it wandb, bitsandbytes and datasets, to speak: left out.

The model folder holds the checkpoint, ``vocos/`` (``config.yaml`` and ``pytorch_model.bin`` of
``charactr/vocos-mel-24khz``) and, for models that upstream does not name, a configuration and a
vocabulary.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mosdata.synth.adapters.kit import (
    SAME_SAMPLES,
    LoadFailed,
    Rejected,
    canary,
    check_options,
    check_parameters,
    package_versions,
    python_version,
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

LIMITS = Limits(min_duration_s=1.0, max_duration_s=12.0, min_sample_rate_hz=16_000, needs_text=True)
"""12 s is where upstream begins to clip prompts (``preprocess_ref_audio_text``)."""

PACKAGES = (
    "f5-tts",
    "numpy",
    "pydub",
    "pypinyin",
    "rjieba",
    "torch",
    "torchaudio",
    "torchdiffeq",
    "transformers",
    "vocos",
    "x-transformers",
)

USED = {
    "chunk_text": ("text", "max_chars"),
    "infer_batch_process": (
        "ref_audio",
        "ref_text",
        "gen_text_batches",
        "model_obj",
        "vocoder",
        "mel_spec_type",
        "progress",
        "nfe_step",
        "cfg_strength",
        "sway_sampling_coef",
        "speed",
        "device",
    ),
    "load_checkpoint": ("model", "ckpt_path", "device", "dtype", "use_ema"),
    "load_model": (
        "model_cls",
        "model_cfg",
        "ckpt_path",
        "mel_spec_type",
        "vocab_file",
        "ode_method",
        "use_ema",
        "device",
    ),
    "load_vocoder": ("vocoder_name", "is_local", "local_path", "device"),
    "preprocess_ref_audio_text": ("ref_audio_orig", "ref_text", "show_info"),
}
"""Functions of ``f5_tts.infer.utils_infer`` and the parameters that are given to them by name."""

LONGEST_S = 22.0
"""Prompt and speech together in one chunk, as upstream's ``infer_process`` counts them."""

PROBE = (
    "infer/examples/basic/basic_ref_en.wav",
    "Some call me nature, others call me mother nature.",
)
"""A prompt that comes with the package, for the canaries."""


@dataclass(frozen=True)
class Options:
    """What can be set, with upstream's defaults (``f5_tts.api.F5TTS``).

    Files are relative to ``model_dir``. ``config_file`` is a model's yaml file where ``model``
    is none of those in the package; an empty ``vocab_file`` means the package's own. An empty
    ``dtype`` means float16 on CUDA, as upstream, and float32 on the CPU.
    """

    model_dir: str
    system: str = "f5tts-24khz"
    checkout: str = ""
    device: str = "cpu"
    dtype: str = ""
    model: str = "F5TTS_v1_Base"
    ckpt_file: str = "model_1250000.safetensors"
    vocoder_dir: str = "vocos"
    vocab_file: str = ""
    config_file: str = ""
    use_ema: bool = True
    ode_method: str = "euler"
    nfe_step: int = 32
    cfg_strength: float = 2.0
    sway_sampling_coef: float = -1.0
    speed: float = 1.0
    whole_digests: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in ("", "float32", "float16", "bfloat16"):
            raise LoadFailed(f"dtype is {self.dtype!r}; allowed: float32, float16, bfloat16.")
        if not (0.5 <= self.speed <= 2.0 and 1 <= self.nfe_step <= 256):
            raise LoadFailed(
                f"speed is {self.speed}, nfe_step is {self.nfe_step}; allowed: speed from 0.5 to "
                "2, nfe_step from 1 to 256."
            )


@dataclass(frozen=True)
class Prepared:
    """A prompt as upstream wants it: trimmed audio (1, time), its rate and its transcript."""

    audio: Any
    sample_rate_hz: int
    text: str

    @property
    def max_bytes(self) -> int:
        """Longest text, in bytes of UTF-8 at speed 1, that upstream speaks in one chunk."""
        duration_s = self.audio.shape[-1] / self.sample_rate_hz
        return int(len(self.text.encode()) / duration_s * (LONGEST_S - duration_s))


def build(options: dict[str, Any]) -> F5:
    """An adapter for the folder and the options of one configured system.

    Raises:
        LoadFailed: an option that does not exist or cannot have this value.
    """
    check_options(options, (field.name for field in fields(Options)), "f5tts")
    return F5(Options(**options))


class F5:
    """One checkpoint with its vocoder."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._prompts: dict[str, Prompt] = {}
        self._prepared: dict[str, Prepared] = {}
        self._upstream: Any = None
        self._model: Any = None
        self._vocoder: Any = None

    def describe(self) -> dict[str, Any]:
        """Rate, no voices of its own, and the fingerprint; nothing is loaded.

        Raises:
            LoadFailed: the package or a file of the model folder is missing.
        """
        _package()
        options, files = self._options, self._files()
        sampling = ("ode_method", "nfe_step", "cfg_strength", "sway_sampling_coef", "speed")
        fingerprint = {
            "adapter": f"f5tts/{VERSION}",
            "upstream": {"name": "f5-tts", "version": package_versions(["f5-tts"])["f5-tts"]},
            "weights": {
                name: weight_digest(str(path), whole=options.whole_digests)
                for name, path in files.items()
            },
            "config": weight_digest(str(self._config_path())),
            "python": python_version(),
            "packages": package_versions(PACKAGES),
            "device": options.device,
            "dtype": self._dtype(),
            "accelerators": [],
            "text_frontend": "mosdata",
            "sampling": {name: getattr(options, name) for name in sampling},
            "use_ema": options.use_ema,
        }
        return {"sample_rate_hz": SAMPLE_RATE_HZ, "voices": [], "fingerprint": fingerprint}

    def load(self) -> None:
        """Load checkpoint and vocoder from the folder.

        Raises:
            LoadFailed: the package has changed, or files do not fit each other.
        """
        self._files()
        self._upstream = _import_upstream()
        config = self._config()
        torch: Any = importlib.import_module("torch")
        _check_device(torch, self._options.device, self._dtype())
        with _told(f"{self._options.model_dir} does not fit {self._config_path().name}"):
            self._vocoder = self._upstream.load_vocoder(
                vocoder_name="vocos",
                is_local=True,
                local_path=str(self._folder() / self._options.vocoder_dir),
                device=self._options.device,
            )
            with _in_dtype(self._upstream, getattr(torch, self._dtype())):
                self._model = self._upstream.load_model(
                    model_cls=_backbone(config["backbone"]),
                    model_cfg=config["arch"],
                    ckpt_path=str(self._folder() / self._options.ckpt_file),
                    mel_spec_type="vocos",
                    vocab_file=str(self._vocab_path()),
                    ode_method=self._options.ode_method,
                    use_ema=self._options.use_ema,
                    device=self._options.device,
                )
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False

    def add_voice(self, voice: dict[str, Any]) -> None:
        """Take a recording and its transcript; both are prepared once.

        Raises:
            Rejected: the recording cannot be cloned as it is.
        """
        prompt = check_prompt(voice, LIMITS)
        self._prompts[prompt.name] = prompt
        self._prepared.pop(prompt.name, None)

    def synthesize(self, request: dict[str, Any]) -> dict[str, Any]:
        """Speak one piece of text.

        Raises:
            Rejected: ``unknown_voice``, ``no_letters``, ``unspeakable_characters``,
                ``text_too_long`` or ``empty_audio``.
        """
        if request["voice"] not in self._prompts:
            raise unknown_voice(request["voice"], self._prompts)
        prepared = self._prepare(self._prompts[request["voice"]])
        return self._speak(prepared, str(request["text"]), int(request["seed"]))

    def canaries(self) -> list[dict[str, Any]]:
        """Checks that hold for any weights; they take two short utterances."""
        prompt = self._probe()
        short = "The birch canoe slid on the smooth planks."
        first, again = (self._speak(prompt, short, 1)["samples"] for _ in range(2))
        other = self._speak(prompt, short, 2)["samples"]
        spoken = self._one_chunk(short, prompt)
        long = " ".join([short] * 20)
        tokens = self._upstream.convert_char_to_pinyin(["你好"])[0]
        return [
            canary(
                "single chunk",
                spoken == short
                and len(self._chunks(long, prompt)) > 1
                and _refuses(self, long, prompt),
                f"{len(short)} characters are one chunk, {len(long)} are refused",
            ),
            canary(
                SAME_SAMPLES,
                first.tobytes() == again.tobytes() and first.tobytes() != other.tobytes(),
                f"{len(first)} samples twice, and others with another seed",
            ),
            canary(
                "pinyin",
                any(token[-1:].isdigit() for token in tokens),
                f"the tokens of two Chinese characters are {tokens}",
            ),
        ]

    def _speak(self, prompt: Prepared, text: str, seed: int) -> dict[str, Any]:
        import numpy as np

        check_letters(text)
        chunk = self._one_chunk(text, prompt)
        self._check_vocabulary(chunk)
        options = self._options
        seed_everything(seed)
        samples, sample_rate_hz, _ = next(
            self._upstream.infer_batch_process(
                ref_audio=(prompt.audio.clone(), prompt.sample_rate_hz),
                ref_text=prompt.text,
                gen_text_batches=[chunk],
                model_obj=self._model,
                vocoder=self._vocoder,
                mel_spec_type="vocos",
                progress=None,
                nfe_step=options.nfe_step,
                cfg_strength=options.cfg_strength,
                sway_sampling_coef=options.sway_sampling_coef,
                speed=options.speed,
                device=options.device,
            )
        )
        if samples is None or not np.size(samples):
            raise Rejected("empty_audio", f"F5-TTS made no audio of {text[:40]!r}.")
        mono = np.ascontiguousarray(np.reshape(samples, -1), dtype=np.float32)
        return {"samples": mono, "sample_rate_hz": int(sample_rate_hz), "flags": []}

    def _one_chunk(self, text: str, prompt: Prepared) -> str:
        """The text as upstream would chunk it, which must be whole."""
        chunks = self._chunks(text, prompt)
        limit = int(prompt.max_bytes * self._options.speed)
        if len(chunks) != 1 or len(chunks[0].encode()) > max(limit, 1):
            raise Rejected(
                "text_too_long",
                f"The text has {len(text.encode())} bytes; with this prompt F5-TTS speaks up to "
                f"{limit} at once. Split it, or take a shorter or faster prompt.",
            )
        if "".join(chunks[0].split()) != "".join(text.split()):
            raise Rejected("text_lost", f"F5-TTS would speak {chunks[0]!r} instead of {text!r}.")
        return str(chunks[0])

    def _chunks(self, text: str, prompt: Prepared) -> list[str]:
        limit = int(prompt.max_bytes * self._options.speed)
        chunks: list[str] = self._upstream.chunk_text(text, max_chars=limit)
        return chunks

    def _check_vocabulary(self, text: str) -> None:
        """Refuse letters that the model would read as a space."""
        (tokens,) = self._upstream.convert_char_to_pinyin([text])
        known = self._model.vocab_char_map
        lost = [token for token in tokens if token not in known and token[:1].isalnum()]
        if lost:
            names = "".join(dict.fromkeys(lost))
            raise Rejected(
                "unspeakable_characters", f"F5-TTS has no token for {names[:40]!r}; remove them."
            )

    def _prepare(self, prompt: Prompt) -> Prepared:
        if prompt.name not in self._prepared:
            self._prepared[prompt.name] = self._trimmed(prompt)
        return self._prepared[prompt.name]

    def _trimmed(self, prompt: Prompt) -> Prepared:
        """What upstream makes of a prompt; its temporary file and its cache do not stay."""
        from mosdata.synth.adapters.torchaudio_door import read_audio

        path, text = self._upstream.preprocess_ref_audio_text(
            ref_audio_orig=prompt.path, ref_text=prompt.text, show_info=lambda *_: None
        )
        try:
            audio, sample_rate_hz = read_audio(path)
        finally:
            for cached in self._upstream._ref_audio_cache.values():  # noqa: SLF001 - nobody else empties it
                Path(cached).unlink(missing_ok=True)
            self._upstream._ref_audio_cache.clear()  # noqa: SLF001
        duration_s = audio.shape[-1] / sample_rate_hz
        if duration_s < LIMITS.min_duration_s or not bool(audio.any()):
            raise Rejected(
                "prompt_silent",
                f"Voice {prompt.name!r}: of {prompt.duration_s:.2f} s only {duration_s:.2f} s are "
                "left when F5-TTS has cut the silence (below -42 dBFS). Take a louder recording.",
            )
        return Prepared(audio, sample_rate_hz, text)

    def _probe(self) -> Prepared:
        path, text = _package() / PROBE[0], PROBE[1]
        return self._trimmed(Prompt(name="probe", path=str(path), text=text, duration_s=5.33))

    def _folder(self) -> Path:
        return Path(self._options.model_dir)

    def _dtype(self) -> str:
        on_cuda = self._options.device.startswith("cuda")
        return self._options.dtype or ("float16" if on_cuda else "float32")

    def _files(self) -> dict[str, Path]:
        """Files that shape the sound, by the name that the fingerprint gives them."""
        options = self._options
        vocoder = [f"{options.vocoder_dir}/{name}" for name in ("config.yaml", "pytorch_model.bin")]
        names = [options.ckpt_file, *vocoder]
        names += [name for name in (options.vocab_file, options.config_file) if name]
        require_files(options.model_dir, names, options.system)
        if options.ckpt_file.rpartition(".")[2] not in ("safetensors", "pt"):
            raise LoadFailed(f"{options.ckpt_file} is no checkpoint: .safetensors or .pt.")
        files = {name: self._folder() / name for name in names}
        return {**files, "vocab.txt": self._vocab_path()}

    def _vocab_path(self) -> Path:
        if self._options.vocab_file:
            return self._folder() / self._options.vocab_file
        return _package() / "infer" / "examples" / "vocab.txt"

    def _config_path(self) -> Path:
        if self._options.config_file:
            return self._folder() / self._options.config_file
        path = _package() / "configs" / f"{self._options.model}.yaml"
        if not path.is_file():
            names = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
            raise LoadFailed(f"f5-tts has no model {self._options.model!r}. Known: {names}.")
        return path

    def _config(self) -> dict[str, Any]:
        """Backbone and its sizes; upstream's other settings are about training.

        Raises:
            LoadFailed: a model of another rate or vocoder, or no model's configuration.
        """
        yaml: Any = importlib.import_module("yaml")
        path = self._config_path()
        try:
            model = yaml.safe_load(path.read_text(encoding="utf-8"))["model"]
            mel, config = model["mel_spec"], {key: model[key] for key in ("backbone", "arch")}
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise LoadFailed(f"{path} is no model configuration of F5-TTS: {error!r}.") from error
        if mel["mel_spec_type"] != "vocos" or mel["target_sample_rate"] != SAMPLE_RATE_HZ:
            raise LoadFailed(
                f"{path} is for {mel['mel_spec_type']} at {mel['target_sample_rate']} Hz; this "
                f"adapter speaks through vocos at {SAMPLE_RATE_HZ} Hz."
            )
        return config


def _package() -> Path:
    """Folder of the package, without importing it."""
    found = importlib.util.find_spec("f5_tts")
    if found is None or not found.submodule_search_locations:
        raise LoadFailed(
            f"f5-tts is not installed for {sys.executable}. Run 'mosdata engines install f5tts'."
        )
    return Path(next(iter(found.submodule_search_locations)))


def _import_upstream() -> Any:
    """``f5_tts.infer.utils_infer``, without the trainer, with the parameters that we give."""
    from mosdata.synth.adapters.torchaudio_door import open_torchaudio

    _package()
    open_torchaudio()
    trainer: Any = types.ModuleType("f5_tts.model.trainer")
    trainer.Trainer = None  # what ``f5_tts.model`` imports; it is not for speaking
    sys.modules.setdefault("f5_tts.model.trainer", trainer)
    try:
        upstream: Any = importlib.import_module("f5_tts.infer.utils_infer")
    except ImportError as error:
        raise LoadFailed(
            f"f5-tts cannot be imported: {error}. Run 'mosdata engines install f5tts'."
        ) from error
    check_parameters(upstream, USED, f"f5-tts {package_versions(['f5-tts'])['f5-tts']}", "1.1.22")
    return upstream


def _backbone(name: str) -> Any:
    models: Any = importlib.import_module("f5_tts.model")
    if name not in ("DiT", "UNetT", "MMDiT"):
        raise LoadFailed(f"F5-TTS has no backbone {name!r}. Known: DiT, UNetT, MMDiT.")
    return getattr(models, name)


def _check_device(torch: Any, device: str, dtype: str) -> None:
    require_gpu(torch, device)
    if (
        device.startswith("cuda")
        and dtype == "float16"
        and torch.cuda.get_device_capability()[0] < 7
    ):
        raise LoadFailed("This GPU is too old for float16 (upstream asks for 7.0): set float32.")


@contextlib.contextmanager
def _in_dtype(upstream: Any, dtype: Any) -> Any:
    """Let ``load_model`` load in the promised type; upstream picks one by the GPU it finds."""
    load = upstream.load_checkpoint

    def load_checkpoint(model: Any, ckpt_path: str, device: str, **rest: Any) -> Any:
        return load(model, ckpt_path, device, **{**rest, "dtype": dtype})

    upstream.load_checkpoint = load_checkpoint
    try:
        yield
    finally:
        upstream.load_checkpoint = load


@contextlib.contextmanager
def _told(what: str) -> Any:
    """Name the folder where upstream only names tensors."""
    try:
        yield
    except LoadFailed:
        raise
    except Exception as error:
        first = str(error).strip().splitlines()[:6]
        raise LoadFailed(f"{what}: {type(error).__name__}: {' '.join(first)[:600]}") from error


def _refuses(adapter: F5, text: str, prompt: Prepared) -> bool:
    try:
        adapter._speak(prompt, text, 1)  # noqa: SLF001 - its own canary
    except Rejected as error:
        return error.reason == "text_too_long"
    return False
