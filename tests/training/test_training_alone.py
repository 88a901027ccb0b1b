"""Judges are trained on machines that have no Ray, no datasets and no command line."""

import subprocess
import sys
from pathlib import Path

from mosdata.manifests.store import Dataset

HIDE = """
import sys

HIDDEN = {"ray", "datasets", "audiomentations", "librosa", "typer"}

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""

TRAIN = """
from mosdata.training.config import TrainConfig
from mosdata.training.train import train_moe
import mosdata.training.assess, mosdata.training.score

config = TrainConfig(fusion_dim=8, expert_dims=(8, 4), num_experts=2, epochs_scale=0.1)
print(train_moe(sys.argv[1], sys.argv[2], config).num_parameters)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_judge_is_trained_without_the_packages_that_build_data(
    rated: Dataset, tmp_path: Path
) -> None:
    """With ray, datasets and typer not installed; and transformers not loaded without need."""
    done = subprocess.run(
        [sys.executable, "-c", HIDE + TRAIN, str(rated.folder), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "" == done.stderr
    parameters, modules = done.stdout.splitlines()
    assert int(parameters) > 0
    assert not {"ray", "datasets", "transformers"} & set(modules.split())
