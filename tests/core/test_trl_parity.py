"""TRL's own GRPO loss on the same tensors: an independent implementation of grpo, dr_grpo and dapo."""

from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from trl.trainer.grpo_trainer import GRPOTrainer

from calibrl_ref import RECIPES, Rollouts, group_advantage

MAX_LENGTH = 9


def trl_like_batch(seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(6) < torch.randint(1, 7, (8,), generator=generator)[:, None]
    log_prob = -2.0 * torch.rand(8, 6, generator=generator)
    old = (log_prob + 0.3 * torch.randn(8, 6, generator=generator)).clamp(max=0.0)
    return log_prob.requires_grad_(), old, mask, torch.randn(8, generator=generator)


def trl_loss(loss_type, log_prob, old, mask, advantage, clip_high):
    """Run GRPOTrainer._compute_loss itself on given log-probabilities."""
    trainer = mock.MagicMock(spec=GRPOTrainer)
    trainer.__dict__.update(
        loss_type=loss_type,
        epsilon_low=0.2,
        epsilon_high=clip_high,
        beta=0.0,
        top_entropy_quantile=1.0,
        max_completion_length=MAX_LENGTH,
        current_gradient_accumulation_steps=1,
        importance_sampling_level="token",
        off_policy_mask_threshold=None,
        use_vllm=False,
        vllm_importance_sampling_correction=False,
        tools=None,
        use_bias_correction_kl=False,
        model=SimpleNamespace(training=True),
        args=SimpleNamespace(delta=None, loss_type=loss_type, steps_per_generation=1),
        accelerator=SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x),
        _metrics={"train": mock.MagicMock()},
        aux_loss_enabled=False,
        _entropy_bonus_enabled=False,
    )
    trainer._get_per_token_logps_and_entropies.return_value = (log_prob, torch.zeros_like(log_prob), None)
    inputs = {
        "prompt_ids": torch.ones(8, 1, dtype=torch.long),
        "prompt_mask": torch.ones(8, 1, dtype=torch.long),
        "completion_ids": torch.ones(8, 6, dtype=torch.long),
        "completion_mask": mask.long(),
        "advantages": advantage,
        "old_per_token_logps": old,
        "num_items_in_batch": mask.sum(),
    }
    return GRPOTrainer._compute_loss(trainer, None, inputs)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "clip_high"), [("grpo", 0.2), ("dr_grpo", 0.2), ("dapo", 0.28)])
def test_loss_and_gradient_equal_trls(name, clip_high, seed):
    log_prob, old, mask, advantage = trl_like_batch(seed)
    expected = trl_loss(name, log_prob, old, mask, advantage, clip_high)
    (expected_gradient,) = torch.autograd.grad(expected, log_prob)
    rollouts = Rollouts(
        token_log_prob=log_prob,
        old_token_log_prob=old,
        mask=mask,
        group=torch.arange(8) // 4,
        is_expert=torch.zeros(8, dtype=torch.bool),
        correct=advantage > 0,
        advantage=advantage,
    )
    total = RECIPES[name](max_length=MAX_LENGTH)(rollouts).total
    torch.testing.assert_close(total, expected, rtol=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad(total, log_prob)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-6, atol=1e-6)


def test_advantage_equals_trls_formula():
    reward = torch.rand(8, generator=torch.Generator().manual_seed(0))
    grouped = reward.view(-1, 4)
    expected = (reward - grouped.mean(1).repeat_interleave(4)) / (grouped.std(1).repeat_interleave(4) + 1e-4)
    advantage = group_advantage(reward, torch.arange(8) // 4, std_epsilon=1e-4)
    torch.testing.assert_close(advantage, expected, rtol=1e-5, atol=1e-6)
