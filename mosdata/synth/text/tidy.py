"""Unicode as engines expect it: one spelling per letter, nothing that cannot be seen.

``tidy`` is for every engine and changes nothing that could be heard. ``plain_marks`` and
``without_emoji`` are for engines that are given words: those that read texts themselves know
what to do with a dash or a smile.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from mosdata.synth.text.scripts import script_of

JOINERS: Final = "\u200c\u200d"
"""Zero-width joiner and non-joiner: they tell words apart in Arabic and Indic scripts."""

_JOINED: Final = frozenset(
    {"Arabic", "Syriac", "Mongolian", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya",
     "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Khmer", "Myanmar", "Tibetan"}
)  # fmt: skip

_PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011", "-"),
        **dict.fromkeys("\u2012\u2013\u2014\u2015", "\u2013"),
        **dict.fromkeys("\u2022\u2023\u25e6\u2043\u00b7\u2027", " "),
        **dict.fromkeys("\u00ae\u00a9\u2122\u2120", ""),
        "\u2026": "...",
        "\u2044": "/",
        "\u2212": "-",
    }
)
_DASH: Final = re.compile(r"(?:\s*\u2013\s*)+|(?<!\d)\s+-\s+|\s+-\s+(?!\d)|\s*-{2,3}\s*")
_EDGE_DASHES: Final = re.compile(r"^(?:[\u2013\s]|-(?!\d))+|(?<=\s)-+$|[\u2013\s]+$")
_RANGE: Final = re.compile(r"(?<=\d)\s?\u2013\s?(?=[\d$])")

_EMOJI_TAIL: Final = "\u200d\ufe0e\ufe0f\u20e3"


def tidy(text: str) -> str:
    r"""NFC, without control and zero-width characters, single spaces, none at the ends.

    Soft hyphens and direction marks go too. Joiners stay within words of scripts that need them,
    and between emoji. Half a character (a lone surrogate) stays, for a check to find.

    Example:
        >>> tidy("  Cafe\u0301\u200b is\tgood.\ufeff ")
        'Café is good.'
    """
    composed = unicodedata.normalize("NFC", text)
    if composed.isascii() and composed.isprintable():
        return " ".join(composed.split())
    kept = [c for i, c in enumerate(composed) if _is_kept(composed, i)]
    # What was taken out may have stood between a letter and its mark.
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def _is_kept(text: str, i: int) -> bool:
    character = text[i]
    category = unicodedata.category(character)
    if character in JOINERS:
        before, after = text[i - 1 : i], text[i + 1 : i + 2]
        return bool(before and after) and (
            (_joins(before) and _joins(after)) or (is_emoji(after) and _is_emoji_part(before))
        )
    if category == "Cc":
        return character.isspace()
    return category not in ("Cf", "Co", "Cn") or 0xE0020 <= ord(character) <= 0xE007F  # flags


def _joins(character: str) -> bool:
    """Whether a character belongs to a script in which joiners mean something."""
    if unicodedata.category(character).startswith("M"):
        name = unicodedata.name(character, "").title().split()
        return bool(name) and name[0] in _JOINED
    return script_of(character) in _JOINED


def is_emoji(character: str) -> bool:
    """Whether a character is a picture.

    Example:
        >>> is_emoji("☕"), is_emoji("a"), is_emoji("€"), is_emoji("3")
        (True, False, False, False)
    """
    code = ord(character)
    return (
        0x1F000 <= code <= 0x1FAFF
        or 0x2600 <= code <= 0x27BF
        or code in (0x2B50, 0x2B55, 0x2B1B, 0x2B1C, 0x231A, 0x231B, 0x23E9, 0x23F0, 0x23F3)
    )


def _is_emoji_part(character: str) -> bool:
    return is_emoji(character) or character in _EMOJI_TAIL or 0x1F3FB <= ord(character) <= 0x1F3FF


def without_emoji(text: str) -> str:
    """The text without pictures and what belongs to them (skin tones, joiners, keycaps).

    Example:
        >>> without_emoji("Nice 👍🏽 work 👩‍💻!")
        'Nice work !'
    """
    if text.isascii():
        return text
    kept = []
    in_emoji = False
    for character in text:
        in_emoji = is_emoji(character) or (
            (in_emoji or character in "\ufe0e\ufe0f\u20e3")
            and (_is_emoji_part(character) or 0xE0020 <= ord(character) <= 0xE007F)
        )
        kept.append(" " if in_emoji else character)
    if " " not in kept:
        return text
    return " ".join("".join(kept).split())


def plain_marks(text: str) -> str:
    r"""Typographic marks as a typewriter has them; full-width letters and digits as narrow ones.

    A dash between words becomes a comma, since many engines have never seen one; between numbers
    it stays for the rules that read ranges.

    Example:
        >>> plain_marks("“Wait” — it’s １０ o’clock…")
        '"Wait", it\'s 10 o\'clock...'
    """
    narrow = "".join(
        unicodedata.normalize("NFKC", c) if 0xFF10 <= ord(c) <= 0xFF5A and c.isalnum() else c
        for c in text
    )
    plain = _EDGE_DASHES.sub("", narrow.translate(_PLAIN))
    plain = _DASH.sub(", ", _RANGE.sub("-", plain))
    return " ".join(plain.split())
