"""The training loop: stages, epochs, early stopping; plain torch on features in memory.

Shapes: ``N`` clips, ``B`` clips of a batch, ``D`` features.

All chance of an epoch (order, dropout) is seeded from the run's seed, the stage and the epoch. So
the same data and seed give the same numbers, and a fit that was killed needs no generator state.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from mosdata.manifests.ids import seed_for
from mosdata.training.config import TrainConfig
from mosdata.training.context import Context, Progress, State
from mosdata.training.features import one_thread
from mosdata.training.losses import (
    class_loss,
    contrastive,
    dynamic_weights,
    expert_use,
    moe_regularizer,
    smooth_l1,
)
from mosdata.training.measure import LabelledFeatures, gain_of, measure
from mosdata.training.moe import Judgement, MoEJudge
from mosdata.training.stages import Stage, cosine, ramp, task_weights

Weights = dict[str, Tensor]
Record = dict[str, Any]


def fit(
    judge: MoEJudge,
    train: LabelledFeatures,
    validation: LabelledFeatures,
    *,
    config: TrainConfig,
    stages: Sequence[Stage],
    context: Context,
) -> list[Record]:
    """Train a judge in place, stage by stage; each starts from the best weights of the last.

    Args:
        judge: with its scales set.
        train: clips to learn from.
        validation: clips that choose the epoch; where a stage finds no label of its kind here,
            it runs to its end and keeps its last weights.
        config: settings.
        stages: those that the data can feed.
        context: where it runs, and a state to go on from.

    Returns:
        One record per epoch, of all stages.
    """
    run = _Run(
        judge=judge.to(context.device),
        train=train.to(context.device),
        validation=validation.to(context.device),
        config=config,
        stages=stages,
        context=context,
    )
    with one_thread():
        if context.resume is not None:
            run.restore(context.resume)
        while run.stage_number < len(stages):
            _run_stage(run)
    judge.to("cpu").eval()
    return run.history


@dataclass(slots=True, kw_only=True)
class _Run:
    """A fit under way."""

    judge: MoEJudge
    train: LabelledFeatures
    validation: LabelledFeatures
    config: TrainConfig
    stages: Sequence[Stage]
    context: Context
    stage_number: int = 0
    epoch: int = 0
    best_gain: float = -math.inf
    stale: int = 0
    losses: list[list[float]] = field(default_factory=list)
    history: list[Record] = field(default_factory=list)
    best: Weights = field(init=False)
    optimizer: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self._start_stage()

    def _start_stage(self) -> None:
        self.epoch, self.best_gain, self.stale, self.losses = 0, -math.inf, 0, []
        self.best = _copy(self.judge)
        self.optimizer = torch.optim.AdamW(
            self.judge.parameters(), weight_decay=self.config.weight_decay
        )

    @property
    def stage(self) -> Stage:
        return self.stages[self.stage_number]

    def end_stage(self) -> None:
        self.judge.load_state_dict(self.best)
        self.stage_number += 1
        self._start_stage()

    def offer(self, gain: float | None) -> bool:
        """Keep the weights if they are the best of the stage; without a gain the last are."""
        better = gain is None or gain > self.best_gain
        self.stale = 0 if better else self.stale + 1
        if better:
            self.best = _copy(self.judge)
            self.best_gain = self.best_gain if gain is None else gain
        return better

    def state(self) -> State:
        return {
            "judge": _copy(self.judge),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "stage_number": self.stage_number,
            "epoch": self.epoch,
            "best_gain": self.best_gain,
            "stale": self.stale,
            "losses": self.losses,
            "history": self.history,
        }

    def restore(self, state: State) -> None:
        self.judge.load_state_dict(state["judge"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best = {name: value.to(self.context.device) for name, value in state["best"].items()}
        for name in ("stage_number", "epoch", "best_gain", "stale"):
            setattr(self, name, state[name])
        self.losses, self.history = [*state["losses"]], [*state["history"]]


def _copy(judge: MoEJudge) -> Weights:
    return {name: value.detach().clone() for name, value in judge.state_dict().items()}


def _run_stage(run: _Run) -> None:
    fewest, most = run.config.epochs(run.stage)
    rows = run.train
    if run.stage.scored_only:
        rows = rows.rows(~rows.value_N.isnan())
    while run.epoch < most and not (run.epoch >= fewest and run.stale >= run.config.patience):
        record = _run_epoch(run, rows, most)
        run.history.append(record)
        run.epoch += 1
        _tell(run, record)
        run.context.save(run.state)
    run.end_stage()


def _tell(run: _Run, record: Record) -> None:
    most = [run.config.epochs(stage)[1] for stage in run.stages]
    done = sum(most[: run.stage_number]) + run.epoch
    run.context.report(Progress(phase="train", done=done, total=sum(most), record=record))


def _run_epoch(run: _Run, rows: LabelledFeatures, num_epochs: int) -> Record:
    stage, config = run.stage, run.config
    rate = cosine(stage.learning_rate * config.learning_rate_scale, run.epoch, num_epochs)
    weights = _task_weights(run, num_epochs)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    losses, gate_BN = _train_epoch(run, rows, weights)
    run.losses.append(losses[:2])
    measured = measure(run.judge, run.validation, scores=stage.needs_targets)
    gain = gain_of(stage, measured)
    better = run.offer(gain)
    use = expert_use(gate_BN)
    return {
        "stage": stage.name,
        "epoch": run.epoch + 1,
        "learning_rate": rate,
        "mos_weight": weights[0],
        "class_weight": weights[1],
        "mos_loss": losses[0] if stage.needs_targets else None,
        "class_loss": losses[1],
        "moe_loss": losses[2],
        **{f"expert_{name}": _plain(value) for name, value in asdict(use).items()},
        **{f"validation_{name}": value for name, value in asdict(measured).items()},
        "gain": gain,
        "best": better,
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _task_weights(run: _Run, num_epochs: int) -> tuple[float, float]:
    mos = ramp(run.stage.mos_start, run.stage.mos_end, run.epoch, num_epochs)
    if not run.config.dynamic_weights or len(run.losses) < 2:
        return task_weights(mos)
    pace = dynamic_weights(run.losses[-1], run.losses[-2])
    return task_weights(mos, (pace[0], pace[1]))


def _train_epoch(
    run: _Run, rows: LabelledFeatures, weights: tuple[float, float]
) -> tuple[list[float], Tensor]:
    """One pass in a fresh order: mean losses (score, class, mixture) and the gates seen."""
    sums = torch.zeros(4, dtype=torch.float64)
    gates = []
    run.judge.train()
    with _chance(run):
        for index in _batches(run, len(rows)):
            batch = rows.rows(index)
            judgement = run.judge(batch.features_ND)
            losses = _losses(run, judgement, batch)
            _step(run, losses, weights)
            gates.append(judgement.gate_BN.detach())
            parts = torch.stack(losses).detach().double().cpu()
            sums[:3] += parts * len(index)
            sums[3] += len(index)
    sums = run.context.total(sums)
    return (sums[:3] / sums[3]).tolist(), torch.cat(gates)


def _losses(run: _Run, judgement: Judgement, batch: LabelledFeatures) -> list[Tensor]:
    judge, config = run.judge, run.config
    pred_B, true_B = judge.standard(judgement.mos_B), judge.standard(batch.value_N)
    score_loss = smooth_l1(pred_B, true_B, beta=config.smooth_l1_beta)
    if config.contrastive_weight:
        pairs = contrastive(pred_B, true_B, margin=config.contrastive_margin)
        score_loss = score_loss + config.contrastive_weight * pairs
    return [
        score_loss,
        class_loss(judgement.logits_BC, batch.class_N, label_smoothing=run.stage.label_smoothing),
        moe_regularizer(judgement, config.regularizer),
    ]


def _step(run: _Run, losses: Sequence[Tensor], weights: tuple[float, float]) -> None:
    """One step of AdamW on the mean gradient of all ranks."""
    factors = (*weights, run.config.regularizer_weight)
    # A loss of weight 0 is left out, not multiplied: its output layer must not decay.
    parts = [factor * loss for factor, loss in zip(factors, losses, strict=True) if factor]
    run.optimizer.zero_grad(set_to_none=True)
    torch.stack(parts).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    if run.context.world > 1:
        for parameter in run.judge.parameters():
            if parameter.grad is not None:
                parameter.grad = run.context.total(parameter.grad) / run.context.world
    torch.nn.utils.clip_grad_norm_(run.judge.parameters(), run.config.clip_norm)
    run.optimizer.step()


def _batches(run: _Run, num_clips: int) -> Iterator[Tensor]:
    """Shuffled indices in batches; each rank gets its share of every batch."""
    generator = torch.Generator().manual_seed(_seed(run, "order"))
    order = torch.randperm(num_clips, generator=generator)
    for batch in torch.split(order, run.config.batch_size):
        share = batch[run.context.rank :: run.context.world]
        # Every rank takes part in every step; one without a clip of its own repeats the first.
        yield (share if len(share) else batch[:1]).to(run.train.value_N.device)


@contextlib.contextmanager
def _chance(run: _Run) -> Iterator[None]:
    """Dropout draws from torch's global generator: seed it inside, put it back after."""
    devices = [torch.cuda.current_device()] if run.context.device == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(_seed(run, f"dropout/{run.context.rank}"))
        yield


def _seed(run: _Run, purpose: str) -> int:
    return seed_for(run.config.seed, f"{run.stage.name}/{run.epoch}", purpose, bits=63)
