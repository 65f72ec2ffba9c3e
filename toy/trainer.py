"""Training: all seeds in one tensor program, every quantity that is reported enumerated exactly.

A step samples ``rollouts`` responses to each prompt, adds the prompt's demonstration where the method reads it, and
takes ``updates`` gradient steps on the objective of `calibrl_ref`. Nothing of the algorithm is written here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calibrl_ref import Objective, Rollouts, token_entropy
from toy.exact import Enumeration, accuracy, kind_mass, sound_coverage
from toy.methods import Method
from toy.policy import POLICIES
from toy.world import Kind, Tree, World, build_paths

OPTIMIZERS: dict[str, Callable[[list[Tensor], float], torch.optim.Optimizer]] = {
    "sgd": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
}

EXACT_METRICS = ("entropy", "accuracy", "sound_mass", "shortcut_mass", "flawed_mass", "coverage", "kl")
SAMPLED_METRICS = ("sampled_reward", "sampled_entropy")
MECHANISM_METRICS = ("push_sound", "push_shortcut", "push_expert", "entropy_change", "predicted_entropy_change")
Curves = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of a run.

    Attributes:
        steps: batches sampled.
        prompts: prompts in a batch; a multiple of the world's families.
        rollouts: responses to a prompt.
        updates: gradient steps on each batch; from the second on the batch is off-policy and clipping matters.
        learning_rate: step size of the optimiser.
        optimizer: "sgd" (plain gradient descent) or "adam".
        policy: "tabular" or "neural".
        points: how many times along the run the exact quantities are recorded, the start and the end included.

    Raises:
        ValueError: a setting is out of range, or a name unknown.
    """

    steps: int = 600
    prompts: int = 16
    rollouts: int = 8
    updates: int = 1
    learning_rate: float = 4.0
    optimizer: str = "sgd"
    policy: str = "tabular"
    points: int = 41

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            low = 2 if entry.name in ("rollouts", "points") else 1
            if entry.type is int and (not isinstance(value, int) or value < low):
                raise ValueError(f"{entry.name}={value!r}: expected a whole number of at least {low}. Fix: raise it.")
        if not 0.0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate={self.learning_rate!r}: expected a positive number. Fix: try 4.0.")
        for name, valid in (("optimizer", OPTIMIZERS), ("policy", POLICIES)):
            if getattr(self, name) not in valid:
                raise ValueError(f"{name}={getattr(self, name)!r}: expected one of {list(valid)}. Fix: choose one.")

    @property
    def recorded_steps(self) -> list[int]:
        """The steps at which curves have a point: evenly spread, from 0 (before training) to ``steps``."""
        return [int(step) for step in np.unique(np.linspace(0, self.steps, self.points).round())]


