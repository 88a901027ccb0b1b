"""Systems one by one: what they are held against, how sure that is, and what the judge says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mosdata.evaluation.findings import SystemRow
from mosdata.evaluation.metrics import lcc, mse, srcc
from mosdata.evaluation.ranking import Ranks, TrueValue, mean_with_interval, rank
from mosdata.evaluation.scored import is_classified, is_scored, present, truth_and_prediction
from mosdata.evaluation.truth import FROM_CLIPS, TruthTable
from mosdata.manifests.predictions import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemTruth:
    """What systems are held against, and which places that leaves open.

    ``title`` names the truth; ``values`` are in the order of ``ranks``, systems without a truth
    are absent.
    """

    title: str
    values: Mapping[str, TrueValue]
    ranks: Ranks


def system_truth_of(
    rows: Sequence[Prediction], table: TruthTable | None, notes: list[str]
) -> SystemTruth:
    """The truth of each system: of a table, or the unweighted mean of its clips' targets.

    Args:
        rows: clips with truth and prediction.
        table: where it comes from; the clips themselves where None.
        notes: gets a line for systems that the table does not have.
    """
    groups = by_system(rows)
    if table is None:
        values = {
            name: mean_with_interval(truth_and_prediction(mine)[0]) for name, mine in groups.items()
        }
        return _truth(FROM_CLIPS, values)
    if missing := table.left_out(groups):
        notes.append(
            f"{len(missing)} of {len(groups)} systems are not in {table.name} and are left out "
            f"at the level of systems: {', '.join(missing)}."
        )
    values = {
        name: TrueValue(value=table.values[name], half_width=table.ci.get(name))
        for name in groups
        if name in table.values
    }
    return _truth(table.title, values)


def _truth(title: str, values: Mapping[str, TrueValue]) -> SystemTruth:
    return SystemTruth(title=title, values=values, ranks=rank([*values.values()]))


def by_system(rows: Sequence[Prediction]) -> dict[str, list[Prediction]]:
    """Rows of each system, by name."""
    groups: dict[str, list[Prediction]] = {}
    for row in rows:
        groups.setdefault(row.system, []).append(row)
    return {name: groups[name] for name in sorted(groups)}


def system_rows(rows: Sequence[Prediction], truth: SystemTruth) -> tuple[SystemRow, ...]:
    """One row a system, by name."""
    places = {
        name: (truth.ranks.best[place], truth.ranks.worst[place])
        for place, name in enumerate(truth.values)
    }
    return tuple(
        _row(name, mine, truth.values.get(name), places.get(name))
        for name, mine in by_system(rows).items()
    )


def _row(
    name: str,
    rows: Sequence[Prediction],
    held: TrueValue | None,
    places: tuple[int, int] | None,
) -> SystemRow:
    true, pred = truth_and_prediction([row for row in rows if is_scored(row)])
    hits = [row.class_true == row.class_pred for row in rows if is_classified(row)]
    return SystemRow(
        system=name,
        n=len(rows),
        mean_true=float(true.mean()) if true.size else None,
        truth=held.value if held else None,
        truth_low=held.low if held else None,
        truth_high=held.high if held else None,
        rank_best=places[0] if places else None,
        rank_worst=places[1] if places else None,
        mean_pred=float(pred.mean()) if true.size else None,
        bias=float(pred.mean() - held.value) if held else None,
        mse=present(mse(true, pred)),
        lcc=present(lcc(true, pred)),
        srcc=present(srcc(true, pred)),
        accuracy=sum(hits) / len(hits) if hits else None,
    )
