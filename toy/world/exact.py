"""Exact quantities of a policy over an enumerable tree: no sampling, so a curve shows only what training did.

Everything starts from a policy's node log-probabilities ``[..., nodes, branching]``; leading axes (seeds, families) are
kept. Entropies and divergences are of the whole response divided by its length, so they are in nats per decision, the
unit of the mean token entropy that language-model training reports: by the chain rule the two are equal.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from toy.world.kinds import Kind
from toy.world.tree import Tree


@dataclass(frozen=True)
class Enumeration:
    """Sums over all paths of a tree.

    Attributes:
        tree: the tree.
        edges: the edges of each path, ``[paths, depth]``.
    """

    tree: Tree
    edges: Tensor

    @classmethod
    def of(cls, tree: Tree) -> "Enumeration":
        """Prepare the index tables of a tree."""
        return cls(tree, torch.from_numpy(tree.edges))

    def path_log_prob(self, node_log_prob: Tensor) -> Tensor:
        """Log-probability of every path, ``[..., paths]``: the sum over its edges, built level by level.

        Args:
            node_log_prob: log-probability of each option at each inner node, ``[..., nodes, branching]``, nats.

        Example:
            >>> uniform = torch.full((1, 5, 4), 0.25).log()
            >>> Enumeration.of(Tree(2, 4)).path_log_prob(uniform).exp().sum().item()
            1.0
        """
        batch = node_log_prob.shape[:-2]
        total = node_log_prob.new_zeros((*batch, 1))
        start = 0
        for _ in range(self.tree.depth):
            width = total.shape[-1]
            level = node_log_prob[..., start : start + width, :]
            total = (total.unsqueeze(-1) + level).reshape(*batch, width * self.tree.branching)
            start += width
        return total

    def node_log_prob(self, path_prob: Tensor) -> Tensor:
        """The inverse: conditional log-probabilities ``[..., nodes, branching]`` that give this path distribution.

        Args:
            path_prob: a strictly positive distribution over paths, ``[..., paths]``.
        """
        batch = path_prob.shape[:-1]
        levels = []
        for level in range(self.tree.depth):
            width = self.tree.branching**level
            mass = path_prob.reshape(*batch, width, self.tree.branching, -1).sum(-1)
            levels.append(mass.log() - mass.sum(-1, keepdim=True).log())
        return torch.cat(levels, dim=-2)

    def entropy(self, path_log_prob: Tensor) -> Tensor:
        """Entropy of the response, nats per decision."""
        return -(path_log_prob.exp() * path_log_prob).sum(-1) / self.tree.depth

    def kl(self, path_log_prob: Tensor, other: Tensor) -> Tensor:
        """Kullback-Leibler divergence KL(policy || other), nats per decision."""
        return (path_log_prob.exp() * (path_log_prob - other)).sum(-1) / self.tree.depth

    def accuracy_gradient(self, node_log_prob: Tensor, success: Tensor) -> Tensor:
        """Exact gradient of the accuracy with respect to the logits of each node.

        reach(node) * pi(option | node) * (accuracy after the option - accuracy at the node): the expectation of the
        policy gradient estimator R * grad log pi, and what autograd gives on :func:`accuracy`.

        Args:
            node_log_prob: the policy, ``[..., nodes, branching]``.
            success: chance that each path is right, ``[..., paths]``.

        Returns:
            The gradient, ``[..., nodes, branching]``.
        """
        batch = node_log_prob.shape[:-2]
        reached = self.path_log_prob(node_log_prob).exp()
        levels = []
        for level in range(self.tree.depth):
            shape = (*batch, self.tree.branching**level, self.tree.branching, -1)
            reach = reached.reshape(shape).sum(-1)
            gain = (reached * success).reshape(shape).sum(-1)
            node = gain.sum(-1, keepdim=True) / reach.sum(-1, keepdim=True)
            levels.append(gain - reach * node)
        return torch.cat(levels, dim=-2)


def accuracy(path_log_prob: Tensor, success: Tensor) -> Tensor:
    """Chance that a sampled response is right, ``[...]``."""
    return (path_log_prob.exp() * success).sum(-1)


def kind_mass(path_log_prob: Tensor, kind: Tensor, wanted: Kind) -> Tensor:
    """Probability of answering with a path of one kind, ``[...]``."""
    return (path_log_prob.exp() * (kind == wanted)).sum(-1)


def sound_coverage(path_log_prob: Tensor, kind: Tensor, *, draws: int) -> Tensor:
    """Expected share of the sound paths that ``draws`` responses would show at least once, ``[...]``.

    It tells a policy that commits to one right answer (low) from one that keeps several in reach (high).
    """
    found = -torch.expm1(draws * torch.log1p(-path_log_prob.exp().clamp(max=1.0 - 1e-12)))
    sound = kind == Kind.SOUND
    return (found * sound).sum(-1) / sound.sum(-1)
