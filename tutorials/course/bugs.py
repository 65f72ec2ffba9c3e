"""Ten faults of one line each, planted in short copies of the core's functions: the patients of tutorial 8.

``HEALTHY`` is CalibRL's loss as six plain functions; a test keeps it equal to the library's. Each of ``PATIENTS`` is
the same with one line of one function exchanged. Reading on spoils the game.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from calibrl_ref import RECIPES, Losses, Objective, Rollouts, Schedule, expert_row
from toy.learning.methods import Method

Check = Callable[["Core"], object]
"""Raises AssertionError if the core is ill."""


@dataclass(frozen=True)
class Batch:
    """Raw rollouts as they come out of a trainer: rows are responses, time is tokens, and padding holds junk.

    Attributes:
        log_prob: log-probabilities under the current policy, ``[rows, time]``, nats; differentiable.
        old_log_prob: the same under the policy that sampled.
        mask: True at response tokens.
        group: the prompt's id of each row.
        is_expert: True at an expert's row; one per group.
        correct: the verifier's verdict of each row.
        reward: accuracy, plus 0.1 for a well-formed answer.
    """

    log_prob: Tensor
    old_log_prob: Tensor
    mask: Tensor
    group: Tensor
    is_expert: Tensor
    correct: Tensor
    reward: Tensor

    def rows(self, order: Tensor) -> "Batch":
        """Return the rows in another order."""
        return Batch(**{field.name: getattr(self, field.name)[order] for field in fields(self)})

    def pad(self, columns: int) -> "Batch":
        """Return the batch with more padding, filled with junk; the responses do not change.

        Args:
            columns: how many tokens of padding to append to every row.
        """
        random = torch.Generator().manual_seed(columns)
        junk = -3.0 * torch.rand((len(self.group), columns), generator=random, dtype=self.log_prob.dtype)
        return replace(
            self,
            log_prob=torch.cat([self.log_prob, junk], 1),
            old_log_prob=torch.cat([self.old_log_prob, junk], 1),
            mask=torch.cat([self.mask, torch.zeros_like(junk, dtype=torch.bool)], 1),
        )


def random_batch(seed: int = 0, *, prompts: int = 3, rollouts: int = 4, time: int = 6) -> Batch:
    """Draw a batch in float64: every group has right and wrong responses, an expert, and rows of unequal length."""
    random = torch.Generator().manual_seed(seed)
    rows = prompts * (rollouts + 1)

    def uniform(*shape: int) -> Tensor:
        """Numbers in [0, 1)."""
        return torch.rand(shape, generator=random, dtype=torch.float64)

    place = torch.arange(rows) % (rollouts + 1)
    old = -0.3 - 2.0 * uniform(rows, time)
    correct = (place % 2 == 0) | (place == rollouts)
    return Batch(
        log_prob=(old + 0.6 * uniform(rows, time) - 0.3).requires_grad_(),
        old_log_prob=old,
        mask=torch.arange(time) < torch.randint(2, time, (rows, 1), generator=random),
        group=torch.arange(rows) // (rollouts + 1),
        is_expert=place == rollouts,
        correct=correct,
        reward=correct.double() + 0.1 * uniform(rows).round(),
    )


def group_advantage(reward: Tensor, group: Tensor, is_expert: Tensor) -> Tensor:
    """How much better a response is than its group; as ``calibrl_ref.group_advantage``."""
    advantage = torch.zeros_like(reward)
    for prompt in group.unique():
        member = group == prompt
        peers = reward[member & ~is_expert]
        advantage[member] = (reward[member] - peers.mean()) / (peers.std() + 1e-6)
    return advantage


def importance_ratio(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """Ratio of the current to the old probability; as ``calibrl_ref.importance_ratio``."""
    return (log_prob - old_log_prob).exp()


def clipped_surrogate(ratio: Tensor, advantage: Tensor) -> Tensor:
    """PPO's loss with the range 0.8 to 1.2; as ``calibrl_ref.clipped_surrogate``."""
    clipped = ratio.clamp(0.8, 1.2)
    return -torch.minimum(ratio * advantage, clipped * advantage)


