"""Everything that decides what a judge becomes, apart from the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from mosdata.errors import InvalidValue, UnknownName
from mosdata.training.stages import PAPER_STAGES, Stage


def _paper_regularizer() -> dict[str, float]:
    """Expert diversity and gate sparsity (equation 6), and the balance that keeps experts alive."""
    return {"diversity": 1.0, "sparsity": 0.1, "mean_importance": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Settings of a training run, checked at birth and saved beside the result.

    Args:
        encoder: ``logmel``, ``mfcc``, ``hf:FOLDER`` or ``hf:FOLDER#LAYER``.
        target: ``mos`` (people), or a metric such as ``dnsmos.p808``.
        splits: a split set of the dataset, ``NAME`` or ``NAME:FOLD``; the splits of its files
            where empty.
        seed: of initial weights, order and dropout.
        num_experts: experts behind the gate.
        fusion_dim: width of the fused feature.
        expert_dims: widths of an expert's hidden layers.
        gate_hidden: width of the gate's hidden layer; 0 for none.
        dropout: probability, in [0, 1).
        input_norm: ``layer`` (per clip, as in the paper's fusion of backbone features) or
            ``train`` (each feature over the train clips).
        stages: in order; those that the data cannot feed are left out.
        learning_rate_scale: factor on the rate of every stage.
        epochs_scale: factor on the epochs of every stage.
        batch_size: clips per step.
        weight_decay: of AdamW.
        clip_norm: largest norm of all gradients together.
        patience: epochs without a gain on validation before a stage ends.
        smooth_l1_beta: in deviations of the target.
        contrastive_weight: of the pairwise loss beside the smooth L1; 0, as in the paper, is none.
        contrastive_margin: in deviations of the target.
        dynamic_weights: let the pace of the losses move their weights (dynamic weight average).
        regularizer_weight: of the mixture's regulariser in the total loss.
        regularizer: its terms and their weights, see ``losses.REGULARIZERS``.

    Raises:
        InvalidValue: a setting outside what is allowed.
    """

    encoder: str = "logmel"
    target: str = "mos"
    splits: str = ""
    seed: int = 0
    num_experts: int = 4
    fusion_dim: int = 256
    expert_dims: tuple[int, ...] = (256, 128)
    gate_hidden: int = 64
    dropout: float = 0.1
    input_norm: str = "train"
    stages: tuple[Stage, ...] = PAPER_STAGES
    learning_rate_scale: float = 20.0
    epochs_scale: float = 2.0
    batch_size: int = 32
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    patience: int = 8
    smooth_l1_beta: float = 1.0
    contrastive_weight: float = 0.0
    contrastive_margin: float = 0.1
    dynamic_weights: bool = True
    regularizer_weight: float = 0.01
    regularizer: Mapping[str, float] = field(default_factory=_paper_regularizer)

    def __post_init__(self) -> None:
        for name in ("num_experts", "fusion_dim", "batch_size", "patience"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for name in ("learning_rate_scale", "epochs_scale", "clip_norm", "smooth_l1_beta"):
            self._check(name, getattr(self, name) > 0, "above 0")
        for name in (
            "seed",
            "gate_hidden",
            "weight_decay",
            "regularizer_weight",
            "contrastive_weight",
        ):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        self._check("input_norm", self.input_norm in ("layer", "train"), "layer, train")
        self._check("dropout", 0 <= self.dropout < 1, "0 to below 1")
        sizes_fit = bool(self.expert_dims) and min(self.expert_dims) >= 1
        self._check("expert_dims", sizes_fit, "one or more widths of 1 or more")
        self._check("stages", bool(self.stages), "at least one stage")

    def _check(self, name: str, fits: bool, allowed: str) -> None:
        if not fits:
            raise InvalidValue(name, getattr(self, name), allowed)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> TrainConfig:
        """A named setting with some changes.

        Raises:
            UnknownName: no such preset or no such setting.

        Example:
            >>> TrainConfig.preset("paper", seed=3).learning_rate_scale
            1.0
        """
        if name not in PRESETS:
            raise UnknownName("preset", name, PRESETS)
        _refuse_unknown(changes)
        return replace(PRESETS[name], **changes)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Read what :meth:`to_dict` wrote; settings that are left out have their defaults.

        Raises:
            UnknownName: a setting that does not exist.
            InvalidValue: a setting outside what is allowed.
        """
        _refuse_unknown(values)
        known = dict(values)
        if "stages" in known:
            known["stages"] = tuple(Stage(**stage) for stage in known["stages"])
        if "expert_dims" in known:
            known["expert_dims"] = tuple(known["expert_dims"])
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = asdict(self)
        values["stages"] = list(values["stages"])
        values["expert_dims"] = list(values["expert_dims"])
        return values

    def epochs(self, stage: Stage) -> tuple[int, int]:
        """Fewest and most epochs of a stage."""
        fewest = max(1, round(stage.min_epochs * self.epochs_scale))
        return fewest, max(fewest, round(stage.max_epochs * self.epochs_scale))


def _refuse_unknown(values: Mapping[str, Any]) -> None:
    known = [item.name for item in fields(TrainConfig)]
    for name in values:
        if name not in known:
            raise UnknownName("training setting", name, known)


PRESETS: Final[Mapping[str, TrainConfig]] = {
    "moe": TrainConfig(),
    "paper": TrainConfig(learning_rate_scale=1.0, epochs_scale=1.0, patience=5, input_norm="layer"),
}
"""``moe`` learns from a thousand clips on one core; ``paper`` keeps the published rates."""
