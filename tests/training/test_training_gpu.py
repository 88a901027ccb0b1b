"""The same run on a GPU; never in CI (``pytest -m gpu``, or ``sh benchmarks/gpu.sh``)."""

from pathlib import Path

import pytest
import torch

from mosdata.manifests.store import Dataset
from mosdata.training.config import TrainConfig
from mosdata.training.train import train_moe

pytestmark = pytest.mark.gpu


def test_a_gpu_learns_what_a_cpu_learns(rated: Dataset, tmp_path: Path) -> None:
    """Same data, same seed: the first losses agree to single precision."""
    assert torch.cuda.is_available()
    config = TrainConfig(fusion_dim=8, expert_dims=(8, 4), num_experts=2, dropout=0.0)
    losses: dict[str, list[float]] = {"cpu": [], "cuda": []}

    for device, found in losses.items():
        train_moe(
            rated.folder,
            tmp_path / device,
            config,
            lambda now, found=found: found.extend([now.record["class_loss"]] if now.record else []),
            device=device,
        )

    assert pytest.approx(losses["cpu"][:3], rel=1e-3) == losses["cuda"][:3]
