"""Evaluation: stable keys, honest verdicts, and a reason for everything that is missing."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest

from mosdata.errors import InvalidValue
from mosdata.evaluation.baselines import group_means, verdict_sentence
from mosdata.evaluation.corrupted import relative_performance
from mosdata.evaluation.evaluate import evaluate, write_evaluation
from mosdata.evaluation.findings import is_human, rounded
from mosdata.evaluation.intervals import Difference
from mosdata.evaluation.metrics import srcc, system_metrics, utterance_metrics
from mosdata.manifests.predictions import Prediction, read_predictions

LEVELS = (0.25, 0.5, 1.0)


def make_rows(split="test", *, num_systems=6, num_sentences=8, noise=0.2, deaf=False, seed=0):
    """Clean and corrupted clips; a deaf judge says the same of everything but for noise."""
    rng = np.random.default_rng([seed, len(split)])
    conditions = [("", 0.0), *(("white_noise", level) for level in LEVELS), ("mp3", 0.5)]
    rows = []
    for system in range(num_systems):
        for sentence in range(num_sentences):
            for corruption, level in conditions:
                true = 4.5 - 0.4 * system - 1.5 * level + rng.normal(0, 0.2)
                pred = 3.0 if deaf else true
                gate = rng.dirichlet([0.5, 0.5, 0.5])
                rows.append(
                    Prediction(
                        clip_id=f"{split}-{len(rows):04d}",
                        split=split,
                        system=f"system-{system}",
                        sentence=f"{split}-sentence-{sentence}",
                        corruption=corruption,
                        level=level,
                        mos_true=true,
                        mos_pred=pred + rng.normal(0, noise),
                        class_true=f"system-{system}",
                        class_pred=f"system-{system if rng.random() < 0.7 else 0}",
                        class_confidence=0.8,
                        gate=tuple(gate),
                    )
                )
    return rows


@pytest.fixture(scope="module")
def judged():
    """A good judge of two splits, with train targets for the baselines."""
    return evaluate(
        make_rows() + make_rows("validation", num_sentences=3),
        reference_predictions=make_rows("train"),
        target_name="dnsmos.ovrl",
    )


def outcomes(split):
    """Outcome of each verdict by baseline and metric."""
    return {
        (baseline.name, verdict.metric): verdict.outcome
        for baseline in split.baselines
        for verdict in baseline.verdicts
    }


def key_paths(value, prefix=""):
    """Every path of keys; items of a list share one path, as do splits and metrics."""
    if isinstance(value, dict):
        for key, item in value.items():
            name = "*" if prefix.endswith((".metrics", "splits")) else key
            yield from key_paths(item, f"{prefix}.{name}".lstrip("."))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from key_paths(value[0], f"{prefix}[]")
    else:
        yield prefix


MEASURE = ["value", "low", "high", "n", "reason"]
DIFFERENCE = ["value", "low", "high", "p_value", "reason"]
CEILING = [
    "reliability", "lcc", "srcc", "normalised_lcc", "normalised_srcc", "source", "reason",
]  # fmt: skip
GOLDEN_KEYS = {
    "format", "version", "target", "target_is_human", "scale", "seed", "replicates", "confidence",
    "headline_split", "notes",
    *(f"splits.*.counts.{key}" for key in
      ["clips", "with_truth", "scored", "classified", "systems", "sentences"]),
    "splits.*.verdict", "splits.*.notes",
    *(f"splits.*.{level}.{key}" for level in ["utterance", "system"]
      for key in ["n", "resampled", "num_units", "truth", *(f"metrics.*.{m}" for m in MEASURE),
                  *(f"ceiling.{c}" for c in CEILING)]),
    *(f"splits.*.within_system.{key}" for key in
      ["n", "too_few_clips", "constant_truth", *(f"metrics.*.{m}" for m in MEASURE)]),
    *(f"splits.*.baselines[].{key}" for key in
      ["name", "title", "oracle", *(f"metrics.*.{m}" for m in MEASURE),
       "verdicts[].metric", "verdicts[].outcome", "verdicts[].sentence",
       *(f"verdicts[].difference.{d}" for d in DIFFERENCE)]),
    *(f"splits.*.classification.{key}" for key in
      ["n", "resampled", "num_units", "majority_class", "chance_majority", "chance_uniform",
       "mean_confidence", "classes", "confusion", "outcome", "sentence",
       *(f"metrics.*.{m}" for m in MEASURE), *(f"above_chance.{d}" for d in DIFFERENCE)]),
    *(f"splits.*.corruptions[].{key}" for key in
      ["corruption", "level", "n", "bias", "mse", "lcc", "relative_performance",
       "relative_performance_fixed", "n_fixed",
       *(f"{side}.{m}" for side in ["mean_true", "mean_pred"] for m in MEASURE)]),
    *(f"splits.*.experts.{key}" for key in
      ["n", "num_experts", "mean_gate", "leading_share", "dead", "mean_entropy",
       "mutual_information", *(f"{group}[].{key}" for group in ["per_class", "per_system"]
                               for key in ["name", "n", "mean_gate"])]),
    *(f"splits.*.systems[].{key}" for key in
      ["system", "n", "mean_true", "truth", "truth_low", "truth_high", "rank_best", "rank_worst",
       "mean_pred", "bias", "mse", "lcc", "srcc", "accuracy"]),
    "splits.*.system_pairs.pairs", "splits.*.system_pairs.told_apart",
}  # fmt: skip


def test_the_keys_of_the_json_are_golden(judged):
    """Programs read these keys; a change here is a change of version."""
    found = {*key_paths(judged.to_json())}

    assert found == GOLDEN_KEYS


def test_the_json_is_json(judged):
    """No NaN, no infinity: what does not exist is null."""
    text = json.dumps(judged.to_json(), allow_nan=False)

    assert json.loads(text) == judged.to_json()


def test_numbers_are_those_of_the_metrics(judged):
    """Every level of analysis is the plain metric of the split's clips."""
    rows = make_rows()
    true, pred = [r.mos_true for r in rows], [r.mos_pred for r in rows]
    systems = [r.system for r in rows]
    split = judged.splits["test"]
    by_clip = {name: found.value for name, found in split.utterance.metrics.items()}
    by_system = {name: found.value for name, found in split.system.metrics.items()}
    inside = [
        srcc(
            [r.mos_true for r in rows if r.system == s], [r.mos_pred for r in rows if r.system == s]
        )
        for s in sorted({*systems})
    ]

    assert by_clip == pytest.approx(utterance_metrics(true, pred))
    assert by_system == pytest.approx(system_metrics(true, pred, systems))
    assert split.within_system.metrics["srcc"].value == pytest.approx(np.mean(inside))
    assert (split.utterance.n, split.system.n, split.within_system.n) == (240, 6, 6)
    assert judged.headline_split == "test"