def trajectory_log_prob(log_prob: Tensor, mask: Tensor) -> Tensor:
    """Log-probability of each whole response; as ``calibrl_ref.trajectory_log_prob``."""
    return (log_prob * mask).sum(1)


def exploration_loss(policy: Tensor, expert: Tensor, correct: Tensor, advantage: Tensor) -> Tensor:
    """CalibRL's loss at slope 0.5; as ``calibrl_ref.exploration_loss``."""
    sign = torch.where(correct, 1.0, -1.0)
    signed_gap = -sign * (policy - expert)
    gated = torch.where(signed_gap > 0, signed_gap, 0.5 * signed_gap)
    return advantage.abs() * gated


def aggregate(loss: Tensor, mask: Tensor) -> Tensor:
    """Mean over tokens; as ``calibrl_ref.aggregate``."""
    return (loss * mask).sum() / mask.sum()


@dataclass(frozen=True)
class Core:
    """CalibRL's loss from six functions, any of which may be ill."""

    group_advantage: Callable[[Tensor, Tensor, Tensor], Tensor] = group_advantage
    importance_ratio: Callable[[Tensor, Tensor], Tensor] = importance_ratio
    clipped_surrogate: Callable[[Tensor, Tensor], Tensor] = clipped_surrogate
    trajectory_log_prob: Callable[[Tensor, Tensor], Tensor] = trajectory_log_prob
    exploration_loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = exploration_loss
    aggregate: Callable[[Tensor, Tensor], Tensor] = aggregate

    def loss(self, batch: Batch, advantage: Tensor | None = None, *, weight: float = 0.1) -> Tensor:
        """The whole loss: token mean of the surrogate, plus ``weight`` times the mean exploration loss.

        Args:
            batch: the rollouts.
            advantage: ``group_advantage`` of the batch, if it is known already.
            weight: lambda.
        """
        if advantage is None:
            advantage = self.group_advantage(batch.reward, batch.group, batch.is_expert)
        ratio = self.importance_ratio(batch.log_prob, batch.old_log_prob)
        surrogate = self.clipped_surrogate(ratio, advantage.unsqueeze(1))
        policy = self.trajectory_log_prob(batch.log_prob, batch.mask)
        expert = policy[expert_row(batch.group, batch.is_expert)]
        exploration = self.exploration_loss(policy, expert, batch.correct, advantage)
        own = ~batch.is_expert
        return self.aggregate(surrogate, batch.mask & own.unsqueeze(1)) + weight * exploration[own].mean()


HEALTHY = Core()


@dataclass(frozen=True, repr=False)
class Bug:
    """A fault of one line; printing it does not tell which.

    Attributes:
        name: what a doctor would call it.
        part: the function that is ill.
        healthy: a piece of its source, found there exactly once.
        planted: what stands there instead.
        check: the check of the tutorial, or of its solutions, that catches it.
    """

    name: str
    part: str
    healthy: str
    planted: str
    check: str

    @property
    def core(self) -> Core:
        """The loss with this fault."""
        source = inspect.getsource(getattr(HEALTHY, self.part))
        if source.count(self.healthy) != 1:
            raise ValueError(f"{self.part}: expected {self.healthy!r} once in its source. Fix: renew the bug.")
        namespace: dict[str, Any] = {"torch": torch, "Tensor": Tensor}
        exec(source.replace(self.healthy, self.planted), namespace)
        return replace(HEALTHY, **{self.part: namespace[self.part]})

    @property
    def diff(self) -> str:
        """The line that was exchanged, before and after."""
        lines = inspect.getsource(getattr(HEALTHY, self.part)).splitlines()
        line = next(line.strip() for line in lines if self.healthy in line)
        return f"{self.part}\n  - {line}\n  + {line.replace(self.healthy, self.planted)}"


