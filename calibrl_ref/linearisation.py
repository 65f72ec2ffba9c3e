"""An objective as constants: its derivatives in every row's log-probabilities and entropies.

An objective is a function of the numbers that a policy gives for a batch, so by the chain rule its gradient is
``sum over tokens of (d total / d log pi) * grad log pi``, and the same with the entropies. The derivatives need no
model: they are taken on the numbers of one forward pass without gradient. With them every row's loss stands alone, and
the backward pass can be cut anywhere: into rows, micro-batches and processes, through a group as well.
"""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from calibrl_ref._checks import bad_value
from calibrl_ref.objective import Objective
from calibrl_ref.rollouts import Rollouts


@dataclass(frozen=True, kw_only=True)
class Linearisation:
    """What an objective is worth at the start of a step, and how it changes with the numbers that a policy gives.

    Exact where it was taken. After a change of the policy it is what it was, while the objective's gates and clips may
    have changed sides; ``changed_gates`` counts the gates.

    Attributes:
        total: the loss of the whole batch.
        terms: each term's share of it, by name.
        by_log_prob: ``d total / d log pi`` of each token; exactly 0 where the objective does not look.
        by_entropy: ``d total / d entropy`` of each token; likewise.
        open_gates: where the exploration term's signed gap was above 0; None without such a term.
        objective: whose derivatives these are.
    """

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]
    by_log_prob: Float[Tensor, "rows time"]
    by_entropy: Float[Tensor, "rows time"]
    open_gates: Bool[Tensor, "rows ..."] | None
    objective: Objective = field(repr=False)

    def loss(
        self,
        token_log_prob: Float[Tensor, "part width"],
        token_entropy: Float[Tensor, "part width"] | None = None,
        *,
        rows: Int[Tensor, " part"] | slice = slice(None),
    ) -> Float[Tensor, ""]:
        """Return a loss whose gradient is some rows' part of the batch's; the parts' gradients add up.

        Where processes average their gradients, multiply it by their number. Its value means nothing: the batch's loss
        is ``total``.

        Args:
            token_log_prob: of these rows under the current policy, in nats, differentiable; padding may be cut off.
            token_entropy: likewise; needed if the objective reads it.
            rows: which rows of the batch they are.

        Raises:
            ValueError: the objective reads the entropies, and they are not given.

        Example:
            >>> from calibrl_ref import RECIPES
            >>> batch = Rollouts(
            ...     token_log_prob=torch.tensor([[-1.0], [-2.0]]), old_token_log_prob=torch.tensor([[-1.0], [-2.0]]),
            ...     mask=torch.ones(2, 1, dtype=torch.bool), group=torch.tensor([0, 0]),
            ...     is_expert=torch.tensor([False, False]), correct=torch.tensor([True, False]),
            ...     advantage=torch.tensor([1.0, -1.0]))
            >>> second = torch.tensor([[-2.0]], requires_grad=True)
            >>> linearise(RECIPES["grpo"](), batch).loss(second, rows=torch.tensor([1])).backward()
            >>> second.grad
            tensor([[0.5000]])
        """
        found = _product(self.by_log_prob[rows], token_log_prob)
        if self.objective.needs_token_entropy:
            if token_entropy is None:
                raise bad_value(
                    "token_entropy", None, "a tensor [rows, time]", "pass it: a term of the objective reads it"
                )
            found = found + _product(self.by_entropy[rows], token_entropy)
        return found

    def changed_gates(self, rollouts: Rollouts) -> Int[Tensor, ""]:
        """Return how many gates are on another side than at the start: rows, or tokens where the gap is by token.

        Args:
            rollouts: the whole batch under the current policy.
        """
        if self.open_gates is None or self.objective.exploration is None:
            return torch.zeros((), dtype=torch.long, device=rollouts.group.device)
        return (self.objective.exploration.open_gates(rollouts) != self.open_gates).sum()


def linearise(objective: Objective, rollouts: Rollouts, *, divisors: tuple[Tensor, ...] | None = None) -> Linearisation:
    """Take an objective's derivatives at the numbers of a batch.

    Args:
        objective: what is minimised.
        rollouts: the whole batch; its log-probabilities and entropies need no gradient.
        divisors: of a batch that several processes share; see ``Divisors.over_processes``. Not for an objective whose
            scope is the batch: gather the rows of all processes instead.

    Returns:
        Value and derivatives, all constants.

    Raises:
        ValueError: as the objective does.
    """
    given = {"token_log_prob": rollouts.token_log_prob, "token_entropy": rollouts.token_entropy}
    leaves = {name: values.detach().clone().requires_grad_() for name, values in given.items() if values is not None}
    with torch.enable_grad():
        batch = replace(rollouts, **leaves, validate=False)
        losses = objective(batch, divisors=divisors)
        found = torch.autograd.grad(losses.total, [*leaves.values()], materialize_grads=True)
    by_log_prob, by_entropy, *_ = (*found, torch.zeros_like(found[0]))
    exploration = objective.exploration
    return Linearisation(
        total=losses.total.detach(),
        terms={name: share.detach() for name, share in losses.terms.items()},
        by_log_prob=by_log_prob,
        by_entropy=by_entropy,
        open_gates=None if exploration is None else exploration.open_gates(batch).detach(),
        objective=objective,
    )


def _product(derivative: Tensor, values: Tensor) -> Tensor:
    constants = derivative[:, : values.shape[1]]
    return (constants * values).where(constants != 0.0, 0.0).sum()  # what the objective does not look at may be NaN
