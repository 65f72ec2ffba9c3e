"""A population of policies, one per member, that answers, is verified and is scored in one tensor program."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from torch import Tensor

from calibrl_ref import Objective, Rollouts, token_entropy
from toy.learning.policy import POLICIES
from toy.learning.settings import Training
from toy.world import SHAPE_FIELDS, Kind, Tree, World, build_paths
from toy.world.exact import Enumeration, accuracy, kind_mass, sound_coverage

EXACT_METRICS = ("entropy", "accuracy", "sound_mass", "shortcut_mass", "flawed_mass", "coverage", "kl")


@dataclass
class Population:
    """One policy per member, each in its own layout of a world, with its own stream of random numbers.

    A member's training depends on its own seed and settings only: it comes out the same in any population, and every
    method meets the same layouts and numbers, so methods can be compared seed by seed.

    Args:
        world: the world; or one for each member, alike in :data:`toy.world.SHAPE_FIELDS`.
        training: the run's settings.
        seeds: one non-negative seed per member.
    """

    world: World | Sequence[World]
    training: Training
    seeds: Sequence[int]
    exact: Enumeration = field(init=False)

    def __post_init__(self) -> None:
        worlds = [self.world] * len(self.seeds) if isinstance(self.world, World) else list(self.world)
        _check_alike(worlds)
        self.shape = worlds[0]
        check_prompts(self.shape, self.training)
        tree = Tree(self.shape.depth, self.shape.branching)
        paths = build_paths(worlds, self.seeds)
        self.reward_noise = torch.tensor([world.reward_noise for world in worlds], dtype=torch.float64)[:, None, None]
        self.exact = Enumeration.of(tree)
        self.kind = torch.from_numpy(paths.kind)
        self.success = torch.from_numpy(paths.success)
        self.prior_nodes = self.exact.node_log_prob(torch.from_numpy(paths.prior))
        self.prior = self.exact.path_log_prob(self.prior_nodes).unsqueeze(1)
        prompt = (
            np.arange(self.training.prompts).reshape(-1, self.shape.families).T
        )  # prompt i is of family i % families
        turn = prompt[..., None] % self.shape.demonstrations
        self.demonstration = torch.from_numpy(paths.demonstration[:, turn])
        self.demonstration_correct = torch.from_numpy(paths.demonstration_correct[:, turn])
        maker = POLICIES[self.training.policy]
        self.policy = maker(self.prior_nodes, self.shape.families, tree, self.seeds)
        self._streams = [np.random.default_rng([seed, 1]) for seed in self.seeds]
        self.node_of_path = self.exact.edges // self.shape.branching

    def uniform(self) -> Tensor:
        """Fresh uniform numbers for a step, ``[3, seeds, families, rollouts]``: path, outcome and verdict."""
        shape = (3, self.shape.families, self.training.prompts // self.shape.families * self.training.rollouts)
        return torch.from_numpy(np.stack([stream.random(shape) for stream in self._streams], axis=1))

    def node_log_prob(self) -> Tensor:
        """The policy, ``[seeds, families, nodes, branching]``, nats, differentiable."""
        logits: Tensor = self.policy()
        return logits.log_softmax(-1)

    def measure(self, node_log_prob: Tensor) -> dict[str, Tensor]:
        """The exact quantities, ``[seeds]`` each, averaged over families."""
        log_prob = self.exact.path_log_prob(node_log_prob)
        draws = self.training.prompts * self.training.rollouts
        values = (
            self.exact.entropy(log_prob),
            accuracy(log_prob, self.success),
            kind_mass(log_prob, self.kind, Kind.SOUND),
            kind_mass(log_prob, self.kind, Kind.SHORTCUT),
            kind_mass(log_prob, self.kind, Kind.FLAWED),
            sound_coverage(log_prob, self.kind, draws=draws),
            self.exact.kl(log_prob, self.prior),
        )
        return {name: value.mean(-1) for name, value in zip(EXACT_METRICS, values, strict=True)}


def check_prompts(world: World, training: Training) -> None:
    """Refuse a batch that the families of prompts cannot share evenly.

    Raises:
        ValueError: the prompts are no multiple of the families.
    """
    if training.prompts % world.families:
        found = f"prompts={training.prompts}"
        raise ValueError(f"{found}: expected a multiple of families={world.families}. Fix: choose one.")


def _check_alike(worlds: Sequence[World]) -> None:
    for name in SHAPE_FIELDS:
        values = sorted({getattr(world, name) for world in worlds})
        if len(values) > 1:
            raise ValueError(f"{name}={values}: expected one value for all members. Fix: train them apart.")


@dataclass(frozen=True)
class Batch:
    """The responses of one step; rows are ordered by seed, family, prompt, and within a prompt the expert comes last.

    Attributes:
        path: the path of each row, ``[seeds, families, rows]``.
        group: prompt of each row, ``[all rows]``.
        replica: seed of each row, ``[all rows]``.
        is_expert: ``[all rows]``.
        correct: the verifier's verdict, ``[all rows]``.
        advantage: ``[all rows]``.
        keep: rows that take part in the update, ``[all rows]``.
    """

    path: Tensor
    group: Tensor
    replica: Tensor
    is_expert: Tensor
    correct: Tensor
    advantage: Tensor
    keep: Tensor


def sample_batch(population: Population, objective: Objective, node_log_prob: Tensor, *, expert: bool) -> Batch:
    """Draw a step's rollouts, have them verified, and let the objective value them.

    Args:
        population: who answers.
        objective: gives advantages, and which rows to keep.
        node_log_prob: the policies, ``[seeds, families, nodes, branching]``, nats.
        expert: whether each prompt's demonstration joins its group.
    """
    uniform = population.uniform()
    cumulative = population.exact.path_log_prob(node_log_prob).exp().cumsum(-1)
    total = cumulative[..., -1:]
    path = torch.searchsorted(cumulative, uniform[0] * total).clamp(max=population.shape.paths - 1)
    right = uniform[1] < population.success.gather(-1, path)
    correct = right ^ (uniform[2] < population.reward_noise)
    by_prompt = (*path.shape[:2], -1, population.training.rollouts)
    path, correct = path.reshape(by_prompt), correct.reshape(by_prompt)
    if expert:
        path = torch.cat([path, population.demonstration], -1)
        correct = torch.cat([correct, population.demonstration_correct], -1)
    return _value(objective, path, correct, *_rows(*path.shape, population.training.rollouts))


@cache
def _rows(seeds: int, families: int, prompts: int, size: int, rollouts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Prompt, seed, and whether it is the expert's, of each row: the same in every step."""
    numbers = torch.arange(seeds * families * prompts).reshape(seeds, prompts, families).swapaxes(1, 2)
    group = numbers.flatten().repeat_interleave(size)  # ids in the order of the prompts, whose families take turns
    replica = torch.arange(seeds).repeat_interleave(families * prompts * size)
    is_expert = torch.arange(len(group)) % size >= rollouts
    return group, replica, is_expert


