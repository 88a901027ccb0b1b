"""``mosdata ratings``: what people's scores are worth, without their habits, and for newcomers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mosdata.cli.options import AsJson

if TYPE_CHECKING:
    import pyarrow as pa

    from mosdata.cli.rated import Rated
    from mosdata.evaluation.listeners import Listener
    from mosdata.raters.adapt import AdaptationPoint
    from mosdata.raters.debias import Debiased, Method
    from mosdata.raters.halves import SplitHalf
    from mosdata.raters.inspection import Inspection
    from mosdata.raters.panel import Panel

Source = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Dataset folder, or one or more tables in any layout. Default: the newest dataset "
        "under ./out."
    ),
]
Dimension = Annotated[
    str | None, typer.Option(help="What was judged. Default: mos, ovrl or the only one.")
]
Layout = Annotated[str | None, typer.Option(help="Layout of the tables. Default: found out.")]
Mapping = Annotated[
    Path | None, typer.Option(help="TOML file that names the columns of a layout of your own.")
]
Scale = Annotated[
    str | None, typer.Option(help="Scale of the tables' scores. Default: as the layout says.")
]
MAX_SHOWN = 8


def inspect(
    source: Source = None,
    dimension: Dimension = None,
    layout: Layout = None,
    mapping: Mapping = None,
    scale: Scale = None,
    kind: Annotated[str, typer.Option(help="human, or the metric that gave the scores.")] = "human",
    page: Annotated[
        Path | None,
        typer.Option(
            help="HTML file with the figures. Default: ratings.html in the run folder beside a "
            "dataset, or here for tables."
        ),
    ] = None,
    no_page: Annotated[bool, typer.Option("--no-page", help="Write no page.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at ratings: how far people agree, what they have in common, what a judge can reach."""
    from mosdata.cli import console
    from mosdata.cli.rated import Reading, beside, rated
    from mosdata.errors import MissingExtra
    from mosdata.evaluation.ratings_page import PAGE_NAME, write_ratings_page
    from mosdata.evaluation.report import check_report
    from mosdata.raters.inspection import inspect as look

    if page is not None and not no_page:
        check_report()
    reading = Reading(layout=layout, mapping=mapping, scale=scale)
    given = rated(source or [], dimension=dimension, reading=reading)
    panel = given.panel(kind=kind, dimension=dimension)
    found = look(panel, findings=given.findings, published=given.published(panel) or None)
    _show(found, given.name)
    written: Path | None = None
    if not no_page:
        written = page or beside(given, PAGE_NAME)
        try:
            write_ratings_page(written, found, name=given.name)
            console.say(f"Page: {written.resolve().as_uri()}")
        except MissingExtra as missing:
            console.note(f"No page was written. {missing}")
            written = None
    value = {"source": given.name, "page": str(written) if written else None, **found.to_json()}
    console.result(value, as_json=as_json, plain=written or given.name)


def _show(found: Inspection, name: str) -> None:
    """The summary in the terminal: counts, what a judge can reach, and what to do about it."""
    from mosdata.cli import console
    from mosdata.evaluation.ratings_page import sentences, votes_words

    panel, design = found.panel, found.design
    votes = design.votes_per_clip
    people = f"{panel.num_raters:,} raters" if panel.num_raters else "raters not named"
    systems = f", {panel.num_systems:,} systems" if panel.num_systems else ""
    means = int(panel.published.clip_M.size)
    given = [f"{panel.num_ratings:,} ratings"] if panel.num_ratings else []
    given += [f"{means:,} published means"] if means else []
    console.say(
        f"{name}: {' and '.join(given)} of {panel.num_clips:,} clips ({panel.dimension}, "
        f"{panel.scale}), {people}{systems}; per clip {votes_words(votes)}; "
        f"design: {design.name}."
    )
    console.table("What the ratings can tell", ["", "value", "how"], _facts(found))
    ceilings: list[list[object]] = [
        [c.level, c.against, _known(c.lcc), _known(c.srcc), c.source]
        for c in found.ceilings
        if c.lcc.value is not None
    ]
    if ceilings:
        header = ["level", "against", "LCC", "SRCC", "from"]
        console.table("What a perfect judge would score", header, ceilings)
    if any(half.lcc.value is not None for half in found.halves):
        _show_halves("Two halves of the listeners that share nobody", found.halves)
    for sentence in sentences(found):
        console.say(sentence)
    console.show_findings(found.findings)


