"""What an objective looks at, and its derivatives."""

import pytest
import torch
from batches import Tables, random_batch

from calibrl_ref import RECIPES
from full_scale.training.gradients import coefficients, looks_beyond_groups, moves_experts
from full_scale.training.rollouts import pruned


def test_objectives_that_compare_groups_are_known():
    beyond = {name for name in RECIPES if looks_beyond_groups(RECIPES[name]())}
    assert beyond == {"clip_cov", "kl_cov", "calibrl_shuffled_expert"}


def test_objectives_that_move_experts_are_known():
    assert moves_experts(RECIPES["calibrl"]())
    assert moves_experts(RECIPES["sft"]())
    assert not moves_experts(RECIPES["calibrl"](detach_expert=True))
    assert not moves_experts(RECIPES["calibrl_released"]())
    assert not moves_experts(RECIPES["grpo"]())


@pytest.mark.parametrize("name", ["calibrl", "entropy_bonus", "kl_cov"])
def test_coefficients_are_the_derivatives(name):
    objective = RECIPES[name]()
    batch = pruned(random_batch(), objective)
    log_prob, entropy = (values.detach() for values in Tables().score(batch))
    found = coefficients(objective, batch.rollouts(log_prob, entropy))
    step = 1e-6
    for row, token in ((0, 0), (3, 1)):
        for values, derivative in ((log_prob, found.log_prob), (entropy, found.entropy)):
            values[row, token] += step
            higher = objective(batch.rollouts(log_prob, entropy)).total
            values[row, token] -= 2 * step
            lower = objective(batch.rollouts(log_prob, entropy)).total
            values[row, token] += step
            assert (higher - lower).item() / (2 * step) == pytest.approx(derivative[row, token].item(), abs=1e-6)
    assert found.total == pytest.approx(sum(found.terms.values()))
    assert not found.total.requires_grad
    assert torch.equal(found.log_prob != 0, found.log_prob * batch.response_mask != 0)
