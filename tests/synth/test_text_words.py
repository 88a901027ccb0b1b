"""Texts in words: a golden table, worked by hand; numbers against an independent reference."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.synth.text import chinese, english_numbers
from mosdata.synth.text.cldr import numbers_in_words
from mosdata.synth.text.frontend import frontend_id, in_words
from mosdata.synth.text.languages import parse_language
from mosdata.synth.text.tidy import plain_marks, tidy, without_emoji

ENGLISH = {
    # money
    "It costs $5.50, not £1.": "It costs five dollars and fifty cents, not one pound.",
    "€3bn, 5€, ¥500, $0.05, US$20": (
        "three billion euros, five euros, five hundred yen, five cents, twenty US dollars"
    ),
    "A $1.2 million deal of $5–10.": (
        "A one point two million dollar deal of five to ten dollars."
    ),
    "It is -$5 or £1.01.": "It is minus five dollars or one pound and one penny.",
    # dates and years
    "On 2024-03-15.": "On March fifteenth, twenty twenty-four.",
    "On 3/4/1984 and 25/12/99.": (
        "On March fourth, nineteen eighty-four and December twenty-fifth, nineteen ninety-nine."
    ),
    "March 15, 2024, Jan. 5 and 3rd of May": (
        "March fifteenth, twenty twenty-four, January fifth and the third of May"
    ),
    "In 1984, 1500 people came.": (
        "In nineteen eighty-four, one thousand five hundred people came."
    ),
    "since 2007, by 1905, in 2000, the 1990s, the '80s": (
        "since two thousand seven, by nineteen oh five, in two thousand, the nineteen nineties, "
        "the eighties"
    ),
    "1914–1918, 1939-45": (
        "nineteen fourteen to nineteen eighteen, nineteen thirty-nine to forty-five"
    ),
    "in 1500 words": "in one thousand five hundred words",
    # times
    "At 14:30, 9:05 a.m., 12:00, 3 PM.": (
        "At fourteen thirty, nine oh five A M, twelve o'clock, three P M."
    ),
    "He left at 5 p.m. Then it rained.": "He left at five P M. Then it rained.",
    "He came at 5 p.m.": "He came at five P M.",
    # numbers
    "3.14, 1,234,567, -5, 0.5, 007": (
        "three point one four, one million two hundred thirty-four thousand five hundred "
        "sixty-seven, minus five, zero point five, zero zero seven"
    ),
    "1st, 22nd, 3,000th, 112th": ("first, twenty-second, three thousandth, one hundred twelfth"),
    "1/2, 3/4, 2 1/2, 2½, 24/7": (
        "one half, three quarters, two and a half, two and a half, twenty-four seven"
    ),
    "5% of 10–20 km, 10-15%": "five percent of ten to twenty kilometers, ten to fifteen percent",
    "5M users, 3:2, 4x faster": "five million users, three to two, four times faster",
    "5 + 3 = 8, 5 - 3 = 2": "five plus three equals eight, five minus three equals two",
    "version 1.2.3": "version one point two point three",
    "Call (212) 555-1234.": "Call two one two, five five five, one two three four.",
    "12345678901234567890": (
        "one two three four five six seven eight nine zero one two three four five six seven "
        "eight nine zero"
    ),
    # units
    "25°C, 100 km/h, 1 kg, 48 kHz, a 10-km run, 5'10\"": (
        "twenty-five degrees Celsius, one hundred kilometers per hour, one kilogram, forty-eight "
        "kilohertz, a ten-kilometer run, five feet ten inches"
    ),
    # abbreviations
    "Dr. Smith lives on Elm St. in St. Louis.": (
        "Doctor Smith lives on Elm Street in Saint Louis."
    ),
    "Mr. and Mrs. Jones, Jr.": "Mister and Missus Jones, Junior.",
    "e.g. apples, i.e. fruit, etc. Then more.": (
        "for example apples, that is fruit, et cetera. Then more."
    ),
    "No. 5, #1, p. 12": "number five, number one, page twelve",
    "Henry VIII, World War II, Chapter IV": "Henry the eighth, World War two, Chapter four",
    "U.S. troops in the U.S.": "U S troops in the U S.",
    # signs and machines
    "AT&T's 50% off @ home": "AT and T's fifty percent off at home",
    "MP3, B2B, COVID-19": "MP three, B two B, COVID nineteen",
    "See www.example.com/a-b, or bob@x.org.": (
        "See www dot example dot com slash a dash b, or bob at x dot org."
    ),
    "“Wait” — it’s 10 o’clock… ♥": "\"Wait\", it's ten o'clock...",
    "π and α-particles": "pi and alpha-particles",
    "We stayed; we laughed, I said.": "We stayed; we laughed, I said.",
    "*Bold* _and_ #hashtag": "Bold and hashtag",
}
CHINESE = {
    "2024年3月15日下午2:30": "二零二四年三月十五日下午两点三十分",
    "我有2个苹果和12本书，花了¥25.5。": "我有两个苹果和十二本书，花了二十五点五元。",
    "电话13812345678，房间007": "电话一三八一二三四五六七八，房间零零七",
    "1/2的人，3-5公里，10%-15%": "二分之一的人，三到五公里，百分之十到百分之十五",
    "2024-03-15，10年前，98年": "二零二四年三月十五日，十年前，九八年",
    "25℃，100km/h，比分3:2": "二十五摄氏度，一百公里每小时，比分三比二",
    "“好”——这个３０％": '"好"，这个百分之三十',
}
OTHERS = {
    ("de", "Am 3. Mai um 14:30 kamen 1.234 Leute, -5 Grad, 3,5 %."): (
        "Am 3. Mai um vierzehn dreißig kamen eintausendzweihundertvierunddreißig Leute, minus "
        "fünf Grad, drei Komma fünf Prozent."
    ),
    ("fr", "Il y a 1 234 « maisons » et 3,14 %…"): (
        'Il y a mille deux cent trente-quatre " maisons " et trois virgule un quatre pour cent...'
    ),
    ("es", "¿Son 21 o 1.000?"): "¿Son veintiuno o mil?",
    ("ja", "3.5％の人が10個を買った。"): "三点五パーセントの人が十個を買った。",
    ("ko", "2024년 3.5%"): "이천이십사년 삼점오퍼센트",
    ("nb", "20 og 3,5 %"): "tjue og tre komma fem prosent",
    ("zh-TW", "2024年2個，10000元"): "二零二四年兩個，一萬元",
    ("en-GB", "On 3/4/1984"): "On April third, nineteen eighty-four",
}


@pytest.mark.parametrize(("text", "expected"), ENGLISH.items())
def test_english(text, expected):
    """As an American would read it aloud."""
    assert expected == in_words(tidy(text), "en").text


@pytest.mark.parametrize(("text", "expected"), CHINESE.items())
def test_chinese(text, expected):
    """As it would be read aloud, in characters."""
    assert expected == in_words(tidy(text), "zh").text


@pytest.mark.parametrize(("asked", "expected"), OTHERS.items())
def test_other_languages(asked, expected):
    """Whole numbers, decimals and percentages; nothing that would have to be inflected."""
    tag, text = asked

    assert expected == in_words(tidy(text), tag).text


def test_digits_that_nobody_reads_are_flagged():
    """No rules for the language, or none for what was written."""
    assert ("digits_kept",) == in_words("5 jaj", "tlh").flags
    assert ("digits_kept",) == in_words("V roce 3,14.", "cs").flags
    assert () == in_words("V roce 1984.", "cs").flags


def test_emoji_are_left_out_and_flagged():
    """With their skin tones, joiners, keycaps and flags; a text without any is as it was."""
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    words = in_words(tidy(f"Nice 👍🏽 work {family}, 🇩🇪 and ❤️!"), "en")

    assert ("Nice work, and!", ("emoji_removed",)) == (words.text, words.flags)
    assert () == in_words("Nice work.", "en").flags


@given(number=st.integers(0, 10**15 - 1))
def test_english_cardinals_agree_with_cldr(number):
    """An independent reference: the rules that the Unicode consortium keeps."""
    assert numbers_in_words(str(number), parse_language("en")) == english_numbers.cardinal(number)


@given(number=st.integers(0, 10**16 - 1))
def test_chinese_cardinals_say_their_number(number):
    """Read back by a parser that knows nothing of how they were made."""
    assert number == _read(chinese.cardinal(number))


def _read(text: str) -> int:
    """A Chinese number: digits, multiplied by what follows them, from the largest unit down."""
    for unit, value in (("万亿", 10**12), ("亿", 10**8), ("万", 10**4)):
        head, found, tail = text.partition(unit)
        if found:
            return _read(head) * value + (_read(tail) if tail else 0)
    total, digit = 0, 0
    for c in text:
        if c in "十百千":
            total += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[c]
            digit = 0
        else:
            digit = "零一二三四五六七八九".index(c)
    return total + digit


@given(number=st.integers(0, 99), hundreds=st.integers(11, 20))
def test_years_are_read_in_two_halves(number, hundreds):
    """1984 is nineteen eighty-four; the halves are the cardinals that CLDR has."""
    en = parse_language("en")
    said = english_numbers.year(hundreds * 100 + number)

    if hundreds != 20 and number >= 10:
        halves = [numbers_in_words(str(half), en) for half in (hundreds, number)]
        assert " ".join(halves) == said


TAGS = st.sampled_from(["en", "en-GB", "zh", "zh-TW", "de", "fr", "ja", "ru", "cs", "tlh"])
TEXTS = st.one_of(
    st.text(max_size=60),
    st.text("0123456789.,:;/-–%$€ °C km'\"apmst()+=#&½年月日个Dr", max_size=40),
)


@given(text=TEXTS, tag=TAGS)
def test_any_text_can_be_put_into_words(text, tag):
    """Without an error; tidy; in English and Chinese without an ASCII digit left."""
    words = in_words(tidy(text), tag)

    assert words.text == " ".join(words.text.split())
    if tag.startswith(("en", "zh")):
        assert not any(c in "0123456789" for c in words.text)
    assert any(c.isdigit() for c in words.text) == ("digits_kept" in words.flags)


@given(text=st.text(max_size=60))
def test_tidying_twice_is_tidying_once(text):
    """NFC, single spaces, nothing invisible; letters are all kept."""
    tidied = tidy(text)

    assert tidied == tidy(tidied)
    assert unicodedata.is_normalized("NFC", tidied)
    assert not any(unicodedata.category(c) == "Cc" for c in tidied)
    letters = [c for c in unicodedata.normalize("NFC", text) if c.isalnum()]
    assert len(letters) >= len([c for c in tidied if c.isalnum()])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Plain text, as it is: 5 % – “so”…", "Plain text, as it is: 5 % – “so”…"),
        ("a\u200bb\u00adc\ufeffd\u202ee", "abcde"),
        ("a\x00b\x07 c\td\ne", "ab c d e"),
        ("e\u200b\u0301", "é"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\u200cb", "ab"),
        ("\u00a0x\u3000y\u2009z ", "x y z"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_tidying_takes_what_cannot_be_seen(text, expected):
    """And nothing else: marks, signs and emoji are an engine's own business."""
    assert expected == tidy(text)


@given(text=st.text(st.characters(max_codepoint=127), max_size=40))
def test_ascii_has_no_emoji(text):
    """Digits and signs of ASCII that can be part of keycaps are kept."""
    assert text == without_emoji(text)


def test_marks_become_plain():
    """Dashes between words are commas, between numbers ranges, and gone at the edges."""
    assert "a, b, 5-6, 3 - 2" == plain_marks("— a – b -- 5–6, 3 - 2 –")


def test_a_front_end_is_known_by_name():
    """With its version and that of the rules it rests on."""
    assert "mosdata-text/1 english" == frontend_id("en-GB")
    assert frontend_id("de").startswith("mosdata-text/1 cldr unicode-rbnf ")
