"""Runs on disk: whole or absent, resumed to the same bytes, and never overwritten by another."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mosdata import __version__
from mosdata.errors import DamagedDataset, InvalidValue, NothingFound, OutputConflict, UnknownName
from mosdata.manifests.rows import Rating
from mosdata.manifests.store import Dataset, open_dataset
from mosdata.testing import utterance, write_dataset
from mosdata.training.checkpoint import (
    StateKeeper,
    load_judge,
    partial_folder,
    read_run,
)
from mosdata.training.config import PRESETS, TrainConfig
from mosdata.training.context import Progress
from mosdata.training.train import TrainSummary, train_moe

from .conftest import loud_ratings, loud_rows


def _bytes(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir()}


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


def _killed_at(epoch: int, rated: Dataset, run: Path, config: TrainConfig) -> None:
    def report(news: Progress) -> None:
        if news.phase == "train" and news.done >= epoch:
            raise Killed

    with pytest.raises(Killed):
        train_moe(rated.folder, run, config, report, device="cpu", save_every_s=0)


def test_a_run_folder_holds_all_there_is_to_know(trained: Path, rated: Dataset) -> None:
    """Weights, settings, classes, target, encoder, data, version, history."""
    card = json.loads((trained / "judge.json").read_text())
    history = [json.loads(line) for line in (trained / "history.jsonl").read_text().splitlines()]

    assert {*_bytes(trained)} == {
        "model.safetensors",
        "config.json",
        "judge.json",
        "history.jsonl",
    }
    assert card["classes"] == ["brown", "white"]
    assert (card["target_kind"], card["target_dimension"]) == ("human", "mos")
    assert card["encoder_key"] == "logmel@1-meanstd1"
    assert (card["dataset_id"], card["content_id"]) == (rated.dataset_id, rated.content_id)
    assert card["mosdata_version"] == __version__
    assert {line["stage"] for line in history} == {"classes", "joint", "finetune"}
    assert not partial_folder(trained).exists()


def test_the_summary_of_a_run_is_plain(rated: Dataset, tmp_path: Path, tiny: TrainConfig) -> None:
    """It goes through JSON, and counts what was learned from."""
    summary = train_moe(rated.folder, tmp_path / "run", tiny, device="cpu")
    values = json.loads(json.dumps(summary.to_dict()))

    assert values["clips"] == values["scored"] == {"train": 29, "validation": 4, "test": 3}
    assert values["target"] == "mos"
    assert values["waiting"] is None
    assert [stage["stage"] for stage in values["stages"]] == ["classes", "joint", "finetune"]
    assert any("No validation split" in note for note in values["notes"])


def test_a_judge_comes_back_as_it_was(trained: Path) -> None:
    """Loading does not touch torch's generator."""
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = load_judge(trained), load_judge(trained)

    assert float(torch.rand(1)) == float(expected)
    assert not first.model.training
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name])


def test_the_same_run_elsewhere_has_the_same_bytes(
    trained: Path, rated: Dataset, tmp_path: Path, tiny: TrainConfig
) -> None:
    """Weights, card and history hold no clock and no path."""
    train_moe(rated.folder, tmp_path / "again", tiny, device="cpu")

    assert _bytes(tmp_path / "again") == _bytes(trained)


@pytest.mark.parametrize("epoch", [1, 3, 5, 9, 11])
def test_a_killed_run_ends_in_the_same_bytes(
    epoch: int, trained: Path, rated: Dataset, tmp_path: Path, tiny: TrainConfig
) -> None:
    """Whichever epoch it dies in, first, in the middle, or at the end of a stage."""
    run = tmp_path / "run"
    _killed_at(epoch, rated, run, tiny)
    with pytest.raises(NothingFound, match="no trained judge"):
        load_judge(run)
    summary = train_moe(rated.folder, run, tiny, device="cpu")

    assert summary.resumed_after_epochs == epoch - 1
    assert _bytes(run) == _bytes(trained)


def test_a_killed_run_of_other_settings_is_begun_anew(
    trained: Path, rated: Dataset, tmp_path: Path, tiny: TrainConfig
) -> None:
    """Half of one run never becomes the other half of another."""
    run = tmp_path / "run"
    _killed_at(4, rated, run, replace(tiny, seed=9))
    summary = train_moe(rated.folder, run, tiny, device="cpu")

    assert summary.resumed_after_epochs == 0
    assert _bytes(run) == _bytes(trained)


