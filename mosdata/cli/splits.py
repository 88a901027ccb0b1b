"""``mosdata splits``: deal clips out by what they share, and find what a split lets through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosdata.cli.options import WORKSPACE, AsJson

if TYPE_CHECKING:
    from mosdata.builders.split_check import Lookup, SplitCheck
    from mosdata.builders.split_sets import MadeSplits
    from mosdata.manifests.group_rules import GroupRule
    from mosdata.manifests.leaks import KeyFinding

DEFAULT_SHARES = "8:1:1"


def make(
    source: Annotated[
        list[Path], typer.Argument(help="Dataset folder, or one or more tables (CSV, TSV).")
    ],
    by: Annotated[
        str,
        typer.Option(
            help="Keys that no two splits may share, separated by commas: system, sentence, "
            "speaker, source, text, dataset, rater."
        ),
    ] = "",
    shares: Annotated[
        str, typer.Option(help="train:validation:test, or train:validation. Default: 8:1:1.")
    ] = "",
    folds: Annotated[
        int | None, typer.Option(help="This many folds in place of train, validation, test.")
    ] = None,
    leave_out: Annotated[
        str, typer.Option(help="A key; each of its groups is a fold of its own.")
    ] = "",
    rule: Annotated[
        str, typer.Option(help="A rule made before, FILE.rule.json or DATASET:NAME; moves nobody.")
    ] = "",
    salt: Annotated[
        str, typer.Option(help="Another salt gives another split of the same shares.")
    ] = "",
    name: Annotated[
        str, typer.Option(help="Name of the split set. Default: a name made from the rule.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="CSV file, for tables only. Default: ./out/NAME.csv."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Split a dataset or a table so that no system, sentence, ... is on two sides.

    A dataset gets a named split set beside its clips, for train --splits; tables give a CSV file.
    """
    from mosdata.builders.split_sets import (
        default_name,
        make_split_set,
        make_split_table,
        read_rule,
    )
    from mosdata.cli import console
    from mosdata.errors import UsageError
    from mosdata.manifests.store import open_dataset

    if rule and (by or shares or folds is not None or leave_out or salt):
        raise UsageError("--rule says all by itself: leave out --by, --shares, --folds and --salt.")
    wanted = read_rule(rule) if rule else _rule(by, shares, folds, leave_out, salt)
    if len(source) == 1 and source[0].is_dir():
        if out is not None:
            raise UsageError("--out is for tables; a dataset keeps its split sets itself (--name).")
        dataset = open_dataset(source[0])
        made = make_split_set(dataset, wanted, name=name or None, keep_salt=bool(rule))
        use = f"{made.name}:{made.parts[0]}" if wanted.shares is None else made.name
        following = f"mosdata train moe {source[0]} --splits {use}"
    else:
        place = out or WORKSPACE / f"{name or default_name(wanted)}.csv"
        made = make_split_table(source, wanted, place, keep_salt=bool(rule))
        following = ""
    _show_made(made, following)
    console.result(made.to_json(), as_json=as_json, plain=made.place)


def _rule(by: str, shares: str, folds: int | None, leave_out: str, salt: str) -> GroupRule:
    from mosdata.errors import UsageError
    from mosdata.manifests.group_rules import GroupRule
    from mosdata.manifests.groups import SPLIT_KEYS
    from mosdata.manifests.splits import SplitRule

    if sum((bool(shares), folds is not None, bool(leave_out))) > 1:
        raise UsageError("Give one of --shares, --folds and --leave-out, not several.")
    if bool(by) == bool(leave_out):
        raise UsageError(
            "Say what to split by: --by KEY[,KEY] or --leave-out KEY. Keys: "
            f"{', '.join(SPLIT_KEYS)}."
        )
    if leave_out:
        return GroupRule(by=(leave_out.strip(),), salt=salt)
    keys = tuple(key.strip() for key in by.split(","))
    if folds is not None:
        return GroupRule(by=keys, folds=folds, salt=salt)
    parsed = SplitRule.parse(shares or DEFAULT_SHARES, option="--shares")
    return GroupRule(by=keys, shares=parsed.shares, salt=salt)


