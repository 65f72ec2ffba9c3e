"""Reproducible randomness without a generator: uniform numbers as a hash of keys.

A number depends on its keys alone, so a draw is the same however a batch was cut into micro-batches or spread over
devices. The keys must tell the elements of a batch apart, and one batch from the next; ``Rollouts.uniform_per_row`` and
``uniform_per_token`` see to both.
"""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

_WEYL = 0x9E3779B97F4A7C15 - 2**64  # the odd number nearest to 2^64 over the golden ratio, as a signed integer
_ROUNDS = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))


def uniform_draw(*keys: Shaped[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return a number in [0, 1) for each element, a function of that element's keys.

    Args:
        keys: integers, or floating-point numbers, whose bits count; shapes that broadcast.

    Returns:
        Uniform numbers in float64, the broadcast shape.

    Example:
        >>> rows, positions = torch.tensor([[0], [1]]), torch.arange(3)
        >>> drawn = uniform_draw(rows, positions)
        >>> drawn.shape, bool((uniform_draw(rows[1:], positions) == drawn[1:]).all())
        (torch.Size([2, 3]), True)
    """
    state = torch.zeros((), dtype=torch.long, device=keys[0].device)
    for key in keys:
        bits = key.detach().double().view(torch.long) if key.is_floating_point() else key.long()
        state = splitmix64(state ^ bits)  # stop-gradient above: a coin, not a value
    return _shift(state, 11).double() * 2.0**-53


def digest(values: Float[Tensor, "rows time"], segment: Int[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """Return, for each row, a number that any change of any bit of its segment's ``values`` changes.

    It does not depend on the rows' order, nor on zeros that pad them.

    Example:
        >>> values, one_segment = torch.tensor([[-1.0, -2.0], [-3.0, 0.0]]), torch.zeros(2, dtype=torch.long)
        >>> bool((digest(values, one_segment) == digest(values.flip(0)[:, :2], one_segment)).all())
        True
    """
    by_row = splitmix64(values.detach().double().view(torch.long).sum(1))  # stop-gradient: bits, no values
    return by_row.new_zeros(len(by_row)).index_add(0, segment, by_row)[segment]


def splitmix64(state: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """Return the number that the generator SplitMix64 gives in this state, as a signed 64-bit integer.

    Reference:
        G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators (OOPSLA 2014), Fig. 15 and 17.

    Example:
        >>> splitmix64(torch.tensor([1234567])).tolist()
        [6457827717110365317]
    """
    mixed = state + _WEYL
    for shift, multiplier in _ROUNDS:
        mixed = (mixed ^ _shift(mixed, shift)) * multiplier
    return mixed ^ _shift(mixed, 31)


def _shift(bits: Tensor, places: int) -> Tensor:
    """Shift to the right without copying the sign."""
    return torch.bitwise_and(bits >> places, 2 ** (64 - places) - 1)