def _facts(found: Inspection) -> list[list[object]]:
    reliability, human = found.reliability, found.human_error
    told: list[tuple[str, Any, str]] = [
        ("reliability of one rating", reliability.single, reliability.single.method),
        ("reliability of a clip's mean", reliability.of_mean,
         f"at {reliability.mean_votes:.3g} votes"),
        ("RMSE_human", human.rmse, "one listener against the clip's mean"),
        ("spread of raters' means", reliability.rater_mean_std, "standard deviation"),
    ]  # fmt: skip
    rows: list[list[object]] = [
        [name, _known(estimate), how if estimate.value is not None else estimate.reason]
        for name, estimate, how in told
    ]
    if found.offsets is not None:
        row = [f"{found.offsets.min:+.2f} to {found.offsets.max:+.2f}", "harshest to mildest"]
        rows.append(["raters' offsets", *row])
    return rows


def _known(estimate: Any) -> str:
    return "n/a" if estimate.value is None else f"{estimate.value:.3f}"


def _show_halves(title: str, halves: tuple[SplitHalf, ...]) -> None:
    from mosdata.cli import console

    rows = [
        [half.level, half.debiased, _known(half.lcc), _known(half.srcc), _known(half.mse)]
        for half in halves
    ]
    console.table(title, ["level", "de-biased", "LCC", "SRCC", "MSE"], rows)


