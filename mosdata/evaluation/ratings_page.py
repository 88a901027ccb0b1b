"""One HTML file about the ratings themselves: who rated what, and what that allows to be known.

It is made of the same bricks as the report of a judge: it needs no network and no other file,
follows the reader's light or dark theme, and holds its numbers as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mosdata.evaluation import ratings_plots as plots
from mosdata.evaluation.page import (
    Content,
    Html,
    bullets,
    counted,
    details,
    figure,
    json_block,
    number,
    page,
    section,
    spread,
    table,
    tag,
)
from mosdata.evaluation.ranking import Ranks, TrueValue, mean_with_interval, rank
from mosdata.evaluation.report import check_report
from mosdata.manifests.durable import write_text
from mosdata.raters.ceilings import Ceiling
from mosdata.raters.debias import Debiased, debias
from mosdata.raters.design import Spread
from mosdata.raters.estimate import Estimate
from mosdata.raters.inspection import Inspection
from mosdata.raters.panel import Panel

PAGE_NAME: Final = "ratings.html"

MAX_RATERS: Final = 10
"""Raters in each of the tables of the mildest and the harshest."""

MIN_GAP: Final = 0.001
"""Points below which two definitions of a system's truth are the same, but for rounding."""

Body = list[Content]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemValues:
    """The truth of every system that has rated clips, by name, and the places it leaves open."""

    values: Mapping[str, TrueValue]
    ranks: Ranks


