"""What goes with a published dataset on paper: card, figures, licences, citation, checksums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from mosdata.builders.arrow_copy import INDEX_NAME
from mosdata.builders.card import CARD_NAME, card_text, provenance_of, write_changed
from mosdata.builders.card_facts import CardFacts
from mosdata.builders.card_plots import LACKING, PLOTS_FOLDER, can_draw, write_plots
from mosdata.builders.card_sections import citations_of, licence_section
from mosdata.builders.licences import LICENCE_FILE
from mosdata.builders.verify import CHECKSUMS_NAME
from mosdata.manifests.durable import sha256_file
from mosdata.manifests.store import MANIFEST_NAME, Dataset, file_entries, open_dataset

CITATION_NAME: Final = "CITATION.cff"
PROVENANCE_NAME: Final = "provenance.json"
REWRITTEN: Final = (CARD_NAME, LICENCE_FILE, CITATION_NAME)
"""Papers that publishing again writes anew; people may have edited them in between."""


def write_papers(out: Path, source: Dataset) -> str:
    """Write card, figures, licences and citation of a copy; returns its licence in the card.

    What people wrote into the card of the copy stays; a new copy takes over what they wrote into
    the card of its source. A ``CITATION.cff`` of theirs stays as it is.

    Args:
        out: the copy; its manifest is whole.
        source: the dataset that it is a copy of.
    """
    copied = open_dataset(out)
    facts = CardFacts(copied)
    plots = write_plots(out, facts) if can_draw() else {}
    edited = next(p for p in (out / CARD_NAME, source.folder / CARD_NAME) if p.is_file())
    text = card_text(
        copied,
        facts,
        before=edited.read_text("utf-8"),
        plots=plots,
        no_plots="" if plots else LACKING,
    )
    write_changed(out / CARD_NAME, text)
    write_changed(out / LICENCE_FILE, licence_section(facts))
    if (source.folder / CITATION_NAME).is_file() and not (out / CITATION_NAME).is_file():
        write_changed(out / CITATION_NAME, (source.folder / CITATION_NAME).read_text("utf-8"))
    elif not (out / CITATION_NAME).is_file():
        write_changed(out / CITATION_NAME, citation_text(copied, facts))
    return facts.licence.front_matter["license"]


def citation_text(dataset: Dataset, facts: CardFacts) -> str:
    """The dataset in the Citation File Format, version 1.2.0 (YAML)."""
    licence = facts.licence.licence
    lines = [
        "# Put your names in; 'mosdata publish' keeps what stands here.",
        "cff-version: 1.2.0",
        "message: If you use this dataset, please cite it, and what it was made from.",
        "type: dataset",
        f"title: A speech-quality dataset ({dataset.manifest['stage']}, {dataset.num_rows} clips)",
        "authors:",
        "- name: The authors of this dataset",
        "identifiers:",
        "- type: other",
        f"  value: mosdata:{dataset.dataset_id}",
        "  description: mosdata dataset id",
    ]
    if licence is not None and licence.hub:
        lines.append(f"license: {licence.spdx}")
    inside = citations_of(provenance_of(dataset.folder))
    if inside:
        lines.append(f"abstract: {json.dumps('Made from: ' + '; '.join(inside))}")
    return "\n".join([*lines, ""])


def write_checksums(out: Path) -> None:
    """Write a checksum of every file of a published dataset, as ``sha256sum`` does.

    Files of the manifest stand there with the checksum that it gives, so they must be verified
    before. Files that nobody knows are left out: they would be vouched for.
    """
    dataset = open_dataset(out)
    sums = {entry["path"]: entry["sha256"] for entry in file_entries(dataset.manifest)}
    sums |= {name: sha256_file(out / name) for name in _beside(dataset)}
    lines = [f"{checksum}  {name}\n" for name, checksum in sorted(sums.items())]
    write_changed(out / CHECKSUMS_NAME, "".join(lines))


def _beside(dataset: Dataset) -> set[str]:
    """Papers, figures and Arrow files."""
    names = (*REWRITTEN, PROVENANCE_NAME, MANIFEST_NAME)
    patterns = [*names, f"{PLOTS_FOLDER}/*.svg", INDEX_NAME]
    patterns += [f"{split}/*" for split in dataset.splits]
    out = dataset.folder
    return {path.relative_to(out).as_posix() for pattern in patterns for path in out.glob(pattern)}
