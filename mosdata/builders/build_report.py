"""``report.html`` of a build: what was made, what is odd about it, and how it sounds.

One file that needs no network and no other file, drawn without a plotting package, from the
dataset alone: the same dataset gives the same page. It is no part of the dataset; whoever does not
want it deletes it, and the command that built the dataset writes it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mosdata.builders import build_sections as sections
from mosdata.builders.build_facts import BuildFacts
from mosdata.builders.build_sections import percent
from mosdata.builders.licences import strictest_terms
from mosdata.evaluation.page import Content, Html, bullets, counted, page, section, tag
from mosdata.manifests.durable import write_text
from mosdata.manifests.store import REPORT_NAME, Dataset
from mosdata.synth.flags import FLAGS


def write_build_report(
    dataset: Dataset, *, folder: Path | None = None, facts: BuildFacts | None = None
) -> Path:
    """Write the page of a build.

    Args:
        dataset: what was built.
        folder: where to write; the dataset's own folder where it is not given.
        facts: what it adds up to, where the caller knows already.

    Returns:
        The file.
    """
    facts = facts or BuildFacts(dataset)
    path = (folder or dataset.folder) / REPORT_NAME
    write_text(path, _page(facts))
    return path


def _page(facts: BuildFacts) -> str:
    made: list[tuple[str, str, Sequence[Content]]] = [
        ("systems", "Systems", sections.systems(facts)),
        ("rates", "Speaking rates", sections.rates(facts)),
        ("flags", "Flags", sections.flags(facts)),
        ("rejected", "Rejected", sections.rejected(facts)),
        ("odd", "What stands out", sections.players(facts.odd_ones())),
        ("listen", "Listen", sections.players(facts.samples())),
        ("origins", "Where the sound comes from", sections.origins(facts)),
        ("reading", "How to read this", sections.reading()),
    ]
    parts = [(name, title, section(name, title, *body)) for name, title, body in made if body]
    plan = str(facts.dataset.manifest.get("plan_id", ""))[:8]
    title = f"Build {plan}".strip()
    return page(
        title,
        _header(title, facts, parts),
        tag("main", [_first_screen(facts), *(part for _, _, part in parts)]),
        tag("footer", "Written by mosdata from the rows of the dataset; docs/build_report.md."),
    )


def _header(title: str, facts: BuildFacts, parts: Sequence[tuple[str, str, Html]]) -> Html:
    manifest = facts.dataset.manifest
    config: Mapping[str, Any] = manifest.get("config", {})
    rate = facts.dataset.sample_rate_hz
    listed = {
        "dataset": str(manifest.get("dataset_id", ""))[:12],
        "made by": str(manifest.get("created_by", "mosdata")),
        "recipe": str(config.get("recipe", "")),
        "language": str(config.get("language", "")),
        "rate": f"{rate} Hz" if rate else "several",
        "seed": str(config.get("seed", "")),
        "listened by": str(config.get("asr", "")),
        "splits": ", ".join(
            f"{sum(f.rows for f in facts.dataset.files_of(split)):,} {split}"
            for split in facts.dataset.splits
        ),
    }
    terms = [
        tag("div", [tag("dt", name), tag("dd", text)]) for name, text in listed.items() if text
    ]
    links = [tag("a", name, href=f"#{anchor}") for anchor, name, _ in parts]
    return tag(
        "header",
        [
            tag("div", tag("h1", title), class_="title"),
            tag("dl", terms, class_="facts"),
            tag("nav", links, aria_label="Parts of this report"),
        ],
    )


def _first_screen(facts: BuildFacts) -> Html:
    flagged, rejected = len(facts.flags_of), len(facts.quarantine)
    planned = facts.num_clips + rejected
    systems = [one for one in facts.systems if one.clips]
    voices = sum(len(one.voices) for one in systems)
    who = f"{counted(len(systems), 'system')}, {counted(voices, 'voice')}"
    tiles = [
        ("Clips", f"{facts.num_clips:,}", who),
        ("Sound", f"{facts.hours:.2f} h", f"median clip {_median(facts):.1f} s"),
        ("Flagged", percent(flagged, facts.num_clips), f"{counted(flagged, 'clip')}, all kept"),
        ("Rejected", f"{rejected:,}", f"of {counted(planned, 'record')} planned"),
        ("Outside their voice's fences", f"{_count(facts, 'rate_outlier'):,}", _judged(facts)),
        ("Terms", strictest_terms(_terms(facts)), "the strictest of all systems"),
    ]  # fmt: skip
    drawn = [
        tag(
            "div",
            [
                tag("p", label, class_="label"),
                tag("div", value, class_="value"),
                tag("p", aside, class_="aside"),
            ],
            class_="tile",
        )
        for label, value, aside in tiles
    ]
    body = [tag("div", drawn, class_="tiles"), bullets(_verdict(facts), class_="verdict")]
    return tag("section", body, class_="first", aria_label="In short")


def _count(facts: BuildFacts, flag: str) -> int:
    return facts.flag_counts[flag].total() if flag in facts.flag_counts else 0


def _median(facts: BuildFacts) -> float:
    durations = [duration for one in facts.systems for duration in one.durations]
    return float(np.median(durations)) if durations else 0.0


def _judged(facts: BuildFacts) -> str:
    few = sum(fence["low"] is None for fence in facts.fences)
    judged = f"{counted(len(facts.fences) - few, 'voice')} judged"
    return f"{judged}; {few} with too few clips" if few else judged


def _terms(facts: BuildFacts) -> set[str]:
    return {term for one in facts.systems for term in one.facts["output_terms"]}


def _verdict(facts: BuildFacts) -> list[str]:
    """What matters, worst first, in sentences."""
    lines = []
    config: Mapping[str, Any] = facts.dataset.manifest.get("config", {})
    if config.get("stand_ins"):
        named = ", ".join(f"{name} for {slot}" for slot, name in config["stand_ins"].items())
        lines.append(f"Stand-ins spoke, so this is not the recipe's data set: {named}.")
    silent = [one.name for one in facts.systems if not one.clips]
    if silent:
        lines.append(f"Nothing at all came from {', '.join(silent)}; see what was rejected.")
    lines += [
        f"{counted(count, 'clip')}: {FLAGS[flag].meaning} ({flag})."
        for flag in ("same_sound", "same_request")
        if (count := _count(facts, flag))
    ]
    if facts.quarantine:
        most, rows = next(iter(facts.reasons.items()))
        lines.append(
            f"{counted(len(facts.quarantine), 'record')} could not be made; most often: {most} "
            f"({len(rows):,})."
        )
    common = sorted(facts.flag_counts.items(), key=lambda item: -item[1].total())[:3]
    named = ", ".join(f"{name} ({counts.total():,})" for name, counts in common)
    lines.append(f"Flags, most often: {named}." if named else "No clip carries a flag.")
    worst = max(facts.systems, key=lambda one: one.flagged / max(one.clips, 1), default=None)
    if worst is not None and worst.flagged and len(facts.systems) > 1:
        share = percent(worst.flagged, worst.clips)
        lines.append(f"{worst.name} has the largest share of flagged clips: {share}.")
    few = [fence for fence in facts.fences if fence["low"] is None]
    if few:
        lines.append(
            f"{counted(len(few), 'voice')} with fewer than 8 clips: no fences, so their speaking "
            "rates were not judged."
        )
    return lines
