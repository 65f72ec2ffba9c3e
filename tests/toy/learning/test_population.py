"""A population against plain loops over its members, prompts and responses."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from calibrl_ref import RECIPES
from calibrl_ref.baselines import shuffled_expert_baseline
from toy.learning.population import EXACT_METRICS, Population, build_rollouts, check_prompts, kept_rows, sample_batch
from toy.learning.settings import Training
from toy.world import Kind, Tree, World, build_paths

WORLD = World(depth=3, branching=2, sound=2, shortcuts=1, families=2, own_sound=1.0, demonstrations=4, executable=0.5)
TRAINING = Training(prompts=6, rollouts=3)
SEEDS = [3, 8]
TREE = Tree(3, 2)


@pytest.fixture
def population():
    return Population(WORLD, TRAINING, SEEDS)


@pytest.fixture
def nodes():
    """Policies that differ from seed to seed and family to family, ``[2, 2, 7, 2]``."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 2, TREE.nodes, 2, generator=generator, dtype=torch.float64).log_softmax(-1)


def path_probs(nodes, seed, family):
    """Probability of each path, by walking down."""
    probabilities = []
    for options in TREE.options.tolist():
        node, total = 0, 0.0
        for option in options:
            total += nodes[seed, family, node, option].item()
            node = node * 2 + option + 1
        probabilities.append(math.exp(total))
    return probabilities


def test_it_starts_from_the_worlds_tables(population):
    paths = build_paths(WORLD, SEEDS)
    assert torch.equal(population.kind, torch.from_numpy(paths.kind))
    assert torch.equal(population.success, torch.from_numpy(paths.success))
    assert population.reward_noise.shape == (2, 1, 1)
    for seed in range(2):
        for family in range(2):
            found = path_probs(population.node_log_prob(), seed, family)
            assert found == pytest.approx(paths.prior[seed])
    assert population.prior.squeeze(1).exp().numpy() == pytest.approx(paths.prior)


def test_prompt_i_is_of_family_i_modulo_families_and_has_demonstration_i(population):
    paths = build_paths(WORLD, SEEDS)
    assert population.demonstration.shape == (2, 2, 3, 1)
    for seed in range(2):
        for family in range(2):
            prompts = [prompt for prompt in range(6) if prompt % 2 == family]
            shown = [paths.demonstration[seed, prompt % 4] for prompt in prompts]
            assert population.demonstration[seed, family, :, 0].tolist() == shown
    wrong = Population(World(wrong=0.25), Training(prompts=32), [0])
    assert wrong.demonstration_correct[0, 0, :, 0].tolist() == ([True] * 12 + [False] * 4) * 2


def test_random_numbers_come_from_each_seeds_second_stream(population):
    streams = [np.random.default_rng([seed, 1]) for seed in SEEDS]
    for _ in range(2):
        drawn = population.uniform()
        assert drawn.shape == (3, 2, 2, 9)  # path, outcome and verdict; seeds, families, three prompts of three
        for member, stream in enumerate(streams):
            assert torch.equal(drawn[:, member], torch.from_numpy(stream.random((3, 2, 9))))


def test_exact_quantities_by_loops(population, nodes):
    found = population.measure(nodes)
    assert list(found) == list(EXACT_METRICS)
    for seed in range(2):
        expected = dict.fromkeys(EXACT_METRICS, 0.0)
        for family in range(2):
            for path, p in enumerate(path_probs(nodes, seed, family)):
                kind = Kind(int(population.kind[seed, family, path]))
                prior = build_paths(WORLD, SEEDS).prior[seed, path]
                sound = kind == Kind.SOUND
                expected["entropy"] -= p * math.log(p) / 3 / 2
                expected["accuracy"] += p * float(population.success[seed, family, path]) / 2
                expected["kl"] += p * math.log(p / prior) / 3 / 2
                expected["coverage"] += sound * (1 - (1 - p) ** 18) / 2  # one sound path, 6 x 3 draws
                for name, wanted in (("sound_mass", 0), ("shortcut_mass", 1), ("flawed_mass", 2)):
                    expected[name] += p * (kind == wanted) / 2
        assert {name: value[seed].item() for name, value in found.items()} == pytest.approx(expected, rel=1e-9)


def answers(population, nodes, *, expert):
    """The responses of a step by loops: (seed, prompt, family, path, correct, is expert), in the batch's order."""
    streams = [np.random.default_rng([seed, 1]).random((3, 2, 9)) for seed in SEEDS]
    for seed, stream in enumerate(streams):
        for family in range(2):
            cumulative = np.cumsum(path_probs(nodes, seed, family))
            for place in range(3):
                prompt = place * 2 + family
                for rollout in range(3):
                    choice, outcome, noise = stream[:, family, place * 3 + rollout]
                    path = int((cumulative < choice * cumulative[-1]).sum())
                    right = outcome < population.success[seed, family, path].item()
                    flipped = noise < population.shape.reward_noise
                    yield seed, prompt, family, path, right != flipped, False
                if expert:
                    yield seed, prompt, family, int(population.demonstration[seed, family, place, 0]), True, True


