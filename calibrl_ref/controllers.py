"""Controllers: pure step functions ``new_state = step(state, observation)`` for moving hyper-parameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

from calibrl_ref._checks import check_range

Controller = TypeVar("Controller", bound="EntropyController")


@runtime_checkable
class EntropyController(Protocol):
    """What moves the weight of an objective's entropy bonus; a number, or a tensor of one value per row.

    Attributes:
        memory: what it knows beside the weight, by the names of its fields.
    """

    @property
    def memory(self) -> Mapping[str, float | Tensor]:
        """What a checkpoint must keep."""

    def remembering(self: Controller, values: Mapping[str, float | Tensor]) -> Controller:
        """Return the controller with the memory that ``values`` hold, among others."""

    def after(self: Controller, weight: float | Tensor, entropy: float | Tensor) -> tuple[Controller, float | Tensor]:
        """Return the controller and the weight of the coming step, given the entropy in nats per token."""


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
        return _clip(slope + self.rate * (entropy - self.target_entropy), 0.0, 1.0)


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
    coefficient: float | Tensor = 0.0
    last_entropy: float | Tensor = math.inf

    def __post_init__(self) -> None:
        check_range("target", self.target, 0.0)
        check_range("delta", self.delta, 0.0)
        check_range("least", self.least, 0.0)
        check_range("greatest", self.greatest, self.least)

    @property
    def applied(self) -> float | Tensor:
        """The bonus per nat of the coming step: the coefficient, or 0 if the last entropy was above the target."""
        return self.coefficient * _is_below(self.last_entropy, self.target)

    @property
    def memory(self) -> Mapping[str, float | Tensor]:
        """The coefficient and the last entropy."""
        return {"coefficient": self.coefficient, "last_entropy": self.last_entropy}

    def remembering(self, values: Mapping[str, float | Tensor]) -> "EntropyCoefficient":
        """Return the state with another's coefficient and last entropy."""
        return replace(self, coefficient=values["coefficient"], last_entropy=values["last_entropy"])

    def step(self, entropy: float | Tensor) -> "EntropyCoefficient":
        """Return the state after a step whose tokens had this mean entropy, in nats; a tensor: one value per row."""
        moved = self.coefficient + self.delta * (2.0 * _is_below(entropy, self.target) - 1.0)
        return replace(self, coefficient=_clip(moved, self.least, self.greatest), last_entropy=entropy)

    def after(self, weight: float | Tensor, entropy: float | Tensor) -> "tuple[EntropyCoefficient, float | Tensor]":
        """Return the next state and the bonus that it applies; the former bonus does not matter."""
        state = self.step(entropy)
        return state, state.applied


@dataclass(frozen=True, kw_only=True)
class EntropyTarget:
    """Hold an entropy target by the weight of an entropy bonus: integral control, with a sign.

    ``weight <- clip(weight + rate * (target_entropy - entropy), least, greatest)``; a negative weight, where ``least``
    allows it, presses an entropy above the target down (an ``EntropyBonus`` takes none).

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

    @property
    def memory(self) -> Mapping[str, float | Tensor]:
        """Nothing: the weight is all."""
        return {}

    def remembering(self, values: Mapping[str, float | Tensor]) -> "EntropyTarget":
        """Return itself."""
        return self

    def __call__(self, weight: float | Tensor, entropy: float | Tensor) -> float | Tensor:
        """Return the next weight of the bonus, per nat; both arguments may be tensors of one value per row."""
        return _clip(weight + self.rate * (self.target_entropy - entropy), self.least, self.greatest)

    def after(self, weight: float | Tensor, entropy: float | Tensor) -> "tuple[EntropyTarget, float | Tensor]":
        """Return the controller, which does not change, and the next weight."""
        return self, self(weight, entropy)


def _is_below(entropy: float | Tensor, target: float) -> float | Tensor:
    """1.0 where the entropy is at most the target, else 0.0."""
    return (entropy <= target).to(entropy.dtype) if isinstance(entropy, Tensor) else float(entropy <= target)


def _clip(value: float | Tensor, low: float, high: float) -> float | Tensor:
    return value.clamp(low, high) if isinstance(value, Tensor) else min(max(value, low), high)
