"""Aggregations by hand."""

import pytest
import torch
from conftest import close

from calibrl_ref import AGGREGATIONS, aggregate, aggregation_divisor
from calibrl_ref.aggregation import aggregate_rows


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("token_mean", 7.0 / 3),
        ("sequence_mean_token_mean", (1.5 + 4.0) / 2),
        ("sequence_mean_token_sum", 3.5),
        ("constant_length", 7.0 / 20),
        ("constant_length_sum", 0.7),
    ],
)
def test_aggregations_by_hand(mode, value):
    loss = torch.tensor([[1.0, 2.0], [4.0, torch.nan], [9.0, 9.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    close(aggregate(loss, mask, mode=mode, max_length=10), value)
    assert aggregate(loss, torch.zeros_like(mask), mode=mode) == 0.0


@pytest.mark.parametrize("mode", AGGREGATIONS)
def test_one_token_is_divided_by_one(mode):
    assert aggregate(torch.tensor([[3.0]]), torch.tensor([[True]]), mode=mode, max_length=1) == 3.0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_as_float32(dtype):
    loss = torch.full((1, 4096), 20.0, dtype=dtype)  # together more than fp16 holds
    assert aggregate(loss, torch.ones(1, 4096, dtype=torch.bool), mode="sequence_mean_token_sum").item() == 81920.0


def test_each_replica_has_its_own_divisor():
    mask = torch.tensor([[True, True], [True, False], [True, True]])
    close(aggregation_divisor(mask, replica=torch.tensor([5, 2, 2])), [2.0, 3.0, 3.0])
    close(aggregation_divisor(mask), 5.0)


def test_a_divisor_below_one_divides():
    close(aggregate_rows(torch.tensor([3.0]), torch.tensor([1]), mode="token_mean", divisor=torch.tensor(0.5)), 6.0)
