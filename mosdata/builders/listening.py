"""``build --asr``: a recogniser listens to every clip; what is heard badly is said once more."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import Final

from mosdata.errors import RecordRejected, UsageError
from mosdata.manifests.ids import seed_for
from mosdata.synth.base import SpeechRequest, Synthesizer
from mosdata.synth.flags import in_order
from mosdata.synth.hearing import Heard, compare
from mosdata.synth.recognisers import Recogniser, build_recogniser, revision_of
from mosdata.synth.speak import Spoken, speak
from mosdata.synth.text.frontend import in_words
from mosdata.synth.text.tidy import tidy

ASR_INPUT: Final = "asr"
"""Key of ``StageSpec.inputs``: the recogniser as it was named, for the workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """A clip that was heard: what came of it, with which seed, and what was made out."""

    request: SpeechRequest
    spoken: Spoken
    heard: Heard | None


class Listener:
    """A recogniser in a worker; loaded when the first clip comes.

    Args:
        spec: as ``--asr`` names it.
        revision: what the plan was made for.
    """

    def __init__(self, spec: str, *, revision: str) -> None:
        self._spec = spec
        self._revision = revision
        self._loaded: Recogniser | None = None

    def speak(self, synthesizer: Synthesizer, request: SpeechRequest, *, prompt: str) -> Listened:
        """Speak and listen; what is heard badly is said again, and the better attempt is kept.

        Raises:
            RecordRejected: the first attempt cannot be made.
            UsageError: this machine has another recogniser than the plan was made for.
        """
        first = self._attempt(synthesizer, request, prompt)
        if first.heard is None or "asr_bad" not in first.heard.flags:
            return first
        seed = seed_for(request.seed, "asr", "second attempt", bits=32)
        try:
            second = self._attempt(synthesizer, replace(request, seed=seed), prompt)
        except RecordRejected:
            return first
        if second.heard is None or second.heard.error_rate >= first.heard.error_rate:
            return first
        flags = in_order((*second.spoken.flags, "second_attempt"))
        return replace(second, spoken=replace(second.spoken, flags=flags))

    def _attempt(self, synthesizer: Synthesizer, request: SpeechRequest, prompt: str) -> Listened:
        spoken = speak(synthesizer, request)
        recogniser = self._recogniser()
        try:
            text = recogniser.transcribe(spoken.clip, request.language)
        except Exception:  # noqa: BLE001 - whatever it raises, the clip is there and is kept
            flags = in_order((*spoken.flags, "asr_failed"))
            return Listened(request=request, spoken=replace(spoken, flags=flags), heard=None)
        said = spellings(request.text, spoken.text, request.language)
        heard = compare(said, text, prompt=prompt)
        flags = in_order((*spoken.flags, *heard.flags))
        return Listened(request=request, spoken=replace(spoken, flags=flags), heard=heard)

    def _recogniser(self) -> Recogniser:
        if self._loaded is None:
            found = revision_of(self._spec)
            if found != self._revision:
                raise UsageError(
                    f"The recogniser {self._spec} is {found!r} on {platform.node()}; the plan was "
                    f"made for {self._revision!r}. Install the same everywhere, or build anew."
                )
            self._loaded = build_recogniser(self._spec)
        return self._loaded


def spellings(text: str, spoken: str, language: str) -> list[str]:
    """Ways to write what is said: as given, as the engine had it, in words."""
    tidied = tidy(text)
    return list(dict.fromkeys([tidied, spoken, in_words(tidied, language).text]))
