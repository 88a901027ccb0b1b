"""The sections of a build's report, each a list of pieces; empty where it has nothing to show."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mosdata.builders.build_facts import BuildFacts, HeardClip, SystemSums
from mosdata.evaluation.page import (
    Content,
    Html,
    audio,
    bullets,
    counted,
    details,
    number,
    table,
    tag,
)
from mosdata.synth.flags import FLAGS

MAX_VOICES: Final = 60
"""Voices whose rates are drawn; the others are in ``checks/fences.parquet``."""

NUM_BARS: Final = 24
MAX_MESSAGES: Final = 3


def percent(part: int, whole: int) -> str:
    """A share in percent, with one digit."""
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def systems(facts: BuildFacts) -> list[Content]:
    """Counts, durations and rates of each system."""
    every = [duration for one in facts.systems for duration in one.durations]
    longest = float(np.quantile(every, 0.995)) if every else 1.0
    most = max((max(_bars(one.durations, longest), default=0) for one in facts.systems), default=1)
    head = [
        "system", "clips", "voices", "minutes", f"durations, 0 to {longest:.1f} s", "median s",
        "median chars/s", "flagged", "rejected", "Hz", "terms",
    ]  # fmt: skip
    rows = [_system_row(one, longest, most) for one in facts.systems]
    return [
        table("One line a system; durations on one axis.", head, rows, text_columns=(4, 10, 11))
    ]


def _system_row(one: SystemSums, longest: float, most: int) -> list[Content]:
    median = float(np.median(one.durations)) if one.durations else None
    rate = float(np.median(one.rates)) if one.rates else None
    return [
        one.name,
        f"{one.clips:,}",
        f"{len(one.voices)}",
        number(sum(one.durations) / 60, digits=1),
        _histogram(one, longest, most),
        number(median, digits=2),
        number(rate, digits=1),
        f"{one.flagged:,} ({percent(one.flagged, one.clips)})" if one.flagged else "0",
        f"{one.rejected:,}",
        _joined(one, "sample_rate_hz"),
        _joined(one, "output_terms"),
    ]


def _joined(one: SystemSums, column: str) -> str:
    return ", ".join(sorted(one.facts[column] - {"", "0"}))


def _bars(durations: Sequence[float], longest: float) -> list[int]:
    counts, _ = np.histogram(np.minimum(durations, longest), bins=NUM_BARS, range=(0, longest))
    return [int(count) for count in counts]


def _histogram(one: SystemSums, longest: float, most: int) -> Html:
    """Durations as bars, as tall as the tallest of all systems."""
    bars = []
    for place, count in enumerate(_bars(one.durations, longest)):
        if count:
            height = max(4.0, 100 * count / most)
            bars.append(
                tag(
                    "rect",
                    x=f"{100 * place / NUM_BARS:.2f}%",
                    y=f"{100 - height:.1f}%",
                    width=f"{100 / NUM_BARS - 0.4:.2f}%",
                    height=f"{height:.1f}%",
                )
            )
    line = tag("line", x1="0%", x2="100%", y1="100%", y2="100%", class_="axis")
    median = float(np.median(one.durations)) if one.durations else 0.0
    alt = f"Durations of {one.name}: median {median:.1f} s"
    return tag("svg", [line, *bars], class_="strip bars", role="img", aria_label=alt)


def rates(facts: BuildFacts) -> list[Content]:
    """A strip for each voice: quartiles, fences, and what lies outside."""
    fences = [fence for fence in facts.fences if fence["clips"]]
    if not fences:
        return []
    shown = sorted(fences, key=lambda fence: (-(fence["outside"] or 0), fence["system"]))
    shown = sorted(shown[:MAX_VOICES], key=lambda f: (f["system"], f["voice"], f["language"]))
    outside = {id(fence): facts.outside(fence) for fence in shown}
    ends = [
        value
        for fence in shown
        for value in (fence["low"], fence["high"], *outside[id(fence)])
        if value is not None
    ]
    if not ends:
        words = "No voice has the 8 clips that fences need, so speaking rates were not judged."
        return [tag("p", words)]
    start, end = _round_axis(min(ends), max(ends))
    rows = [
        [
            f"{fence['system']} · {fence['voice']}",
            f"{fence['clips']:,}",
            _strip(fence, outside[id(fence)], start, end),
            number(fence["median"], digits=1),
            _span(fence),
            "not judged" if fence["low"] is None else f"{fence['outside']:,}",
        ]
        for fence in shown
    ]
    head: list[Content] = ["voice", "clips", "characters a second", "median", "fences", "outside"]
    caption = (
        f"Axis {start:g} to {end:g} characters for each second without silence at the edges. "
        "Bar: middle half; line: fences; dot: median; open circles: clips outside."
    )
    drawn = table(caption, [str(cell) for cell in head], rows, text_columns=(2,))
    left = len(fences) - len(shown)
    more = [tag("p", f"{counted(left, 'voice')} more in checks/fences.parquet.")] if left else []
    return [drawn, *more]


def _round_axis(low: float, high: float) -> tuple[float, float]:
    """Whole numbers around some values.

    Example:
        >>> _round_axis(7.3, 21.2)
        (6.0, 22.0)
    """
    return float(max(0, 2 * np.floor(low / 2))), float(2 * np.ceil(high / 2))


def _span(fence: Mapping[str, Any]) -> Content:
    if fence["low"] is None:
        return number(None)
    ends = [number(fence["low"], digits=1), " to ", number(fence["high"], digits=1)]
    return tag("span", ends, class_="spread")


def _strip(fence: Mapping[str, Any], outside: Sequence[float], start: float, end: float) -> Html:
    def place(value: float) -> str:
        return f"{min(100.0, max(0.0, 100 * (value - start) / (end - start))):.2f}%"

    parts = [tag("line", x1="0%", x2="100%", y1="9", y2="9", class_="axis")]
    alt = f"{fence['voice']}: too few clips"
    if fence["low"] is not None:
        alt = f"{fence['voice']}: median {fence['median']:.1f}, {len(outside)} outside"
        low, high = place(fence["low"]), place(fence["high"])
        parts += [
            tag("line", x1=low, x2=high, y1="9", y2="9", class_="fence"),
            tag("line", x1=low, x2=low, y1="5", y2="13", class_="fence"),
            tag("line", x1=high, x2=high, y1="5", y2="13", class_="fence"),
            tag("line", x1=place(fence["q1"]), x2=place(fence["q3"]), y1="9", y2="9", class_="box"),
            tag("circle", cx=place(fence["median"]), cy="9", r="4", class_="dot"),
        ]
    parts += [tag("circle", cx=place(rate), cy="9", r="3.5", class_="out") for rate in outside]
    return tag("svg", parts, class_="strip", role="img", aria_label=alt)


def flags(facts: BuildFacts) -> list[Content]:
    """How often each flag was raised, and for which systems."""
    if not facts.flag_counts:
        return [tag("p", "None. Every gate of docs/gates.md was looked at.")]
    rows: list[list[Content]] = []
    for name, counts in facts.flag_counts.items():
        flag = FLAGS.get(name)
        named = ", ".join(f"{system} {count:,}" for system, count in counts.most_common(4))
        rows.append(
            [
                name,
                f"{counts.total():,}",
                percent(counts.total(), facts.num_clips),
                tag("span", flag.meaning if flag else "raised by the engine", class_="prose"),
                tag("span", flag.limits_in_words if flag else "", class_="prose"),
                tag("span", named + (", ..." if len(counts) > 4 else ""), class_="prose"),
            ]
        )
    head = ["flag", "clips", "share", "meaning", "raised", "systems"]
    return [table("A flagged clip is kept.", head, rows, text_columns=(3, 4, 5))]


def rejected(facts: BuildFacts) -> list[Content]:
    """Why records were rejected, in the words of those who did it."""
    rows: list[list[Content]] = []
    for reason, records in facts.reasons.items():
        systems = sorted({str(record["group"]) for record in records})
        messages = list(dict.fromkeys(str(record["message"]) for record in records))
        more = [f"... and {len(messages) - MAX_MESSAGES:,} other messages"]
        shown: list[Content] = [
            *messages[:MAX_MESSAGES],
            *(more if len(messages) > MAX_MESSAGES else []),
        ]
        lines = [tag("span", line, class_="line") for line in shown]
        rows.append(
            [
                reason,
                f"{len(records):,}",
                tag("span", ", ".join(systems), class_="prose"),
                tag("span", lines, class_="prose"),
            ]
        )
    head = ["reason", "records", "systems", "messages"]
    caption = "No clip came of these; quarantine/ has a row for each, with its text."
    return [table(caption, head, rows, text_columns=(2, 3))] if rows else []


def players(clips: Sequence[HeardClip]) -> list[Content]:
    """Clips with what is said in them and why they are here."""
    if not clips:
        return []
    players = [
        tag(
            "div",
            [
                tag("h3", " · ".join(filter(None, (clip.system, clip.voice)))),
                *([tag("p", clip.why)] if clip.why else []),
                tag("p", f"“{clip.text}”"),
                audio(clip.flac),
            ],
            class_="sample",
        )
        for clip in clips
    ]
    return [tag("div", players, class_="samples")]


def origins(facts: BuildFacts) -> list[Content]:
    """Licences in a table; revisions and fingerprints folded away."""
    columns = ("license", "code_license", "weights_license", "output_terms")
    rows: list[list[Content]] = [
        [one.name, *(_joined(one, column) for column in columns)] for one in facts.systems
    ]
    head = ["system", "licence of the sound", "of the code", "of the weights", "terms"]
    caption = "As the engines' adapters state them; empty where there is nothing to license."
    return [
        table(caption, head, rows, text_columns=(1, 2, 3, 4)),
        *(_origin(one) for one in facts.systems if one.clips),
    ]


def _origin(one: SystemSums) -> Html:
    lines = {
        "revision": _joined(one, "engine_revision"),
        "rate of the engine": f"{_joined(one, 'sample_rate_source_hz')} Hz",
        "voices": ", ".join(sorted(one.voices)),
    }
    shown = [tag("div", [tag("dt", name), tag("dd", text)]) for name, text in lines.items()]
    prints = [_pretty(text) for text in sorted(one.facts["engine_fingerprint"] - {""})]
    return details(one.name, tag("dl", shown, class_="facts"), *prints)


def _pretty(text: str) -> Html:
    with contextlib.suppress(ValueError):  # an engine's own wording is shown as it is
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return tag("pre", text)


def reading() -> list[Content]:
    """Conventions, in short."""
    return [
        bullets(
            [
                "Flags are no verdict on quality: a dataset about quality needs bad speech. They "
                "say where a clip may not be what its label says.",
                "Fences lie two interquartile ranges beyond the quartiles of each voice. Of a "
                "normal distribution, one clip in 1,300 lies outside.",
                "Clips to listen to are chosen by a hash of their id, so they are neither the best "
                "nor the worst; those under “What stands out” are the worst.",
                "Rejected records have their text, voice and seed in quarantine/*.parquet.",
            ]
        )
    ]
