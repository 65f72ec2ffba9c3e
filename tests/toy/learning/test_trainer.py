"""Vectorised training against a plain loop, its exactness, and what must not influence it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from calibrl_ref import RECIPES, Rollouts, Schedule, token_entropy
from toy.learning.mechanism import MECHANISM_METRICS
from toy.learning.methods import Method, parse_method
from toy.learning.population import Population, build_rollouts, sample_batch
from toy.learning.settings import Training
from toy.learning.trainer import EXPLORATION_AXES, demonstrations_loss, train, train_grid
from toy.world import Tree, World, build_paths

SHORT = Training(steps=6, prompts=4, rollouts=4, points=7)
WORLD = World(depth=3, branching=3, sound=2, shortcuts=2, demonstrations=4)


def plain_loop(recipe, world, training, seed):
    """One seed, one prompt and one response at a time; the logits as a dictionary from prefix to tensor."""
    objective = parse_method(recipe).schedule.stages[0][0]
    paths, tree = build_paths(world, [seed]), Tree(world.depth, world.branching)
    digits = tree.options.tolist()
    prefixes = sorted({tuple(path[:step]) for path in digits for step in range(world.depth)})
    prior = dict.fromkeys([*prefixes, *map(tuple, digits)], 0.0)
    for mass, path in zip(paths.prior[0], digits, strict=True):
        for step in range(world.depth + 1):
            prior[tuple(path[:step])] += mass
    logits = {
        prefix: torch.tensor(
            [np.log(prior[(*prefix, a)] / prior[prefix]) for a in range(world.branching)]
        ).requires_grad_()
        for prefix in prefixes
    }
    optimizer = torch.optim.SGD(list(logits.values()), lr=training.learning_rate)
    stream, accuracies = np.random.default_rng([seed, 1]), []

    def tokens(path):
        return torch.stack([logits[tuple(path[:t])].log_softmax(-1)[path[t]] for t in range(world.depth)])

    def entropies(path):
        return torch.stack([token_entropy(logits[tuple(path[:t])]) for t in range(world.depth)])

    for _ in range(training.steps + 1):
        with torch.no_grad():
            probability = np.array([tokens(path).sum().exp().item() for path in digits])
        accuracies.append(float(probability @ paths.success[0, 0]))
        choice, outcome, _ = stream.random((3, 1, training.prompts * training.rollouts))[:, 0]
        rows, correct, group, expert = [], [], [], []
        for prompt in range(training.prompts):
            for rollout in range(training.rollouts):
                draw = prompt * training.rollouts + rollout
                path = int(np.searchsorted(probability.cumsum(), choice[draw] * probability.sum()))
                rows.append(path)
                correct.append(bool(outcome[draw] < paths.success[0, 0, path]))
                group.append(prompt)
                expert.append(False)
            if objective.uses_expert:
                rows.append(int(paths.demonstration[0, prompt]))
                correct.append(True)
                group.append(prompt)
                expert.append(True)
        token_log_prob = torch.stack([tokens(digits[row]) for row in rows])
        reward = torch.tensor(correct).double()
        common = {"group": torch.tensor(group), "is_expert": torch.tensor(expert)}
        advantage = objective.advantage(reward, **common)
        keep = objective.keep(reward, advantage, **common)
        rollouts = Rollouts(
            token_log_prob=token_log_prob,
            old_token_log_prob=token_log_prob.detach(),
            mask=torch.ones_like(token_log_prob, dtype=torch.bool),
            correct=torch.tensor(correct),
            advantage=advantage,
            token_entropy=torch.stack([entropies(digits[row]) for row in rows]),
            **common,
        )
        optimizer.zero_grad()
        if keep.any():
            objective(rollouts.select(keep)).total.backward()
            optimizer.step()
    return accuracies


@pytest.mark.parametrize("recipe", ["grpo", "calibrl", "calibrl_released", "dapo", "luffy"])
def test_vectorised_training_equals_a_plain_loop_over_seeds(recipe):
    curves = train(parse_method(recipe), WORLD, SHORT, [0, 5])
    loop = np.stack([plain_loop(recipe, WORLD, SHORT, seed) for seed in (0, 5)], axis=1)
    assert curves["accuracy"] == pytest.approx(loop, abs=1e-9)
    assert np.ptp(curves["accuracy"][:, 0]) > 1e-3  # something was learnt, so the comparison can fail


@pytest.mark.parametrize("recipe", ["calibrl", "kl_cov", "cppo", "calibrl_shuffled_expert", "calibrl_adaptive"])
@pytest.mark.parametrize("policy", ["tabular", "neural"])
def test_a_member_does_not_depend_on_the_others(recipe, policy):
    training = Training(steps=6, prompts=4, rollouts=4, points=7, policy=policy, learning_rate=1.0, updates=2)
    together = train(parse_method(recipe), WORLD, training, [0, 1, 2])
    alone = train(parse_method(recipe), WORLD, training, [1])
    assert together["entropy"][:, 1] == pytest.approx(alone["entropy"][:, 0], abs=1e-9)


def test_all_members_start_from_the_same_prior_whatever_the_policy():
    curves = [
        train(parse_method("grpo"), World(), Training(steps=1, points=2, policy=p), [0, 1])
        for p in ("tabular", "neural")
    ]
    starts = np.concatenate([curve["entropy"][0] for curve in curves])
    prior = build_paths(World(), [0]).prior[0]
    assert starts == pytest.approx(np.full(4, -(prior * np.log(prior)).sum() / 4), rel=1e-9)
    assert curves[0]["kl"][0] == pytest.approx(np.zeros(2), abs=1e-12)


def test_sampled_estimates_agree_with_the_exact_quantities():
    curves = train(parse_method("grpo"), World(), Training(steps=1, points=2, prompts=64), range(64))
    for exact, sampled in (("entropy", "sampled_entropy"), ("accuracy", "sampled_reward")):
        difference = curves[sampled] - curves[exact]
        assert abs(difference.mean()) < 4 * difference.std() / difference.size**0.5
    assert (curves["sampled_reward"][0] != curves["accuracy"][0]).all()


def test_predicted_entropy_change_is_the_measured_one_for_small_steps():
    curves = train(parse_method("calibrl"), World(), Training(steps=10, points=11, learning_rate=1e-3), range(4))
    step = curves["entropy"][1:] - curves["entropy"][:-1]
    assert curves["entropy_change"][:-1] == pytest.approx(step, abs=1e-12)
    assert curves["predicted_entropy_change"] == pytest.approx(curves["entropy_change"], rel=1e-2, abs=1e-8)


def test_the_push_on_the_expert_vanishes_at_slope_one_and_where_it_is_not_used():
    pushes = {
        recipe: train(parse_method(recipe), World(), Training(steps=2, points=3), range(4))["push_expert"]
        for recipe in ("grpo", "calibrl:slope=1", "calibrl_released", "calibrl")
    }
    assert np.abs(pushes["grpo"]).max() == 0.0
    assert np.abs(pushes["calibrl_released"]).max() == 0.0
    assert np.abs(pushes["calibrl:slope=1"]).max() < 1e-12
    assert (pushes["calibrl"] > 1e-3).all()


def test_reward_noise_reaches_the_verdict_but_not_the_accuracy():
    clean, noisy = (
        train(parse_method("grpo"), World(reward_noise=noise), Training(steps=1, points=2, prompts=64), range(32))
        for noise in (0.0, 0.5)
    )
    assert noisy["sampled_reward"][0].mean() == pytest.approx(0.5, abs=0.02)
    assert noisy["accuracy"][0] == pytest.approx(clean["accuracy"][0])


def test_families_share_a_policy_and_are_averaged():
    world = World(families=4, heterogeneity=1.0)
    curves = train(parse_method("calibrl"), world, Training(steps=2, points=3), range(3))
    paths = build_paths(world, range(3))
    expected = (paths.success.mean(1) * paths.prior).sum(-1)
    assert curves["accuracy"][0] == pytest.approx(expected)
    assert set(MECHANISM_METRICS) <= set(curves)


def test_the_estimates_of_a_real_run_come_from_its_own_responses():
    """Mean reward and mean negative log-probability of the sampled rows, the experts left out."""
    training = Training(steps=1, prompts=4, rollouts=4, points=2)
    curves = train(parse_method("calibrl"), WORLD, training, [0, 5])
    population = Population(WORLD, training, [0, 5])
    nodes = population.node_log_prob()
    batch = sample_batch(population, parse_method("calibrl").schedule.stages[0][0], nodes, expert=True)
    for seed in range(2):
        log_prob = population.exact.path_log_prob(nodes)[seed, 0]
        own = (batch.replica == seed) & ~batch.is_expert
        paths = batch.path.flatten()[own]
        assert len(paths) == 16
        assert curves["sampled_reward"][0, seed] == pytest.approx(batch.correct[own].double().mean().item())
        assert curves["sampled_entropy"][0, seed] == pytest.approx(-log_prob[paths].mean().item() / 3)


def test_points_are_reported_at_the_recorded_steps_before_their_update():
    seen = []
    training = Training(steps=4, prompts=4, rollouts=4, points=3)

    def on_point(step, population):
        seen.append((step, population.measure(population.node_log_prob())["entropy"].item()))

    curves = train(parse_method("grpo"), WORLD, training, [0], on_point=on_point)
    assert [step for step, _ in seen] == [0, 2, 4]
    assert curves["entropy"][:, 0] == pytest.approx([entropy for _, entropy in seen])
    assert curves["kl"][0, 0] == pytest.approx(0.0, abs=1e-12)
    assert curves["kl"][2, 0] > 1e-3


def tables_of(recipe, training):
    """The policy's table at each recorded step."""
    tables = []
    train(
        parse_method(recipe),
        WORLD,
        training,
        [0],
        on_point=lambda _, population: tables.append(population.policy.table.detach().clone()),
    )
    return tables


