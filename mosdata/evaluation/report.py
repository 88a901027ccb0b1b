"""One HTML file that says how good a judge is, to be read by people and kept.

The first screen answers the question; the rest is the evidence. The file needs no network and no
other file, and the same inputs give the same bytes. Every number on it carries the exact value
of ``metrics.json``, which is also embedded whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from mosdata.errors import MissingExtra
from mosdata.evaluation import sections
from mosdata.evaluation.findings import Evaluation, SplitEvaluation
from mosdata.evaluation.intervals import Measure
from mosdata.evaluation.metrics import ERRORS
from mosdata.evaluation.page import (
    Content,
    Html,
    bullets,
    counted,
    json_block,
    measured,
    number,
    page,
    section,
    spread,
    tag,
)
from mosdata.manifests.durable import write_text
from mosdata.manifests.predictions import Prediction
from mosdata.manifests.rows import DEBIASED

REPORT_NAME: Final = "report.html"

HUMAN_BADGE: Final = "scores by people"
DEBIASED_BADGE: Final = "scores by people, less what each listener adds"
METRIC_BADGE: Final = "metric pseudo-label, not human MOS"

Sample = tuple[str, str, bytes]
"""A clip to listen to: title, caption, FLAC bytes."""

Rival = tuple[str, float]
"""What a number is held against: in words, and its value."""


def check_report() -> None:
    """Refuse before any work is done, rather than at its end.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtra("The report", ["matplotlib"], "report")


