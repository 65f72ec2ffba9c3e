"""Pushes and changes of entropy against finite differences and loops."""

import math
from dataclasses import replace

import pytest
import torch

from calibrl_ref import RECIPES
from toy.learning.mechanism import MECHANISM_METRICS, mechanism
from toy.learning.population import Population, build_rollouts, kept_rows, sample_batch
from toy.learning.settings import Training
from toy.world import Kind, Tree, World

WORLD = World(
    depth=2,
    branching=3,
    sound=2,
    shortcuts=2,
    sound_prior=0.3,
    shortcut_prior=0.4,
    families=2,
    own_sound=1.0,
    demonstrations=4,
    executable=0.5,
)
TRAINING = Training(prompts=4, rollouts=4, learning_rate=0.7)
TREE = Tree(2, 3)
STEP = 1e-6


@pytest.fixture
def population():
    return Population(WORLD, TRAINING, [0, 1])


@pytest.fixture
def old(population):
    noise = torch.rand(2, 2, TREE.nodes, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (population.node_log_prob().detach() + 3 * noise).log_softmax(-1)


def slopes(function, at):
    """Central differences of a function of a tensor in each of its elements."""
    found = torch.zeros_like(at)
    for index in range(at.numel()):
        step = torch.zeros(at.numel(), dtype=at.dtype)
        step[index] = STEP
        step = step.reshape(at.shape)
        found.view(-1)[index] = (function(at + step) - function(at - step)) / (2 * STEP)
    return found


def entropy(logits, seed):
    """Nats per decision of a seed's policy, the mean of its two families, path by path."""
    total = 0.0
    for family in range(2):
        table = logits[seed, family].log_softmax(-1)
        for options in TREE.options.tolist():
            node, log_prob = 0, 0.0
            for option in options:
                log_prob += table[node, option].item()
                node = node * 3 + option + 1
            total -= math.exp(log_prob) * log_prob / 2 / 2
    return total


@pytest.mark.parametrize("recipe", ["calibrl_softplus", "dapo"])  # smooth: a response may be the expert's own path
def test_against_finite_differences(population, old, recipe):
    objective = RECIPES[recipe]()
    batch = sample_batch(population, objective, old, expert=recipe == "calibrl_softplus")
    assert int(batch.keep.sum()) > 0
    assert bool(batch.keep.all()) == (recipe == "calibrl_softplus")
    found = mechanism(population, objective, batch, old)
    assert list(found) == list(MECHANISM_METRICS)

    def loss(logits):
        rollouts = build_rollouts(population, objective, batch, logits.log_softmax(-1), old)
        return objective(kept_rows(rollouts, batch)).total.item()

    direction = -slopes(loss, old)
    rollouts = build_rollouts(population, objective, batch, old, old)

    def loss_of_rows(token_log_prob):
        return objective(kept_rows(replace(rollouts, token_log_prob=token_log_prob), batch)).total.item()

    rows = -slopes(loss_of_rows, rollouts.token_log_prob).mean(-1)  # a push is a row's mean over its decisions
    for seed in range(2):
        pushes = {"push_sound": 0.0, "push_shortcut": 0.0, "push_expert": 0.0}
        for row in range(len(rows)):
            if batch.replica[row] != seed:
                continue
            family = row % (len(rows) // 2) // (len(rows) // 4)
            kind = population.kind[seed, family, batch.path.flatten()[row]]
            name = {Kind.SOUND: "push_sound", Kind.SHORTCUT: "push_shortcut"}.get(Kind(int(kind)))
            name = "push_expert" if batch.is_expert[row] else name
            if name:
                pushes[name] += rows[row].item()
        for name, push in pushes.items():
            assert found[name][seed].item() == pytest.approx(push, rel=1e-5, abs=1e-7), name
        change = entropy(old + 0.7 * direction, seed) - entropy(old, seed)
        assert found["entropy_change"][seed].item() == pytest.approx(change, rel=1e-4, abs=1e-8)
        gradient = slopes(lambda logits, seed=seed: entropy(logits, seed), old)
        predicted = 0.7 * (gradient * direction).sum().item()
        assert found["predicted_entropy_change"][seed].item() == pytest.approx(predicted, rel=1e-4, abs=1e-7)
        assert abs(change) > 1e-4
    assert (found["push_expert"] != 0).all() == (recipe == "calibrl_softplus")
    assert (found["push_shortcut"] != 0).any()
    assert (found["push_sound"] != 0).any()


def test_nothing_is_pushed_where_no_row_is_kept(population, old):
    objective = RECIPES["dapo"]()
    batch = sample_batch(population, objective, old, expert=False)
    batch = replace(batch, keep=torch.zeros_like(batch.keep))
    found = mechanism(population, objective, batch, old)
    assert all((value == 0).all() for value in found.values())