def write_ratings_page(path: Path, found: Inspection, *, name: str) -> None:
    """Write the page about some ratings, as a whole.

    Args:
        path: the file to write.
        found: what ``inspect`` found.
        name: of what was rated, for people.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    check_report()
    panel = found.panel
    parts: list[tuple[str, str, Body]] = [
        ("scores", "Scores", _scores(found)),
        ("ceilings", "What a judge can reach", _reach(found)),
        ("raters", "Raters", _raters(panel, debias(panel)) if panel.num_raters else []),
        ("systems", "Systems", _systems(found, system_values(panel))),
        ("findings", "What was odd", _findings(found)),
        ("reading", "How to read this", [bullets(READING)]),
    ]
    made = [(key, title, section(key, title, *part)) for key, title, part in parts if part]
    content = [
        _header(found, name, [(key, title) for key, title, _ in made]),
        tag("main", [_first_screen(found), *(part for _, _, part in made)]),
        tag("footer", "Written by mosdata. The exact values are inside this page, as JSON."),
        json_block("ratings", found.to_json()),
    ]
    write_text(path, page(f"Ratings of {name}", *content))


READING: Final = (
    "A score is what a listener gave, raw. Nothing here is corrected for who listened, unless it "
    "says de-biased.",
    "Reliability is the share of the variance of clips' means that is not noise. The ceiling of "
    "LCC is its root: what a judge that knew the true quality would score.",
    "RMSE_human is how far one listener is from the mean of all who heard the clip (Tamm et al. "
    "2023, eq. 1). It is not the error of that mean, which is smaller.",
    "A rater's offset is what the rater adds to every clip, estimated together with the clips "
    "and shrunk towards 0 (the weight of five ratings); its bar is 1.96 standard errors.",
    "Halves: the raters are dealt into two groups that share nobody, and the two means of every "
    "clip compared; over random halves.",
    "The interval of a system is Student's, over the means of its clips. Two systems share a "
    "place where their difference is inside it; pairs are not corrected for their number.",
)


def _header(found: Inspection, name: str, parts: Sequence[tuple[str, str]]) -> Html:
    panel = found.panel
    human = panel.kind == "human"
    badge = ("human", "scores by people") if human else ("metric", f"computed by {panel.kind}")
    facts = {
        "dimension": panel.dimension,
        "scale": str(panel.scale),
        "single ratings": f"{panel.num_ratings:,}",
        "clips": f"{panel.num_clips:,}",
        "raters": f"{panel.num_raters:,}" if panel.num_raters else "not named",
        "systems": f"{panel.num_systems:,}" if panel.num_systems else "not named",
        "listening tests": f"{found.design.num_tests:,}" if found.design.num_tests else "not named",
    }
    if published := int(panel.published.mean_M.size):
        facts["published means"] = f"{published:,}"
    terms = [tag("div", [tag("dt", key), tag("dd", fact)]) for key, fact in facts.items()]
    title = [tag("h1", f"Ratings of {name}"), tag("span", badge[1], class_=f"badge {badge[0]}")]
    links = [tag("a", title, href=f"#{anchor}") for anchor, title in parts]
    return tag(
        "header",
        [
            tag("div", title, class_="title"),
            tag("dl", terms, class_="facts"),
            tag("nav", links, aria_label="Parts of this page"),
        ],
    )


def _first_screen(found: Inspection) -> Html:
    reliability, human = found.reliability, found.human_error
    clips, systems = best_ceiling(found, "utterance"), best_ceiling(found, "system")
    tiles = [
        _tile("Ceiling of LCC over clips", clips.lcc if clips else None,
              "a perfect judge, against the clips' means"),
        _tile("Ceiling of LCC over systems", systems.lcc if systems else None,
              "a perfect judge, against the systems' means"),
        _tile("Reliability of a clip's mean", reliability.of_mean,
              f"at {reliability.mean_votes:.3g} votes; of one rating: {reliability.single}"),
        _tile("RMSE_human", human.rmse,
              f"one listener against the clip's mean, in points; {human.num_clips:,} clips"),
        _tile("Raters differ by", reliability.rater_mean_std,
              "standard deviation of the raters' means, in points"),
        _words_tile("Design", found.design.name, _design_words(found)),
    ]  # fmt: skip
    return tag(
        "section",
        [tag("div", tiles, class_="tiles"), bullets(sentences(found), class_="verdict")],
        class_="first",
        aria_label="In short",
    )


def _tile(title: str, estimate: Estimate | None, about: str) -> Html:
    if estimate is None or estimate.value is None:
        reason = estimate.reason if estimate else "systems are not named"
        return _words_tile(title, "n/a", f"Not available: {reason}.")
    value = tag("div", number(estimate.value), class_="value", title=estimate.method)
    return tag(
        "div",
        [tag("p", title, class_="label"), value, tag("p", about, class_="aside")],
        class_="tile",
    )


def _words_tile(title: str, value: str, about: str) -> Html:
    return tag(
        "div",
        [
            tag("p", title, class_="label"),
            tag("div", value, class_="value"),
            tag("p", about, class_="aside"),
        ],
        class_="tile",
    )


def _design_words(found: Inspection) -> str:
    design = found.design
    if design.filled is None:
        return "nobody says who rated"
    return f"{100 * design.filled:.3g} % of all pairs of rater and clip were rated"


def sentences(found: Inspection) -> list[str]:
    """What the ratings say of themselves, the most useful first; for page and terminal alike."""
    said = []
    clips = best_ceiling(found, "utterance")
    if clips is not None and clips.lcc.value is not None:
        votes = found.reliability.mean_votes
        said.append(
            f"A perfect judge would score LCC {clips.lcc.value:.3f} against these clips' means "
            f"({votes:.3g} votes): nobody can do better, but by luck."
        )
    said.append(f"{found.design.recommendation[:1].upper()}{found.design.recommendation[1:]}")
    gap = found.truth_gap
    if gap is not None and (gap.max_difference.value or 0) >= MIN_GAP:
        first, second = gap.definitions
        said.append(
            f"The truth of systems depends on its definition: {first} and {second} differ by up "
            f"to {gap.max_difference.value:.3f} points."
        )
    if repeated := found.design.num_repeated_pairs:
        said.append(f"{repeated:,} times the same rater rated the same clip again.")
    if found.mismatches and found.mismatches.num_apart:
        said.append(
            f"{found.mismatches.num_apart:,} of {found.mismatches.num_compared:,} published scores "
            "are not the mean of their ratings."
        )
    return [line if line.endswith((".", "!")) else f"{line}." for line in said if line]


def best_ceiling(found: Inspection, level: str) -> Ceiling | None:
    """The first ceiling of a level's means that has a value; None where none has."""
    mine = [c for c in found.ceilings if c.level == level and c.against == "mean"]
    return next((c for c in mine if c.lcc.value is not None), mine[0] if mine else None)


def _scores(found: Inspection) -> Body:
    panel, votes = found.panel, found.design.votes_per_clip
    drawn: list[Content] = []
    if panel.num_ratings:
        scores = plots.score_histogram(
            found.histogram.edges, found.histogram.counts, scale=str(panel.scale)
        )
        drawn.append(figure(scores, f"{panel.num_ratings:,} ratings, as they were given."))
    drawn.append(
        figure(
            plots.votes_histogram(panel.clips.votes_C.astype(np.int64)),
            f"Ratings per clip: {votes_words(votes)}.",
        )
    )
    return [tag("div", drawn, class_="pair")]


def votes_words(votes: Spread) -> str:
    """Least, most and median in words; one number where they are the same."""
    if votes.min == votes.max:
        return f"{votes.min}"
    return f"{votes.min} to {votes.max}, median {votes.median:g}"


