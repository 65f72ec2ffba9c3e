"""Controllers: pure step functions ``new_state = step(state, observation)`` for moving hyper-parameters."""

from dataclasses import dataclass

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
