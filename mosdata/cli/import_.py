"""``mosdata import``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mosdata.cli.options import (
    RECORD_DEADLINE_S,
    WORKSPACE,
    Address,
    AsJson,
    DryRun,
    Executor,
    MaxQuarantine,
    Out,
    RecordDeadline,
    Workers,
    execution_of,
    orders_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mosdata.builders.imported import ImportConfig, ImportStage
    from mosdata.corpora.table import Finding, RatedCorpus

RECORDS_PER_SHARD = 128
RATINGS_ONLY_PER_SHARD = 16_384
"""A clip without audio is a hundred bytes: few files of many rows."""


def import_(
    tables: Annotated[
        list[Path], typer.Argument(help="Tables of the corpus, as it comes (docs/import.md).")
    ],
    audio: Annotated[
        Path | None,
        typer.Option(help="Folder of the audio. Default: beside the tables, if it is there."),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Layout of the tables. Default: found by looking.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="TOML file that says what your own columns mean.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Name of the corpus.")] = None,
    scale: Annotated[
        str | None, typer.Option(help="Scale of the scores. Default: as the layout says.")
    ] = None,
    dimension: Annotated[
        str, typer.Option(help="What was judged, where the tables do not say.")
    ] = "mos",
    system_class: Annotated[
        list[str] | None,
        typer.Option(
            help="Synthesizer class: natural, unknown or another, for all clips, or SYSTEM=CLASS. "
            "May be repeated.",
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option("--license", help="SPDX id that applies to the clips.")
    ] = "unknown",
    output_terms: Annotated[
        str, typer.Option(help="open, non-commercial, restricted or unknown.")
    ] = "unknown",
    split: Annotated[
        str, typer.Option(help="train:validation:test, where the corpus has no split.")
    ] = "8:1:1",
    by: Annotated[
        str | None,
        typer.Option(
            help="What a split keeps together: sentence, system, speaker or source; or corpus for "
            "the corpus's own, which is the default where every clip has one."
        ),
    ] = None,
    salt: Annotated[str, typer.Option(help="Another salt draws another split.")] = "",
    unrated: Annotated[
        bool, typer.Option("--unrated", help="Take in clips and files that nobody has scored.")
    ] = False,
    out: Out = None,
    executor: Executor = "auto",
    workers: Workers = None,
    address: Address = None,
    record_deadline: RecordDeadline = RECORD_DEADLINE_S,
    max_quarantine: MaxQuarantine = "100%",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a dataset of a corpus that people have rated: tables of scores, and their audio.

    Every file keeps its rate. What is odd is reported, and kept with the dataset.
    """
    from dataclasses import replace

    from mosdata.builders.imported import ImportConfig
    from mosdata.builders.plan import draft_plan, plan_id_of
    from mosdata.builders.run import run_stage
    from mosdata.cli import console
    from mosdata.corpora.read import read_corpus
    from mosdata.manifests.splits import SplitRule

    execution = execution_of(
        executor=executor, workers=workers, address=address, record_deadline=record_deadline
    )
    orders = orders_of(max_quarantine=max_quarantine)
    everywhere, by_system = _classes(system_class or [])
    config = ImportConfig(
        system_class=everywhere,
        classes=by_system,
        license=licence,
        output_terms=output_terms,
        split=replace(SplitRule.parse(split), salt=salt),
        by=by,
        unrated=unrated,
    )
    corpus = read_corpus(
        tables, layout=layout, mapping=mapping, dataset=dataset, dimension=dimension, scale=scale
    )
    stage = _stage(corpus, config, tables, audio)
    _tell(stage, _why(corpus, tables) if mapping is None and layout is None else "")
    if dry_run:
        plan_id = plan_id_of(stage)
        folder = out or WORKSPACE / f"import-{plan_id[:8]}"
        _show_plan(stage, folder, plan_id, as_json=as_json)
        return
    num_records = RECORDS_PER_SHARD if stage.audio else RATINGS_ONLY_PER_SHARD
    with (
        draft_plan(stage, records_per_shard=num_records) as draft,
        console.progress("import") as show,
    ):
        folder = out or WORKSPACE / f"import-{draft.plan.plan_id[:8]}"
        outcome = run_stage(
            stage,
            folder,
            execution=execution,
            ratings=stage.ratings,
            draft=draft,
            orders=orders,
            on_progress=show,
        )
    findings = _findings_in(folder)
    console.show_findings(findings)
    audible = stage.audio is not None
    wanted = "mosdata train moe" if audible else "import again with --audio to train on it"
    next_step = f"mosdata ratings inspect{console.named(folder)}; {wanted}"
    console.summary(
        outcome, made="clips" if audible else "clips without audio", next_step=next_step
    )
    value = {**console.outcome_json(outcome), **_about(stage), **_findings_json(findings)}
    console.result(value, as_json=as_json, plain=folder)