def test_order_of_rows_changes_nothing(judged):
    """Equal rows in any order give equal JSON."""
    rows = (make_rows() + make_rows("validation", num_sentences=3))[::-1]
    again = evaluate(
        rows, reference_predictions=make_rows("train")[::-1], target_name="dnsmos.ovrl"
    )

    assert again.to_json() == judged.to_json()


def test_a_judge_that_listens_beats_every_guess(judged):
    """It is better than each baseline outside the noise, also than the oracle."""
    found = outcomes(judged.splits["test"])

    assert {name for name, _ in found} == {
        "train_mean", "train_level_mean", "train_system_mean", "system_mean_oracle",
    }  # fmt: skip
    assert {outcome for (_, metric), outcome in found.items() if metric == "mse"} == {"better"}
    assert found["train_mean", "srcc"] == "unknown"
    assert judged.splits["test"].verdict[0].startswith("MSE: better than the mean of the training")


def test_a_deaf_judge_is_told_so():
    """Constant answers do not beat the mean, and are worse than knowing system or level."""
    split = evaluate(
        make_rows(deaf=True), reference_predictions=make_rows("train"), target_name="mos"
    ).splits["test"]
    found = outcomes(split)

    assert found["train_mean", "mse"] != "better"
    assert found["train_level_mean", "mse"] == "worse"
    assert found["system_mean_oracle", "srcc"] == "worse"
    assert "better" not in split.verdict[0]


