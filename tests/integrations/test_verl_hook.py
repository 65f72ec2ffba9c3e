"""verl's hook without verl: what it can serve, its reductions, and that what it cannot serve is said at once."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import close, make_rollouts

from calibrl_ref import RECIPES
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


def test_what_the_hook_must_not_get_is_refused():
    batch, loss = on_policy(), policy_loss("grpo")
    with pytest.raises(ValueError, match="rollout_is_weights"):
        loss(
            batch.old_token_log_prob,
            batch.token_log_prob,
            batch.token_log_prob,
            batch.mask,
            rollout_is_weights=batch.mask,
        )
    with pytest.raises(ValueError, match="advantages='different within a response'"):
        loss(batch.old_token_log_prob, batch.token_log_prob, torch.rand(batch.mask.shape), batch.mask)
    with pytest.raises(ValueError, match="loss_agg_mode='token-sum'"):
        through_the_hook(loss, batch, "token-sum")


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
        constants_loss(
            leaf.detach()[part], leaf[part], data.batch["advantages"][part], batch.mask[part], config=config
        )[0]
        for part in parts
    ]
    (gradient,) = torch.autograd.grad(sum(losses) / 3, leaf)
    close(gradient, expected)


def test_constants_refuse_what_they_cannot_hold():
    with pytest.raises(ValueError, match="objective='reads the entropy of each token'"):
        set_constants(as_data(make_rollouts(0)), RECIPES["entropy_bonus"]())
    with pytest.raises(ValueError, match="rollout_is_weights"):
        constants_loss(*[torch.ones(1, 1)] * 4, rollout_is_weights=torch.ones(1, 1))


def test_the_last_row_of_each_prompt_does_not_count_in_the_advantage():
    reward = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [5.0, 0.0]])
    index = np.array(["a", "a", "b", "b", "a", "b"], dtype=object)
    mask = torch.tensor([[1, 1], [1, 0], [1, 1], [1, 1], [1, 1], [1, 1]])
    plain, returns = group_advantage_without_experts(reward, mask, index, {"norm_adv_by_std_in_grpo": False})
    assert plain[:, 0].tolist() == [0.5, -0.5, 0.0, 0.0, -0.5, 4.0]
    assert plain[1].tolist() == [-0.5, 0.0]  # masked
    assert returns is plain
    scaled, _ = group_advantage_without_experts(reward, mask, index)
    assert scaled[0, 0].item() == pytest.approx(0.5**0.5, abs=1e-5)


def test_a_batch_without_the_field_has_no_experts():
    assert is_expert_row({}, 2).tolist() == [False, False]
    assert is_expert_row({"is_expert": np.array([None, True], dtype=object)}, 2).tolist() == [False, True]
