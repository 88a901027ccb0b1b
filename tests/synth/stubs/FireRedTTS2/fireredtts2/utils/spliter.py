"""Upstream's cleaning and cutting, as far as the adapter meets it."""


def clean_text(text):
    """Brackets and two emojis go."""
    return "".join(
        c for c in text.strip() if c not in "()[]\N{GRINNING FACE}\N{LEFT DOUBLE QUOTATION MARK}"
    )


def split_text(text, length):
    """Pieces of as many bytes."""
    text = clean_text(text)
    return [text[at : at + length] for at in range(0, len(text), length)]
