"""verl's hook without verl: what it can serve, its reductions, and that what it cannot serve is said at once."""

import importlib
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import close, make_rollouts, said

from calibrl_ref import RECIPES
from calibrl_ref.diagnostics import approx_kl
from calibrl_ref.integrations.verl import (
    AGGREGATION_OF_MODE,
    cannot_serve,
    constants_loss,
    group_advantage_without_experts,
    is_expert_row,
    policy_loss,
    set_constants,
)

SERVED = sorted(name for name in RECIPES if cannot_serve(RECIPES[name]()) is None)
BY_CONSTANTS = ["calibrl", "calibrl_released", "calibrl_shuffled_expert", "sft", "luffy_released", "chord", "clip_cov"]


def on_policy(seed=0):
    return make_rollouts(seed, experts=False, token_entropy=None, reference_token_log_prob=None)


def through_the_hook(loss, batch, mode="token-mean", config=None, rows=slice(None)):
    advantages = batch.advantage.unsqueeze(1).expand_as(batch.mask)
    return loss(
        old_log_prob=batch.old_token_log_prob[rows],
        log_prob=batch.token_log_prob[rows],
        advantages=advantages[rows],
        response_mask=batch.mask[rows],
        loss_agg_mode=mode,
        config=config,
    )


def test_the_methods_that_the_hook_serves():
    assert {"grpo", "dapo", "dr_grpo", "gspo", "cispo", "sapo", "w_reinforce"} <= set(SERVED)
    reasons = {name: cannot_serve(RECIPES[name]()) for name in ("calibrl", "ace", "clip_cov", "entropy_bonus")}
    assert reasons == {
        "calibrl": "expert rows",
        "ace": "the reference policy's log-probabilities",
        "clip_cov": "the rows that a row is compared with",
        "entropy_bonus": "the entropy of each token",
    }


@pytest.mark.parametrize("name", ["calibrl", "ace", "clip_cov", "top_entropy", "luffy"])
def test_a_method_that_the_hook_cannot_serve_is_refused_when_it_is_made(name):
    with pytest.raises(
        ValueError, match=rf"recipe='{name}': expected a method without .*Fix: use loss_mode=calibrl_ref"
    ):
        policy_loss(name)


@pytest.mark.parametrize("mode", AGGREGATION_OF_MODE)
@pytest.mark.parametrize("name", SERVED)
def test_a_batch_through_the_hook_equals_the_core(name, mode):
    batch = on_policy()
    wanted = RECIPES[name](aggregation=AGGREGATION_OF_MODE[mode], max_length=None)(batch)
    total, metrics = through_the_hook(policy_loss(name), batch, mode)
    close(total, wanted.total)
    found, expected = (
        torch.autograd.grad(each, batch.token_log_prob, retain_graph=True)[0] for each in (total, wanted.total)
    )
    close(found, expected)
    assert set(metrics) == {"actor/ppo_kl"}


@pytest.mark.parametrize("mode", AGGREGATION_OF_MODE)
def test_micro_batches_of_two_processes_add_up(mode):
    batch = on_policy(1)
    info = {
        "dp_size": 2,
        "batch_num_tokens": int(batch.mask.sum()),
        "global_batch_size": len(batch.mask),
        "loss_scale_factor": 7,
    }
    config = SimpleNamespace(global_batch_info=info)
    loss = policy_loss("grpo", clip_high=0.3)
    parts = [through_the_hook(loss, batch, mode, config, rows)[0] for rows in (slice(0, 5), slice(5, 6), slice(6, 12))]
    wanted = RECIPES["grpo"](clip_high=0.3, aggregation=AGGREGATION_OF_MODE[mode], max_length=7)(batch).total
    close(sum(parts) / 2, wanted)  # verl averages gradients over the processes


WEIGHTS = (
    "rollout_is_weights='given': expected None. Fix: leave algorithm.rollout_correction.rollout_is off, "
    "or use mismatch_cap in a loop of your own."
)
UNEQUAL = (
    "advantages='different within a response': expected one advantage per response. "
    "Fix: use an outcome estimator, as algorithm.adv_estimator=grpo."
)


def test_what_the_hook_must_not_get_is_refused():
    batch, loss = on_policy(), policy_loss("grpo")
    given = (batch.old_token_log_prob, batch.token_log_prob)
    assert said(loss, *given, batch.token_log_prob, batch.mask, rollout_is_weights=batch.mask) == WEIGHTS
    assert said(loss, *given, torch.rand(batch.mask.shape), batch.mask) == UNEQUAL
    assert said(through_the_hook, loss, batch, "token-sum") == (
        f"loss_agg_mode='token-sum': expected one of {sorted(AGGREGATION_OF_MODE)}. "
        "Fix: did you mean 'token-mean'? If not, use one of these."
    )


