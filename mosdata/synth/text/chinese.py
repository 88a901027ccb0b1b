"""Chinese in characters: numbers, years, dates, times, money, percentages, units.

Mandarin readings, in simplified characters or, for tags such as ``zh-Hant`` and ``zh-TW``, in
traditional ones. Written Cantonese (``yue``) gets the same characters: they are read as they
should be by whoever speaks it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from mosdata.synth.text.languages import Language

_DIGITS: Final = "零一二三四五六七八九"
_TENS: Final = ("", "十", "百", "千")
_MYRIADS: Final = ("", "万", "亿", "万亿")

LONGEST_NUMBER: Final = 16
"""Digits of the longest number that is read as one; longer ones are read digit by digit."""

_TRADITIONAL: Final = str.maketrans("万亿点负两欧镑时摄华钟", "萬億點負兩歐鎊時攝華鐘")
"""Characters that the rules below may put in; those that the text has itself stay as they are."""

_NUMBER: Final = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MONEY: Final = {"¥": "元", "￥": "元", "$": "美元", "US$": "美元", "€": "欧元", "£": "英镑"}
_MEASURES: Final = "个個只隻张張本位名条條件台臺辆輛块塊杯瓶间間岁歲天年周週次层層遍"
"""Measure words before which two is 两; 天, 年 and 周 are counted, not named."""

UNITS: Final = {
    "km/h": "公里每小时", "km": "公里", "cm": "厘米", "mm": "毫米", "m": "米", "kg": "公斤",
    "mg": "毫克", "g": "克", "ml": "毫升", "mL": "毫升", "L": "升", "l": "升", "℃": "摄氏度",
    "°C": "摄氏度", "℉": "华氏度", "°F": "华氏度", "°": "度", "kHz": "千赫", "MHz": "兆赫",
    "Hz": "赫兹", "dB": "分贝", "ms": "毫秒", "s": "秒", "min": "分钟", "h": "小时", "m²": "平方米",
    "km²": "平方公里", "m³": "立方米", "kW": "千瓦", "W": "瓦", "V": "伏",
}  # fmt: skip
_UNIT: Final = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_LATIN: Final = r"(?![A-Za-z])"


def chinese(text: str, language: Language) -> str:
    """A text of plain marks in characters.

    Example:
        >>> from mosdata.synth.text.languages import parse_language
        >>> chinese("2024年3月15日下午2:30，气温25.5℃，涨了3%。", parse_language("zh"))
        '二零二四年三月十五日下午两点三十分，气温二十五点五摄氏度，涨了百分之三。'
    """
    traditional = language.script == "Hant" or (
        not language.script and (language.region in ("TW", "HK", "MO") or language.primary == "yue")
    )
    words = text
    for pattern, in_words in _RULES:

        def said(match: re.Match[str], in_words: Callable[[re.Match[str]], str] = in_words) -> str:
            made = in_words(match)
            return made.translate(_TRADITIONAL) if traditional else made

        words = pattern.sub(said, words)
    return re.sub(
        r"(?<=[\u3400-\u9fff\"]), ?|, ?(?=[\u3400-\u9fff])", "，", " ".join(words.split())
    )


def cardinal(number: int) -> str:
    """A whole number below 10**16.

    Example:
        >>> cardinal(10), cardinal(105), cardinal(2_010), cardinal(100_002_345)
        ('十', '一百零五', '二千零一十', '一亿零二千三百四十五')
    """
    if number == 0:
        return _DIGITS[0]
    groups = []
    rest = number
    while rest:
        rest, group = divmod(rest, 10_000)
        groups.append(group)
    said = ""
    gap = False
    for place in range(len(groups) - 1, -1, -1):
        group = groups[place]
        if group == 0:
            gap = bool(said)
            continue
        if said and (gap or group < 1000):
            said += _DIGITS[0]
        said += _group(group) + _MYRIADS[place]
        gap = False
    return said.removeprefix("一") if said.startswith("一十") else said


def _group(number: int) -> str:
    """A number below ten thousand; a gap between digits is one zero."""
    said = ""
    gap = False
    for place, digit in zip(range(3, -1, -1), f"{number:04d}", strict=True):
        if digit == "0":
            gap = bool(said)
            continue
        said += (_DIGITS[0] if gap else "") + _DIGITS[int(digit)] + _TENS[place]
        gap = False
    return said


def digits(text: str) -> str:
    """Digit by digit.

    Example:
        >>> digits("2024")
        '二零二四'
    """
    return "".join(_DIGITS[int(c)] for c in text if c in "0123456789")


def number(text: str) -> str:
    """A number as it is written: grouped, decimal, or with leading zeros.

    Example:
        >>> number("1,234.50"), number("007")
        ('一千二百三十四点五零', '零零七')
    """
    whole, point, decimals = text.replace(",", "").partition(".")
    is_code = len(whole) > LONGEST_NUMBER or (len(whole) > 1 and whole[0] == "0")
    said = digits(whole) if is_code else cardinal(int(whole))
    return f"{said}点{digits(decimals)}" if point and decimals else said


def _date(match: re.Match[str]) -> str:
    then, _, month, day = match.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return match[0]
    return f"{digits(then)}年{cardinal(int(month))}月{cardinal(int(day))}日"


def _time(match: re.Match[str]) -> str:
    hour, minute, second = match.groups()
    if int(hour) > 24 or int(minute) > 59:
        return f"{number(hour)}比{number(minute)}"
    said = f"{'两' if int(hour) == 2 else cardinal(int(hour))}点"
    if int(minute) or second:
        said += f"{digits('0') if 0 < int(minute) < 10 else ''}{cardinal(int(minute))}分"
    return said + (f"{cardinal(int(second))}秒" if second else "")


def _money(match: re.Match[str]) -> str:
    sign, amount, scale = match.groups()
    return f"{number(amount)}{scale or ''}{_MONEY[sign]}"


def _signed(minus: str | None) -> str:
    return "负" if minus else ""


_RULES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = tuple(
    (re.compile(pattern), in_words)
    for pattern, in_words in (
        (r"(?<!\d)(\d{4})([-/.])(\d\d?)\2(\d\d?)(?!\d)", _date),
        (
            r"(?<!\d)(\d{4}|\d\d)(?=年(?!前|后|後|来|來|间|間|以|内|內|级|級|代))",
            lambda m: digits(m[1]),
        ),
        (r"(?<!\d)(\d\d?)[:：](\d\d)(?:[:：](\d\d))?(?!\d)", _time),
        (r"(?<!\d)(\d+)[:：](\d+)(?!\d)", lambda m: f"{number(m[1])}比{number(m[2])}"),
        (r"(?<![\d.])(1\d{10}|0\d{2,3}-?\d{7,8}|400-?\d{3}-?\d{4})(?!\d)", lambda m: digits(m[1])),
        (rf"(US\$|[¥￥$€£])\s?({_NUMBER})(万|亿|萬|億|百万|千万)?", _money),
        (
            rf"({_NUMBER})\s?[%％]?\s?[-~～]\s?({_NUMBER})\s?[%％]",
            lambda m: f"百分之{number(m[1])}到百分之{number(m[2])}",
        ),
        (
            rf"(?<![\d\w])(-)?({_NUMBER})\s?[%％]|({_NUMBER})\s?[%％]",
            lambda m: f"{_signed(m[1])}百分之{number(m[2] or m[3])}",
        ),
        (r"(?<!\d)(\d+)/(\d+)(?!\d)", lambda m: f"{number(m[2])}分之{number(m[1])}"),
        (
            rf"({_NUMBER})\s?[-~～]\s?({_NUMBER})\s?({_UNIT}){_LATIN}",
            lambda m: f"{number(m[1])}到{number(m[2])}{UNITS[m[3]]}",
        ),
        (
            rf"(?<!\w)(-)?({_NUMBER})\s?({_UNIT}){_LATIN}|({_NUMBER})\s?({_UNIT}){_LATIN}",
            lambda m: f"{_signed(m[1])}{number(m[2] or m[4])}{UNITS[m[3] or m[5]]}",
        ),
        (rf"(?<![\d.,第])2(?=([{_MEASURES}]))", lambda _: "两"),
        (rf"(?<=\d)\s?[-~～]\s?(?={_NUMBER})", lambda _: "到"),
        (r"(?<=[A-Za-z])-(?=\d)", lambda _: " "),
        (rf"(?<![\w-])-({_NUMBER})", lambda m: f"负{number(m[1])}"),
        (r"\d+(?:\.\d+){2,}", lambda m: "点".join(number(part) for part in m[0].split("."))),
        (rf"{_NUMBER}", lambda m: number(m[0])),
    )
)