def test_the_baseline_itself_is_inside_the_noise():
    """A judge that says the train mean of each system is not told apart from that baseline."""
    train = make_rows("train")
    means = group_means(train, key=lambda row: row.system)
    rng = np.random.default_rng(0)
    rows = [
        dataclasses.replace(row, mos_pred=means[row.system] + rng.normal(0, 1e-3))
        for row in make_rows()
    ]
    split = evaluate(rows, reference_predictions=train, target_name="mos").splits["test"]

    assert outcomes(split)["train_system_mean", "mse"] == "undecided"
    assert re.search(
        r"not to be told apart from [^;]*training mean of the system", split.verdict[0]
    )


def test_baselines_know_train_only():
    """Test targets do not leak into a baseline that is not called an oracle."""
    train = make_rows("train")
    shifted = [dataclasses.replace(row, mos_true=row.mos_true + 1) for row in train]
    split = evaluate(make_rows(), reference_predictions=shifted, target_name="mos").splits["test"]
    rmse = {b.name: b.metrics["rmse"].value for b in split.baselines}
    bias = np.mean([r.mos_true for r in shifted]) - np.mean([r.mos_true for r in make_rows()])

    assert bias == pytest.approx(1, abs=0.1)
    assert rmse["train_system_mean"] > 1
    assert rmse["system_mean_oracle"] < 1


def test_cells_tell_levels_apart(judged):
    """One cell per corruption and level, clean first, with mean, bias and relative performance."""
    cells = judged.splits["test"].corruptions
    rows = [r for r in make_rows() if (r.corruption, r.level) == ("white_noise", 1.0)]
    errors = np.array([r.mos_pred - r.mos_true for r in rows])
    strongest = next(c for c in cells if (c.corruption, c.level) == ("white_noise", 1.0))

    assert [(c.corruption, c.level) for c in cells] == [
        ("", 0.0), ("mp3", 0.5), ("white_noise", 0.25), ("white_noise", 0.5), ("white_noise", 1.0),
    ]  # fmt: skip
    assert strongest.bias == pytest.approx(errors.mean())
    assert strongest.mse == pytest.approx(np.mean(errors**2))
    assert cells[0].relative_performance == 1
    assert strongest.n_fixed == len(rows)
    assert strongest.relative_performance_fixed < 0.5 < strongest.relative_performance


def test_relative_performance_of_the_worked_example():
    """RMSE .50 clean and .65 corrupted is .769231, as in the XLS-R analysis."""
    assert round(relative_performance(0.50, 0.65), 6) == 0.769231
    assert relative_performance(0.5, 0.0) is None
    assert relative_performance(math.nan, 0.5) is None


def test_levels_from_a_range_are_rounded():
    """Levels that were drawn, not chosen, are binned, and a note says so."""
    rows = [
        dataclasses.replace(row, level=round(0.3 + 0.0001 * i, 6) if row.corruption else 0.0)
        for i, row in enumerate(make_rows())
    ]
    found = evaluate(rows, target_name="mos")

    assert {cell.level for cell in found.splits["test"].corruptions} == {0.0, 0.3}
    assert found.notes == ("Levels of corruptions are rounded to one decimal.",)


def test_recognition_is_judged_against_chance(judged):
    """Accuracy, chance and verdict; sentences are what is drawn."""
    found = judged.splits["test"].classification

    assert found.resampled == "sentences"
    assert found.chance_uniform == pytest.approx(1 / 6)
    assert found.outcome == "better"
    assert sum(map(sum, found.confusion)) == found.n == 240


def test_unknown_synthesizers_are_not_classified():
    """A clip nobody knows the maker of is neither right nor wrong."""
    rows = [dataclasses.replace(row, class_true="unknown") for row in make_rows()]

    assert evaluate(rows, target_name="mos").splits["test"].classification is None


