"""The adaptive slope: by hand, in its range, and on a plant whose answer is known."""

import pytest
import torch
from conftest import close

from calibrl_ref import RECIPES, SlopeController


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
