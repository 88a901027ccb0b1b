"""``splits make``: deal out the clips of a dataset, or of a table, by a rule that is kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mosdata.builders.ground import run_lock
from mosdata.builders.split_files import write_split_file
from mosdata.builders.split_tables import read_rows
from mosdata.builders.stage import run_folder
from mosdata.errors import InvalidValue, OutputConflict, UsageError
from mosdata.manifests.durable import create_text, write_json
from mosdata.manifests.group_rules import Dealt, GroupRule, balanced, deal
from mosdata.manifests.groups import RATER, keys_of, known, whole
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import HUMAN
from mosdata.manifests.split_sets import check_set_name, split_set_entry
from mosdata.manifests.store import (
    Dataset,
    damage_named,
    open_dataset,
    write_manifest,
)

RULE_SUFFIX: Final = ".rule.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeSplits:
    """What was made: where, under which name, and how many rows went where.

    Args:
        place: the dataset folder, or the CSV file.
        name: of the split set; the stem of the CSV file.
        rows: ``clips``, or ``ratings`` where the rater is among the keys.
        rule: with the salt that was chosen.
        parts: splits, or folds in order.
        counts: rows by split, or test rows by fold; ``unused`` counts the rest.
        num_unknown: rows, among the unused, where a key is not known.
        notes: for people.
        was_complete: whether all this was there already.
    """

    place: Path
    name: str
    rows: str
    rule: GroupRule
    parts: tuple[str, ...]
    counts: Mapping[str, int]
    num_unknown: int
    notes: tuple[str, ...] = ()
    was_complete: bool = False

    def to_json(self) -> dict[str, Any]:
        """With documented, stable keys (docs/cli.md)."""
        values = {**asdict(self), "place": str(self.place), "rule": self.rule.to_json()}
        return {**values, "counts": dict(self.counts)}


def default_name(rule: GroupRule) -> str:
    """A name for a set, from its rule.

    Example:
        >>> default_name(GroupRule(by=("system", "sentence"), folds=5))
        'by-system-sentence-5-folds'
    """
    if rule.leaves_one_out:
        return f"leave-out-{rule.by[0]}"
    by = f"by-{'-'.join(rule.by)}"
    if rule.folds is not None:
        return f"{by}-{rule.folds}-folds"
    return f"{by}-{'-'.join(f'{share:g}' for share in rule.shares or ())}"


def read_rule(source: str) -> GroupRule:
    """A rule that was made before: ``FILE.rule.json``, or ``DATASET:NAME``.

    Raises:
        UsageError: there is none.
    """
    path = Path(source)
    if path.is_file():
        try:
            return GroupRule.from_json(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise InvalidValue("--rule", source, "a file that 'splits make' wrote") from error
    folder, _, name = source.rpartition(":")
    if not folder:
        raise UsageError(f"--rule {source}: no such file. Give FILE{RULE_SUFFIX} or DATASET:NAME.")
    manifest = open_dataset(folder).manifest
    for entry in manifest.get("split_sets", []):
        if entry["name"] == name:
            return GroupRule.from_json(entry["rule"])
    split_set_entry(manifest, name)  # raises, with the names that there are
    raise AssertionError(name)


def make_split_set(
    dataset: Dataset, rule: GroupRule, *, name: str | None = None, keep_salt: bool = False
) -> MadeSplits:
    """Add a split set to a dataset; its clips, and the splits of its files, stay as they are.

    Args:
        dataset: a finished one.
        rule: what to go by; its salt is chosen for balance and kept in the set.
        name: of the set; from the rule where None.
        keep_salt: take the salt of the rule as it is, as for a rule that was made before.

    Raises:
        UsageError: a key has no or one value, or a part stays empty.
        OutputConflict: the dataset has another set of this name.
    """
    name = check_set_name(name or default_name(rule))
    rows, keys, notes = _dataset_rows(dataset, rule.by)
    dealt = deal(rule if keep_salt else balanced(rule, keys), keys)
    made = _made(dataset.folder, name, dealt, notes)
    table = rows.append_column(dealt.column, dealt.labels)
    with run_lock(run_folder(dataset.folder)):
        if _has_already(open_dataset(dataset.folder), made):
            return _made(dataset.folder, name, dealt, notes, was_complete=True)
        _add(open_dataset(dataset.folder), table, made)
    return made


def make_split_table(
    paths: Sequence[Path], rule: GroupRule, out: Path, *, keep_salt: bool = False
) -> MadeSplits:
    """Deal out the clips of tables, and write a CSV file of clip[, rater] and split.

    The rule goes beside it, into ``OUT.rule.json``, so that a grown table can be dealt out alike.

    Args:
        paths: tables with a header; their rows are taken together.
        rule: as for :func:`make_split_set`.
        out: the CSV file to write.
        keep_salt: as for :func:`make_split_set`.

    Raises:
        UsageError: a table lacks a key, a key has no or one value, or a part stays empty.
        OutputConflict: ``out`` holds something else.
    """
    rows, keys = _table_rows(paths, rule.by)
    dealt = deal(rule if keep_salt else balanced(rule, keys), keys)
    text = _csv(rows, dealt)
    was_complete = not create_text(out, text)
    if was_complete and out.read_text(encoding="utf-8") != text:
        raise OutputConflict(
            f"{out} holds something else; nothing was touched. Give another --out."
        )
    write_json(out.with_suffix(RULE_SUFFIX), dealt.rule.to_json())
    return _made(out, out.stem, dealt, (), was_complete=was_complete)


def _made(
    place: Path, name: str, dealt: Dealt, notes: Sequence[str], *, was_complete: bool = False
) -> MadeSplits:
    by_rater_only = (
        [
            "The same clips are on several sides: raters are held out, clips are not. "
            "For both: --by rater,sentence."
        ]
        if {*dealt.rule.by} == {RATER}
        else []
    )
    return MadeSplits(
        place=place,
        name=name,
        rows="ratings" if RATER in dealt.rule.by else "clips",
        rule=dealt.rule,
        parts=dealt.parts,
        counts=dealt.counts,
        num_unknown=dealt.num_unknown,
        notes=(*notes, *dealt.notes, *by_rater_only),
        was_complete=was_complete,
    )


def _dataset_rows(
    dataset: Dataset, by: Sequence[str]
) -> tuple[pa.Table, dict[str, pa.Array], list[str]]:
    """Rows in the order of their names, the values of their keys, and what to tell."""
    clip_keys = [key for key in by if key != RATER]
    columns = [key for key in clip_keys if key != "source"]
    clips = dataset.table(["id", "parent_id", *columns]).sort_by("id")
    keys = keys_of(clips, clip_keys)
    ids = whole(clips["id"])
    notes = _absent_sources(clips)
    if RATER not in by:
        return pa.table({"clip_id": ids}), keys, notes
    rated, num_unnamed = rating_pairs(dataset)
    if not len(rated):
        raise UsageError(
            f"No person who rated clips of {dataset.folder} is named, so ratings cannot be dealt "
            "out by rater. Add ratings with 'mosdata label --ratings FILE.csv' (column rater)."
        )
    place = pc.index_in(whole(rated["clip_id"]), value_set=ids)
    if num_unnamed:
        notes.append(f"{num_unnamed:,} ratings without a named rater are in no split.")
    keys = {key: values.take(place) for key, values in keys.items()}
    return rated, {**keys, RATER: known(rated["rater"])}, notes


def _absent_sources(clips: pa.Table) -> list[str]:
    """What to tell where a clip's parent is not in the dataset: its parents are not known."""
    parents = known(clips["parent_id"]).drop_null()
    absent = parents.filter(pc.invert(pc.is_in(parents, value_set=whole(clips["id"]))))
    if not len(absent):
        return []
    return [
        f"{len(absent):,} clips are copies of {pc.count_distinct(absent).as_py():,} clips that are "
        "not in this dataset; whether those are copies of one another is not known here. The "
        "split sets that came with the dataset know it."
    ]