def test_few_systems_draw_sentences_and_say_so():
    """With four systems the intervals come from sentences; the note says what that means."""
    split = evaluate(make_rows(num_systems=4), target_name="mos").splits["test"]

    assert split.utterance.resampled == "sentences"
    assert split.utterance.metrics["mse"].low is not None
    assert split.system.metrics["mse"].low is None
    assert any("intervals over clips draw sentences" in note for note in split.notes)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"mos_true": None}, "40 of 40 clips have no target"),
        ({"mos_pred": None}, "40 clips have a target but no finite prediction"),
        ({"mos_pred": math.nan}, "40 clips have a target but no finite prediction"),
        ({"class_true": None}, "No clip has a true and a predicted class"),
        ({"gate": ()}, "No mixture weights"),
        ({"corruption": "", "level": 0.0}, "No corrupted clip"),
        ({"corruption": "mp3", "level": 0.5}, "No clean clips"),
    ],
)
def test_what_is_missing_is_noted(change, note):
    """Nothing is left out in silence."""
    rows = [dataclasses.replace(r, **change) for r in make_rows(num_systems=2, num_sentences=4)]
    split = evaluate(rows, target_name="mos").splits["test"]

    assert any(note in line for line in split.notes)


def test_no_prediction_at_all_is_noted():
    """An empty table is not an error; the evaluation says that it is empty."""
    found = evaluate([], target_name="mos")

    assert (found.headline, found.notes) == (None, ("There are no predictions.",))


def test_a_clip_given_twice_is_refused():
    """Counting a clip twice would narrow every interval."""
    rows = make_rows(num_systems=1, num_sentences=1)

    with pytest.raises(InvalidValue, match="there 2 times"):
        evaluate([*rows, rows[0]], target_name="mos")


def test_gates_of_different_sizes_are_refused():
    """Rows of two models are not one judge."""
    rows = make_rows(num_systems=1, num_sentences=1)
    rows[0] = dataclasses.replace(rows[0], gate=(0.5, 0.5))

    with pytest.raises(InvalidValue, match="gate"):
        evaluate(rows, target_name="mos")


@pytest.mark.parametrize(
    ("name", "human"),
    [("mos", True), ("human.naturalness", True), ("dnsmos.ovrl", False), ("mosnet.mos", False)],
)
def test_only_people_give_human_scores(name, human):
    """Whatever is not known to come from people is a metric's pseudo-label."""
    assert is_human(name) is human


@pytest.mark.parametrize(
    ("outcome", "difference", "start"),
    [
        ("worse", Difference(value=0.1, low=0.05, high=0.2, p_value=0.01), "Worse than the mean"),
        (
            "undecided",
            Difference(value=0.1, low=-0.1, high=0.2, p_value=0.4),
            "Not to be told apart",
        ),
        ("unknown", Difference(value=0.1, reason="4 systems"), "MSE against the mean cannot be"),
    ],
)
def test_verdicts_are_plain(outcome, difference, start):
    """Each outcome has its own opening and carries its numbers or its reason."""
    sentence = verdict_sentence(
        "mse", outcome=outcome, judge=0.3, other=0.2, title="the mean", difference=difference
    )

    assert sentence.startswith(start)
    assert (difference.reason or "0.300 against 0.200") in sentence


def test_files_are_whole_and_read_back(tmp_path, judged):
    """The table reads back in order, the JSON is the evaluation, and bytes repeat."""
    rows = make_rows() + make_rows("validation", num_sentences=3)
    for folder in ("a", "b"):
        write_evaluation(tmp_path / folder, rows[::-1] if folder == "b" else rows, judged)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("a", "b")
    )

    assert first == second
    assert sorted(first) == ["metrics.json", "predictions.parquet"]
    assert json.loads(first["metrics.json"]) == judged.to_json()
    assert {*read_predictions(tmp_path / "a" / "predictions.parquet")} == {*rows}


def test_rounding_keeps_nine_digits():
    """Enough for any use, and the last bits of a machine do not show."""
    assert rounded(1 / 3) == 0.333333333
    assert rounded(1e-12) == 1e-12
    assert rounded(math.nan) is None
