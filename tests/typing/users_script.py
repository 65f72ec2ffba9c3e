"""What a user writes, for mypy and pyright: a line must give the error that its comment names, or none.

``test_users_script.py`` has it checked; nothing calls these functions.
"""

from dataclasses import dataclass

from calibrl_ref import RECIPES, Losses, Objective, Rollouts, hyper_parameters, recipe
from calibrl_ref.recipes import CalibRL, calibrl_dapo


@dataclass(frozen=True, kw_only=True)
class Mine(CalibRL):
    """A recipe of one's own."""

    slope: float = 0.3
    patience: int = 3


mine = recipe("mine", Mine)


def right(rollouts: Rollouts) -> Losses:
    objective: Objective = RECIPES["calibrl"](slope=0.5, exploration_weight=0.1, clip_high=None, gate="leaky_relu")
    RECIPES["dapo"](overlong_buffer=2, max_length=4, dynamic_sampling=False)
    RECIPES["mine"] = mine
    RECIPES["mine"](patience=2)
    mine(patience=2, slope=0.1)
    assert objective.exploration is not None
    print(objective.exploration.slope, objective.exploration.weight)
    print([RECIPES[name]().uses_expert for name in RECIPES], {item.kind for item in hyper_parameters("calibrl")})
    return calibrl_dapo(slope=0.3)(rollouts)


def wrong(objective: Objective) -> None:
    RECIPES["calibrl"](slope="high")  # error: "slope"
    RECIPES["calibrl"](nonsense=3)  # error: "nonsense"
    RECIPES["calibrl"](slope="high", nonsense=3)  # error: "nonsense"
    RECIPES["calibrl"](0.5)  # error: positional
    RECIPES["grpo"](slope=0.5)  # error: "slope"
    RECIPES["calibrl_cppo"](keep_fraction="half")  # error: "keep_fraction"
    RECIPES["dapo"](overlong_buffer=1.5)  # error: "overlong_buffer"
    calibrl_dapo(slpe=0.3)  # error: "slpe"
    calibrl_dapo(clip_high="0.28")  # error: "clip_high"
    mine(patience=2.5)  # error: "patience"
    mine(patients=2)  # error: "patients"
    print(objective.exploration.slope)  # error: None
    RECIPES["mine"] = 3  # error: assign
