"""Controllers: pure step functions ``new_state = step(state, observation)`` for moving hyper-parameters."""

import math
from dataclasses import dataclass, replace

from torch import Tensor

from calibrl_ref._checks import check_range


@dataclass(frozen=True, kw_only=True)
class SlopeController:
    """Hold an entropy target by the gate's slope: integral control.

    ``slope <- clip(slope + rate * (entropy - target_entropy), 0, 1)``: entropy below the target lowers the slope, which
    pulls an over-confident policy back towards the expert; entropy above it raises the slope towards plain GRPO.

    Attributes:
        target_entropy: the entropy to hold, in nats per token.
        rate: change of the slope per nat and step.

    Reference:
        An extension of this project: the paper names an adaptive slope as an open question.

    Example:
        >>> SlopeController(target_entropy=1.0, rate=0.1)(0.5, 0.0)
        0.4
    """

    target_entropy: float
    rate: float = 0.05

    def __post_init__(self) -> None:
        check_range("target_entropy", self.target_entropy, 0.0)
        check_range("adaptation_rate", self.rate, 0.0)

    def __call__(self, slope: float | Tensor, entropy: float | Tensor) -> float | Tensor:
        """Return the next slope; both arguments may be tensors of one value per row."""
        moved = slope + self.rate * (entropy - self.target_entropy)
        return moved.clamp(0.0, 1.0) if isinstance(moved, Tensor) else min(max(moved, 0.0), 1.0)


@dataclass(frozen=True, kw_only=True)
class EntropyCoefficient:
    """The adaptive entropy coefficient: a bonus only while the entropy is below its target.

    The state of a training: ``state.applied`` weighs the bonus of the coming step, and ``state = state.step(entropy)``
    follows it. The first step has none.

    Attributes:
        target: the entropy to hold, in nats per token; TRL's default.
        delta: change of the coefficient per step.
        least: the smallest coefficient.
        greatest: the largest coefficient.
        coefficient: the bonus per nat.
        last_entropy: of the step before, in nats per token; infinite before the first.

    Reference:
        Skywork-OR1 (arXiv:2505.22312); trl/trainer/grpo_trainer.py, use_adaptive_entropy.

    Example:
        >>> state = EntropyCoefficient(target=0.2)
        >>> first, state = state.applied, state.step(0.1)
        >>> first, state.applied
        (0.0, 0.005)
    """

    target: float = 0.2
    delta: float = 0.005
    least: float = 0.0
    greatest: float = 1.0
    coefficient: float = 0.0
    last_entropy: float = math.inf

    def __post_init__(self) -> None:
        check_range("target", self.target, 0.0)
        check_range("delta", self.delta, 0.0)
        check_range("least", self.least, 0.0)
        check_range("greatest", self.greatest, self.least)

    @property
    def applied(self) -> float:
        """The bonus per nat of the coming step: the coefficient, or 0 if the last entropy was above the target."""
        return self.coefficient if self.last_entropy <= self.target else 0.0

    def step(self, entropy: float) -> "EntropyCoefficient":
        """Return the state after a step whose tokens had this mean entropy, in nats."""
        moved = self.coefficient + (self.delta if entropy <= self.target else -self.delta)
        return replace(self, coefficient=min(max(moved, self.least), self.greatest), last_entropy=entropy)


@dataclass(frozen=True, kw_only=True)
class EntropyTarget:
    """Hold an entropy target by the weight of an entropy bonus: integral control, with a sign.

    ``weight <- clip(weight + rate * (target_entropy - entropy), least, greatest)``; a negative weight, where ``least``
    allows it, presses an entropy above the target down.

    Attributes:
        target_entropy: the entropy to hold, in nats per token.
        rate: change of the weight per nat and step.
        least: the smallest weight.
        greatest: the largest weight.

    Reference:
        the automatic temperature of soft actor-critic (arXiv:1812.05905, section 5), without its logarithm.

    Example:
        >>> EntropyTarget(target_entropy=1.0, rate=0.1)(0.0, 0.5)
        0.05
    """

    target_entropy: float
    rate: float = 0.01
    least: float = 0.0
    greatest: float = 1.0

    def __post_init__(self) -> None:
        check_range("target_entropy", self.target_entropy, 0.0)
        check_range("rate", self.rate, 0.0)
        check_range("greatest", self.greatest, self.least)

    def __call__(self, weight: float, entropy: float) -> float:
        """Return the next weight of the bonus, per nat."""
        return min(max(weight + self.rate * (self.target_entropy - entropy), self.least), self.greatest)
