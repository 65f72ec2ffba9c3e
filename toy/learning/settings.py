"""The settings of a training run."""

from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np

OptimizerName = Literal["sgd", "adam"]
PolicyName = Literal["tabular", "neural"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of a run.

    Attributes:
        steps: batches sampled.
        prompts: prompts in a batch; a multiple of the world's families.
        rollouts: responses to a prompt.
        updates: gradient steps on each batch; from the second on the batch is off-policy and clipping matters.
        learning_rate: step size of the optimiser.
        optimizer: "sgd" (plain gradient descent) or "adam".
        policy: "tabular" or "neural".
        supervised_share: share of the steps for the supervised stage of a method that has one; None: the method's own.
        points: how many times along the run the exact quantities are recorded, the start and the end included.

    Raises:
        ValueError: a setting is out of range, or a name unknown.
    """

    steps: int = 600
    prompts: int = 16
    rollouts: int = 8
    updates: int = 1
    learning_rate: float = 4.0
    optimizer: OptimizerName = "sgd"
    policy: PolicyName = "tabular"
    supervised_share: float | None = None
    points: int = 41

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            low = 2 if entry.name in ("rollouts", "points") else 1
            if entry.type is int and (not isinstance(value, int) or value < low):
                raise ValueError(f"{entry.name}={value!r}: expected a whole number of at least {low}. Fix: raise it.")
        if not 0.0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate={self.learning_rate!r}: expected a positive number. Fix: try 4.0.")
        if self.supervised_share is not None and not 0.0 < self.supervised_share < 1.0:
            found = f"supervised_share={self.supervised_share!r}"
            raise ValueError(f"{found}: expected a share inside (0, 1). Fix: try 0.5.")
        for name, valid in (("optimizer", get_args(OptimizerName)), ("policy", get_args(PolicyName))):
            if getattr(self, name) not in valid:
                raise ValueError(f"{name}={getattr(self, name)!r}: expected one of {list(valid)}. Fix: choose one.")

    @property
    def recorded_steps(self) -> list[int]:
        """The steps at which curves have a point: evenly spread, from 0 (before training) to ``steps``."""
        return [int(step) for step in np.unique(np.linspace(0, self.steps, self.points).round())]
