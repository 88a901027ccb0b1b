"""Schedules against numbers by hand, and the loop: deterministic, staged, stopped in time."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mosdata.errors import InvalidValue, NothingFound
from mosdata.manifests.store import Dataset
from mosdata.testing import clip, utterance, write_dataset
from mosdata.training.checkpoint import new_judge
from mosdata.training.config import TrainConfig
from mosdata.training.context import Context, Progress, pick_device
from mosdata.training.features import one_thread
from mosdata.training.loop import fit
from mosdata.training.measure import LabelledFeatures, measure
from mosdata.training.moe import MoEJudge
from mosdata.training.stages import PAPER_STAGES, Stage, cosine, ramp, task_weights
from mosdata.training.train import train_moe

CLASSES, JOINT, FINETUNE = PAPER_STAGES


@pytest.mark.parametrize(("epoch", "rate"), [(0, 1e-4), (5, 7.5e-5), (10, 2.5e-5), (15, 0.0)])
def test_cosine_is_the_worked_example(epoch: int, rate: float) -> None:
    """From 1e-4 to 0 in 15 epochs."""
    assert cosine(1e-4, epoch, 15) == pytest.approx(rate, abs=1e-12)


def test_ramp_is_the_worked_example() -> None:
    """From .3 to .7 over 15 epochs."""
    assert ramp(0.3, 0.7, 0, 15) == 0.3
    assert ramp(0.3, 0.7, 1, 15) == pytest.approx(0.328571, abs=5e-7)
    assert ramp(0.3, 0.7, 7, 15) == pytest.approx(0.5)
    assert ramp(0.3, 0.7, 14, 15) == pytest.approx(0.7)
    assert ramp(0.3, 0.7, 0, 1) == 0.3


def test_task_weights_sum_to_one() -> None:
    """Ramp times pace, renormalised."""
    assert task_weights(0.3) == (0.3, 0.7)
    assert task_weights(0.5, (0.5, 1.5)) == (0.25, 0.75)
    assert task_weights(0.0, (0.5, 1.5)) == (0.0, 1.0)


def test_the_paper_preset_has_the_papers_numbers() -> None:
    """Rates, epochs of stage 1, patience and clipping (section III-E)."""
    paper = TrainConfig.preset("paper")
    rates = [stage.learning_rate * paper.learning_rate_scale for stage in paper.stages]

    assert rates == [1e-4, 5e-5, 1e-5]
    assert paper.epochs(CLASSES) == (10, 15)
    assert CLASSES.label_smoothing == 0.0
    assert (paper.patience, paper.clip_norm) == (5, 1.0)


def _clips(num_clips: int = 40, seed: int = 0) -> LabelledFeatures:
    """Features in which the score is a plain sum and the class a sign."""
    generator = torch.Generator().manual_seed(seed)
    features_ND = torch.randn(num_clips, 5, generator=generator)
    return LabelledFeatures(
        features_ND=features_ND,
        value_N=3 + features_ND[:, :2].sum(dim=1),
        class_N=(features_ND[:, 2] > 0).long(),
    )


def _new(config: TrainConfig, train: LabelledFeatures) -> MoEJudge:
    judge = new_judge(config, input_dim=5, num_classes=2)
    judge.set_target_scale(train.value_N)
    return judge


def _fit(
    config: TrainConfig,
    train: LabelledFeatures | None = None,
    *,
    judge: MoEJudge | None = None,
    **context: Any,
) -> tuple[MoEJudge, list[dict[str, Any]]]:
    train = train or _clips()
    judge = judge or _new(config, train)
    history = fit(
        judge,
        train,
        _clips(seed=1),
        config=config,
        stages=config.stages,
        context=Context(**context),
    )
    return judge, history


def test_the_same_seed_gives_the_same_run_to_the_last_digit(tiny: TrainConfig) -> None:
    """Whatever torch's own generator says before; and it is left as it was."""
    torch.manual_seed(1)
    judge, history = _fit(tiny)
    torch.manual_seed(2)
    expected = torch.rand(1)
    torch.manual_seed(2)
    again, history_again = _fit(tiny)

    assert float(torch.rand(1)) == float(expected)
    assert history == history_again
    for name, value in judge.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_another_seed_gives_another_run(tiny: TrainConfig) -> None:
    """The seed decides weights and order."""
    assert _fit(tiny)[1] != _fit(replace(tiny, seed=1))[1]