def _value(
    objective: Objective, path: Tensor, correct: Tensor, group: Tensor, replica: Tensor, is_expert: Tensor
) -> Batch:
    seeds, verdict = len(path), correct.flatten()
    reward = objective.shape_reward(verdict.double(), torch.full_like(group, 1))
    advantage = objective.advantage(reward, group, is_expert)
    rows = (reward, advantage, group, is_expert, verdict)
    if objective.ranks_batch:  # each seed is a batch of its own
        keep = torch.cat([objective.keep(*of_seed) for of_seed in zip(*(r.chunk(seeds) for r in rows), strict=True)])
    else:
        keep = objective.keep(*rows)
    return Batch(path.flatten(2), group, replica, is_expert, verdict, advantage, keep)


def build_rollouts(
    population: Population, objective: Objective, batch: Batch, node_log_prob: Tensor, old: Tensor
) -> Rollouts:
    """Score a batch's responses with the present policy.

    Args:
        population: who answered.
        objective: says which optional fields it reads.
        batch: the responses.
        node_log_prob: the present policy, ``[seeds, families, nodes, branching]``, differentiable.
        old: the policy that sampled, the same shape.
    """
    edges = population.exact.edges.index_select(0, batch.path.flatten()).view(*batch.path.shape, -1)

    def score(table: Tensor) -> Tensor:
        """Take each row's log-probabilities along its path."""
        flat = table.flatten(2).expand(*edges.shape[:2], -1)
        return flat.gather(-1, edges.flatten(2)).reshape(-1, edges.shape[-1])

    def score_entropy() -> Tensor:
        """Take the policy's entropy at each decision of each row."""
        entropy = token_entropy(node_log_prob)
        nodes = population.node_of_path[batch.path]
        return entropy.gather(-1, nodes.flatten(2)).reshape(-1, edges.shape[-1])

    token_log_prob = score(node_log_prob)
    return Rollouts(
        token_log_prob=token_log_prob,
        old_token_log_prob=score(old),
        mask=torch.ones_like(token_log_prob, dtype=torch.bool),
        group=batch.group,
        is_expert=batch.is_expert,
        correct=batch.correct,
        advantage=batch.advantage,
        token_entropy=score_entropy() if objective.needs_token_entropy else None,
        reference_token_log_prob=score(population.prior_nodes.unsqueeze(1)) if objective.needs_reference else None,
        replica=batch.replica,
    )


def kept_rows(rollouts: Rollouts, batch: Batch) -> Rollouts:
    """The rollouts that take part in the update."""
    return rollouts if bool(batch.keep.all()) else rollouts.select(batch.keep)
