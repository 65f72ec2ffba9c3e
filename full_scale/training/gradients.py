"""How an update's gradient is taken: through whole groups at once, or by score-function coefficients.

Both are exact. An objective is a function of the log-probabilities and entropies of a whole update; by the chain rule
its gradient is ``sum over tokens of (d total / d log pi) * grad log pi``, and the same with the entropies. The
coefficients ``d total / d log pi`` need no model: they are taken on the numbers of one forward pass without gradient.
The backward pass can then be cut anywhere, within a group too, for the price of that one forward pass.
"""

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from calibrl_ref import ClipCovSurrogate, Exploration, KLCovSurrogate, Objective, Rollouts, Term


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """What an update's objective is worth and how it changes with the numbers that the model gives.

    Attributes:
        total: The loss of the whole update.
        terms: Each term's share of it.
        log_prob: ``d total / d log pi`` of each response token, [rows, time].
        entropy: ``d total / d entropy`` of each response token, [rows, time].
    """

    total: Tensor
    terms: dict[str, Tensor]
    log_prob: Tensor
    entropy: Tensor


def coefficients(objective: Objective, rollouts: Rollouts) -> Coefficients:
    """The objective's derivatives in the log-probabilities and entropies of a whole update.

    Args:
        objective: What is minimised.
        rollouts: All rows of the update, with token entropies.

    Returns:
        Value and derivatives, without gradient; exactly 0 where the objective does not look.
    """
    log_prob, entropy = (
        values.detach().clone().requires_grad_()
        for values in (rollouts.token_log_prob, cast(Tensor, rollouts.token_entropy))
    )
    losses = objective(replace(rollouts, token_log_prob=log_prob, token_entropy=entropy))
    by_log_prob, by_entropy = torch.autograd.grad(
        losses.total, (log_prob, entropy), materialize_grads=True, allow_unused=True
    )
    terms = {name: share.detach() for name, share in losses.terms.items()}
    return Coefficients(total=losses.total.detach(), terms=terms, log_prob=by_log_prob, entropy=by_entropy)


def looks_beyond_groups(objective: Objective) -> bool:
    """Whether a term compares a row with rows of other groups, so that a micro-batch's loss would not be its share.

    Args:
        objective: What is minimised.

    Returns:
        True for the covariance methods (they rank the batch's tokens) and the shuffled expert.
    """
    return any(
        isinstance(term, ClipCovSurrogate | KLCovSurrogate) or getattr(term, "baseline", None) == "shuffled_expert"
        for term in objective.terms
    )


def moves_experts(objective: Objective) -> bool:
    """Whether an expert's row receives a gradient, so that it needs a backward pass.

    Args:
        objective: What is minimised.

    Returns:
        False where every term only compares with an expert that is held fixed.
    """
    return any("expert" in term.needs and not _holds_expert(term) for term in objective.terms)


def _holds_expert(term: Term) -> bool:
    return isinstance(term, Exploration) and (term.detach_baseline or term.baseline == "old_expert")