def test_the_judge_learns(tiny: TrainConfig) -> None:
    """A sum and a sign are no trouble; each stage starts where the last one ended."""
    config = replace(tiny, dropout=0.0, learning_rate_scale=100.0, epochs_scale=1.0)
    judge, history = _fit(config, _clips(400, seed=2))
    measured = measure(judge, _clips(seed=1))

    assert measured.lcc is not None
    assert measured.lcc > 0.85
    assert measured.accuracy is not None
    assert measured.accuracy > 0.8
    assert [line["stage"] for line in history[:1] + history[-1:]] == ["classes", "finetune"]


def test_stage_one_leaves_the_score_output_alone(tiny: TrainConfig) -> None:
    """Not even weight decay touches what has weight 0."""
    config = replace(tiny, stages=(CLASSES,))
    before = new_judge(config, input_dim=5, num_classes=2).mos_head.weight
    judge, history = _fit(config)

    assert torch.equal(judge.mos_head.weight, before)
    assert history[0]["mos_loss"] is None
    assert history[0]["validation_lcc"] is None


def test_the_best_weights_of_a_stage_are_kept(tiny: TrainConfig) -> None:
    """What validation liked best is what the stage ends with."""
    config = replace(tiny, stages=(JOINT,), learning_rate_scale=2000.0)
    judge, history = _fit(config)
    measured = measure(judge, _clips(seed=1))
    best = max(history, key=lambda line: line["gain"])

    assert best is not history[-1]
    assert measured.mse == best["validation_mse"]


