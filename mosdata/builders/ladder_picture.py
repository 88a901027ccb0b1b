"""The steps of a ladder as a picture of their own, for a page, a paper or a slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mosdata.builders.ladder import Rung
from mosdata.builders.ladder_page import drawing_of_sounds, spread_out
from mosdata.errors import InvalidValue

FORMATS: Final[Mapping[str, Mapping[str, object]]] = {
    ".png": {"dpi": 150},
    ".webp": {"dpi": 110, "pil_kwargs": {"quality": 75, "method": 6}},
    ".svg": {"dpi": 150, "metadata": {"Date": None}},
    ".pdf": {"dpi": 150, "metadata": {"CreationDate": None}},
}
"""By the end of the file's name, and how each is written: without a date, so equal steps are equal
bytes."""


def check_picture(path: Path) -> None:
    """Whether a picture can be written under this name.

    Raises:
        InvalidValue: the name ends otherwise than in one of ``FORMATS``.
    """
    if path.suffix.lower() not in FORMATS:
        raise InvalidValue("--picture", str(path), f"a file that ends in {', '.join(FORMATS)}")


def write_picture(path: Path, rungs: Sequence[Rung]) -> None:
    """Waveforms over spectrograms, one column a level, of up to five of the levels.

    Raises:
        InvalidValue: as :func:`check_picture`.
    """
    check_picture(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with drawing_of_sounds(spread_out(rungs)) as figure:
        figure.savefig(path, facecolor="white", **FORMATS[path.suffix.lower()])
