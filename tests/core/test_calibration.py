"""The four pieces: literals by hand, a float64 loop, algebraic properties, gradcheck."""

import pytest
import torch
from conftest import close, seeds
from hypothesis import given
from hypothesis import strategies as st

from calibrl_ref import (
    GATES,
    advantage_weight,
    correctness_sign,
    exploration_loss,
    leaky_relu_gate,
    log_prob_gap,
)

slopes = st.floats(0.0, 1.0)


def random_inputs(seed, count=7):
    generator = torch.Generator().manual_seed(seed)
    policy, expert, advantage = torch.randn(3, count, generator=generator, dtype=torch.float64)
    return policy, expert, torch.rand(count, generator=generator) > 0.5, advantage


def loop_exploration_loss(policy, expert, correct, advantage, slope):
    """Eq. 9, one Python float at a time."""
    losses = []
    for p, e, c, a in zip(policy.tolist(), expert.tolist(), correct.tolist(), advantage.tolist(), strict=True):
        x = -(1.0 if c else -1.0) * (p - e)
        losses.append(abs(a) * (x if x > 0 else slope * x))
    return torch.tensor(losses, dtype=torch.float64)


def test_gap_by_hand():
    close(log_prob_gap(torch.tensor([-1.0, -4.0]), torch.tensor([-3.0, -3.0])), [2.0, -1.0])


def test_sign_by_hand():
    close(correctness_sign(torch.tensor([[True, False]])), [[1.0, -1.0]])


def test_gate_by_hand():
    close(leaky_relu_gate(torch.tensor([2.0, -2.0, 0.0]), slope=0.25), [2.0, -0.5, 0.0])


def test_weight_by_hand():
    close(advantage_weight(torch.tensor([-2.0, 0.0, 3.0])), [2.0, 0.0, 3.0])


@pytest.mark.parametrize(
    ("correct", "gap", "slope", "loss", "policy_push", "expert_push"),
    [  # the four rows of the paper's table with |A| = 2, alpha = 0.5; push = minus the gradient
        (True, -3.0, 1.0, 6.0, 2.0, -2.0),
        (True, 3.0, 0.5, -3.0, 1.0, -1.0),
        (False, 3.0, 1.0, 6.0, -2.0, 2.0),
        (False, -3.0, 0.5, -3.0, -1.0, 1.0),
    ],
)
def test_four_quadrants_by_hand(correct, gap, slope, loss, policy_push, expert_push):
    policy = torch.tensor([gap - 5.0], dtype=torch.float64, requires_grad=True)
    expert = torch.tensor([-5.0], dtype=torch.float64, requires_grad=True)
    value = exploration_loss(policy, expert, torch.tensor([correct]), torch.tensor([2.0]).double(), slope=0.5)
    close(value, [loss])
    value.sum().backward()
    close(policy.grad, [policy_push * -1.0])
    close(expert.grad, [expert_push * -1.0])
    close(abs(policy_push), 2.0 * slope)


@given(seeds, slopes)
def test_equals_a_slow_loop(seed, slope):
    inputs = random_inputs(seed)
    close(exploration_loss(*inputs, slope=slope), loop_exploration_loss(*inputs, slope))


@given(seeds, slopes)
def test_is_the_composition_of_the_four_pieces(seed, slope):
    policy, expert, correct, advantage = random_inputs(seed)
    gate = leaky_relu_gate(-correctness_sign(correct) * log_prob_gap(policy, expert), slope=slope)
    close(exploration_loss(policy, expert, correct, advantage, slope=slope), advantage_weight(advantage) * gate)


@given(seeds, slopes, st.floats(0.01, 100.0))
def test_homogeneous_in_gap_and_in_advantage(seed, slope, scale):
    policy, expert, correct, advantage = random_inputs(seed)
    loss = exploration_loss(policy, expert, correct, advantage, slope=slope)
    close(exploration_loss(policy * scale, expert * scale, correct, advantage, slope=slope), loss * scale)
    close(exploration_loss(policy, expert, correct, advantage * -scale, slope=slope), loss * scale)


@given(seeds, slopes, st.floats(-50.0, 50.0))
def test_only_the_difference_of_log_probs_matters(seed, slope, shift):
    policy, expert, correct, advantage = random_inputs(seed)
    shifted = exploration_loss(policy + shift, expert + shift, correct, advantage, slope=slope)
    close(shifted, exploration_loss(policy, expert, correct, advantage, slope=slope), rtol=1e-9, atol=1e-9)


@given(seeds, slopes)
def test_flipping_verdict_and_gap_together_changes_nothing(seed, slope):
    policy, expert, correct, advantage = random_inputs(seed)
    flipped = exploration_loss(expert, policy, ~correct, advantage, slope=slope)
    close(flipped, exploration_loss(policy, expert, correct, advantage, slope=slope))


@pytest.mark.parametrize("gate", sorted(GATES))
def test_gradcheck(gate):
    policy, expert, correct, advantage = random_inputs(3)
    policy, expert = policy.requires_grad_(), (expert + 0.05).requires_grad_()
    assert ((policy - expert).abs() > 1e-3).all(), "away from the kink"
    advantage = advantage.requires_grad_()

    def loss(policy, expert):
        return exploration_loss(policy, expert, correct, advantage, slope=0.3, gate=GATES[gate])

    assert torch.autograd.gradcheck(loss, (policy, expert))


def test_no_gradient_into_the_advantage():
    policy, expert, correct, advantage = random_inputs(0)
    advantage.requires_grad_()
    assert not advantage_weight(advantage).requires_grad
    loss = exploration_loss(policy.requires_grad_(), expert, correct, advantage).sum()
    assert torch.autograd.grad(loss, advantage, allow_unused=True) == (None,)


def test_extreme_log_probs_stay_finite():
    policy = torch.tensor([-1e30, 0.0, -1e30], requires_grad=True)
    expert = torch.tensor([0.0, -1e30, -1e30], requires_grad=True)
    loss = exploration_loss(policy, expert, torch.tensor([True, False, True]), torch.ones(3))
    loss.sum().backward()
    assert torch.isfinite(torch.stack([loss.detach(), policy.grad, expert.grad])).all()


def test_a_planted_wrong_value_is_rejected():
    inputs = random_inputs(1)
    with pytest.raises(AssertionError):
        close(exploration_loss(*inputs, slope=0.5), loop_exploration_loss(*inputs, 0.5) + 1e-9)
