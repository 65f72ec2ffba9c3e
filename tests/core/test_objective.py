"""Whole objectives: identities that hold, where they break, and what a loss may not depend on."""

import dataclasses
import inspect

import pytest
import torch
from conftest import close, fields_of, gradient, make_rollouts, seeds
from hypothesis import given
from hypothesis import strategies as st

from calibrl_ref import (
    AGGREGATIONS,
    RECIPES,
    Rollouts,
    exploration_coefficients,
    exploration_loss,
    group_advantage,
    trajectory_log_prob,
)

EVERY_RECIPE = sorted(RECIPES)
BATCH_LEVEL = {
    "top_entropy",
    "clip_cov",
    "kl_cov",
    "calibrl_shuffled_expert",
}  # they look at the whole batch by definition
CUTTABLE = sorted(set(RECIPES) - BATCH_LEVEL)


def evaluate(name, given_fields, **settings):
    """Total loss and its gradient with respect to the raw token log-probabilities."""
    leaf = given_fields["token_log_prob"].detach().clone().requires_grad_()
    total = RECIPES[name](**settings)(Rollouts(**{**given_fields, "token_log_prob": leaf})).total
    return total.detach(), torch.autograd.grad(total, leaf)[0]


def test_the_contract_names_every_recipe():
    names = """
        grpo dr_grpo dapo cppo cppo_released entropy_bonus clip_cov kl_cov sft luffy rl_plus luffy_released
        rl_plus_released calibrl calibrl_released calibrl_relu calibrl_linear calibrl_softplus calibrl_sigmoid
        calibrl_unweighted calibrl_length_normalised calibrl_reference_baseline calibrl_random_gate
        calibrl_shuffled_expert calibrl_dr_grpo calibrl_dapo calibrl_cppo calibrl_adaptive
        cispo gspo sapo w_reinforce ace top_entropy chord hpt srft pivot entropy_coefficient entropy_target"""
    assert set(RECIPES) == set(names.split())


@pytest.mark.parametrize("name", EVERY_RECIPE)
def test_signature_is_keyword_only_with_defaults_and_documented(name):
    parameters = inspect.signature(RECIPES[name]).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters)
    assert {"aggregation", "max_length"} <= {p.name for p in parameters}
    assert inspect.getdoc(RECIPES[name])


@pytest.mark.parametrize("name", EVERY_RECIPE)
@pytest.mark.parametrize("aggregation", sorted(AGGREGATIONS))
def test_terms_add_up_and_the_loss_is_differentiable(name, aggregation, rollouts):
    losses = RECIPES[name](aggregation=aggregation, max_length=7)(rollouts)
    close(sum(losses.terms.values()), losses.total)
    assert torch.isfinite(gradient(RECIPES[name](), rollouts)).all()
    assert gradient(RECIPES[name](), rollouts).abs().sum() > 0


# Numerical slopes see through a stop-gradient: by hand in test_whole_recipes, by authors' gradients in test_peers2
STOPPED = {"rl_plus", "rl_plus_released", "ace", "chord", "cispo", "pivot", "srft"}


@pytest.mark.parametrize("name", sorted(set(RECIPES) - STOPPED))
def test_gradcheck(name):
    fixed = fields_of(make_rollouts(3, groups=2, size=3, time=3, old_shift=0.05, requires_grad=False))
    counted = fixed["mask"] & ~fixed["is_expert"][:, None]
    log_ratio = (fixed["token_log_prob"] - fixed["old_token_log_prob"])[counted]
    assert (log_ratio.exp() - 1).abs().max() < 0.19, "away from the clip edges"

    def total(token_log_prob, token_entropy):
        given_fields = {**fixed, "token_log_prob": token_log_prob, "token_entropy": token_entropy}
        return RECIPES[name]()(Rollouts(**given_fields)).total

    leaves = (fixed["token_log_prob"].requires_grad_(), fixed["token_entropy"].requires_grad_())
    assert torch.autograd.gradcheck(total, leaves, fast_mode=True)


