"""A text in words, for engines that do not read numbers, signs and abbreviations themselves.

Which rules a language gets:

========== ====================================================================================
English    :mod:`mosdata.synth.text.english`: numbers, money, dates, times, units, abbreviations
Chinese    :mod:`mosdata.synth.text.chinese`: the same, but for abbreviations
others     :mod:`mosdata.synth.text.cldr`: whole numbers; of some languages decimals and percent
no rules   typographic marks and emoji only; digits stay, and the clip is flagged
========== ====================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mosdata.synth.text import cldr
from mosdata.synth.text.chinese import chinese
from mosdata.synth.text.english import english
from mosdata.synth.text.languages import Language, parse_language
from mosdata.synth.text.tidy import plain_marks, without_emoji

VERSION: Final = 1
"""Raised whenever a text may get other words: it is part of the ids of what is spoken."""

CHINESE: Final = ("zh", "yue", "wuu", "hak", "gan", "hsn", "nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What an engine is given, and what is worth knowing about it (``mosdata.synth.flags``)."""

    text: str
    flags: tuple[str, ...] = ()


def rules_of(language: Language) -> str:
    """Which rules a language gets: english, chinese, cldr or marks.

    Example:
        >>> [rules_of(parse_language(tag)) for tag in ("en-GB", "yue", "de", "tlh")]
        ['english', 'chinese', 'cldr', 'marks']
    """
    if language.primary == "en":
        return "english"
    if language.primary in CHINESE:
        return "chinese"
    return "cldr" if cldr.has_numbers(language) else "marks"


def frontend_id(tag: str) -> str:
    """Name of all that turns a text of a language into words.

    Example:
        >>> frontend_id("en")
        'mosdata-text/1 english'
    """
    rules = rules_of(parse_language(tag))
    extra = f" {cldr.version()}" if rules == "cldr" else ""
    return f"mosdata-text/{VERSION} {rules}{extra}"


def in_words(text: str, tag: str) -> Words:
    """A tidy text (:func:`mosdata.synth.text.tidy.tidy`) in words of its language.

    Example:
        >>> in_words("It’s 5 % off 😀!", "en")
        Words(text="It's five percent off!", flags=('emoji_removed',))
    """
    language = parse_language(tag)
    seen = without_emoji(text)
    plain = plain_marks(seen)
    rules = rules_of(language)
    if rules == "english":
        words = english(plain, language)
    elif rules == "chinese":
        words = chinese(plain, language)
    else:
        words = cldr.numbers_in_words(plain, language)
        words = words.replace(", ", "、") if language.primary == "ja" else words
    flags = ("emoji_removed",) if seen != text else ()
    kept = ("digits_kept",) if any(c.isdigit() for c in words) else ()
    return Words(text=words, flags=(*flags, *kept))
