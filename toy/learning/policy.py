"""Two policies over the prefix tree, each a population with one member per seed.

A policy answers one question: the logits of every option at every node, ``[seeds, families, nodes, branching]``. From
that the trainer samples and the exact quantities follow, for a table and for a network alike.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from toy.learning.settings import PolicyName
from toy.world import Tree


class TabularPolicy(nn.Module):
    """One free logit for each option at each node, shared by all families of prompts.

    Args:
        prior_log_prob: node log-probabilities of the untrained policy, ``[seeds, nodes, branching]``, nats.
        families: number of families that share the table.
    """

    def __init__(self, prior_log_prob: Tensor, *, families: int) -> None:
        super().__init__()
        self.table = nn.Parameter(prior_log_prob.clone())
        self.families = families

    def forward(self) -> Tensor:
        """The logits, ``[seeds, families, nodes, branching]``."""
        return self.table.unsqueeze(1).expand(-1, self.families, -1, -1)


class NeuralPolicy(nn.Module):
    """A small autoregressive network: what it learns at one prefix, or for one family, moves the others too.

    One hidden layer reads the options taken so far (one-hot for each step), the step and the family; its output is
    added to the untrained policy's logits, and starts at zero. Member i's weights depend on ``seeds[i]`` only.

    Args:
        prior_log_prob: node log-probabilities of the untrained policy, ``[seeds, nodes, branching]``, nats.
        families: number of families, an input of the network.
        tree: the tree.
        seeds: one seed for each member.
        width: hidden units.
    """

    inputs: Tensor
    prior: Tensor

    def __init__(
        self, prior_log_prob: Tensor, *, families: int, tree: Tree, seeds: Sequence[int], width: int = 32
    ) -> None:
        super().__init__()
        self.shape = (len(seeds), families, *prior_log_prob.shape[1:])
        self.register_buffer("prior", prior_log_prob.unsqueeze(1))
        self.register_buffer("inputs", _features(tree, families).to(prior_log_prob.dtype))
        columns = self.inputs.shape[-1]
        hidden = [_gaussian(columns, width, seed) / columns**0.5 for seed in seeds]
        self.hidden = nn.Parameter(torch.stack(hidden).to(prior_log_prob.dtype) * 2.0)
        self.output = nn.Parameter(prior_log_prob.new_zeros(len(seeds), width, tree.branching))

    def forward(self) -> Tensor:
        """The logits, ``[seeds, families, nodes, branching]``."""
        change = torch.tanh(self.inputs @ self.hidden) @ self.output
        return self.prior + change.reshape(self.shape)


def _gaussian(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def _features(tree: Tree, families: int) -> Tensor:
    """One-hot inputs of each family and node, ``[families * nodes, depth * (branching + 1) + families]``."""
    prefix = torch.zeros(tree.nodes, tree.depth, tree.branching)
    level = torch.zeros(tree.nodes, tree.depth)
    for node in range(1, tree.nodes):
        parent, option = divmod(node - 1, tree.branching)
        step = int(level[parent].argmax()) if parent else 0
        prefix[node] = prefix[parent]
        prefix[node, step, option] = 1.0
        level[node, step + 1] = 1.0
    level[0, 0] = 1.0
    places = torch.cat([prefix.flatten(1), level], dim=1)
    family = torch.eye(families).repeat_interleave(tree.nodes, dim=0)
    return torch.cat([places.repeat(families, 1), family], dim=1)


POLICIES: dict[PolicyName, Callable[[Tensor, int, Tree, Sequence[int]], nn.Module]] = {
    "tabular": lambda prior, families, _tree, _seeds: TabularPolicy(prior, families=families),
    "neural": lambda prior, families, tree, seeds: NeuralPolicy(prior, families=families, tree=tree, seeds=seeds),
}
"""Name -> maker of a population from (prior log-probabilities, families, tree, seeds)."""
