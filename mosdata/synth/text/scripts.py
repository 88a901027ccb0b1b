"""Which script a text is written in, and whether that fits the language it is said to be in."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import Final

from mosdata.errors import RecordRejected
from mosdata.synth.text.languages import parse_language, scripts_of

COMMON: Final = ""
"""Script of digits, marks and signs, which belong to all."""

SYLLABIC: Final = frozenset({"Han", "Hiragana", "Katakana", "Hangul", "Bopomofo", "Yi"})
"""Scripts whose characters are syllables or more, so that speech has fewer of them a second."""

_BY_NAME: Final = {"Cjk": "Han", "Kangxi": "Han", "Mathematical": COMMON}
_COMMON_NAMES: Final = frozenset(
    {"Micro", "Feminine", "Masculine", "Modifier", "Superscript", "Subscript", "Ohm", "Kelvin",
     "Angstrom", "Double-Struck", "Script", "Black-Letter", "Circled", "Parenthesized", "Roman",
     "Combining", "Turned", "Planck", "Information", "Vertical", "Square"}
)  # fmt: skip
"""First words of the names of letters that are signs: µ, ª, ²... belong to no script."""

GUESTS: Final = "Latin"
"""Script of names and words that texts in other scripts take in as they are."""

MOST_GUESTS: Final = 0.5
"""Largest share of words that may be guests."""


@lru_cache(maxsize=1 << 14)
def script_of(character: str) -> str:
    """Script of a letter, from its name in Unicode; empty for what belongs to all scripts.

    Example:
        >>> script_of("a"), script_of("я"), script_of("語"), script_of("の"), script_of("7")
        ('Latin', 'Cyrillic', 'Han', 'Hiragana', '')
    """
    if not unicodedata.category(character).startswith("L"):
        return COMMON
    words = unicodedata.name(character, "").title().split()
    while words and words[0] in ("Fullwidth", "Halfwidth", "Ideographic"):
        words = words[1:]
    first = words[0] if words else COMMON
    if first == "Katakana-Hiragana" or first in _COMMON_NAMES:  # the first: long-vowel mark
        return COMMON
    return _BY_NAME.get(first, first)


def is_syllabic(text: str) -> bool:
    """Whether most letters are Han, kana or Hangul, where one character is a syllable or more.

    Example:
        >>> is_syllabic("今日は天気がいい。"), is_syllabic("Good morning.")
        (True, False)
    """
    scripts = [script for script in map(script_of, text) if script]
    return 2 * sum(script in SYLLABIC for script in scripts) > len(scripts)


def scripts_in(text: str) -> dict[str, int]:
    """Words of each script: runs of letters, and each character of a syllabic script."""
    found: dict[str, int] = {}
    for script, length in _runs(text):
        found[script] = found.get(script, 0) + (length if script in SYLLABIC else 1)
    return found


def _runs(text: str) -> Iterator[tuple[str, int]]:
    """Script and length of each run of letters of one script; marks belong to what they mark."""
    letters = [c for c in text if not unicodedata.combining(c)]
    for script, run in groupby(letters, key=script_of):
        if script:
            yield script, len(list(run))


def check_script(text: str, language: str) -> None:
    """Reject a text that is not written as its language is.

    Letters of the language's own scripts are its own. Latin words may be guests in other
    scripts, up to half of all; a single letter of Greek is a sign, such as the one for pi. All
    else is a mistake in the file: another language, or letters that only look like the right
    ones, as a Cyrillic one within a Latin word.

    Raises:
        RecordRejected: ``script_mismatch``.

    Example:
        >>> check_script("Я читаю Nature.", "ru")
        >>> check_script("Good morning.", "zh")
        Traceback (most recent call last):
            ...
        mosdata.errors.RecordRejected: The text is in Latin; 'zh' is written in Han, Bopomofo. ...
    """
    wanted = scripts_of(parse_language(language))
    if not wanted or (text.isascii() and "Latin" in wanted):
        return
    _check_words(text)
    found = scripts_in(text)
    own = sum(found.get(script, 0) for script in wanted)
    strange = [s for s in found if s not in (*wanted, GUESTS) and not _are_signs(s, text)]
    guests = found.get(GUESTS, 0) if GUESTS not in wanted else 0
    if strange or guests > MOST_GUESTS * (own + guests):
        said = ", ".join(s for s in found if s not in wanted)
        raise RecordRejected(
            "script_mismatch",
            f"The text is in {said}{f' and {own} words of its own script' if own else ''}; "
            f"{language!r} is written in {', '.join(wanted)}. Give it the language that it is in.",
        )


def _check_words(text: str) -> None:
    """No word mixes letters that look alike: Latin with Cyrillic or Greek."""
    for word in text.split():
        runs = {script for script, length in _runs(word)} & {"Latin", "Cyrillic", "Greek"}
        if len(runs) > 1 and not ("Greek" in runs and _are_signs("Greek", word)):
            raise RecordRejected(
                "script_mismatch",
                f"The word {word[:40]!r} mixes letters of {' and '.join(sorted(runs))} that look "
                "alike. Write it in one script.",
            )


def _are_signs(script: str, text: str) -> bool:
    return script == "Greek" and all(length == 1 for s, length in _runs(text) if s == "Greek")
