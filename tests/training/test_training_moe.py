"""The judge's structure: counted, mixed, and compared with experts built one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mosdata.errors import InvalidValue
from mosdata.training.checkpoint import new_judge
from mosdata.training.config import TrainConfig
from mosdata.training.moe import MoEJudge


def _tiny(**changes: Any) -> MoEJudge:
    settings = {"num_classes": 3, "num_experts": 3, "fusion_dim": 6, "expert_dims": (5, 4)}
    return MoEJudge(7, **{**settings, "gate_hidden": 4, **changes}).eval()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 611_537),
        ({"gate_hidden": 0}, 595_857),
        ({"expert_dims": (256, 256, 128)}, 874_705),
        ({"input_dim": 1536}, 809_681),
        ({"num_classes": 8}, 611_021),
        ({"input_norm": "train"}, 611_537),
        ({"num_experts": 1}, 315_278),
        ({"num_experts": 2}, 414_031),
        ({"num_experts": 8}, 1_006_549),
    ],
)
def test_parameters_are_counted(changes: dict[str, Any], expected: int) -> None:
    """Closed numbers for 768 features, 4 experts and 12 classes, and what each choice adds."""
    judge = MoEJudge(**{"input_dim": 768, "num_classes": 12, **changes})

    assert sum(parameter.numel() for parameter in judge.parameters()) == expected


def test_every_part_has_its_count() -> None:
    """Fusion, experts, gate and both output layers, one by one."""
    judge = MoEJudge(768, num_classes=12)
    parts = (judge.fusion, judge.expert_layers, judge.gate, judge.mos_head, judge.class_head)
    counts = [sum(p.numel() for p in part.parameters()) for part in parts if part is not None]

    assert counts == [198_400, 394_752, 16_708, 129, 1_548]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), num_experts=st.integers(1, 5))
def test_mixing_features_is_mixing_predictions(seed: int, num_experts: int) -> None:
    """Equation 2 on predictions and shared linear outputs on mixed features are one model."""
    torch.manual_seed(seed)
    judge = _tiny(num_experts=num_experts).double()
    judge.set_target_scale(torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64))
    judgement = judge(torch.randn(4, 7, dtype=torch.float64))
    each_BN = judge.mos_head(judgement.experts_BNE).squeeze(-1)
    each_BN = each_BN * judge.target_scale + judge.target_mean
    mixed_B = (judgement.gate_BN * each_BN).sum(dim=1)
    assert judge.class_head is not None
    logits_BNC = judge.class_head(judgement.experts_BNE)
    mixed_BC = (judgement.gate_BN[:, :, None] * logits_BNC).sum(dim=1)

    torch.testing.assert_close(judgement.mos_B, mixed_B, rtol=0, atol=1e-13)
    torch.testing.assert_close(judgement.logits_BC, mixed_BC, rtol=0, atol=1e-13)


def test_gate_and_mixture_are_the_worked_example() -> None:
    """Equations 1 and 2 by hand: logits (1.6, -2, .775, -.8), experts (3.2, 2.1, 4, 1.5)."""
    judge = MoEJudge(3, num_classes=2, fusion_dim=3, expert_dims=(1,), gate_hidden=0).double()
    judge.fusion = nn.Sequential(nn.Identity())
    linear = judge.gate[0]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        weight = [[1, 0, 0.5], [0, 1, -0.5], [0.25, -0.25, 0.25], [-1, 0.5, 0]]
        linear.weight.copy_(torch.tensor(weight))
        linear.bias.copy_(torch.tensor([0.1, 0, -0.1, 0.2], dtype=torch.float64))
        for parameter in judge.expert_layers.parameters():
            parameter.zero_()
        experts = torch.tensor([3.2, 2.1, 4.0, 1.5], dtype=torch.float64)
        judge.expert_layers[0].bias_N1O.copy_(experts.reshape(4, 1, 1))
        judge.mos_head.weight.fill_(1)
        judge.mos_head.bias.zero_()
    judgement = judge.eval()(torch.tensor([[0.5, -1, 2]], dtype=torch.float64))

    assert judgement.gate_BN[0].tolist() == pytest.approx(
        [0.642559, 0.017557, 0.281592, 0.058292], abs=5e-7
    )
    assert float(judgement.mos_B[0].detach()) == pytest.approx(3.306865, abs=5e-7)


def test_experts_are_separate_networks() -> None:
    """The stacked experts equal plain linear layers run one after the other."""
    judge = _tiny().double()
    features_BD = torch.randn(5, 7, dtype=torch.float64)
    judgement = judge(features_BD)
    hidden = judge.fusion(features_BD)
    for number in range(3):
        expected = hidden
        for layer in judge.expert_layers:
            expected = torch.relu(expected @ layer.weight_NIO[number] + layer.bias_N1O[number])

        torch.testing.assert_close(judgement.experts_BNE[:, number], expected)


def test_initial_weights_are_drawn_as_linear_layers_draw_them() -> None:
    """Uniform within 1 / sqrt(inputs), for every expert."""
    judge = MoEJudge(16, num_classes=2)
    weights = judge.expert_layers[0].weight_NIO

    assert float(weights.detach().abs().max()) <= 1 / 16
    assert float(weights.detach().std()) == pytest.approx(1 / 16 / 3**0.5, rel=0.02)
    assert len({float(expert.sum()) for expert in weights.detach()}) == 4


def test_a_judge_without_classes_gives_none() -> None:
    """Rated corpora do not always know the synthesizer."""
    judgement = _tiny(num_classes=0)(torch.zeros(2, 7))

    assert judgement.logits_BC.shape == (2, 0)


def test_scores_start_at_the_mean_of_the_known_targets() -> None:
    """NaN is left out of the scale; the loss works in deviations."""
    judge = _tiny()
    judge.set_target_scale(torch.tensor([1.0, float("nan"), 3.0]))

    assert (float(judge.target_mean), float(judge.target_scale)) == (2.0, 1.0)
    assert judge.standard(torch.tensor([2.0, 4.0])).tolist() == [0.0, 2.0]


def test_constant_features_do_not_blow_up() -> None:
    """A feature that never varies is left at its own scale."""
    judge = _tiny(input_norm="train")
    judge.set_feature_scale(torch.full((4, 7), 3.0))
    judgement = judge(torch.full((1, 7), 3.0))

    assert judge.state_dict()["fusion.0.scale_D"].tolist() == [1.0] * 7
    assert torch.isfinite(judgement.mos_B).all()


def test_the_train_norm_keeps_the_level_that_layer_norm_takes_out() -> None:
    """A clip that is more of everything is another clip; but no feature counts for ever."""
    judge = _tiny(input_norm="train")
    judge.set_feature_scale(torch.tensor([[1.0] * 7, [3.0] * 7]))
    norm = judge.fusion[0]

    assert norm(torch.full((1, 7), 4.0)).tolist() == [[2.0] * 7]
    assert norm(torch.full((1, 7), 1e9)).tolist() == [[10.0] * 7]
    assert nn.LayerNorm(7)(torch.full((1, 7), 4.0)).tolist() == [[0.0] * 7]


def test_a_new_judge_depends_on_its_seed_alone() -> None:
    """Torch's own generator decides nothing and is left as it was."""
    config = TrainConfig(fusion_dim=4, expert_dims=(4,), seed=5)
    torch.manual_seed(1)
    first = new_judge(config, input_dim=3, num_classes=2).state_dict()
    after_first = torch.rand(1)
    torch.manual_seed(1)
    expected = torch.rand(1)
    second = new_judge(config, input_dim=3, num_classes=2).state_dict()

    assert float(after_first) == float(expected)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "changes", [{"num_experts": 0}, {"expert_dims": ()}, {"expert_dims": (0,)}, {"dropout": 1.0}]
)
def test_impossible_sizes_are_refused(changes: dict[str, Any]) -> None:
    """No expert, no layer, an empty layer, nothing but dropout."""
    with pytest.raises(InvalidValue, match="allowed"):
        _tiny(**changes)
