"""Cutting texts: nothing is lost, nothing is too long, and sentences end where they end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.synth.text.sentences import pieces, sentences

SAMPLES = (
    "Dr. Mr. e.g. etc. 3.14 U.S. St. Hello world. Really?! No... “Yes,” she (said). a.m. "
    "你好。 天气很好！ 今天 「はい」 これは。 안녕하세요. Привет. ¿Qué? naïve www.x.org 5,000 – "
    "; : , don't I. Supercalifragilisticexpialidocious é́́ ☕ 👩\u200d💻 नमस्ते।"
)
WORDS = st.sampled_from(sorted({*SAMPLES.split(" ")}))
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(WORDS, max_size=30).map(" ".join),
    st.lists(WORDS, max_size=30).map("".join),
)
CASES = {
    "Hello there. How are you?": 2,
    "Dr. Smith and Mrs. Jones arrived at 5 p.m. on Monday.": 1,
    "He came at 5 p.m. She left.": 2,
    "It costs $3.50. Buy it!": 2,
    "Version 1.2.3 is out. Try it.": 2,
    "See example.com. It is good.": 2,
    'He said "Stop." Then he ran.': 2,
    "“Why?” she asked.": 1,
    "Wait... what? Oh.": 2,
    "Wait... What? Oh.": 3,
    "No! Yes! Maybe.": 3,
    "First.Second.Third.": 3,
    "U.S. troops left. J. R. R. Tolkien wrote.": 2,
    "I live in the U.S. He does not.": 2,
    "I met him on Elm St. He smiled.": 2,
    "I went to St. Louis yesterday.": 1,
    "Am 3. Mai kam er z.B. nach Hause. Gut.": 2,
    "This is it, i.e. the end. Fine.": 2,
    "He has a Ph.D. in physics. Good.": 2,
    "Apples, pears, etc. are fruit. Yes.": 2,
    "Apples, pears, etc. They are fruit.": 2,
    "Is it Mr. Brown? Or Mrs. Brown?": 2,
    "你好。今天天气很好！我们走吧？": 3,
    "他说：“你好。”然后走了。": 2,
    "これはペンです。「はい。」と言った。": 3,
    "안녕하세요. 반갑습니다.": 2,
    "Я иду. Ты идёшь. И т.д. и т.п.": 3,
    "यह एक है। यह दो है।": 2,
    "What?! Really?!": 2,
    "The end. (Not quite.) Really.": 3,
    "So it is I. You know it.": 2,
    "one two three": 1,
    "...": 1,
}


@pytest.mark.parametrize(("text", "count"), CASES.items())
def test_sentences_end_where_they_end(text, count):
    """Abbreviations, decimals, quotations, ellipses, initials; with or without spaces."""
    assert count == len(sentences(text)), sentences(text)


@given(text=TEXTS)
def test_sentences_put_together_are_the_text(text):
    """To the character, whatever it holds; and none is empty."""
    found = sentences(text)

    assert text == "".join(found)
    assert all(found)


@given(text=TEXTS, max_chars=st.integers(1, 40))
def test_pieces_put_together_are_the_text(text, max_chars):
    """To the character; all fit; all that is spoken has something to say if the text has."""
    found = pieces(text, max_chars=max_chars)

    if not text.strip():
        assert found == []
        return
    assert text == "".join(piece.text for piece in found)
    assert all(0 < len(piece.spoken) <= max_chars for piece in found)
    assert all(piece.spoken in piece.text for piece in found)
    if any(c.isalnum() for c in text):
        letters = "".join(c for c in text if c.isalnum())
        spoken = "".join(piece.spoken for piece in found)
        assert letters == "".join(c for c in spoken if c.isalnum())
        assert all(any(c.isalnum() for c in piece.spoken) for piece in found)


@given(text=TEXTS, max_chars=st.integers(1, 40))
def test_a_text_that_fits_is_one_piece(text, max_chars):
    """Cut only where it must be."""
    found = pieces(text, max_chars=max_chars)

    if text.strip() and len(text.strip()) <= max_chars:
        assert [text.strip()] == [piece.spoken for piece in found]