def write_report(
    path: Path,
    *,
    evaluation: Evaluation,
    predictions: Iterable[Prediction],
    facts: Mapping[str, object] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    samples: Sequence[Sample] = (),
) -> None:
    """Write ``report.html``, as a whole.

    Args:
        path: the file to write.
        evaluation: what ``evaluate`` found.
        predictions: the rows it was found in, for the figures.
        facts: what was judged and on what (dataset, model, ...), shown in this order.
        history: the training's epochs, one mapping each; ``stage`` names its stage.
        samples: clips to listen to, embedded.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    check_report()
    rows = sorted(predictions, key=lambda row: (row.split, row.clip_id))
    parts = _parts(evaluation, rows, history, samples)
    body = [
        _header(evaluation, facts or {}, parts),
        tag("main", [_first_screen(evaluation), *(part for _, _, part in parts)]),
        tag(
            "footer",
            "Written by mosdata. The exact values are in metrics.json, and inside this page.",
        ),
        json_block("metrics", evaluation.to_json()),
    ]
    write_text(path, page(f"Judge of {evaluation.target}", *body))


def _parts(
    evaluation: Evaluation,
    rows: Sequence[Prediction],
    history: Sequence[Mapping[str, Any]],
    samples: Sequence[Sample],
) -> list[tuple[str, str, Html]]:
    """The sections that have something to show: anchor, title, content."""
    split = evaluation.headline
    made: list[tuple[str, str, list[Content]]] = []
    if split is not None:
        mine = [row for row in rows if row.split == evaluation.headline_split]
        made += [
            ("scores", "Scores", sections.scores(split, mine, evaluation.target)),
            ("baselines", "Against baselines", sections.baselines(split)),
            ("corruption", "Under corruption", sections.corruption(split, evaluation.target)),
            ("synthesizers", "Synthesizers", sections.synthesizers(split)),
            ("experts", "Experts", sections.experts(split)),
            ("systems", "System by system", sections.systems(split)),
        ]
    made += [
        ("training", "Training", sections.training(history)),
        ("listen", "Listen", sections.listen(samples)),
        ("splits", "Other splits", sections.other_splits(evaluation)),
        ("notes", "What could not be said", sections.notes(evaluation)),
        ("reading", "How to read this", sections.reading(evaluation)),
    ]
    return [(name, title, section(name, title, *body)) for name, title, body in made if body]


def _header(
    evaluation: Evaluation, facts: Mapping[str, object], parts: Sequence[tuple[str, str, Html]]
) -> Html:
    kind, words = _badge(evaluation)
    title = [
        tag("h1", f"Judge of {evaluation.target}"),
        tag("span", words, class_=f"badge {kind}"),
    ]
    listed = {"target": evaluation.target}
    listed |= {"scale": evaluation.scale} if evaluation.scale else {}
    listed |= {name: str(fact) for name, fact in facts.items()}
    if split := evaluation.headline:
        counts = split.counts
        listed["judged on"] = (
            f"{evaluation.headline_split}: {counts.scored} of {counts.clips} clips, "
            f"{counted(counts.systems, 'system')}, {counted(counts.sentences, 'sentence')}"
        )
    terms = [tag("div", [tag("dt", name), tag("dd", fact)]) for name, fact in listed.items()]
    links = [tag("a", name, href=f"#{anchor}") for anchor, name, _ in parts]
    return tag(
        "header",
        [
            tag("div", title, class_="title"),
            tag("dl", terms, class_="facts"),
            tag("nav", links, aria_label="Parts of this report"),
        ],
    )


def _badge(evaluation: Evaluation) -> tuple[str, str]:
    """Style and words for who gave the scores."""
    if not evaluation.target_is_human:
        return "metric", METRIC_BADGE
    debiased = evaluation.target.startswith(f"{DEBIASED}.")
    return "human", DEBIASED_BADGE if debiased else HUMAN_BADGE


def _first_screen(evaluation: Evaluation) -> Html:
    split = evaluation.headline
    if split is None:
        return tag("p", "There are no predictions, so there is nothing to report.")
    verdict = split.verdict or (
        "Nothing could be compared: see what could not be said, at the end.",
    )
    tiles = tag("div", _tiles(split), class_="tiles")
    return tag("section", [tiles, bullets(verdict, class_="verdict")], class_="first",
               aria_label="In short")  # fmt: skip


def _tiles(split: SplitEvaluation) -> list[Html]:
    """The six numbers that matter, each beside what it must beat."""
    classes = split.classification
    accuracy = classes.metrics["accuracy"] if classes else None
    chance = (f"always “{classes.majority_class}”", classes.chance_majority) if classes else None
    clips, systems = split.utterance, split.system
    return [
        _tile(
            "Utterance SRCC",
            clips.metrics["srcc"],
            _strongest(split, "srcc"),
            "clip",
            clips.ceiling.srcc,
        ),
        _tile("Utterance MSE", clips.metrics["mse"], _strongest(split, "mse"), "clip"),
        _tile(
            "SRCC within systems",
            split.within_system.metrics["srcc"],
            ("clips of a system not told apart", 0.0),
            "system",
        ),
        _tile("System SRCC", systems.metrics["srcc"], None, "system", systems.ceiling.srcc),
        _tile("System MSE", systems.metrics["mse"], None, "system"),
        _tile("Synthesizer accuracy", accuracy, chance, "clip"),
    ]


def _strongest(split: SplitEvaluation, metric: str) -> Rival | None:
    """The best baseline that is not an oracle."""
    known = [
        (baseline.title, value)
        for baseline in split.baselines
        if not baseline.oracle and (value := baseline.metrics[metric].value) is not None
    ]
    best = min if metric in ERRORS else max
    return best(known, key=lambda rival: rival[1]) if known else None


def _tile(
    title: str,
    measure: Measure | None,
    rival: Rival | None,
    unit: str,
    ceiling: float | None = None,
) -> Html:
    if measure is None or measure.value is None:
        reason = measure.reason if measure else "no clip has a true and a predicted class"
        body: list[Content] = [tag("p", f"Not available: {reason}.", class_="aside")]
    else:
        interval: Content = (
            ["95 % interval ", spread(measure.low, measure.high)]
            if measure.low is not None
            else f"no interval: {measure.reason}"
        )
        body = [
            _range(measure, rival, ceiling),
            tag("p", [interval, f"; {counted(measure.n, unit)}"], class_="aside"),
            tag("p", _against(rival), class_="aside") if rival else "",
            tag("p", _below(ceiling), class_="aside") if ceiling is not None else "",
        ]
    value = measured(Measure(value=measure.value, n=measure.n)) if measure else measured(None)
    return tag(
        "div",
        [tag("p", title, class_="label"), tag("div", value, class_="value"), *body],
        class_="tile",
    )


def _against(rival: Rival) -> Content:
    words, value = rival
    return [tag("span", "|", class_="rival-key", aria_hidden="true"), " ", number(value),
            f": {words}"]  # fmt: skip


def _below(ceiling: float) -> Content:
    return [tag("span", "|", class_="ceiling-key", aria_hidden="true"), " ", number(ceiling),
            ": a perfect judge, the ratings being noisy"]  # fmt: skip


def _range(measure: Measure, rival: Rival | None, ceiling: float | None) -> Html:
    """The interval as a bar, with the rival and the ceiling as ticks."""
    assert measure.value is not None
    marks = [measure.value, measure.low, measure.high, rival[1] if rival else None, ceiling]
    known = [mark for mark in marks if mark is not None]
    # Correlations and shares end at 1; an error's scale ends a little beyond its largest mark.
    start, end = min(0.0, *known), max(known) * 1.08 if max(known) > 1 or rival is None else 1.0
    scale = 100 / ((end - start) or 1.0)

    def place(value: float) -> str:
        return f"{scale * (value - start):.2f}%"

    parts = [tag("line", x1="0%", x2="100%", y1="8", y2="8", class_="axis")]
    if measure.low is not None and measure.high is not None:
        parts.append(tag("line", x1=place(measure.low), x2=place(measure.high), y1="8", y2="8",
                         class_="whisker"))  # fmt: skip
    if rival:
        at = place(rival[1])
        parts.append(tag("line", x1=at, x2=at, y1="1", y2="15", class_="rival"))
    if ceiling is not None:
        at = place(ceiling)
        parts.append(tag("line", x1=at, x2=at, y1="1", y2="15", class_="ceiling"))
    parts.append(tag("circle", cx=place(measure.value), cy="8", r="5", class_="dot"))
    return tag("svg", parts, class_="range", aria_hidden="true")