@pytest.mark.parametrize("name", CUTTABLE)
@given(seed=seeds, aggregation=st.sampled_from(sorted(AGGREGATIONS)))
def test_micro_batches_add_up_to_the_batch(name, seed, aggregation):
    objective = RECIPES[name](aggregation=aggregation, max_length=6)
    batch = make_rollouts(seed)
    divisors = objective.divisors(batch)
    parts = [batch.select(batch.group == g) for g in batch.group.unique()]
    close(
        sum(objective(part, divisors=divisors).total for part in parts), objective(batch).total, rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize("name", EVERY_RECIPE)
@given(seed=seeds)
def test_row_order_changes_nothing(name, seed):
    given_fields = fields_of(make_rollouts(seed)) | {"row_id": torch.arange(15)}  # ids travel with the rows
    order = torch.randperm(len(given_fields["group"]), generator=torch.Generator().manual_seed(seed))
    moved = {key: None if value is None else value[order] for key, value in given_fields.items()}
    total, grad = evaluate(name, given_fields)
    moved_total, moved_grad = evaluate(name, moved)
    close(moved_total, total, rtol=1e-9, atol=1e-10)
    close(moved_grad, grad[order], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", EVERY_RECIPE)
@given(seed=seeds)
def test_group_names_padding_and_garbage_change_nothing(name, seed):
    given_fields = fields_of(make_rollouts(seed))
    settings = {"max_length": 5} if "length" in RECIPES[name]().aggregation.mode else {}
    padded = dict(given_fields)
    for key, value in given_fields.items():
        if value is not None and value.dim() == 2:
            filler = torch.full((len(value), 3), False if key == "mask" else torch.nan, dtype=value.dtype)
            padded[key] = torch.cat([value, filler], dim=1)
    padded["group"] = given_fields["group"] * 11 - 40
    total, grad = evaluate(name, given_fields, **settings)
    padded_total, padded_grad = evaluate(name, padded, **settings)
    close(padded_total, total, rtol=1e-9, atol=1e-10)
    close(padded_grad[:, :5], grad, rtol=1e-8, atol=1e-10)
    assert padded_grad[:, 5:].abs().sum() == 0


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"calibrl_shuffled_expert"}))
def test_replicas_are_independent_batches(name):
    first, second = make_rollouts(1), make_rollouts(2)
    merged = {
        key: None if a is None else torch.cat([a, b + 100 if key == "group" else b])
        for (key, a), b in zip(fields_of(first).items(), fields_of(second).values(), strict=True)
    }
    merged["replica"] = torch.arange(2).repeat_interleave(len(first.group))
    total, grad = evaluate(name, merged)
    alone = [evaluate(name, fields_of(part)) for part in (first, second)]
    close(total, alone[0][0] + alone[1][0], rtol=1e-9, atol=1e-10)
    close(grad, torch.cat([alone[0][1], alone[1][1]]), rtol=1e-9, atol=1e-10)


def test_divisors_of_an_objective_with_fewer_terms_are_refused(rollouts):
    with pytest.raises(ValueError, match="shorter"):
        RECIPES["calibrl"]()(rollouts, divisors=RECIPES["grpo"]().divisors(rollouts))
    with pytest.raises(ValueError, match="longer"):
        RECIPES["grpo"]()(rollouts, divisors=RECIPES["calibrl"]().divisors(rollouts))


def test_gspo_by_a_slow_loop(rollouts):
    """One ratio per response, the geometric mean over its own tokens, in the clipped surrogate of each."""
    total, rows = 0.0, torch.nonzero(~rollouts.is_expert).flatten().tolist()
    for row in rows:
        own = rollouts.mask[row]
        ratio = (rollouts.token_log_prob - rollouts.old_token_log_prob)[row][own].mean().exp().item()
        advantage = rollouts.advantage[row].item()
        total += max(-ratio * advantage, -min(max(ratio, 0.97), 1.05) * advantage) / len(rows)
    close(RECIPES["grpo"](ratio_level="sequence", clip_low=0.03, clip_high=0.05)(rollouts).total, total)


def test_replicas_refuse_foreign_divisors(rollouts):
    replicated = dataclasses.replace(rollouts, replica=torch.zeros_like(rollouts.group))
    objective = RECIPES["calibrl"]()
    with pytest.raises(ValueError, match=r"divisors=.*Fix"):
        objective(replicated, divisors=objective.divisors(rollouts))


