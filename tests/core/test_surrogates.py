"""Ratios, clipped surrogate, off-policy shapes and KL: literals, properties, gradcheck."""

import math

import pytest
import torch
from conftest import close, seeds
from hypothesis import given
from hypothesis import strategies as st

from calibrl_ref import (
    SHAPES,
    clipped_surrogate,
    importance_ratio,
    k3_kl,
    luffy_shaping,
    off_policy_surrogate,
    rl_plus_shaping,
    sequence_importance_ratio,
)


def column(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("ratio", "advantage", "dual_clip", "loss", "slope"),
    [  # clip 0.2 / 0.28; slope = d loss / d ratio
        (1.0, 2.0, None, -2.0, -2.0),
        (1.27, 2.0, None, -2.54, -2.0),
        (1.5, 2.0, None, -2.56, 0.0),
        (0.5, 2.0, None, -1.0, -2.0),
        (0.5, -2.0, None, 1.6, 0.0),
        (1.5, -2.0, None, 3.0, 2.0),
        (5.0, -2.0, None, 10.0, 2.0),
        (5.0, -2.0, 3.0, 6.0, 0.0),
        (2.9, -2.0, 3.0, 5.8, 2.0),
        (5.0, 2.0, 3.0, -2.56, 0.0),
    ],
)
def test_clipped_surrogate_by_hand(ratio, advantage, dual_clip, loss, slope):
    r = column(ratio).requires_grad_()
    value = clipped_surrogate(r, column(advantage), clip_low=0.2, clip_high=0.28, dual_clip=dual_clip)
    close(value, [loss])
    value.sum().backward()
    close(r.grad, [slope])


def test_no_clip_is_plain_policy_gradient():
    ratio, advantage = column(0.1, 9.0), column(1.0, -1.0)
    close(clipped_surrogate(ratio, advantage, clip_low=None, clip_high=None), [-0.1, 9.0])


@given(seeds, st.floats(0.0, 1.0), st.floats(0.0, 2.0))
def test_clipped_loss_bounds_the_unclipped_one(seed, low, high):
    generator = torch.Generator().manual_seed(seed)
    ratio = 3 * torch.rand(20, generator=generator, dtype=torch.float64)
    advantage = torch.randn(20, generator=generator, dtype=torch.float64)
    loss = clipped_surrogate(ratio, advantage, clip_low=low, clip_high=high)
    assert (loss >= -ratio * advantage).all()
    inside = (ratio > 1 - low) & (ratio < 1 + high)
    close(loss[inside], (-ratio * advantage)[inside])


def test_ratio_by_hand_and_at_extremes():
    close(importance_ratio(column(-1.0, -2.0), column(-2.0, -2.0)), [math.e, 1.0])
    extreme = torch.tensor([0.0, -1e9], requires_grad=True)
    ratio = importance_ratio(extreme, torch.tensor([-1e9, 0.0]))
    ratio.sum().backward()
    assert torch.isfinite(ratio).all()
    assert extreme.grad.tolist() == [0.0, 0.0]


def test_sequence_ratio_by_hand_ignores_garbage_under_the_mask():
    log_prob = torch.tensor([[-1.0, -2.0, float("nan")]], dtype=torch.float64)
    old = torch.tensor([[-2.0, -4.0, 7.0]], dtype=torch.float64)
    ratio = sequence_importance_ratio(log_prob, old, torch.tensor([[True, True, False]]))
    close(ratio, [[math.exp(1.5)] * 3])


def test_sequence_ratio_of_rows_of_two_one_and_no_tokens():
    log_prob, old = column(1.0, 2.0, 3.0, 4.0, 5.0, 6.0).view(3, 2), torch.zeros(3, 2).double()
    ratio = sequence_importance_ratio(log_prob, old, torch.tensor([[True, True], [True, False], [False, False]]))
    close(ratio, [[math.exp(1.5)] * 2, [math.exp(3.0)] * 2, [1.0] * 2])


