"""VITS and MMS-TTS through ``transformers`` (Kim et al. 2021; Pratap et al. 2023).

The tokenizer drops every character that its vocabulary lacks without a word; here a letter or
digit that would be lost rejects the text. Noise is drawn from torch's generator, seeded for each
request, and requests are spoken one by one: a batch would draw in another order.
"""

from __future__ import annotations

from typing import Any, ClassVar

from mosdata.synth.adapters.kit import LoadFailed, Rejected
from mosdata.synth.adapters.pretrained import Pretrained, lost_letters

VERSION = 1
SHORT_TAGS = {
    "ara": "ar", "ben": "bn", "bul": "bg", "cat": "ca", "ces": "cs", "dan": "da", "deu": "de",
    "ell": "el", "eng": "en", "est": "et", "eus": "eu", "fas": "fa", "fin": "fi", "fra": "fr",
    "guj": "gu", "heb": "he", "hin": "hi", "hrv": "hr", "hun": "hu", "ind": "id", "isl": "is",
    "ita": "it", "jpn": "ja", "kan": "kn", "kat": "ka", "kaz": "kk", "khm": "km", "kor": "ko",
    "lav": "lv", "lit": "lt", "mal": "ml", "mar": "mr", "mkd": "mk", "mlt": "mt", "mon": "mn",
    "msa": "ms", "mya": "my", "nep": "ne", "nld": "nl", "nor": "no", "pan": "pa", "pol": "pl",
    "por": "pt", "ron": "ro", "rus": "ru", "slk": "sk", "slv": "sl", "som": "so", "spa": "es",
    "sqi": "sq", "swa": "sw", "swe": "sv", "tam": "ta", "tel": "te", "tgl": "tl", "tha": "th",
    "tur": "tr", "ukr": "uk", "urd": "ur", "uzb": "uz", "vie": "vi", "yor": "yo", "zho": "zh",
}  # fmt: skip
"""ISO 639-3 as MMS writes it -> BCP 47, where the tag is the two-letter one."""


class Vits(Pretrained):
    """A ``VitsModel`` folder: ``config.json``, ``vocab.json``, ``model.safetensors``."""

    NAME = "vits"
    ADAPTER = f"vits/{VERSION}"
    OPTIONS: ClassVar[dict[str, Any]] = {
        "language": "",
        "noise_scale": None,
        "noise_scale_duration": None,
        "speaking_rate": None,
    }
    FILES = ("config.json", "vocab.json")

    def sample_rate_hz(self) -> int:
        """As the config says; 16 kHz for MMS, 22.05 kHz for VITS-LJS and VITS-VCTK."""
        return int(self.read_json("config.json").get("sampling_rate", 16_000))

    def voices(self) -> list[dict[str, str]]:
        """``default``, or ``speaker-0`` and so on for a model of several speakers."""
        language = self._language()
        count = int(self.read_json("config.json").get("num_speakers", 1))
        names = ["default"] if count < 2 else [f"speaker-{index}" for index in range(count)]
        return [{"name": name, "language": language} for name in names]

    def text_frontend(self) -> str:
        """Phonemes, Roman letters or plain letters, as the tokenizer is set."""
        about = self.read_json("tokenizer_config.json")
        if about.get("phonemize", True):
            return "phonemizer/espeak"
        return "uroman" if about.get("is_uroman") else "mosdata"

    def open(self) -> None:
        """Load tokenizer and model.

        Raises:
            LoadFailed: a package of the tokenizer's text front end is missing.
        """
        from transformers import VitsModel, VitsTokenizer

        self.tokenizer = self.pretrained(VitsTokenizer)
        self._check_frontend()
        self.model = self.placed(self.pretrained(VitsModel))
        for name in ("noise_scale", "noise_scale_duration", "speaking_rate"):
            if self.options[name] is not None:
                setattr(self.model, name, float(self.options[name]))

    def speak(self, text: str, voice: str) -> tuple[Any, list[str]]:
        """Speak one piece.

        Raises:
            Rejected: ``unspeakable_characters`` or ``no_letters``.
        """
        self._refuse_losses(text)
        if not self.tokenizer.prepare_for_tokenization(text)[0]:
            raise Rejected("no_letters", f"{text[:40]!r} has nothing that this model can say.")
        inputs = self.tokenizer(text, return_tensors="pt").to(self.device)
        speaker = {} if voice == "default" else {"speaker_id": int(voice.partition("-")[2])}
        return self.model(**inputs, **speaker).waveform, []

    def _refuse_losses(self, text: str) -> None:
        if self.tokenizer.phonemize or self.tokenizer.is_uroman:
            return  # letters become others first
        lost = lost_letters(self.tokenizer.normalize_text(text), self.tokenizer.get_vocab())
        if lost:
            raise Rejected(
                "unspeakable_characters",
                f"The model's vocabulary lacks {lost[:20]!r}; they would be dropped in silence.",
            )

    def _check_frontend(self) -> None:
        from importlib.util import find_spec

        needed = {"phonemizer/espeak": "phonemizer", "uroman": "uroman"}.get(self.text_frontend())
        if needed and find_spec(needed) is None:
            raise LoadFailed(
                f"This checkpoint reads text through {needed}, which is not installed in its "
                f"environment: pip install {needed}"
            )

    def _language(self) -> str:
        if self.options["language"]:
            return str(self.options["language"])
        code = str(self.read_json("tokenizer_config.json").get("language") or "")
        return SHORT_TAGS.get(code, code or "en")


def build(options: dict[str, Any]) -> Vits:
    """The adapter; see :class:`Vits` for its options."""
    return Vits(options)
