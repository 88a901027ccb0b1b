"""The dataset card: what a stranger needs to know, and the YAML that loads it.

What mosdata writes stands between two marks, in the metadata as in the text. Everything else is
yours: it stays when the card is written again, and a metadata key of yours stands in for ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mosdata.builders import card_sections as sections
from mosdata.builders.card_facts import CardFacts
from mosdata.builders.card_sections import RATINGS_SPLIT, yaml_list
from mosdata.builders.findings import findings_section
from mosdata.builders.licences import strictest_terms
from mosdata.manifests.durable import write_text
from mosdata.manifests.ids import JSON
from mosdata.manifests.store import Dataset

CARD_NAME: Final = "README.md"
FRONT_MARKS: Final = ("# mosdata: begin", "# mosdata: end")
TEXT_MARKS: Final = (
    "<!-- mosdata: begin; what stands from here to the end mark is written anew -->",
    "<!-- mosdata: end; write below, or above the begin mark -->",
)

SIZE_CATEGORIES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def write_card(dataset: Dataset, provenance: Mapping[str, JSON] | None = None) -> None:
    """Write README.md for a dataset; a function of its manifest, rows and provenance alone.

    What somebody wrote outside the marks of an earlier card stays as it is.
    """
    path = dataset.folder / CARD_NAME
    before = path.read_text("utf-8") if path.is_file() else None
    write_text(path, card_text(dataset, CardFacts(dataset), provenance, before=before))


def write_changed(path: Path, text: str) -> None:
    """Write a file unless it says this already, so that publishing again changes nothing."""
    if not path.is_file() or path.read_text("utf-8") != text:
        write_text(path, text)


def card_text(
    dataset: Dataset,
    facts: CardFacts,
    provenance: Mapping[str, Any] | None = None,
    *,
    before: str | None = None,
    plots: Mapping[str, str] | None = None,
    no_plots: str = "",
) -> str:
    """The card as text.

    Args:
        dataset: what it is about.
        facts: counts of the same dataset.
        provenance: where it comes from; None reads the dataset's own.
        before: an earlier card; what is outside its marks is kept.
        plots: figures by path, each with what it shows in words.
        no_plots: why there are none, where there should be.
    """
    if provenance is None:
        provenance = provenance_of(dataset.folder)
    parts = [
        sections.summary(dataset, facts),
        sections.plots_section(plots or {}, lacking=no_plots),
        sections.origin(dataset, provenance),
        sections.systems_section(facts, provenance),
        sections.corruptions_section(facts),
        sections.splits_section(dataset, facts),
        findings_section(provenance),
        sections.ratings_section(facts),
        sections.quarantine_section(facts),
        sections.licence_section(facts),
        sections.limits_section(dataset, facts),
        sections.misuse_section(facts),
        sections.loading_section(dataset),
        sections.citation_section(dataset, provenance),
    ]
    return merged(before, _front_matter(dataset, facts), "\n".join(part for part in parts if part))


def provenance_of(folder: Path) -> dict[str, Any]:
    """What a dataset says about its origin; nothing where it has no such file."""
    path = folder / "provenance.json"
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}


def merged(before: str | None, front: Sequence[str], text: str) -> str:
    """A card with new contents between the marks, and all that stood outside them.

    Example:
        >>> first = merged(None, ["license: mit"], "Generated.")
        >>> again = merged(first + "Mine.", ["license: mit"], "Anew.")
        >>> "Anew." in again, "Mine." in again, "Generated." in again
        (True, True, False)
    """
    old_front, old_text = _split_front(before or "")
    above, below = _outside(old_front, FRONT_MARKS)
    mine = {match[1] for line in (*above, *below) if (match := re.match(r"([A-Za-z_]+):", line))}
    if "license" in mine:
        mine |= {"license_name", "license_link"}
    ours = _without_keys(front, mine)
    head = ["---", *above, FRONT_MARKS[0], *ours, FRONT_MARKS[1], *below, "---"]
    before_text, after_text = _outside(old_text, TEXT_MARKS)
    body = [*before_text, TEXT_MARKS[0], "", text.rstrip("\n"), "", TEXT_MARKS[1], *after_text]
    return "\n".join([*head, *body]).rstrip("\n") + "\n"


def _split_front(card: str) -> tuple[list[str], list[str]]:
    """Lines of the metadata, and of the text."""
    lines = card.splitlines()
    if lines[:1] == ["---"] and "---" in lines[1:]:
        end = lines.index("---", 1)
        return lines[1:end], lines[end + 1 :]
    return [], lines


def _outside(lines: Sequence[str], marks: tuple[str, str]) -> tuple[list[str], list[str]]:
    """Lines before and after the marked ones; a mark without its partner marks nothing."""
    begin, end = marks
    if begin in lines and end in lines[lines.index(begin) :]:
        first = lines.index(begin)
        last = lines.index(end, first)
        return list(lines[:first]), list(lines[last + 1 :])
    return [line for line in lines if line not in marks], []


def _without_keys(front: Sequence[str], keys: set[str]) -> list[str]:
    """Our metadata without what somebody says otherwise; a key given twice is an error in YAML."""
    kept, keep = [], True
    for line in front:
        if match := re.match(r"([A-Za-z_]+):", line):
            keep = match[1] not in keys
        if keep:
            kept.append(line)
    return kept


def _front_matter(dataset: Dataset, facts: CardFacts) -> list[str]:
    # The hub knows languages, not their regions: "en", not "en-us".
    lines = yaml_list("language", sorted({tag.split("-")[0] for tag in facts.languages if tag}))
    lines += [f"{key}: {json.dumps(value)}" for key, value in facts.licence.front_matter.items()]
    lines += [f"pretty_name: {json.dumps(f'Speech quality {dataset.dataset_id[:8]}')}"]
    lines += yaml_list("task_categories", ["audio-classification", "text-to-speech"])
    lines += yaml_list("tags", ["speech-quality-assessment", "mos", "synthetic-speech", "mosdata"])
    lines += [f"size_categories: [{json.dumps(_size_category(dataset.num_rows))}]", "configs:"]
    lines += ["- config_name: default", "  default: true", "  data_files:"]
    for split in dataset.splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    if ratings := dataset.manifest["ratings"]:
        lines += ["- config_name: ratings", "  data_files:", f"  - split: {RATINGS_SPLIT}"]
        lines += ["    path:"]
        lines += [f"    - ratings/{entry['name']}/*.parquet" for entry in ratings]
    return lines


def _size_category(num_rows: int) -> str:
    return next((name for limit, name in SIZE_CATEGORIES if num_rows < limit), "n>10M")


__all__ = [
    "CARD_NAME",
    "card_text",
    "merged",
    "provenance_of",
    "strictest_terms",
    "write_card",
    "write_changed",
]
