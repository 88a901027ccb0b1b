"""The dataset card: what a stranger needs to know, and the YAML that loads it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mosdata.manifests.durable import write_text
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import DEBIASED, HUMAN
from mosdata.manifests.store import Dataset

TERMS_STRICTEST_FIRST: Final = ("unknown", "restricted", "non-commercial", "open")
HUB_LICENSES: Final = frozenset(
    {"Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "CC0-1.0", "MIT"}
)
"""SPDX ids that the hub's card metadata knows, in lower case; anything else is \"other\" there."""

RATINGS_SPLIT: Final = "scores"
"""``datasets`` wants a split of every table, and keeps ``all`` for itself."""

SIZE_CATEGORIES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def write_card(dataset: Dataset, provenance: Mapping[str, JSON] | None = None) -> None:
    """Write README.md for a dataset; a function of its manifest, rows and provenance alone."""
    if provenance is None:
        path = dataset.folder / "provenance.json"
        provenance = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    facts = _Facts(dataset)
    parts = [
        _front_matter(dataset, facts),
        _summary(dataset, facts),
        _systems_table(facts, provenance),
        _corruption_table(facts),
        _splits_table(facts),
        _ratings_section(dataset),
        _quarantine_section(dataset),
        _licence_section(facts),
        _loading_section(dataset),
    ]
    write_text(dataset.folder / "README.md", "\n".join(part for part in parts if part))


def strictest_terms(terms: Sequence[str]) -> str:
    """The strictest of some output terms; what nobody declared counts as unknown.

    Example:
        >>> strictest_terms(["open", "non-commercial"])
        'non-commercial'
    """
    ranks = {name: rank for rank, name in enumerate(TERMS_STRICTEST_FIRST)}
    return min(terms, key=lambda term: ranks.get(term, 0), default="unknown")


class _Facts:
    """Counts that several parts of the card need; one pass over the light columns."""

    def __init__(self, dataset: Dataset) -> None:
        columns = ["system", "duration_s", "license", "output_terms", "language", "corruptions"]
        rows = dataset.table(columns).to_pylist() if dataset.files else []
        self.clips = Counter(row["system"] for row in rows)
        self.seconds: Counter[str] = Counter()
        self.by_corruption: Counter[tuple[str, float]] = Counter()
        for row in rows:
            self.seconds[row["system"]] += row["duration_s"]
            for applied in row["corruptions"] or ():
                self.by_corruption[applied["name"], applied["level"]] += 1
        self.splits = Counter(row["split"] for row in rows)
        self.licenses = Counter((row["license"], row["output_terms"]) for row in rows)
        self.languages = sorted({row["language"] for row in rows})
        self.hours = sum(self.seconds.values()) / 3600


def _front_matter(dataset: Dataset, facts: _Facts) -> str:
    licenses = sorted({license_id for license_id, _ in facts.licenses})
    lines = ["---", *_yaml_list("language", facts.languages)]
    if len(licenses) == 1 and licenses[0] in HUB_LICENSES:
        lines.append(f"license: {licenses[0].lower()}")
    else:
        lines += ["license: other", "license_name: see-the-licences-section"]
    lines += _yaml_list("task_categories", ["audio-classification", "text-to-speech"])
    lines += _yaml_list("tags", ["speech-quality-assessment", "mos", "synthetic-speech"])
    lines += [f"size_categories: [{json.dumps(_size_category(dataset.num_rows))}]", "configs:"]
    lines += ["- config_name: default", "  default: true", "  data_files:"]
    for split in dataset.splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    if ratings := dataset.manifest["ratings"]:
        lines += ["- config_name: ratings", "  data_files:", f"  - split: {RATINGS_SPLIT}"]
        lines += ["    path:"]
        lines += [f"    - ratings/{entry['name']}/*.parquet" for entry in ratings]
    return "\n".join([*lines, "---", ""])


def _yaml_list(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key}:", *(f"- {json.dumps(value)}" for value in values)] if values else []


def _size_category(num_rows: int) -> str:
    return next((name for limit, name in SIZE_CATEGORIES if num_rows < limit), "n>10M")


def _rate(dataset: Dataset) -> str:
    rate = dataset.sample_rate_hz
    return "each clip at its own rate," if rate is None else f"{rate} Hz"


def _summary(dataset: Dataset, facts: _Facts) -> str:
    name = dataset.manifest["stage"]
    parent = dataset.manifest.get("parent")
    lines = [
        "# A speech-quality dataset",
        "",
        f"{dataset.num_rows:,} clips, {facts.hours:.2f} hours, {len(facts.clips)} systems, "
        f"{_rate(dataset)} mono. Made by `mosdata {name}`.",
        "",
        f"- dataset id `{dataset.dataset_id}`",
        f"- content id `{dataset.content_id}` (clips and labels, whatever the encoder)",
    ]
    if parent:
        lines.append(f"- made from dataset `{parent['dataset_id']}`")
    return "\n".join([*lines, ""])


