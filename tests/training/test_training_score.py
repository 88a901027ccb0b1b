"""Scores: of files and clips, in order, alone or in company the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mosdata.audio import Clip, resample
from mosdata.errors import InvalidValue, NothingFound
from mosdata.manifests.predictions import read_predictions, write_predictions
from mosdata.manifests.store import Dataset
from mosdata.testing import speechlike, utterance, write_dataset
from mosdata.training.config import TrainConfig
from mosdata.training.data import MOS, load_examples
from mosdata.training.score import Scorer, predict_dataset, score_clips
from mosdata.training.spectra import LogMel
from mosdata.training.train import train_moe

from .conftest import loud_rows


def test_scores_keep_their_order_and_their_rank(
    rated: Dataset, tmp_path: Path, tiny: TrainConfig
) -> None:
    """A judge with time to learn loudness ranks clips by it."""
    train_moe(rated.folder, tmp_path / "run", replace(tiny, epochs_scale=1.0), device="cpu")
    clips = [row.clip() for row in loud_rows(36)[::5]]
    scores = list(score_clips(tmp_path / "run", clips))
    mos = [score.mos for score in scores if score.mos is not None]

    assert [score.name for score in scores] == [f"clip-{n}" for n in range(8)]
    assert np.corrcoef(mos, range(8))[0, 1] > 0.8
    assert all(score.target == "mos" and score.reason is None for score in scores)
    assert all(score.synthesizer in ("white", "brown") for score in scores)
    assert all(sum(score.gate) == pytest.approx(1) for score in scores)


def test_a_score_does_not_depend_on_its_company(trained: Path) -> None:
    """Alone, together, and in another order: equal to the last digit."""
    clips = [speechlike(0.2 + 0.1 * n, seed=n) for n in range(4)]
    together = list(score_clips(trained, clips))
    backward = list(score_clips(trained, clips[::-1]))[::-1]
    for clip, score, other in zip(clips, together, backward, strict=True):
        (alone,) = score_clips(trained, [clip])

        assert (alone.mos, alone.gate) == (score.mos, score.gate) == (other.mos, other.gate)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_files_of_any_rate_are_read(trained: Path, tmp_path: Path, name: str, rate: int) -> None:
    """WAV, FLAC and MP3, resampled at the door; stereo is averaged."""
    sound = speechlike(0.5, sample_rate_hz=rate)
    stereo = np.stack([sound.samples, sound.samples], axis=1)
    soundfile.write(tmp_path / name, stereo, rate)
    (score,) = score_clips(trained, [tmp_path / name])

    assert score.reason is None
    assert score.duration_s == pytest.approx(0.5, abs=0.15)
    assert score.name == str(tmp_path / name)


def test_resampling_happens_at_the_door(trained: Path) -> None:
    """A clip at 48 kHz scores as its 16 kHz self."""
    sound = speechlike(0.5, sample_rate_hz=48_000)
    high, low = score_clips(trained, [sound, resample(sound, 16_000)])

    assert high.mos == low.mos


def test_what_cannot_be_scored_is_a_row_with_a_reason(trained: Path, tmp_path: Path) -> None:
    """No audio, no file, no samples, not a number; the rest is scored."""
    (tmp_path / "notes.txt").write_text("not audio")
    nothing = Clip(np.zeros(0, np.float32), 16_000)
    broken = Clip(np.full(100, np.nan, np.float32), 16_000)
    items = [tmp_path / "notes.txt", str(tmp_path / "none.wav"), nothing, broken, speechlike(0.2)]
    scores = list(score_clips(trained, items))

    assert [score.reason for score in scores] == [
        "unreadable_audio",
        "unreadable_audio",
        "empty_audio",
        "not_finite",
        None,
    ]
    assert [score.mos is None for score in scores] == [True, True, True, True, False]
    assert "notes.txt" in (scores[0].message or "")


def test_scores_come_one_by_one(trained: Path) -> None:
    """The second clip is not asked for before the first is judged."""

    def clips():
        yield speechlike(0.2)
        raise AssertionError

    assert next(iter(score_clips(trained, clips()))).mos is not None


def test_a_run_is_opened_before_anything_is_read(tmp_path: Path) -> None:
    """A wrong folder is an error at the call."""
    with pytest.raises(NothingFound, match="no trained judge"):
        score_clips(tmp_path, [])


def test_another_encoder_is_refused(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed weights of a backbone would give numbers that mean nothing."""
    newer = partial(LogMel, revision="2")
    monkeypatch.setattr("mosdata.training.features.EMBEDDED", {"logmel": newer})
    with pytest.raises(InvalidValue, match="which the judge"):
        Scorer(trained)


def test_a_waiting_judge_gives_classes_only(
    unrated: Dataset, tmp_path: Path, tiny: TrainConfig
) -> None:
    """No score, with a reason that says what it waits for."""
    train_moe(unrated.folder, tmp_path / "run", tiny, device="cpu")
    (score,) = score_clips(tmp_path / "run", [speechlike(0.2)])
    predictions = predict_dataset(tmp_path / "run", unrated)

    assert (score.mos, score.reason) == (None, "waits_for_scores")
    assert score.synthesizer in ("white", "brown")
    assert "--ratings" in (score.message or "")
    assert all(row.mos_pred is None and row.class_pred for row in predictions)


def test_predictions_cover_the_dataset_with_the_splits_of_training(
    trained: Path, rated: Dataset, tmp_path: Path
) -> None:
    """What was carved out of train is test here too; the table survives the disk."""
    predictions = predict_dataset(trained, rated)
    examples = load_examples(rated, MOS).rows
    write_predictions(tmp_path / "predictions.parquet", predictions)

    assert [(row.clip_id, row.split) for row in predictions] == [
        (row.clip_id, row.split) for row in examples
    ]
    assert {row.split for row in predictions} == {"train", "validation", "test"}
    assert [row.mos_true for row in predictions] == [row.value for row in examples]
    assert read_predictions(tmp_path / "predictions.parquet") == predictions


def test_predictions_are_scores(trained: Path, rated: Dataset) -> None:
    """The dataset's way and the file's way to a number are one."""
    predictions = predict_dataset(trained, rated)
    scores = score_clips(trained, (row.clip() for row in rated.utterances()))

    assert [row.mos_pred for row in predictions] == [score.mos for score in scores]


def test_another_dataset_keeps_its_splits(trained: Path, tmp_path: Path) -> None:
    """Nothing is carved from what the judge has never seen; unknown classes stay unknown."""
    rows = [
        utterance(100, speechlike(0.2), synthesizer="unknown", system="s"),
        utterance(101, speechlike(0.3)),
    ]
    dataset = write_dataset(tmp_path / "other", {"train": rows})
    predictions = predict_dataset(trained, dataset)

    assert [row.split for row in predictions] == ["train", "train"]
    assert [row.class_true for row in predictions] == [None, "tone"]
    assert [row.mos_true for row in predictions] == [None, None]
