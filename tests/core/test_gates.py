"""Gates by hand, and the coin of the random one."""

import dataclasses

import pytest
import torch
from conftest import close, make_rollouts

from calibrl_ref import GATES, RECIPES, RandomGate, leaky_relu_gate, random_gate


@pytest.mark.parametrize("slope", [0.3, torch.tensor(0.3, dtype=torch.float64)])
def test_one_sided_slopes_at_the_kink_by_hand(slope):
    step = 1e-6
    x = torch.tensor([step, -step, 0.0], dtype=torch.float64, requires_grad=True)
    leaky_relu_gate(x, slope=slope).sum().backward()
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


def full_slope(rollouts, **options):
    """Which elements of the random gate's control have slope 1 (slope 0 would leave no gradient)."""
    term = RECIPES["calibrl_random_gate"](slope=0.0, exploration_weight=1.0, **options).terms[1]
    (grad,) = torch.autograd.grad(term(rollouts).sum(), rollouts.token_log_prob)
    return (grad != 0)[~rollouts.is_expert]


@pytest.mark.parametrize("gap", ["trajectory", "token_aligned"])
def test_the_coins_are_fair_independent_and_blind_to_the_sign(gap):
    rollouts = make_rollouts(0, groups=400, size=9, time=3)
    rollouts = dataclasses.replace(rollouts, mask=torch.ones_like(rollouts.mask))
    heads = full_slope(rollouts, gap=gap, detach_expert=True)[:, : 1 if gap == "trajectory" else 3].double()
    error = 0.5 / heads.numel() ** 0.5
    assert abs(heads.mean() - 0.5) < 4 * error
    correct = rollouts.correct[~rollouts.is_expert]
    for side in (heads[correct], heads[~correct]):
        assert abs(side.mean() - 0.5) < 4 * 0.5 / side.numel() ** 0.5
    repeats = (heads[1:] == heads[:-1]).double().mean()
    assert abs(repeats - 0.5) < 4 * error, "neighbouring rows"


@pytest.mark.parametrize("gap", ["trajectory", "token_aligned"])
def test_the_coins_are_the_same_however_a_batch_is_cut_and_others_in_the_next_batch(gap):
    batch = make_rollouts(0, groups=40)
    heads = full_slope(batch, gap=gap)
    parts = [full_slope(batch.select(batch.group % 3 == part), gap=gap) for part in range(3)]
    group = batch.group[~batch.is_expert]
    assert all(torch.equal(heads[group % 3 == part], parts[part]) for part in range(3))
    moved = dataclasses.replace(batch, old_token_log_prob=batch.old_token_log_prob - 1e-12)
    assert 0.3 < (full_slope(moved, gap=gap) != heads)[:, 0].double().mean() < 0.7


def test_random_gate_by_hand():
    x, uniform = torch.tensor([-2.0, 2.0, -2.0, 2.0]), torch.tensor([0.49, 0.0, 0.5, 0.99])
    close(random_gate(x, uniform, slope=0.25), [-2.0, 2.0, -0.5, 0.5])
    close(RandomGate(uniform)(x, slope=0.25), [-2.0, 2.0, -0.5, 0.5])
    passed = RandomGate()(torch.ones(1000), slope=0.25)
    assert 440 < (passed == 1.0).sum() < 560
    assert ((passed == 1.0) | (passed == 0.25)).all()


def test_a_random_gate_tosses_its_coins_where_its_values_are():
    values = torch.linspace(-1.0, 1.0, 5)
    expected = RandomGate()(values, slope=0.3)
    with torch.device("meta"):  # tensors made without a device go elsewhere
        close(RandomGate()(values, slope=0.3), expected)


def test_without_a_slope_every_gate_with_one_takes_a_half():
    x, uniform = torch.tensor([-2.0, 2.0]), torch.tensor([0.9, 0.9])
    close(leaky_relu_gate(x), [-1.0, 2.0])
    close(RandomGate(uniform)(x), [-1.0, 1.0])
