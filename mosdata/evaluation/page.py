"""The bricks of the report's HTML: everything that a user wrote is escaped here, once.

A piece of HTML is an :class:`Html`; plain strings are text and get escaped when they are put
together, so a system called ``<script>`` is shown, never run.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Final

from mosdata.evaluation.findings import rounded
from mosdata.evaluation.intervals import Measure
from mosdata.manifests.ids import JSON

MISSING: Final = "n/a"


class Html(str):
    """HTML that is ready to be put on a page."""

    __slots__ = ()


Content = str | Iterable["Content"]


def html(content: Content) -> Html:
    """Content as HTML: text escaped, pieces joined."""
    if isinstance(content, Html):
        return content
    if isinstance(content, str):
        # A percent sign never begins a line.
        return Html(escape(content).replace(" %", "\u00a0%"))
    return Html("".join(html(part) for part in content))


def tag(name: str, content: Content = "", **attributes: str) -> Html:
    """An element; ``class_`` and ``for_`` lose their underscore.

    Example:
        >>> print(tag("p", ["<b>", tag("em", "ok")], class_="aside"))
        <p class="aside">&lt;b&gt;<em>ok</em></p>
    """
    listed = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"' for key, text in attributes.items()
    )
    return Html(f"<{name}{listed}>{html(content)}</{name}>")


def section(identifier: str, title: str, *content: Content) -> Html:
    """A part of the page with a heading that the navigation can point at."""
    heading = tag("h2", title, id=f"{identifier}-title")
    return tag("section", [heading, *content], id=identifier, aria_labelledby=f"{identifier}-title")


def figure(svg: str, caption: Content) -> Html:
    """A drawing with its caption; the drawing carries its own description."""
    return tag("figure", [Html(svg), tag("figcaption", caption)])


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[Content]],
    *,
    text_columns: Sequence[int] = (),
) -> Html:
    """A table whose first column names the row; all others are numbers but ``text_columns``."""
    text = {0, *text_columns}
    titles = [
        tag("th", title, scope="col", **({"class_": "text"} if i in text else {}))
        for i, title in enumerate(head)
    ]
    lines = [
        tag(
            "tr",
            [tag("th", row[0], scope="row")]
            + [
                tag("td", cell, **({"class_": "text"} if i in text else {}))
                for i, cell in enumerate(row[1:], start=1)
            ],
        )
        for row in rows
    ]
    parts = [tag("caption", caption), tag("thead", tag("tr", titles)), tag("tbody", lines)]
    return tag("div", tag("table", parts), class_="scroll")


def number(value: float | None, *, digits: int = 3, sign: bool = False) -> Html:
    """A number for people, with the exact value of ``metrics.json`` in its attribute."""
    if value is None:
        return tag("span", MISSING, class_="missing")
    exact = rounded(value)
    if exact is None:
        return number(None)
    shown = f"{value:{'+' if sign else ''}.{digits}f}"
    if float(shown) == 0:
        shown = shown.lstrip("+-")
    return tag("data", shown, value=json.dumps(exact))


def spread(low: float | None, high: float | None, *, digits: int = 3, sign: bool = False) -> Html:
    """An interval as "low to high", or nothing."""
    if low is None or high is None:
        return Html("")
    ends = [number(low, digits=digits, sign=sign), " to ", number(high, digits=digits, sign=sign)]
    return tag("span", ends, class_="spread")


def measured(measure: Measure | None, *, digits: int = 3) -> Html:
    """A value and its interval; why one is missing shows when pointed at."""
    if measure is None:
        return number(None)
    if measure.value is None:
        return tag("span", MISSING, class_="missing", title=measure.reason)
    gap = " " if measure.low is not None else ""
    parts = [number(measure.value, digits=digits), gap, spread(measure.low, measure.high)]
    return tag("span", parts, **({"title": measure.reason} if measure.reason else {}))


def counted(count: int, noun: str) -> str:
    """A number of things in words.

    Example:
        >>> counted(1, "clip"), counted(2, "clip")
        ('1 clip', '2 clips')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def audio(data: bytes) -> Html:
    """A FLAC clip that the page plays without a file beside it."""
    source = "data:audio/flac;base64," + base64.b64encode(data).decode()
    return tag("audio", "", controls="", preload="none", src=source)


def bullets(lines: Iterable[Content], *, class_: str = "notes") -> Html:
    """A list."""
    return tag("ul", [tag("li", line) for line in lines], class_=class_)


def details(title: str, *content: Content) -> Html:
    """A part that is folded away until asked for."""
    return tag("details", [tag("summary", title), *content])


def json_block(identifier: str, value: Mapping[str, JSON]) -> Html:
    """JSON inside the page, for programs; nothing in it can end the element."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Html(f'<script type="application/json" id="{identifier}">{safe}</script>')


def page(title: str, *content: Content) -> str:
    """A whole document that needs nothing but itself."""
    style = resources.files("mosdata.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    head = [
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            "style-src 'unsafe-inline'; img-src data:; media-src data:\">"
        ),
        tag("title", title),
        tag("style", Html(style)),
    ]
    body = tag("body", content)
    return f'<!doctype html>\n<html lang="en">\n{tag("head", head)}\n{body}\n</html>\n'
