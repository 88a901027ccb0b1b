"""Languages and scripts: what a tag is, and when a text does not fit its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.errors import InvalidValue, RecordRejected
from mosdata.synth.text.languages import SCRIPTS, parse_language, primary_of, scripts_of
from mosdata.synth.text.scripts import check_script, is_syllabic, script_of


@pytest.mark.parametrize(
    ("given_tag", "expected"),
    [
        ("en", "en"),
        ("EN-us", "en-US"),
        ("zh_hant_tw", "zh-Hant-TW"),
        ("cmn-hans", "cmn-Hans"),
        ("zh-yue", "zh-yue"),
        ("es-419", "es-419"),
        ("sr-Latn-RS", "sr-Latn-RS"),
        ("de-CH-1996", "de-CH-1996"),
        ("en-US-x-twain", "en-US-x-twain"),
        ("ja-u-ca-japanese", "ja-u-ca-japanese"),
        ("und", "und"),
    ],
)
def test_tags_are_spelled_one_way(given_tag, expected):
    """As RFC 5646 recommends: language small, script capitalised, region large."""
    assert expected == parse_language(given_tag).tag


@pytest.mark.parametrize(
    "tag", ["", "english", "e", "en-", "-en", "en us", "en-USAA-", "zh-Hant-Hans-TW-x", "日本語"]
)
def test_what_is_no_tag_is_refused(tag):
    """With what was given, and what a tag looks like."""
    with pytest.raises(InvalidValue, match="BCP 47 tag"):
        parse_language(tag)


def test_mandarin_has_two_names():
    """And Cantonese is a language of its own, under both of its."""
    assert ["zh", "zh", "yue", "yue"] == [
        primary_of(tag) for tag in ("zh-CN", "cmn", "yue", "zh-yue")
    ]


def test_every_language_of_the_table_has_a_script_that_exists():
    """A script of the table is one that letters have."""
    samples = "aяعאαकবગਕಕമଓதతකกຂខမབაԱአ中あアハ한ㄅᠠ"
    known = {script_of(c) for c in samples}

    assert {script for scripts in SCRIPTS.values() for script in scripts} <= known


FITTING = [
    ("en", "Good morning, naïve café — 5 µm, π ≈ 3, ½."),
    ("en", "12:30"),
    ("de", "Größe ist schön."),
    ("zh", "今天天气很好。"),
    ("zh", "我用Python写代码，OK？"),
    ("zh-Hant", "今天天氣很好。"),
    ("ja", "今日はいい天気ですね。コーヒー！"),
    ("ko", "안녕하세요, 大韓民國."),
    ("ru", "Я читаю Nature по-русски."),
    ("sr", "Добар дан, dobar dan."),
    ("ar", "صباح الخير"),
    ("hi", "सुप्रभात, Delhi."),
    ("el", "Καλημέρα."),
    ("und", "Anything Привет 你好"),
    ("tlh", "anything 你好"),
    ("xx", "anything 你好"),
]
MISFITS = [
    ("en", "Привет."),
    ("en", "Good 早上 morning."),
    ("en", "Hello Привет world."),
    ("en", "pаypal"),  # the first a is Cyrillic
    ("zh", "Good morning."),
    ("zh", "これはペンです。"),
    ("ja", "안녕하세요."),
    ("ru", "Good morning, Иван, how are you today?"),
    ("ru", "Cтрока с латинской C."),  # the first letter is Latin
    ("ar", "Καλημέρα."),
    ("sr-Latn", "Добар дан."),
    ("en", "Καλημέρα."),
]


@pytest.mark.parametrize(("language", "text"), FITTING)
def test_texts_of_a_language_fit(language, text):
    """With foreign names in other scripts than Latin, and with signs."""
    check_script(text, language)


@pytest.mark.parametrize(("language", "text"), MISFITS)
def test_texts_of_another_language_do_not(language, text):
    """The row says which script it is in, and which it should be in."""
    with pytest.raises(RecordRejected) as caught:
        check_script(text, language)

    assert "script_mismatch" == caught.value.reason


@given(text=st.text(st.characters(codec="ascii"), max_size=40))
def test_ascii_fits_every_latin_language(text):
    """English above all."""
    check_script(text, "en")
    check_script(text, "vi")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天天气很好", True),
        ("今日はいい天気", True),
        ("안녕하세요", True),
        ("Good morning", False),
        ("Доброе утро", False),
        ("用 Python 写", False),
        ("12, 34!", False),
        ("", False),
    ],
)
def test_syllables_and_letters_are_told_apart(text, expected):
    """By what most letters are; a text without letters has no syllables."""
    assert expected is is_syllabic(text)


def test_a_script_subtag_decides():
    """Over what the language is usually written in."""
    assert ("Latin",) == scripts_of(parse_language("zh-Latn"))
