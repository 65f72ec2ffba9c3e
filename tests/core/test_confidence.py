"""ACE: the confidence gained, the advantage it makes of a wrong response, and what it leaves alone."""

import math

import pytest
import torch
from conftest import close, make_rollouts, said, seeds
from hypothesis import given

from calibrl_ref import RECIPES, SHIFTS, ClippedSurrogate, ConfidencePenalisedSurrogate, confidence_advantage

LN2 = math.log(2.0)


def column(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_the_advantage_by_hand():
    shift = column(0.0, 2.0, -2.0, 2.0)
    found = confidence_advantage(column(-1.0, -1.0, -1.0, 1.0), shift)
    close(found, column(-(1 + LN2), -(1 + math.log1p(math.exp(2.0))), -(1 + math.log1p(math.exp(-2.0))), 1.0))
    close(found[:3], column(-1.6931472, -3.1269280, -1.1269280), atol=1e-7, rtol=0.0)
    close(confidence_advantage(column(-2.0, -2.0), column(3.0, -3.0), alpha=0.5, gate="relu"), column(-5.0, -2.0))
    close(confidence_advantage(column(0.0), column(3.0)), column(0.0))


def test_alpha_zero_is_grpo():
    rollouts = make_rollouts(1)
    plain = RECIPES["grpo"](aggregation="token_mean")(rollouts).total
    close(RECIPES["ace"](alpha=0.0)(rollouts).total, plain)
    assert (RECIPES["ace"]()(rollouts).total - plain).abs() > 1e-3


def test_the_shift_is_summed_or_per_token():
    policy, reference = column(-1.0, -2.0, 9.0).view(1, 3), column(-2.0, -4.0, 0.0).view(1, 3)
    mask = torch.tensor([[True, True, False]])
    close(SHIFTS["sum"](policy.where(mask, 0.0), reference, mask), column(3.0))
    close(SHIFTS["mean"](policy.where(mask, 0.0), reference, mask), column(1.5))
    nothing = torch.zeros_like(mask)
    close(SHIFTS["mean"](torch.zeros_like(policy), torch.zeros_like(policy), nothing), column(0.0))


@given(seed=seeds)
def test_a_long_response_stays_finite(seed):
    rollouts = make_rollouts(seed, time=40)
    far = rollouts.token_log_prob.detach() - 30.0  # a reference that would never have written this
    shifted = make_rollouts(seed, time=40, reference_token_log_prob=far)
    assert RECIPES["ace"]()(shifted).total.isfinite()


def test_no_gradient_flows_through_the_shift():
    rollouts = make_rollouts(2, old_shift=0.0)
    (gradient,) = torch.autograd.grad(RECIPES["ace"]()(rollouts).total, rollouts.token_log_prob)
    counted = rollouts.mask & ~rollouts.is_expert[:, None]
    shift = (rollouts.token_log_prob - rollouts.reference_token_log_prob).detach().sum(1)
    advantage = confidence_advantage(rollouts.advantage, shift)
    close(gradient, (-advantage[:, None] * counted / counted.sum()))


def test_the_term_says_what_it_needs():
    term = ConfidencePenalisedSurrogate(on_policy=ClippedSurrogate())
    assert (term.name, term.needs) == ("surrogate", frozenset({"reference_token_log_prob"}))
    with pytest.raises(ValueError, match="reference_token_log_prob=None"):
        term(make_rollouts(0, reference_token_log_prob=None))


def test_what_is_wrong_is_refused_by_name():
    def term(**options):
        return ConfidencePenalisedSurrogate(on_policy=ClippedSurrogate(), **options)

    assert said(term, alpha=-1.0).startswith("alpha=-1.0: expected")
    assert said(term, shift="mode").startswith("shift='mode': expected one of ['mean', 'sum'].")
    assert said(term, gate="softplu").startswith("confidence_gate='softplu': expected one of ['relu', 'softplus'].")


def test_the_dual_clip_bounds_the_loss_of_a_wrong_row():
    rollouts = make_rollouts(1, old_shift=-3.0)
    term = ConfidencePenalisedSurrogate(on_policy=ClippedSurrogate(clip_low=0.2, clip_high=0.2, dual_clip=3.0))
    free = ConfidencePenalisedSurrogate(on_policy=ClippedSurrogate(clip_low=0.2, clip_high=0.2))
    assert (free(rollouts) > term(rollouts) + 1e-6).any()
    shift = SHIFTS["sum"](rollouts.token_log_prob, rollouts.reference_token_log_prob, rollouts.mask)
    advantage = confidence_advantage(rollouts.advantage, shift)
    negative = advantage < 0
    assert (term(rollouts)[negative] <= (-3.0 * advantage[negative]).unsqueeze(1) + 1e-9).all()