def _show_made(made: MadeSplits, following: str) -> None:
    from mosdata.cli import console
    from mosdata.manifests.splits import UNUSED

    total = sum(made.counts.values())
    title = f"{made.name}: {made.rule} (salt {made.rule.salt!r})"
    what = "test rows of fold" if made.rule.shares is None else "split"
    rows = [
        [part, count, f"{count / total:.1%}"]
        for part, count in made.counts.items()
        if count or part != UNUSED
    ]
    console.table(title, [what, made.rows, "share"], rows)
    if made.num_unknown:
        console.note(f"{made.num_unknown:,} {made.rows} lack one of the keys and are unused.")
    for remark in made.notes:
        console.note(remark)
    done = "was there already" if made.was_complete else "made"
    console.say(f"Split {made.name!r} {done}: {made.place}")
    if following:
        console.say(f"Next: {following}")


def check(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="Dataset folder; or files of splits (train.csv test.csv, or test=FILE); or one "
            "table with a column 'split'. Default: the newest dataset under ./out."
        ),
    ] = None,
    splits: Annotated[
        str, typer.Option(help="Split set of the dataset, NAME or NAME:FOLD. Default: its files.")
    ] = "",
    by: Annotated[
        str,
        typer.Option(
            help="Keys that the split claims to hold out, separated by commas. Default: those of "
            "the split set, or sentence."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Find what train and test share, and what a table that learnt nothing makes of it.

    Exit code 0: clean, 1: a leak.
    """
    from mosdata.builders.split_check import check_dataset, check_tables
    from mosdata.cli import console
    from mosdata.cli.found import dataset_or_newest
    from mosdata.errors import UsageError

    keys = tuple(key.strip() for key in by.split(",")) if by else None
    if not source or (len(source) == 1 and Path(source[0]).is_dir()):
        named = Path(source[0]) if source else None
        dataset = dataset_or_newest(named, stages=None, first="mosdata import TABLE")
        found = check_dataset(dataset, splits=splits or None, by=keys)
    elif splits:
        raise UsageError("--splits names a split set of a dataset; give its folder.")
    else:
        found = check_tables(source, by=keys)
    _show_check(found)
    verdict = f"leak: {', '.join(found.report.leaks)}" if found.report.leaks else "clean"
    console.result(found.to_json(), as_json=as_json, plain=verdict)
    if found.report.leaks:
        raise typer.Exit(1)


def _show_check(found: SplitCheck) -> None:
    from mosdata.cli import console

    report = found.report
    sizes = ", ".join(f"{name} {count:,}" for name, count in report.num_rows.items())
    rows = [row for finding in report.keys for row in _finding_rows(finding)]
    header = ["key", "between", "values on both sides", "rows spoiled", "share", "verdict"]
    console.table(f"What the splits share ({found.rows}: {sizes})", header, rows)
    for finding in report.keys:
        if finding.num_unknown and finding.verdict != "unknown":
            console.note(
                f"{finding.num_unknown:,} rows have no {finding.key}; they could not be checked."
            )
    for lookup in found.lookups:
        console.say(_demonstration(lookup))


def _finding_rows(finding: KeyFinding) -> list[list[object]]:
    """Lines of the table: every crossing of a leak; of what is for information, train and test."""
    if not finding.crossings:
        return [[finding.key, "", "", "", "", finding.verdict]]
    shown = finding.crossings
    if finding.verdict != "leak":
        shown = (max(shown, key=lambda c: (c.between[0] == "train", c.between[1] == "test")),)
    return [
        [
            finding.key,
            " and ".join(crossing.between),
            f"{crossing.num_values:,} of {finding.num_values:,}",
            f"{crossing.num_rows:,} of {crossing.between[1]}",
            f"{crossing.share:.1%}",
            finding.verdict,
        ]
        for crossing in shown
    ]


def _demonstration(lookup: Lookup) -> str:
    if lookup.lcc is None or lookup.srcc is None:
        return (
            f"Train means of each {lookup.key}, looked up for {lookup.split}: too few spoiled rows "
            f"with scores ({lookup.num_rows:,})."
        )
    left = "nothing to look up"
    if lookup.without_lcc is not None and lookup.without_srcc is not None:
        left = f"means of systems, LCC {lookup.without_lcc:.3f}, SRCC {lookup.without_srcc:.3f}"
    return (
        f"A table of train means by {lookup.key}, which learnt nothing, reaches LCC "
        f"{lookup.lcc:.3f}, SRCC {lookup.srcc:.3f} on the {lookup.num_rows:,} spoiled rows of "
        f"{lookup.split}; with the leak removed: {left}."
    )
