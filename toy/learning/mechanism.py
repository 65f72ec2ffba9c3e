"""What an update does: whom it pushes, and how the entropy answers."""

import torch
from torch import Tensor

from calibrl_ref import Objective
from toy.learning.population import Batch, Population, build_rollouts, kept_rows
from toy.world import Kind

MECHANISM_METRICS = ("push_sound", "push_shortcut", "push_expert", "entropy_change", "predicted_entropy_change")


def mechanism(population: Population, objective: Objective, batch: Batch, old: Tensor) -> dict[str, Tensor]:
    """Whom the update pushes (d loss / d log pi of the responses, sign turned), and what that does to the entropy.

    The predicted change of entropy is first order: learning rate x <gradient of the entropy, descent direction>.
    The measured one is that of the plain gradient step itself, on the logits of a tabular policy.

    Args:
        population: who answered.
        objective: what is minimised.
        batch: the responses.
        old: the policy that sampled, ``[seeds, families, nodes, branching]``, nats.

    Returns:
        The values of :data:`MECHANISM_METRICS`, ``[seeds]`` each; entropies in nats per decision.
    """
    rate = population.training.learning_rate
    logits = old.clone().requires_grad_()
    node_log_prob = logits.log_softmax(-1)
    rollouts = build_rollouts(population, objective, batch, node_log_prob, old)
    seeds = len(population.seeds)
    entropy = population.exact.entropy(population.exact.path_log_prob(node_log_prob)).mean(-1)
    direction, push = torch.zeros_like(logits), torch.zeros(seeds, batch.keep.numel() // seeds, dtype=old.dtype)
    if bool(batch.keep.any()):
        total = objective(kept_rows(rollouts, batch)).total
        gradients = torch.autograd.grad(total, [logits, rollouts.token_log_prob], retain_graph=True)
        direction, push = -gradients[0], -gradients[1].mean(-1).reshape(seeds, -1)
    (slope,) = torch.autograd.grad(entropy.sum(), [logits])
    moved = population.exact.path_log_prob((old + rate * direction).log_softmax(-1))
    kind = population.kind.expand(*batch.path.shape[:2], -1).gather(-1, batch.path).flatten(1)
    expert = batch.is_expert.reshape(seeds, -1)
    values = (
        (push * (kind == Kind.SOUND) * ~expert).sum(-1),
        (push * (kind == Kind.SHORTCUT) * ~expert).sum(-1),
        (push * expert).sum(-1),
        population.exact.entropy(moved).mean(-1) - entropy,
        rate * (slope * direction).flatten(1).sum(-1),
    )
    return dict(zip(MECHANISM_METRICS, values, strict=True))