def test_a_damaged_state_is_no_state(
    rated: Dataset, tmp_path: Path, tiny: TrainConfig, trained: Path
) -> None:
    """A torn file costs the epochs it held, nothing else."""
    run = tmp_path / "run"
    _killed_at(4, rated, run, tiny)
    state = partial_folder(run) / "state.pt"
    state.write_bytes(state.read_bytes()[:200])
    summary = train_moe(rated.folder, run, tiny, device="cpu")

    assert summary.resumed_after_epochs == 0
    assert _bytes(run) == _bytes(trained)


def test_a_state_that_wants_to_run_code_is_not_read(tmp_path: Path) -> None:
    """States are tensors and plain values; other pickles are refused."""
    keeper = StateKeeper(tmp_path / "run", "me", every_s=0)
    keeper.save(lambda: {"losses": [[0.5, 1.0]], "history": [{"gain": None}]})
    loaded = keeper.load()
    torch.save({"identity": "me", "evil": Path("x")}, partial_folder(tmp_path / "run") / "state.pt")

    assert loaded == {"losses": [[0.5, 1.0]], "history": [{"gain": None}]}
    assert keeper.load() is None


def test_states_are_saved_from_time_to_time(tmp_path: Path) -> None:
    """A big judge does not spend its time on writing."""
    keeper = StateKeeper(tmp_path / "run", "me", every_s=1000)
    keeper.save(lambda: {"epoch": 1})

    assert keeper.load() is None


def test_a_finished_run_is_not_done_again(trained: Path, rated: Dataset, tiny: TrainConfig) -> None:
    """It says so, with the summary of then, and touches nothing."""
    before = _bytes(trained)
    news: list[Progress] = []
    summary = train_moe(rated.folder, trained, tiny, news.append, device="cpu")

    assert summary.already_done
    assert [stage["stage"] for stage in summary.stages] == ["classes", "joint", "finetune"]
    assert news == []
    assert _bytes(trained) == before


def test_a_run_of_other_settings_is_a_conflict(
    trained: Path, rated: Dataset, tiny: TrainConfig
) -> None:
    """The message names what differs."""
    with pytest.raises(OutputConflict, match=r"other settings \(seed, batch_size\)"):
        train_moe(rated.folder, trained, replace(tiny, seed=1, batch_size=5))


def test_a_run_on_other_clips_is_a_conflict(
    trained: Path, tmp_path: Path, tiny: TrainConfig
) -> None:
    """Also with the same settings."""
    rows = loud_rows(20)
    other = write_dataset(tmp_path / "other", {"train": rows}, loud_ratings(rows))
    with pytest.raises(OutputConflict, match="other clips or other labels"):
        train_moe(other.folder, trained, tiny)


def test_a_folder_of_other_things_is_a_conflict(
    rated: Dataset, tmp_path: Path, tiny: TrainConfig
) -> None:
    """Nothing in it is touched."""
    (tmp_path / "holiday.jpg").write_bytes(b"sun")
    with pytest.raises(OutputConflict, match="not a training run"):
        train_moe(rated.folder, tmp_path, tiny)

    assert (tmp_path / "holiday.jpg").read_bytes() == b"sun"


def _train(dataset: Dataset, run: Path, config: TrainConfig) -> TrainSummary:
    return train_moe(dataset.folder, run, config, device="cpu")


def test_without_scores_stage_one_runs_and_the_rest_waits(
    unrated: Dataset, tmp_path: Path, tiny: TrainConfig
) -> None:
    """In words: what is missing and how to give it."""
    summary = _train(unrated, tmp_path / "run", tiny)

    assert [stage["stage"] for stage in summary.stages] == ["classes"]
    assert summary.waiting is not None
    assert f"mosdata label {unrated.folder} --ratings ratings.csv" in summary.waiting
    assert f"mosdata label {unrated.folder} --metrics dnsmos.p808" in summary.waiting
    assert "present:" not in summary.waiting
    assert not load_judge(tmp_path / "run").card.gives_scores


