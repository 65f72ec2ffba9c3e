"""The prefix tree of all responses."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tree:
    """The prefix tree in heap order: node 0 is the root, and option a of node i leads to ``i * branching + a + 1``.

    Inner nodes come first (``nodes`` of them), then the leaves, one for each path. Edge ``i * branching + a`` is option
    a at node i, so edge e leads to node e + 1.
    """

    depth: int
    branching: int

    @property
    def paths(self) -> int:
        """Number of leaves."""
        return int(self.branching**self.depth)

    @property
    def nodes(self) -> int:
        """Number of inner nodes: the decisions that a policy has to make."""
        return (self.paths - 1) // (self.branching - 1)

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """The edges of each path, ``[paths, depth]``."""
        nodes = np.arange(self.paths)[:, None] + self.nodes
        columns = []
        for _ in range(self.depth):
            columns.append(nodes - 1)
            nodes = (nodes - 1) // self.branching
        return np.concatenate(columns[::-1], axis=1)

    @cached_property
    def options(self) -> NDArray[np.int64]:
        """The decisions of each path, ``[paths, depth]``."""
        return self.edges % self.branching
