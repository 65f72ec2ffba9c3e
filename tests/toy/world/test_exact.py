import math

import pytest
import torch

from toy.world import Kind, Tree
from toy.world.exact import Enumeration, accuracy, kind_mass, sound_coverage

TREE = Tree(depth=3, branching=2)
EXACT = Enumeration.of(TREE)


@pytest.fixture
def nodes():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, TREE.nodes, 2, generator=generator, dtype=torch.float64).log_softmax(-1)


@pytest.fixture
def success():
    return torch.rand(2, TREE.paths, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_path_log_prob_is_the_sum_along_the_edges(nodes):
    expected = nodes.flatten(1)[:, EXACT.edges].sum(-1)
    torch.testing.assert_close(EXACT.path_log_prob(nodes), expected, rtol=0, atol=1e-12)
    assert EXACT.path_log_prob(nodes).exp().sum(-1).tolist() == pytest.approx([1.0, 1.0])


def test_node_log_prob_inverts_path_log_prob(nodes):
    torch.testing.assert_close(EXACT.node_log_prob(EXACT.path_log_prob(nodes).exp()), nodes, rtol=0, atol=1e-10)


def test_entropy_is_the_mean_token_entropy_of_sampled_responses(nodes):
    log_prob = EXACT.path_log_prob(nodes)
    node_entropy = -(nodes.exp() * nodes).sum(-1)
    visited = node_entropy[:, EXACT.edges // 2].mean(-1)  # chain rule: mean over the nodes of each path
    torch.testing.assert_close(EXACT.entropy(log_prob), (log_prob.exp() * visited).sum(-1), rtol=0, atol=1e-12)


def test_values_of_the_uniform_policy():
    uniform = torch.full((TREE.nodes, 2), 1 / 2, dtype=torch.float64).log()
    log_prob = EXACT.path_log_prob(uniform)
    assert EXACT.entropy(log_prob).item() == pytest.approx(math.log(2))
    assert EXACT.kl(log_prob, log_prob).item() == pytest.approx(0.0)
    kind = torch.full((TREE.paths,), int(Kind.UNSOUND))
    kind[:2] = Kind.SOUND
    assert kind_mass(log_prob, kind, Kind.SOUND).item() == pytest.approx(2 / 8)
    assert sound_coverage(log_prob, kind, draws=10).item() == pytest.approx(1 - (7 / 8) ** 10)


def test_values_of_a_policy_by_hand():
    tree = Tree(depth=2, branching=2)
    exact = Enumeration.of(tree)
    policy = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.2, 0.8]], dtype=torch.float64).log()
    log_prob = exact.path_log_prob(policy)
    path_prob = [0.375, 0.375, 0.05, 0.2]
    assert log_prob.exp().tolist() == pytest.approx(path_prob)
    assert exact.entropy(log_prob).item() == pytest.approx(-sum(p * math.log(p) for p in path_prob) / 2)
    assert exact.kl(log_prob, torch.full((4,), 0.25).log()).item() == pytest.approx(
        sum(p * math.log(p / 0.25) for p in path_prob) / 2, rel=1e-6
    )
    assert accuracy(log_prob, torch.tensor([1.0, 0.5, 0.0, 0.25]).double()).item() == pytest.approx(0.6125)
    kind = torch.tensor([Kind.SOUND, Kind.SHORTCUT, Kind.SOUND, Kind.UNSOUND])
    masses = [kind_mass(log_prob, kind, wanted).item() for wanted in Kind]
    assert masses == pytest.approx([0.425, 0.375, 0.0, 0.2])
    found = (1 - 0.625**3 + 1 - 0.95**3) / 2  # of the two sound paths, by three draws
    assert sound_coverage(log_prob, kind, draws=3).item() == pytest.approx(found)
    # the gradient by hand: reach x probability x (accuracy behind the option - accuracy at the node)
    gradient = exact.accuracy_gradient(policy, torch.tensor([1.0, 0.5, 0.0, 0.25]).double())
    assert gradient[1].tolist() == pytest.approx([0.75 * 0.5 * 0.25, 0.75 * 0.5 * -0.25])
    assert gradient[0].tolist() == pytest.approx([0.75 * (0.75 - 0.6125), 0.25 * (0.2 - 0.6125)])


def test_a_certain_policy_covers_its_path_and_has_no_nan():
    log_prob = torch.tensor([3e-16, -800.0], dtype=torch.float64)  # rounding: a probability of 1 and a bit
    assert log_prob.exp()[0] > 1
    assert sound_coverage(log_prob, torch.tensor([0, 0]), draws=5).item() == pytest.approx(0.5)


def test_accuracy_gradient_equals_autograd(nodes, success):
    logits = nodes.clone().requires_grad_()
    accuracy(EXACT.path_log_prob(logits.log_softmax(-1)), success).sum().backward()
    torch.testing.assert_close(EXACT.accuracy_gradient(nodes, success), logits.grad, rtol=0, atol=1e-10)


def test_accuracy_and_gradient_agree_with_monte_carlo(nodes, success):
    draws = 200_000
    generator = torch.Generator().manual_seed(2)
    path = torch.multinomial(EXACT.path_log_prob(nodes[0]).exp(), draws, replacement=True, generator=generator)
    reward = (torch.rand(draws, generator=generator, dtype=torch.float64) < success[0][path]).double()
    exact = accuracy(EXACT.path_log_prob(nodes), success)[0]
    assert abs(reward.mean() - exact) < 4 * reward.std() / draws**0.5
    # the REINFORCE estimator R * grad log pi, at the root: R * (1[option] - pi(option))
    first = EXACT.edges[path, 0]
    estimate = reward[:, None] * (torch.nn.functional.one_hot(first, 2) - nodes[0, 0].exp())
    error = (estimate.mean(0) - EXACT.accuracy_gradient(nodes, success)[0, 0]).abs()
    assert bool((error < 4 * estimate.std(0) / draws**0.5).all())
