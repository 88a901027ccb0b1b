"""Losses against numbers worked by hand, and what must hold whatever the batch."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mosdata.errors import UnknownName
from mosdata.training.losses import (
    class_loss,
    contrastive,
    diversity,
    dynamic_weights,
    expert_use,
    gate_sparsity,
    importance_cv2,
    mean_importance,
    moe_regularizer,
    smooth_l1,
    switch_balance,
    z_loss,
)
from mosdata.training.moe import Judgement

GATES = torch.tensor(
    [
        [0.7, 0.1, 0.1, 0.1],
        [0.2, 0.5, 0.2, 0.1],
        [0.6, 0.2, 0.1, 0.1],
        [0.25, 0.25, 0.25, 0.25],
        [0.1, 0.1, 0.2, 0.6],
    ],
    dtype=torch.float64,
)
EXPERTS = torch.tensor([[[1, 0, 1], [0, 1, 1], [1, 1, 0], [-1, 0, 1]]], dtype=torch.float64)


def _judgement(gate_BN: torch.Tensor = GATES) -> Judgement:
    experts = EXPERTS.expand(len(gate_BN), -1, -1)
    zeros = torch.zeros(len(gate_BN), dtype=torch.float64)
    return Judgement(zeros, zeros[:, None], gate_BN, experts, gate_BN.log())


def _float64(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(("beta", "expected"), [(1.0, 0.911250), (0.5, 1.072500)])
def test_smooth_l1_is_the_worked_example(beta: float, expected: float) -> None:
    """Errors .2, .5, 1.5 and 3 fall on both sides of beta."""
    loss = smooth_l1(_float64(3.2, 2.5, 4.5, 1), _float64(3, 3, 3, 4), beta=beta)

    assert float(loss) == pytest.approx(expected, abs=5e-7)


def test_a_clip_without_a_score_changes_neither_loss_nor_gradients() -> None:
    """Masking a clip is the same as not having it."""
    pred = _float64(3.2, 2.5, 4.5).requires_grad_()
    smooth_l1(pred, _float64(3, math.nan, 3)).backward()
    alone = _float64(3.2, 4.5).requires_grad_()
    smooth_l1(alone, _float64(3, 3)).backward()

    assert pred.grad is not None
    assert alone.grad is not None
    assert pred.grad.tolist() == [alone.grad[0], 0.0, alone.grad[1]]


def test_a_batch_without_labels_gives_zero_and_finite_gradients() -> None:
    """No score, no class: the losses are 0 and so is what they teach."""
    pred = torch.ones(3, requires_grad=True)
    logits = torch.ones(3, 2, requires_grad=True)
    nothing = torch.full((3,), math.nan)
    loss = (
        smooth_l1(pred, nothing)
        + contrastive(pred, nothing)
        + class_loss(logits, torch.full((3,), -1))
    )
    loss.backward()

    assert float(loss.detach()) == 0.0
    assert pred.grad is not None
    assert logits.grad is not None
    assert pred.grad.tolist() == [0, 0, 0]
    assert logits.grad.tolist() == [[0, 0]] * 3


@pytest.mark.parametrize(
    ("logits", "target", "smoothing", "expected"),
    [
        ([0, 0, 0, 2] + [0] * 8, 3, 0.0, 0.911756),
        ([0, 0, 0, 2] + [0] * 8, 3, 0.1, 1.095089),
        ([2, 0.5, -1], 0, 0.0, 0.241311),
        ([2, 0.5, -1], 0, 0.1, 0.391311),
        ([2, 0.5, -1], 0, 0.2, 0.541311),
    ],
)
def test_class_loss_is_the_worked_example(
    logits: list[float], target: int, smoothing: float, expected: float
) -> None:
    """The target keeps its share s / C; the s / (C - 1) convention would give .466311 for one."""
    loss = class_loss(_float64(*logits)[None], torch.tensor([target]), label_smoothing=smoothing)

    assert float(loss) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(("num_classes", "floor"), [(12, 0.526184), (3, 0.291140)])
def test_smoothed_class_loss_ends_at_the_entropy_of_its_labels(
    num_classes: int, floor: float
) -> None:
    """A judge that says exactly the smoothed label cannot do better."""
    smoothed = torch.full((num_classes,), 0.1 / num_classes, dtype=torch.float64)
    smoothed[0] += 0.9
    loss = class_loss(smoothed.log()[None], torch.tensor([0]), label_smoothing=0.1)

    assert float(loss) == pytest.approx(floor, abs=5e-7)


def test_unknown_classes_are_masked() -> None:
    """A clip of class -1 counts for nothing."""
    logits = torch.tensor([[2.0, 0.5, -1.0], [9.0, 9.0, -9.0]])
    masked = class_loss(logits, torch.tensor([0, -1]))

    assert float(masked) == float(class_loss(logits[:1], torch.tensor([0])))


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (gate_sparsity, 1.637561),
        (mean_importance, 1.086400),
        (switch_balance, 1.256000),
        (importance_cv2, 0.086400),
    ],
)
def test_gate_terms_are_the_worked_example(term: object, expected: float) -> None:
    """Five clips and four experts, by hand."""
    assert callable(term)

    assert float(term(GATES)) == pytest.approx(expected, abs=5e-7)


def test_z_loss_is_the_worked_example() -> None:
    """Two clips and four experts, by hand."""
    logits = torch.tensor([[1, 2, 0, -1], [0.5] * 4], dtype=torch.float64)

    assert float(z_loss(logits)) == pytest.approx(4.756316, abs=5e-7)


def test_diversity_is_the_worked_example() -> None:
    """Mean squared cosine of six pairs; orthogonal experts cost nothing, equal ones 1."""
    assert float(diversity(EXPERTS)) == pytest.approx(0.208333, abs=5e-7)
    assert float(diversity(torch.eye(3)[None])) == 0.0
    assert float(diversity(torch.ones(2, 3, 4))) == pytest.approx(1.0)
    assert float(diversity(torch.ones(2, 1, 4))) == 0.0


def test_silent_experts_have_finite_gradients() -> None:
    """ReLU and dropout can leave an expert at exactly zero."""
    experts = torch.zeros(2, 3, 4, requires_grad=True)
    diversity(experts).backward()

    assert experts.grad is not None
    assert torch.isfinite(experts.grad).all()


def test_regularizer_is_the_weighted_sum_of_its_terms() -> None:
    """Diversity, sparsity and mean importance with weights 1, .1 and 1."""
    weights = {"diversity": 1.0, "sparsity": 0.1, "mean_importance": 1.0, "z_loss": 0.0}
    loss = moe_regularizer(_judgement(), weights)

    assert float(loss) == pytest.approx(0.208333 + 0.1637561 + 1.0864, abs=1e-6)


def test_an_unknown_regularizer_is_named() -> None:
    """A typing mistake meets the list of terms."""
    with pytest.raises(UnknownName, match="Did you mean 'diversity'"):
        moe_regularizer(_judgement(), {"diversty": 1.0})


def test_dynamic_weights_are_the_worked_example() -> None:
    """MTAN with T = 2; the task that falls slower gets more."""
    weights = dynamic_weights([0.4, 1.8], [0.5, 2.0], temperature=2.0)

    assert weights == pytest.approx([0.975005, 1.024995], abs=5e-7)


def test_dynamic_weights_survive_a_task_without_loss() -> None:
    """A task that had no label counts as steady."""
    assert dynamic_weights([0.0, 1.0], [0.0, 1.0]) == [1.0, 1.0]


def test_expert_use_is_the_worked_example() -> None:
    """Shares with ties to the first, the dead expert, and the mutual information."""
    use = expert_use(GATES)

    assert use.share == pytest.approx((0.6, 0.2, 0.0, 0.2))
    assert use.mean_gate == pytest.approx((0.37, 0.23, 0.17, 0.23))
    assert use.dead == 1
    assert use.mutual_information == pytest.approx(0.200127, abs=5e-7)


@pytest.mark.parametrize(("margin", "expected"), [(0.1, 0.1), (0.2, 0.066667), (0.5, 0.011111)])
def test_contrastive_is_the_worked_example(margin: float, expected: float) -> None:
    """All ordered pairs of three clips."""
    loss = contrastive(_float64(3.1, 2.0, 4.2), _float64(3, 2.5, 4.5), margin=margin)

    assert float(loss) == pytest.approx(expected, abs=5e-7)


@given(arrays("float64", (6, 4), elements=st.floats(-8, 8)))
def test_gate_terms_stay_in_their_ranges(logits: object) -> None:
    """Whatever the gate says: sparsity in [1, 2], importance in [1, 4], CV2 = importance - 1."""
    gate_BN = torch.tensor(logits).softmax(dim=1)

    assert 1 - 1e-9 <= float(gate_sparsity(gate_BN)) <= 2 + 1e-9
    assert 1 - 1e-9 <= float(mean_importance(gate_BN)) <= 4 + 1e-9
    assert float(importance_cv2(gate_BN)) == pytest.approx(
        float(mean_importance(gate_BN)) - 1, abs=1e-9
    )
    assert -1e-9 <= expert_use(gate_BN).mutual_information <= math.log(4) + 1e-9
