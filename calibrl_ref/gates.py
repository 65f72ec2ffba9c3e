"""Gates: what is made of the signed gap ``x = -sign * gap``. The paper's is the LeakyReLU; the rest are ablations.

A gate is a function ``(x, *, slope) -> tensor`` of the same shape. Every gate takes ``slope``, used or not, so that a
recipe can exchange one for another by name. To add one: ``GATES["name"] = function``.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from calibrl_ref._checks import check_float, check_range
from calibrl_ref.calibration import Gate, leaky_relu_gate

_HASH_RESOLUTION = 1e-3  # nats: values closer than this toss the same coin, so the gate is piecewise linear


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
    check_range("slope", slope, 0.0, 1.0)
    return slope * x + (1.0 - slope) * torch.nn.functional.softplus(x)


def sigmoid_gate(x: Float[Tensor, "*shape"], *, slope: float | Tensor = 0.0) -> Float[Tensor, "*shape"]:
    """A bounded gate: ``1 / (1 + exp(-x))``; ``slope`` is not used. It saturates for large gaps of either sign.

    Example:
        >>> sigmoid_gate(torch.tensor([0.0]))
        tensor([0.5000])
    """
    return torch.sigmoid(x)


def random_gate(x: Float[Tensor, "*shape"], *, slope: float | Tensor = 0.5) -> Float[Tensor, "*shape"]:
    """Control: slope 1 or ``slope`` by the toss of a coin that knows nothing of the sign of ``x``.

    The coin is a hash of ``x`` rounded to 1e-3 nats, so the gate is pure, independent of row order and micro-batches,
    and fresh for every new response.

    Example:
        >>> gate = random_gate(torch.linspace(-3, 3, 1001), slope=0.5) / torch.linspace(-3, 3, 1001)
        >>> sorted(set(gate[:400].round(decimals=3).tolist()))
        [0.5, 1.0]
    """
    check_float("x", x)
    check_range("slope", slope, 0.0, 1.0)
    heads = value_hash(x) % 2 == 0
    return torch.where(heads, x, slope * x)


def value_hash(x: Float[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """Hash each value, rounded to 1e-3, to 31 pseudo-random bits: reproducible randomness without a generator.

    Args:
        x: values, any shape.

    Returns:
        Integers in [0, 2**31), the same shape (multiply-xorshift rounds on the rounded value).

    Example:
        >>> bool((value_hash(torch.tensor([0.1234])) == value_hash(torch.tensor([0.1234]))).all())
        True
    """
    bits = torch.round(x.detach().double() / _HASH_RESOLUTION).long() & 0xFFFFFFFF  # stop-gradient: a coin, not a value
    for multiplier in (0x45D9F3B, 0x119DE1F3):
        bits = ((bits ^ (bits >> 16)) * multiplier) & 0xFFFFFFFF
    return (bits ^ (bits >> 16)) & 0x7FFFFFFF


GATES: dict[str, Gate] = {
    "leaky_relu": leaky_relu_gate,
    "relu": relu_gate,
    "linear": linear_gate,
    "softplus": softplus_gate,
    "sigmoid": sigmoid_gate,
    "random": random_gate,
}
