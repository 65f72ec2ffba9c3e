"""Clip-Cov and KL-Cov: which tokens they choose, and what becomes of them."""

import torch
from conftest import close, gradient

from calibrl_ref import RECIPES, Rollouts


def covariance_batch():
    """One group, four tokens of one row each: A = log-prob pattern gives covariances 2.25, 0.25, 0.25, 2.25."""
    log_prob = torch.tensor([[-4.0], [-3.0], [-2.0], [-1.0]], dtype=torch.float64, requires_grad=True)
    return Rollouts(
        token_log_prob=log_prob,
        old_token_log_prob=log_prob.detach() - 0.01,
        mask=torch.ones(4, 1, dtype=torch.bool),
        group=torch.zeros(4, dtype=torch.long),
        is_expert=torch.zeros(4, dtype=torch.bool),
        correct=torch.ones(4, dtype=torch.bool),
        advantage=torch.tensor([-1.5, -0.5, 0.5, 1.6], dtype=torch.float64),
    )


def test_clip_cov_takes_out_one_token_of_the_band_by_hand():
    rollouts = covariance_batch()
    grad = gradient(RECIPES["clip_cov"](lower=0.3, upper=5.0), rollouts).flatten()
    assert (grad == 0).sum() == 1
    assert grad[1] != 0
    assert grad[2] != 0


def test_kl_cov_penalises_the_token_of_highest_covariance_by_hand():
    rollouts = covariance_batch()
    plain = RECIPES["grpo"](clip_low=None, clip_high=None, aggregation="token_mean")
    difference = gradient(RECIPES["kl_cov"](kl_weight=2.0), rollouts) - gradient(plain, rollouts)
    close(difference.flatten(), [0.0, 0.0, 0.0, 2.0 / 4])