def first_update(optimizer, updates=1, recipe="grpo"):
    """The table before and after one step, and the gradient of its first update."""
    training = Training(
        steps=1, points=2, prompts=4, rollouts=4, optimizer=optimizer, updates=updates, learning_rate=0.5
    )
    tables = tables_of(recipe, training)
    population = Population(WORLD, training, [0])
    objective = parse_method(recipe).schedule.stages[0][0]
    nodes = population.node_log_prob()
    batch = sample_batch(population, objective, nodes.detach(), expert=False)
    objective(build_rollouts(population, objective, batch, nodes, nodes.detach())).total.backward()
    return tables, population.policy.table.grad


def test_the_optimizers_take_their_steps():
    (before, after), gradient = first_update("sgd")
    torch.testing.assert_close(after, before - 0.5 * gradient)
    (before, after), gradient = first_update("adam")  # whose first step has the size of the rate
    moved = gradient.abs() > 1e-6
    assert moved.any()
    torch.testing.assert_close((after - before)[moved], -0.5 * gradient[moved].sign(), rtol=1e-2, atol=0)


def test_a_batch_may_be_used_several_times():
    """The second update scores the same responses with the moved policy, the first one's as the old policy."""
    (before, after), gradient = first_update("sgd", updates=2)
    training = Training(steps=1, points=2, prompts=4, rollouts=4, learning_rate=0.5)
    population = Population(WORLD, training, [0])
    objective = parse_method("grpo").schedule.stages[0][0]
    old = population.node_log_prob().detach()
    batch = sample_batch(population, objective, old, expert=False)
    with torch.no_grad():
        population.policy.table -= 0.5 * gradient
    objective(build_rollouts(population, objective, batch, population.node_log_prob(), old)).total.backward()
    torch.testing.assert_close(after, before - 0.5 * gradient - 0.5 * population.policy.table.grad)


