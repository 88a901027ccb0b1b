"""Sentences of a text, and pieces of it that an engine can speak in one go.

Both cut and never change: put together again, what comes out is the text, to the character. A
piece ends where a speaker would breathe: after a sentence, else after a clause, else between two
words; in scripts without spaces, and in words longer than a piece, between two characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from mosdata.synth.text.scripts import SYLLABIC, script_of

End = Literal["sentence", "clause", "word", "cut"]
"""Where a piece ends, from the longest pause to none."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ABBREVIATIONS: Final = _words(
    "mr mrs ms dr prof rev hon gen col lt sgt capt cmdr adm maj gov sen rep pres st mt ft messrs "
    "mme mlle jr sr vs etc e.g i.e cf al approx dept est ca no nos vol fig figs pp ed eds inc ltd "
    "co corp bros jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur "
    "thurs fri ph.d m.d b.a m.a d.c u.s u.k u.n a.m p.m a.d b.c ave blvd rd "
    # German, French, Spanish, Italian, Dutch, Russian
    "bzw usw z.b d.h u.a evtl ggf nr str hr fr dipl ing inkl exkl vgl abs bspw "
    "mm m av env p.ex c.-à-d sra srta dra ud uds p.ej ee.uu sig sig.ra dott "
    "dhr mevr bijv d.w.z o.a т.е т.д т.п т.к г гг руб стр им ул"
)
"""Words whose full stop does not end a sentence, in lower case and without it."""

ALSO_LAST: Final = _words(
    "etc jr sr inc ltd co corp bros a.m p.m u.s u.k u.n usw env ee.uu d.c ph.d m.d a.d b.c т.д т.п "
    "ave blvd rd st"
)
"""Those of them that may end one: they do, where a capital letter follows."""

GERMAN_MONTHS: Final = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
    "November", "Dezember",
)  # fmt: skip

_STOPS: Final = ".!?…。！？｡।॥؟۔։።፧‼⁇⁈⁉"
_WIDE_STOPS: Final = frozenset("。！？｡।॥۔。")
_CLOSING: Final = "\"'”’»)]}）】」』〉》›"
_OPENING: Final = "\"'“‘«([{（【「『〈《‹¿¡„‚"
_STOP: Final = re.compile(rf"[{re.escape(_STOPS)}]+[{re.escape(_CLOSING)}]*")
_CLAUSE: Final = re.compile(
    rf"[,;:،؛][{re.escape(_CLOSING)}]*\s+|[，；：、､][{re.escape(_CLOSING)}]*\s*|\s[–—-]\s+"
)
_WORD: Final = re.compile(r"\s+")

PENALTIES: Final = {"sentence": 0.0, "clause": 0.1, "word": 0.4, "cut": 0.8}
"""What an end costs beside the unevenness of the pieces, as a share of the longest one squared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a text, with the space after it, and how it ends.

    ``spoken`` is what an engine is given: without the space around it, and without marks that
    would make it too long.
    """

    text: str
    end: End
    spoken: str


@dataclass(frozen=True, slots=True)
class _Part:
    """The least that is not cut further."""

    text: str
    end: End


def sentences(text: str) -> list[str]:
    """Sentences with the space after them; joined, they are the text.

    Example:
        >>> sentences("Dr. Smith paid $3.50. Why? “No idea…” he said.Fine.")
        ['Dr. Smith paid $3.50. ', 'Why? ', '“No idea…” he said.', 'Fine.']
        >>> sentences("你好。今天天气很好！")
        ['你好。', '今天天气很好！']
    """
    found = []
    start = 0
    for match in _STOP.finditer(text):
        end = match.end()
        while end < len(text) and text[end].isspace():
            end += 1
        if end < len(text) and _says(text[start:end]) and _ends(text, start, match, end):
            found.append(text[start:end])
            start = end
    return [*found, text[start:]] if text[start:] else found


def _ends(text: str, start: int, stop: re.Match[str], after: int) -> bool:
    """Whether a run of stops ends the sentence from ``start``; ``after`` is the next word."""
    marks = stop[0].strip(_CLOSING)
    rest = text[after:].lstrip(_OPENING)
    first = rest[:1]
    spaced = after > stop.end()
    if not first or not _says(rest):
        return False
    if set(marks) & _WIDE_STOPS:
        return True
    if marks == ".":
        return _full_stop_ends(text[start : stop.start()], rest, spaced=spaced)
    # After "..." or "?" in the middle of a sentence, it goes on with a small letter.
    if first.islower():
        return False
    return spaced or not first.isascii() or first.isupper()


def _full_stop_ends(said: str, rest: str, *, spaced: bool) -> bool:
    """The same for a single full stop, from what stands before it and after it."""
    found = re.search(r"[^\s\"'“‘«(\[]*$", said)
    word, first = (found[0] if found else ""), rest[:1]
    if not spaced:
        # "end.Next" is two sentences; "3.5", "example.com", "U.S.A" and "e.g." are none.
        starts = first.isupper() and rest[1:2].islower()
        return starts and len(word) > 1 and word[-1].islower() and "." not in word
    if first.islower():
        return False
    key = word.lower()
    if key in ABBREVIATIONS:
        return key in ALSO_LAST and first.isupper() and not _is_saint(key, said)
    if len(word) == 1 and word.isupper() and word != "I":  # an initial
        return False
    if re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", word):  # U.S.A.
        return first.isupper()
    is_ordinal = word.isdigit() and len(word) < 3  # "3. Mai"
    return not (is_ordinal and (not first.isupper() or rest.startswith(GERMAN_MONTHS)))