def _reach(found: Inspection) -> Body:
    single = found.reliability.single
    bounds = table(
        "A perfect judge against ratings as noisy as these",
        ("level and truth", "LCC", "SRCC", "from"),
        [
            (f"{c.level}, {c.against}", _known(c.lcc), _known(c.srcc), c.source)
            for c in found.ceilings
            if c.source == "components" or c.lcc.value is not None
        ],
        text_columns=(3,),
    )
    halves = table(
        "Two halves of the listeners that share nobody",
        ("level and de-biasing", "LCC", "SRCC", "MSE", "items"),
        [
            (f"{h.level}, {h.debiased}", _known(h.lcc), _known(h.srcc), _known(h.mse),
             f"{h.num_items:.0f}")
            for h in found.halves
        ],
    )  # fmt: skip
    any_half = any(half.lcc.value is not None for half in found.halves)
    tables = tag("div", [bounds, halves if any_half else ""])
    if single.value is None:
        return [tag("p", f"Not known how far listeners agree: {single.reason}."), tables]
    curve = plots.ceiling_curve(single.value, found.reliability.mean_votes)
    caption = (
        "What more or fewer ratings would be worth, by new people for every clip "
        "(Spearman-Brown). The ceiling of these ratings counts who rated what."
    )
    return [tag("div", [figure(curve, caption), tables], class_="pair")]


def _known(estimate: Estimate) -> Content:
    if estimate.value is None:
        return tag("span", "n/a", class_="missing", title=estimate.reason)
    return number(estimate.value)


def _raters(panel: Panel, found: Debiased) -> Body:
    rows = found.raters_table(panel).to_pylist()
    rows.sort(key=lambda row: (row["offset"], row["rater"]))
    named = [
        (
            row["rater"],
            f"{row['ratings']:,}",
            number(row["offset"], digits=2, sign=True),
            number(_finite(row["offset_se"]), digits=2),
        )
        for row in rows
    ]
    head = ("rater", "ratings", "offset", "standard error")
    size = min(MAX_RATERS, (len(named) + 1) // 2)
    ends = tag(
        "div",
        [
            table("The harshest", head, named[:size]),
            table("The mildest", head, named[::-1][:size]),
        ],
        class_="pair",
    )
    return [
        figure(
            plots.rater_offsets(found.offset_R, found.offset_se_R),
            "What each rater adds to every clip, with 95 % intervals; 0 is the panel as a whole.",
        ),
        details(f"The ends of the list of {counted(len(named), 'rater')}", ends),
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def system_values(panel: Panel) -> SystemValues:
    """The truth of every system: the unweighted mean of its clips' means, with its interval."""
    values = {}
    for code, name in enumerate(panel.system_names.to_pylist()):
        means = panel.clips.mean_C[panel.system_C == code]
        if means.size:
            values[name] = mean_with_interval(means)
    return SystemValues(values=values, ranks=rank([*values.values()]))


def _systems(found: Inspection, systems: SystemValues) -> Body:
    if not systems.values:
        return []
    drawn = figure(
        plots.system_values(systems.values, dimension=found.panel.dimension),
        "Truth with 95 % intervals over clips."
        + ("" if len(systems.values) <= plots.MAX_SYSTEMS else " The best and the worst only."),
    )
    ranks = systems.ranks
    rows = [
        (name, _place(best, worst), number(value.value, digits=2),
         spread(value.low, value.high, digits=2))
        for (name, value), best, worst in zip(
            systems.values.items(), ranks.best, ranks.worst, strict=True
        )
    ]  # fmt: skip
    order = sorted(range(len(rows)), key=lambda i: -[*systems.values.values()][i].value)
    about = (
        f"These ratings tell {ranks.told_apart:,} of {ranks.pairs:,} pairs of systems apart; "
        "a place is the range that they leave open."
    )
    listed = table(
        "Systems, the best first", ("system", "place", "truth", "interval"),
        [rows[i] for i in order],
    )  # fmt: skip
    return [tag("p", about), tag("div", [drawn, listed], class_="pair")]


def _place(best: int, worst: int) -> str:
    return str(best) if best == worst else f"{best} to {worst}"


def _findings(found: Inspection) -> Body:
    if not found.findings:
        return []
    rows = [
        (finding.code, f"{finding.count:,}", finding.message, "; ".join(finding.examples))
        for finding in found.findings
    ]
    return [
        table("Noticed while reading; nothing was mended silently",
              ("what", "count", "in words", "examples"), rows, text_columns=(2, 3))
    ]  # fmt: skip
