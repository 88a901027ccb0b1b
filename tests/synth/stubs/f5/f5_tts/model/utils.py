"""What turns text into tokens."""


def convert_char_to_pinyin(text_list, polyphone=True):
    """Characters; two Chinese ones are known."""
    pinyin = {"你": "ni2", "好": "hao3"}
    return [[pinyin.get(c, c) for c in text] for text in text_list]
