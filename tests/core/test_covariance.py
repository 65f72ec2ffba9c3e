"""Clip-Cov and KL-Cov: which tokens they choose, and what becomes of them."""

import dataclasses
import math
import statistics

import torch
from conftest import close, gradient, make_rollouts, seeds
from hypothesis import given
from hypothesis import strategies as st

from calibrl_ref import RECIPES, ClipCovSurrogate, KLCovSurrogate, Rollouts, token_covariance
from calibrl_ref.gates import value_hash


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


def tokens_of(rollouts, replica):
    """Positions of the replica's on-policy tokens, one after another."""
    counted = rollouts.mask & ~rollouts.is_expert[:, None]
    owner = torch.zeros_like(rollouts.group) if rollouts.replica is None else rollouts.replica
    return [(row, t) for row, t in torch.nonzero(counted).tolist() if owner[row] == replica]


def covariances(rollouts, tokens):
    """Eq. 10 of arXiv:2505.22617, a token at a time."""
    advantage = {at: float(rollouts.advantage[at[0]]) for at in tokens}
    log_prob = {at: float(rollouts.token_log_prob[at]) for at in tokens}
    mean_advantage, mean_log_prob = statistics.fmean(advantage.values()), statistics.fmean(log_prob.values())
    return {at: (advantage[at] - mean_advantage) * (log_prob[at] - mean_log_prob) for at in tokens}


def smallest(candidates, key, tokens, fraction):
    """The candidates with the smallest keys: a fraction of all tokens, and at least one."""
    return sorted(candidates, key=lambda at: key(at))[: max(1, int(fraction * len(tokens)))]


def slow_clip_cov(rollouts, tokens, fraction, lower, upper):
    losses, candidates = {}, []
    for at, covariance in covariances(rollouts, tokens).items():
        ratio = math.exp(float(rollouts.token_log_prob[at] - rollouts.old_token_log_prob[at]))
        advantage = float(rollouts.advantage[at[0]])
        losses[at] = max(-ratio * advantage, -min(max(ratio, 0.9), 1.15) * advantage)
        if lower < covariance < upper and losses[at] == -ratio * advantage:
            candidates.append(at)
    chosen = smallest(candidates, lambda at: int(value_hash(rollouts.token_log_prob[at])), tokens, fraction)
    return losses | dict.fromkeys(chosen, 0.0)


def slow_kl_cov(rollouts, tokens, fraction, weight):
    covariance = covariances(rollouts, tokens)
    losses = {}
    for at in tokens:
        difference = float(rollouts.token_log_prob[at] - rollouts.old_token_log_prob[at])
        losses[at] = -math.exp(difference) * float(rollouts.advantage[at[0]])
        if at in smallest(tokens, lambda at: -covariance[at], tokens, fraction):
            losses[at] += weight * abs(difference)
    return losses


@given(seeds, st.sampled_from([0.0002, 0.1, 0.3]), st.booleans())
def test_both_equal_a_slow_loop(seed, fraction, replicas):
    replica = {"replica": torch.tensor([3] * 10 + [1] * 5)} if replicas else {}
    rollouts = make_rollouts(seed, old_shift=0.2, requires_grad=False, **replica)
    clip = ClipCovSurrogate(fraction=fraction, lower=0.0, upper=0.9, clip_low=0.1, clip_high=0.15)(rollouts)
    penalty = KLCovSurrogate(fraction=fraction, weight=0.7)(rollouts)
    for name in (3, 1) if replicas else (0,):
        tokens = tokens_of(rollouts, name)
        close([clip[at] for at in tokens], list(slow_clip_cov(rollouts, tokens, fraction, 0.0, 0.9).values()))
        close([penalty[at] for at in tokens], list(slow_kl_cov(rollouts, tokens, fraction, 0.7).values()))
        found, expected = token_covariance(rollouts), covariances(rollouts, tokens)
        close([found[at] for at in tokens], list(expected.values()), rtol=1e-9, atol=1e-12)


def test_covariance_is_zero_outside_the_policys_tokens_and_where_a_replica_has_one_token():
    rollouts = make_rollouts(0)
    outside = ~rollouts.mask | rollouts.is_expert[:, None]
    assert token_covariance(rollouts)[outside].tolist() == [0.0] * int(outside.sum())
    alone = covariance_batch()
    alone = dataclasses.replace(alone, replica=torch.arange(4), group=torch.arange(4))
    assert token_covariance(alone).flatten().tolist() == [0.0] * 4


def test_the_band_of_clip_cov_is_open():
    """Covariances 2.25, 0.25, 0.25, 2.25, exactly: neither bound is inside."""
    rollouts = dataclasses.replace(covariance_batch(), advantage=torch.tensor([-1.5, -0.5, 0.5, 1.5]).double())
    taken_out = {
        (lower, upper): int((ClipCovSurrogate(fraction=1.0, lower=lower, upper=upper)(rollouts) == 0).sum())
        for lower, upper in ((0.25, 2.25), (0.25, 2.3), (0.2, 2.25), (0.2, 2.3))
    }
    assert list(taken_out.values()) == [0, 2, 2, 4]


def test_kl_cov_penalises_the_token_of_highest_covariance_by_hand():
    rollouts = covariance_batch()
    plain = RECIPES["grpo"](clip_low=None, clip_high=None, aggregation="token_mean")
    difference = gradient(RECIPES["kl_cov"](kl_weight=2.0), rollouts) - gradient(plain, rollouts)
    close(difference.flatten(), [0.0, 0.0, 0.0, 2.0 / 4])