def _is_saint(key: str, said: str) -> bool:
    """Whether "St." stands before a name rather than after one, which begins with a capital."""
    words = said.split()
    return key == "st" and (len(words) < 2 or not words[-2][:1].isupper())


def _says(text: str) -> bool:
    """Whether there is anything to speak."""
    return any(c.isalnum() for c in text)


def pieces(text: str, *, max_chars: int) -> list[Piece]:
    """Cut a text into as few pieces of at most ``max_chars`` characters as it takes.

    Sentences that fit stay whole, and pieces are as even as that allows: engines do badly on a
    last word alone. Every piece has something to say, if the text has: a lone dash goes with its
    neighbour.

    Args:
        text: what is to be spoken.
        max_chars: most that an engine takes; 1 or more.

    Example:
        >>> [p.spoken for p in pieces("One, two. Three four five. Six.", max_chars=22)]
        ['One, two.', 'Three four five. Six.']
        >>> [p.spoken for p in pieces("今天天气很好我们去公园玩", max_chars=6)]
        ['今天天气很好', '我们去公园玩']
    """
    if not text.strip():
        return []
    if len(text.strip()) <= max_chars:
        return [Piece(text=text, end="sentence", spoken=text.strip())]
    parts = [part for sentence in sentences(text) for part in _parts(sentence, max_chars)]
    return _told(_packed(parts, max_chars), max_chars)


def _parts(sentence: str, max_chars: int) -> Iterator[_Part]:
    """A sentence, or its clauses, or their words, or their characters: whatever fits."""
    if len(sentence.strip()) <= max_chars:
        yield _Part(sentence, "sentence")
        return
    found: list[_Part] = []
    for clause in _split_after(_CLAUSE, sentence):
        if len(clause.strip()) <= max_chars:
            found.append(_Part(clause, "clause"))
            continue
        for word in _split_after(_WORD, clause):
            cut = [_Part(part, "cut") for part in _characters(word, max_chars)]
            found += [*cut[:-1], _Part(cut[-1].text, "word")]
        found[-1] = _Part(found[-1].text, "clause")
    yield from found[:-1]
    yield _Part(found[-1].text, "sentence")


def _split_after(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    start = 0
    for match in pattern.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    if start < len(text):
        yield text[start:]


def _characters(word: str, max_chars: int) -> Iterator[str]:
    """Parts of a word: the word itself where it fits, else never between a letter and its mark.

    Where scripts without spaces are mixed with words, parts end beside a character of theirs: a
    Latin name or a number within Chinese stays whole.
    """
    if word.strip() and len(word.strip()) <= max_chars:
        yield word
        return
    start = 0
    for end in range(1, len(word)):
        is_full = end - start >= max_chars
        if is_full or _is_seam(word, end):
            while is_full and end - start > 1 and not _may_cut(word, end):
                end -= 1  # noqa: PLW2901 - back to the letter that the mark belongs to
            if end > start:
                yield word[start:end]
                start = end
    yield word[start:]


def _may_cut(word: str, i: int) -> bool:
    return not unicodedata.combining(word[i]) and word[i] not in "\u200c\u200d\ufe0f"


def _is_seam(word: str, i: int) -> bool:
    """Whether a part may end before a character: syllables stand there, and no mark follows."""
    if not _may_cut(word, i) or unicodedata.category(word[i]) in ("Po", "Pe", "Pf", "Zs"):
        return False
    return script_of(word[i - 1]) in SYLLABIC or script_of(word[i]) in SYLLABIC


def _packed(parts: list[_Part], max_chars: int) -> list[_Part]:
    """Neighbours put together into the fewest and then the most even pieces (Knuth & Plass)."""
    best: list[tuple[int, float, int]] = [(0, 0.0, 0)]  # pieces, cost, where the last one begins
    for j in range(1, len(parts) + 1):
        options = []
        text = ""
        for i in range(j - 1, -1, -1):
            text = parts[i].text + text
            length = len(text.strip())
            if length > max_chars and i < j - 1:
                break
            cost = (length / max_chars) ** 2 + PENALTIES[parts[j - 1].end]
            options.append((best[i][0] + 1, best[i][1] + cost, i))
        best.append(min(options))
    packed: list[_Part] = []
    j = len(parts)
    while j:
        i = best[j][2]
        packed.append(_Part("".join(part.text for part in parts[i:j]), parts[j - 1].end))
        j = i
    return packed[::-1]


def _told(parts: list[_Part], max_chars: int) -> list[Piece]:
    """What has nothing to say goes with the part before it, or else after it."""
    told: list[Piece] = []
    lead = ""
    for part in parts:
        if _says(part.text):
            told.append(_piece(lead + part.text, part, max_chars))
            lead = ""
        elif told:
            last = told.pop()
            both = (last.text + part.text).strip()
            spoken = both if len(both) <= max_chars else last.spoken
            told.append(Piece(text=last.text + part.text, end=part.end, spoken=spoken))
        else:
            lead += part.text
    return told or [_piece(lead, _Part(lead.strip()[:max_chars], "sentence"), max_chars)]


def _piece(text: str, part: _Part, max_chars: int) -> Piece:
    whole = text.strip()
    spoken = whole if len(whole) <= max_chars else part.text.strip()
    return Piece(text=text, end=part.end, spoken=spoken)
