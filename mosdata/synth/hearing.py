"""What a recogniser heard against what was to be said: error rates, repeats, leaks.

Error rates are edit distances (Levenshtein 1966) over the length of the text: of words (WER), or of
characters (CER) where most letters are Han, kana or Hangul. Case, punctuation and width do not
count, and a text counts as written or in words, whichever is nearer: "7" may be heard as "seven".
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from mosdata.synth.flags import FLAGS
from mosdata.synth.gates import is_beyond, script_of

RUN: Final = {"alphabetic": 3, "cjk": 6}
"""Tokens in a row that are no coincidence: words, or characters."""

APOSTROPHES: Final = "'\u2019\u02bc"
"""Left out within words, where recognisers spell them or do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was heard, and what is odd about it.

    Args:
        text: as the recogniser wrote it.
        error_rate: of words, or of characters in CJK; may be over 1.
        flags: ``asr_mismatch``, ``asr_bad``, ``repeated_words``, ``prompt_leak``.
    """

    text: str
    error_rate: float
    flags: tuple[str, ...]


def compare(said: Sequence[str], heard: str, *, prompt: str = "") -> Heard:
    """Hold what was heard against a text.

    Args:
        said: spellings of the text that are all right, such as with digits and in words.
        heard: what a recogniser wrote.
        prompt: what is said in the recording whose voice was cloned.

    Example:
        >>> compare(["It is 7."], "it is seven").error_rate
        0.3333333333333333
        >>> compare(["It is 7.", "It is seven."], "it is seven").error_rate
        0.0
    """
    script = script_of(said[0])
    size = RUN[script]
    tokens = tokens_of(heard, script)
    spellings = [tokens_of(text, script) for text in said]
    rates = [error_rate(spelling, tokens) for spelling in spellings]
    own = spellings[rates.index(min(rates))]
    leaked = {*_runs(tokens, size)} & {*_runs(tokens_of(prompt, script), size)}
    values = {
        "asr_mismatch": min(rates),
        "asr_bad": min(rates),
        "repeated_words": float(num_repeats(own, tokens, size)),
        "prompt_leak": float(len(leaked - {*_runs(own, size)})),
    }
    flags = tuple(name for name, value in values.items() if is_beyond(FLAGS[name], value))
    return Heard(text=heard, error_rate=min(rates), flags=flags)


def tokens_of(text: str, script: str) -> list[str]:
    """Words of a text, or its characters in ``cjk``; lower case, without punctuation.

    Example:
        >>> tokens_of("Don\u2019t --- STOP, well-known!", "alphabetic")
        ['dont', 'stop', 'well', 'known']
        >>> tokens_of("\uff21\u4f60\u597d\u3002", "cjk")
        ['a', '\u4f60', '\u597d']
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(_plain(character) for character in folded if character not in APOSTROPHES)
    words = unicodedata.normalize("NFC", kept).split()
    return [character for word in words for character in word] if script == "cjk" else words


def _plain(character: str) -> str:
    """Letters, digits and the marks on them as they are; a space for all else."""
    return character if unicodedata.category(character)[0] in "LNM" else " "


def error_rate(reference: Sequence[str], heard: Sequence[str]) -> float:
    """Insertions, deletions and substitutions for each token of the reference.

    Example:
        >>> error_rate(["a", "b", "c", "d"], ["a", "x", "c"])
        0.5
    """
    distances = list(range(len(heard) + 1))
    for row, token in enumerate(reference, 1):
        corner, distances[0] = distances[0], row
        for column, other in enumerate(heard, 1):
            above = distances[column]
            distances[column] = min(above + 1, distances[column - 1] + 1, corner + (token != other))
            corner = above
    return distances[-1] / max(1, len(reference))


def num_repeats(reference: Sequence[str], heard: Sequence[str], size: int) -> int:
    """How many times more a run of ``size`` tokens, or one token after itself, is heard.

    What is heard once is no repeat, whatever the text has; nor is a word that is said twice.

    Example:
        >>> num_repeats("to be or not to be".split(), "to be or not to be or not to be".split(), 3)
        1
    """
    due, found = Counter(_runs(reference, size)), Counter(_runs(heard, size))
    more = [count - max(due[run], 1) for run, count in found.items()]
    stammer = _longest_stammer(heard)
    if stammer > max(2, _longest_stammer(reference)):
        more.append(stammer - max(1, _longest_stammer(reference)))
    return max([0, *more])


def _runs(tokens: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]


def _longest_stammer(tokens: Sequence[str]) -> int:
    return max((sum(1 for _ in same) for _, same in groupby(tokens)), default=0)
