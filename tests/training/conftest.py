"""A dataset that a tiny judge can learn in a second: loudness is quality, colour is the system."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.manifests.rows import Rating, Utterance
from mosdata.manifests.store import Dataset
from mosdata.testing import human_ratings, utterance, write_dataset
from mosdata.training.config import TrainConfig

TINY = TrainConfig(
    num_experts=2,
    fusion_dim=16,
    expert_dims=(16, 8),
    gate_hidden=8,
    dropout=0.1,
    learning_rate_scale=100.0,
    epochs_scale=0.3,
    batch_size=4,
    patience=3,
)


def loud_rows(num_clips: int = 36) -> list[Utterance]:
    """Noise of rising loudness by two systems, white and brown."""
    return [_row(index, index / (num_clips - 1)) for index in range(num_clips)]


def loud_ratings(rows: list[Utterance]) -> list[Rating]:
    """Two people agree that louder is better."""
    scores = np.linspace(1, 5, len(rows))
    return [
        rating
        for row, score in zip(rows, scores, strict=True)
        for rating in human_ratings(row.id, [score, score])
    ]


def _row(index: int, place: float) -> Utterance:
    noise = np.random.default_rng(index).standard_normal(1600)
    if index % 2:
        noise = np.cumsum(noise) / 30
    samples = np.clip(noise * 0.2 * 10 ** (2 * place - 2), -1, 1)
    system = ("white", "brown")[index % 2]
    sound = Clip(samples.astype(np.float32), 16_000)
    return utterance(index, sound, synthesizer=system, system=system)


@pytest.fixture(scope="session")
def tiny() -> TrainConfig:
    """Settings of a judge with a few hundred weights."""
    return TINY


@pytest.fixture(scope="session")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Rated clips without splits of their own."""
    rows = loud_rows()
    folder = tmp_path_factory.mktemp("rated") / "ds"
    return write_dataset(folder, {"train": rows}, loud_ratings(rows))


@pytest.fixture(scope="session")
def unrated(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The same clips before anybody listened."""
    return write_dataset(tmp_path_factory.mktemp("unrated") / "ds", {"train": loud_rows()})


@pytest.fixture(scope="session")
def trained(rated: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the rated clips."""
    from mosdata.training.train import train_moe

    run = tmp_path_factory.mktemp("trained") / "run"
    train_moe(rated.folder, run, TINY, device="cpu")
    return run
