"""The table of quality flags: what each means, where its limits are and where they come from.

Code, documentation (``docs/gates.md``) and build reports read the same table. A flagged clip is
kept; whoever uses a dataset decides what a flag is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

FoundBy = Literal["clip", "engine", "text", "transcript", "build"]
"""Who raises a flag: a look at one clip, the engine itself, what became of the text before it was
spoken, a recogniser that listened, or a look at all clips of a build (those are in its side table,
not in the rows)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One flag.

    Args:
        name: as it stands in the rows.
        meaning: in a few words, for people.
        unit: of the value that the limits are about.
        low: flagged below; None for no limit.
        high: flagged above; None for no limit.
        cjk: low and high where most letters are Han, kana or Hangul.
        found_by: who raises it.
        source: where the limits come from.
    """

    name: str
    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    cjk: tuple[float | None, float | None] | None = None
    found_by: FoundBy = "clip"
    source: str = ""

    def limits(self, script: str = "alphabetic") -> tuple[float | None, float | None]:
        """What is allowed, ends included, for ``alphabetic`` or ``cjk`` texts."""
        return self.cjk if script == "cjk" and self.cjk is not None else (self.low, self.high)

    @property
    def limits_in_words(self) -> str:
        """When it is raised, as documentation and reports say it.

        Example:
            >>> FLAGS["slow_speech"].limits_in_words
            'below 4 characters/s; CJK below 2'
        """
        if self.low is None and self.high is None:
            return "outside its voice's fences" if self.name == "rate_outlier" else ""
        words = f"{_beyond(self.low, self.high)} {self.unit}".strip()
        return f"{words}; CJK {_beyond(*self.cjk)}" if self.cjk else words


def _beyond(low: float | None, high: float | None) -> str:
    parts = [f"below {low:g}"] if low is not None else []
    parts += [f"above {high:g}"] if high is not None else []
    return " or ".join(parts)


_RATES: Final = "whole engines measured 14 to 18, broken ones 92; people read 10 to 20"
_SILENCE: Final = "audiobook validators: 1 s at the edges, 2 s inside, below -50 dBFS"
_BANDS: Final = "dataset curators call up to 10 % excellent and over 75 % poor (NeMo Curator)"

FLAG_TABLE: Final = (
    Flag(
        name="slow_speech",
        meaning="fewer characters a second than a person speaks: repeats, pauses, babble",
        unit="characters/s",
        low=4.0,
        cjk=(2.0, None),
        source=_RATES,
    ),
    Flag(
        name="fast_speech",
        meaning="more characters a second than a person speaks: words are missing",
        unit="characters/s",
        high=30.0,
        cjk=(None, 10.0),
        source=_RATES,
    ),
    Flag(
        name="leading_silence",
        meaning="a long silence before speech",
        unit="s",
        high=1.0,
        source=_SILENCE,
    ),
    Flag(
        name="trailing_silence",
        meaning="a long silence after speech",
        unit="s",
        high=1.0,
        source=_SILENCE,
    ),
    Flag(
        name="long_gap",
        meaning="a long silence inside",
        unit="s",
        high=2.0,
        source=_SILENCE,
    ),
    Flag(
        name="mostly_silent",
        meaning="little of the clip is active (10 ms frames above -50 dBFS)",
        unit="share",
        low=0.3,
        source="audiobook validators: active ratio",
    ),
    Flag(
        name="low_level",
        meaning="active speech is too soft",
        unit="dBFS",
        low=-40.0,
        source="curators of speech corpora: active RMS",
    ),
    Flag(
        name="level_jump",
        meaning="a stretch 12 dB louder or softer than the clip's median window of 0.1 s",
        unit="s",
        high=0.4,
        source="curators of speech corpora: 12 dB for 0.5 s",
    ),
    Flag(
        name="dc_offset",
        meaning="the mean is away from zero",
        unit="of full scale",
        high=0.01,
        source="curators of speech corpora",
    ),
    Flag(
        name="clipping",
        meaning="samples at full scale (0.999 or more)",
        unit="samples",
        high=2.0,
        source="curators of speech corpora: three samples or more",
    ),
    Flag(
        name="flat_peaks",
        meaning="a run of samples at the clip's own peak, wherever that is: clipped before",
        unit="samples",
        high=3.0,
        source="ours: vocoders that limit (HiFT at 0.99) clip below full scale",
    ),
    Flag(
        name="repeated_sound",
        meaning="a second or more that is heard twice, or a sound that holds on, in slow speech",
        unit="s",
        high=1.0,
        source="ours: 25 equal speech tokens (1 s) are a loop of CosyVoice",
    ),
    Flag(
        name="runaway",
        meaning="the engine did not stop by itself, says its adapter",
        found_by="engine",
        source="token budgets of CosyVoice and FireRedTTS",
    ),
    Flag(
        name="retried",
        meaning="a first attempt was no audio at all, so that this is a later one",
        found_by="engine",
    ),
    Flag(
        name="emoji_removed",
        meaning="emoji were left out of what the engine was given",
        found_by="text",
    ),
    Flag(
        name="digits_kept",
        meaning="the engine was given digits: the language has no rules for such numbers",
        found_by="text",
    ),
    Flag(
        name="asr_mismatch",
        meaning="a recogniser heard something else: error rate of words (characters in CJK)",
        unit="share",
        high=0.1,
        found_by="transcript",
        source=_BANDS,
    ),
    Flag(
        name="asr_bad",
        meaning="a recogniser heard something quite different, at both attempts",
        unit="share",
        high=0.4,
        found_by="transcript",
        source=_BANDS,
    ),
    Flag(
        name="repeated_words",
        meaning="three words in a row (six characters in CJK), or one after itself, come again",
        unit="times more",
        high=0.0,
        found_by="transcript",
        source="loops of autoregressive engines",
    ),
    Flag(
        name="prompt_leak",
        meaning="three words in a row (six characters) come from the prompt of the voice alone",
        unit="runs",
        high=0.0,
        found_by="transcript",
        source="cloning engines that read their prompt aloud (F5-TTS, OmniVoice)",
    ),
    Flag(
        name="asr_failed",
        meaning="the recogniser could not listen to this clip, so nobody knows what is said",
        found_by="transcript",
    ),
    Flag(
        name="second_attempt",
        meaning="the first attempt was heard so badly that this is the second one",
        found_by="transcript",
    ),
    Flag(
        name="rate_outlier",
        meaning="characters a second, silence trimmed, outside the fences of its voice",
        unit="characters/s",
        found_by="build",
        source="Tukey fences Q1 - 2 IQR and Q3 + 2 IQR of each (system, voice), as Piper's filter",
    ),
    Flag(
        name="same_sound",
        meaning="the same samples as another clip that should sound otherwise",
        unit="clip",
        high=1.0,
        found_by="build",
        source="engines that fall back to another voice without a word",
    ),
    Flag(
        name="same_request",
        meaning="system, voice, text and seed of another clip",
        unit="clip",
        high=1.0,
        found_by="build",
        source="ours: a row that adds nothing",
    ),
)
"""All flags, in the order in which rows list them."""

FLAGS: Final[Mapping[str, Flag]] = MappingProxyType({flag.name: flag for flag in FLAG_TABLE})
CLIP_FLAGS: Final = tuple(flag for flag in FLAG_TABLE if flag.found_by == "clip")


def in_order(found: Iterable[str]) -> tuple[str, ...]:
    """Flags as the table has them; those of engines that it does not know come last."""
    flags = {*found}
    return (*(name for name in FLAGS if name in flags), *sorted(flags - {*FLAGS}))
