import itertools

import numpy as np
import pytest

from toy.world import Tree


def test_edges_lead_from_the_root_to_each_leaf():
    tree = Tree(depth=3, branching=2)
    assert tree.nodes == 7
    # path 5 is right, left, right: nodes 0 -> 2 -> 5 -> leaf 7 + 5
    assert tree.edges[5].tolist() == [1, 4, 11]
    assert tree.options[5].tolist() == [1, 0, 1]


def test_a_tree_is_a_value():
    assert hash(Tree(2, 3)) == hash(Tree(2, 3))


@pytest.mark.parametrize(("depth", "branching", "paths", "nodes"), [(1, 4, 4, 1), (2, 3, 9, 4), (4, 4, 256, 85)])
def test_counts(depth, branching, paths, nodes):
    tree = Tree(depth, branching)
    assert (tree.paths, tree.nodes) == (paths, nodes)
    assert tree.edges.shape == tree.options.shape == (paths, depth)


def test_the_paths_are_numbered_in_the_order_of_their_decisions():
    tree = Tree(depth=2, branching=3)
    assert tree.options.tolist() == [list(options) for options in itertools.product(range(3), repeat=2)]
    # edge i * branching + a is option a at node i, and leads to node e + 1
    node = np.zeros(9, dtype=int)
    for step in range(2):
        assert (tree.edges[:, step] == node * 3 + tree.options[:, step]).all()
        node = tree.edges[:, step] + 1
    assert (node == 4 + np.arange(9)).all()