@dataclass
class Population:
    """One policy per seed, in its own layout of the world, with its own stream of random numbers.

    A member's training depends on its own seed only: the same seed gives the same member in any population, and every
    method meets the same layouts and numbers, so methods can be compared seed by seed.

    Args:
        world: the world.
        training: the run's settings.
        seeds: one non-negative seed per member.
    """

    world: World
    training: Training
    seeds: Sequence[int]
    exact: Enumeration = field(init=False)

    def __post_init__(self) -> None:
        if self.training.prompts % self.world.families:
            found = f"prompts={self.training.prompts}"
            raise ValueError(f"{found}: expected a multiple of families={self.world.families}. Fix: choose one.")
        tree = Tree(self.world.depth, self.world.branching)
        paths = build_paths(self.world, self.seeds)
        self.exact = Enumeration.of(tree)
        self.kind = torch.from_numpy(paths.kind).unsqueeze(1)
        self.success = torch.from_numpy(paths.success)
        self.prior_nodes = self.exact.node_log_prob(torch.from_numpy(paths.prior))
        self.prior = self.exact.path_log_prob(self.prior_nodes).unsqueeze(1)
        turn = np.arange(self.training.prompts) % self.world.demonstrations
        by_family = (len(self.seeds), self.world.families, -1, 1)
        self.demonstration = torch.from_numpy(paths.demonstration[:, turn]).reshape(by_family)
        self.demonstration_correct = torch.from_numpy(paths.demonstration_correct[:, turn]).reshape(by_family)
        maker = POLICIES[self.training.policy]
        self.policy = maker(self.prior_nodes, self.world.families, tree, self.seeds)
        self._streams = [np.random.default_rng([seed, 1]) for seed in self.seeds]
        self.node_of_path = self.exact.edges // self.world.branching

    def uniform(self) -> Tensor:
        """Fresh uniform numbers for a step, ``[3, seeds, families, rollouts]``: path, outcome and verdict."""
        shape = (3, self.world.families, self.training.prompts // self.world.families * self.training.rollouts)
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
    path = torch.searchsorted(cumulative, uniform[0] * total).clamp(max=population.world.paths - 1)
    right = uniform[1] < population.success.gather(-1, path)
    correct = right ^ (uniform[2] < population.world.reward_noise)
    by_prompt = (*path.shape[:2], -1, population.training.rollouts)
    path, correct = path.reshape(by_prompt), correct.reshape(by_prompt)
    if expert:
        path = torch.cat([path, population.demonstration], -1)
        correct = torch.cat([correct, population.demonstration_correct], -1)
    return _value(objective, path, correct, population.training.rollouts)


def _value(objective: Objective, path: Tensor, correct: Tensor, rollouts: int) -> Batch:
    size = path.shape[-1]
    group = torch.arange(path[..., 0].numel()).repeat_interleave(size)
    replica = torch.arange(len(path)).repeat_interleave(path[0].numel())
    is_expert = torch.arange(path.numel()) % size >= rollouts
    verdict = correct.flatten()
    reward = objective.shape_reward(verdict.double(), torch.full_like(group, 1))
    advantage = objective.advantage(reward, group, is_expert)
    keep = objective.keep(reward, advantage, group, is_expert)
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
    edges = population.exact.edges[batch.path]

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
        >>> from toy.methods import parse_method
        >>> curves = train(parse_method("grpo"), World(), Training(steps=2, points=2), seeds=[0])
        >>> curves["entropy"].shape
        (2, 1)
    """
    population = Population(world, training, seeds)
    optimizer = OPTIMIZERS[training.optimizer](list(population.policy.parameters()), training.learning_rate)
    adapted: Objective | None = None
    recorded, points = set(training.recorded_steps), []
    for step in range(training.steps + 1):
        stage = method.schedule.objective_at(step / training.steps)
        objective = adapted if adapted is not None and stage.slope_controller else stage
        with torch.no_grad():
            old = population.node_log_prob()
            batch = sample_batch(population, objective, old, expert=method.schedule.uses_expert)
        if objective.slope_controller:
            entropy = population.exact.entropy(population.exact.path_log_prob(old)).mean(-1)
            adapted = objective = objective.adapt(entropy[batch.replica])
        if step in recorded:
            points.append(_record(population, objective, batch, old, training.learning_rate))
            if on_point:
                on_point(step, population)
        if step < training.steps:
            _update(population, objective, batch, old, optimizer)
    return {name: np.stack([point[name] for point in points]) for name in points[0]}


def _update(
    population: Population, objective: Objective, batch: Batch, old: Tensor, optimizer: torch.optim.Optimizer
) -> None:
    for _ in range(population.training.updates):
        optimizer.zero_grad(set_to_none=False)
        if bool(batch.keep.any()):  # a batch without a row to learn from leaves the gradient at zero
            rollouts = build_rollouts(population, objective, batch, population.node_log_prob(), old)
            objective(_kept(rollouts, batch)).total.backward()  # type: ignore[no-untyped-call]  # torch's own stub
        optimizer.step()


def _kept(rollouts: Rollouts, batch: Batch) -> Rollouts:
    return rollouts if bool(batch.keep.all()) else rollouts.select(batch.keep)


def _record(population: Population, objective: Objective, batch: Batch, old: Tensor, rate: float) -> Curves:
    """One point of every curve, ``[seeds]`` each, before the step's update."""
    values = population.measure(old)
    on_policy = ~batch.is_expert.reshape(len(population.seeds), -1)
    log_prob = population.exact.path_log_prob(old).gather(-1, batch.path).flatten(1)
    count = on_policy.sum(-1)
    values["sampled_entropy"] = -(log_prob * on_policy).sum(-1) / count / population.world.depth
    values["sampled_reward"] = (batch.correct.reshape(on_policy.shape) & on_policy).sum(-1) / count
    values |= _mechanism(population, objective, batch, old, rate)
    return {name: value.detach().double().numpy() for name, value in values.items()}


def _mechanism(
    population: Population, objective: Objective, batch: Batch, old: Tensor, rate: float
) -> dict[str, Tensor]:
    """Whom the update pushes (d loss / d log pi of the responses, sign turned), and what that does to the entropy.

    The predicted change of entropy is first order: learning rate x <gradient of the entropy, descent direction>.
    The measured one is that of the plain gradient step itself, on the logits of a tabular policy.
    """
    logits = old.clone().requires_grad_()
    node_log_prob = logits.log_softmax(-1)
    rollouts = build_rollouts(population, objective, batch, node_log_prob, old)
    seeds = len(population.seeds)
    entropy = population.exact.entropy(population.exact.path_log_prob(node_log_prob)).mean(-1)
    direction, push = torch.zeros_like(logits), torch.zeros(seeds, batch.keep.numel() // seeds, dtype=old.dtype)
    if bool(batch.keep.any()):
        total = objective(_kept(rollouts, batch)).total
        gradients = torch.autograd.grad(total, [logits, rollouts.token_log_prob], retain_graph=True)
        direction, push = -gradients[0], -gradients[1].mean(-1).reshape(seeds, -1)
    (slope,) = torch.autograd.grad(entropy.sum(), [logits])
    moved = population.exact.path_log_prob((old + rate * direction).log_softmax(-1))
    kind = population.kind.expand(*batch.path.shape[:2], -1).gather(-1, batch.path).flatten(1)
    expert = batch.is_expert.reshape(seeds, -1)
    values = (
        (push * (kind == Kind.SOUND) * ~expert).sum(-1),
        (push * (kind == Kind.SHORTCUT) * ~expert).sum(-1),
        (push * expert).sum(-1),
        population.exact.entropy(moved).mean(-1) - entropy,
        rate * (slope * direction).flatten(1).sum(-1),
    )
    return dict(zip(MECHANISM_METRICS, values, strict=True))