@pytest.mark.parametrize("expert", [True, False])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_batch_by_loops(nodes, expert, noise):
    population = Population(replace(WORLD, reward_noise=noise), TRAINING, SEEDS)
    objective = RECIPES["calibrl"]()
    batch = sample_batch(population, objective, nodes, expert=expert)
    rows = list(answers(population, nodes, expert=expert))
    assert batch.path.flatten().tolist() == [path for _, _, _, path, _, _ in rows]
    assert batch.path.shape == (2, 2, 3 * (3 + expert))
    assert batch.replica.tolist() == [seed for seed, *_ in rows]
    assert batch.group.tolist() == [seed * 6 + prompt for seed, prompt, *_ in rows]
    assert batch.correct.tolist() == [correct for *_, correct, _ in rows]
    assert batch.is_expert.tolist() == [is_expert for *_, is_expert in rows]
    assert batch.keep.all()
    for group in range(12):
        members = batch.group == group
        reward = batch.correct[members].double()
        assert len(reward) == 3 + expert
        own = reward[~batch.is_expert[members]]  # an expert is compared with the policy's responses
        expected = (reward - own.mean()) / (own.std() + 1e-6)
        torch.testing.assert_close(batch.advantage[members], expected)


def test_an_uninformative_group_is_dropped_where_the_objective_says_so(nodes):
    population = Population(WORLD, TRAINING, SEEDS)
    objective = RECIPES["dapo"]()
    batch = sample_batch(population, objective, nodes, expert=False)
    mixed = [0 < int(batch.correct[batch.group == group].sum()) < 3 for group in batch.group.tolist()]
    assert 0 < sum(mixed) < len(mixed)
    assert batch.keep.tolist() == mixed
    rollouts = build_rollouts(population, objective, batch, nodes, nodes)
    kept = kept_rows(rollouts, batch)
    assert kept.group.tolist() == batch.group[batch.keep].tolist()
    everything = sample_batch(population, RECIPES["grpo"](), nodes, expert=False)
    assert kept_rows(rollouts, everything) is rollouts


def test_rows_are_scored_along_their_paths(population, nodes):
    objective = RECIPES["calibrl_reference_baseline"]()
    old = nodes.roll(1, 0)
    batch = sample_batch(population, objective, old, expert=True)
    rollouts = build_rollouts(population, objective, batch, nodes.requires_grad_(), old)
    entropies = build_rollouts(population, RECIPES["entropy_bonus"](), batch, nodes, old)
    assert rollouts.mask.all()
    assert entropies.reference_token_log_prob is None
    assert rollouts.token_entropy is None
    for row, (seed, path) in enumerate(zip(batch.replica.tolist(), batch.path.flatten().tolist(), strict=True)):
        family, node = row % 24 // 12, 0
        for step, option in enumerate(TREE.options[path].tolist()):
            assert rollouts.token_log_prob[row, step] == nodes[seed, family, node, option]
            assert rollouts.old_token_log_prob[row, step] == old[seed, family, node, option]
            assert rollouts.reference_token_log_prob[row, step] == population.prior_nodes[seed, node, option]
            probabilities = nodes[seed, family, node].exp()
            expected = -(probabilities * probabilities.log()).sum()
            assert entropies.token_entropy[row, step].item() == pytest.approx(expected.item())
            node = node * 2 + option + 1
    for name in ("group", "is_expert", "correct", "advantage", "replica"):
        assert torch.equal(getattr(rollouts, name), getattr(batch, name)), name
    (gradient,) = torch.autograd.grad(rollouts.token_log_prob.sum(), nodes)
    assert gradient.sum().item() == pytest.approx(3 * 48)


def test_members_may_have_worlds_of_their_own():
    worlds = [World(reward_noise=0.1), World(reward_noise=0.4)]
    population = Population(worlds, Training(), [1, 1])
    assert population.reward_noise.flatten().tolist() == [0.1, 0.4]
    with pytest.raises(ValueError, match=r"depth=\[4, 5\]: expected one value for all members"):
        Population([World(), World(depth=5)], Training(), [0, 1])


def test_prompts_must_divide_among_families():
    check_prompts(World(families=4), Training(prompts=16))
    with pytest.raises(ValueError, match="prompts=16: expected a multiple of families=3"):
        check_prompts(World(families=3), Training())
    with pytest.raises(ValueError, match="prompts=16: expected a multiple of families=3"):
        Population(World(families=3), Training(), [0])


def test_the_shuffled_expert_is_another_familys():
    world = World(families=4, own_sound=1.0, demonstrations=16, executable=1.0)
    population = Population(world, Training(prompts=8, rollouts=2), [0, 1])
    objective = RECIPES["calibrl_shuffled_expert"]()
    nodes = population.node_log_prob()
    rollouts = build_rollouts(
        population, objective, sample_batch(population, objective, nodes, expert=True), nodes, nodes
    )
    shape = (2, 4, 2, 3)  # seeds, families, prompts, rows
    other = shuffled_expert_baseline(rollouts).token_log_prob.sum(-1).reshape(shape)
    expert = rollouts.token_log_prob.sum(-1).reshape(shape)[..., -1:]
    torch.testing.assert_close(other[:, :-1], expert[:, 1:].expand(-1, -1, -1, 3))
    assert (population.kind.gather(-1, population.demonstration.flatten(2)) == Kind.SOUND).all()
    foreign = population.demonstration.roll(-1, 1).flatten(2)
    assert (population.kind.gather(-1, foreign) == Kind.FLAWED).all()
