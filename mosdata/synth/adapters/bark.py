"""Bark through ``transformers`` (Suno 2023): slow, free in what it says, of wide quality.

Voices are the presets whose three ``.npy`` prompts lie in the model folder
(``speaker_embeddings_path.json`` lists them); ``random`` draws a speaker with the seed.
"""

from __future__ import annotations

from typing import Any, ClassVar

from mosdata.synth.adapters.kit import Rejected, package_versions
from mosdata.synth.adapters.pretrained import Pretrained

VERSION = 1
PRESETS = "speaker_embeddings_path.json"
RANDOM = "random"
ANY_LANGUAGE = "mul"
MAX_TOKENS = 256
"""Text tokens that the semantic model reads; what is longer would be cut."""


class Bark(Pretrained):
    """A ``BarkModel`` folder with its tokenizer and, where there are some, voice presets."""

    NAME = "bark"
    ADAPTER = f"bark/{VERSION}"
    OPTIONS: ClassVar[dict[str, Any]] = {"temperature": None, "languages": ""}
    FILES = ("config.json",)

    def sample_rate_hz(self) -> int:
        """24 kHz, the rate of EnCodec, unless the folder says otherwise."""
        stored = self.read_json("generation_config.json").get("sample_rate")
        codec = self.read_json("config.json").get("codec_config", {}).get("sampling_rate")
        return int(stored or codec or 24_000)

    def voices(self) -> list[dict[str, str]]:
        """Presets such as ``v2/en_speaker_6`` with their language, then ``random``."""
        names = [name for name in self.read_json(PRESETS) if name != "repo_or_path"]
        known = [{"name": name, "language": _language_of(name)} for name in sorted(names)]
        return [*known, {"name": RANDOM, "language": ANY_LANGUAGE}]

    def open(self) -> None:
        """Load tokenizer and model; presets are read when they speak."""
        from transformers import AutoTokenizer, BarkModel, BarkProcessor

        presets = {k: v for k, v in self.read_json(PRESETS).items() if k != "repo_or_path"}
        tokenizer = self.pretrained(AutoTokenizer)
        embeddings = {**presets, "repo_or_path": str(self.folder)} if presets else None
        self.tokenizer = BarkProcessor(tokenizer, embeddings)
        self.model = self.placed(self.pretrained(BarkModel))

    def speak(self, text: str, voice: str) -> tuple[Any, list[str]]:
        """Speak one piece.

        Raises:
            Rejected: ``text_too_long``: more tokens than the model reads, which would cut it.
        """
        num_tokens = len(self.tokenizer.tokenizer(text, add_special_tokens=False)["input_ids"])
        if num_tokens > MAX_TOKENS:
            raise Rejected(
                "text_too_long",
                f"The text has {num_tokens} tokens; Bark reads up to {MAX_TOKENS} at once.",
            )
        preset = None if voice == RANDOM else voice
        inputs = self.tokenizer(text, voice_preset=preset, max_length=MAX_TOKENS)
        inputs = inputs.to(self.device)
        heat = self.options["temperature"]
        drawn = {} if heat is None else {"temperature": float(heat)}
        return self.model.generate(**inputs, **drawn), []

    def describe(self) -> dict[str, Any]:
        """As for every model here, and the rate of its codec's package."""
        about = super().describe()
        about["fingerprint"]["packages"].update(package_versions(["accelerate"]))
        return about


def _language_of(preset: str) -> str:
    """``v2/en_speaker_6`` speaks ``en``."""
    return preset.rpartition("/")[2].partition("_")[0] or ANY_LANGUAGE


def build(options: dict[str, Any]) -> Bark:
    """The adapter; see :class:`Bark` for its options."""
    return Bark(options)
