"""Rollouts: precision, padded rows, several experts, tokens that the policy did not sample, and host waits."""

import copy
import dataclasses
import math
import pickle

import pytest
import torch
from conftest import FLOAT32, close, fields_of, gradient, make_rollouts, seeds
from host_synchronisations import HostSynchronisations
from hypothesis import given, settings

from calibrl_ref import (
    RECIPES,
    EntropyBonus,
    Exploration,
    Rollouts,
    importance_ratio,
    leaky_relu_gate,
    sequence_importance_ratio,
    trajectory_log_prob,
)
from calibrl_ref.baselines import expert_baseline

EVERY_RECIPE = sorted(RECIPES)


def in_one_group(log_prob, *, is_expert, **changes):
    """Rows of one group without padding, all wrong, advantage -1."""
    rows = len(log_prob)
    given_fields = {
        "token_log_prob": log_prob,
        "old_token_log_prob": log_prob.detach(),
        "mask": torch.ones_like(log_prob, dtype=torch.bool),
        "group": torch.zeros(rows, dtype=torch.long),
        "is_expert": torch.tensor(is_expert),
        "correct": torch.zeros(rows, dtype=torch.bool),
        "advantage": -torch.ones(rows, dtype=log_prob.dtype),
    }
    return Rollouts(**{**given_fields, **changes})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_becomes_float32_and_keeps_its_gradient(dtype):
    narrow = {
        name: value.to(dtype) if value is not None and value.is_floating_point() else value
        for name, value in fields_of(make_rollouts(0, requires_grad=False)).items()
    }
    leaf = narrow["token_log_prob"].requires_grad_()
    rollouts = Rollouts(**narrow)
    floating = {name: v.dtype for name, v in fields_of(rollouts).items() if v is not None and v.is_floating_point()}
    assert set(floating.values()) == {torch.float32}
    assert RECIPES["calibrl"]()(rollouts).total.dtype == torch.float32
    RECIPES["calibrl"]()(rollouts).total.backward()
    assert leaf.grad.dtype == dtype
    assert leaf.grad.abs().sum() > 0


def test_a_gap_of_two_and_a_half_nats_over_4096_bf16_tokens_takes_the_right_slope():
    """A wrong response that is 2.5 nats likelier than the expert has slope 1: exact in float32 sums, lost in bf16."""
    log_prob = torch.full((2, 4096), -0.5, dtype=torch.bfloat16)
    log_prob[1, :5] = -1.0  # the expert: 2.5 nats less likely
    assert log_prob[0].sum() == log_prob[1].sum(), "bf16 does not see it"
    rollouts = in_one_group(log_prob, is_expert=[False, True])
    close(RECIPES["calibrl"](exploration_weight=1.0)(rollouts).terms["exploration"], 2.5)
    close(trajectory_log_prob(log_prob, rollouts.mask), [-2048.0, -2050.5])


def test_a_ratio_of_twelve_nats_is_finite_in_fp16():
    log_prob, old = torch.tensor([[-0.5]], dtype=torch.float16), torch.tensor([[-12.5]], dtype=torch.float16)
    mask = torch.ones(1, 1, dtype=torch.bool)
    close(importance_ratio(log_prob, old), [[math.exp(12)]], **FLOAT32)
    close(sequence_importance_ratio(log_prob, old, mask), [[math.exp(12)]], **FLOAT32)


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.bfloat16, 0.09), (torch.float32, 9e-4), (torch.float64, 1e-3)])
def test_log_probabilities_above_zero_by_rounding_are_accepted(dtype, rounding):
    values = torch.tensor([[-1.0, rounding]], dtype=dtype)
    assert in_one_group(values, is_expert=[False]).token_log_prob[0, 1] > 0


def test_what_is_still_rounding_is_not_named_beside_what_is_more():
    with pytest.raises(ValueError, match=r"^token_log_prob\[0, 1\]=0\.5: "):
        in_one_group(torch.tensor([[1e-3, 0.5]], dtype=torch.float64), is_expert=[False])


