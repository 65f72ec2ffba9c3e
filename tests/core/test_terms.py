"""What a term may say of itself: its own rows, tokens and aggregation; and the weights of a sampler that disagrees."""

import dataclasses

import pytest
import torch
from conftest import close, gradient, make_rollouts

from calibrl_ref import (
    RECIPES,
    Aggregation,
    ClippedSurrogate,
    EntropyBonus,
    HybridSurrogate,
    Imitation,
    Objective,
    importance_ratio,
    truncated_mismatch_weight,
)


def objective_of(*terms, mode="constant_length_sum", max_length=7):
    base = RECIPES["grpo"]()
    return Objective(terms=terms, aggregation=Aggregation(mode=mode, max_length=max_length), advantage=base.advantage)


def test_an_entropy_bonus_over_all_rows_with_its_own_aggregation_by_hand(rollouts):
    bonus = EntropyBonus(weight=0.3, on_experts=True, aggregation=Aggregation(mode="token_mean"))
    losses = objective_of(ClippedSurrogate(), bonus)(rollouts)
    close(losses.terms["entropy_bonus"], -0.3 * rollouts.token_entropy[rollouts.mask].mean())
    surrogate = objective_of(ClippedSurrogate())(rollouts).total
    close(losses.terms["surrogate"], surrogate)
    close(losses.total, surrogate - 0.3 * rollouts.token_entropy[rollouts.mask].mean())


def test_imitation_has_its_own_weight_and_divisor(rollouts):
    imitation = Imitation(weight=0.3, aggregation=Aggregation(mode="token_mean"))
    share = objective_of(ClippedSurrogate(), imitation)(rollouts).terms["imitation"]
    counted = rollouts.mask & rollouts.is_expert[:, None]
    close(share, -0.3 * rollouts.token_log_prob[counted].mean())


def test_micro_batches_add_up_where_terms_have_divisors_of_their_own(rollouts):
    bonus = EntropyBonus(weight=0.3, on_experts=True, aggregation=Aggregation(mode="token_mean"))
    objective = objective_of(ClippedSurrogate(), bonus, Imitation(aggregation=Aggregation(mode="token_mean")))
    divisors = objective.divisors(rollouts)
    parts = [rollouts.select(rollouts.group == g) for g in range(3)]
    close(sum(objective(part, divisors=divisors).total for part in parts), objective(rollouts).total)


def prefixed():
    """A policy's response that begins with two tokens of an expert, and an expert's that the policy finished."""
    batch = make_rollouts(0, groups=1, size=2, time=4)
    off_policy = torch.tensor([[True, True, False, False], [False] * 4, [True, True, True, False]])
    return dataclasses.replace(batch, mask=torch.ones(3, 4, dtype=torch.bool), off_policy=off_policy)


def test_on_policy_terms_leave_a_prefix_out():
    batch = prefixed()
    counted = torch.tensor([[False, False, True, True], [True] * 4, [False] * 4])
    losses = objective_of(ClippedSurrogate(), EntropyBonus(), mode="token_mean")(batch)
    ratio = importance_ratio(batch.token_log_prob, batch.old_token_log_prob)
    advantage = batch.advantage[:, None].expand(3, 4)
    plain = torch.maximum(-ratio * advantage, -ratio.clamp(0.8, 1.2) * advantage)
    close(losses.terms["surrogate"], plain[counted].mean())
    close(losses.terms["entropy_bonus"], -0.01 * batch.token_entropy[counted].mean())


def test_imitation_leaves_the_policy_s_ending_out():
    batch = prefixed()
    close(objective_of(Imitation(), mode="token_mean")(batch).total, -batch.token_log_prob[2, :3].mean())


def test_the_hybrid_surrogate_shapes_off_policy_tokens_wherever_they_are():
    batch = prefixed()
    term = HybridSurrogate(on_policy=ClippedSurrogate(clip_low=None, clip_high=None), shape="luffy", gamma=0.3)
    probability = batch.token_log_prob.exp()
    shaped = -batch.advantage[:, None] * probability / (probability + 0.3)
    plain = -batch.advantage[:, None] * importance_ratio(batch.token_log_prob, batch.old_token_log_prob)
    close(term(batch), torch.where(batch.off_policy, shaped, plain))
    close(objective_of(term)(batch).total, torch.where(batch.off_policy, shaped, plain).sum() / 7)


def test_the_shape_s_own_constant_is_taken_where_none_is_given(rollouts):
    for shape, gamma in (("luffy", 0.1), ("rl_plus", 0.5)):
        on_policy = ClippedSurrogate()
        close(
            HybridSurrogate(on_policy=on_policy, shape=shape)(rollouts),
            HybridSurrogate(on_policy=on_policy, shape=shape, gamma=gamma)(rollouts),
        )


def test_truncated_weights_by_hand_and_in_the_surrogate():
    old, sampler = torch.tensor([[0.5, 0.9, 0.2]]).log(), torch.tensor([[1.0, 0.3, 0.2]]).log()
    close(truncated_mismatch_weight(old, sampler, cap=2.5), [[0.5, 2.5, 1.0]], rtol=1e-6, atol=1e-6)
    batch = make_rollouts(0)
    disagreeing = (batch.old_token_log_prob - 0.4).where(batch.is_expert[:, None] | (batch.group[:, None] > 0), -3.0)
    batch = dataclasses.replace(batch, sampler_token_log_prob=disagreeing)
    corrected = objective_of(ClippedSurrogate(mismatch_cap=1.3))
    weight = (batch.old_token_log_prob - batch.sampler_token_log_prob).exp().clamp(max=1.3)
    assert weight.min() < 1 < weight.max()
    close(gradient(corrected, batch), weight * gradient(objective_of(ClippedSurrogate()), batch))
    assert corrected.terms[0].needs == {"sampler_token_log_prob"}


def test_weights_of_a_sampler_that_nobody_gave_are_asked_for(rollouts):
    with pytest.raises(ValueError, match=r"^sampler_token_log_prob=None: .*Fix: pass sampler_token_log_prob"):
        objective_of(ClippedSurrogate(mismatch_cap=2.0))(rollouts)


def test_an_entropy_bonus_names_its_weight():
    with pytest.raises(ValueError, match=r"^entropy_weight=-0\.1"):
        EntropyBonus(weight=-0.1)(make_rollouts(0))


def test_a_sampler_s_mismatch_counts_twice_at_most_unless_told():
    assert truncated_mismatch_weight(torch.zeros(1), torch.full((1,), -3.0)).item() == 2.0