def debias(
    source: Source = None,
    method: Annotated[str, typer.Option(help="additive, zscore or affine.")] = "additive",
    shrinkage: Annotated[
        float,
        typer.Option(help="So many ratings that say a rater is like the others; 0 for none."),
    ] = 5.0,
    dimension: Dimension = None,
    layout: Layout = None,
    mapping: Mapping = None,
    scale: Scale = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="For tables: CSV or Parquet file of the clips; raters go beside it. Default: "
            "./out/NAME-debiased.csv.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take out of the scores what each listener adds to every clip.

    A dataset gets the result as ratings of the kind "debiased", for train --target debiased.mos;
    of tables two files are made. What was given stays as it is.
    """
    from mosdata.cli import console
    from mosdata.cli.rated import Reading, default_table, rated
    from mosdata.errors import UsageError
    from mosdata.raters.debias import debias as fit
    from mosdata.raters.halves import agreement_lift

    reading = Reading(layout=layout, mapping=mapping, scale=scale)
    given = rated(source or [], dimension=dimension, reading=reading)
    if given.dataset is not None and out is not None:
        raise UsageError("--out is for tables; a dataset keeps its de-biased scores itself.")
    panel = given.panel(kind="human", dimension=dimension)
    _check_named(panel, given.name)
    found = fit(panel, method=cast("Method", method), shrinkage=shrinkage)
    lift = agreement_lift(panel, method=found.method, shrinkage=shrinkage)
    if given.dataset is not None:
        value = _add_to_dataset(given, panel, found)
    else:
        value = _write_tables(given, panel, found, out or default_table(given, "debiased"))
    _show_halves("Agreement of two halves of the listeners that share nobody", lift)
    outside = int((~panel.scale.allows(found.quality_C)).sum())
    if outside:
        console.note(f"{outside:,} de-biased scores lie outside {panel.scale}; they are not cut.")
    value |= {
        "dimension": panel.dimension,
        "scale": panel.scale.name,
        "method": found.method,
        "shrinkage": found.shrinkage,
        "clips": panel.num_clips,
        "raters": panel.num_raters,
        "outside_scale": outside,
        "agreement": [half.to_json() for half in lift],
    }
    console.result(value, as_json=as_json, plain=value["path"])


def _check_named(panel: Panel, name: str) -> None:
    from mosdata.errors import InvalidRatings

    if not panel.num_raters:
        raise InvalidRatings(
            f"{name} does not say who rated what, so no habit can be told from a clip. Give a "
            "table with a column for the rater."
        )


def _add_to_dataset(given: Rated, panel: Panel, found: Debiased) -> dict[str, Any]:
    from mosdata.builders.debiased import add_debiased_ratings
    from mosdata.cli import console

    assert given.dataset is not None
    added = add_debiased_ratings(given.dataset, panel, found)
    done = "were there already" if added.was_complete else "added"
    folder = given.dataset.folder
    console.say(f"De-biased scores of {added.num_ratings:,} clips {done}: {folder}")
    console.say(f"Next: mosdata train moe {folder} --target debiased.{panel.dimension}")
    return {"path": str(folder), "set": added.name, "raters_path": None,
            "was_complete": added.was_complete}  # fmt: skip


def _write_tables(given: Rated, panel: Panel, found: Debiased, out: Path) -> dict[str, Any]:
    from mosdata.cli import console

    clips = found.clips_table(panel).select(["clip_id", "quality", "votes"])
    clips = clips.rename_columns(["clip", "mos_debiased", "votes"]).sort_by("clip")
    beside = out.with_name(f"{out.stem}-raters{out.suffix}")
    _write_table(out, clips, given)
    _write_table(beside, found.raters_table(panel), given)
    console.say(f"{clips.num_rows:,} clips: {out}")
    console.say(f"{panel.num_raters:,} raters and their offsets: {beside}")
    return {"path": str(out), "set": None, "raters_path": str(beside), "was_complete": False}


def _write_table(path: Path, table: pa.Table, given: Rated) -> None:
    """Write a table as a whole, in the form that its name ends with.

    Raises:
        OutputConflict: this would replace what was given.
        InvalidValue: neither CSV nor Parquet, or a place where nothing may be written.
    """
    import pyarrow.csv as arrow_csv
    import pyarrow.parquet as pq

    from mosdata.errors import InvalidValue, OutputConflict
    from mosdata.manifests.durable import beside, sync_file

    if any(path.resolve() == source.resolve() for source in given.sources):
        raise OutputConflict(f"{path} is what was given, and is not changed. Give another --out.")
    if path.suffix not in (".csv", ".parquet"):
        raise InvalidValue("The name of the output", path.name, "a name in .csv or .parquet")
    partial = beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            arrow_csv.write_csv(table, partial)
        else:
            pq.write_table(table, partial)
        sync_file(partial)
        partial.replace(path)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        # Arrow's own have no file name, and a temporary one would tell nobody anything.
        raise InvalidValue("--out", str(path), "a file in a folder where you may write") from error


def adapt(
    source: Source = None,
    rater_csv: Annotated[
        Path | None,
        typer.Option(help="Table of the new raters' ratings: clip, rater and score."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="A judge's predictions.parquet, to adapt in place of the panel's quality."
        ),
    ] = None,
    shrinkage: Annotated[
        float, typer.Option(help="The offset is the sum of k differences over k + this.")
    ] = 2.0,
    curve: Annotated[
        bool, typer.Option("--curve", help="Measure on the panel what k ratings are worth.")
    ] = False,
    dimension: Dimension = None,
    layout: Layout = None,
    mapping: Mapping = None,
    scale: Scale = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="CSV or Parquet file: what each new rater would say of the remaining clips. "
            "Default: ./out/NAME-adapted.csv.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn raters whom nobody has heard of from a few of their ratings.

    The panel of SOURCE says how good clips are; each new rater's offset is what he or she adds.
    """
    from mosdata.cli import console
    from mosdata.cli.rated import Reading, rated
    from mosdata.errors import UsageError

    if rater_csv is None and not curve:
        raise UsageError("Give the new raters' ratings with --rater-csv FILE, or ask for --curve.")
    reading = Reading(layout=layout, mapping=mapping, scale=scale)
    given = rated(source or [], dimension=dimension, reading=reading)
    panel = given.panel(kind="human", dimension=dimension)
    value: dict[str, Any] = {"dimension": panel.dimension, "scale": panel.scale.name}
    plain: object = given.name
    if rater_csv is not None:
        learnt = _learn(given, panel, rater_csv, predictions, shrinkage, out)
        plain = learnt["path"]
        value |= learnt
    if curve:
        value["curve"] = _curve(panel, shrinkage)
    console.result(value, as_json=as_json, plain=plain)


def _learn(
    given: Rated,
    panel: Panel,
    rater_csv: Path,
    predictions: Path | None,
    shrinkage: float,
    out: Path | None,
) -> dict[str, Any]:
    from mosdata.cli import console
    from mosdata.cli.rated import default_table
    from mosdata.evaluation.listeners import known_listeners, told_ratings
    from mosdata.raters.adapt import calibrate
    from mosdata.raters.components import variance_components

    ratings = _new_ratings(rater_csv, panel)
    quality = _predicted(predictions) if predictions else _quality(panel)
    found = calibrate(quality, ratings, shrinkage=shrinkage)
    _check_matched(found.count_R.sum(), rater_csv, predictions or given.name)
    residual = None if predictions else variance_components(panel).residual
    listeners = known_listeners(found, quality, ratings, residual=residual, shrinkage=shrinkage)
    path = out or default_table(given, "adapted")
    told = told_ratings(found, quality, ratings)
    _write_table(path, told, given)
    _show_listeners(listeners)
    if found.num_unmatched:
        console.note(f"{found.num_unmatched:,} ratings are of clips of unknown quality: left out.")
    if found.num_unnamed:
        console.note(f"{found.num_unnamed:,} ratings name no rater and are left out.")
    console.say(f"What they would say of {told.num_rows:,} further pairs: {path}")
    return {
        "path": str(path),
        "raters": [asdict(listener) for listener in listeners],
        "unmatched": found.num_unmatched,
        "unnamed": found.num_unnamed,
        "told": told.num_rows,
    }


def _new_ratings(path: Path, panel: Panel) -> Panel:
    """The new raters' ratings, on the scale of the panel.

    Raises:
        InvalidRatings: nobody is named, some are of the panel itself, or scores are off its scale.
    """
    from mosdata.cli.rated import Reading, rated
    from mosdata.errors import InvalidRatings

    reading = Reading(scale=panel.scale.name)
    given = rated([path], dimension=panel.dimension, reading=reading)
    ratings = given.panel(kind="human", dimension=panel.dimension)
    _check_named(ratings, path.name)
    both = {*ratings.rater_names.to_pylist()} & {*panel.rater_names.to_pylist()}
    if both:
        raise InvalidRatings(
            f"{', '.join(sorted(both)[:MAX_SHOWN])} of {path} are raters of the panel already, and "
            "their ratings are in it. Give new raters, or other names to people who share one."
        )
    return ratings


def _quality(panel: Panel) -> dict[str, float]:
    from mosdata.raters.debias import debias as fit

    values = fit(panel).quality_C.tolist()
    return dict(zip(panel.clip_names.to_pylist(), values, strict=True))


def _predicted(path: Path) -> dict[str, float]:
    """Predictions by clip; clips without one are left out."""
    import pyarrow as pa

    from mosdata.errors import InvalidRatings
    from mosdata.manifests.predictions import read_predictions

    try:
        rows = read_predictions(path)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise InvalidRatings(
            f"{path} cannot be read as predictions ({error}). Give the predictions.parquet that "
            "mosdata evaluate writes."
        ) from error
    return {row.clip_id: row.mos_pred for row in rows if row.mos_pred is not None}


def _check_matched(count: int, path: Path, known: object) -> None:
    from mosdata.errors import InvalidRatings

    if not count:
        raise InvalidRatings(
            f"No clip of {path} is in {known}, so nothing can be learnt of its raters. Have them "
            "rate some clips that the panel has rated."
        )


def _show_listeners(listeners: tuple[Listener, ...]) -> None:
    from mosdata.cli import console

    rows: list[list[object]] = [
        [
            row.rater,
            row.ratings,
            f"{row.offset:+.2f}",
            "n/a" if row.low is None else f"{row.low:+.2f} to {row.high:+.2f}",
        ]
        for row in listeners[:MAX_SHOWN]
    ]
    console.table("What new raters add", ["rater", "ratings", "offset", "95 % interval"], rows)
    if len(listeners) > MAX_SHOWN:
        console.note(f"{len(listeners) - MAX_SHOWN:,} more raters are in the JSON (--json).")


def _curve(panel: Panel, shrinkage: float) -> list[dict[str, Any]]:
    """What k ratings of an unseen rater are worth, measured on the panel."""
    from mosdata.cli import console
    from mosdata.raters.adapt import adaptation_curve

    points = adaptation_curve(panel, shrinkage=shrinkage)
    rows = [_point(point) for point in points]
    header = ["k", "MSE before", "MSE", "LCC before", "LCC", "SRCC before", "SRCC"]
    console.table("Half of the raters unseen, but for k ratings each", header, rows)
    return [point.to_json() for point in points]


def _point(point: AdaptationPoint) -> list[object]:
    cells = [
        _known(side[name])
        for name in ("mse", "lcc", "srcc")
        for side in (point.before, point.after)
    ]
    return [point.k, *cells]