def _classes(given: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The class of all clips, and those of some systems.

    Raises:
        InvalidValue: an empty name, or two classes for all.
    """
    from mosdata.errors import InvalidValue
    from mosdata.manifests.rows import UNKNOWN

    allowed = "natural, unknown or another name, once for all clips; SYSTEM=CLASS for one system"
    everywhere: list[str] = []
    by_system: dict[str, str] = {}
    for text in given:
        system, equals, name = text.rpartition("=")
        if not name or (equals and not system) or system in by_system:
            raise InvalidValue("--system-class", text, allowed)
        if equals:
            by_system[system] = name
        else:
            everywhere.append(name)
    if len(everywhere) > 1:
        raise InvalidValue("--system-class", ", ".join(everywhere), allowed)
    return (everywhere or [UNKNOWN])[0], by_system


def _stage(
    corpus: RatedCorpus, config: ImportConfig, tables: Sequence[Path], audio: Path | None
) -> ImportStage:
    """The plan; audio that nobody named is looked for right beside the tables."""
    from mosdata.builders.finish import Progress
    from mosdata.builders.imported import ImportStage, audio_beside
    from mosdata.cli import console

    with console.progress("hash the audio") as show:

        def advance(done: int, total: int) -> None:
            show(Progress(num_records=total, num_done=done, num_rejected=0, duration_s=0.0))

        if audio is not None:
            return ImportStage(corpus, config, audio=audio, on_file=advance)
        beside = audio_beside(corpus, tables)
        return ImportStage(corpus, config, audio=beside, deep=False, on_file=advance)


def _why(corpus: RatedCorpus, tables: Sequence[Path]) -> str:
    """What the tables were recognised by; nothing where the user said what they are."""
    from mosdata.corpora.layouts import LAYOUTS
    from mosdata.corpora.read import open_table

    if corpus.layout not in LAYOUTS:
        return ""
    fits = [
        LAYOUTS[corpus.layout].fit(open_table(path).sample) for path in tables if path.is_file()
    ]
    return "; ".join(fit.why for fit in fits if fit is not None)


def _tell(stage: ImportStage, why: str) -> None:
    """What was read as what, why, and where the sound is."""
    from mosdata.cli import console

    corpus = stage.corpus
    names = ", ".join(Path(source).name for source in corpus.sources)
    console.say(
        f"Read {names or 'the tables'} as '{corpus.layout}': {corpus.clips.num_rows:,} clips, "
        f"{corpus.ratings.num_rows:,} scores." + (f" ({why}.)" if why else "")
    )
    if stage.audio is None:
        console.note("no audio was given or found beside the tables: only ratings are imported.")
    else:
        console.say(f"Audio in {stage.audio}: {stage.num_matched:,} clips have a file.")
    counts = ", ".join(f"{name} {count:,}" for name, count in stage.split_counts().items())
    console.say(f"Split by {stage.by}: {counts}.")


def _findings_in(folder: Path) -> list[Finding]:
    import json

    from mosdata.builders.findings import findings_of

    return findings_of(json.loads((folder / "provenance.json").read_text("utf-8")))


def _show_plan(stage: ImportStage, folder: Path, plan_id: str, *, as_json: bool) -> None:
    from mosdata.cli import console

    console.show_findings(stage.findings)
    estimate = stage.estimate()
    console.say(
        f"{estimate.num_records:,} clips, {estimate.duration_s / 3600:.2f} hours, about "
        f"{estimate.num_bytes / 1e6:,.1f} MB. Nothing was made. Would go to {folder}."
    )
    values = {
        "num_clips": estimate.num_records,
        "duration_s": estimate.duration_s,
        "num_bytes": estimate.num_bytes,
        **_about(stage),
        **_findings_json(stage.findings),
    }
    value = console.estimate_json(out=folder, plan_id=plan_id, values=values, notes=[])
    console.result(value, as_json=as_json, plain=folder)


def _about(stage: ImportStage) -> dict[str, Any]:
    return {
        "layout": stage.corpus.layout,
        "num_scores": stage.corpus.ratings.num_rows,
        "has_audio": stage.audio is not None,
        "split_by": stage.by,
        "clips_by_split": stage.split_counts(),
        "files_by_rate_hz": {str(rate): count for rate, count in sorted(stage.rates.items())},
    }


def _findings_json(findings: Sequence[Finding]) -> dict[str, Any]:
    return {"findings": [asdict(found) for found in findings]}