def test_a_schedule_changes_its_method_after_its_share_of_the_steps():
    training = Training(steps=6, prompts=4, rollouts=4, points=7)
    curves = train(parse_method("sft_grpo"), WORLD, training, [0, 1])
    assert (np.abs(curves["push_expert"][:2]) > 0).all()  # imitation, a third of the way
    assert (curves["push_expert"][2:] == 0).all()
    assert (curves["push_sound"][:2] == 0).all()


def test_a_plateau_ends_the_supervised_stage_of_each_member_by_its_own_loss():
    training = Training(steps=9, prompts=4, rollouts=4, points=10)
    curves = train(parse_method("sft_grpo:plateau_patience=1,plateau_fall=100"), WORLD, training, [0, 1])
    assert (np.abs(curves["push_expert"][:1]) > 0).all()  # the second loss has not fallen by 100 nats
    assert (curves["push_expert"][1:] == 0).all()
    alone = train(parse_method("sft_grpo:plateau_patience=1,plateau_fall=100"), WORLD, training, [1])
    assert curves["accuracy"][:, 1] == pytest.approx(alone["accuracy"][:, 0])
    latest = train(parse_method("sft_grpo:plateau_patience=9"), WORLD, training, [0, 1])
    fixed = train(parse_method("sft_grpo"), WORLD, training, [0, 1])
    for name, curve in fixed.items():
        assert latest[name] == pytest.approx(curve), name


