"""Language tags: BCP 47 as people write them, spelled one way, and the scripts they stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mosdata.errors import InvalidValue

ANY: Final = frozenset({"und", "mul", "zxx", "mis"})
"""Tags that name no one language: undetermined, several, none, uncoded."""

_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3})(?P<extlang>-[a-z]{3})?(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|\d{3}))?(?P<variants>(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[a-wy-z0-9](?:-[a-z0-9]{2,8})+)*)(?P<private>-x(?:-[a-z0-9]{1,8})+)?",
)
"""RFC 5646, section 2.1, in lower case, without grandfathered tags and with one extlang."""

_SAME: Final = MappingProxyType({"cmn": "zh", "iw": "he", "in": "id", "ji": "yi", "jw": "jv"})
"""Languages under two names; Mandarin is what "zh" stands for in practice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A language tag taken apart. ``tag`` is its usual spelling, such as ``zh-Hant-TW``."""

    tag: str
    primary: str
    script: str = ""
    region: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it names one language."""
        return self.primary not in ANY


def parse_language(tag: str) -> Language:
    """Take a BCP 47 tag apart; case does not matter, ``_`` is read as ``-``.

    Raises:
        InvalidValue: this is no tag.

    Example:
        >>> parse_language("zh_hant-tw").tag
        'zh-Hant-TW'
        >>> parse_language("cmn-Hans").primary
        'zh'
    """
    found = _TAG.fullmatch(tag.strip().replace("_", "-").lower())
    if found is None:
        raise InvalidValue(
            "A language",
            tag,
            "a BCP 47 tag, such as en, en-GB, zh or zh-Hant",
            "It begins with two or three letters.",
        )
    extlang = (found["extlang"] or "")[1:]
    primary = extlang if found["language"] in ("zh", "ar") and extlang else found["language"]
    script, region = (found["script"] or "").title(), (found["region"] or "").upper()
    rest = "".join(found[name] or "" for name in ("variants", "extensions", "private"))
    parts = [found["language"], extlang, script, region]
    return Language(
        tag="-".join(filter(None, parts)) + rest,
        primary=_SAME.get(primary, primary),
        script=script,
        region=region,
    )


def primary_of(tag: str) -> str:
    """The language of a tag without script and region; the first part of what is no tag.

    Example:
        >>> primary_of("en-US"), primary_of("cmn-Hans"), primary_of("default")
        ('en', 'zh', 'default')
    """
    first = tag.strip().replace("_", "-").partition("-")[0].lower()
    try:
        return parse_language(tag).primary
    except InvalidValue:
        return _SAME.get(first, first)


_SCRIPTS: Final = {
    "Latin": (
        "af ak az bm br bs ca ceb cs cy da de ee en eo es et eu fi fil fo fr fy ga gd gl gn ha haw "
        "hr ht hu id ig is it jv kab kl la lb lg ln lt lv mg mi ms mt nb nl nn no nso oc om pl pt "
        "qu rm rn ro rw sk sl sm sn so sq st su sv sw tk tl tn to tr ts vi wo xh yo zu"
    ),
    "Cyrillic": "ba be bg ce cv kk ky mk mn os ru sah tg tt uk",
    "Arabic": "ar ckb fa ps sd ug ur",
    "Hebrew": "he yi",
    "Greek": "el",
    "Devanagari": "bho hi mai mr ne sa",
    "Bengali": "as bn",
    "Gujarati": "gu",
    "Gurmukhi": "pa",
    "Kannada": "kn",
    "Malayalam": "ml",
    "Oriya": "or",
    "Tamil": "ta",
    "Telugu": "te",
    "Sinhala": "si",
    "Thai": "th",
    "Lao": "lo",
    "Khmer": "km",
    "Myanmar": "my",
    "Tibetan": "bo dz",
    "Georgian": "ka",
    "Armenian": "hy",
    "Ethiopic": "am ti",
    "Han": "zh yue nan wuu hak gan hsn",
}
_MORE: Final = {
    "az": ("Latin", "Cyrillic", "Arabic"),
    "ja": ("Han", "Hiragana", "Katakana"),
    "kk": ("Cyrillic", "Latin", "Arabic"),
    "ko": ("Hangul", "Han"),
    "ku": ("Latin", "Arabic"),
    "mn": ("Cyrillic", "Mongolian"),
    "nan": ("Han", "Latin"),
    "pa": ("Gurmukhi", "Arabic"),
    "sd": ("Arabic", "Devanagari"),
    "sr": ("Cyrillic", "Latin"),
    "tg": ("Cyrillic", "Arabic"),
    "uz": ("Latin", "Cyrillic"),
    "yue": ("Han", "Bopomofo"),
    "zh": ("Han", "Bopomofo"),
}
"""Languages that are written in several scripts."""

_BY_SUBTAG: Final = {
    "Arab": ("Arabic",),
    "Cyrl": ("Cyrillic",),
    "Deva": ("Devanagari",),
    "Hang": ("Hangul",),
    "Hans": ("Han", "Bopomofo"),
    "Hant": ("Han", "Bopomofo"),
    "Hira": ("Hiragana",),
    "Jpan": ("Han", "Hiragana", "Katakana"),
    "Kana": ("Katakana",),
    "Kore": ("Hangul", "Han"),
    "Latn": ("Latin",),
    "Mong": ("Mongolian",),
}

SCRIPTS: Final = MappingProxyType(
    {language: (script,) for script, names in _SCRIPTS.items() for language in names.split()}
    | _MORE
)
"""Scripts that a language is written in, as Unicode names them."""


def scripts_of(language: Language) -> tuple[str, ...]:
    """Scripts of a language: those of its subtag, else the usual ones; none where unknown.

    Example:
        >>> scripts_of(parse_language("sr-Latn")), scripts_of(parse_language("xx"))
        (('Latin',), ())
    """
    if language.script:
        return _BY_SUBTAG.get(language.script, ())
    return SCRIPTS.get(language.primary, ())
