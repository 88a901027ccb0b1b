"""Seconds per 1,000 clips: features, and training beside a bare loop of the same steps.

    python benchmarks/training.py [NUM_CLIPS] [cuda]

Set OMP_WAIT_POLICY=PASSIVE on a busy machine. The ratio is what to compare between machines.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mosdata.audio import Clip
from mosdata.testing import speechlike, utterance, write_dataset
from mosdata.training.checkpoint import new_judge
from mosdata.training.config import TrainConfig
from mosdata.training.context import Context
from mosdata.training.features import dataset_features, make_encoder, one_thread
from mosdata.training.loop import fit
from mosdata.training.losses import class_loss, moe_regularizer, smooth_l1
from mosdata.training.measure import LabelledFeatures
from mosdata.training.stages import PAPER_STAGES

DURATION_S = 3.0


def main(num_clips: int, device: str) -> None:
    print(f"{num_clips} clips of {DURATION_S} s, load average {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        dataset = _dataset(Path(folder) / "ds", num_clips)
        for name in ("logmel", "mfcc"):
            encoder = make_encoder(name)
            seconds = _timed(dataset_features, dataset, encoder)
            cached = _timed(dataset_features, dataset, encoder)
            print(f"{name}: {_per_1000(seconds, num_clips)}, cached {_per_1000(cached, num_clips)}")
    _training(num_clips, device)


def _dataset(folder: Path, num_clips: int):
    rng = np.random.default_rng(0)
    base = speechlike(DURATION_S)
    rows = []
    for index in range(num_clips):
        noise = 0.01 * rng.standard_normal(base.num_samples)
        rows.append(utterance(index, Clip((base.samples + noise).astype(np.float32), 16_000)))
    return write_dataset(folder, {"train": rows})


def _training(num_clips: int, device: str) -> None:
    """Stage 2 at full length, without early stopping."""
    config = replace(TrainConfig(), stages=PAPER_STAGES[1:2], patience=10**6)
    generator = torch.Generator().manual_seed(0)
    train = LabelledFeatures(
        features_ND=torch.randn(num_clips, 160, generator=generator),
        value_N=torch.randn(num_clips, generator=generator),
        class_N=torch.randint(0, 4, (num_clips,), generator=generator),
    )
    validation = train.rows(torch.arange(num_clips // 10))
    _bare(config, train, 1)  # the first optimizer imports a compiler
    _, num_epochs = config.epochs(config.stages[0])
    bare = _timed(_bare, config, train, num_epochs)
    judge = new_judge(config, input_dim=160, num_classes=4)
    options = {"config": config, "stages": config.stages, "context": Context(device=device)}
    ours = _timed(fit, judge, train, validation, **options)
    print(f"training on {device}, {num_epochs} epochs: {_per_1000(ours, num_clips)}")
    print(f"bare loop on cpu, {num_epochs} epochs: {_per_1000(bare, num_clips)}")
    print(f"training / bare loop: {ours / bare:.2f}")


def _bare(config: TrainConfig, train: LabelledFeatures, num_epochs: int) -> None:
    """The same model, losses and steps: no schedule, validation, history or gates."""
    judge = new_judge(config, input_dim=160, num_classes=4)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=1e-3)
    with one_thread():
        for _ in range(num_epochs):
            for index in torch.split(torch.randperm(len(train)), config.batch_size):
                batch = train.rows(index)
                judgement = judge(batch.features_ND)
                loss = 0.5 * smooth_l1(judgement.mos_B, batch.value_N)
                loss = loss + 0.5 * class_loss(judgement.logits_BC, batch.class_N)
                loss = loss + 0.01 * moe_regularizer(judgement, config.regularizer)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(judge.parameters(), config.clip_norm)
                optimizer.step()


def _timed(function, *arguments, **options) -> float:
    started_s = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - started_s


def _per_1000(seconds: float, num_clips: int) -> str:
    return f"{1000 * seconds / num_clips:.2f} s per 1,000 clips"


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(numbers[0] if numbers else 300, "cuda" if "cuda" in sys.argv else "cpu")