def test_a_plateau_is_told_the_loss_of_the_demonstrations():
    population = Population(replace(WORLD, families=2), SHORT, [0, 3])
    table = population.node_log_prob().detach()
    wanted = [
        -population.exact.path_log_prob(table)[seed, family, path].item() / WORLD.depth
        for seed in (0, 1)
        for family in (0, 1)
        for path in population.demonstration[seed, family].flatten().tolist()
    ]
    assert float(demonstrations_loss(population, table)) == pytest.approx(np.mean(wanted))


def test_an_entropy_bonus_follows_the_entropy_of_each_member():
    held = "entropy_target:target_entropy=3,adaptation_rate=0.2,entropy_weight=0"
    curves = train(parse_method(held), WORLD, SHORT, [0, 1])
    plain = train(parse_method("grpo"), WORLD, SHORT, [0, 1])
    assert (curves["entropy"][-1] > plain["entropy"][-1]).all()
    alone = train(parse_method(held), WORLD, SHORT, [1])
    assert curves["entropy"][:, 1] == pytest.approx(alone["entropy"][:, 0])


def test_without_an_informative_row_nothing_moves():
    world = World(depth=3, branching=3, sound=2, shortcuts=2, demonstrations=4, sound_success=0.0, shortcut_success=0.0)
    impossible = replace(world, unsound_success=0.0, flawed_success=0.0)
    curves = train(parse_method("dapo"), impossible, SHORT, [0])
    assert np.ptp(curves["entropy"]) == 0.0


def test_an_adaptive_slope_follows_the_entropy_from_step_to_step():
    adaptive = "calibrl_adaptive:target_entropy=0.9,adaptation_rate=0.2"
    curves = train(parse_method(adaptive), WORLD, SHORT, [0, 1])
    fixed = train(parse_method("calibrl"), WORLD, SHORT, [0, 1])
    once = train(parse_method(adaptive), WORLD, Training(steps=1, prompts=4, rollouts=4, points=2), [0, 1])
    assert curves["accuracy"][1] == pytest.approx(once["accuracy"][1])
    assert (np.abs(curves["accuracy"][-1] - fixed["accuracy"][-1]) > 1e-6).all()