def rating_pairs(dataset: Dataset) -> tuple[pa.Table, int]:
    """Pairs of clip and rater who gave it a score, and the number of scores without a name."""
    parts = []
    for path in dataset.rating_files:
        with damage_named(path):
            parts.append(pq.read_table(path, columns=["clip_id", "kind", "rater"]))
    if not parts:
        return pa.table(
            {"clip_id": pa.array([], pa.string()), "rater": pa.array([], pa.string())}
        ), 0
    people = pa.concat_tables(parts).filter(pc.field("kind") == HUMAN)
    named = people.filter(pc.is_valid(pc.field("rater")))
    pairs = named.group_by(["clip_id", "rater"]).aggregate([])
    pairs = pairs.sort_by([("clip_id", "ascending"), ("rater", "ascending")])
    return pairs.combine_chunks(), len(people) - len(named)


def _table_rows(paths: Sequence[Path], by: Sequence[str]) -> tuple[pa.Table, dict[str, pa.Array]]:
    """Clips (or pairs of clip and rater) in the order of first mention, and their keys."""
    rows = pa.concat_tables([read_rows(path) for path in paths], promote_options="default")
    for key in by:
        if key != "source" and key not in rows.column_names:
            has = ", ".join(column for column in rows.column_names)
            raise UsageError(
                f"{', '.join(map(str, paths))}: there is no column for the {key}. Known columns: "
                f"{has}. Add one, or split by another key."
            )
    unit = ["id", RATER] if RATER in by else ["id"]
    firsts = rows.append_column("row", pa.array(range(len(rows)), pa.int64()))
    firsts = firsts.group_by(unit).aggregate([("row", "min")]).sort_by("row_min")
    place = whole(firsts["row_min"])
    keys = keys_of(rows, [key for key in by if key != RATER])
    found = {key: values.take(place) for key, values in keys.items()}
    if RATER in by:
        found[RATER] = known(rows[RATER]).take(place)
    names = {"clip" if name == "id" else name: whole(firsts[name]) for name in unit}
    return pa.table(names), found


