"""Clip-Cov and KL-Cov: which tokens they choose, and what becomes of them."""

import dataclasses
import math
import statistics

import scipy.stats
import torch
from conftest import close, fields_of, gradient, make_rollouts, seeds
from hypothesis import given
from hypothesis import strategies as st

from calibrl_ref import RECIPES, ClipCovSurrogate, KLCovSurrogate, Rollouts, token_covariance


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


def slow_clip_cov(rollouts, tokens, lower, upper):
    """Every token's loss, and the tokens of the band: any of them may be drawn."""
    losses, candidates = {}, []
    for at, covariance in covariances(rollouts, tokens).items():
        ratio = math.exp(float(rollouts.token_log_prob[at] - rollouts.old_token_log_prob[at]))
        advantage = float(rollouts.advantage[at[0]])
        losses[at] = max(-ratio * advantage, -min(max(ratio, 0.9), 1.15) * advantage)
        if lower < covariance < upper and losses[at] == -ratio * advantage:
            candidates.append(at)
    return losses, candidates


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
        losses, band = slow_clip_cov(rollouts, tokens, 0.0, 0.9)
        drawn = [at for at in tokens if clip[at] == 0.0 and losses[at] != 0.0]
        assert set(drawn) <= set(band)
        assert len(drawn) == min(len(band), max(1, int(fraction * len(tokens))))
        close([clip[at] for at in tokens], [0.0 if at in drawn else losses[at] for at in tokens])
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


def drawn_tokens(batch, fraction=0.05):
    """The tokens of a batch that Clip-Cov takes out, of a band that holds all of them."""
    term = ClipCovSurrogate(fraction=fraction, lower=-100.0, upper=100.0, clip_low=None, clip_high=None)
    return term(batch) == 0.0


def likely_and_unlikely(seed, *, groups=8, size=8, time=6):
    """Near-certain tokens and others at random, as many responses repeat: what a value-keyed draw is biased by."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.tensor([0.0, -1e-6, -1.0, -2.0], dtype=torch.float64)
    log_prob = values[torch.randint(4, (groups * size, time), generator=generator)]
    return Rollouts(
        token_log_prob=log_prob - 1e-9 * seed,
        old_token_log_prob=log_prob - 1e-9 * seed,
        mask=torch.ones_like(log_prob, dtype=torch.bool),
        group=torch.arange(groups * size) // size,
        is_expert=torch.zeros(groups * size, dtype=torch.bool),
        correct=torch.ones(groups * size, dtype=torch.bool),
        advantage=torch.linspace(-1.0, 1.1, groups * size, dtype=torch.float64),
    )


def test_the_draw_is_uniform_over_values_positions_and_rows():
    """Chi-square over the drawn tokens of 300 batches: value (4), position (6) and row (64) are each drawn evenly."""
    by_value, by_position, by_row = torch.zeros(4), torch.zeros(6), torch.zeros(64)
    offered = torch.zeros(4)
    for seed in range(300):
        batch = likely_and_unlikely(seed)
        drawn = drawn_tokens(batch)
        assert drawn.sum() == 19
        value = torch.bucketize(-batch.token_log_prob.detach(), torch.tensor([5e-7, 0.5, 1.5], dtype=torch.float64))
        by_value += torch.bincount(value[drawn], minlength=4)
        offered += torch.bincount(value.flatten(), minlength=4)
        by_position += drawn.sum(0)
        by_row += drawn.sum(1)
    for counts, share in ((by_value, offered / offered.sum()), (by_position, 1 / 6), (by_row, 1 / 64)):
        expected = counts.sum() * share
        assert scipy.stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1) > 1e-3


def test_two_tokens_are_drawn_together_as_often_as_chance_has_it():
    """Neighbours in time and rows with equal tokens are drawn independently of each other."""
    both = {"neighbours": 0, "equal rows": 0}
    for seed in range(300):
        batch = dataclasses.replace(likely_and_unlikely(seed), token_log_prob=torch.full((64, 6), -1.0 - seed).double())
        drawn = drawn_tokens(batch, fraction=0.25)  # 96 of 384
        both["neighbours"] += int((drawn[:, 1:] & drawn[:, :-1]).sum())
        both["equal rows"] += int((drawn[1:] & drawn[:-1]).sum())
    chance = 96 / 384 * 95 / 383
    for name, pairs in (("neighbours", 64 * 5), ("equal rows", 63 * 6)):
        assert abs(both[name] / (300 * pairs) - chance) < 4 * (chance / (300 * pairs)) ** 0.5, name


def test_the_draw_is_reproducible_and_follows_row_ids_not_order_or_cut():
    batch = make_rollouts(0, groups=12, experts=False, requires_grad=False, row_id=torch.arange(48) * 7)
    order = torch.randperm(48, generator=torch.Generator().manual_seed(0))
    moved = Rollouts(**{name: None if v is None else v[order] for name, v in fields_of(batch).items()})
    assert torch.equal(drawn_tokens(batch), drawn_tokens(batch))
    assert torch.equal(drawn_tokens(moved), drawn_tokens(batch)[order])
    keys = batch.uniform_per_token()
    for part in (batch.group < 5, batch.group % 2 == 0):
        assert torch.equal(batch.select(part).uniform_per_token(), keys[part])
    other = dataclasses.replace(batch, row_id=batch.row_id + 1)
    assert not torch.equal(drawn_tokens(other), drawn_tokens(batch))


def test_row_ids_are_one_each_other_in_the_next_batch_and_survive_a_selection():
    batch = make_rollouts(0, groups=20, requires_grad=False)
    ids = batch.row_ids()
    assert len(ids.unique()) == 100
    assert torch.equal(batch.select(batch.group > 5).select(torch.arange(70) % 2 == 0).row_ids(), ids[30::2])
    nearly = batch.old_token_log_prob.clone()
    nearly[-1, 0] *= 1 + 2.0**-52
    assert not set(dataclasses.replace(batch, old_token_log_prob=nearly).row_ids().tolist()) & set(ids.tolist())


def test_a_replica_s_row_ids_are_those_of_the_batch_alone():
    batch = make_rollouts(0, groups=4, size=2, experts=False, replica=torch.tensor([5, 5, 2, 2, 5, 5, 2, 2]))
    for replica in (5, 2):
        part = dataclasses.replace(batch.select(batch.replica == replica), row_id=None, replica=None)
        assert torch.equal(batch.row_ids()[batch.replica == replica], part.row_ids())


def test_kl_cov_penalises_the_token_of_highest_covariance_by_hand():
    rollouts = covariance_batch()
    plain = RECIPES["grpo"](clip_low=None, clip_high=None, aggregation="token_mean")
    difference = gradient(RECIPES["kl_cov"](kl_weight=2.0), rollouts) - gradient(plain, rollouts)
    close(difference.flatten(), [0.0, 0.0, 0.0, 2.0 / 4])
