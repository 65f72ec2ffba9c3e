"""Gap levels and baselines by hand, and rows with hyper-parameters of their own."""

import dataclasses

import pytest
import torch
from conftest import close, make_rollouts, seeds
from hypothesis import given
from hypothesis import strategies as st

from calibrl_ref import (
    BASELINES,
    GAPS,
    RECIPES,
    Rollouts,
    expert_row,
    exploration_loss,
)
from calibrl_ref.baselines import expert_baseline, old_expert_baseline, reference_baseline


def two_lengths():
    """Two prompts; their experts and responses have different lengths."""
    log_prob = torch.tensor([[-1.0, -3.0, 0.0], [-2.0, -2.0, -5.0], [-4.0, 0.0, 0.0], [-6.0, -1.0, -2.0]])
    return Rollouts(
        token_log_prob=log_prob.double(),
        old_token_log_prob=log_prob.double(),
        mask=torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 1]]).bool(),
        group=torch.tensor([0, 0, 1, 1]),
        is_expert=torch.tensor([False, True, False, True]),
        correct=torch.tensor([True, True, False, True]),
        advantage=torch.tensor([1.0, 1.0, -1.0, 1.0]).double(),
    )


@pytest.mark.parametrize(
    ("level", "policy", "reference"),
    [
        ("trajectory", [-4.0, -9.0, -4.0, -9.0], [-9.0, -9.0, -9.0, -9.0]),
        ("trajectory_mean", [-2.0, -3.0, -4.0, -3.0], [-3.0, -3.0, -3.0, -3.0]),
    ],
)
def test_gap_levels_by_hand(level, policy, reference):
    rollouts = two_lengths()
    own, expert = GAPS[level].log_probs(rollouts, BASELINES["expert"](rollouts))
    close(own, policy)
    close(expert, reference)


def test_expert_row_is_minus_one_where_the_group_has_none():
    group, is_expert = torch.tensor([7, 3, 7, 5, 3]), torch.tensor([False, False, True, False, True])
    assert expert_row(group, is_expert).tolist() == [2, 4, 2, -1, 4]


def test_an_expert_of_one_token_is_its_own_mean():
    rollouts = two_lengths()
    short = dataclasses.replace(rollouts, mask=torch.tensor([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0]]).bool())
    own, expert = GAPS["trajectory_mean"].log_probs(short, BASELINES["expert"](short))
    close(own, [-2.0, -2.0, -4.0, -3.5])
    close(expert, [-2.0, -2.0, -3.5, -3.5])


def test_token_aligned_level_compares_index_by_index():
    rollouts = two_lengths()
    own, expert = GAPS["token_aligned"].log_probs(rollouts, BASELINES["expert"](rollouts))
    close(own[2], [-4.0, 0.0, 0.0])
    close(expert[2], [-6.0, -1.0, -2.0])


def in_replicas(replicas, groups):
    """``groups`` prompts in each replica, a response and an expert each; the expert's log-probability is its row."""
    rows = replicas * groups * 2
    log_prob = -torch.arange(1.0, rows + 1).double().unsqueeze(1)
    is_expert = torch.arange(rows) % 2 == 1
    return Rollouts(
        token_log_prob=log_prob,
        old_token_log_prob=log_prob,
        mask=torch.ones_like(log_prob, dtype=torch.bool),
        group=torch.arange(rows) // 2,
        is_expert=is_expert,
        correct=torch.ones_like(is_expert),
        advantage=torch.ones(rows).double(),
        replica=torch.arange(rows) // (2 * groups),
    )


def test_a_shuffled_expert_is_the_next_prompt_s_of_the_same_replica():
    baseline = BASELINES["shuffled_expert"](in_replicas(2, 3))
    next_expert = [-4.0, -4.0, -6.0, -6.0, -2.0, -2.0, -10.0, -10.0, -12.0, -12.0, -8.0, -8.0]
    close(baseline.token_log_prob.squeeze(1), next_expert)
    assert baseline.present.all()


