"""CISPO's truncated weight and SAPO's sigmoid: by hand, by a slow loop, and where their gradient goes."""

import math

import pytest
import torch
from conftest import close, make_rollouts, said, seeds
from hypothesis import given

from calibrl_ref import SigmoidSurrogate, TruncatedReinforce, sigmoid_surrogate, truncated_reinforce


def column(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_cispo_by_hand():
    log_prob, ratio, advantage = column(-2.0, -2.0, -1.0, -3.0), column(7.0, 0.1, 2.0, 0.5), column(1.0, 1.0, -1.0, 2.0)
    close(truncated_reinforce(log_prob, ratio, advantage), column(10.0, 0.2, -2.0, 3.0))
    bounded = truncated_reinforce(log_prob, ratio, advantage, ratio_low=0.8, ratio_high=1.2)
    close(bounded, column(2.4, 1.6, -1.2, 4.8))
    close(truncated_reinforce(log_prob, ratio, advantage, ratio_high=None), column(14.0, 0.2, -2.0, 3.0))


def test_no_token_of_cispo_loses_its_gradient_and_none_flows_into_its_weight():
    log_prob = column(0.5, -0.5, -2.0).requires_grad_()
    ratio = (log_prob - column(-3.0, -3.0, -1.0)).exp()
    (gradient,) = torch.autograd.grad(truncated_reinforce(log_prob, ratio, column(1.0, -1.0, 1.0)).sum(), log_prob)
    close(gradient, column(-5.0, 5.0, -math.exp(-1.0)))


def test_sapo_by_hand():
    close(sigmoid_surrogate(column(1.0, 1.0), column(-1.0, 1.0)), column(4 / 1.05 / 2, -2.0))
    value = -4.0 / 0.5 / (1 + math.exp(-0.5 * 2.0)) * 1.5
    close(sigmoid_surrogate(column(3.0), column(1.5), tau_positive=0.5), column(value))
    value = 4.0 / 2.0 / (1 + math.exp(-2.0 * -0.5)) * 1.5
    close(sigmoid_surrogate(column(0.5), column(-1.5), tau_negative=2.0), column(value))
    close(sigmoid_surrogate(column(0.5), column(0.0)), column(0.0))


def test_sapo_s_gradient_is_minus_a_at_ratio_one_and_fades():
    ratio, advantage = column(1.0, 1.0, 30.0).requires_grad_(), column(2.0, -3.0, 1.0)
    (gradient,) = torch.autograd.grad(sigmoid_surrogate(ratio, advantage).sum(), ratio)
    close(gradient[:2], column(-2.0, 3.0))
    assert gradient[2].abs() < 1e-10


def test_a_temperature_is_not_rounded_to_float32():
    assert sigmoid_surrogate(column(1.0), column(-1.0)).item() == 4.0 / 1.05 / 2.0


@given(seed=seeds)
def test_the_terms_equal_a_slow_loop(seed):
    rollouts = make_rollouts(seed, old_shift=1.0, requires_grad=False)
    cispo = TruncatedReinforce(ratio_low=0.5, ratio_high=1.5)(rollouts)
    sapo = SigmoidSurrogate(tau_positive=0.7, tau_negative=1.3)(rollouts)
    for row, token in rollouts.mask.nonzero().tolist():
        log_prob = rollouts.token_log_prob[row, token].item()
        ratio = math.exp(log_prob - rollouts.old_token_log_prob[row, token].item())
        advantage = rollouts.advantage[row].item()
        assert cispo[row, token].item() == pytest.approx(-min(max(ratio, 0.5), 1.5) * advantage * log_prob, rel=1e-9)
        tau = 0.7 if advantage > 0 else 1.3
        expected = -4 / tau / (1 + math.exp(-tau * (ratio - 1))) * advantage
        assert sapo[row, token].item() == pytest.approx(expected, rel=1e-9)


def test_the_experts_rows_are_not_counted():
    rollouts = make_rollouts(0)
    for term in (TruncatedReinforce(), SigmoidSurrogate()):
        assert torch.equal(term.rows(rollouts), ~rollouts.is_expert)
        assert (term.name, term.unit, term.needs) == ("surrogate", "token", frozenset())


@pytest.mark.parametrize(
    "make", [lambda **bounds: truncated_reinforce(*[column(1.0)] * 3, **bounds), TruncatedReinforce]
)
def test_bounds_are_refused_by_name_and_may_be_equal(make):
    make(ratio_low=1.0, ratio_high=1.0)
    make(ratio_low=1.0, ratio_high=None)
    message = "ratio_low=2.0: expected at most ratio_high=1.0. Fix: put the bounds in order."
    assert said(make, ratio_low=2.0, ratio_high=1.0) == message
    assert said(make, ratio_low=-1.0, ratio_high=1.0).startswith("ratio_low=-1.0: expected")
    assert said(make, ratio_low=None, ratio_high=-1.0).startswith("ratio_high=-1.0: expected")
