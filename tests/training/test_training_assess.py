"""From a judge and a dataset on disk to a report, in one call."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mosdata.audio import encode_flac, pcm_sha256
from mosdata.errors import MissingExtra, NothingFound
from mosdata.manifests.predictions import read_predictions
from mosdata.manifests.rows import Applied
from mosdata.manifests.store import Dataset
from mosdata.testing import clip, human_ratings, utterance, write_dataset
from mosdata.training.assess import assess
from mosdata.training.config import TrainConfig
from mosdata.training.train import train_moe


@pytest.fixture(scope="module")
def ladders(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six rated sources with two corrupted copies each, in all three splits."""
    rows = {"train": [], "validation": [], "test": []}
    ratings = []
    for index in range(6):
        source = utterance(index, clip(0.2, seed=index), system=f"s{index % 2}")
        copies = [
            replace(
                utterance(100 * level + index, clip(0.2, seed=index), system=source.system),
                sentence=source.sentence,
                parent_id=source.id,
                corruptions=(Applied(name="white_noise", level=level / 10, params={}),),
            )
            for level in (3, 6)
        ]
        split = ("train", "train", "train", "train", "validation", "test")[index]
        rows[split] += [source, *copies]
        for level, row in enumerate([source, *copies]):
            ratings += human_ratings(row.id, [4 - level, 5 - level])
    return write_dataset(tmp_path_factory.mktemp("ladders") / "ds", rows, ratings)


@pytest.fixture(scope="module")
def run(ladders: Dataset, tmp_path_factory: pytest.TempPathFactory, tiny: TrainConfig) -> Path:
    """A judge of these."""
    folder = tmp_path_factory.mktemp("judge") / "run"
    train_moe(ladders.folder, folder, tiny, device="cpu")
    return folder


def test_every_clip_is_judged_and_the_headline_is_what_was_held_out(
    ladders: Dataset, run: Path, tmp_path: Path
) -> None:
    """Predictions for all, metrics by split, a report with the numbers and clips to hear."""
    found = assess(run, ladders, out=tmp_path / "out")

    predictions = read_predictions(found.folder / "predictions.parquet")
    assert {row.id for row in ladders.utterances(columns=["id"])} == {
        row.clip_id for row in predictions
    }
    assert "test" == found.evaluation.headline_split
    metrics = json.loads((found.folder / "metrics.json").read_text())
    assert {"train", "validation", "test"} == {*metrics["splits"]}
    page = found.report.read_text(encoding="utf-8")
    assert 3 == page.count("<audio")
    assert "untouched" in page
    assert "white_noise at level 0.6" in page


def test_a_second_assessment_writes_the_same_bytes(
    ladders: Dataset, run: Path, tmp_path: Path
) -> None:
    """Predictions, metrics and report."""
    first, second = (assess(run, ladders, out=tmp_path / name).folder for name in "ab")

    names = ["metrics.json", "predictions.parquet", "report.html"]
    assert names == sorted(path.name for path in first.iterdir())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_judge_that_waits_for_scores_is_assessed_for_what_it_knows(
    unrated: Dataset, tmp_path: Path, tiny: TrainConfig
) -> None:
    """Classes without scores; the report says what is missing."""
    train_moe(unrated.folder, tmp_path / "run", tiny, device="cpu")

    found = assess(tmp_path / "run", unrated)

    assert found.evaluation.headline is not None
    assert found.evaluation.headline.classification is not None
    assert "wait for scores" in found.report.read_text(encoding="utf-8")
    assert found.folder.parent == tmp_path / "run"


def test_another_dataset_is_judged_split_by_split_as_it_is(
    ladders: Dataset, trained: Path, tmp_path: Path
) -> None:
    """Systems that the judge never heard are judged all the same."""
    found = assess(trained, ladders, out=tmp_path / "out")

    assert 18 == found.num_clips
    assert "another dataset" in found.report.read_text(encoding="utf-8")


def test_what_is_missing_is_said_before_any_work(
    ladders: Dataset, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run, no matplotlib: one clear error, and no folder."""
    with pytest.raises(NothingFound):
        assess(tmp_path / "nowhere", ladders, out=tmp_path / "out")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("mosdata.evaluation.report.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"mosdata\[report\]"):
        assess(run, ladders, out=tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_only_what_is_asked_for_is_picked(ladders: Dataset) -> None:
    """Whole rows, in file order, audio included."""
    rows = list(ladders.utterances())
    wanted = {rows[4].id, rows[1].id}

    picked = list(ladders.pick(wanted))

    assert [rows[1], rows[4]] == picked
    assert pcm_sha256(picked[0].clip()) == rows[1].pcm_sha256
    assert encode_flac(picked[0].clip()) == rows[1].audio
