"""Whole recipes on two groups of two responses and an expert, worked out by hand.

| row | group | reward | probability of each token / its old one | ratio |
|---|---|---|---|---|
| a | 0 | 1 | 1/2 / 1/4 | 2 |
| b | 0 | 0 | 1/4 / 1/2, 1/2 / 1/2 | 1/2, 1 |
| expert | 0 | 1 | as each test says | |
| c | 1 | 0 | 1/2 / 1/2 | 1 |
| d | 1 | 0 | 3/4 / 1/2, 1/4 / 1/2 | 3/2, 1/2 |
| expert | 1 | 1 | as each test says | |
"""

import math

import pytest
import torch
from conftest import close

from calibrl_ref import RECIPES, Rollouts

LUFFY_EXPERTS = [[(0.1, 1.0), (0.4, 1.0)], [(0.9, 1.0)]]  # weights p / (p + 0.1): 0.5, 0.8; 0.9
# weights 2 p / (p_old + (p_old + 1) / 2) * sqrt(1 - p): 0.72 / 0.8 * 0.8 = 0.72, 1.5 / 1 * 0.5 = 0.75; 1.28 / 0.8 * 0.6
RL_PLUS_EXPERTS = [[(0.36, 0.2), (0.75, 1 / 3)], [(0.64, 0.2)]]


def rollouts_for(objective, experts):
    """The batch of the table, with the objective's own advantage."""
    rows = [[(1 / 2, 1 / 4)], [(1 / 4, 1 / 2), (1 / 2, 1 / 2)], experts[0]]
    rows += [[(1 / 2, 1 / 2)], [(3 / 4, 1 / 2), (1 / 4, 1 / 2)], experts[1]]
    padded = torch.tensor([[*row, (1.0, 1.0)][:2] for row in rows], dtype=torch.float64).log()
    reward = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0, 1.0], dtype=torch.float64)
    group, is_expert = torch.arange(6) // 3, torch.arange(6) % 3 == 2
    return Rollouts(
        token_log_prob=padded[..., 0].clone().requires_grad_(),
        old_token_log_prob=padded[..., 1],
        mask=torch.arange(2) < torch.tensor([len(row) for row in rows])[:, None],
        group=group,
        is_expert=is_expert,
        correct=reward > 0,
        advantage=objective.advantage(reward, group, is_expert),
        token_entropy=torch.where(is_expert, 2.0, 0.5).double().unsqueeze(1).expand(6, 2),
    )


def total_and_gradient(name, experts, **options):
    objective = RECIPES[name](**options)
    rollouts = rollouts_for(objective, experts)
    total = objective(rollouts).total
    return total, torch.autograd.grad(total, rollouts.token_log_prob)[0]


BONUS = 0.001 * (6 * 0.5 + 3 * 2.0) / 9  # the mean entropy of all tokens, the experts' three among them


def test_luffy():
    """Advantages with the experts in the mean: 1/3, -2/3, 1/3; -1/3, -1/3, 2/3.

    Rows: a -2/3; b 2/3 * (1/2 + 1) = 1; expert -1/3 * (0.5 + 0.8); c 1/3; d 1/3 * (3/2 + 1/2) = 2/3; expert -2/3 * 0.9.
    Their sum is 0.3, the divisor the padded length of 4 tokens.
    """
    total, gradient = total_and_gradient("luffy", LUFFY_EXPERTS, max_length=4)
    close(total, 0.3 / 4 - BONUS)
    by_hand = [[-2 / 3, 0.0], [1 / 3, 2 / 3], [-1 / 3 * 0.01 / 0.04, -1 / 3 * 0.04 / 0.25], [1 / 3, 0.0]]
    by_hand += [[1 / 2, 1 / 6], [-2 / 3 * 0.09 / 1.0, 0.0]]  # an expert's weight grows by 0.1 p / (p + 0.1)^2
    close(4 * gradient, by_hand)


def test_rl_plus():
    """Advantages, policy's rows and divisor as for LUFFY, which add up to 4/3.

    The experts' rows: -1/3 * (0.72 + 0.75) = -0.49 and -2/3 * 0.96 = -0.64. The bonus in the weight is fixed, so that
    a weight's derivative is the weight.
    """
    total, gradient = total_and_gradient("rl_plus", RL_PLUS_EXPERTS, max_length=4)
    close(total, (4 / 3 - 0.49 - 0.64) / 4 - BONUS)
    by_hand = [[-2 / 3, 0.0], [1 / 3, 2 / 3], [-0.24, -0.25], [1 / 3, 0.0], [1 / 2, 1 / 6], [-0.64, 0.0]]
    close(4 * gradient, by_hand)


@pytest.mark.parametrize(
    ("name", "experts", "total"),
    [  # the experts' rows: -0.5 * (0.5 + 0.8) - 0.9; -0.5 * (0.72 + 0.75) - 0.96
        ("luffy_released", LUFFY_EXPERTS, (0.3 - 0.65 - 0.9) / 9),
        ("rl_plus_released", RL_PLUS_EXPERTS, (0.3 - 0.735 - 0.96) / 9),
    ],
)
def test_the_released_baselines(name, experts, total):
    """Advantages without the experts in the mean: 0.5, -0.5, 0.5; 0, 0, 1.

    Policy's tokens, clipped: a -0.6; b 0.4 + 0.5; c and d 0: together 0.3. The divisor is all 9 tokens, the experts'
    among them.
    """
    close(total_and_gradient(name, experts)[0], total)


def test_calibrl():
    """Advantages 0.5 and -0.5 in group 0; group 1 has only wrong responses and gives 0.

    Surrogate, token sums over 4 rows: (-0.6 + 0.4 + 0.5) / 4. Log-probabilities in group 0: a ln(1/2), b ln(1/8),
    expert ln(0.04). Both are likelier than it: a, correct, gives 0.5 * slope * -ln 12.5; b, wrong, 0.5 * ln 3.125.
    """
    total, gradient = total_and_gradient("calibrl", LUFFY_EXPERTS, scale_by_std=False)
    close(total, 0.3 / 4 + 0.1 * (-0.25 * math.log(12.5) + 0.5 * math.log(3.125)) / 4)
    by_hand = [[-0.025, 0.0], [0.05, 0.5 + 0.05], [0.025 - 0.05, 0.025 - 0.05], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    close(4 * gradient, by_hand)  # a's surrogate and b's first are clipped; the expert is pushed by both


def test_calibrl_released():
    """Token against token of the expert under the old policy, 0.1 and 0.4: all of group 0's are likelier.

    a, correct: slope 0.5 on ln(0.5 / 0.1); b, wrong: slope 1 on ln(0.25 / 0.1) and ln(0.5 / 0.4). The divisor is the
    policy's 6 tokens.
    """
    experts = [[(1.0, 0.1), (1.0, 0.4)], [(1.0, 1.0)]]
    total, gradient = total_and_gradient("calibrl_released", experts)
    gaps = -0.5 * math.log(5.0) + math.log(2.5) + math.log(1.25)
    close(total, (0.3 + 0.1 * 0.5 * gaps) / 6)
    by_hand = [[-0.025, 0.0], [0.05, 0.5 + 0.05], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    close(6 * gradient, by_hand)
