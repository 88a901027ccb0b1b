"""A run on disk: written beside, renamed when whole; and the state of one that is not.

::

    RUN/
      model.safetensors   weights, and the scales of features and target
      config.json         TrainConfig
      judge.json          classes, target, encoder, data, version, what happened
      history.jsonl       one line per epoch
    RUN.partial/
      state.pt            where an unfinished run stands (tensors and plain values only)
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch

from mosdata.errors import DamagedDataset, NothingFound
from mosdata.manifests.durable import beside, sync_file, sync_folder, write_json, write_text
from mosdata.manifests.ids import canonical_json, seed_for
from mosdata.training.config import TrainConfig
from mosdata.training.context import State
from mosdata.training.data import Target
from mosdata.training.moe import MoEJudge

FORMAT: Final = "mosdata-judge"
FORMAT_VERSION: Final = "1"
WEIGHTS_NAME: Final = "model.safetensors"
CONFIG_NAME: Final = "config.json"
CARD_NAME: Final = "judge.json"
HISTORY_NAME: Final = "history.jsonl"
STATE_NAME: Final = "state.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCard:
    """What a judge is, beside its weights and settings.

    ``encoder_key`` names the numbers it reads. ``labels_digest`` stands for the clips, splits and
    labels it learned from. ``waiting`` says, for people, what it
    needs before it can give scores; None where nothing is missing. ``results`` is what the
    summary of the run repeats.
    """

    classes: tuple[str, ...]
    target_kind: str
    target_dimension: str
    encoder_key: str
    input_dim: int
    dataset_id: str
    content_id: str
    labels_digest: str
    mosdata_version: str
    waiting: str | None
    results: dict[str, Any]

    @property
    def target(self) -> Target:
        """Which scores it learned."""
        return Target(kind=self.target_kind, dimension=self.target_dimension)

    @property
    def gives_scores(self) -> bool:
        """Whether the score output was trained."""
        return self.waiting is None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedJudge:
    """A judge as it was saved, in evaluation mode on the CPU."""

    model: MoEJudge
    config: TrainConfig
    card: JudgeCard


def new_judge(config: TrainConfig, *, input_dim: int, num_classes: int) -> MoEJudge:
    """A judge with initial weights drawn from the seed; torch's generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(config.seed, "judge", "initial weights", bits=63))
        return MoEJudge(
            input_dim,
            num_classes=num_classes,
            num_experts=config.num_experts,
            fusion_dim=config.fusion_dim,
            expert_dims=config.expert_dims,
            gate_hidden=config.gate_hidden,
            dropout=config.dropout,
            input_norm=config.input_norm,
        )


def save_run(
    folder: Path,
    *,
    model: MoEJudge,
    config: TrainConfig,
    card: JudgeCard,
    history: Iterable[dict[str, Any]],
) -> None:
    """Write a run folder as a whole; a run that was there before is replaced at the end."""
    from safetensors.torch import save_file

    whole = partial_folder(folder) / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir(parents=True)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, whole / WEIGHTS_NAME)
    sync_file(whole / WEIGHTS_NAME)
    write_json(whole / CONFIG_NAME, config.to_dict())
    about = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(card)}
    write_json(whole / CARD_NAME, about)
    write_text(whole / HISTORY_NAME, "".join(f"{canonical_json(line)}\n" for line in history))
    _put_in_place(whole, folder)
    shutil.rmtree(partial_folder(folder), ignore_errors=True)


def _put_in_place(whole: Path, folder: Path) -> None:
    replaced = beside(folder)
    if folder.exists():
        folder.rename(replaced)
    whole.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def is_run(folder: Path) -> bool:
    """Whether a finished run is here."""
    return (folder / CARD_NAME).is_file()


def load_judge(folder: Path | str) -> LoadedJudge:
    """Open a finished run.

    Raises:
        NothingFound: no finished run in the folder.
        DamagedDataset: its files do not fit together, or are of a version we cannot read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    config, card = read_run(folder)
    model = new_judge(config, input_dim=card.input_dim, num_classes=len(card.classes))
    try:
        model.load_state_dict(load_file(folder / WEIGHTS_NAME))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise DamagedDataset(f"{folder / WEIGHTS_NAME} does not fit the run: {error}") from error
    return LoadedJudge(model=model.eval(), config=config, card=card)


def read_run(folder: Path) -> tuple[TrainConfig, JudgeCard]:
    """Settings and card of a finished run, without its weights.

    Raises:
        NothingFound, DamagedDataset: as :func:`load_judge`.
    """
    if not is_run(folder):
        unfinished = partial_folder(folder).is_dir()
        do = (
            "It was begun and not finished: run the same 'mosdata train' again to go on."
            if unfinished
            else "Give the folder that 'mosdata train' named at its end."
        )
        raise NothingFound(f"{folder} holds no trained judge. {do}")
    try:
        about = json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
        config = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        made_by = (about.pop("format"), about.pop("format_version"))
        if made_by != (FORMAT, FORMAT_VERSION):
            raise DamagedDataset(
                f"{folder / CARD_NAME} is {made_by}, not {(FORMAT, FORMAT_VERSION)}."
            )
        about["classes"] = tuple(about["classes"])
        return TrainConfig.from_dict(config), JudgeCard(**about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedDataset(f"The run in {folder} cannot be read: {error}") from error


def partial_folder(folder: Path) -> Path:
    """Where an unfinished run keeps its state."""
    return folder.with_name(f"{folder.name}.partial")


class StateKeeper:
    """Saves the state of a run from time to time, as a whole, for one identity of run.

    Args:
        folder: the run's folder; the state lies beside it.
        identity: stands for settings and data; a state of another identity is not read.
        every_s: shortest time between two saves, in seconds.
    """

    def __init__(self, folder: Path, identity: str, *, every_s: float = 5.0) -> None:
        self._path = partial_folder(folder) / STATE_NAME
        self._identity = identity
        self._every_s = every_s
        self._last_s = time.monotonic()

    def save(self, state: Callable[[], State]) -> None:
        """Save, unless the last time is too near."""
        if time.monotonic() - self._last_s < self._every_s:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = beside(self._path)
        torch.save({"identity": self._identity, **state()}, partial)
        sync_file(partial)
        partial.replace(self._path)
        self._last_s = time.monotonic()

    def load(self) -> State | None:
        """The state to go on from; None where there is none of this identity."""
        if not self._path.is_file():
            return None
        try:
            state: State = torch.load(self._path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError):
            return None
        return state if state.pop("identity", None) == self._identity else None