_BUGS = (
    Bug("slope swapped", "exploration_loss", "signed_gap, 0.5 * signed_gap)", "0.5 * signed_gap, signed_gap)",
        "quadrant_check"),
    Bug("std over the batch", "group_advantage", "(peers.std() + 1e-6)", "(reward[~is_expert].std() + 1e-6)",
        "neighbour_check"),
    Bug("missing mask", "trajectory_log_prob", "(log_prob * mask).sum(1)", "log_prob.sum(1)", "padding_check"),
    Bug("clip on the wrong side", "clipped_surrogate", "torch.minimum(ratio * advantage, clipped * advantage)",
        "torch.minimum(ratio, clipped) * advantage", "clip_check"),
    Bug("expert detached", "exploration_loss", "(policy - expert)", "(policy - expert.detach())", "gradient_check"),
    Bug("group ids mixed", "group_advantage", "member = group == prompt", "member = group.sort().values == prompt",
        "order_check"),
    Bug("padding counted", "aggregate", "/ mask.sum()", "/ mask.numel()", "padding_check"),
    Bug("old and new swapped", "importance_ratio", "(log_prob - old_log_prob)", "(old_log_prob - log_prob)",
        "ratio_check"),
    Bug("expert in the group mean", "group_advantage", "reward[member & ~is_expert]", "reward[member]",
        "expert_reward_check"),
    Bug("wrong sign", "exploration_loss", "-sign * (policy", "sign * (policy", "quadrant_check"),
)  # fmt: skip

PATIENTS: Mapping[int, Bug] = dict(enumerate(_BUGS, start=1))
"""Number of a patient -> its fault."""


def shape_test(core: Core) -> None:
    """The test that most losses get: shapes, finiteness, a gradient, and a loss that a step makes smaller.

    Args:
        core: the loss to examine.

    Raises:
        AssertionError: one of these does not hold.
    """
    batch = random_batch()
    loss = core.loss(batch)
    (gradient,) = torch.autograd.grad(loss, batch.log_prob)
    stepped = replace(batch, log_prob=batch.log_prob - 1e-3 * gradient)
    assert core.group_advantage(batch.reward, batch.group, batch.is_expert).shape == batch.reward.shape, "advantage"
    assert loss.shape == (), "the loss is not a scalar"
    assert bool(torch.isfinite(loss)), "the loss is not finite"
    assert gradient.shape == batch.log_prob.shape, "the gradient's shape"
    assert bool(torch.isfinite(gradient).all()), "the gradient is not finite"
    assert bool((gradient != 0).any()), "there is no gradient"
    assert core.loss(stepped) < loss, "a step along the gradient does not lower the loss"


def catches(check: Check, core: Core) -> bool:
    """Whether a check finds a core ill."""
    try:
        check(core)
    except AssertionError:
        return True
    return False


def examine(check: Check) -> list[int]:
    """Numbers of the patients that a check catches.

    Args:
        check: raises AssertionError if the core it is given is ill.

    Raises:
        AssertionError: it finds the healthy core ill, so that its verdicts on the patients are worth nothing.
    """
    assert not catches(check, HEALTHY), "a false alarm: the check finds the healthy core ill"
    return [number for number, bug in PATIENTS.items() if catches(check, bug.core)]


@dataclass(frozen=True, kw_only=True)
class CoreObjective(Objective):
    """A core as an objective that the toy can train with: one replica's rows, all of the same length.

    Attributes:
        core: the loss.
        weight: lambda.
    """

    core: Core
    weight: float

    def __call__(self, rollouts: Rollouts, *, divisors: tuple[Tensor, ...] | None = None) -> Losses:
        """Return the core's loss, summed over replicas."""
        assert divisors is None, "the toy does not cut its batches"
        replicas = 1 if rollouts.replica is None else len(rollouts.replica.unique())
        batch = Batch(
            log_prob=rollouts.token_log_prob,
            old_log_prob=rollouts.old_token_log_prob,
            mask=rollouts.mask,
            group=rollouts.group,
            is_expert=rollouts.is_expert,
            correct=rollouts.correct,
            reward=rollouts.correct.double(),
        )
        loss = replicas * self.core.loss(batch, rollouts.advantage, weight=self.weight)
        return Losses(total=loss, terms={"loss": loss})


def method_of(core: Core, name: str, *, weight: float = 0.1) -> Method:
    """Make a core a method that ``toy.learning.trainer.train`` takes.

    Args:
        core: the loss, healthy or ill.
        name: for figures.
        weight: lambda.
    """
    base = RECIPES["calibrl"]()
    objective = CoreObjective(
        terms=base.terms, aggregation=base.aggregation, advantage=core.group_advantage, core=core, weight=weight
    )
    return Method(name, Schedule(((objective, 1.0),)))