@pytest.mark.parametrize(("difference", "refused"), [(2.9e-5, False), (3.1e-5, True)])
def test_advantages_may_differ_within_a_response_by_rounding(difference, refused):
    """Rounding: 1e-5 of one more than the largest advantage."""
    mask, log_prob = torch.ones(1, 2, dtype=torch.long), torch.full((1, 2), -1.0, dtype=torch.float64)
    advantages = torch.tensor([[2.0 - difference, 2.0 + difference]], dtype=torch.float64)
    if refused:
        assert said(policy_loss("grpo"), log_prob, log_prob, advantages, mask) == UNEQUAL
    else:
        close(policy_loss("grpo")(log_prob, log_prob, advantages, mask)[0], -2.0)


def test_the_metric_is_the_estimated_kl_of_the_response():
    old, new = torch.tensor([[-1.0, -2.0, -9.0]]), torch.tensor([[-1.5, -2.1, -0.1]])
    mask, advantages = torch.tensor([[1, 1, 0]]), torch.ones(1, 3)
    _, metrics = policy_loss("grpo")(old, new, advantages, mask)
    assert metrics["actor/ppo_kl"] == pytest.approx(approx_kl(new[:, :2], old[:, :2], mask[:, :2].bool()).item())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_as_float32(dtype):
    """A row of 4,096 equal advantages has none that differs, and their mean is not infinite."""
    mask, log_prob = torch.ones(1, 4096, dtype=torch.long), torch.full((1, 4096), -1.0, dtype=dtype)
    advantages = torch.full((1, 4096), 30.7, dtype=dtype)
    total, _ = policy_loss("grpo")(log_prob, log_prob, advantages, mask)
    close(total, -advantages[0, 0].float(), rtol=1e-5, atol=0.0)
    _, metrics = policy_loss("grpo")(torch.full_like(log_prob, -0.25), log_prob - 19.0, advantages, mask)
    assert metrics["actor/ppo_kl"] == pytest.approx(19.75)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_constants_of_half_precision_are_float32(dtype):
    """A token's share of the loss, 1e-6 of it, is below what fp16 tells from 0."""
    data = as_data(make_rollouts(5, dtype=torch.float32))
    wanted = set_constants(data, RECIPES["calibrl_released"](max_length=10**6, aggregation="constant_length"))
    data.batch["old_log_probs"] = data.batch["old_log_probs"].to(dtype)
    found = set_constants(data, RECIPES["calibrl_released"](max_length=10**6, aggregation="constant_length"))
    assert data.batch["advantages"].dtype == torch.float32
    close(data.batch["advantages"], -found.by_log_prob)
    close(found.by_log_prob.abs().sum(), wanted.by_log_prob.abs().sum(), rtol=0.2, atol=0.0)


def as_data(batch):
    """verl's whole batch."""
    score = torch.zeros_like(batch.token_log_prob.detach())
    score[:, 0] = batch.correct.double()
    tensors = {
        "old_log_probs": batch.token_log_prob.detach(),
        "response_mask": batch.mask.long(),
        "token_level_scores": score,
        "ref_log_prob": batch.reference_token_log_prob,
    }
    names = np.array([f"prompt {number}" for number in batch.group.tolist()], dtype=object)
    other = {"uid": names, "is_expert": np.array(batch.is_expert.tolist(), dtype=object)}
    return SimpleNamespace(batch=tensors, non_tensor_batch=other)


@pytest.mark.parametrize("name", BY_CONSTANTS)
def test_constants_of_the_whole_batch_give_its_gradient_in_any_cut(name):
    source, objective = make_rollouts(5), RECIPES[name]()
    data = as_data(source)
    found = set_constants(data, objective)
    leaf = source.token_log_prob.detach().clone().requires_grad_()
    reward = source.correct.double()
    batch = make_rollouts(
        5,
        token_log_prob=leaf,
        old_token_log_prob=leaf.detach(),
        token_entropy=None,
        advantage=objective.advantage(reward, source.group, source.is_expert),
    )
    wanted = objective(batch)
    close(found.total, wanted.total)
    (expected,) = torch.autograd.grad(wanted.total, leaf)
    parts = [slice(0, 1), slice(1, 7), slice(7, 15)]
    config = SimpleNamespace(global_batch_info={"dp_size": 3})
    losses = [
        constants_loss(leaf.detach()[part], leaf[part], data.batch["advantages"][part], batch.mask[part], "", config)[0]
        for part in parts
    ]
    (gradient,) = torch.autograd.grad(sum(losses) / 3, leaf)
    close(gradient, expected)


