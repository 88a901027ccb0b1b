"""English in words: numbers, money, dates, times, units, abbreviations, signs.

Rules run from the most particular to the least, each over the whole text; what one has put into
words no later one can take for something else, since words hold no digits and no signs. American
reading (month first, no "and" within numbers) except dates with a tag such as en-GB.

What cannot be told from the text alone is read the plain way: 1984 is a year only where something
around it says so; "St." is a saint before a name and a street after one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from mosdata.synth.text.english_numbers import cardinal, digits, number, ordinal, plural, year
from mosdata.synth.text.languages import Language

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_MONTH: Final = "|".join(
    [*MONTHS, *(rf"{name[:3]}\." for name in MONTHS), r"Sept\."]
    + [rf"{name[:3]}(?= \d)" for name in MONTHS if name != "May"]
)
_NUMBER: Final = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_START: Final = r"(?<![\w.])"
_END: Final = r"(?![\w%])"
_ORDINAL: Final = r"(?:st|nd|rd|th)"

DAY_FIRST: Final = frozenset(
    {"GB", "AU", "NZ", "IE", "IN", "ZA", "SG", "HK", "MT", "NG", "KE", "PK", "JM", "TT"}
)
"""Regions of English that write 3/4 for the third of April."""

_CURRENCIES: Final = {
    "$": ("dollar", "cent"),
    "US$": ("US dollar", "cent"),
    "€": ("euro", "cent"),
    "£": ("pound", "penny"),
    "¥": ("yen", ""),
    "₹": ("rupee", "paisa"),
    "₽": ("ruble", "kopeck"),
    "₩": ("won", ""),
    "₿": ("bitcoin", ""),
}
_SCALES: Final = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million",
    "bn": "billion", "b": "billion", "B": "billion", "tn": "trillion",
}  # fmt: skip
_SIGN: Final = "|".join(re.escape(sign) for sign in sorted(_CURRENCIES, key=len, reverse=True))
_SCALE: Final = r"(?:\s?(hundred|thousand|million|billion|trillion)|(k|K|mn|m|M|bn|b|B|tn))?"

UNITS: Final = {
    "km/h": "kilometer per hour", "kmh": "kilometer per hour", "kph": "kilometer per hour",
    "m/s": "meter per second", "mph": "mile per hour", "rpm": "revolution per minute",
    "km²": "square kilometer", "m²": "square meter", "cm²": "square centimeter",
    "m³": "cubic meter", "cm³": "cubic centimeter", "km2": "square kilometer",
    "m2": "square meter", "m3": "cubic meter", "ft²": "square foot",
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "µm": "micrometer",
    "μm": "micrometer", "nm": "nanometer", "mi": "mile", "ft": "foot", "yd": "yard",
    "kg": "kilogram", "g": "gram", "mg": "milligram", "µg": "microgram", "lb": "pound",
    "lbs": "pound", "oz": "ounce", "ml": "milliliter", "mL": "milliliter", "l": "liter",
    "L": "liter", "cl": "centiliter", "gal": "gallon",
    "ms": "millisecond", "µs": "microsecond", "s": "second", "sec": "second", "min": "minute",
    "h": "hour", "hr": "hour", "hrs": "hour",
    "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz", "dB": "decibel",
    "W": "watt", "kW": "kilowatt", "MW": "megawatt", "kWh": "kilowatt hour", "V": "volt",
    "mV": "millivolt", "mA": "milliampere", "J": "joule", "kJ": "kilojoule", "cal": "calorie",
    "kcal": "kilocalorie", "Pa": "pascal", "kPa": "kilopascal", "hPa": "hectopascal",
    "KB": "kilobyte", "kB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte",
    "kbps": "kilobit per second", "Mbps": "megabit per second", "Gbps": "gigabit per second",
    "kbit/s": "kilobit per second", "Mbit/s": "megabit per second", "fps": "frame per second",
    "°C": "degree Celsius", "°F": "degree Fahrenheit", "℃": "degree Celsius",
    "℉": "degree Fahrenheit", "°": "degree", "px": "pixel", "ppm": "part per million",
}  # fmt: skip
"""What stands behind a number, and how it is called."""

_UNIT: Final = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))

_TITLES: Final = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "Prof": "Professor",
    "Gen": "General", "Col": "Colonel", "Lt": "Lieutenant", "Sgt": "Sergeant", "Capt": "Captain",
    "Cmdr": "Commander", "Adm": "Admiral", "Maj": "Major", "Rev": "Reverend", "Hon": "Honorable",
    "Gov": "Governor", "Sen": "Senator", "Rep": "Representative", "Pres": "President",
    "St": "Saint", "Mt": "Mount", "Ft": "Fort", "Messrs": "Messieurs", "Mme": "Madame",
}  # fmt: skip
_AFTER_NAMES: Final = {
    "St": "Street", "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Ln": "Lane",
    "Sq": "Square", "Hwy": "Highway", "Jr": "Junior", "Sr": "Senior", "Inc": "Incorporated",
    "Ltd": "Limited", "Co": "Company", "Corp": "Corporation", "Bros": "Brothers",
    "Dept": "Department", "Univ": "University",
}  # fmt: skip
_ANYWHERE: Final = {
    "vs": "versus", "etc": "et cetera", "approx": "approximately", "dept": "department",
    "est": "established", "e.g": "for example", "i.e": "that is", "a.k.a": "also known as",
    "cf": "compare", "viz": "namely", "et al": "and others", "p.s": "P S", "P.S": "P S",
}  # fmt: skip

_KINGS: Final = (
    "Henry|Louis|George|Edward|Charles|James|William|Richard|Elizabeth|Mary|Philip|Francis|"
    "Frederick|Alexander|Nicholas|Ivan|Peter|Catherine|Pope|Pius|Benedict|Gregory|Leo|Innocent|"
    "John Paul|Napoleon|Wilhelm|Ferdinand|Constantine|Ramses|Ramesses|Cleopatra|Ptolemy|Otto"
)
_NUMBERED: Final = (
    "Chapter|Part|Volume|Act|Scene|Book|War|Phase|Type|Section|Article|Title|Episode|Appendix|"
    "Bowl|Mark|Class|Level|Grade|Stage|Factor|Symphony|Apollo|Saturn|Vatican"
)
_ROMAN: Final = r"(?=[IVX]+\b)(X{0,3}(?:IX|IV|V?I{0,3}))"

_YEAR_WORDS: Final = (
    "in|since|by|until|till|from|of|year|circa|around|before|after|during|between|late|early|"
    "mid|to|and|through|spring|summer|autumn|fall|winter|copyright|born|died|" + "|".join(MONTHS)
)
_YEAR: Final = r"(1[1-9]\d\d|20\d\d)"
_NOT_COUNTED: Final = (
    r"(?! ?(?:people|years|men|women|children|students|dollars|miles|words|times|points|"
    r"members|employees|workers|pages|copies|units|votes|hours|minutes|seconds|days|meters|feet|"
    rf"degrees|percent|{_UNIT})\b)(?![\d%/°])(?![,.]\d)"
)

_GREEK: Final = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "omicron",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
        ],
        strict=True,
    )
)
_VULGAR: Final = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5),
    "⅗": (3, 5), "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8),
    "⅞": (7, 8),
}  # fmt: skip
_SIGNS: Final = {
    "&": "and", "@": "at", "+": "plus", "=": "equals", "×": "times", "÷": "divided by",
    "±": "plus or minus", "<": "less than", ">": "greater than", "≤": "at most", "≥": "at least",
    "≈": "about", "~": "about", "§": "section", "°": "degrees", "%": "percent", "‰": "per mille",
    "$": "dollars", "€": "euros", "£": "pounds", "¥": "yen", "→": "to", "/": "slash",
    "²": "squared", "³": "cubed", "√": "square root of", "∞": "infinity", "№": "number",
}  # fmt: skip
_SILENT: Final = str.maketrans(dict.fromkeys("*_^|\\#{}[]<>~•†‡¶", " "))
_WIDE: Final = str.maketrans("，。！？：；（）、", ",.!?:;(),")


def english(text: str, language: Language) -> str:
    """A text of plain marks (:func:`mosdata.synth.text.tidy.plain_marks`) in words.

    Example:
        >>> from mosdata.synth.text.languages import parse_language
        >>> english("Dr. Smith paid $3.50 on 3/4/1984.", parse_language("en"))
        'Doctor Smith paid three dollars and fifty cents on March fourth, nineteen eighty-four.'
    """
    words = text.translate(_WIDE)
    day_first = language.region in DAY_FIRST
    for pattern, in_words in (*_BEFORE_DATES, *_numeric_dates(day_first=day_first), *_AFTER_DATES):
        words = pattern.sub(in_words, words)
    words = " ".join(words.translate(_SILENT).split())
    return re.sub(r"\s+([,.!?;:])", r"\1", words)


def _rule(pattern: str, in_words: Callable[[re.Match[str]], str], flags: int = 0) -> Rule:
    return re.compile(pattern, flags), in_words


def _count(amount: str, noun: str) -> str:
    """A number with what it counts."""
    return f"{number(amount)} {noun if amount == '1' else plural(noun)}"


# --- addresses of machines ---


_IN_ADDRESSES: Final = {
    ".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", ":": "colon",
    "?": "question mark", "=": "equals", "&": "and", "#": "hash",
}  # fmt: skip


def _address(match: re.Match[str]) -> str:
    text = match[0]
    tail = ""
    while text[-1] in ".,;:!?)":
        text, tail = text[:-1], text[-1] + tail
    text = re.sub(r"^https?://", "", text).removesuffix("/")
    spelled = "".join(f" {_IN_ADDRESSES[c]} " if c in _IN_ADDRESSES else c for c in text)
    spelled = re.sub(r"\d+", lambda m: f" {digits(m[0])} ", spelled)
    return " ".join(spelled.split()) + tail


# --- money ---


def _money(match: re.Match[str]) -> str:
    minus, sign, amount, scale, letter = match.groups()
    words = _amount_of_money(sign, amount, scale or _SCALES.get(letter or "", ""))
    if re.search(r"\b[Aa]n? $", match.string[: match.start()]):
        words = words.removesuffix("s")  # a two dollar note
    return f"minus {words}" if minus else words


def _money_range(match: re.Match[str]) -> str:
    sign, least, most, scale, letter = match.groups()
    return (
        f"{number(least)} to {_amount_of_money(sign, most, scale or _SCALES.get(letter or '', ''))}"
    )


def _money_behind(match: re.Match[str]) -> str:
    amount, scale, letter, sign = match.groups()
    return _amount_of_money(sign, amount, scale or _SCALES.get(letter or "", ""))


def _amount_of_money(sign: str, amount: str, scale: str) -> str:
    unit, part = _CURRENCIES[sign]
    if scale:
        return f"{number(amount)} {scale} {plural(unit)}"
    whole, _, cents = amount.partition(".")
    if not part or not cents or len(cents) != 2:
        return _count(amount, unit)
    said = [_count(whole, unit)] if int(whole.replace(",", "") or "0") else []
    if int(cents):
        said.append(_count(str(int(cents)), part))
    return " and ".join(said or [_count("0", unit)])


# --- dates and years ---


def _month(name: str) -> str:
    return next(month for month in MONTHS if month.startswith(name[:3]))


def _month_day(match: re.Match[str]) -> str:
    month, day, then = match.groups()
    words = f"{_month(month)} {ordinal(int(day))}"
    return f"{words}, {year(int(then))}" if then else words


def _day_month(match: re.Match[str]) -> str:
    day, month, then = match.groups()
    words = f"{ordinal(int(day))} of {_month(month)}"
    words = words if match.string[: match.start()].endswith("the ") else f"the {words}"
    return f"{words}, {year(int(then))}" if then else words


def _date(then: int, month: int, day: int) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"{MONTHS[month - 1]} {ordinal(day)}, {year(then)}"


def _iso_date(match: re.Match[str]) -> str:
    return _date(*(int(group) for group in match.groups())) or match[0]


def _numeric_dates(*, day_first: bool) -> tuple[Rule, ...]:
    def in_words(match: re.Match[str]) -> str:
        first, second, then = (int(match[i]) for i in (1, 3, 4))
        if then < 100:
            then += 2000 if then < 50 else 1900
        orders = (
            [(second, first), (first, second)] if day_first else [(first, second), (second, first)]
        )
        dates = (_date(then, month, day) for month, day in orders)
        return next((date for date in dates if date), match[0])

    return (_rule(rf"{_START}(\d\d?)([/.-])(\d\d?)\2(\d{{4}}|\d\d){_END}(?!\2)", in_words),)


def _years(match: re.Match[str]) -> str:
    first, second = match.groups()
    if len(second) == 2:
        return f"{year(int(first))} to {cardinal(int(second))}"
    return f"{year(int(first))} to {year(int(second))}"


def _decade(match: re.Match[str]) -> str:
    before, tens = match.groups()
    if tens == "00":
        return f"{plural(year(int(before + tens)))}" if before else match[0]
    words = plural(cardinal(int(tens)))
    return f"{cardinal(int(before))} {words}" if before else words


# --- times ---


def _time(match: re.Match[str]) -> str:
    hour, minute, second, half = match.groups()
    if int(hour) > 24 or int(minute) > 59:
        return f"{number(hour)} {number(minute)}"
    minutes = int(minute)
    if second is not None:
        parts = [cardinal(int(hour)), _oh(minutes), _oh(int(second))]
    elif minutes:
        parts = [cardinal(int(hour)), _oh(minutes)]
    elif half:
        parts = [cardinal(int(hour))]
    else:
        parts = [cardinal(int(hour)), "o'clock" if 1 <= int(hour) <= 12 else "hundred"]
    return " ".join([*parts, *_half(half)]) + _stop_after(match, half)


def _oh(number_: int) -> str:
    return f"oh {cardinal(number_)}" if 0 < number_ < 10 else cardinal(number_)


def _hour(match: re.Match[str]) -> str:
    return " ".join([cardinal(int(match[1])), *_half(match[2])]) + _stop_after(match, match[2])


def _half(half: str | None) -> list[str]:
    return [half[0].upper(), "M"] if half else []


def _stop_after(match: re.Match[str], abbreviation: str | None) -> str:
    """The full stop that an abbreviation shares with the sentence that it ends."""
    rest = match.string[match.end() :]
    return "." if abbreviation and abbreviation.endswith(".") and _ends_sentence(rest) else ""


def _ends_sentence(rest: str) -> bool:
    return not rest.strip(" \"')") or re.match(r"[\"')]*\s+[\"'(]?[A-Z]", rest) is not None


# --- words ---


def _title(match: re.Match[str]) -> str:
    return _TITLES[match[1]] + " "


def _after_name(match: re.Match[str]) -> str:
    rest = match.string[match.end() :]
    return _AFTER_NAMES[match[1]] + ("." if _ends_sentence(rest) else "")


def _anywhere(match: re.Match[str]) -> str:
    key = match[1] if match[1] in _ANYWHERE else match[1].lower()
    rest = match.string[match.end() :]
    stops = not rest.strip(" \"')") or (key == "etc" and _ends_sentence(rest))
    return _ANYWHERE[key] + ("." if stops else "")


def _initials(match: re.Match[str]) -> str:
    letters = " ".join(match[0].replace(".", ""))
    return letters + ("." if _is_last(match) else "")


def _is_last(match: re.Match[str]) -> bool:
    return not match.string[match.end() :].strip(" \"')")


_FRACTIONS: Final = {2: "half", 4: "quarter"}


def _fraction(numerator: int, denominator: int) -> str:
    part = _FRACTIONS.get(denominator) or ordinal(denominator)
    if numerator == 1:
        return f"one {part}"
    return f"{cardinal(numerator)} {'halves' if part == 'half' else plural(part)}"


def _slash(match: re.Match[str]) -> str:
    whole, top, bottom = match.groups()
    numerator, denominator = int(top), int(bottom)
    if not (0 < numerator < denominator <= 100):
        return f"{cardinal(numerator)} over {cardinal(denominator)}" if not whole else match[0]
    words = _fraction(numerator, denominator)
    if not whole:
        return words
    return f"{cardinal(int(whole))} and {words.replace('one ', 'a ', 1)}"


def _vulgar(match: re.Match[str]) -> str:
    whole, sign = match.groups()
    words = _fraction(*_VULGAR[sign])
    return f"{number(whole)} and {words.replace('one ', 'a ', 1)}" if whole else words


def _roman(text: str) -> int:
    values = {"I": 1, "V": 5, "X": 10}
    found = [values[c] for c in text]
    return sum(v if v >= max(found[i:]) else -v for i, v in enumerate(found))


def _phone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(digits(group) for group in groups)


def _unit(match: re.Match[str]) -> str:
    minus, amount, hyphen, unit = match.groups()
    said = f"{number(amount)}-{UNITS[unit]}" if hyphen else _count(amount, UNITS[unit])
    return f"minus {said}" if minus else said


def _unit_range(match: re.Match[str]) -> str:
    first, second, unit = match.groups()
    return f"{number(first)} to {_count(second, UNITS[unit])}"


def _in_word(match: re.Match[str]) -> str:
    return f" {number(match[0])} "


_BEFORE_DATES: Final[tuple[Rule, ...]] = (
    _rule(r"(?:https?://|www\.)\S+", _address),
    _rule(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address),
    _rule(r"\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|io|ai)\b(?:/\S*)?", _address),
    _rule(rf"{_START}({_SIGN})({_NUMBER})\s?-\s?\1?({_NUMBER}){_SCALE}(?!\w)", _money_range),
    _rule(rf"{_START}(-?)({_SIGN})\s?({_NUMBER}){_SCALE}(?!\w)", _money),
    _rule(rf"{_START}({_NUMBER}){_SCALE}\s?({_SIGN})(?!\w)", _money_behind),
    _rule(rf"{_START}(\d{{4}})-(\d\d)-(\d\d){_END}", _iso_date),
    _rule(r"(?<!\w)(?:\+\d{1,3}[ -])?(?:\(\d{3}\) ?|\d{3}[- ])?\d{3}-\d{4}(?![\w-])", _phone),
    _rule(rf"{_START}\+\d[\d -]{{6,}}\d{_END}", _phone),
)
_AFTER_DATES: Final[tuple[Rule, ...]] = (
    _rule(
        rf"\b({_MONTH}) (\d\d?){_ORDINAL}?(?:,? (\d{{4}}))?(?![\w:%/])(?!\.\d)",
        lambda m: _month_day(m) if 1 <= int(m[2]) <= 31 else m[0],
    ),
    _rule(
        rf"{_START}(\d\d?){_ORDINAL}?(?: of)? ({_MONTH})(?:,? (\d{{4}}))?(?!\w)",
        lambda m: _day_month(m) if 1 <= int(m[1]) <= 31 else m[0],
    ),
    _rule(rf"\b({_MONTH}),? {_YEAR}(?!\w)", lambda m: f"{_month(m[1])} {year(int(m[2]))}"),
    _rule(rf"{_START}(\d\d?):(\d\d)(?::(\d\d))?(?:\s?([AaPp]\.?[Mm]\b\.?))?(?![\w:])", _time),
    _rule(rf"{_START}(\d\d?)\s?([AaPp]\.[Mm]\.?|[AaPp][Mm]\b)(?!\w)", _hour),
    _rule(rf"{_START}(?:(1\d|20)|')(\d0)'?s\b", _decade),
    _rule(rf"{_START}{_YEAR}-(\d{{4}}|\d\d){_END}", _years),
    _rule(rf"{_START}({_NUMBER})\s?-\s?({_NUMBER})\s?({_UNIT})(?!\w)", _unit_range),
    _rule(
        rf"\b(?P<word>{_YEAR_WORDS})(?P<gap>,? ){_YEAR}\b{_NOT_COUNTED}",
        lambda m: f"{m['word']}{m['gap']}{year(int(m[3]))}",
        re.IGNORECASE,
    ),
    _rule(rf"(?<=\(){_YEAR}(?=[,)])", lambda m: year(int(m[1]))),
    _rule(r"(?<![\w:.])(\d+):(\d+)(?![\w:])", lambda m: f"{number(m[1])} to {number(m[2])}"),
    _rule(
        r"(?<![\w.])(\d)'\s?(\d\d?)\"",
        lambda m: f"{_count(m[1], 'foot')} {_count(m[2], 'inch')}",
    ),
    _rule(
        rf"(?<![\w.])({_NUMBER})(k|K|M|bn)\b(?![-'])", lambda m: f"{number(m[1])} {_SCALES[m[2]]}"
    ),
    _rule(r"(?<=[A-Za-z])-(?=\d)", lambda _: " "),
    _rule(r"\b24/7\b", lambda _: "twenty-four seven"),
    _rule(rf"{_START}(?:(\d+)[ -])?(\d+)/(\d+)(?![\w/]|\.\d)", _slash),
    _rule(rf"(?<![\w.])(\d+)?\s?([{''.join(_VULGAR)}])", _vulgar),
    _rule(
        rf"{_START}({_NUMBER})\s?-\s?({_NUMBER})\s?%",
        lambda m: f"{number(m[1])} to {number(m[2])} percent",
    ),
    _rule(
        rf"{_START}(-?)({_NUMBER})\s?%",
        lambda m: f"{'minus ' if m[1] else ''}{number(m[2])} percent",
    ),
    _rule(rf"{_START}(-?)({_NUMBER})(?:(-)|\s)?({_UNIT})(?![\w/])(?!-\w)", _unit),
    _rule(
        rf"{_START}(\d+)(?:,(\d{{3}}))?{_ORDINAL}\b",
        lambda m: ordinal(int(m[1] + (m[2] or ""))),
    ),
    _rule(r"\b(?:No|Nos|no)\. ?(?=\d)", lambda _: "number "),
    _rule(r"#(?=\d)", lambda _: "number "),
    _rule(r"\b(?:pp|p)\. ?(?=\d)", lambda m: "pages " if m[0].startswith("pp") else "page "),
    _rule(r"\b(?:Fig|fig)\. ?(?=\d)", lambda _: "figure "),
    _rule(rf"\b({_KINGS}) {_ROMAN}\b", lambda m: f"{m[1]} the {ordinal(_roman(m[2]))}"),
    _rule(rf"\b({_NUMBERED}) {_ROMAN}\b", lambda m: f"{m[1]} {cardinal(_roman(m[2]))}"),
    _rule(rf"\b({'|'.join(_TITLES)})\. (?=[A-Z])", _title),
    _rule(r"\b(Mr|Mrs|Ms|Dr|Prof)\. (?=and\b)", _title),
    _rule(rf"(?<=[\w&,] )({'|'.join(_AFTER_NAMES)})\.", _after_name),
    _rule(rf"(?<![\w.])({'|'.join(re.escape(a) for a in _ANYWHERE)})\.", _anywhere, re.IGNORECASE),
    _rule(r"(?<![\w.])(?:[A-Za-z]\.){2,}", _initials),
    _rule(rf"(?<![\w.,])({_NUMBER})\s?x\b", lambda m: f"{number(m[1])} times"),
    _rule(
        rf"(?<![\w.])({_NUMBER})-({_NUMBER})(?![\w-])",
        lambda m: f"{number(m[1])} to {number(m[2])}",
    ),
    _rule(
        r"(?<=\d)\s([-+*/=])\s(?=\d)",
        lambda m: {"-": " minus ", "+": " plus ", "*": " times ", "/": " divided by "}.get(
            m[1], " equals "
        ),
    ),
    _rule(r"\d+(?:\.\d+){2,}", lambda m: " point ".join(number(p) for p in m[0].split("."))),
    _rule(rf"(?<![\w.-])-({_NUMBER})(?!\w)", lambda m: f"minus {number(m[1])}"),
    _rule(rf"(?<![\w.])({_NUMBER})(?!\w)", lambda m: number(m[1])),
    _rule(r"\d+(?:\.\d+)?", _in_word),
    _rule(
        rf"(?<!\w)[{''.join(_GREEK)}{''.join(_GREEK).upper()}](?!\w)",
        lambda m: _GREEK[m[0].lower()],
    ),
    _rule(
        rf"\s?[{''.join(re.escape(sign) for sign in _SIGNS)}]\s?",
        lambda m: f" {_SIGNS[m[0].strip()]} ",
    ),
)