def _systems_table(facts: _Facts, provenance: Mapping[str, Any]) -> str:
    known = _systems_of(provenance)
    rows = []
    for system, count in sorted(facts.clips.items()):
        about = known.get(system, {})
        minutes = facts.seconds[system] / 60
        rows.append(
            [
                f"`{system}`",
                about.get("family", ""),
                count,
                f"{minutes:.1f}",
                about.get("license", ""),
                about.get("output_terms", ""),
                f"`{about.get('revision', '')}`",
            ]
        )
    header = ["system", "method", "clips", "minutes", "licence", "terms", "revision"]
    return "\n".join(["## Systems", "", *_table(header, rows), ""])


def _systems_of(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """Systems are described where they spoke: in this dataset, or in one it was made from."""
    while provenance and "systems" not in provenance:
        provenance = provenance.get("parent") or {}
    return dict(provenance.get("systems", {})) if provenance else {}


def _corruption_table(facts: _Facts) -> str:
    if not facts.by_corruption:
        return ""
    levels = sorted({level for _, level in facts.by_corruption})
    names = sorted({name for name, _ in facts.by_corruption})
    rows = [
        [f"`{name}`", *(facts.by_corruption[name, level] or "" for level in levels)]
        for name in names
    ]
    header = ["corruption \\ level", *(f"{level:g}" for level in levels)]
    note = "Level 0 is untouched, 1 is the strongest; each row holds what was drawn for it."
    return "\n".join(["## Corruptions", "", note, "", *_table(header, rows), ""])


def _splits_table(facts: _Facts) -> str:
    rows = [[split, count] for split, count in sorted(facts.splits.items())]
    note = (
        "Split by sentence: every system, voice and corrupted copy of a text is on one side "
        "(`sentence`)."
    )
    return "\n".join(["## Splits", "", note, "", *_table(["split", "clips"], rows), ""])


def _ratings_section(dataset: Dataset) -> str:
    lines = ["## Ratings", ""]
    if not dataset.manifest["ratings"]:
        return "\n".join([*lines, "None: no person and no metric has scored these clips.", ""])
    for ratings in dataset.manifest["ratings"]:
        rows = sum(file["rows"] for file in ratings["files"])
        for kind, dimensions in ratings["kinds"].items():
            lines.append(
                f"- `{kind}` ({', '.join(dimensions)}), {_who(kind)}; {rows:,} scores in set "
                f"`{ratings['name']}`"
            )
    return "\n".join([*lines, ""])


def _who(kind: str) -> str:
    """Whose scores these are, in words."""
    words = {HUMAN: "by people", DEBIASED: "by people, less what each listener adds to every clip"}
    return words.get(kind, "computed by a metric, not by people")


def _quarantine_section(dataset: Dataset) -> str:
    rejected = sum(entry["rows"] for entry in dataset.manifest["quarantine"])
    if not rejected:
        return ""
    return "\n".join(
        [
            "## Quarantine",
            "",
            f"{rejected:,} records could not be made; `quarantine/` says why.",
            "",
        ]
    )


def _licence_section(facts: _Facts) -> str:
    rows = [
        [license_id or "unknown", terms, count]
        for (license_id, terms), count in sorted(facts.licenses.items())
    ]
    strictest = strictest_terms([terms for _, terms in facts.licenses])
    note = f"Each row carries its own licence. Taken together: **{strictest}**, the strictest."
    return "\n".join(
        ["## Licences", "", note, "", *_table(["licence", "terms", "clips"], rows), ""]
    )


def _loading_section(dataset: Dataset) -> str:
    split = dataset.splits[0] if dataset.splits else "train"
    return "\n".join(
        [
            "## Loading",
            "",
            "```python",
            "import io, soundfile",
            "from datasets import Audio, load_dataset",
            "",
            f'rows = load_dataset("path/to/this/folder", split="{split}")',
            'rows = rows.cast_column("audio", Audio(decode=False))  # needs no torchcodec',
            'samples, rate = soundfile.read(io.BytesIO(rows[0]["audio"]["bytes"]))',
            "```",
            "",
            "pandas, pyarrow, DuckDB and polars read `data/*.parquet` as it is.",
            "",
        ]
    )


def _table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [_line(header), _line(["---"] * len(header))]
    return lines + [_line(row) for row in rows]


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
