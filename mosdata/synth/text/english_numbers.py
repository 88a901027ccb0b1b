"""Numbers in English words: cardinals, ordinals, years, decimals, digits one by one."""

from __future__ import annotations

from typing import Final

_ONES: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS: Final = [
    "-",
    "-",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
]
_SCALES: Final = (
    (10**12, "trillion"),
    (10**9, "billion"),
    (10**6, "million"),
    (10**3, "thousand"),
)
_IRREGULAR: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}

LONGEST_NUMBER: Final = 15
"""Digits of the longest number that is read as one; longer ones are read digit by digit."""


def cardinal(number: int) -> str:
    """A whole number below 10**15, as Americans read it.

    Example:
        >>> cardinal(1_203_045)
        'one million two hundred three thousand forty-five'
    """
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number < 100:
        return _below_hundred(number)
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{_ONES[hundreds]} hundred" + (f" {_below_hundred(rest)}" if rest else "")
    scale, name = next((s, n) for s, n in _SCALES if number >= s)
    many, rest = divmod(number, scale)
    return f"{cardinal(many)} {name}" + (f" {cardinal(rest)}" if rest else "")


def _below_hundred(number: int) -> str:
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")


def ordinal(number: int) -> str:
    """The same as a place in a row.

    Example:
        >>> ordinal(21), ordinal(100), ordinal(12)
        ('twenty-first', 'one hundredth', 'twelfth')
    """
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _IRREGULAR:
        return head + _IRREGULAR[last]
    return head + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def year(number: int) -> str:
    """A year as people say it.

    Example:
        >>> year(1984), year(1905), year(2000), year(2007), year(2024), year(1800)
        ('nineteen eighty-four', 'nineteen oh five', 'two thousand', 'two thousand seven', \
'twenty twenty-four', 'eighteen hundred')
    """
    century, rest = divmod(number, 100)
    if number < 1000 or number >= 10_000 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {f'oh {_ONES[rest]}' if rest < 10 else cardinal(rest)}"


def digits(text: str) -> str:
    """Digit by digit; other characters are left out.

    Example:
        >>> digits("007")
        'zero zero seven'
    """
    return " ".join(_ONES[int(c)] for c in text if c in "0123456789")


def number(text: str) -> str:
    """A number as it is written: grouped, decimal, or with leading zeros.

    Example:
        >>> number("1,234.50"), number("007"), number(".5")
        ('one thousand two hundred thirty-four point five zero', 'zero zero seven', \
'zero point five')
    """
    whole, point, decimals = text.replace(",", "").partition(".")
    is_code = len(whole) > LONGEST_NUMBER or (len(whole) > 1 and whole[0] == "0")
    words = digits(whole) if is_code else cardinal(int(whole or "0"))
    return f"{words} point {digits(decimals)}" if point and decimals else words


def plural(noun: str) -> str:
    """More than one of what :mod:`mosdata.synth.text.english` counts.

    Example:
        >>> plural("foot"), plural("inch"), plural("penny"), plural("kilometer per hour")
        ('feet', 'inches', 'pence', 'kilometers per hour')
    """
    irregular = {"foot": "feet", "penny": "pence"}
    head, per, rest = noun.partition(" per ")
    if head in irregular:
        many = irregular[head]
    elif head.endswith("hertz") or head in ("yen", "won", "yuan", "percent"):
        many = head
    elif head.startswith("degree "):
        many = "degrees " + head.removeprefix("degree ")
    elif head.endswith(("ch", "s", "x")):
        many = head + "es"
    elif head.endswith("y") and head[-2] not in "aeiou":
        many = head[:-1] + "ies"
    else:
        many = head + "s"
    return many + per + rest