def test_a_stage_ends_when_validation_stops_gaining(tiny: TrainConfig) -> None:
    """Patience counts epochs without a gain, after the fewest epochs."""
    stage = replace(CLASSES, min_epochs=4, max_epochs=100)
    train = _clips()
    noise = replace(train, class_N=torch.arange(40) // 2 % 2)
    config = replace(tiny, stages=(stage,), epochs_scale=1.0, patience=2)
    _, history = _fit(config, noise)
    since_best = [line["best"] for line in history][::-1].index(True)

    assert 4 <= len(history) < 100
    assert since_best >= 2


def test_only_scored_clips_are_in_the_last_stage(tiny: TrainConfig) -> None:
    """Clips without a score teach classes in stage 2 and nothing in stage 3."""
    train = _clips()
    value_N = train.value_N.clone()
    value_N[20:] = math.nan
    config = replace(tiny, stages=(FINETUNE,))
    half = train.rows(torch.arange(20))
    judge, history = _fit(config, replace(train, value_N=value_N))
    alone, history_alone = _fit(config, half)

    assert history == history_alone
    assert torch.equal(judge.mos_head.weight, alone.mos_head.weight)


def test_weights_follow_ramp_and_pace(tiny: TrainConfig) -> None:
    """The first two epochs are the ramp alone; without pace all are."""
    config = replace(tiny, stages=(JOINT,), patience=100)
    _, history = _fit(config)
    _, plain = _fit(replace(config, dynamic_weights=False))
    straight = [ramp(0.3, 0.7, epoch, len(plain)) for epoch in range(len(plain))]

    assert [line["mos_weight"] for line in plain] == pytest.approx(straight)
    assert [line["mos_weight"] for line in history[:2]] == pytest.approx(straight[:2])
    assert [line["mos_weight"] for line in history[2:]] != pytest.approx(straight[2:])
    assert all(line["mos_weight"] + line["class_weight"] == pytest.approx(1) for line in history)


def test_every_epoch_is_reported(tiny: TrainConfig) -> None:
    """With the record of the history, counted over all stages."""
    news: list[Progress] = []
    _, history = _fit(tiny, report=news.append)

    assert [item.record for item in news] == history
    assert {item.total for item in news} == {4 + 4 + 3}
    assert {"expert_share", "expert_mean_gate", "expert_dead", "expert_mutual_information"} <= {
        *history[0]
    }


def test_two_ranks_learn_what_one_learns(tiny: TrainConfig) -> None:
    """Each takes half of every batch; the mean gradient is the same, and so are their weights."""
    config = replace(tiny, dropout=0.0, dynamic_weights=False, regularizer_weight=0.0)
    alone, _ = _fit(config)
    ranks = _two_ranks(config)
    for name, value in alone.state_dict().items():
        assert torch.equal(ranks[0][name], ranks[1][name])
        torch.testing.assert_close(ranks[0][name], value, rtol=1e-3, atol=1e-4)


def _two_ranks(config: TrainConfig) -> list[dict[str, Tensor]]:
    """Two threads that add their tensors as ``all_reduce`` would.

    Ranks are processes in earnest. Threads share torch's generator and its number of threads, so
    both judges are made beforehand and the number is one throughout.
    """
    barrier, slots = threading.Barrier(2), [torch.zeros(0), torch.zeros(0)]
    judges = [_new(config, _clips()) for _ in range(2)]

    def rank(number: int) -> None:
        def total(tensor: Tensor) -> Tensor:
            slots[number] = tensor
            barrier.wait(timeout=60)
            added = slots[0] + slots[1]
            barrier.wait(timeout=60)
            return added

        _fit(config, judge=judges[number], rank=number, world=2, total=total)

    threads = [threading.Thread(target=rank, args=(number,)) for number in (0, 1)]
    with one_thread(), torch.random.fork_rng(devices=[]):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return [judge.state_dict() for judge in judges]


def test_one_synthesizer_skips_stage_one(tmp_path: Path, tiny: TrainConfig) -> None:
    """There is nothing to tell apart; said in the notes."""
    rows = [utterance(i, clip(0.05, seed=i), mos=1.0 + i / 3) for i in range(12)]
    dataset = write_dataset(tmp_path / "ds", {"train": rows})
    summary = train_moe(dataset.folder, tmp_path / "run", tiny)

    assert [stage["stage"] for stage in summary.stages] == ["joint", "finetune"]
    assert any("One synthesizer only" in note for note in summary.notes)


def test_one_sentence_trains_without_early_stopping(tmp_path: Path, tiny: TrainConfig) -> None:
    """All epochs run, the last weights are kept, and the notes say so."""
    rows = [utterance(i, clip(0.05, seed=i), mos=1.0 + i / 3, sentence="only") for i in range(12)]
    dataset = write_dataset(tmp_path / "ds", {"train": rows})
    summary = train_moe(dataset.folder, tmp_path / "run", replace(tiny, patience=1))

    assert [stage["best_epoch"] for stage in summary.stages] == [4, 3]
    assert summary.clips == {"train": 12}
    assert "without early stopping" in summary.notes[0]


def test_nothing_to_learn_is_said(tmp_path: Path, tiny: TrainConfig) -> None:
    """One system, no scores."""
    rows = [utterance(i, clip(0.05, seed=i)) for i in range(4)]
    dataset = write_dataset(tmp_path / "ds", {"train": rows})
    with pytest.raises(NothingFound, match="nothing to learn"):
        train_moe(dataset.folder, tmp_path / "run", tiny)


def test_unknown_synthesizers_still_teach_scores(tmp_path: Path, tiny: TrainConfig) -> None:
    """Rated corpora of unnamed systems train a judge without a class output."""
    rows = [
        utterance(i, clip(0.05, seed=i), mos=1.0 + i / 3, synthesizer="unknown", system=f"s{i}")
        for i in range(12)
    ]
    dataset = write_dataset(tmp_path / "ds", {"train": rows})
    summary = train_moe(dataset.folder, tmp_path / "run", tiny)

    assert summary.classes == ()
    assert summary.waiting is None


def test_scales_come_from_train_alone(rated: Dataset, trained: Path) -> None:
    """Validation and test are not looked at before they are judged."""
    from mosdata.training.checkpoint import load_judge
    from mosdata.training.data import MOS, load_examples

    values = [row.value for row in load_examples(rated, MOS).of("train")]
    mean = sum(value for value in values if value is not None) / len(values)

    assert float(load_judge(trained).model.target_mean) == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.0},
        {"mos_end": 1.5},
        {"min_epochs": 3, "max_epochs": 2},
        {"label_smoothing": 1.0},
    ],
)
def test_impossible_stages_are_refused(changes: dict[str, Any]) -> None:
    """At birth, not in the middle of a run."""
    values = {"name": "x", "learning_rate": 1e-3, "mos_start": 0.0, "mos_end": 1.0}
    with pytest.raises(InvalidValue, match="allowed"):
        Stage(**{**values, "max_epochs": 5, **changes})


def test_an_unknown_device_is_refused() -> None:
    """Auto, CPU or CUDA."""
    assert pick_device("auto") in ("cpu", "cuda")
    with pytest.raises(InvalidValue, match="auto, cpu, cuda"):
        pick_device("tpu")


def test_training_needs_neither_ray_nor_datasets_nor_transformers() -> None:
    """Judges train on machines that have torch and a dataset, nothing of the builders."""
    code = (
        "import sys, mosdata.training.train, mosdata.training.score\n"
        "print(sorted({'ray', 'datasets', 'transformers', 'audiomentations', 'librosa'}"
        " & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"
