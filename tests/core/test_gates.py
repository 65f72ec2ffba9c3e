"""Gates by hand, and the coin of the random one."""

import math

import pytest
import torch
from conftest import close

from calibrl_ref import GATES, leaky_relu_gate, random_gate
from calibrl_ref.gates import value_hash


def test_one_sided_slopes_at_the_kink_by_hand():
    step = 1e-6
    x = torch.tensor([step, -step, 0.0], dtype=torch.float64, requires_grad=True)
    leaky_relu_gate(x, slope=0.3).sum().backward()
    close(x.grad, [1.0, 0.3, 0.3])


@pytest.mark.parametrize(
    ("gate", "slope", "values", "derivatives"),
    [  # at x = -2, 2
        ("leaky_relu", 0.5, (-1.0, 2.0), (0.5, 1.0)),
        ("relu", 0.5, (0.0, 2.0), (0.0, 1.0)),
        ("linear", 0.5, (-2.0, 2.0), (1.0, 1.0)),
        ("softplus", 0.5, (-0.936535994478, 2.063464005522), (0.559601461011, 0.940398538989)),
        ("sigmoid", 0.5, (0.119202922022, 0.880797077978), (0.104993585404, 0.104993585404)),
    ],
)
def test_gates_by_hand(gate, slope, values, derivatives):
    x = torch.tensor([-2.0, 2.0], dtype=torch.float64, requires_grad=True)
    gated = GATES[gate](x, slope=slope)
    close(gated, values, rtol=1e-10, atol=1e-11)
    gated.sum().backward()
    close(x.grad, derivatives, rtol=1e-10, atol=1e-11)


def test_random_gate_tosses_a_fair_coin_that_ignores_the_sign():
    x = torch.randn(20000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    full = GATES["random"](x, slope=0.5) == x
    standard_error = 0.5 / (len(x) / 2) ** 0.5
    for side in (full[x > 0], full[x < 0]):
        assert abs(side.double().mean() - 0.5) < 4 * standard_error
    permutation = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    close(GATES["random"](x[permutation], slope=0.5), GATES["random"](x, slope=0.5)[permutation])
    close(GATES["random"](x, slope=0.5)[~full], 0.5 * x[~full])


def test_neighbouring_values_toss_independent_coins():
    x = torch.arange(-10_000, 10_001, dtype=torch.float64) / 1000  # the coin's resolution is 1e-3
    x = x[x != 0]
    passed = random_gate(x, slope=0.25) == x
    changes = (passed[1:] != passed[:-1]).double().mean()
    assert abs(changes - 0.5) < 4 * math.sqrt(0.25 / len(passed))


def hash_of_thousandths(n):
    """The random gate's hash in Python's integers: two multiply-xorshift rounds of 32 bits, 31 kept."""
    bits = n % 2**32
    for multiplier in (0x45D9F3B, 0x119DE1F3):
        bits = (bits ^ bits >> 16) * multiplier % 2**32
    return (bits ^ bits >> 16) % 2**31


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_hash_equals_pythons_integers(dtype):
    thousandths = [*range(-300, 300), -30_000, -4_321, 12_345, 29_999]
    x = torch.tensor(thousandths, dtype=dtype) / 1000
    assert value_hash(x).tolist() == [hash_of_thousandths(n) for n in thousandths]
    assert value_hash(x + 4e-4).tolist() == value_hash(x).tolist()
    close(random_gate(x, slope=0.25), torch.where(value_hash(x) % 2 == 0, x, 0.25 * x))
