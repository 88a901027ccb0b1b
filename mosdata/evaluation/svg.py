"""Figures as inline SVG that follows the page: its colours, its font, its light or dark theme.

Matplotlib draws with stand-in colours; afterwards these become CSS variables, so one drawing
serves both themes and print. Equal inputs give equal bytes: fixed ids, no dates, no versions.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Final

SERIES: Final = tuple(f"#0{number}00c0" for number in range(7))
MARKERS: Final = ("o", "s", "^", "D", "v")
"""Seven colours and five shapes: 35 systems can be told apart, also without seeing colour."""

INK: Final = "#010101"
MUTED: Final = "#020202"
LINE: Final = "#030303"
PAPER: Final = "#040404"
HEAT: Final = "#050505"

_VARIABLES: Final = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    PAPER: "--paper",
    HEAT: "--heat",
    **{color: f"--series-{number}" for number, color in enumerate(SERIES)},
}

_NAMESPACES: Final = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'

_SETTINGS: Final[Any] = {
    "svg.fonttype": "none",  # text stays text: it can be selected, searched and read aloud
    "svg.hashsalt": "mosdata",
    "text.parse_math": False,  # a system may be called "$x$"
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.6,
}


@contextmanager
def drawing(width_in: float, height_in: float) -> Iterator[Any]:
    """A matplotlib figure with our settings, without pyplot and its global state."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # a user's own matplotlibrc must not change the report
        mpl.rcParams.update(_SETTINGS)
        # The browser has the glyphs that the measuring font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure


def finish(figure: Any, *, name: str, alt: str) -> str:
    """The figure as an ``<svg>`` element; to be called inside ``drawing``.

    Args:
        figure: what ``drawing`` gave.
        name: prefix of all ids, so that several figures fit on one page.
        alt: what the figure shows, for people who do not see it.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    view_box = re.search(r'viewBox="[^"]*"', svg)
    assert view_box is not None
    # Without a fixed size the figure follows the page; the view box keeps the proportions.
    root = f'<svg {_NAMESPACES} {view_box.group()} role="img" aria-label="{escape(alt)}">'
    body = svg[svg.index(">", view_box.end()) + 1 :].strip()
    # Tags only: what is written in the figure stays as it is, whatever a system is called.
    return root + re.sub(r"<[^>]+>", lambda tag: _adapted(tag.group(), name), body)


def _adapted(tag: str, name: str) -> str:
    """One tag with ids of its own figure, colours of the page, and the page's font."""
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", tag)
    return re.sub(r"#0[0-9a-f]{5}", lambda color: _paint(color.group()), tag)


def _paint(color: str) -> str:
    return f"var({_VARIABLES[color]})" if color in _VARIABLES else color
