"""Training: all seeds in one tensor program, every quantity that is reported enumerated exactly.

A step samples ``rollouts`` responses to each prompt, adds the prompt's demonstration where the method reads it, and
takes ``updates`` gradient steps on the objective of `calibrl_ref`. Nothing of the algorithm is written here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calibrl_ref import Objective
from toy.learning.mechanism import mechanism
from toy.learning.methods import Method
from toy.learning.population import Batch, Population, build_rollouts, kept_rows, sample_batch
from toy.learning.settings import OptimizerName, Training
from toy.world import World

OPTIMIZERS: dict[OptimizerName, Callable[[list[Tensor], float], torch.optim.Optimizer]] = {
    "sgd": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
}
"""Name -> maker from (parameters, learning rate)."""

EXPLORATION_AXES = {"slope": "slope", "exploration_weight": "weight"}
"""Axis of a grid that is a hyper-parameter of the exploration term -> the term's field."""

Curves = dict[str, NDArray[np.float64]]
"""Name of a quantity -> its values, ``[points, seeds]``."""


def train(
    method: Method,
    world: World,
    training: Training,
    seeds: Sequence[int],
    *,
    on_point: Callable[[int, Population], None] | None = None,
) -> Curves:
    """Train one population and record its exact quantities.

    Args:
        method: what to train with.
        world: the world.
        training: the run's settings.
        seeds: one per member.
        on_point: called at each recorded step with the step and the population; an exception from it ends the run.

    Returns:
        Name -> ``[points, seeds]``: the exact quantities, beside them the estimates a real run would have (mean reward
        and mean negative log-probability of the batch), and what the update did to paths and entropy.

    Example:
        >>> from toy.learning.methods import parse_method
        >>> curves = train(parse_method("grpo"), World(), Training(steps=2, points=2), seeds=[0])
        >>> curves["entropy"].shape
        (2, 1)
    """
    if method.schedule.plateau is None:
        return _train(method, Population(world, training, seeds), {}, on_point)
    alone = [  # each member's own loss ends its first stage
        _train(method, Population(world, training, [seed]), {}, on_point if seed == seeds[-1] else None)
        for seed in seeds
    ]
    return {name: np.concatenate([curves[name] for curves in alone], axis=1) for name in alone[0]}


def train_grid(
    method: Method,
    world: World,
    training: Training,
    seeds: Sequence[int],
    cells: Sequence[Mapping[str, float]],
    *,
    on_point: Callable[[int, Population], None] | None = None,
) -> list[Curves]:
    """Train every cell of a grid of hyper-parameters with every seed, all in one tensor program.

    Args:
        method: what to train with; for the axes of :data:`EXPLORATION_AXES` it needs an exploration term.
        world: the world.
        training: the run's settings.
        seeds: the members of each cell.
        cells: for each cell, its value on each axis: a number of :class:`toy.world.World`, ``slope`` or
            ``exploration_weight``. All cells have the same axes.
        on_point: as in :func:`train`.

    Returns:
        The curves of each cell, as :func:`train` would give them.

    Raises:
        ValueError: as :func:`check_cells`.

    Example:
        >>> from toy.learning.methods import parse_method
        >>> cells = [{"slope": 0.3}, {"slope": 0.8}]
        >>> curves = train_grid(parse_method("calibrl"), World(), Training(steps=2, points=2), [0], cells)
        >>> [curve["entropy"].shape for curve in curves]
        [(2, 1), (2, 1)]
    """
    check_cells(method, cells)
    members = [cell for cell in cells for _ in seeds]
    worlds = [_world_of(cell, world) for cell in members]
    values = {
        name: torch.tensor([cell[axis] for cell in members], dtype=torch.float64)
        for axis, name in EXPLORATION_AXES.items()
        if axis in cells[0]
    }
    curves = _train(method, Population(worlds, training, list(seeds) * len(cells)), values, on_point)
    return [
        {name: curve[:, index * len(seeds) : (index + 1) * len(seeds)] for name, curve in curves.items()}
        for index in range(len(cells))
    ]


def _world_of(cell: Mapping[str, float], world: World) -> World:
    changed: dict[str, Any] = {axis: value for axis, value in cell.items() if axis not in EXPLORATION_AXES}
    return replace(world, **changed)