def test_two_prompts_exchange_their_experts():
    close(BASELINES["shuffled_expert"](in_replicas(1, 2)).token_log_prob.squeeze(1), [-4.0, -4.0, -2.0, -2.0])


def test_a_single_expert_cannot_be_shuffled():
    baseline = BASELINES["shuffled_expert"](in_replicas(2, 1))
    assert not baseline.present.any()
    close(baseline.token_log_prob, torch.zeros(4, 1))


def test_a_reference_baseline_without_a_reference_says_what_to_do():
    with pytest.raises(
        ValueError, match=r"^reference_token_log_prob=None: expected a tensor \[rows, time\]. Fix: score"
    ):
        BASELINES["reference"](two_lengths())


@given(seeds, st.sampled_from(["trajectory", "trajectory_mean", "token_aligned"]))
def test_a_weight_and_a_slope_for_each_row_equal_rows_with_numbers(seed, gap):
    rollouts = make_rollouts(seed, groups=2, size=2)
    generator = torch.Generator().manual_seed(seed)
    slope, weight = torch.rand(2, len(rollouts.group), generator=generator, dtype=torch.float64)
    base = RECIPES["calibrl"](gap=gap)
    together = base.with_exploration(slope=slope, weight=weight).exploration(rollouts)
    for row in range(len(slope)):
        alone = base.with_exploration(slope=float(slope[row]), weight=float(weight[row])).exploration(rollouts)
        close(together[row], alone[row])


def test_with_exploration_leaves_what_is_not_given_and_other_terms():
    base = RECIPES["calibrl"](slope=0.3, exploration_weight=0.7)
    changed = base.with_exploration(slope=0.9)
    assert (changed.exploration.slope, changed.exploration.weight, changed.terms[0]) == (0.9, 0.7, base.terms[0])
    changed = base.with_exploration(weight=0.2)
    assert (changed.exploration.slope, changed.exploration.weight) == (0.3, 0.2)
    assert RECIPES["grpo"]().with_exploration(slope=0.9) == RECIPES["grpo"]()


@pytest.mark.parametrize("short", ["policy_log_prob", "expert_log_prob", "correct", "advantage"])
def test_exploration_loss_refuses_a_short_argument(short):
    given_values = {
        "policy_log_prob": torch.zeros(3),
        "expert_log_prob": torch.zeros(3),
        "correct": torch.ones(3, dtype=torch.bool),
        "advantage": torch.zeros(3),
    }
    given_values[short] = given_values[short][:1]
    with pytest.raises((ValueError, TypeError)):
        exploration_loss(**given_values)


def test_a_reference_policy_is_normalised_by_the_response_s_own_length():
    rollouts = dataclasses.replace(two_lengths(), reference_token_log_prob=2.0 * two_lengths().token_log_prob)
    own, reference = GAPS["trajectory_mean"].log_probs(rollouts, reference_baseline(rollouts))
    close(own, [-2.0, -3.0, -4.0, -3.0])
    close(reference, [-4.0, -6.0, -8.0, -6.0])


def test_a_length_has_the_precision_of_the_log_probabilities():
    for dtype in (torch.float32, torch.float64):
        rollouts = make_rollouts(0, dtype=dtype)
        assert reference_baseline(rollouts).length().dtype == dtype
        assert expert_baseline(rollouts).length().dtype == dtype


def test_the_released_expert_is_scored_by_the_old_policy_by_hand(rollouts):
    policy, reference = GAPS["trajectory"].log_probs(rollouts, old_expert_baseline(rollouts))
    old = rollouts.old_token_log_prob.where(rollouts.mask, 0.0).sum(1)
    expert = {int(rollouts.group[row]): old[row] for row in rollouts.is_expert.nonzero()[:, 0]}
    close(reference, torch.stack([expert[int(group)] for group in rollouts.group]))
    close(policy, rollouts.token_log_prob.where(rollouts.mask, 0.0).sum(1))