def test_constants_count_at_response_tokens_alone():
    log_prob = torch.tensor([[-1.0, -2.0, -3.0, -torch.inf]])
    constants, mask = torch.tensor([[0.5, 0.25, 7.0, 0.0]]), torch.tensor([[1, 1, 0, 1]])
    total, metrics = constants_loss(log_prob, log_prob, constants, mask, "token-mean")
    assert (total.item(), metrics) == (1.0, {})
    assert constants_loss(log_prob, log_prob, torch.ones(1, 4), mask[:, [0, 1, 2, 2]], "", object())[0].item() == 3.0


def test_constants_refuse_what_they_cannot_hold():
    assert said(set_constants, as_data(make_rollouts(0)), RECIPES["entropy_bonus"]()) == (
        "objective='reads the entropy of each token': expected one that does not. "
        "Fix: choose a method without entropy term, or verl's own actor.entropy_coeff beside it."
    )
    assert said(constants_loss, *[torch.ones(1, 1)] * 4, "", rollout_is_weights=torch.ones(1, 1)) == WEIGHTS


def test_the_verdict_is_acc_where_the_score_is_more_than_that():
    batch, objective = make_rollouts(5), RECIPES["calibrl"]()
    data = as_data(batch)
    wanted = set_constants(data, objective)
    graded = as_data(batch)
    graded.non_tensor_batch["acc"] = np.array(batch.correct.tolist(), dtype=object)
    graded.batch["token_level_scores"] = graded.batch["token_level_scores"] * 0.9  # advantages are the same: whitened
    found = set_constants(graded, objective)
    close(found.total, wanted.total, rtol=1e-5, atol=1e-6)
    ungraded = as_data(batch)
    ungraded.batch["token_level_scores"] = ungraded.batch["token_level_scores"] * 0.9
    assert set_constants(ungraded, objective).total != pytest.approx(wanted.total.item(), rel=1e-3)  # nobody is right


def test_the_reference_is_read_by_a_method_that_needs_it():
    source, objective = make_rollouts(5), RECIPES["grpo"](kl_weight=0.1)
    data = as_data(source)
    found = set_constants(data, objective)
    old = source.token_log_prob.detach()
    reward = source.correct.double()
    batch = make_rollouts(5, token_log_prob=old, old_token_log_prob=old, token_entropy=None)
    advantage = objective.advantage(reward, source.group, source.is_expert)
    close(found.total, objective(replace(batch, advantage=advantage)).total)
    del data.batch["ref_log_prob"]
    with pytest.raises(KeyError):
        set_constants(data, objective)
    set_constants(data, RECIPES["grpo"]())  # does not read it


def test_everything_is_registered_by_its_name(monkeypatch):
    losses, estimators = {"vanilla": None}, {}
    module = ModuleType("verl.trainer.ppo.core_algos")
    module.POLICY_LOSS_REGISTRY = losses
    module.register_policy_loss = lambda name: lambda loss: losses.setdefault(name, loss)
    module.register_adv_est = lambda name: lambda estimator: estimators.setdefault(name, estimator)
    for name in ("verl", "verl.trainer", "verl.trainer.ppo"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "verl.trainer.ppo.core_algos", module)
    monkeypatch.delitem(sys.modules, "calibrl_ref.integrations.verl_plugin", raising=False)
    names = importlib.import_module("calibrl_ref.integrations.verl_plugin").NAMES
    monkeypatch.delitem(sys.modules, "calibrl_ref.integrations.verl_plugin")
    assert names == tuple(sorted(["vanilla", "calibrl_ref.constants", *(f"calibrl_ref.{name}" for name in SERVED)]))
    assert losses["calibrl_ref.constants"] is constants_loss
    assert estimators == {"calibrl_ref": group_advantage_without_experts}
    batch = on_policy()
    for name in SERVED:
        close(through_the_hook(losses[f"calibrl_ref.{name}"], batch)[0], through_the_hook(policy_loss(name), batch)[0])


def test_the_last_row_of_each_prompt_does_not_count_in_the_advantage():
    reward = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [5.0, 0.0]])
    index = np.array(["a", "a", "b", "b", "a", "b"], dtype=object)
    mask = torch.tensor([[1, 1], [1, 0], [1, 1], [1, 1], [1, 1], [1, 1]])
    plain, returns = group_advantage_without_experts(reward, mask, index, {"norm_adv_by_std_in_grpo": False})
    assert plain[:, 0].tolist() == [0.5, -0.5, 0.0, 0.0, -0.5, 4.0]
    assert plain[1].tolist() == [-0.5, 0.0]  # masked
    assert returns is plain
    for config in (None, {}, {"norm_adv_by_std_in_grpo": True}):
        scaled, _ = group_advantage_without_experts(reward, mask, index, config)
        assert scaled[0, 0].item() == pytest.approx(0.5**0.5, abs=1e-5)


def test_a_batch_without_the_field_has_no_experts():
    assert is_expert_row({}, 2).tolist() == [False, False]
    assert is_expert_row({"is_expert": np.array([None, True], dtype=object)}, 2).tolist() == [False, True]