@pytest.mark.parametrize("name", EVERY_RECIPE)
@settings(max_examples=10)
@given(seed=seeds)
def test_rows_without_a_token_count_for_nothing(name, seed):
    """As if they were not there: policy rows and experts, of groups that have others and of groups that have none."""
    batch = make_rollouts(seed, groups=4, size=3)
    empty = torch.rand(len(batch.group), generator=torch.Generator().manual_seed(seed)) < 0.25
    given_fields = fields_of(batch) | {"row_id": torch.arange(len(empty))}
    padded = Rollouts(**{**given_fields, "mask": batch.mask & ~empty[:, None]})
    options = {"max_length": 7}
    losses = RECIPES[name](**options)(padded)
    close(losses.total, RECIPES[name](**options)(padded.select(~empty)).total, rtol=1e-9, atol=1e-11)
    grad = gradient(RECIPES[name](**options), padded)
    assert torch.isfinite(grad).all()
    assert grad[empty].abs().sum() == 0


@pytest.mark.parametrize("gap", ["trajectory", "trajectory_mean", "token_aligned"])
@pytest.mark.parametrize("baseline", ["expert", "old_expert", "shuffled_expert"])
def test_two_equal_experts_are_as_good_as_one(gap, baseline):
    batch = make_rollouts(0)
    twice = torch.cat([torch.arange(15), torch.tensor([4, 9, 14])])
    doubled = Rollouts(**{name: None if v is None else v[twice] for name, v in fields_of(batch).items()})
    objective = RECIPES["calibrl"](gap=gap, baseline=baseline)
    close(objective(doubled).terms["exploration"], objective(batch).terms["exploration"])


def test_several_experts_are_compared_with_by_their_mean_by_hand():
    """Wrong, -3 nats, experts of -4 and -8 nats in one and two tokens: gap to their mean -6 is 3, slope 1."""
    log_prob = torch.tensor([[-1.0, -2.0], [-4.0, 0.0], [-3.0, -5.0]], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True], [True, False], [True, True]])
    rollouts = in_one_group(log_prob, is_expert=[False, True, True], mask=mask)
    term = RECIPES["calibrl"](exploration_weight=1.0)
    close(term(rollouts).terms["exploration"], 3.0)
    (grad,) = torch.autograd.grad(term(rollouts).terms["exploration"], log_prob)
    close(grad, [[1.0, 1.0], [-0.5, 0.0], [-0.5, -0.5]])
    by_length = RECIPES["calibrl"](exploration_weight=1.0, gap="trajectory_mean")(rollouts)
    close(by_length.terms["exploration"], -1.5 + 12 / 3)  # 12 nats over the experts' three tokens
    aligned = RECIPES["calibrl"](exploration_weight=1.0, gap="token_aligned", aggregation="token_mean")(rollouts)
    close(aligned.terms["exploration"], ((-1 + 3.5) + (-2 + 2.5)) / 2)  # beyond an expert's end it is 0


def test_a_precomputed_expert_by_hand():
    """Two wrong responses of -1 and -9 nats, expert -4: gaps 3 and -5; a third row's prompt has no expert."""
    log_prob = torch.tensor([[-1.0], [-9.0], [-2.0]], dtype=torch.float64, requires_grad=True)
    expert = torch.tensor([-4.0, -4.0, math.nan], dtype=torch.float64)
    rollouts = in_one_group(log_prob, is_expert=[False] * 3, expert_log_prob=expert)
    objective = RECIPES["calibrl"](exploration_weight=1.0, baseline="precomputed_expert", slope=0.5)
    assert not objective.uses_expert, "no expert rows"
    share = objective(rollouts).terms["exploration"]
    close(share, (3.0 - 2.5) / 3)
    close(torch.autograd.grad(share, log_prob)[0], [[1 / 3], [0.5 / 3], [0.0]])


@given(seeds)
def test_a_precomputed_expert_equals_the_detached_row(seed):
    batch = make_rollouts(seed)
    total = trajectory_log_prob(batch.token_log_prob, batch.mask).detach()
    expert = total[batch.is_expert][batch.group]
    alone = dataclasses.replace(batch, expert_log_prob=expert).select(~batch.is_expert)
    precomputed = RECIPES["calibrl"](baseline="precomputed_expert")
    detached = RECIPES["calibrl"](detach_expert=True)
    close(precomputed(alone).total, detached(batch).total)
    close(gradient(precomputed, alone), gradient(detached, batch)[~batch.is_expert])