def check_cells(method: Method, cells: Sequence[Mapping[str, float]]) -> None:
    """Refuse a grid that the method cannot be trained on.

    Raises:
        ValueError: an axis is unknown or differs between cells, the method has no exploration term that an axis could
            change, or it drops rows.
    """
    axes = [list(cell) for cell in cells]
    valid = [*EXPLORATION_AXES, *(entry.name for entry in fields(World))]
    if not cells or any(names != axes[0] or set(names) - set(valid) for names in axes):
        raise ValueError(f"cells have the axes {axes}: expected the same ones in all, of {valid}. Fix: name them so.")
    if set(axes[0]) & set(EXPLORATION_AXES) and not method.explores:
        raise ValueError(
            f"method={method.name!r}: it has no exploration term for the axes {axes[0]}. Fix: choose one of CalibRL's."
        )
    if method.schedule.plateau is not None:
        raise ValueError(
            f"method={method.name!r}: each member ends its first stage by its own loss, so cells cannot share a "
            "program. Fix: leave plateau_patience out."
        )
    if any(objective.selection is not None for objective, _ in method.schedule.stages):
        raise ValueError(
            f"method={method.name!r}: it drops rows, so cells cannot share a program. Fix: train it alone."
        )


def _train(
    method: Method,
    population: Population,
    values: Mapping[str, Tensor],
    on_point: Callable[[int, Population], None] | None,
) -> Curves:
    training = population.training
    schedule = method.schedule.with_warm_up(training.supervised_share)
    optimizer = OPTIMIZERS[training.optimizer](list(population.policy.parameters()), training.learning_rate)
    adapted: Objective | None = None
    plateau, left_at = schedule.plateau, None
    recorded, points = set(training.recorded_steps), []
    for step in range(training.steps + 1):
        node_log_prob = population.node_log_prob()
        old = node_log_prob.detach()
        if plateau and schedule.asks_at(step / training.steps, left_at=left_at):
            plateau = plateau.step(float(demonstrations_loss(population, old)))
            left_at = step / training.steps if plateau.reached else None
        stage = schedule.objective_at(step / training.steps, left_at=left_at)
        objective = stage if adapted is None or not stage.adapted else adapted
        batch = sample_batch(population, objective, old, expert=schedule.uses_expert)
        if values:
            objective = objective.with_exploration(**{name: value[batch.replica] for name, value in values.items()})
        if objective.adapted:
            entropy = population.exact.entropy(population.exact.path_log_prob(old)).mean(-1)
            adapted = objective = objective.adapt(entropy[batch.replica])
        if step in recorded:
            points.append(_record(population, objective, batch, old))
            if on_point:
                on_point(step, population)
        if step < training.steps:
            _update(population, objective, batch, node_log_prob, optimizer)
    return {name: np.stack([point[name] for point in points]) for name in points[0]}


def demonstrations_loss(population: Population, old: Tensor) -> Tensor:
    """What a plateau is told: the mean negative log-probability of the world's demonstrations.

    They are those of the batches: the toy has no others to hold out.

    Args:
        population: one member or more.
        old: the policy, ``[seeds, families, nodes, branching]``, nats.

    Returns:
        A scalar, in nats per decision.
    """
    log_prob = population.exact.path_log_prob(old).gather(-1, population.demonstration.flatten(2))
    return -log_prob.mean() / population.shape.depth


def _update(
    population: Population, objective: Objective, batch: Batch, sampler: Tensor, optimizer: torch.optim.Optimizer
) -> None:
    """Take the gradient steps of one batch; ``sampler`` is the policy that sampled it, differentiable."""
    old, learns = sampler.detach(), bool(batch.keep.any())
    for update in range(population.training.updates):
        optimizer.zero_grad(set_to_none=learns)  # without a row to learn from the gradient is zero
        if learns:
            node_log_prob = population.node_log_prob() if update else sampler
            rollouts = build_rollouts(population, objective, batch, node_log_prob, old)
            objective(kept_rows(rollouts, batch)).total.backward()  # type: ignore[no-untyped-call]  # torch's own stub
        optimizer.step()


def _record(population: Population, objective: Objective, batch: Batch, old: Tensor) -> Curves:
    """One point of every curve, ``[seeds]`` each, before the step's update."""
    values = population.measure(old)
    on_policy = ~batch.is_expert.reshape(len(population.seeds), -1)
    log_prob = population.exact.path_log_prob(old).gather(-1, batch.path).flatten(1)
    count = on_policy.sum(-1)
    values["sampled_entropy"] = -(log_prob * on_policy).sum(-1) / count / population.shape.depth
    values["sampled_reward"] = (batch.correct.reshape(on_policy.shape) & on_policy).sum(-1) / count
    values |= mechanism(population, objective, batch, old)
    return {name: value.detach().double().numpy() for name, value in values.items()}
