"""The sections of a dataset card; each is a function of counts, manifest and provenance alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from mosdata.builders.card_facts import CardFacts, SystemFacts
from mosdata.builders.licences import LICENCES
from mosdata.builders.recipes import RECIPES
from mosdata.manifests.ids import canonical_json
from mosdata.manifests.rows import DEBIASED, HUMAN, NATURAL
from mosdata.manifests.store import Dataset

RATINGS_SPLIT: Final = "scores"
"""``datasets`` wants a split of every table, and keeps ``all`` for itself."""

MAX_SYSTEMS: Final = 100
"""Systems that the card lists; corpora may have more, the rows name them all."""

MAX_SETTING: Final = 300
"""Letters of a setting that the card shows; ``mosdata.json`` has all of it."""


WHO: Final = {HUMAN: "people", DEBIASED: "people, less their offsets"}


def rate_of(dataset: Dataset) -> str:
    """The rate in words."""
    rate = dataset.sample_rate_hz
    return "each clip at its own rate," if rate is None else f"{rate} Hz"


def summary(dataset: Dataset, facts: CardFacts) -> str:
    """Sizes and ids."""
    name = dataset.manifest["stage"]
    kinds = {score.kind for score in facts.scores}
    people = "with scores by people" if HUMAN in kinds else "no human scores"
    return _text(
        "# A speech-quality dataset",
        "",
        f"{dataset.num_rows:,} clips, {facts.hours:.2f} hours, {len(facts.systems)} systems, "
        f"{people}, {rate_of(dataset)} mono, FLAC 16-bit. Made by `mosdata {name}`.",
        "",
        f"- dataset id `{dataset.dataset_id}` (these files)",
        f"- content id `{dataset.content_id}` (clips and labels, whatever the files)",
    )


def origin(dataset: Dataset, provenance: Mapping[str, Any]) -> str:
    """The command, the plan, the settings and what came before."""
    manifest = dataset.manifest
    config: Mapping[str, Any] = manifest.get("config") or {}
    lines = ["## How it was made", "", "```", command_of(manifest), "```", ""]
    lines += [f"- {manifest['created_by']}"] if "created_by" in manifest else []
    lines += [f"- plan `{manifest['plan_id']}`"] if "plan_id" in manifest else []
    lines += [f"- seed {config['seed']}"] if "seed" in config else []
    if parent := manifest.get("parent"):
        lines.append(f"- from dataset `{parent['dataset_id']}`")
    if cut := manifest.get("cut_from"):
        lines.append(f"- files cut anew from dataset `{cut['dataset_id']}`, rows as they were")
    versions = provenance.get("versions")
    if isinstance(versions, Mapping):
        lines += [f"- {name} {version}" for name, version in sorted(versions.items())]
    if config:
        lines += ["", "Settings:", "", *table_lines(["setting", "value"], _settings(config))]
    return _text(*lines)


def command_of(manifest: Mapping[str, Any]) -> str:
    """The command that makes these clips from the same input."""
    config: Mapping[str, Any] = manifest.get("config") or {}
    stage = manifest["stage"]
    if stage == "build" and "recipe" in config:
        stand_ins = "".join(
            f" \\\n  --stand-in {slot}={config['systems'][name]['build']}"
            for slot, name in config["stand_ins"].items()
        )
        recipe = config["recipe"] if config["recipe"] in RECIPES else "FILE.toml"
        return f"mosdata build --recipe {recipe}{stand_ins}"
    if stage == "build" and "systems" in config:
        voices = max((len(about["voices"]) for about in config["systems"].values()), default=1)
        return _command(
            "mosdata build --transcripts FILE",
            systems=",".join(about["build"] for about in config["systems"].values()),
            language=config.get("language"),
            voices=voices,
            takes=config.get("takes"),
            sample_rate=config.get("sample_rate_hz"),
            split=":".join(f"{share:g}" for share in config.get("split", ())),
            seed=config.get("seed"),
        )
    if stage == "corrupt" and "levels" in config:
        return _corrupt_command(config)
    return f"mosdata {stage}"


def _corrupt_command(config: Mapping[str, Any]) -> str:
    keep = "" if config.get("keep_sources", True) else " --no-keep-sources"
    chain, chains, files = (config.get(key) for key in ("chain", "chains", "files"))
    folders = {material: "FOLDER" for material, found in (files or {}).items() if found}
    kinds = "" if chain else ",".join(config.get("kinds", ()))
    values = "".join(
        f" \\\n  --param {name}={value!r}" for name, value in (config.get("values") or {}).items()
    )
    start = _command(
        f"mosdata corrupt DATASET{keep}",
        levels=",".join(f"{level:.12g}" for level in config["levels"]),
        kinds=shlex.quote(kinds) if kinds else None,
        chain=shlex.quote(",".join(chain)) if chain else None,
        chains=chains or None,
        order="given" if config.get("order") == "given" else None,
        per_clip=None if chain or chains else config.get("per_clip"),
        seed=config.get("seed"),
        **folders,
    )
    return start + values


def _command(start: str, **options: object) -> str:
    given = [
        f"  --{name.replace('_', '-')} {value}"
        for name, value in options.items()
        if value not in (None, "")
    ]
    return " \\\n".join([start, *given])


def _settings(config: Mapping[str, Any]) -> Iterator[list[object]]:
    for name, value in sorted(config.items()):
        text = value if isinstance(value, str) else canonical_json(value)
        size = f"{len(value)} entries" if isinstance(value, list | dict) else "long"
        yield [
            f"`{name}`",
            f"`{text}`" if len(text) <= MAX_SETTING else f"{size}, see mosdata.json",
        ]


def plots_section(plots: Mapping[str, str], *, lacking: str) -> str:
    """The figures, or why there are none."""
    if plots:
        return _text("## At a glance", "", *(f"![{alt}]({path})" for path, alt in plots.items()))
    return _text("## At a glance", "", lacking) if lacking else ""


def systems_section(facts: CardFacts, provenance: Mapping[str, Any]) -> str:
    """Every system with its class, size, version and licence."""
    known = _systems_of(provenance)
    index = {name: i for i, name in enumerate(facts.dataset.class_names)}
    shown = facts.systems[:MAX_SYSTEMS]
    rows = [_system_row(system, known.get(system.name, {}), index) for system in shown]
    header = ["class", "system", "method", "clips", "hours", "licence", "terms", "revision"]
    more = len(facts.systems) - len(shown)
    rest = ["", f"And {more} more: see the column `system`."] if more else []
    return _text("## Systems", "", *table_lines(header, rows), *rest)


def _system_row(
    system: SystemFacts, about: Mapping[str, Any], index: Mapping[str, int]
) -> list[object]:
    label = f"{index[system.label]} `{system.label}`" if system.label in index else system.label
    revisions = system.revisions or (about.get("revision", ""),)
    return [
        label,
        f"`{system.name}`",
        about.get("family", ""),
        system.clips,
        f"{system.seconds / 3600:.2f}",
        ", ".join(system.licences),
        system.terms,
        ", ".join(f"`{revision}`" for revision in revisions if revision),
    ]


def _systems_of(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """Systems are described where they spoke: in this dataset, or in one it was made from."""
    while provenance and "systems" not in provenance:
        provenance = provenance.get("parent") or {}
    return dict(provenance.get("systems", {})) if provenance else {}


def corruptions_section(facts: CardFacts) -> str:
    """How many clips have which corruption at which level."""
    if not facts.by_corruption:
        return ""
    levels = sorted({level for _, level in facts.by_corruption})
    names = sorted({name for name, _ in facts.by_corruption})
    rows: list[list[object]] = [
        [f"`{name}`", *(facts.by_corruption[name, level] or "" for level in levels)]
        for name in names
    ]
    header = ["corruption \\ level", *(f"{level:g}" for level in levels)]
    note = "Level 0 is untouched, 1 is the strongest; each row holds what was drawn for it."
    return _text("## Corruptions", "", note, "", *table_lines(header, rows))


def splits_section(dataset: Dataset, facts: CardFacts) -> str:
    """Sizes, the rule, and whether the rows keep it."""
    rows: list[list[object]] = [[split, facts.splits[split]] for split in dataset.splits]
    split, total = facts.sentences_in_several_splits
    rule = (
        "Split by sentence: every system, voice and corrupted copy of a text is on one side "
        f"(`sentence`). All {total:,} sentences keep to one split."
        if not split
        else f"{split:,} of {total:,} sentences (`sentence`) are in more than one split: these are "
        "the splits of the source."
    )
    sets = [entry["name"] for entry in dataset.manifest.get("split_sets", [])]
    more = ["", f"Further sets of splits: {', '.join(f'`{name}`' for name in sets)}."]
    return _text(
        "## Splits", "", rule, "", *table_lines(["split", "clips"], rows), *(more if sets else [])
    )


def ratings_section(facts: CardFacts) -> str:
    """Who or what scored, what, on which scale, and how often."""
    if not facts.scores:
        return _text("## Ratings", "", "None: no person and no metric has scored these clips.")
    rows: list[list[object]] = [
        [
            f"`{score.kind}`",
            WHO.get(score.kind, "computed"),
            score.dimension,
            f"`{score.scale}`",
            score.scores,
            score.clips,
            score.raters or "",
            score.votes if score.kind in WHO else "",
            f"{score.values.mean():.2f}",
            f"`{score.name}`",
        ]
        for score in facts.scores
    ]
    header = ["kind", "by", "dimension", "scale", "scores", "clips", "raters", "votes", "mean"]
    note = (
        "Only `human` was given by people, as it stands; `debiased` are the same people's scores, "
        "less what each listener adds to every clip. Anything else is computed by a metric, not by "
        "people."
    )
    return _text("## Ratings", "", note, "", *table_lines([*header, "set"], rows))


def quarantine_section(facts: CardFacts) -> str:
    """What could not be made, by reason."""
    if not facts.reasons:
        return ""
    total = sum(facts.reasons.values())
    rows: list[list[object]] = [[f"`{name}`", count] for name, count in facts.reasons.items()]
    note = f"{total:,} records could not be made; `quarantine/` has each with its message."
    return _text("## Quarantine", "", note, "", *table_lines(["reason", "records"], rows))


def licence_section(facts: CardFacts) -> str:
    """Every licence, the strictest of them, and where there is no strictest."""
    rows: list[list[object]] = [
        [_linked(name), terms, count, _asks(name)]
        for (name, terms), count in sorted(facts.licenses.items())
    ]
    lines = [f"Each row carries its own licence. Taken together: {_taken_together(facts)}"]
    lines += [f"- {conflict}" for conflict in facts.licence.conflicts]
    of_code = [name for name, _ in facts.licenses if name in LICENCES and LICENCES[name].of_code]
    if of_code:
        lines.append(
            f"- {', '.join(sorted({*of_code}))} is written for programs. It rules the engine's "
            "code; whether it reaches its sound is not said there: read what its authors say."
        )
    if facts.licence.unknown:
        lines.append(f"- Not in our table, read before use: {', '.join(facts.licence.unknown)}.")
    header = ["licence", "terms", "clips", "asks for"]
    return _text("## Licences", "", *lines, "", *table_lines(header, rows))


def _taken_together(facts: CardFacts) -> str:
    licence = facts.licence.licence
    if licence is None:
        return f"**several licences, none of which says all; terms {facts.terms}**."
    return f"**{licence.spdx}, terms {facts.terms}**, the strictest of what is inside."


def _linked(name: str) -> str:
    url = LICENCES[name].url if name in LICENCES else ""
    return f"[{name}]({url})" if url else name or "unknown"


def _asks(name: str) -> str:
    if name not in LICENCES:
        return "not known here"
    return ", ".join(sorted(LICENCES[name].asks)) or "nothing"


def limits_section(dataset: Dataset, facts: CardFacts) -> str:
    """What the data cannot show; from what is in it."""
    kinds = {score.kind for score in facts.scores}
    lines = [f"- Language: {', '.join(filter(None, facts.languages)) or 'not known'}."]
    if HUMAN not in kinds:
        lines.append(
            "- No human scores. A metric's score is an estimate, and is no opinion score (MOS)."
        )
    if not any(system.label == NATURAL for system in facts.systems):
        lines.append("- No natural speech; all clips are synthetic or of unknown origin.")
    if facts.by_corruption:
        lines.append("- The corruptions are simulated; real channels and rooms differ.")
    if dataset.sample_rate_hz is None:
        rates = ", ".join(f"{rate} Hz" for rate in sorted(facts.rates))
        lines.append(f"- Rates differ ({rates}): resample before comparing clips.")
    config: Mapping[str, Any] = dataset.manifest.get("config") or {}
    if config.get("stand_ins"):
        named = ", ".join(f"`{name}` for {slot}" for slot, name in config["stand_ins"].items())
        lines.append(
            f"- Stand-ins: not all systems of the recipe {config['recipe']} spoke. In their place, "
            f"and under their own names: {named}. `dataset` says so in each row."
        )
    silent = int((facts.durations == 0).sum())
    if silent:
        lines.append(f"- {silent:,} rows have no audio: they came as ratings only.")
    return _text("## Limitations", "", *lines)


def misuse_section(facts: CardFacts) -> str:
    """What the data is not for."""
    people = any(score.raters for score in facts.scores)
    raters = (
        "Raters are ids of their source; do not try to find out who they are." if people else ""
    )
    return _text(
        "## Not for",
        "",
        "Do not use the clips to imitate a person, to mislead anybody about who speaks, or to get "
        "past a check of somebody's voice. Voices that were cloned from a recording need the "
        "consent of the person in it. Scores rank systems on these sentences; they do not say "
        f"which system is better elsewhere. {raters}".rstrip(),
    )


def loading_section(dataset: Dataset) -> str:
    """Code that reads the data with and without an audio decoder."""
    lines = [
        "## Loading",
        "",
        "`PLACE` is this folder, or the name of the dataset on the Hub.",
        "",
        "```python",
        "import io, soundfile",
        "from datasets import Audio, load_dataset",
        "",
        f'rows = load_dataset("PLACE", split="{(dataset.splits or ["train"])[0]}")',
        'rows = rows.cast_column("audio", Audio(decode=False))  # needs no torchcodec',
        'samples, rate = soundfile.read(io.BytesIO(rows[0]["audio"]["bytes"]))',
        "```",
        "",
        "With a working torchcodec, leave the cast out: `rows[0]['audio']` decodes by itself.",
    ]
    if dataset.manifest["ratings"]:
        lines += [
            "",
            "```python",
            f'ratings = load_dataset("PLACE", "ratings", split="{RATINGS_SPLIT}")',
            "```",
        ]
    lines += [
        "",
        "```python",
        "from mosdata.manifests.store import open_dataset  # a folder",
        "",
        'for row in open_dataset("PLACE").utterances():',
        "    print(row.id, row.system, row.clip().duration_s)",
        "```",
        "",
        "`mosdata verify FOLDER` or `sha256sum -c checksums.sha256` checks a copy.",
    ]
    return _text(*lines)


def citation_section(dataset: Dataset, provenance: Mapping[str, Any]) -> str:
    """How to cite this dataset, and what it was made from."""
    inside = citations_of(provenance)
    lines = [
        "## How to cite",
        "",
        "```bibtex",
        f"@misc{{mosdata_{dataset.dataset_id[:8]},",
        f"  title = {{A speech-quality dataset ({dataset.manifest['stage']}, "
        f"{dataset.num_rows} clips)}},",
        f"  note = {{mosdata dataset {dataset.dataset_id}}},",
        "}",
        "```",
    ]
    if inside:
        lines += ["", "And what is inside:", "", "```bibtex", *inside, "```"]
    return _text(*lines)


def citations_of(provenance: Mapping[str, Any]) -> list[str]:
    """Citations that the sources brought along, wherever they stand in the provenance."""
    return list(dict.fromkeys(_citations(provenance)))


def _citations(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in ("citation", "bibtex") and isinstance(inner, str) and inner.strip():
                yield inner.strip()
            else:
                yield from _citations(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _citations(inner)


def table_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table; a bar inside a cell does not end it."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(_cell(value) for value in line) + " |" for line in lines]


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def yaml_list(key: str, values: Sequence[str]) -> list[str]:
    """A list of the card's metadata."""
    return [f"{key}:", *(f"- {json.dumps(value)}" for value in values)] if values else []


def _text(*lines: str) -> str:
    return "\n".join([*lines, ""])
