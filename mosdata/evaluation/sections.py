"""The parts of the report below the first screen; each is empty where there is nothing to show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mosdata.evaluation import plots
from mosdata.evaluation.baselines import COMPARED, Baseline, Verdict
from mosdata.evaluation.findings import Cell, Evaluation, SplitEvaluation, SystemRow
from mosdata.evaluation.gates import ExpertUse, most_information
from mosdata.evaluation.intervals import CONFIDENCE
from mosdata.evaluation.metrics import METRICS
from mosdata.evaluation.page import (
    MISSING,
    Content,
    audio,
    bullets,
    counted,
    details,
    figure,
    measured,
    number,
    spread,
    table,
    tag,
)
from mosdata.evaluation.scored import is_scored
from mosdata.manifests.predictions import Prediction

Body = list[Content]

METRIC_TITLES: Final = {
    "mse": "MSE, mean squared error",
    "rmse": "RMSE, its root",
    "mae": "MAE, mean absolute error",
    "lcc": "LCC, linear correlation",
    "srcc": "SRCC, rank correlation",
    "ktau": "KTAU, Kendall's tau-b",
    "ccc": "CCC, concordance",
}

CEILING_TITLES: Final = {
    "reliability": "Reliability of the truth",
    "lcc": "Ceiling of LCC",
    "normalised_lcc": "LCC over its ceiling",
    "srcc": "Ceiling of SRCC",
    "normalised_srcc": "SRCC over its ceiling",
}

OUTCOMES: Final = {
    "better": "better",
    "worse": "worse",
    "undecided": "inside the noise",
    "unknown": "cannot be decided",
}


def scores(split: SplitEvaluation, rows: Sequence[Prediction], target: str) -> Body:
    """Metrics at every level of analysis, and the clips and systems behind them."""
    body: Body = [tag("p", "Prediction against target; on the dotted line both are equal.")]
    judged = [row for row in rows if is_scored(row)]
    if judged:
        shown = len(plots.drawn_points(judged))
        part = "" if shown == len(judged) else f" {shown} of {len(judged)} clips are drawn."
        body.append(
            tag(
                "div",
                [
                    figure(
                        plots.utterance_scatter(judged, target=target),
                        f"Clips, coloured by system.{part}",
                    ),
                    figure(
                        plots.system_scatter(split.systems, target=target),
                        f"Systems, in the colours of the left figure. Truth: {split.system.truth}.",
                    ),
                ],
                class_="pair",
            )
        )
        residuals = figure(
            plots.residual_histogram(judged),
            "How far predictions are off; right of 0 is too kind.",
        )
        body.append(tag("div", [residuals, tag("div", _levels(split))], class_="pair"))
    else:
        body.append(_levels(split))
    return body


def _levels(split: SplitEvaluation) -> Content:
    rows = [
        (
            METRIC_TITLES[name],
            measured(split.utterance.metrics[name]),
            measured(split.system.metrics[name]),
            measured(split.within_system.metrics.get(name)),
        )
        for name in METRICS
    ]
    head = (
        "metric",
        counted(split.utterance.n, "clip"),
        counted(split.system.n, "system"),
        f"within {counted(split.within_system.n, 'system')}",
    )
    caption = f"Metrics with 95 % intervals. Truth of systems: {split.system.truth}"
    return table(caption, head, [*rows, *_ceilings(split)])


def _ceilings(split: SplitEvaluation) -> list[tuple[Content, ...]]:
    """What noise in the truth leaves to be reached; no rows where nothing is known of it."""
    sides = (split.utterance.ceiling, split.system.ceiling)
    if all(side.lcc is None for side in sides):
        return []
    return [
        (title, *(number(getattr(side, name)) for side in sides), "")
        for name, title in CEILING_TITLES.items()
    ]


def baselines(split: SplitEvaluation) -> Body:
    """What a judge must beat, and whether it does."""
    if not split.baselines:
        return []
    head = ["baseline"]
    for metric in COMPARED:
        head += [f"its {metric.upper()}", "judge minus it", "verdict"]
    rows = [
        [
            f"{b.title[0].upper()}{b.title[1:]}",
            *(cell for v in b.verdicts for cell in _compared(b, v)),
        ]
        for b in split.baselines
    ]
    return [
        tag("p", "Guesses that never listen. A judge that does not beat them has learnt no more "
                 "than what they know."),
        table("Baselines over clips, and the difference to the judge", head, rows,
              text_columns=(3, 6)),
        details("The verdicts in sentences",
                bullets(v.sentence for b in split.baselines for v in b.verdicts)),
    ]  # fmt: skip


def _compared(baseline: Baseline, verdict: Verdict) -> list[Content]:
    gap = verdict.difference
    outcome = tag("span", OUTCOMES[verdict.outcome], class_=verdict.outcome, title=gap.reason)
    ends = spread(gap.low, gap.high, sign=True)
    return [
        number(baseline.metrics[verdict.metric].value),
        [number(gap.value, sign=True), " ", ends],
        outcome,
    ]


def corruption(split: SplitEvaluation, target: str) -> Body:
    """Target and prediction as damage grows."""
    harmed = [cell for cell in split.corruptions if cell.corruption]
    if not harmed:
        return []
    drawn = plots.drawn_corruptions(split.corruptions)
    left_out = len({cell.corruption for cell in harmed}) - len(drawn)
    more = f" {left_out} more corruptions are in the table only." if left_out else ""
    return [
        tag("p", "A judge that hears damage follows the dashed target line down; one that does "
                 "not stays flat."),
        figure(
            plots.ladders(split.corruptions, target=target),
            f"Means with 95 % intervals; level 0 is the clean clips.{more}",
        ),
        details("All corruptions and levels", _cells(split.corruptions)),
    ]  # fmt: skip


def _cells(cells: Sequence[Cell]) -> Content:
    rows = [
        (
            cell.corruption or "clean",
            number(cell.level, digits=2),
            str(cell.n),
            number(cell.mean_true.value, digits=2),
            number(cell.mean_pred.value, digits=2),
            number(cell.bias, digits=2, sign=True),
            number(cell.mse),
            number(cell.lcc),
            number(cell.relative_performance),
            number(cell.relative_performance_fixed),
        )
        for cell in cells
    ]
    head = ("corruption", "level", "clips", "target", "prediction", "bias", "MSE", "LCC",
            "RMSE clean / here", "same, clean truth")  # fmt: skip
    return table("Means and errors per corruption and level", head, rows)


def synthesizers(split: SplitEvaluation) -> Body:
    """Which synthesizer was taken for which."""
    found = split.classification
    if found is None:
        return []
    rows = [
        ("Accuracy", measured(found.metrics["accuracy"])),
        ("Balanced accuracy (mean recall)", measured(found.metrics["balanced_accuracy"])),
        ("Macro-F1", measured(found.metrics["macro_f1"])),
        (f"Chance: always “{found.majority_class}”", number(found.chance_majority)),
        ("Chance: guessing evenly", number(found.chance_uniform)),
        ("Mean confidence", number(found.mean_confidence)),
    ]
    caption = f"{counted(found.n, 'clip')}; {len(found.classes)} names, true or predicted"
    return [
        tag("p", found.sentence),
        tag(
            "div",
            [
                figure(
                    plots.confusion_map(found.classes, found.confusion),
                    "Counts; the shade is the share of the true class; columns as the rows.",
                ),
                table(caption, ("recognition", "value"), rows),
            ],
            class_="pair",
        ),
    ]


def experts(split: SplitEvaluation) -> Body:
    """How the gate spreads clips over experts."""
    use = split.experts
    if use is None:
        return []
    rows = [
        (
            f"expert {number_}{' (dead)' if number_ in use.dead else ''}",
            number(use.mean_gate[number_]),
            number(use.leading_share[number_]),
        )
        for number_ in range(use.num_experts)
    ]
    return [
        tag("p", _gate_sentence(use)),
        tag(
            "div",
            [
                figure(plots.expert_map(use), "Mean weight of each expert, system by system."),
                table("Use of experts over all clips",
                      ("expert", "mean weight", "share of clips it leads"), rows),
            ],
            class_="pair",
        ),
    ]  # fmt: skip


def _gate_sentence(use: ExpertUse) -> list[Content]:
    if not use.dead:
        dead = "no expert is dead"
    else:
        dead = f"{len(use.dead)} of {use.num_experts} experts lead almost no clip (dead)"
    return [
        "The choice of expert tells ",
        number(use.mutual_information),
        f" nats about the clip, of at most {most_information(use.num_experts):.3f}; ",
        dead,
        ".",
    ]


def systems(split: SplitEvaluation) -> Body:
    """One line per system."""
    if not split.systems:
        return []
    rows = [
        (
            row.system,
            str(row.n),
            _places(row),
            [number(row.truth, digits=2), " ", spread(row.truth_low, row.truth_high, digits=2)],
            number(row.mean_pred, digits=2),
            number(row.bias, digits=2, sign=True),
            number(row.mse),
            number(row.lcc),
            number(row.srcc),
            number(row.accuracy),
        )
        for row in sorted(split.systems, key=lambda row: (-_or_least(row.truth), row.system))
    ]
    head = ("system", "clips", "place", "truth", "mean prediction", "bias", "MSE", "LCC within",
            "SRCC within", "recognised")  # fmt: skip
    pairs = split.system_pairs
    about = (
        f"Truth: {split.system.truth}, with its 95 % interval. It tells {pairs.told_apart} of "
        f"{pairs.pairs} pairs of systems apart; a place is the range that it leaves open."
    )
    return [
        tag("p", about),
        table("Systems; bias is mean prediction minus truth", head, rows),
    ]


def _places(row: SystemRow) -> str:
    """The places that the truth leaves open, such as 2 to 4."""
    if row.rank_best is None or row.rank_worst is None:
        return MISSING
    if row.rank_best == row.rank_worst:
        return str(row.rank_best)
    return f"{row.rank_best} to {row.rank_worst}"


def _or_least(value: float | None) -> float:
    return -math.inf if value is None else value


def training(history: Sequence[Mapping[str, Any]]) -> Body:
    """Curves over epochs."""
    drawn = plots.training_curves(history)
    return (
        [figure(drawn, f"{counted(len(history), 'epoch')}; lines mark where a stage begins.")]
        if drawn
        else []
    )


def listen(samples: Sequence[tuple[str, str, bytes]]) -> Body:
    """Clips with their scores."""
    if not samples:
        return []
    players = [
        tag("div", [tag("h3", title), tag("p", caption), audio(data)], class_="sample")
        for title, caption, data in samples
    ]
    return [tag("div", players, class_="samples")]


def other_splits(evaluation: Evaluation) -> Body:
    """The metrics of the splits that the report does not lead with."""
    others = [name for name in evaluation.splits if name != evaluation.headline_split]
    return [details(f"{name} ({_clips(evaluation.splits[name])})", _levels(evaluation.splits[name]))
            for name in others]  # fmt: skip


def _clips(split: SplitEvaluation) -> str:
    return f"{split.counts.scored} of {split.counts.clips} clips judged"


def notes(evaluation: Evaluation) -> Body:
    """Everything that is missing, with its reason."""
    lines = [*evaluation.notes]
    for name, split in evaluation.splits.items():
        lines += [f"{name}: {note}" for note in split.notes]
    return [bullets(lines)] if lines else []


def reading(evaluation: Evaluation) -> Body:
    """Conventions, in short."""
    unit = f"{100 * CONFIDENCE:.0f} % intervals come from {evaluation.replicates} bootstrap draws"
    lines = [
        "A system's value is the unweighted mean of its clips, and systems count the same; where "
        "its truth comes from an external table, the numbers say so.",
        "A ceiling is what a judge that knew the true quality would score against ratings as "
        "noisy as these. A judge whose interval reaches it is inside the noise; more than 1 of it "
        "is luck.",
        f"{unit} of whole systems, since clips of one system resemble each other; of sentences "
        "for recognition, and where there are too few systems.",
        "Within systems: the correlation inside each system, averaged; what is left when knowing "
        "the system does not help.",
        "A verdict calls a difference outside the noise where its interval leaves out 0. P-values "
        "are not corrected for the number of comparisons.",
        "“RMSE clean / here” is 1 where corruption does not disturb the judge, and less where "
        "it does; “same, clean truth” keeps the target of the clean source.",
    ]
    if not evaluation.target_is_human:
        warning = (
            f"The target {evaluation.target} was computed by a metric. Agreement with it says how "
            "well the metric is imitated, not how people would hear it."
        )
        lines.insert(0, warning)
    return [bullets(lines)]
