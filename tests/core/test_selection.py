"""Which rows take part, and the penalty of long responses, by hand."""

import dataclasses

import pytest
import torch
from conftest import close, make_rollouts, seeds
from hypothesis import given

from calibrl_ref import RECIPES, OverlongPenalty, PruneByAdvantage, SwitchBySuccess, informative_groups
from calibrl_ref.selection import verdict


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


def test_dapo_looks_at_correctness_and_not_at_the_shaped_reward():
    """All right but one overlong; all wrong but one well formatted; right and wrong with equal rewards: by hand."""
    objective, group = RECIPES["dapo"](max_length=8, overlong_buffer=4), torch.arange(6) // 2
    correct = torch.tensor([True, True, False, False, True, False])
    reward = objective.shape_reward(torch.tensor([1.0, 1.0, 0.0, 0.1, 0.5, 0.5]), torch.tensor([4, 8, 4, 4, 4, 4]))
    advantage = objective.advantage(reward, group, torch.zeros(6, dtype=torch.bool))
    kept = objective.keep(reward, advantage, group, torch.zeros(6, dtype=torch.bool), correct)
    assert kept.tolist() == [False] * 4 + [True] * 2
    assert informative_groups(correct.double(), advantage, group, ~correct & correct).tolist() == kept.tolist()


@given(seeds)
def test_informative_groups_by_a_slow_loop(seed):
    generator = torch.Generator().manual_seed(seed)
    group, draw = torch.randint(4, (12,), generator=generator), torch.rand(3, 12, generator=generator)
    is_expert, correct, reward = draw[0] < 0.3, draw[1] < 0.5, draw[2]
    kept = informative_groups(reward, reward, group, is_expert, correct)
    for row in range(12):
        peers = (group == group[row]) & ~is_expert
        assert bool(kept[row]) == (len(set(correct[peers].tolist())) == 2)


def test_a_shaped_reward_is_no_verdict():
    rows, reward = torch.zeros(3, dtype=torch.long), torch.tensor([1.0, 0.0, 1.1])
    with pytest.raises(ValueError, match=r"^correct=None: expected the verdicts, as reward=1.1.* Fix: pass correct"):
        RECIPES["dapo"]().keep(reward, reward, rows, rows.bool())
    assert RECIPES["cppo"]().keep(reward, reward, rows, rows.bool()).sum() == 1, "pruning reads no verdict"


def test_an_expert_s_reward_does_not_make_a_group_informative():
    reward, group = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]), torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
    is_expert = torch.tensor([False, False, True, False, False, True, False, False])
    kept = informative_groups(reward, reward, group, is_expert)
    assert kept.tolist() == [True] * 3 + [False] * 3 + [True] * 2


@pytest.mark.parametrize(("fraction", "kept"), [(0.1, 1), (0.49, 1), (0.5, 2), (0.7, 2), (0.75, 3), (1.0, 4)])
def test_cppo_keeps_a_whole_number_of_rows_and_at_least_one(fraction, kept):
    advantage = torch.tensor([0.1, -2.0, 1.0, -1.5])
    rows = torch.zeros(4, dtype=torch.long)
    assert PruneByAdvantage(keep_fraction=fraction)(advantage, advantage, rows, rows.bool()).sum() == kept


def test_ties_go_to_the_earlier_rows_of_each_group():
    group = torch.arange(600) % 2
    advantage = torch.tensor([1.0, 0.5, 0.5, 1.0, 0.5, 0.5]).repeat(100)  # 200 of each 300 rows are tied at 0.5
    kept = PruneByAdvantage(keep_fraction=0.5)(advantage, advantage, group, torch.zeros(600, dtype=torch.bool))
    for index in (0, 1):
        own = advantage[group == index]
        tied = torch.nonzero(own == 0.5).flatten()
        first = set(tied[:50].tolist()) | set(torch.nonzero(own == 1.0).flatten().tolist())
        assert set(torch.nonzero(kept[group == index]).flatten().tolist()) == first


def test_seven_tenths_of_ten_are_seven():
    rows, advantage = torch.zeros(10, dtype=torch.long), torch.arange(10.0)
    assert PruneByAdvantage(keep_fraction=0.7)(advantage, advantage, rows, rows.bool()).sum() == 7


def test_cppo_keeps_the_largest_advantages_and_the_expert():
    objective = RECIPES["cppo"](keep_fraction=0.5)
    advantage, group = torch.tensor([0.1, -2.0, 1.0, -1.5, 0.0]), torch.zeros(5, dtype=torch.long)
    is_expert = torch.tensor([False] * 4 + [True])
    assert objective.keep(advantage, advantage, group, is_expert).tolist() == [False, True, False, True, True]


def test_without_a_selection_every_row_is_kept(rollouts):
    keep = RECIPES["grpo"]().keep(rollouts.advantage, rollouts.advantage, rollouts.group, rollouts.is_expert)
    assert keep.all()


def test_overlong_penalty_grows_from_the_first_token_where_the_buffer_is_all():
    penalty = OverlongPenalty(max_length=4, buffer=4)(torch.tensor([0, 1, 2, 4, 5]))
    close(penalty, [0.0, -0.25, -0.5, -1.0, -1.0])
    assert not penalty[:1].signbit().any(), "no negative zero"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_overlong_penalty_keeps_the_reward_s_precision(dtype):
    shaped = RECIPES["dapo"](max_length=10, overlong_buffer=4).shape_reward(
        torch.ones(1, dtype=dtype), torch.tensor([8])
    )
    assert (shaped.item(), shaped.dtype) == (0.5, dtype)


def test_overlong_penalty_by_hand():
    objective = RECIPES["dapo"](max_length=10, overlong_buffer=4)
    shaped = objective.shape_reward(torch.ones(4), torch.tensor([2, 8, 10, 99]))
    close(shaped, [1.0, 0.5, 0.0, 0.0])
    assert RECIPES["grpo"]().shape_reward(torch.ones(1), torch.tensor([99])).tolist() == [1.0]


def test_hpt_switches_by_the_number_of_successes():
    group = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
    expert = torch.tensor([False, False, True, False, False, True, False, False])
    correct = torch.tensor([False, False, True, True, False, True, False, False])
    zeros = torch.zeros(8)
    kept = SwitchBySuccess(gate=0)(zeros, zeros, group, expert, correct)
    assert kept.tolist() == [False, False, True, True, True, False, False, False]  # the last group has no expert
    kept = SwitchBySuccess(gate=1)(zeros, zeros, group, expert, correct)
    assert kept.tolist() == [False, False, True, False, False, True, False, False]
    with pytest.raises(ValueError, match="gate=-1"):
        SwitchBySuccess(gate=-1)


def test_a_verdict_is_what_is_given_or_the_reward_itself():
    reward = torch.tensor([1.0, 0.0])
    assert verdict(reward, None).tolist() == [True, False]
    assert verdict(reward, torch.tensor([False, True])).tolist() == [False, True]
    with pytest.raises(ValueError, match="Fix: "):
        verdict(torch.tensor([0.5, 0.0]), None)


def test_an_unknown_scope_of_pruning_is_named_as_its_hyper_parameter():
    with pytest.raises(ValueError, match=r"^prune_within='row': expected one of"):
        PruneByAdvantage(scope="row")
