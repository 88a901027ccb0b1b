"""``mosdata build``."""

from __future__ import annotations

from collections.abc import Sequence
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
    NoReuse,
    On,
    Out,
    PlanOnly,
    RecordDeadline,
    Reuse,
    Seed,
    Workers,
    execution_of,
    orders_of,
    with_those_beside,
)

if TYPE_CHECKING:
    from mosdata.builders.recipe_stage import RecipeStage
    from mosdata.builders.speech import SpeechStage
    from mosdata.synth.base import Prompt


def build(
    transcripts: Annotated[
        Path | None,
        typer.Option("--transcripts", "-t", help="Text file, UTF-8, one sentence per line."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe that says which clips to make: moe-paper, or a .toml file of your own. "
            "In place of --systems, --voices, --takes, --sample-rate, --split and --seed."
        ),
    ] = None,
    stand_in: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SYSTEM",
            help="Who speaks in the place of a system of the recipe; 'missing': those that the "
            "recipe suggests, for all that this machine lacks. May be repeated.",
        ),
    ] = None,
    systems: Annotated[
        str,
        typer.Option(
            help="Systems, separated by commas, or module:Engine of your own. "
            "Default: all that are installed ('mosdata doctor' lists them)."
        ),
    ] = "",
    language: Annotated[str, typer.Option(help="Language of the texts (BCP 47).")] = "en",
    voices: Annotated[
        str,
        typer.Option(
            help="Voices per system: how many (0 for all), or their names, separated by commas. "
            "Default: one, or every recording that a system clones."
        ),
    ] = "",
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="Recordings of voices to clone: .toml, .csv or .jsonl (docs/prompts.md)."
        ),
    ] = None,
    asr: Annotated[
        str,
        typer.Option(
            help="Recogniser that listens to every clip and flags what it hears otherwise: "
            "module:factory, or hf:FOLDER with a model of transformers (docs/gates.md)."
        ),
    ] = "",
    takes: Annotated[int, typer.Option(help="Readings of each text by each voice.")] = 1,
    sample_rate: Annotated[int, typer.Option(help="Rate of the dataset, Hz.")] = 16_000,
    split: Annotated[str, typer.Option(help="train:validation:test, by sentence.")] = "8:1:1",
    seed: Seed = 0,
    out: Out = None,
    executor: Executor = "auto",
    workers: Workers = None,
    address: Address = None,
    on: On = None,
    record_deadline: RecordDeadline = RECORD_DEADLINE_S,
    max_quarantine: MaxQuarantine = "100%",
    reuse: Reuse = None,
    no_reuse: NoReuse = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Write no report.html beside the clips.")
    ] = False,
    plan_only: PlanOnly = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Synthesise a labelled dataset: texts x systems x voices x takes.

    Run it again to go on after an interruption; what is done is not done twice.
    """
    from mosdata.builders.plan import draft_plan, plan_id_of
    from mosdata.builders.run import RECORDS_PER_SHARD, plan_stage, run_stage
    from mosdata.builders.speech import SpeechConfig, SpeechStage
    from mosdata.builders.transcripts import read_transcripts
    from mosdata.cli import console
    from mosdata.cli.run_shards import tell_plan
    from mosdata.errors import UsageError
    from mosdata.manifests.splits import SplitRule
    from mosdata.synth.prompts import read_prompts

    execution = execution_of(
        executor=executor,
        workers=workers,
        address=address,
        record_deadline=record_deadline,
        on=on,
    )
    orders = orders_of(
        max_quarantine=max_quarantine, reuse=reuse, no_reuse=no_reuse, report=not no_report
    )
    cloned = () if prompts is None else read_prompts(prompts)
    if recipe is not None:
        stage: SpeechStage | RecipeStage = _of_recipe(
            recipe, transcripts, stand_in or (), cloned, asr
        )
    elif transcripts is None or stand_in:
        raise UsageError(
            "--stand-in is for recipes: give --recipe as well."
            if stand_in
            else "What shall be said? Give --transcripts FILE, or --recipe NAME."
        )
    else:
        config = SpeechConfig(
            systems=tuple(name.strip() for name in systems.split(",") if name.strip()),
            language=language,
            voices=_wanted(voices),
            prompts=cloned,
            takes=takes,
            seed=seed,
            sample_rate_hz=sample_rate,
            split=SplitRule.parse(split),
            asr=asr,
        )
        texts = read_transcripts(transcripts)
        for remark in texts.notes:
            console.note(f"{transcripts}: {remark}.")
        stage = SpeechStage(texts, config, reaches_gpus=True if address or on else None)
    for remark in stage.notes:
        console.note(f"{remark}.")
    if dry_run:
        plan_id = plan_id_of(stage)
        folder = out or WORKSPACE / f"build-{plan_id[:8]}"
        _show_plan(stage, folder, plan_id, as_json=as_json)
        return
    with (
        draft_plan(stage, records_per_shard=RECORDS_PER_SHARD) as draft,
        console.progress("build") as show,
    ):
        folder = out or WORKSPACE / f"build-{draft.plan.plan_id[:8]}"
        if not no_reuse:
            orders = with_those_beside(orders, folder, "build")
        if plan_only:
            plan = plan_stage(stage, folder, draft=draft, orders=orders)
            tell_plan(plan, folder, folder=folder, as_json=as_json)
            return
        outcome = run_stage(
            stage, folder, execution=execution, draft=draft, orders=orders, on_progress=show
        )
    about = _about(outcome.dataset)
    if not outcome.was_complete:
        _show_systems(outcome.dataset, about)
    console.summary(
        outcome, made="clips", next_step=f"mosdata corrupt{console.named(out)} --level 0.3"
    )
    notes = [*texts.notes, *stage.notes]
    value = {**console.outcome_json(outcome), **about, "notes": notes}
    console.result(value, as_json=as_json, plain=folder)


def _wanted(voices: str) -> int | tuple[str, ...] | None:
    """How many voices, or which."""
    names = tuple(dict.fromkeys(name.strip() for name in voices.split(",") if name.strip()))
    if not names:
        return None
    return int(names[0]) if len(names) == 1 and names[0].lstrip("-").isdecimal() else names


def _of_recipe(
    recipe: str,
    transcripts: Path | None,
    stand_in: Sequence[str],
    prompts: Sequence[Prompt],
    asr: str,
) -> RecipeStage:
    """The stage of a recipe."""
    from mosdata.builders.recipe import read_recipe
    from mosdata.builders.recipe_stage import MISSING, RecipeStage
    from mosdata.errors import InvalidValue

    stand_ins: dict[str, str] = {}
    for given in stand_in:
        slot, equals, system = given.partition("=")
        if given != MISSING and not (slot and equals and system):
            raise InvalidValue("--stand-in", given, f"NAME=SYSTEM, or {MISSING}")
        stand_ins[slot] = system
    read = read_recipe(recipe, transcripts=transcripts)
    return RecipeStage(read, stand_ins=stand_ins, prompts=prompts, asr=asr)


def _show_plan(
    stage: SpeechStage | RecipeStage, folder: Path, plan_id: str, *, as_json: bool
) -> None:
    from mosdata.builders.card import strictest_terms
    from mosdata.cli import console

    estimate = stage.estimate()
    splits = stage.split_counts()
    texts = sum(splits.values())
    details: list[dict[str, Any]] = [dict(detail) for detail in estimate.details]
    terms = strictest_terms([detail["output_terms"] for detail in details])
    columns = ["system", "clips", "voices", "duration_s", "license", "output_terms"]
    rows = [
        [
            *(detail[c] for c in columns[:3]),
            detail["duration_s"] / 60,
            *(detail[c] for c in columns[4:]),
        ]
        for detail in details
    ]
    header = ["system", "clips", "voices", "minutes (about)", "licence", "terms"]
    console.table(f"Plan {plan_id[:8]}", header, rows)
    console.say(
        f"{texts} texts ({', '.join(f'{n} {name}' for name, n in splits.items())}) make "
        f"{estimate.num_records:,} clips: about {estimate.duration_s / 3600:.2f} hours, "
        f"{estimate.num_bytes / 1e6:,.1f} MB; terms: {terms}. Nothing was made. "
        f"Would go to {folder}."
    )
    values = {
        "num_texts": texts,
        "num_clips": estimate.num_records,
        "duration_s": estimate.duration_s,
        "num_bytes": estimate.num_bytes,
        "output_terms": terms,
        "texts_by_split": splits,
        "systems": details,
    }
    value = console.estimate_json(out=folder, plan_id=plan_id, values=values, notes=stage.notes)
    console.result(value, as_json=as_json, plain=folder)


def _about(dataset: Any) -> dict[str, Any]:
    """What a build has beside its clips: flags, the most frequent first, and its report."""
    from collections import Counter

    from mosdata.builders.checks import flagged
    from mosdata.manifests.places import file_exists
    from mosdata.manifests.store import REPORT_NAME

    flags = flagged(dataset)
    report = dataset.folder / REPORT_NAME
    return {
        "num_flagged": len(flags),
        "flags": dict(Counter(name for names in flags.values() for name in names).most_common()),
        "report": str(report) if file_exists(report) else None,
    }


def _show_systems(dataset: Any, about: dict[str, Any]) -> None:
    from collections import Counter

    from mosdata.cli import console

    clips: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    for table in dataset.tables(["system", "duration_s", "flags"]):
        for row in table.to_pylist():
            clips[row["system"]] += 1
            seconds[row["system"]] += row["duration_s"]
            flagged[row["system"]] += bool(row["flags"])
    lines = [[name, n, seconds[name] / 60, flagged[name]] for name, n in clips.items()]
    console.table("Systems", ["system", "clips", "minutes", "flagged"], lines)
    if about["flags"]:
        named = ", ".join(f"{name} {count:,}" for name, count in about["flags"].items())
        console.say(f"Flagged {about['num_flagged']:,} clips, all kept: {named}.")
    if about["report"]:
        console.say(f"Report: {about['report']}")
