"""Gates: what is made of the signed gap ``x = -sign * gap``. The paper's is the LeakyReLU; the rest are ablations.

A gate is a function ``(x, *, slope) -> tensor`` of the same shape. Every gate takes ``slope``, used or not, so that a
recipe can exchange one for another by name. To add one: ``GATES["name"] = function``.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from calibrl_ref._checks import bounded, check_float, check_same_shape
from calibrl_ref.calibration import Gate, leaky_relu_gate
from calibrl_ref.draws import uniform_draw
from calibrl_ref.rollouts import Rollouts


def relu_gate(x: Float[Tensor, "*shape"], *, slope: float | Tensor = 0.0) -> Float[Tensor, "*shape"]:
    """Drop what lies beyond the expert: ``max(x, 0)``; ``slope`` is not used.

    The value and the derivative at 0 are 0.

    Example:
        >>> relu_gate(torch.tensor([2.0, -2.0]))
        tensor([2., 0.])
    """
    return torch.relu(x)


def linear_gate(x: Float[Tensor, "*shape"], *, slope: float | Tensor = 1.0) -> Float[Tensor, "*shape"]:
    """No gate: ``x``; ``slope`` is not used. Its gradient is that of unclipped REINFORCE with a baseline.

    Example:
        >>> linear_gate(torch.tensor([2.0, -2.0]))
        tensor([ 2., -2.])
    """
    return x


def softplus_gate(x: Float[Tensor, "*shape"], *, slope: float | Tensor = 0.0) -> Float[Tensor, "*shape"]:
    """A LeakyReLU without its kink: ``slope * x + (1 - slope) * log(1 + exp(x))``.

    Its derivative runs from ``slope`` (far below 0) to 1 (far above).

    Example:
        >>> softplus_gate(torch.tensor([0.0]), slope=0.5)
        tensor([0.3466])
    """
    check_float("x", x)
    slope = bounded("slope", slope, 0.0, 1.0)
    return slope * x + (1.0 - slope) * torch.nn.functional.softplus(x)


def sigmoid_gate(x: Float[Tensor, "*shape"], *, slope: float | Tensor = 0.0) -> Float[Tensor, "*shape"]:
    """A bounded gate: ``1 / (1 + exp(-x))``; ``slope`` is not used. It saturates for large gaps of either sign.

    Example:
        >>> sigmoid_gate(torch.tensor([0.0]))
        tensor([0.5000])
    """
    return torch.sigmoid(x)


def random_gate(
    x: Float[Tensor, "*shape"], uniform: Float[Tensor, "*shape"], *, slope: float | Tensor = 0.5
) -> Float[Tensor, "*shape"]:
    """Control: slope 1 or ``slope`` by the toss of a coin that knows nothing of the sign of ``x``.

    Args:
        x: the signed gap in nats, any shape.
        uniform: a number in [0, 1) for each element; below one half is slope 1.
        slope: the gate's attenuation alpha in [0, 1].

    Raises:
        ValueError: ``slope`` is outside [0, 1], or the shapes differ.

    Example:
        >>> random_gate(torch.tensor([2.0, 2.0]), torch.tensor([0.1, 0.9]), slope=0.5)
        tensor([2., 1.])
    """
    check_float("x", x)
    check_float("uniform", uniform)
    check_same_shape(x=x, uniform=uniform)
    slope = bounded("slope", slope, 0.0, 1.0)
    return torch.where(uniform < 0.5, x, slope * x)


@dataclass(frozen=True)
class RandomGate:
    """``random_gate`` as a gate of the registry: its coins are tossed for one batch.

    Attributes:
        uniform: a number in [0, 1) for each element; None: a function of the element's place alone.
    """

    uniform: Tensor | None = None

    def __call__(self, x: Float[Tensor, "*shape"], *, slope: float | Tensor = 0.5) -> Float[Tensor, "*shape"]:
        """Return the gated values; see ``random_gate``."""
        places = torch.arange(x.numel(), device=x.device).view(x.shape)
        return random_gate(x, uniform_draw(places) if self.uniform is None else self.uniform, slope=slope)

    def drawn(self, rollouts: Rollouts, *, by_token: bool) -> "RandomGate":
        """Return the gate with fresh coins for a batch, one per row or one per token.

        They do not depend on the sign of the gap, nor on how the batch is cut or ordered.
        """
        return RandomGate(rollouts.uniform_per_token() if by_token else rollouts.uniform_per_row())


GATES: dict[str, Gate] = {
    "leaky_relu": leaky_relu_gate,
    "relu": relu_gate,
    "linear": linear_gate,
    "softplus": softplus_gate,
    "sigmoid": sigmoid_gate,
    "random": RandomGate(),
}
"""Name -> what is made of the signed gap: an element-wise function."""
