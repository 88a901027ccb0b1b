"""``mosdata corrupt``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    Out,
    PlanOnly,
    RecordDeadline,
    Reuse,
    Seed,
    Workers,
    execution_of,
    orders_of,
    place,
    with_those_beside,
)

if TYPE_CHECKING:
    from mosdata.augment.base import Material

RECORDS_PER_SHARD = 256


def corrupt(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            parser=place,
            metavar="DATASET",
            help="Dataset folder. Default: the newest that 'mosdata build' made.",
        ),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            "--level",
            "--levels",
            "-l",
            help="0 (untouched) to 1 (strongest): one (0.3), a list (0.2,0.5) or "
            "start:stop:step (0:1:0.1).",
        ),
    ] = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            help="Corruptions or groups of them, separated by commas: speech, noise, room, filter, "
            "distortion, level, telephony, codec, network, resynthesis, all. Default: speech."
        ),
    ] = None,
    per_clip: Annotated[
        int, typer.Option(help="Kinds that each clip gets, chosen per clip; 0 for all.")
    ] = 1,
    chain: Annotated[
        str | None,
        typer.Option(help="Corruptions that every copy gets one after the other: reverb,mp3."),
    ] = None,
    chains: Annotated[
        int, typer.Option(help="Chains of two to four of the kinds that each clip gets, drawn.")
    ] = 0,
    order: Annotated[
        str,
        typer.Option(help="Of a chain: physical (from the room to the network) or as given."),
    ] = "physical",
    snr_db: Annotated[
        float | None,
        typer.Option("--snr-db", help="Speech over noise in dB, in place of a level."),
    ] = None,
    cutoff_hz: Annotated[
        float | None, typer.Option("--cutoff-hz", help="Of a filter, in place of a level.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Any physical value in place of a level, such as rt60_s=0.5; may be repeated.",
        ),
    ] = None,
    noise: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Recorded noises, for background_noise."),
    ] = None,
    impulse_responses: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Responses of rooms, for impulse_response."),
    ] = None,
    keep_sources: Annotated[
        bool, typer.Option(help="Keep the untouched sources in the result.")
    ] = True,
    seed: Seed = 0,
    out: Out = None,
    executor: Executor = "auto",
    workers: Workers = None,
    address: Address = None,
    record_deadline: RecordDeadline = RECORD_DEADLINE_S,
    max_quarantine: MaxQuarantine = "100%",
    reuse: Reuse = None,
    no_reuse: NoReuse = False,
    plan_only: PlanOnly = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make graded corrupted copies of every clip of a dataset.

    The result is a dataset of its own, sources included; each copy names its parent, what was
    drawn, and at which level.
    """
    from mosdata.augment.corruptions import split_kinds
    from mosdata.augment.levels import parse_levels
    from mosdata.augment.values import kinds_with, read_values
    from mosdata.builders.corrupt import CorruptConfig, CorruptStage
    from mosdata.builders.plan import draft_plan, plan_id_of
    from mosdata.builders.run import plan_stage, run_stage
    from mosdata.cli import console
    from mosdata.cli.found import dataset_or_newest
    from mosdata.cli.run_shards import tell_plan
    from mosdata.errors import InvalidValue

    values = read_values(param or (), snr_db=snr_db, cutoff_hz=cutoff_hz)
    if level is None and not values:
        raise InvalidValue("--level", "not given", "0 to 1", "Try: mosdata corrupt --level 0.3")
    if chain is not None and kinds is not None:
        raise InvalidValue("--kinds", kinds, "either --kinds or --chain, not both")
    execution = execution_of(
        executor=executor, workers=workers, address=address, record_deadline=record_deadline
    )
    orders = orders_of(max_quarantine=max_quarantine, reuse=reuse, no_reuse=no_reuse)
    chosen = split_kinds("speech" if kinds is None else kinds)
    folders: dict[Material, Path | None] = {"noise": noise, "impulse_responses": impulse_responses}
    missing = [material for material, folder in folders.items() if folder is None]
    config = CorruptConfig(
        levels=() if level is None else parse_levels(level),
        kinds=chosen if level is not None or chain else kinds_with(values, chosen, without=missing),
        per_clip=per_clip,
        chain=() if chain is None else split_kinds(chain),
        chains=chains,
        order="given" if checked_order(order) == "given" else "physical",
        values=values,
        noise=noise,
        impulse_responses=impulse_responses,
        seed=seed,
        keep_sources=keep_sources,
    )
    source = dataset_or_newest(
        dataset, stages=("build", "import"), first="mosdata build --transcripts transcripts.txt"
    )
    stage = CorruptStage(source, config)
    for remark in stage.notes:
        console.note(f"{remark}.")
    if dry_run:
        plan_id = plan_id_of(stage)
        folder = out or WORKSPACE / f"corrupt-{plan_id[:8]}"
        estimate = stage.estimate()
        console.say(
            f"{source.num_rows:,} clips, {_strength(config.levels, values)}, "
            f"{'chain' if config.chain else 'kinds'} {', '.join(stage.kinds)}: "
            f"{estimate.num_records:,} rows, about {estimate.duration_s / 3600:.2f} hours, "
            f"{estimate.num_bytes / 1e6:,.1f} MB. "
            f"Nothing was made. Would go to {folder}."
        )
        told = {
            "num_clips": estimate.num_records,
            "duration_s": estimate.duration_s,
            "num_bytes": estimate.num_bytes,
            "kinds": list(stage.kinds),
            "levels": list(config.levels),
            "values": values,
        }
        value = console.estimate_json(out=folder, plan_id=plan_id, values=told, notes=stage.notes)
        console.result(value, as_json=as_json, plain=folder)
        return
    with (
        draft_plan(stage, records_per_shard=RECORDS_PER_SHARD) as draft,
        console.progress("corrupt") as show,
    ):
        folder = out or WORKSPACE / f"corrupt-{draft.plan.plan_id[:8]}"
        if not no_reuse:
            orders = with_those_beside(orders, folder, "corrupt")
        if plan_only:
            plan = plan_stage(
                stage, folder, records_per_shard=RECORDS_PER_SHARD, draft=draft, orders=orders
            )
            tell_plan(plan, folder, folder=folder, as_json=as_json)
            return
        outcome = run_stage(
            stage,
            folder,
            execution=execution,
            records_per_shard=RECORDS_PER_SHARD,
            parent=source,
            keeps_parent=stage.keeps_sources,
            draft=draft,
            orders=orders,
            on_progress=show,
        )
    made = "clips (sources included)" if stage.keeps_sources else "clips"
    console.summary(outcome, made=made, next_step=f"mosdata train moe{console.named(out)}")
    console.result(console.outcome_json(outcome), as_json=as_json, plain=folder)


def checked_order(order: str) -> str:
    """Return an order of chains that there is.

    Raises:
        UnknownName: there is none of this name.
    """
    from mosdata.errors import UnknownName

    if order not in ("physical", "given"):
        raise UnknownName("order of a chain", order, ("physical", "given"))
    return order


def _strength(levels: Sequence[float], values: Mapping[str, float]) -> str:
    """How strong, in words."""
    told = [f"levels {', '.join(f'{level:g}' for level in levels)}"] if levels else []
    return ", ".join(told + [f"{name} {value:g}" for name, value in values.items()])
