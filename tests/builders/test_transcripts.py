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
