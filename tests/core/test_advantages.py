"""Group advantages: by hand, against a loop, and what they do not depend on."""

import statistics

import pytest
import torch
from conftest import EXACT, close, seeds
from hypothesis import given
from hypothesis import strategies as st

from calibrl_ref import GroupAdvantage, VerdictAdvantage, group_advantage


def random_groups(seed, rows=12, groups=4):
    generator = torch.Generator().manual_seed(seed)
    reward = torch.rand(rows, generator=generator, dtype=torch.float64)
    group = torch.randint(groups, (rows,), generator=generator)
    first = torch.tensor([int(torch.nonzero(group == g)[0]) if (group == g).any() else -1 for g in range(groups)])
    is_expert = torch.zeros(rows, dtype=torch.bool)
    is_expert[first[(first >= 0) & (torch.rand(groups, generator=generator) > 0.5)]] = True
    return reward, group, is_expert


def loop_advantage(reward, group, is_expert, scale_by_std, epsilon, count_expert):
    result = []
    for r, g in zip(reward.tolist(), group.tolist(), strict=True):
        counted = [
            other
            for other, h, e in zip(reward.tolist(), group.tolist(), is_expert.tolist(), strict=True)
            if h == g and (count_expert or not e)
        ]
        centred = r - statistics.fmean(counted) if counted else 0.0
        std = statistics.stdev(counted) if len(counted) > 1 else 0.0
        result.append(centred / (std + epsilon) if scale_by_std else centred)
    return torch.tensor(result, dtype=torch.float64)


def test_by_hand():
    reward, group = torch.tensor([1.0, 0.0, 0.0, 1.0]).double(), torch.tensor([5, 5, 5, 5])
    close(group_advantage(reward, group, scale_by_std=False), [0.5, -0.5, -0.5, 0.5])
    close(group_advantage(reward, group, std_epsilon=0.0), [3**0.5 / 2, -(3**0.5) / 2, -(3**0.5) / 2, 3**0.5 / 2])


def test_expert_counts_only_where_asked_by_hand():
    reward, group = torch.tensor([0.0, 1.0, 1.0]), torch.zeros(3, dtype=torch.long)
    is_expert = torch.tensor([False, False, True])
    close(group_advantage(reward, group, is_expert, scale_by_std=False), [-0.5, 0.5, 0.5])
    counted = group_advantage(reward, group, is_expert, scale_by_std=False, count_expert=True)
    close(counted, [-2 / 3, 1 / 3, 1 / 3], rtol=1e-6, atol=1e-6)


@given(seeds, st.booleans(), st.booleans())
def test_equals_a_slow_loop(seed, scale_by_std, count_expert):
    reward, group, is_expert = random_groups(seed)
    given_settings = {"scale_by_std": scale_by_std, "count_expert": count_expert}
    advantage = group_advantage(reward, group, is_expert, std_epsilon=1e-4, **given_settings)
    slow = loop_advantage(reward, group, is_expert, epsilon=1e-4, **given_settings)
    close(advantage, slow, rtol=1e-9, atol=1e-11)


@given(seeds, st.booleans(), st.booleans(), st.floats(0.0, 1.0))
def test_an_estimator_hands_its_hyper_parameters_on(seed, scale_by_std, count_expert, std_epsilon):
    inputs = random_groups(seed)
    options = {"scale_by_std": scale_by_std, "count_expert": count_expert, "std_epsilon": std_epsilon}
    close(GroupAdvantage(**options)(*inputs), group_advantage(*inputs, **options), **EXACT)


@given(seeds, st.floats(-100.0, 100.0))
def test_shift_of_the_reward_changes_nothing(seed, shift):
    reward, group, is_expert = random_groups(seed)
    close(
        group_advantage(reward + shift, group, is_expert, std_epsilon=1e-4),
        group_advantage(reward, group, is_expert, std_epsilon=1e-4),
        rtol=1e-8,
        atol=1e-8,
    )


@given(seeds, st.floats(0.01, 100.0))
def test_scale_of_the_reward(seed, scale):
    reward, group, is_expert = random_groups(seed)
    centred = group_advantage(reward, group, is_expert, scale_by_std=False)
    close(group_advantage(reward * scale, group, is_expert, scale_by_std=False), centred * scale, rtol=1e-9, atol=1e-9)
    normed = group_advantage(reward, group, is_expert, std_epsilon=0.0)
    close(group_advantage(reward * scale, group, is_expert, std_epsilon=0.0), normed, rtol=1e-7, atol=1e-9)


@given(seeds)
def test_row_order_and_group_names_change_nothing(seed):
    reward, group, is_expert = random_groups(seed)
    order = torch.randperm(len(reward), generator=torch.Generator().manual_seed(seed))
    advantage = group_advantage(reward, group, is_expert)
    moved = group_advantage(reward[order], 1000 - 7 * group[order], is_expert[order])
    close(moved, advantage[order], rtol=1e-9, atol=1e-9)


@given(seeds)
def test_counted_rows_have_mean_zero(seed):
    reward, group, is_expert = random_groups(seed)
    advantage = group_advantage(reward, group, is_expert)
    for g in group.unique():
        counted = (group == g) & ~is_expert
        if counted.any():
            close(advantage[counted].mean(), 0.0, rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1.1, -3.3, 1e8])
@pytest.mark.parametrize("scale_by_std", [True, False])
def test_homogeneous_and_single_member_groups_are_exactly_zero(value, scale_by_std):
    reward, group = torch.full((4,), value), torch.tensor([0, 0, 0, 1])
    advantage = group_advantage(reward, group, scale_by_std=scale_by_std, std_epsilon=0.0)
    assert advantage.tolist() == [0.0] * 4


@given(st.floats(-1e6, 1e6, width=32), st.integers(1, 9), st.booleans())
def test_equal_rewards_give_exactly_zero_whatever_they_are(value, size, scale_by_std):
    reward, group = torch.full((size,), value), torch.zeros(size, dtype=torch.long)
    assert group_advantage(reward, group, scale_by_std=scale_by_std, std_epsilon=0.0).tolist() == [0.0] * size


def test_a_large_common_reward_costs_no_precision():
    reward = torch.tensor([2.0**24, 2.0**24 + 2.0])  # float32 tells these apart, and not their doubles
    assert group_advantage(reward, torch.zeros(2, dtype=torch.long), scale_by_std=False).tolist() == [-1.0, 1.0]


def test_a_group_of_only_an_uncounted_expert_is_zero():
    advantage = group_advantage(torch.tensor([1.0]), torch.tensor([3]), torch.tensor([True]))
    assert advantage.tolist() == [0.0]


def test_no_gradient_into_the_reward():
    reward = torch.tensor([1.0, 0.0], requires_grad=True)
    assert not group_advantage(reward, torch.tensor([0, 0])).requires_grad


def test_the_verdicts_advantage_by_hand():
    reward = torch.tensor([1.0, 0.0, 0.5, 1.0], dtype=torch.float64)
    expert = torch.tensor([False, False, False, True])
    found = VerdictAdvantage(right=0.1)(reward, torch.tensor([0, 0, 1, 1]), expert)
    assert found.tolist() == [0.1, -1.0, 0.5, 0.0]
    assert VerdictAdvantage(right=1.0, wrong=-0.5)(reward, torch.tensor([0, 0, 1, 1]), expert).tolist()[1] == -0.5
    with pytest.raises(ValueError, match=r"positive_weight=-1\.0"):
        VerdictAdvantage(right=-1.0)
