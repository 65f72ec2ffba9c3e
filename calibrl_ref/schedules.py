"""Methods that train with several recipes one after another."""

import bisect
import itertools
import math
from dataclasses import dataclass

from calibrl_ref.objective import Objective
from calibrl_ref.recipes import RECIPES

SCHEDULES: dict[str, tuple[tuple[str, float], ...]] = {"sft_grpo": (("sft", 1 / 3), ("grpo", 2 / 3))}
"""Name -> the recipes to train with one after another, and each one's share of the steps.

``sft_grpo`` is the usual pipeline of a supervised warm-up on the expert's responses, then GRPO; the shares are ours.
"""


@dataclass(frozen=True)
class Schedule:
    """The objectives of a run, one after another.

    Attributes:
        stages: each objective, and its share of the steps; the shares add up to 1.

    Raises:
        ValueError: no stage, a share that is not positive, or shares that do not add up to 1.

    Example:
        >>> warm_up = Schedule(((RECIPES["sft"](), 0.25), (RECIPES["grpo"](), 0.75)))
        >>> [term.name for term in warm_up.objective_at(0.25).terms]
        ['surrogate']
    """

    stages: tuple[tuple[Objective, float], ...]

    def __post_init__(self) -> None:
        shares = [share for _, share in self.stages]
        if not shares or min(shares) <= 0.0 or not math.isclose(sum(shares), 1.0):
            raise ValueError(f"stages have the shares {shares}: expected positive shares that add up to 1. Fix: do so.")

    @classmethod
    def named(cls, name: str, **options: object) -> "Schedule":
        """Build a schedule, or a recipe as a schedule of one stage.

        Args:
            name: a key of ``SCHEDULES`` or ``RECIPES``.
            options: hyper-parameters, given to every stage.

        Raises:
            ValueError: the name is unknown.

        Example:
            >>> [share for _, share in Schedule.named("grpo", clip_high=0.3).stages]
            [1.0]
        """
        if name not in RECIPES and name not in SCHEDULES:
            valid = sorted([*RECIPES, *SCHEDULES])
            raise ValueError(f"recipe={name!r}: expected one of {valid}. Fix: choose one of these.")
        stages = SCHEDULES.get(name, ((name, 1.0),))
        return cls(tuple((RECIPES[recipe](**options), share) for recipe, share in stages))

    @property
    def uses_expert(self) -> bool:
        """Whether any stage reads expert rows."""
        return any(objective.uses_expert for objective, _ in self.stages)

    def objective_at(self, progress: float) -> Objective:
        """Return the objective at a point of the training, ``progress`` from 0 (start) to 1 (end)."""
        ends = [*itertools.accumulate(share for _, share in self.stages)]
        passed = bisect.bisect(ends, progress + 1e-9)  # 1e-9: 0.1 + 0.2 is 0.3, not more
        return self.stages[min(passed, len(self.stages) - 1)][0]
