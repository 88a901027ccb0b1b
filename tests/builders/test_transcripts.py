"""Texts as people save them, known by what they say."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.builders.transcripts import MAX_LINE_CHARS, Transcript, normalise, read_transcripts
from mosdata.errors import InvalidTranscripts


def read(tmp_path, data):
    """The texts of a file."""
    path = tmp_path / "texts.txt"
    path.write_bytes(data)
    return read_transcripts(path)


@given(st.text(st.characters(codec="utf-8")))
def test_normalising_twice_is_normalising_once(text):
    """A text has one spelling."""
    assert normalise(text) == normalise(normalise(text))


def test_composed_and_decomposed_letters_are_one_text(tmp_path):
    """MacOS and Windows spell ü differently; people do not."""
    spellings = [unicodedata.normalize(form, "Grüße") for form in ("NFC", "NFD")]

    found = read(tmp_path, "\n".join(spellings).encode())

    assert [text.text for text in found.texts] == ["Grüße"]
    assert len({Transcript(text=normalise(s), line=1).sentence for s in spellings}) == 1


def test_texts_keep_their_order_and_their_line(tmp_path):
    """The first of each, with the line on which an editor shows it."""
    found = read(tmp_path, b"one\n\ntwo\none\r\nthree")

    assert [(text.text, text.line) for text in found.texts] == [
        ("one", 1),
        ("two", 3),
        ("three", 5),
    ]
    assert found.notes == (
        "Windows line ends were read as line ends",
        "1 repeated line left out (line 4)",
    )


@pytest.mark.parametrize(("length", "fits"), [(MAX_LINE_CHARS, True), (MAX_LINE_CHARS + 1, False)])
def test_a_line_has_a_longest_length(tmp_path, length, fits):
    """One more, and the file has most likely lost its line ends."""
    if fits:
        assert len(read(tmp_path, b"a" * length).texts) == 1
    else:
        with pytest.raises(InvalidTranscripts, match="one sentence per line"):
            read(tmp_path, b"a" * length)


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5))
def test_any_utf_8_is_read_or_refused_in_words(tmp_path_factory, lines):
    """No other error, and never an empty or repeated text."""
    folder = tmp_path_factory.mktemp("any")
    try:
        found = read(folder, "\n".join(lines).encode())
    except InvalidTranscripts as error:
        found = None
        said = str(error)

    texts = [text.text for text in found.texts] if found else []
    assert len({*texts}) == len(texts)
    assert all(texts)
    assert found or "texts.txt" in said


TABLES = {
    "texts.tsv": (
        'text\tlanguage\nGood "morning".\ten-gb\n\n你好。\tzh\nHello.\t\nHello.\tde\nHello.\t\n'
    ),
    "texts.jsonl": (
        '{"text": "Good \\"morning\\".", "language": "en-GB"}\n\n'
        '{"language": "zh", "text": "你好。"}\n{"text": "Hello."}\n'
        '{"text": "Hello.", "language": "de"}\n{"text": "Hello."}\n'
    ),
}


@pytest.mark.parametrize(("name", "content"), TABLES.items())
def test_a_table_gives_each_text_its_language(tmp_path, name, content):
    """Tabs or JSON; a text in two languages is two; lines are those that an editor shows."""
    (tmp_path / name).write_text(content, encoding="utf-8")

    found = read_transcripts(tmp_path / name)

    lines = [2, 4, 5, 6] if name.endswith("tsv") else [1, 3, 4, 5]
    assert [
        ('Good "morning".', "en-GB"),
        ("你好。", "zh"),
        ("Hello.", ""),
        ("Hello.", "de"),
    ] == [(text.text, text.language) for text in found.texts]
    assert lines == [text.line for text in found.texts]
    assert (f"1 repeated line left out (line {lines[-1] + 1})",) == found.notes


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.tsv", "words\nHello.", "The header of .* has words; allowed: text"),
        ("t.tsv", "text\tid\nHello.\t1", "has text, id; allowed: text, and language"),
        ("t.tsv", "text\ttext\nHello.\t1", "has text, text"),
        ("t.tsv", "text\tlanguage\nHello.", "Line 2 of .* has 1 fields; the header has 2"),
        ("t.tsv", "text\tlanguage\nHello.\tenglish", "Line 2 of .*: A language is 'english'"),
        ("t.tsv", "text\n", "holds no text"),
        ("t.jsonl", "Hello.", "Line 1 of .* is no JSON"),
        ("t.jsonl", '"Hello."', "is no object of strings"),
        ("t.jsonl", '{"text": 3}', "is no object of strings"),
        ("t.jsonl", '{"language": "en"}', "Line 1 of .* has language; allowed: text"),
    ],
)
def test_a_table_with_a_mistake_is_refused_in_words(tmp_path, name, content, says):
    """Which file, which line, what is allowed."""
    (tmp_path / name).write_text(content)

    with pytest.raises(InvalidTranscripts, match=says):
        read_transcripts(tmp_path / name)


def test_in_a_text_file_tabs_and_braces_are_text(tmp_path):
    """Only the name of a file makes it a table."""
    found = read(tmp_path, b'text\tlanguage\n{"text": "Hello."}')

    assert ["text language", '{"text": "Hello."}'] == [text.text for text in found.texts]
