"""Kokoro-82M (package ``kokoro``, Apache-2.0): StyleTTS 2 with an iSTFT vocoder at 24 kHz.

A model folder holds ``config.json``, one ``*.pth`` and ``voices/<name>.pt``; the first letter of a
voice says what it speaks. English goes through misaki, which would fetch a spaCy model where it is
not installed: here that is an error at load, and ``g2p = "espeak"`` reads with eSpeak instead.
Upstream drops phonemes that its vocabulary lacks; here they reject the text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mosdata.synth.adapters.kit import (
    LoadFailed,
    Rejected,
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

NAME = "kokoro"
VERSION = 1
SAMPLE_RATE_HZ = 24_000
OPTIONS: dict[str, Any] = {"g2p": "misaki", "speed": 1.0}
G2P = ("misaki", "espeak")
PACKAGES = ("kokoro", "misaki", "torch", "transformers", "numpy", "phonemizer-fork", "spacy")
SPACY_MODEL = "en_core_web_sm"

LANGUAGES = {
    "a": ("en-US", "en-us"),
    "b": ("en-GB", "en-gb"),
    "e": ("es", "es"),
    "f": ("fr-FR", "fr-fr"),
    "h": ("hi", "hi"),
    "i": ("it", "it"),
    "p": ("pt-BR", "pt-br"),
}
"""First letter of a voice -> BCP 47 tag, and eSpeak's name. Japanese and Chinese need misaki's own
front ends, which are not used here; their voices are not offered."""


class Kokoro:
    """A Kokoro model folder.

    Args:
        options: ``model_dir``, ``device``, ``g2p`` ("misaki" or "espeak") and ``speed``.

    Raises:
        LoadFailed: a missing file, or an option that is not known.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        given = {k: v for k, v in options.items() if k not in ("system", "checkout", "dtype")}
        self.folder = Path(str(given.pop("model_dir", "")))
        self.device = str(given.pop("device", "") or "cpu")
        check_options(given, OPTIONS, NAME)
        self.options = {**OPTIONS, **given}
        if self.options["g2p"] not in G2P:
            raise LoadFailed(f"g2p is {self.options['g2p']!r}; allowed: {' or '.join(G2P)}.")
        require_files(str(self.folder), ["config.json", "voices"], NAME)
        self._weights = sorted(self.folder.glob("*.pth"))
        if len(self._weights) != 1:
            raise LoadFailed(
                f"kokoro: {self.folder} must hold one *.pth, not {len(self._weights)}."
            )
        self._voices = {
            path.stem: path
            for path in sorted((self.folder / "voices").glob("*.pt"))
            if path.stem[:1] in LANGUAGES
        }
        if not self._voices:
            raise LoadFailed(f"kokoro: {self.folder / 'voices'} holds no voice that can be used.")
        self._model: Any = None
        self._readers: dict[str, Any] = {}

    def describe(self) -> dict[str, Any]:
        """Rate, voices and fingerprint, from the files alone."""
        paths = [*self._weights, *self._voices.values()]
        return {
            "sample_rate_hz": SAMPLE_RATE_HZ,
            "voices": [{"name": name, "language": LANGUAGES[name[0]][0]} for name in self._voices],
            "fingerprint": {
                "adapter": f"{NAME}/{VERSION}",
                "upstream": {
                    "name": "kokoro",
                    "version": package_versions(["kokoro"]).get("kokoro", "missing"),
                },
                "weights": {
                    path.relative_to(self.folder).as_posix(): weight_digest(str(path))
                    for path in paths
                },
                "config": weight_digest(str(self.folder / "config.json")),
                "python": python_version(),
                "packages": package_versions(PACKAGES),
                "device": self.device.partition(":")[0],
                "dtype": "float32",
                "accelerators": [],
                "text_frontend": self.options["g2p"],
                "sampling": {"speed": float(self.options["speed"])},
            },
        }

    def load(self) -> None:
        """Load model and front ends.

        Raises:
            LoadFailed: a package is missing, or the spaCy model that misaki would fetch.
        """
        try:
            import kokoro
            import torch
        except ImportError as error:
            raise LoadFailed(f"kokoro needs its package in its environment: {error}.") from error
        require_gpu(torch, self.device)
        for letter in sorted({name[0] for name in self._voices}):
            self._readers[letter] = self._reader(letter)
        config = json.loads((self.folder / "config.json").read_text("utf-8"))
        try:
            model = kokoro.KModel("local", config=config, model=str(self._weights[0]))
        except (RuntimeError, AssertionError, KeyError, OSError) as error:
            raise LoadFailed(f"kokoro cannot be loaded from {self.folder}: {error}") from error
        self._model = model.to(self.device).eval()

    def add_voice(self, voice: dict[str, Any]) -> None:
        """Kokoro does not clone.

        Raises:
            LoadFailed: always.
        """
        raise cannot_clone(NAME, voice)

    def synthesize(self, request: dict[str, Any]) -> dict[str, Any]:
        """One piece of text.

        Raises:
            Rejected: ``unknown_voice``, ``no_letters``, ``unspeakable_characters`` or
                ``text_too_long``.
        """
        import torch

        voice = request["voice"]
        if voice not in self._voices:
            raise no_such_voice(NAME, voice, self._voices)
        phonemes = self._phonemes(request["text"], voice[0])
        pack = torch.load(self._voices[voice], map_location="cpu", weights_only=True)
        seed_everything(int(request["seed"]))
        with torch.inference_mode():
            audio = self._model(phonemes, pack[len(phonemes) - 1], float(self.options["speed"]))
        samples = np.ascontiguousarray(audio.float().cpu().numpy().reshape(-1), np.float32)
        return {"samples": samples, "sample_rate_hz": SAMPLE_RATE_HZ, "flags": []}

    def canaries(self) -> list[dict[str, Any]]:
        """The same request gives the same samples."""
        request = {"text": "Hello there.", "voice": next(iter(self._voices)), "seed": 1}
        return [repeat_canary(lambda: self.synthesize(dict(request))["samples"])]

    def _phonemes(self, text: str, letter: str) -> str:
        phonemes = str(self._readers[letter](text)[0])
        if not any(c.isalpha() for c in phonemes):
            raise Rejected("no_letters", f"{text[:40]!r} has nothing to say.")
        lost = "".join(dict.fromkeys(c for c in phonemes if c not in self._model.vocab))
        if lost.strip():
            raise Rejected("unspeakable_characters", f"The model lacks the phonemes {lost!r}.")
        longest = self._model.context_length - 2
        if len(phonemes) > longest:
            raise Rejected(
                "text_too_long", f"{len(phonemes)} phonemes; the model reads up to {longest}."
            )
        return phonemes

    def _reader(self, letter: str) -> Any:
        from misaki import espeak

        if self.options["g2p"] == "espeak" or letter not in "ab":
            return espeak.EspeakG2P(language=LANGUAGES[letter][1])
        import spacy
        from misaki import en

        if not spacy.util.is_package(SPACY_MODEL):
            raise LoadFailed(
                f"misaki reads English with spaCy's {SPACY_MODEL}, which is not in this "
                "environment; install it there, or set the option g2p = 'espeak'."
            )
        british = letter == "b"
        fallback = espeak.EspeakFallback(british=british)
        return en.G2P(trf=False, british=british, fallback=fallback, unk="")


def build(options: dict[str, Any]) -> Kokoro:
    """The adapter; see :class:`Kokoro` for its options."""
    return Kokoro(options)
