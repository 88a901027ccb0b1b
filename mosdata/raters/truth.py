"""The value of a system: three definitions that corpora use, and how far they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from mosdata.errors import InvalidRatings, InvalidValue, UnknownName
from mosdata.manifests.ids import JSON
from mosdata.raters.correlation import MIN_ITEMS, spearman
from mosdata.raters.counting import Floats, Ints, counts, ratio, totals
from mosdata.raters.estimate import Estimate
from mosdata.raters.panel import Panel

Definition = Literal["mean of clip means", "mean of ratings", "table"]

BY_CLIPS: Final[Definition] = "mean of clip means"
BY_RATINGS: Final[Definition] = "mean of ratings"
TABLE: Final[Definition] = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemTruth:
    """The value of each system, and which definition it follows.

    Args:
        definition: ``mean of clip means`` (unweighted, the rule of the VoiceMOS challenges),
            ``mean of ratings`` (clips with more votes weigh more), or ``table`` (published).
        names: systems, sorted.
        value_S: value of each, raw.
        num_clips_S: clips of each.
        num_ratings_S: ratings of each; votes of published means are among them.
    """

    definition: Definition
    names: tuple[str, ...]
    value_S: Floats
    num_clips_S: Ints
    num_ratings_S: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthGap:
    """How far two definitions of system truth differ.

    Args:
        definitions: which two.
        max_difference: largest difference of a system, in points.
        srcc: rank correlation of the two.
    """

    definitions: tuple[Definition, Definition]
    max_difference: Estimate
    srcc: Estimate

    def to_json(self) -> dict[str, JSON]:
        """Keys definitions, max_difference, srcc."""
        return {
            "definitions": list(self.definitions),
            "max_difference": self.max_difference.to_json(),
            "srcc": self.srcc.to_json(),
        }


def system_truth(
    panel: Panel,
    *,
    definition: Definition = BY_CLIPS,
    table: Mapping[str, float] | None = None,
) -> SystemTruth:
    """The value of every system that has rated clips.

    Args:
        panel: the ratings.
        definition: which of the three.
        table: value of each system as it was published, for ``definition="table"``; systems that
            no rated clip is of are not in the result.

    Raises:
        UnknownName: no such definition.
        InvalidRatings: no clip has a system.
        InvalidValue: no table is given for ``table``, or it lacks a system or a finite value.
    """
    if definition not in get_args(Definition):
        raise UnknownName("definition of system truth", definition, get_args(Definition))
    if not panel.num_systems:
        raise InvalidRatings(
            "No clip has a system, so there is no value of a system. Give the system of each clip."
        )
    names = tuple(panel.system_names.to_pylist())
    known_C, size = panel.system_C >= 0, panel.num_systems
    system_C, votes_C = panel.system_C[known_C], panel.clips.votes_C[known_C]
    mean_C = panel.clips.mean_C[known_C]
    clips_S, ratings_S = counts(system_C, size), totals(system_C, votes_C, size)
    if definition == BY_CLIPS:
        value_S = ratio(totals(system_C, mean_C, size), clips_S)
    elif definition == BY_RATINGS:
        value_S = ratio(totals(system_C, votes_C * mean_C, size), ratings_S)
    else:
        value_S = _from_table(names, table)
    return SystemTruth(
        definition=definition,
        names=names,
        value_S=value_S,
        num_clips_S=clips_S,
        num_ratings_S=ratings_S.astype(np.intp),
    )


def truth_gap(first: SystemTruth, second: SystemTruth) -> TruthGap:
    """How far two truths of the same systems differ.

    Raises:
        InvalidValue: they are of different systems.
    """
    if first.names != second.names:
        odd = sorted({*first.names} ^ {*second.names})
        raise InvalidValue("Systems of one truth only", odd[:5], "the same systems in both")
    method = f"{first.definition} against {second.definition}"
    srcc = Estimate.of(
        spearman(first.value_S, second.value_S),
        method,
        reason=f"fewer than {MIN_ITEMS} systems, or all of one value",
    )
    largest = float(np.abs(first.value_S - second.value_S).max(initial=0.0))
    return TruthGap(
        definitions=(first.definition, second.definition),
        max_difference=Estimate.of(largest, method),
        srcc=srcc,
    )


def _from_table(names: tuple[str, ...], table: Mapping[str, float] | None) -> Floats:
    if table is None:
        raise InvalidValue("table", None, "the value of each system by its name")
    missing = [name for name in names if not math.isfinite(table.get(name, math.nan))]
    if missing:
        raise InvalidValue(
            "The table of systems",
            f"without a finite value for {len(missing)} systems ({', '.join(missing[:5])})",
            "a value for every system of the rated clips",
        )
    return np.array([float(table[name]) for name in names], dtype=np.float64)