def test_an_expert_s_text_ends_where_the_policy_goes_on():
    log_prob = torch.tensor([[-1.0, -2.0, -3.0], [-4.0, -5.0, -50.0]], dtype=torch.float64)
    off_policy = torch.tensor([[False, False, False], [True, True, False]])
    rollouts = in_one_group(log_prob, is_expert=[False, True], off_policy=off_policy)
    close(RECIPES["calibrl"](exploration_weight=1.0)(rollouts).terms["exploration"], 9.0 - 6.0)
    assert rollouts.off_policy_tokens().tolist() == off_policy.tolist()
    plain = in_one_group(log_prob, is_expert=[False, True])
    assert plain.off_policy_tokens().tolist() == [[False] * 3, [True] * 3]


@pytest.mark.parametrize("replicas", [False, True])
def test_validation_waits_for_the_host_once_or_not_at_all(replicas):
    extra = {"replica": torch.tensor([0] * 10 + [1] * 5)} if replicas else {}
    given_fields = fields_of(make_rollouts(0, expert_log_prob=torch.full((15,), -3.0), **extra))
    with HostSynchronisations() as waits:
        Rollouts(**given_fields)
    assert waits.names == ["_local_scalar_dense"]
    with HostSynchronisations() as waits:
        Rollouts(**given_fields, validate=False)
    assert waits.names == []


@pytest.mark.parametrize("name", EVERY_RECIPE)
@pytest.mark.parametrize("replicas", [False, True])
def test_an_objective_never_waits_for_the_host(name, replicas):
    extra = {"replica": torch.tensor([0] * 10 + [1] * 5)} if replicas else {}
    rollouts, objective = make_rollouts(0, **extra), RECIPES[name]()
    with HostSynchronisations() as waits:
        objective.divisors(rollouts)
        objective(rollouts).total.backward()
    assert waits.names == []


@pytest.mark.parametrize("gap", ["trajectory", "token_aligned"])
def test_nor_does_one_whose_rows_have_their_own_slope_and_weights(gap):
    rollouts, each = make_rollouts(0), torch.linspace(0.0, 1.0, 15, dtype=torch.float64)
    objective = RECIPES["calibrl"](gap=gap).with_exploration(slope=each, weight=each)
    objective = dataclasses.replace(objective, terms=(*objective.terms, EntropyBonus(weight=each)))
    with HostSynchronisations() as waits:
        objective(rollouts).total.backward()
    assert waits.names == []


def test_values_out_of_range_on_a_device_become_nan_instead_of_making_the_host_wait():
    slope = torch.tensor([0.5, 1.5, float("nan")])
    with HostSynchronisations() as waits:
        gated = leaky_relu_gate(-torch.ones(3), slope=slope)
    assert waits.names == []
    assert gated.tolist()[0] == -0.5
    assert gated[1:].isnan().all()
    Exploration(slope=torch.full((3,), 1.5, device="meta"))  # a device that cannot be read at all


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: torch.unique(x),
        lambda x: torch.nonzero(x),
        lambda x: x.max().item(),
        lambda x: torch.equal(x, x),
        lambda x: x.repeat_interleave(torch.tensor([1, 2, 0])),
    ],
)
def test_the_counter_sees_each_kind_of_wait(wait):
    with HostSynchronisations() as waits:
        wait(torch.tensor([1.0, -1.0, 2.0]))
    assert waits.names


def test_without_validation_masks_types_and_shapes_are_still_seen_to():
    given_fields = fields_of(make_rollouts(0, requires_grad=False))
    spoiled = given_fields["token_log_prob"].masked_fill(~given_fields["mask"], math.nan)
    loose = Rollouts(**{**given_fields, "token_log_prob": spoiled.half()}, validate=False)
    assert loose.token_log_prob.dtype == torch.float32
    assert torch.isfinite(loose.token_log_prob).all()
    with pytest.raises((ValueError, TypeError), match=r"advantage"):
        Rollouts(**{**given_fields, "advantage": torch.zeros(3)}, validate=False)
    with pytest.raises(ValueError, match=r"old_token_log_prob\[0, 0\]=nan"):
        Rollouts(**{**given_fields, "old_token_log_prob": torch.full((15, 5), math.nan)})