def _csv(rows: pa.Table, dealt: Dealt) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*rows.column_names, dealt.column])
    labels = dealt.labels.fill_null("unused").to_pylist()
    columns = [column.to_pylist() for column in rows.columns]
    writer.writerows(zip(*columns, labels, strict=True))
    return text.getvalue()


def _has_already(dataset: Dataset, made: MadeSplits) -> bool:
    """Whether the dataset has this very set.

    Raises:
        OutputConflict: it has another one of this name.
    """
    for entry in dataset.manifest.get("split_sets", []):
        if entry["name"] == made.name:
            if entry["rule"] == made.rule.to_json() and entry["counts"] == dict(made.counts):
                return True
            raise OutputConflict(
                f"{dataset.folder} has another split set called {made.name!r} "
                f"({GroupRule.from_json(entry['rule'])}). Nothing was touched; give another --name."
            )
    return False


def _add(dataset: Dataset, table: pa.Table, made: MadeSplits) -> None:
    """Put the file into place, then name it in the manifest; until then it does not exist."""
    file = write_split_file(dataset.folder, made.name, table)
    entry: dict[str, JSON | object] = {
        "name": made.name,
        "rows": made.rows,
        "rule": made.rule.to_json(),
        "parts": [*made.parts],
        "counts": dict(made.counts),
        "num_unknown": made.num_unknown,
        "files": [file],
    }
    others = dataset.manifest.get("split_sets", [])
    write_manifest(dataset.folder, {**dataset.manifest, "split_sets": [*others, entry]})