def test_metrics_are_offered_while_people_are_missing(tmp_path: Path, tiny: TrainConfig) -> None:
    """By the names that --target takes."""
    rows = loud_rows(12)
    ratings = [
        Rating(clip_id=row.id, kind=kind, dimension=dimension, scale="acr_1_5", value=3.0)
        for row in rows
        for kind, dimension in (("dnsmos", "p808"), ("dnsmos", "sig"))
    ]
    dataset = write_dataset(tmp_path / "ds", {"train": rows}, ratings)
    waiting = _train(dataset, tmp_path / "run", tiny).waiting

    assert waiting is not None
    assert "--target dnsmos.p808 (present: dnsmos.p808, dnsmos.sig)" in waiting


def test_a_metric_can_be_the_target(rated: Dataset, tmp_path: Path, tiny: TrainConfig) -> None:
    """All stages run on it, and the judge remembers whose scores it gives."""
    rows = loud_rows(12)
    ratings = [
        Rating(clip_id=row.id, kind="pesq", dimension="mos", scale="x", value=0.1 * place)
        for place, row in enumerate(rows)
    ]
    dataset = write_dataset(tmp_path / "ds", {"train": rows}, ratings)
    summary = _train(dataset, tmp_path / "run", replace(tiny, target="pesq"))

    assert (summary.target, summary.waiting) == ("pesq.mos", None)
    assert len(summary.stages) == 3


def test_a_waiting_run_goes_on_when_scores_arrive(
    unrated: Dataset, rated: Dataset, trained: Path, tmp_path: Path, tiny: TrainConfig
) -> None:
    """The same command after the listening test; the result is as if they had been there."""
    folder, run = tmp_path / "ds", tmp_path / "run"
    shutil.copytree(unrated.folder, folder)
    _train(open_dataset(folder), run, tiny)
    shutil.rmtree(folder)
    shutil.copytree(rated.folder, folder)
    summary = _train(open_dataset(folder), run, tiny)

    assert not summary.already_done
    assert summary.waiting is None
    assert (run / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_no_run_and_a_damaged_run_are_told_apart(trained: Path, tmp_path: Path) -> None:
    """Nothing there, a cut file, another version."""
    with pytest.raises(NothingFound, match="no trained judge"):
        load_judge(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(trained, broken)
    (broken / "model.safetensors").write_bytes(b"")
    with pytest.raises(DamagedDataset, match="does not fit"):
        load_judge(broken)
    card = json.loads((trained / "judge.json").read_text())
    (broken / "judge.json").write_text(json.dumps({**card, "format_version": "9"}))
    with pytest.raises(DamagedDataset, match="'9'"):
        load_judge(broken)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_settings_survive_json(name: str) -> None:
    """Every preset comes back equal."""
    config = TrainConfig.preset(name)

    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_saved_settings_are_the_settings(trained: Path, tiny: TrainConfig) -> None:
    """What was asked for is what is written."""
    assert read_run(trained)[0] == tiny


def test_setting_mistakes_are_answered() -> None:
    """Unknown names with the nearest one; impossible values with what is allowed."""
    with pytest.raises(UnknownName, match="Did you mean 'num_experts'"):
        TrainConfig.from_dict({"num_expert": 3})
    with pytest.raises(UnknownName, match="Known: moe, paper"):
        TrainConfig.preset("large")
    with pytest.raises(UnknownName, match="training setting"):
        TrainConfig.preset("moe", lr=1)
    for changes in ({"num_experts": 0}, {"dropout": 1.0}, {"expert_dims": ()}, {"seed": -1}):
        with pytest.raises(InvalidValue, match="allowed"):
            TrainConfig(**changes)


def test_a_clip_that_cannot_be_read_is_left_out_and_said(tmp_path: Path, tiny: TrainConfig) -> None:
    """One torn FLAC does not stop a training."""
    rows = loud_rows(12)
    rows[3] = replace(rows[3], audio=b"torn")
    dataset = write_dataset(tmp_path / "ds", {"train": [*rows, utterance(99)]}, loud_ratings(rows))
    summary = _train(dataset, tmp_path / "run", tiny)

    assert sum(summary.clips.values()) == 12
    assert "1 clips were left out: unreadable_audio." in summary.notes