def test_what_is_derived_once_is_no_field_and_survives_no_copy():
    rollouts = make_rollouts(0, requires_grad=False)
    assert rollouts.weight is rollouts.weight
    assert rollouts.lengths.tolist() == rollouts.mask.sum(1).tolist()
    assert rollouts.segment is rollouts.segment
    assert rollouts.segment.tolist() == [0] * 5 + [5] * 5 + [10] * 5
    names = {field.name for field in dataclasses.fields(rollouts)}
    assert set(vars(rollouts)) == names
    shorter = dataclasses.replace(rollouts, mask=torch.arange(5) < torch.ones(15, 1))
    assert shorter.lengths.tolist() == [1] * 15
    for copied in (copy.deepcopy(rollouts), pickle.loads(pickle.dumps(rollouts))):
        assert torch.equal(copied.token_log_prob, rollouts.token_log_prob)
        assert copied.lengths.tolist() == rollouts.lengths.tolist()


def test_no_gradient_reaches_what_lies_under_the_mask():
    given_fields = fields_of(make_rollouts(0, requires_grad=False))
    leaf = given_fields["token_log_prob"].clone().requires_grad_()
    for name in ("calibrl", "calibrl_length_normalised", "calibrl_released", "luffy"):
        rollouts = Rollouts(**{**given_fields, "token_log_prob": leaf})
        (grad,) = torch.autograd.grad(RECIPES[name]()(rollouts).total, leaf)
        assert grad[~rollouts.mask].abs().sum() == 0
        assert grad[rollouts.mask].abs().sum() > 0


def test_an_expert_s_tokens_are_where_one_of_them_has_a_token():
    log_prob = torch.full((3, 3), -1.0, dtype=torch.float64)
    mask = torch.tensor([[True, True, True], [True, False, False], [True, True, False]])
    baseline = expert_baseline(in_one_group(log_prob, is_expert=[False, True, True], mask=mask))
    assert baseline.mask.tolist() == [[True, True, False]] * 3
    close(baseline.token_log_prob, [[-1.0, -0.5, 0.0]] * 3)
    close(baseline.length(), [1.5] * 3)
    assert baseline.present.all()


@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_a_wrong_log_probability_that_carries_a_gradient_is_named_without_a_warning(value):
    fields = fields_of(make_rollouts(0, requires_grad=False))
    spoilt = fields["token_log_prob"].clone()
    spoilt[0, 0] = value
    with pytest.raises(ValueError, match=r"token_log_prob\[0, 0\]="):
        Rollouts(**{**fields, "token_log_prob": spoilt.requires_grad_()})


def test_an_expert_s_rounding_is_no_error_and_more_is():
    log_prob = torch.tensor([[-1.0]], dtype=torch.float64)
    for value in (1e-3, -1.0, math.nan):
        in_one_group(log_prob, is_expert=[False], expert_log_prob=torch.tensor([value], dtype=torch.float64))
    for value in (1.1e-3, -math.inf):
        with pytest.raises(ValueError, match="expert_log_prob"):
            in_one_group(log_prob, is_expert=[False], expert_log_prob=torch.tensor([value], dtype=torch.float64))


def test_a_row_without_an_expert_is_not_what_is_wrong_with_another():
    log_prob, expert = torch.tensor([[-1.0], [-1.0]]), torch.tensor([math.nan, 0.5])
    with pytest.raises(ValueError, match=r"^expert_log_prob\[1\]=0\.5: "):
        in_one_group(log_prob, is_expert=[False, False], expert_log_prob=expert)


def test_a_draw_looks_at_the_row_s_name_and_at_its_old_bits():
    batch = make_rollouts(0, row_id=torch.arange(15))
    for draw in (Rollouts.uniform_per_row, Rollouts.uniform_per_token):
        renamed = dataclasses.replace(batch, row_id=torch.arange(15) + 15)
        later = dataclasses.replace(batch, old_token_log_prob=batch.old_token_log_prob - 0.01)
        counted = batch.mask if draw(batch).dim() == 2 else batch.mask.any(1)
        assert all((draw(other) != draw(batch))[counted].all() for other in (renamed, later))
