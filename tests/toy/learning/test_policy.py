import math

import pytest
import torch

from toy.learning.policy import POLICIES, NeuralPolicy, TabularPolicy
from toy.world import Tree

TREE = Tree(depth=2, branching=2)
"""Nodes: the root, and those after option 0 and option 1."""


@pytest.fixture
def prior():
    logits = torch.randn(2, TREE.nodes, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return logits.log_softmax(-1)


def test_a_table_starts_at_the_prior_and_is_shared_by_all_families(prior):
    policy = TabularPolicy(prior, families=3)
    assert policy().shape == (2, 3, 3, 2)
    for family in range(3):
        assert torch.equal(policy()[:, family], prior)
    before = prior.clone()
    with torch.no_grad():
        policy.table[1, 2, 0] += 5.0
    assert torch.equal(prior, before)  # the table is a copy
    assert (policy()[1, :, 2, 0] == before[1, 2, 0] + 5.0).all()


def by_hand(prior, hidden, output, seed, family, node):
    """The network at one place: one-hot options taken so far, one-hot step, one-hot family of two."""
    taken = {0: (None, None), 1: (0, None), 2: (1, None)}[node]
    inputs = [float(option == a) for option in taken for a in range(2)]
    inputs += [float(node == 0), float(node > 0)]
    inputs += [float(family == 0), float(family == 1)]
    columns = range(hidden.shape[-1])
    units = [math.tanh(sum(x * hidden[seed, i, j].item() for i, x in enumerate(inputs))) for j in columns]
    return [
        prior[seed, node, a].item() + sum(unit * output[seed, j, a].item() for j, unit in enumerate(units))
        for a in range(2)
    ]


def test_the_network_by_hand(prior):
    policy = NeuralPolicy(prior, families=2, tree=TREE, seeds=[4, 9], width=3)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        policy.output.copy_(torch.randn(policy.output.shape, generator=generator))
    logits = policy()
    assert logits.shape == (2, 2, 3, 2)
    for seed in range(2):
        for family in range(2):
            for node in range(3):
                expected = by_hand(prior, policy.hidden, policy.output, seed, family, node)
                assert logits[seed, family, node].tolist() == pytest.approx(expected, abs=1e-9)


def test_features_of_a_deeper_tree_show_the_options_in_their_order():
    tree = Tree(depth=3, branching=3)
    policy = NeuralPolicy(torch.zeros(1, tree.nodes, 3), families=1, tree=tree, seeds=[0])
    for node in range(tree.nodes):
        options, place = [], node
        while place:
            place, option = divmod(place - 1, 3)
            options.insert(0, option)
        inputs = torch.zeros(3 * 3 + 3 + 1)
        for step, option in enumerate(options):
            inputs[step * 3 + option] = 1.0
        inputs[9 + len(options)] = 1.0
        inputs[12] = 1.0
        assert torch.equal(policy.inputs[node], inputs)


def test_the_network_starts_at_the_prior_with_weights_of_its_seed_only(prior):
    policy = NeuralPolicy(prior, families=2, tree=TREE, seeds=[4, 9])
    assert torch.equal(policy(), prior.unsqueeze(1).expand(-1, 2, -1, -1))
    assert policy.hidden.shape == (2, 8, 32)
    for member, seed in enumerate([4, 9]):
        drawn = torch.randn(8, 32, generator=torch.Generator().manual_seed(seed))
        expected = (drawn / 8**0.5).double() * 2.0
        torch.testing.assert_close(policy.hidden[member].detach(), expected, rtol=1e-6, atol=0)
    assert len(list(policy.parameters())) == 2  # the prior and the inputs are not learnt


def test_the_makers_pass_everything_on(prior):
    tabular, neural = (POLICIES[name](prior, 2, TREE, [4, 9]) for name in ("tabular", "neural"))
    assert isinstance(tabular, TabularPolicy)
    assert isinstance(neural, NeuralPolicy)
    assert tabular().shape == neural().shape == (2, 2, 3, 2)
    assert torch.equal(neural.hidden, NeuralPolicy(prior, families=2, tree=TREE, seeds=[4, 9]).hidden)