@pytest.mark.parametrize(
    "recipe",
    [
        "calibrl_adaptive:target_entropy=0.9,adaptation_rate=0.2",
        "entropy_target:target_entropy=3,adaptation_rate=0.2,entropy_weight=0",
    ],
)
def test_what_is_adapted_goes_on_from_what_it_was_at_the_step_before(recipe):
    training = Training(steps=3, points=4, prompts=4, rollouts=4, learning_rate=0.5)
    population = Population(WORLD, training, [0])
    schedule = parse_method(recipe).schedule
    objective, expected, seen = schedule.stages[0][0], [], []
    for _ in range(4):
        expected.append(population.policy.table.detach().clone())
        nodes = population.node_log_prob()
        old = nodes.detach()
        batch = sample_batch(population, objective, old, expert=schedule.uses_expert)
        entropy = population.exact.entropy(population.exact.path_log_prob(old)).mean(-1)
        objective = objective.adapt(entropy[batch.replica])
        seen.append({name: value for name, value in objective.adapted.items() if isinstance(value, torch.Tensor)})
        loss = objective(build_rollouts(population, objective, batch, nodes, old)).total
        (gradient,) = torch.autograd.grad(loss, population.policy.table)
        with torch.no_grad():
            population.policy.table -= 0.5 * gradient
    for found, wanted in zip(tables_of(recipe, training), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    assert seen


def test_a_step_without_a_row_to_learn_from_has_a_gradient_of_zero():
    """So Adam's momentum moves on, whereas plain descent stands still."""
    tables = {
        optimizer: tables_of("dapo", Training(steps=20, points=21, prompts=1, rollouts=2, optimizer=optimizer))
        for optimizer in ("sgd", "adam")
    }
    moved = {
        optimizer: [not torch.equal(before, after) for before, after in pairwise(found)]
        for optimizer, found in tables.items()
    }
    first = moved["adam"].index(True)
    assert all(moved["adam"][first:])
    assert not all(moved["sgd"][moved["sgd"].index(True) :])


CELLS = [
    {"slope": 0.0, "exploration_weight": 0.3, "executable": 0.5},
    {"slope": 1.0, "exploration_weight": 0.1, "executable": 0.5},
    {"slope": 0.5, "exploration_weight": 0.1, "executable": 1.0},
]


@pytest.mark.parametrize("gap", ["trajectory", "token_aligned"])
@pytest.mark.parametrize("policy", ["tabular", "neural"])
def test_a_grid_equals_its_cells_trained_alone(gap, policy):
    training = Training(steps=6, prompts=4, rollouts=4, points=7, policy=policy, learning_rate=1.0, updates=2)
    grid = train_grid(parse_method(f"calibrl:gap={gap}"), WORLD, training, [0, 4], CELLS)
    for cell, together in zip(CELLS, grid, strict=True):
        recipe = "calibrl:gap={},slope={slope},exploration_weight={exploration_weight}".format(gap, **cell)
        alone = train(parse_method(recipe), replace(WORLD, executable=cell["executable"]), training, [0, 4])
        assert set(alone) == set(together)
        for name, curve in alone.items():
            assert together[name] == pytest.approx(curve, abs=1e-12), name
    assert len({round(float(curves["accuracy"][-1, 0]), 6) for curves in grid}) == len(CELLS)


def test_a_grid_without_an_exploration_axis_needs_no_exploration_term():
    curves = train_grid(parse_method("grpo"), WORLD, SHORT, [0], [{"executable": 0.5}, {"executable": 1.0}])
    assert curves[0]["entropy"].shape == (7, 1)
    assert EXPLORATION_AXES == {"slope": "slope", "exploration_weight": "weight"}


@pytest.mark.parametrize(
    ("recipe", "cells", "message"),
    [
        ("calibrl", [], "cells have the axes"),
        ("calibrl", [{"slope": 0.1}, {"executable": 0.1}], "expected the same ones in all"),
        ("calibrl", [{"alpha": 0.1}], "'slope'.*'executable'"),
        ("calibrl", [{"depth": 2}, {"depth": 3}], r"depth=\[2, 3\]: expected one value for all members"),
        ("calibrl", [{"slope": 1.5}], "slope=1.5"),
        ("cppo", [{"executable": 0.1}], "it drops rows"),
        ("sft_grpo:plateau_patience=1", [{"executable": 0.1}], "Fix: leave plateau_patience out"),
        ("grpo", [{"slope": 0.1}], "it has no exploration term for the axes"),
        (["grpo", "cppo"], [{"executable": 0.1}], "it drops rows"),
        ("calibrl", [{"slope": 0.1, "executable": 0.1}, {"executable": 0.1, "slope": 0.1}], "the same ones in all"),
    ],
)
def test_impossible_grids_are_refused(recipe, cells, message):
    method = parse_method(recipe) if isinstance(recipe, str) else Method("both", stages(*recipe))
    with pytest.raises(ValueError, match=message):
        train_grid(method, WORLD, SHORT, [0], cells)


def stages(*recipes):
    return Schedule(tuple((RECIPES[recipe](), 1 / len(recipes)) for recipe in recipes))
