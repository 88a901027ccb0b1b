"""What an import found odd: kept with the dataset, in provenance.json and on the card."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from mosdata.corpora.sound import FLAGS
from mosdata.corpora.table import Finding
from mosdata.manifests.ids import JSON
from mosdata.manifests.store import Dataset

MAX_EXAMPLES: Final = 5


def named(code: str, names: Sequence[str], what: str, *, all_names: bool = False) -> list[Finding]:
    """One finding about some clips or files; none where there are none.

    Args:
        code: short and stable.
        names: of clips or files.
        what: what they are, for people; their number is told before it.
        all_names: keep every name rather than the first few.
    """
    if not names:
        return []
    examples = tuple(names) if all_names else tuple(names[:MAX_EXAMPLES])
    return [Finding(code=code, count=len(names), message=what, examples=examples)]


def sound_findings(dataset: Dataset) -> list[Finding]:
    """What the rows say about their sound: twins, and each flag with its count."""
    if not dataset.files:
        return []
    table = dataset.table(["id", "pcm_sha256", "flags", "num_samples", "clipped_fraction"])
    same: dict[str, list[str]] = defaultdict(list)
    flagged: dict[str, list[str]] = defaultdict(list)
    clipped: Counter[str] = Counter()
    for row in table.to_pylist():
        if row["num_samples"]:
            same[row["pcm_sha256"]].append(row["id"])
        for flag in row["flags"]:
            flagged[flag].append(row["id"])
            clipped[flag] += round(row["clipped_fraction"] * row["num_samples"])
    twins = [" = ".join(names) for names in same.values() if len(names) > 1]
    found = named("twin_audio", twins, "groups of clips have the same samples to the bit.")
    for flag in sorted(flagged):
        count = f" ({clipped[flag]:,} samples)" if flag == "over_full_scale" else ""
        found += named(flag, flagged[flag], f"clips: {FLAGS.get(flag, 'flagged')}{count}.")
    return found


def findings_json(findings: Sequence[Finding]) -> list[JSON]:
    """Findings as provenance keeps them."""
    return [{**asdict(finding), "examples": list(finding.examples)} for finding in findings]


def with_sound_findings(provenance: dict[str, JSON], dataset: Dataset) -> dict[str, JSON]:
    """Provenance of an import, completed by what its rows say; any other as it is."""
    known = provenance.get("findings")
    if not isinstance(known, list):
        return provenance
    return {**provenance, "findings": [*known, *findings_json(sound_findings(dataset))]}


def findings_section(provenance: Mapping[str, Any]) -> str:
    """Part of the card of an imported dataset; nothing where nothing was odd."""
    rows = [_row(found) for found in findings_of(provenance)]
    if not rows:
        return ""
    note = "What was odd when the corpus was imported; `provenance.json` has examples."
    return "\n".join(
        ["## Findings", "", note, "", "| code | count | what |", "| --- | --- | --- |", *rows, ""]
    )


def _row(found: Finding) -> str:
    message = found.message.replace("|", "\\|")
    return f"| `{found.code}` | {found.count:,} | {message} |"


def findings_of(provenance: Mapping[str, Any]) -> list[Finding]:
    """The findings that a dataset was imported with; none for what was made otherwise."""
    return [
        Finding(**{**values, "examples": tuple(values["examples"])})
        for values in provenance.get("findings", ())
    ]