def test_log_ratios_are_limited_to_twenty_nats():
    far, mask = column(-50.0, 50.0).unsqueeze(1), torch.ones(2, 1, dtype=torch.bool)
    limits = [math.exp(-20.0), math.exp(20.0)]
    close(importance_ratio(far, torch.zeros_like(far)).squeeze(1), limits)
    close(sequence_importance_ratio(far, torch.zeros_like(far), mask).squeeze(1), limits)
    close(k3_kl(far, torch.zeros_like(far)).squeeze(1), [math.exp(20.0) - 21.0, math.exp(-20.0) + 19.0])


def test_k3_by_hand_is_nonnegative_and_zero_on_itself():
    close(k3_kl(column(-1.0), column(-2.0)), [math.exp(-1.0)])
    close(k3_kl(column(-3.0), column(-3.0)), [0.0])
    policy = torch.linspace(-30, 0, 50).double()
    assert (k3_kl(policy, policy.flip(0)) >= 0).all()


def test_k3_is_unbiased_by_enumeration():
    policy, reference = column(0.7, 0.2, 0.1), column(0.3, 0.3, 0.4)
    exact = (policy * (policy / reference).log()).sum()
    close((policy * k3_kl(policy.log(), reference.log())).sum(), exact)


def test_luffy_shape_by_hand():
    close(luffy_shaping(column(0.1, 0.9).log(), column(0.0, 0.0)), [0.5, 0.9])
    log_prob = column(0.1).log().requires_grad_()
    luffy_shaping(log_prob, column(0.0)).sum().backward()
    close(log_prob.grad, [0.25])  # p gamma / (p + gamma)^2


def test_rl_plus_shape_by_hand():
    close(rl_plus_shaping(column(0.36).log(), column(0.2).log()), [2 * 0.36 / (0.2 + 0.6) * 0.8])
    log_prob = column(0.36).log().requires_grad_()
    rl_plus_shaping(log_prob, column(0.2).log()).sum().backward()
    close(log_prob.grad, [0.72])  # the bonus is a constant factor


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_off_policy_gradcheck(shape):
    if shape == "rl_plus":  # its bonus is detached: check the weight with the bonus held at one (gamma = 0)
        log_prob = (-column(0.5, 1.0, 2.0)).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: rl_plus_shaping(x, column(-1.0, -1.0, -1.0), gamma=0.0), (log_prob,))
    else:
        log_prob, advantage = (-column(0.5, 1.0, 2.0)).requires_grad_(), column(1.0, -1.0, 0.5)
        assert torch.autograd.gradcheck(
            lambda x: off_policy_surrogate(x, log_prob.detach(), advantage, shape=shape), (log_prob,)
        )


def test_off_policy_by_hand():
    loss = off_policy_surrogate(column(0.1).log(), column(0.0), column(2.0), shape="luffy")
    close(loss, [-1.0])


def test_gradchecks_away_from_the_clip_edges():
    ratio = column(0.5, 0.9, 1.1, 1.6).requires_grad_()
    advantage = column(1.0, -1.0, 1.0, -1.0)
    assert torch.autograd.gradcheck(lambda r: clipped_surrogate(r, advantage, dual_clip=3.0), (ratio,))
    log_prob, old = (-column(0.5, 1.0)).requires_grad_(), -column(0.7, 0.9)
    assert torch.autograd.gradcheck(lambda x: importance_ratio(x, old), (log_prob,))
    assert torch.autograd.gradcheck(lambda x: k3_kl(x, old), (log_prob,))
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert torch.autograd.gradcheck(
        lambda x: sequence_importance_ratio(x, old[None], mask), (log_prob.detach()[None].requires_grad_(),)
    )


def test_no_gradient_into_old_reference_and_advantage():
    policy, other, advantage = (column(-1.0).requires_grad_() for _ in range(3))
    mask = torch.ones(1, 1, dtype=torch.bool)
    for value in (
        importance_ratio(policy, other),
        k3_kl(policy, other),
        sequence_importance_ratio(policy[None], other[None], mask),
        clipped_surrogate(policy, advantage),
        rl_plus_shaping(policy, other),
        off_policy_surrogate(policy, other, advantage, shape="rl_plus"),
    ):
        assert torch.autograd.grad(value.sum(), (other, advantage), allow_unused=True) == (None, None)
