"""Diagnostics against what they claim to predict."""

import math

import pytest
import torch
from conftest import close, seeds
from hypothesis import given

from calibrl_ref import (
    approx_kl,
    clip_fraction,
    dual_clip_fraction,
    expected_calibration_error,
    exploration_coefficients,
    exploration_loss,
    predicted_entropy_change,
    quadrant_table,
    token_entropy,
)


def test_quadrants_by_hand():
    gap = torch.tensor([-1.0, -3.0, 2.0, 4.0, 0.0])
    correct = torch.tensor([True, True, True, False, False])
    table = quadrant_table(gap, correct, slope=0.25)
    cells = [(q.correct, q.overconfident, q.count, q.mean_gap, q.slope) for q in table]
    assert cells == [
        (True, False, 2, -2.0, 1.0),
        (True, True, 1, 2.0, 0.25),
        (False, True, 1, 4.0, 1.0),
        (False, False, 1, 0.0, 0.25),
    ]


def test_an_empty_quadrant_has_a_mean_gap_of_zero_and_a_small_gap_has_a_side():
    table = quadrant_table(torch.tensor([0.25]), torch.tensor([True]))
    assert [(q.count, q.mean_gap) for q in table] == [(0, 0.0), (1, 0.25), (0, 0.0), (0, 0.0)]


def test_coefficients_at_the_kink_take_the_slope():
    gap, group = torch.zeros(2), torch.tensor([0, 1])
    own, expert = exploration_coefficients(
        gap, torch.tensor([True, False]), torch.tensor([1.0, -1.0]), group, slope=0.3
    )
    close(own, [0.3, -0.3], rtol=1e-6, atol=1e-6)
    close(expert, [-0.3, 0.3], rtol=1e-6, atol=1e-6)


@given(seeds)
def test_coefficients_are_minus_the_gradient_of_the_loss(seed):
    generator = torch.Generator().manual_seed(seed)
    policy = torch.randn(6, generator=generator, dtype=torch.float64).requires_grad_()
    experts = torch.randn(2, generator=generator, dtype=torch.float64).requires_grad_()
    group = torch.tensor([0, 1, 0, 1, 1, 0])
    correct = torch.rand(6, generator=generator) > 0.5
    advantage = torch.randn(6, generator=generator, dtype=torch.float64)
    exploration_loss(policy, experts[group], correct, advantage, slope=0.3).sum().backward()
    gap = (policy - experts[group]).detach()
    own, expert = exploration_coefficients(gap, correct, advantage, group, slope=0.3)
    close(own, -policy.grad)
    close(expert, -experts.grad[group])


@given(seeds)
def test_entropy_change_is_right_to_first_order(seed):
    generator = torch.Generator().manual_seed(seed)
    logits, step = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    errors = []
    for size in (1e-2, 1e-3):
        change = token_entropy(logits + size * step) - token_entropy(logits)
        errors.append(float((change - predicted_entropy_change(logits, size * step)).abs()))
    # a tenth of the step is a hundredth of the error; the rest is for seeds whose second-order term happens to vanish
    assert errors[1] < errors[0] / 30 + 1e-7


def test_entropy_change_of_each_position_by_hand():
    """p = (3/4, 1/4), step (1, 0): -Cov = -(3/4 ln(3/4) (1 - 3/4) + 1/4 ln(1/4) (0 - 3/4)) = -3/16 ln 3."""
    logits = torch.tensor([[3.0, 1.0], [1.0, 3.0], [1.0, 1.0]], dtype=torch.float64).log()
    step = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(3, 2)
    close(predicted_entropy_change(logits, step), [-3 / 16 * math.log(3.0), 3 / 16 * math.log(3.0), 0.0])


def test_calibration_error_by_hand():
    confidence = torch.tensor([0.95, 0.95, 0.25, 1.0], dtype=torch.float64)
    correct = torch.tensor([True, False, False, True])
    close(expected_calibration_error(confidence, correct), (abs(2 - 2.9) + 0.25) / 4)


@pytest.mark.parametrize("statistic", [clip_fraction, dual_clip_fraction])
def test_fractions_of_an_empty_mask_are_zero(statistic):
    ones = torch.full((2, 2), 9.0)
    assert statistic(ones, -ones, torch.zeros(2, 2, dtype=torch.bool)) == 0.0


def test_fractions_by_hand():
    """Ratios at an edge are not clipped; a dual clip caps negative advantages only."""
    ratio, mask = torch.tensor([[0.5, 0.75, 1.25, 3.0, 3.5]]), torch.ones(1, 5, dtype=torch.bool)
    ones = torch.ones(1, 5)
    assert clip_fraction(ratio, ones, mask, clip_low=0.25, clip_high=0.25) == 0.4
    assert clip_fraction(ratio, -ones, mask, clip_low=0.25, clip_high=0.25) == 0.2
    assert dual_clip_fraction(ratio, -ones, mask) == 0.2
    assert dual_clip_fraction(ratio, -ones, mask, dual_clip=2.0) == 0.4
    assert dual_clip_fraction(ratio, ones, mask) == dual_clip_fraction(ratio, 0.0 * ones, mask) == 0.0


def test_approx_kl_ignores_garbage_under_the_mask():
    old, new = torch.tensor([[-1.0, torch.nan]]), torch.tensor([[-1.5, torch.nan]])
    assert approx_kl(new, old, torch.tensor([[True, False]])) == 0.5


def test_calibration_error_bin_by_bin():
    confidence = torch.tensor([0.05, 0.15, 0.55, 0.58, 1.0])
    correct = torch.tensor([True, False, True, False, True])
    # bins of 0.1: |1 - .05| + |0 - .15| + |1 - (.55 + .58)| + |1 - 1|, over 5 rows
    close(expected_calibration_error(confidence, correct), (0.95 + 0.15 + 0.13) / 5, rtol=1e-6, atol=1e-6)
    # one bin: |3 - 2.33| / 5
    close(expected_calibration_error(confidence, correct, bins=1), 0.67 / 5, rtol=1e-6, atol=1e-6)
    close(expected_calibration_error(torch.tensor([0.0, 1.0]), torch.tensor([True, False])), 1.0)


def test_calibration_error_has_ten_bins_unless_told():
    confidence, correct = torch.tensor([0.31, 0.39]), torch.tensor([True, False])
    close(expected_calibration_error(confidence, correct), 0.15, rtol=1e-6, atol=1e-6)  # one bin: |1 - .7| / 2
    close(expected_calibration_error(confidence, correct, bins=20), 0.54, rtol=1e-6, atol=1e-6)  # two: (.69 + .39) / 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_mean_of_half_precision_is_that_of_float32(dtype):
    old, mask = torch.full((1, 4096), -0.25, dtype=dtype), torch.ones(1, 4096, dtype=torch.bool)
    assert approx_kl(old - 19.75, old, mask).item() == 19.75  # 4,096 times that is more than fp16 holds
    confidence = torch.full((4096,), 0.75, dtype=dtype)
    assert expected_calibration_error(confidence, mask[0]).item() == 0.25  # 3,072 has no neighbours in half precision
