"""Numbers in the words of other languages, after the Unicode consortium's own rules.

Whole numbers come from the spell-out rules of CLDR (package ``unicode-rbnf``); decimals,
percentages and groups of digits only where this file says how a language writes and reads them.
Numbers are in their citation form: cases and genders are not inflected, ordinals and currencies
are not read. What is not read keeps its digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from mosdata.synth.text.languages import Language
from mosdata.synth.text.sentences import GERMAN_MONTHS


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a language writes and reads numbers; ``percent`` stands behind the number."""

    group: str
    decimal: str
    point: str
    percent: str
    zero: str = ""
    space: str = " "


STYLES: Final = {
    "da": Style(group=".", decimal=",", point="komma", percent="procent"),
    "de": Style(group=".", decimal=",", point="Komma", percent="Prozent"),
    "es": Style(group=".", decimal=",", point="coma", percent="por ciento"),
    "fi": Style(group=" ", decimal=",", point="pilkku", percent="prosenttia"),
    "fr": Style(group=" ", decimal=",", point="virgule", percent="pour cent"),
    "hi": Style(group=",", decimal=".", point="दशमलव", percent="प्रतिशत"),
    "id": Style(group=".", decimal=",", point="koma", percent="persen"),
    "it": Style(group=".", decimal=",", point="virgola", percent="per cento"),
    "ja": Style(group=",", decimal=".", point="点", percent="パーセント", zero="ゼロ", space=""),
    "ko": Style(group=",", decimal=".", point="점", percent="퍼센트", space=""),
    "nl": Style(group=".", decimal=",", point="komma", percent="procent"),
    "no": Style(group=" ", decimal=",", point="komma", percent="prosent"),
    "pl": Style(group=" ", decimal=",", point="przecinek", percent="procent"),
    "pt": Style(group=".", decimal=",", point="vírgula", percent="por cento"),
    "ru": Style(group=" ", decimal=",", point="запятая", percent="процентов"),
    "sv": Style(group=" ", decimal=",", point="komma", percent="procent"),
    "uk": Style(group=" ", decimal=",", point="кома", percent="відсотків"),
    "vi": Style(group=".", decimal=",", point="phẩy", percent="phần trăm"),
}
"""Languages whose decimals and percentages are read; others have whole numbers only."""

_PLACE: Final = rf"(?!\. (?:[a-zà-ÿ]|{'|'.join(GERMAN_MONTHS)}))"
"""What follows an ordinal with a full stop ("3. Mai"), which is no cardinal: it keeps its digit."""

_RULES_OF: Final = {"nb": "no", "nn": "nn", "tl": "fil"}
LONGEST_NUMBER: Final = 15
"""Digits of the longest number that is read as one; longer ones are read digit by digit."""


def has_numbers(language: Language) -> bool:
    """Whether CLDR spells out numbers of a language.

    Example:
        >>> from mosdata.synth.text.languages import parse_language
        >>> has_numbers(parse_language("de")), has_numbers(parse_language("tlh"))
        (True, False)
    """
    return _speller(_name(language)) is not None


def version() -> str:
    """Of the rules, for the fingerprint of what they made."""
    from importlib.metadata import version as version_of

    return f"unicode-rbnf {version_of('unicode-rbnf')}"


def numbers_in_words(text: str, language: Language) -> str:
    """A text whose numbers are words.

    Example:
        >>> from mosdata.synth.text.languages import parse_language
        >>> numbers_in_words("Es sind 1.234 oder 2,5 %.", parse_language("de"))
        'Es sind eintausendzweihundertvierunddreißig oder zwei Komma fünf Prozent.'
    """
    name = _name(language)
    if _speller(name) is None:
        return text
    style = STYLES.get("no" if language.primary in ("nb", "nn") else language.primary)
    said = re.sub(r"(?<=\d)[:：](?=\d)", " ", text)
    if style is None:
        return re.sub(
            r"(?<![\d.,])\d+(?![.,]?\d)|\d{16,}", lambda m: _whole(m[0], name, None), said
        )
    group, decimal = re.escape(style.group), re.escape(style.decimal)
    pattern = (
        rf"(?<!\w)(-?)(\d{{1,3}}(?:{group}\d{{3}})+|\d+)(?:{decimal}(\d+))?(?!\d)(\s?[%％])?{_PLACE}"
        rf"|()(\d+)(?:{decimal}(\d+))?(?!\d)(\s?[%％])?{_PLACE}"
    )
    return re.sub(pattern, lambda m: _said(m, style, name), said)


def _said(match: re.Match[str], style: Style, name: str) -> str:
    minus, whole, decimals, percent = match.groups()[:4] if match[2] else match.groups()[4:]
    words = [_whole("".join(c for c in whole if c.isdigit()), name, style)]
    if decimals:
        words += [style.point, *(_whole(c, name, style) for c in decimals)]
    if percent:
        words.append(style.percent)
    joined = style.space.join(words)
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    if style.space and before.isalpha():
        joined = f" {joined}"
    if style.space and after.isalpha():
        joined = f"{joined} "
    return _spell(-1, name).replace(_spell(1, name), joined) if minus else joined


def _whole(digits: str, name: str, style: Style | None) -> str:
    is_code = len(digits) > LONGEST_NUMBER or (len(digits) > 1 and int(digits[0]) == 0)
    if is_code:
        space = " " if style is None else style.space
        return space.join(_whole(c, name, style) for c in digits)
    if style is not None and style.zero and int(digits) == 0:
        return style.zero
    return _spell(int(digits), name)


@cache
def _spell(number: int, name: str) -> str:
    said: str = _speller(name).format_number(number).text
    return said.replace("\u00ad", "")


def _name(language: Language) -> str:
    primary = _RULES_OF.get(language.primary, language.primary)
    regional = f"{primary}_{language.region}"
    return regional if regional in ("de_CH", "fr_BE", "fr_CH", "pt_PT") else primary


@cache
def _speller(name: str) -> Any:
    """The rules of a language, read once; None where there are none."""
    from unicode_rbnf import RbnfEngine

    known = RbnfEngine.get_supported_languages()
    return RbnfEngine.for_language(name) if name in known else None
