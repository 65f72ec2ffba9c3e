"""Which rows take part, and the penalty of long responses, by hand."""

import dataclasses

import torch
from conftest import close, make_rollouts, seeds
from hypothesis import given

from calibrl_ref import RECIPES


@given(seeds)
def test_pruning_rows_of_zero_advantage_changes_nothing_but_the_divisor(seed):
    rollouts = make_rollouts(seed)
    zero = (rollouts.group == 0) & ~rollouts.is_expert & (torch.arange(len(rollouts.group)) % 2 == 0)
    sparse = dataclasses.replace(rollouts, advantage=rollouts.advantage.masked_fill(zero, 0.0))
    objective = RECIPES["calibrl"]()
    pruned = objective(sparse.select(~zero), divisors=objective.divisors(sparse)).total
    close(pruned, objective(sparse).total, rtol=1e-9, atol=1e-11)


def test_dapo_drops_groups_of_one_outcome_with_their_expert():
    objective = RECIPES["dapo"]()
    reward, group = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0, 1.0]), torch.tensor([0, 0, 0, 1, 1, 1])
    is_expert = torch.tensor([False, False, True, False, False, True])
    advantage = objective.advantage(reward, group, is_expert)
    assert objective.keep(reward, advantage, group, is_expert).tolist() == [False] * 3 + [True] * 3


def test_cppo_keeps_the_largest_advantages_and_the_expert():
    objective = RECIPES["cppo"](keep_fraction=0.5)
    advantage, group = torch.tensor([0.1, -2.0, 1.0, -1.5, 0.0]), torch.zeros(5, dtype=torch.long)
    is_expert = torch.tensor([False] * 4 + [True])
    assert objective.keep(advantage, advantage, group, is_expert).tolist() == [False, True, False, True, True]


def test_without_a_selection_every_row_is_kept(rollouts):
    keep = RECIPES["grpo"]().keep(rollouts.advantage, rollouts.advantage, rollouts.group, rollouts.is_expert)
    assert keep.all()


def test_overlong_penalty_by_hand():
    objective = RECIPES["dapo"](max_length=10, overlong_buffer=4)
    shaped = objective.shape_reward(torch.ones(4), torch.tensor([6, 8, 10, 99]))
    close(shaped, [1.0, 0.5, 0.0, 0.0])
    assert RECIPES["grpo"]().shape_reward(torch.ones(1), torch.tensor([99])).tolist() == [1.0]
