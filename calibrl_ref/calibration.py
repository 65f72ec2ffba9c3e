"""The four pieces of CalibRL, and their composition.

An expert's solution is a reference point, not a target: the log-probability gap between the policy's response and the
expert's is signed by correctness, gated by a LeakyReLU and weighted by the absolute advantage (Eq. 9 of
arXiv:2602.20197). Everything here is element-wise: one element per response for the paper's trajectory-level gap, one
per token for the released code's.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from calibrl_ref._checks import bounded, check_bool, check_float, check_row_values, check_same_shape, precise


@runtime_checkable
class Gate(Protocol):
    """The signature of a gate: element-wise, with the attenuation as a keyword."""

    def __call__(self, x: Float[Tensor, "*shape"], *, slope: float | Tensor) -> Float[Tensor, "*shape"]:
        """Map the signed gap ``x = -sign * gap`` in nats to a gated value of the same shape."""


def log_prob_gap(
    policy_log_prob: Float[Tensor, "*shape"], expert_log_prob: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """How much likelier the policy's response is than the expert's.

    ``gap = log pi(response) - log pi(expert)``. Gradient flows into both arguments: detach the expert's before the call
    to make it a constant.

    Args:
        policy_log_prob: log-probability of the policy's own response (or token), in nats, any shape.
        expert_log_prob: log-probability of the expert's response under the same policy, in nats, the same shape.

    Returns:
        The gap in nats, the same shape: positive where the policy is surer of its own response.

    Raises:
        ValueError: the shapes differ.
        TypeError: an argument is not a floating-point tensor.

    Reference:
        Delta in Eq. 9 of CalibRL (arXiv:2602.20197).

    Example:
        >>> log_prob_gap(torch.tensor([-1.0, -4.0]), torch.tensor([-3.0, -3.0]))
        tensor([ 2., -1.])
    """
    check_float("policy_log_prob", policy_log_prob)
    check_float("expert_log_prob", expert_log_prob)
    check_same_shape(policy_log_prob=policy_log_prob, expert_log_prob=expert_log_prob)
    return precise(policy_log_prob) - precise(expert_log_prob)


def correctness_sign(correct: Bool[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Turn the verifier's verdict into a sign.

    ``sign = +1 if correct else -1``. It is defined by correctness and not by the reward, since a format bonus can make
    the reward of a wrong response positive.

    Args:
        correct: the verdict, any shape.

    Returns:
        +1.0 or -1.0 in torch's default dtype, the same shape.

    Raises:
        TypeError: ``correct`` is not a bool tensor.

    Reference:
        s in Eq. 9 of CalibRL (arXiv:2602.20197).

    Example:
        >>> correctness_sign(torch.tensor([True, False]))
        tensor([ 1., -1.])
    """
    check_bool("correct", correct)
    return torch.where(correct, 1.0, -1.0)


def leaky_relu_gate(x: Float[Tensor, "*shape"], *, slope: float | Tensor = 0.5) -> Float[Tensor, "*shape"]:
    """Pass what needs correction in full and attenuate the rest.

    ``gate(x) = x if x > 0 else slope * x`` with ``x = -sign * gap``. At the kink ``x = 0`` the value is 0 and the
    derivative is ``slope`` (torch's convention).

    Args:
        x: the signed gap ``-sign * gap`` in nats, any shape.
        slope: the attenuation alpha in [0, 1]: 0 is a ReLU, 1 the identity. A tensor broadcasts against ``x``; its
            values are not read, and one out of range gives NaN.

    Returns:
        The gated value in nats, the same shape.

    Raises:
        ValueError: ``slope`` is a number outside [0, 1].

    Reference:
        Eq. 9 of CalibRL (arXiv:2602.20197); alpha = 0.5 there and in the released code.

    Example:
        >>> leaky_relu_gate(torch.tensor([2.0, -2.0]), slope=0.5)
        tensor([ 2., -1.])
    """
    check_float("x", x)
    slope = bounded("slope", slope, 0.0, 1.0)
    if isinstance(slope, Tensor):
        return torch.where(x > 0, x, slope * x)
    return torch.nn.functional.leaky_relu(x, slope)  # the same in one pass


def advantage_weight(advantage: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Weight a response by how much it differs from its group.

    ``weight = |A|``: the rarer the outcome within its group, the larger. No gradient flows into the advantage.

    Args:
        advantage: the group advantage, any shape, without unit.

    Returns:
        The weight, at least 0, the same shape.

    Raises:
        TypeError: ``advantage`` is not a floating-point tensor.

    Reference:
        |A| in Eq. 9 of CalibRL (arXiv:2602.20197).

    Example:
        >>> advantage_weight(torch.tensor([0.5, -1.5]))
        tensor([0.5000, 1.5000])
    """
    check_float("advantage", advantage)
    return advantage.detach().abs()  # stop-gradient: the advantage is data, not a function of the policy


def exploration_loss(
    policy_log_prob: Float[Tensor, "*shape"],
    expert_log_prob: Float[Tensor, "*shape"],
    correct: Bool[Tensor, "*#shape"],
    advantage: Float[Tensor, "*#shape"],
    *,
    slope: float | Tensor = 0.5,
    gate: Gate = leaky_relu_gate,
) -> Float[Tensor, "*shape"]:
    """CalibRL's exploration loss, element by element.

    ``loss = |A| * LeakyReLU(-sign * (log pi(response) - log pi(expert)), slope)``

    | response | gap | slope | response's log-prob | expert's log-prob, if not detached |
    |---|---|---|---|---|
    | correct | < 0 | 1 | up, full | down, full |
    | correct | > 0 | alpha | up, weak | down, weak |
    | wrong | > 0 | 1 | down, full | up, full |
    | wrong | < 0 | alpha | down, weak | up, weak |

    Args:
        policy_log_prob: log-probability of the policy's own response (or token), in nats.
        expert_log_prob: log-probability of the expert's response, in nats.
        correct: the verifier's verdict; for log-probabilities [rows, time] also a column [rows, 1].
        advantage: the group advantage, without unit; likewise.
        slope: the gate's attenuation alpha in [0, 1].
        gate: what to do with the signed gap; the paper's LeakyReLU unless an ablation exchanges it.

    Returns:
        The loss to minimise, in nats, the same shape as the arguments.

    Raises:
        ValueError: the shapes differ, or ``slope`` is outside [0, 1].
        TypeError: a wrong dtype.

    Reference:
        Eq. 9 of CalibRL (arXiv:2602.20197).

    Example:
        >>> exploration_loss(
        ...     torch.tensor([-1.0, -4.0]), torch.tensor([-3.0, -3.0]),
        ...     torch.tensor([True, True]), torch.tensor([0.5, 0.5]), slope=0.5,
        ... )
        tensor([-0.5000,  0.5000])
    """
    check_row_values("policy_log_prob", policy_log_prob, correct=correct, advantage=advantage)
    gap = log_prob_gap(policy_log_prob, expert_log_prob)
    signed = gap.mul_(-correctness_sign(correct))  # in place: the gap is this function's own, and large
    return advantage_weight(advantage) * gate(signed, slope=slope)