@given(seeds)
def test_released_form_is_grpo_with_each_token_scaled_by_1_05_or_1_10(seed):
    on_policy = make_rollouts(seed, old_shift=0.0)
    correct = on_policy.advantage > 0
    aligned = dataclasses.replace(on_policy, correct=correct)
    plain = RECIPES["grpo"](aggregation="token_mean", scale_by_std=False)
    scale = gradient(RECIPES["calibrl_released"](), aligned) / gradient(plain, aligned)
    counted = aligned.mask & ~aligned.is_expert[:, None]
    nearest = 1.05 + 0.05 * ((scale[counted] - 1.05).abs() > 0.02).double()
    close(scale[counted], nearest, rtol=1e-9, atol=1e-9)


def test_released_identity_breaks_where_the_format_reward_flips_the_sign():
    """A formatted wrong answer in an all-wrong group has A > 0 and s = -1: the two terms oppose each other."""
    rollouts = make_rollouts(0, old_shift=0.0)
    wrong = dataclasses.replace(
        rollouts, advantage=rollouts.advantage.abs() + 0.1, correct=torch.zeros_like(rollouts.correct)
    )
    plain = RECIPES["grpo"](aggregation="token_mean", scale_by_std=False)
    counted = wrong.mask & ~wrong.is_expert[:, None]
    scale = (gradient(RECIPES["calibrl_released"](), wrong) / gradient(plain, wrong))[counted]
    assert ((scale > 0.89) & (scale < 0.96)).all()


def test_released_form_beyond_the_expert_s_end_compares_with_certainty():
    """Its padding 0 stands for log 1: every token is less likely, so a correct one has slope 1, a wrong one alpha."""
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[2, 2:] = False  # the expert ends after two tokens
    log_prob = torch.full((3, 4), -2.0, dtype=torch.float64)
    log_prob[2] = -5.0
    rollouts = Rollouts(
        token_log_prob=log_prob.requires_grad_(),
        old_token_log_prob=log_prob.detach(),
        mask=mask,
        group=torch.zeros(3, dtype=torch.long),
        is_expert=torch.tensor([False, False, True]),
        correct=torch.tensor([True, False, True]),
        advantage=torch.tensor([0.5, -0.5, 0.5], dtype=torch.float64),
    )
    plain = RECIPES["grpo"](aggregation="token_mean")
    scale = gradient(RECIPES["calibrl_released"](), rollouts) / gradient(plain, rollouts)
    close(scale[:2], [[1.05, 1.05, 1.10, 1.10], [1.10, 1.10, 1.05, 1.05]])


