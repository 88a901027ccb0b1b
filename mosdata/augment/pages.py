"""The pages about corruptions, written from their docstrings and the committed measurements.

``python -m mosdata.augment.pages [DOCS]`` writes ``DOCS/corruptions/<kind>.md`` for every kind, and
the table in ``DOCS/corruptions.md``. Default: the ``docs`` beside the package.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mosdata.augment.base import Corruption
from mosdata.augment.calibration import (
    ANCHORED_ELSEWHERE,
    expected_mos_lqo,
    measurement_of,
)
from mosdata.augment.corruptions import CORRUPTIONS, GROUPS, KINDS, Kind, build_corruption

BEGIN: Final = "<!-- begin: python -m mosdata.augment.pages -->"
END: Final = "<!-- end -->"
LEVELS: Final = (0.1, 0.25, 0.5, 0.75, 1.0)
MEASURED: Final = (0.25, 0.5, 0.75, 1.0)
RATES_HZ: Final = (16_000, 48_000)
MAX_VALUES: Final = 3
"""Of a table cell; a kind with more values has them on its page."""

MATERIALS: Final = {
    "speech": "other clips of the dataset",
    "noise": "a folder of noises (`--noise FOLDER`)",
    "impulse_responses": "a folder of impulse responses (`--impulse-responses FOLDER`)",
}


def page_of(name: str) -> str:
    """All that is known of a kind, as Markdown.

    Raises:
        UnknownName: no such kind.
        MissingExtra: it needs a package that is not installed.
    """
    return "\n".join(_page(name, build_corruption(name), CORRUPTIONS[name])) + "\n"


def overview() -> str:
    """One row a kind: what its levels are, and how they sound to PESQ."""
    return "\n".join([BEGIN, *_overview(), END])


def write(docs: Path) -> list[Path]:
    """Write the pages and the table below a folder; what changed."""
    written = {docs / "corruptions" / f"{name}.md": page_of(name) for name in CORRUPTIONS}
    page = docs / "corruptions.md"
    before = page.read_text("utf-8")
    start, stop = before.index(BEGIN), before.index(END) + len(END)
    written[page] = before[:start] + overview() + before[stop:]
    page.with_suffix("").mkdir(exist_ok=True)
    changed = []
    for path, text in written.items():
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def _page(name: str, corruption: Corruption, kind: Kind) -> Iterator[str]:
    yield f"# `{name}`\n"
    yield _prose(type(corruption)) + "\n"
    groups = ", ".join(f"`{group}`" for group in kind.groups)
    yield f"Groups: {groups}, `all`. In a chain: {kind.stage}. Leans on: {kind.leans_on}."
    if kind.needs:
        yield f"Mixes in {MATERIALS[kind.needs]}."
    yield "\n## Parameters\n"
    yield "| in place of a level | | may be |"
    yield "|---|---|---|"
    for key, parameter in corruption.parameters.items():
        yield f"| `{key}` | {parameter.about} | {parameter.allowed} |"
    yield "\n## Ladder\n"
    yield from _ladder(corruption)
    yield from _measured(name)
    yield "\n## Sound in and out\n"
    alt = f"Waveforms and spectrograms of a clip before, and after {name} at levels 0.5 and 1"
    yield f"![{alt}](../img/corruptions/{name}.webp)\n"
    yield from _commands(name, corruption, kind)
    yield "\nBack to [all corruptions](../corruptions.md). Written by"
    yield "`python -m mosdata.augment.pages`."


def _prose(made: type) -> str:
    """The docstring of a class as Markdown, without its arguments."""
    text = inspect.cleandoc(made.__doc__ or "")
    text = re.split(r"\n\s*\n(?:Args|Raises|Returns|Example):\n", text)[0]
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`").strip()


def _ladder(corruption: Corruption) -> Iterator[str]:
    """Physical values over levels; a second rate where it differs."""
    yield f"| level | {' | '.join(f'{level:g}' for level in LEVELS)} |"
    yield "|---" * (1 + len(LEVELS)) + "|"
    shown: dict[str, list[str]] = {}
    for rate_hz in RATES_HZ:
        rungs = [corruption.ladder(level, rate_hz) for level in LEVELS]
        for key in corruption.parameters:
            cells = [f"{rung[key]:g}" for rung in rungs]
            if shown.setdefault(key, cells) is cells:
                yield f"| `{key}` | {' | '.join(cells)} |"
            elif shown[key] != cells:
                yield f"| `{key}` at {rate_hz // 1000} kHz | {' | '.join(cells)} |"


def _measured(name: str) -> Iterator[str]:
    """What PESQ and STOI said."""
    found = measurement_of(name)
    if not found:
        yield "\nNot measured yet: the level is the position on the scale."
        return
    made = found["made"]
    laid, there = (_clips(made[key]) for key in ("laid_on", "measured_on"))
    yield (
        f"\nMeasured on {there} at 16 kHz, none of whom is among the {laid} that the levels were "
        f"laid on ({made['date']}, PESQ {made['pesq']}, pystoi {made['pystoi']}):\n"
    )
    yield f"| level | {' | '.join(f'{level:g}' for level in MEASURED)} |"
    yield "|---" * (1 + len(MEASURED)) + "|"
    yield f"| MOS-LQO (PESQ wide band) | {' | '.join(f'{x:.2f}' for x in found['mos_lqo'])} |"
    curve = [f"{expected_mos_lqo(level):.2f}" for level in MEASURED]
    if "mos_model" in found:
        yield f"| MOS of the model | {' | '.join(f'{x:.2f}' for x in found['mos_model'])} |"
    yield f"| the curve of all kinds | {' | '.join(curve)} |"
    yield f"| STOI | {' | '.join(f'{x:.3f}' for x in found['stoi'])} |"
    yield f"\n{_anchor(name, found)}"


def _clips(those: Mapping[str, Any]) -> str:
    return f"{those['num_clips']} clean clips of {those['num_speakers']} speakers"


def _anchor(name: str, found: Mapping[str, Any]) -> str:
    """What the levels rest on, and how steadily the score falls."""
    if name in ANCHORED_ELSEWHERE:
        return f"Its levels rest on {ANCHORED_ELSEWHERE[name]}."
    steps = (
        f"PESQ of a single clip rose by more than 0.02 on {found['rising_steps_percent']:g} % of "
        f"the steps, by {max(0.0, found['largest_rise']):.2f} at most."
    )
    if found["anchor"] == "mild":
        return f"A mild kind: the curve is followed in shape, down to its own worst. {steps}"
    return f"Its levels are laid on the curve. {steps}"


def _commands(name: str, corruption: Corruption, kind: Kind) -> Iterator[str]:
    """What to type to hear it."""
    folder = {"noise": " --noise FOLDER", "impulse_responses": " --impulse-responses FOLDER"}
    more = folder.get(kind.needs or "", "")
    others = " --others FOLDER" if kind.needs == "speech" else more
    yield "```sh"
    yield f"mosdata ladder {name} clip.wav --wavs {name}/{others}   # a page, and a file per level"
    yield f"mosdata corrupt DATASET --kinds {name} --levels 0.25:1:0.25{more}"
    key = next(iter(corruption.parameters), "")
    if key:
        value = corruption.ladder(0.5, 16_000)[key]
        yield f"mosdata corrupt DATASET --kinds {name} --param {key}={value:g}{more}"
    yield "```"


def _overview() -> Iterator[str]:
    heads = " / ".join(f"{level:g}" for level in MEASURED)
    yield (
        f"| kind | groups | leans on | at 16 kHz, level {heads} | MOS-LQO there | STOI there | "
        "levels rest on |"
    )
    yield "|---" * 7 + "|"
    for name, kind in CORRUPTIONS.items():
        corruption = build_corruption(name)
        rungs = [corruption.ladder(level, 16_000) for level in MEASURED]
        values = "; ".join(
            f"`{key}` {' / '.join(f'{rung[key]:g}' for rung in rungs)}"
            for key in list(corruption.parameters)[:MAX_VALUES]
        )
        found = measurement_of(name)
        mos, stoi = (_cells(found, key) for key in ("mos_lqo", "stoi"))
        yield (
            f"| [`{name}`](corruptions/{name}.md) | {', '.join(kind.groups)} | {kind.leans_on} | "
            f"{values} | {mos} | {stoi} | {found['anchor'] if found else 'not measured'} |"
        )
    yield ""
    yield "| group | |"
    yield "|---|---|"
    for group, about in GROUPS.items():
        yield f"| `{group}` | {about}: {', '.join(f'`{name}`' for name in KINDS[group])} |"


def _cells(found: Mapping[str, Any], key: str) -> str:
    return " / ".join(f"{value:.2f}" for value in found[key]) if found else ""


def main(arguments: Sequence[str]) -> None:
    """Write, and say what changed."""
    docs = Path(arguments[0]) if arguments else Path(__file__).parents[2] / "docs"
    for path in write(docs):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
