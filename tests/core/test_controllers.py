"""The adaptive slope: by hand, in its range, and on a plant whose answer is known."""

import json

import pytest
import torch
from conftest import close, said

from calibrl_ref import RECIPES, EntropyCoefficient, EntropyTarget, SlopeController


@pytest.mark.parametrize(
    ("entropy", "slope"), [(0.5, 0.5), (0.0, 0.4), (1.0, 0.6), (100.0, 1.0), (torch.tensor([0.0, 0.5]), [0.4, 0.5])]
)
def test_adaptive_slope_by_hand(entropy, slope):
    objective = RECIPES["calibrl_adaptive"](target_entropy=0.5, adaptation_rate=0.2)
    adapted = objective.adapt(entropy).exploration
    close(adapted.slope, slope, rtol=1e-6, atol=1e-6)
    assert RECIPES["calibrl"]().adapt(entropy) == RECIPES["calibrl"]()


def test_slope_controller_holds_its_target_on_a_simple_plant():
    """Entropy that falls with the slope's square: the integral controller settles where the entropy is the target."""
    controller, slope = SlopeController(target_entropy=0.75, rate=0.1), 0.9
    for _ in range(500):
        slope = controller(slope, 1.0 - slope**2)
    close(1.0 - slope**2, 0.75, rtol=1e-6, atol=1e-6)


def test_the_controller_keeps_every_row_s_slope_in_range():
    controller = SlopeController(target_entropy=1.0, rate=1.0)
    moved = controller(torch.tensor([0.5, 0.5, 0.5]), torch.tensor([0.0, 1.25, 5.0]))
    close(moved, [0.0, 0.75, 1.0])
    with pytest.raises(ValueError, match=r"^adaptation_rate=-1.0: expected"):
        SlopeController(target_entropy=1.0, rate=-1.0)


def test_the_entropy_coefficient_by_hand():
    state = EntropyCoefficient(target=0.5, delta=0.1, greatest=0.25)
    assert (state.coefficient, state.applied) == (0.0, 0.0)
    state = state.step(0.4)
    assert (state.coefficient, state.applied) == (0.1, 0.1)
    state = state.step(0.5).step(0.1)
    assert state.coefficient == 0.25  # the greatest
    state = state.step(0.6)
    assert state.coefficient == pytest.approx(0.15)
    assert state.applied == 0.0  # the last entropy was above the target
    assert state.step(9.0).step(9.0).step(9.0).coefficient == 0.0


def test_the_entropy_coefficient_of_each_row_at_below_and_above_the_target():
    state = EntropyCoefficient(target=0.5, delta=0.125).step(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))
    assert state.coefficient.tolist() == [0.125, 0.125, 0.0]
    assert state.applied.tolist() == [0.125, 0.125, 0.0]
    assert (state.coefficient.dtype, state.applied.dtype) == (torch.float64, torch.float64)


def test_the_first_step_has_no_bonus_whatever_it_begins_with():
    assert EntropyCoefficient(coefficient=0.3).applied == 0.0


def test_the_entropy_target_by_hand():
    control = EntropyTarget(target_entropy=1.0, rate=0.1, least=-0.2, greatest=0.3)
    assert control(0.1, 0.5) == pytest.approx(0.15)
    assert control(0.1, 2.0) == pytest.approx(0.0)
    assert (control(0.29, 0.0), control(-0.19, 9.0)) == (0.3, -0.2)
    assert EntropyTarget(target_entropy=1.0)(0.0, 2.0) == 0.0


def entropies_of(objective, entropies):
    """The bonus that each step uses, the controller being told each step's entropy."""
    weights = []
    for entropy in entropies:
        weights.append(objective.entropy_bonus.weight)
        objective = objective.adapt(entropy)
    return weights, objective


def test_a_recipe_with_an_entropy_coefficient_by_hand():
    objective = RECIPES["entropy_coefficient"](target_entropy=0.5, coefficient_step=0.1, greatest_weight=0.25)
    weights, after = entropies_of(objective, [0.4, 0.3, 0.2, 0.9, 0.4])
    assert weights == pytest.approx([0.0, 0.1, 0.2, 0.25, 0.0])
    assert after.adapted == pytest.approx({"entropy_weight": 0.25, "coefficient": 0.25, "last_entropy": 0.4})


def test_a_recipe_with_an_entropy_target_by_hand():
    recipe = {"target_entropy": 1.0, "adaptation_rate": 0.1, "entropy_weight": 0.02, "greatest_weight": 0.1}
    weights, after = entropies_of(RECIPES["entropy_target"](**recipe), [0.5, 0.0, 2.5])
    assert weights == pytest.approx([0.02, 0.07, 0.1])
    assert after.adapted == {"entropy_weight": 0.0}


@pytest.mark.parametrize("name", ["entropy_coefficient", "entropy_target", "calibrl_adaptive"])
def test_rows_follow_their_own_entropies_as_they_would_alone(name):
    steps = [torch.tensor([0.1, 0.9], dtype=torch.float64), torch.tensor([0.15, 0.1], dtype=torch.float64)]
    together, alone = RECIPES[name](), [RECIPES[name]() for _ in range(2)]
    for entropies in steps:
        together = together.adapt(entropies)
        alone = [each.adapt(float(entropy)) for each, entropy in zip(alone, entropies, strict=True)]
    for key, values in together.adapted.items():
        assert values.tolist() == pytest.approx([each.adapted[key] for each in alone])


@pytest.mark.parametrize("name", ["entropy_coefficient", "entropy_target", "calibrl_adaptive"])
def test_what_was_adapted_goes_on_from_a_checkpoint(name):
    start = RECIPES[name]()
    moved = start.adapt(0.15).adapt(0.1)
    assert moved.adapted != start.adapted
    resumed = start.with_adapted(json.loads(json.dumps(moved.adapted)))
    assert resumed == moved
    assert resumed.adapt(0.9) == moved.adapt(0.9)
    assert said(start.with_adapted, {"nothing": 1.0}) == (
        f"adapted=['nothing']: expected the names {sorted(start.adapted)}. Fix: take the same recipe's."
    )


def test_an_objective_without_a_controller_adapts_nothing():
    for name in ("grpo", "entropy_bonus", "calibrl"):
        assert RECIPES[name]().adapt(0.3) == RECIPES[name]()
    assert RECIPES["entropy_bonus"]().adapted == RECIPES["calibrl"]().adapted == {}
    assert RECIPES["grpo"]().entropy_bonus is None
    assert RECIPES["grpo"]().with_adapted({}) == RECIPES["grpo"]()


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (lambda: EntropyCoefficient(target=-1.0), "target=-1.0"),
        (lambda: EntropyCoefficient(delta=-1.0), "delta=-1.0"),
        (lambda: EntropyCoefficient(least=-1.0), "least=-1.0"),
        (lambda: EntropyCoefficient(least=0.5, greatest=0.4), "greatest=0.4"),
        (lambda: EntropyTarget(target_entropy=-1.0), "target_entropy=-1.0"),
        (lambda: EntropyTarget(target_entropy=1.0, rate=-0.1), "rate=-0.1"),
        (lambda: EntropyTarget(target_entropy=1.0, least=0.5, greatest=0.4), "greatest=0.4"),
    ],
)
def test_a_controller_refuses_what_it_cannot_hold(made, named):
    with pytest.raises(ValueError, match=f"{named}: expected"):
        made()