@pytest.mark.parametrize("name", EVERY_RECIPE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_log_probs_give_finite_losses_and_gradients(name, dtype):
    given_fields = fields_of(make_rollouts(0, dtype=dtype, requires_grad=False))
    for field in ("token_log_prob", "old_token_log_prob", "reference_token_log_prob"):
        given_fields[field] = given_fields[field] * 1e5
    total, grad = evaluate(name, given_fields)
    assert torch.isfinite(total)
    assert torch.isfinite(grad).all()


def test_released_form_leaves_gradient_where_ppo_has_clipped_it():
    rollouts = make_rollouts(0)
    far = dataclasses.replace(
        rollouts,
        old_token_log_prob=rollouts.token_log_prob.detach() - 1.0,
        advantage=rollouts.advantage.abs() + 0.1,
        correct=torch.ones_like(rollouts.correct),
    )
    counted = far.mask & ~far.is_expert[:, None]
    assert gradient(RECIPES["grpo"](), far)[counted].abs().max() == 0
    survives = gradient(RECIPES["calibrl_released"](), far)[counted]
    weight = far.advantage[:, None].expand_as(far.mask)[counted] / counted.sum()
    assert ((-survives / weight > 0.049) & (-survives / weight < 0.101)).all()


def expert_push(rollouts, slope, **settings):
    """Minus the gradient of the exploration share at the experts' first tokens, times the counted rows."""
    objective = RECIPES["calibrl"](slope=slope, exploration_weight=1.0, **settings)
    share = objective(rollouts).terms["exploration"]
    (grad,) = torch.autograd.grad(share, rollouts.token_log_prob)
    return -grad[rollouts.is_expert, 0] * (~rollouts.is_expert).sum()


def centred(seed, gap_sign=None):
    """Rollouts with s = sign(A) and A of mean zero in each group, and all gaps of one sign if asked."""
    rollouts = make_rollouts(seed, old_shift=0.0)
    advantage = group_advantage(rollouts.advantage, rollouts.group, rollouts.is_expert, scale_by_std=False)
    changes = {"advantage": advantage, "correct": advantage > 0}
    if gap_sign:
        length = rollouts.mask.sum(-1, keepdim=True)
        level = torch.where(rollouts.is_expert, -10.0, -10.0 + 5.0 * gap_sign)[:, None] / length
        changes["token_log_prob"] = (level + 0.0 * rollouts.token_log_prob.detach()).double().requires_grad_()
    return dataclasses.replace(rollouts, **changes)


@given(seeds)
def test_net_push_on_the_expert_is_zero_at_slope_one(seed):
    close(expert_push(centred(seed), 1.0), torch.zeros(3), rtol=0.0, atol=1e-12)


@given(seeds, st.floats(0.0, 1.0))
def test_net_push_on_the_expert_when_all_samples_are_likelier_than_it(seed, slope):
    rollouts = centred(seed, gap_sign=+1)
    positive = torch.stack(
        [rollouts.advantage[(rollouts.group == g) & ~rollouts.is_expert].clamp(min=0).sum() for g in range(3)]
    )
    close(expert_push(rollouts, slope), (1 - slope) * positive, rtol=1e-9, atol=1e-11)


@given(seeds, st.floats(0.0, 1.0))
def test_net_push_on_the_expert_is_minus_the_sum_of_advantage_times_slope(seed, slope):
    rollouts = centred(seed)
    policy = ~rollouts.is_expert
    total = trajectory_log_prob(rollouts.token_log_prob, rollouts.mask).detach()
    gap = total - total[rollouts.is_expert][rollouts.group]
    _, expert = exploration_coefficients(
        gap[policy], rollouts.correct[policy], rollouts.advantage[policy], rollouts.group[policy], slope=slope
    )
    first = torch.tensor([int(torch.nonzero(rollouts.group[policy] == g)[0]) for g in range(3)])
    close(expert_push(rollouts, slope), expert[first], rtol=1e-9, atol=1e-11)
    signed = torch.where((gap > 0) != rollouts.correct, torch.ones_like(gap), slope)
    by_hand = torch.stack([-(rollouts.advantage * signed)[(rollouts.group == g) & policy].sum() for g in range(3)])
    close(expert[first], by_hand, rtol=1e-9, atol=1e-11)


@given(seeds)
def test_exploration_share_by_a_slow_loop(seed):
    rollouts = make_rollouts(seed)
    share = RECIPES["calibrl"](slope=0.3, exploration_weight=0.7)(rollouts).terms["exploration"]
    values = []
    for row in torch.nonzero(~rollouts.is_expert).flatten().tolist():
        expert = int(torch.nonzero((rollouts.group == rollouts.group[row]) & rollouts.is_expert))
        own, reference = (rollouts.token_log_prob[i][rollouts.mask[i]].sum().reshape(1) for i in (row, expert))
        values.append(
            exploration_loss(own, reference, rollouts.correct[[row]], rollouts.advantage[[row]], slope=0.3).item()
        )
    close(share, 0.7 * sum(values) / len(values), rtol=1e-9, atol=1e-11)


def test_the_unweighted_ablation_is_the_same_with_every_advantage_of_size_one(rollouts):
    unit = dataclasses.replace(rollouts, advantage=rollouts.advantage.sign())
    expected = RECIPES["calibrl"]()(unit).terms["exploration"]
    close(RECIPES["calibrl_unweighted"]()(rollouts).terms["exploration"], expected)
    assert RECIPES["calibrl"]()(rollouts).terms["exploration"] != expected


@pytest.mark.parametrize(
    "name", [n for n in EVERY_RECIPE if n.startswith("calibrl") and n != "calibrl_reference_baseline"]
)
def test_a_batch_without_experts_has_no_exploration_term(name):
    rollouts = make_rollouts(0, experts=False)
    assert RECIPES[name]()(rollouts).terms["exploration"] == 0.0


def test_a_group_without_an_expert_contributes_exactly_zero():
    rollouts = make_rollouts(0)
    fewer = rollouts.select(~(rollouts.is_expert & (rollouts.group == 1)))
    (grad,) = torch.autograd.grad(RECIPES["calibrl"]()(fewer).terms["exploration"], fewer.token_log_prob)
    assert grad[fewer.group == 1].abs().max() == 0.0
    assert grad[fewer.group == 0].abs().max() > 0.0


@pytest.mark.parametrize("name", ["calibrl", "calibrl_released"])
def test_detached_expert_receives_no_gradient(name):
    rollouts = make_rollouts(0)
    assert gradient(RECIPES[name](detach_expert=True), rollouts)[rollouts.is_expert].abs().max() == 0.0
    assert gradient(RECIPES[name](detach_expert=False), rollouts)[rollouts.is_expert].abs().max() > 0.0


def test_constants_of_the_rollouts_are_detached():
    given_fields = fields_of(make_rollouts(0))
    constants = ("old_token_log_prob", "advantage", "reference_token_log_prob")
    leaves = {name: given_fields[name].clone().requires_grad_() for name in constants}
    rollouts = Rollouts(**{**given_fields, **leaves})
    assert not any(getattr(rollouts, name).requires_grad for name in constants)


@pytest.mark.parametrize("name", ["grpo", "dapo", "luffy", "calibrl", "calibrl_released"])
def test_homogeneous_groups_give_exactly_zero(name):
    rollouts = make_rollouts(0)
    objective = RECIPES[name]()
    reward = torch.full_like(rollouts.advantage, 0.1)
    advantage = objective.advantage(reward, rollouts.group, rollouts.is_expert)
    flat = dataclasses.replace(rollouts, advantage=advantage)
    shares = objective(flat).terms
    assert {share.item() for term, share in shares.items() if term != "entropy_bonus"} == {0.0}
    assert gradient(objective, flat).abs().max() == 0.0


def test_needs_are_what_the_terms_read():
    assert RECIPES["calibrl"]().uses_expert
    assert not RECIPES["grpo"]().uses_expert
    assert RECIPES["entropy_bonus"]().needs_token_entropy
    assert RECIPES["calibrl_reference_baseline"]().needs_reference
    assert not RECIPES["calibrl_reference_baseline"]().uses_expert


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_what_imitates_alone_needs_no_samples(name):
    assert RECIPES[name]().is_supervised == (name == "sft")


def test_entropy_bonus_and_kl_by_hand(rollouts):
    counted = rollouts.mask & ~rollouts.is_expert[:, None]
    bonus = RECIPES["entropy_bonus"](entropy_weight=0.3, aggregation="token_mean")(rollouts).terms["entropy_bonus"]
    close(bonus, -0.3 * rollouts.token_entropy[counted].mean())
    penalty = RECIPES["grpo"](kl_weight=0.3, aggregation="token_mean")(rollouts).terms["kl"]
    difference = (rollouts.reference_token_log_prob - rollouts.token_log_prob)[counted]
    close(penalty, 0.3 * (difference.exp() - difference - 1).mean())


def test_sft_by_hand(rollouts):
    counted = rollouts.mask & rollouts.is_expert[:, None]
    close(RECIPES["sft"]()(rollouts).total, -rollouts.token_log_prob[counted].mean())


def test_sft_of_a_part_without_an_expert_is_exactly_zero(rollouts):
    """As every other recipe: so a micro-batch or a rank may hold no expert."""
    objective, divisors = RECIPES["sft"](), RECIPES["sft"]().divisors(rollouts)
    part = rollouts.select(~rollouts.is_expert)
    for losses in (objective(part), objective(part, divisors=divisors)):
        assert losses.total == 0.0
    assert gradient(objective, part).abs().max() == 0.0


def test_two_terms_of_one_name_are_added(rollouts):
    objective = RECIPES["entropy_bonus"](entropy_weight=0.1)
    twice = dataclasses.replace(objective, terms=(*objective.terms, objective.terms[-1]))
    close(twice(rollouts).terms["entropy_bonus"], 2 * objective(rollouts).terms["entropy_bonus"])
    close(twice(rollouts).total, sum(twice(rollouts).terms.values()))


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_a_term_of_whole_responses_is_their_mean_whatever_the_tokens_are_divided_by(aggregation):
    """Every row has the same weight, also where tokens are divided by a constant."""
    batch = make_rollouts(3)
    found = RECIPES["calibrl"](aggregation=aggregation, max_length=6)(batch).terms["exploration"]
    term = RECIPES["calibrl"]().exploration
    rows = term.rows(batch)
    close(found, term(batch)[rows].mean())
