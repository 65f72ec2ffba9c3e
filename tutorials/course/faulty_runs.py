"""Ten short runs with one fault each, told apart by their metrics alone: the patients of tutorial 11.

The policy is a table of logits, ``[prompts, time, vocabulary]``; a response is right if its first token is its prompt's
target, and well formed if it holds a tag. The loss is the library's ``calibrl``. Reading on spoils the game.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from calibrl_ref import RECIPES, Rollouts, group_advantage, token_entropy, token_log_probs

PROMPTS, ROLLOUTS, TIME, VOCABULARY = 12, 8, 8, 10
END, TAG, DIGIT = 0, 1, 2
RATE, STEPS = 8.0, 30
METRICS: Mapping[str, str] = {
    "reward": "reward",
    "accuracy": "accuracy, on clean data",
    "format": "format reward",
    "entropy": "entropy (nats)",
    "length": "tokens in a response",
    "homogeneous": "groups all right or all wrong",
    "group_bias": "|mean advantage| of a group",
    "mismatch": "|sampler's - trainer's log p|",
    "rescoring": "|log p, scored twice|",
    "counted": "tokens in loss / in response",
    "expert_push": "gradient at the expert's row",
    "gradient": "length of the gradient",
}
"""Name of a metric -> the title of its panel."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One run's settings; each fault changes one of them."""

    rate: float = RATE
    verifier_works: bool = True
    advantage_over_batch: bool = False
    masked: bool = True
    sampling_temperature: float = 1.0
    reward_per_token: float = 0.0
    spread: float = 0.0
    detach_expert: bool = False
    dropout: float = 0.0
    tags_reach_verifier: bool = True


HEALTHY = Setup()
FAULTS: Mapping[str, tuple[str, Setup]] = {
    "A": ("learning rate ten times too high", replace(HEALTHY, rate=10 * RATE)),
    "B": ("the verifier accepts everything", replace(HEALTHY, verifier_works=False)),
    "C": ("advantages over the batch, not the group", replace(HEALTHY, advantage_over_batch=True)),
    "D": ("padding is not masked", replace(HEALTHY, masked=False)),
    "E": ("sampled at another temperature than scored", replace(HEALTHY, sampling_temperature=0.7)),
    "F": ("the reward grows with length", replace(HEALTHY, reward_per_token=0.3)),
    "G": ("problems far too easy or far too hard", replace(HEALTHY, spread=20.0)),
    "H": ("the expert's row is detached", replace(HEALTHY, detach_expert=True)),
    "I": ("dropout is on when scoring", replace(HEALTHY, dropout=0.1)),
    "J": ("tags are lost as special tokens", replace(HEALTHY, tags_reach_verifier=False)),
}
"""Letter of a fault -> its name and the run's settings."""
RUNS: Mapping[int, str] = dict(enumerate("EBHDJFACGI", start=1))
"""Number of a run -> the letter of its fault."""


def start(setup: Setup) -> Tensor:
    """The untrained policy: targets at an odds that prompts share, or not; responses of four tokens."""
    logits = torch.zeros((PROMPTS, TIME, VOCABULARY), dtype=torch.float64)
    logits[:, 0, END] = -4.0
    logits[torch.arange(PROMPTS), 0, target()] += setup.spread * (torch.arange(PROMPTS) % 2 - 0.5)
    return logits


def target() -> Tensor:
    """The right first token of each prompt."""
    return DIGIT + torch.arange(PROMPTS) % (VOCABULARY - DIGIT)


def run(setup: Setup, *, seed: int = 0, steps: int = STEPS) -> dict[str, list[float]]:
    """Train, and return each metric's curve, one number a step.

    Args:
        setup: the settings, healthy or with a fault.
        seed: of all random numbers.
        steps: updates, one a batch.
    """
    random = torch.Generator().manual_seed(seed)
    logits = start(setup).requires_grad_()
    curves: dict[str, list[float]] = {name: [] for name in METRICS}
    for _ in range(steps):
        found, gradient = update(logits, setup, random)
        for name in METRICS:
            curves[name].append(found[name])
        logits = (logits.detach() - setup.rate * gradient).requires_grad_()
    return curves


def score(logits: Tensor, rows: Tensor, tokens: Tensor, setup: Setup, random: torch.Generator) -> Tensor:
    """Log-probability of each token under the policy in training mode, ``[rows, time]``."""
    kept = torch.rand(logits.shape, generator=random, dtype=logits.dtype) >= setup.dropout
    return token_log_probs((logits * kept / (1.0 - setup.dropout))[rows], tokens)


def sample(logits: Tensor, rows: Tensor, setup: Setup, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw responses; return tokens, with padding after the end, and the sampler's log-probabilities."""
    policy = (logits.detach() / setup.sampling_temperature)[rows]
    tokens = torch.multinomial(policy.softmax(-1).flatten(0, 1), 1, generator=random).reshape(len(rows), TIME)
    tokens = torch.where(within(tokens), tokens, END)
    return tokens, token_log_probs(policy, tokens)


def within(tokens: Tensor) -> Tensor:
    """Which tokens belong to the response: all up to the first end."""
    ended = (tokens == END).long().cumsum(1) - (tokens == END).long()
    return ended == 0


def experts() -> Tensor:
    """A right, well-formed solution of five tokens for each prompt."""
    tokens = torch.full((PROMPTS, TIME), END)
    tokens[:, 0], tokens[:, 1:3], tokens[:, 3] = target(), DIGIT, TAG
    return tokens


def update(logits: Tensor, setup: Setup, random: torch.Generator) -> tuple[dict[str, float], Tensor]:
    """Sample a batch; return its metrics, and the gradient of the loss in the logits."""
    rows = torch.arange(PROMPTS).repeat_interleave(ROLLOUTS)
    own, sampler = sample(logits, rows, setup, random)
    mask = within(own)
    truly = own[:, 0] == target()[rows]
    correct = truly if setup.verifier_works else torch.ones_like(truly)
    formatted = ((own == TAG) & mask).any(1).double() * setup.tags_reach_verifier
    reward = correct.double() + 0.1 * formatted + setup.reward_per_token * mask.sum(1)
    if not setup.verifier_works:
        reward = torch.ones_like(reward)
    advantage = group_advantage(reward, rows * 0 if setup.advantage_over_batch else rows)

    every, tokens = torch.cat([rows, torch.arange(PROMPTS)]), torch.cat([own, experts()])
    log_prob = score(logits, every, tokens, setup, random)
    counted = within(tokens) if setup.masked else torch.ones_like(tokens, dtype=torch.bool)
    rollouts = Rollouts(
        token_log_prob=log_prob,
        old_token_log_prob=log_prob.detach(),
        mask=counted,
        group=every,
        is_expert=torch.arange(len(every)) >= len(rows),
        correct=torch.cat([correct, torch.ones(PROMPTS, dtype=torch.bool)]),
        advantage=torch.cat([advantage, torch.zeros(PROMPTS, dtype=torch.float64)]),
    )
    loss = RECIPES["calibrl"](exploration_weight=0.5, detach_expert=setup.detach_expert)(rollouts).total
    (at_tokens,) = torch.autograd.grad(loss, [log_prob], retain_graph=True)
    (gradient,) = torch.autograd.grad(log_prob, [logits], at_tokens)
    again = score(logits, every, tokens, setup, random)
    share = correct.reshape(PROMPTS, ROLLOUTS).double().mean(1)
    entropy = token_entropy(logits.detach()[rows])
    found = {
        "reward": reward.mean(),
        "accuracy": truly.double().mean(),
        "format": 0.1 * formatted.mean(),
        "entropy": entropy[mask].mean(),
        "length": mask.sum(1).double().mean(),
        "homogeneous": ((share == 0) | (share == 1)).double().mean(),
        "group_bias": advantage.reshape(PROMPTS, ROLLOUTS).mean(1).abs().mean(),
        "mismatch": (log_prob.detach()[: len(rows)] - sampler)[mask].abs().mean(),
        "rescoring": (log_prob - again).detach()[: len(rows)][mask].abs().mean(),
        "counted": counted[: len(rows)].sum() / mask.sum(),
        "expert_push": at_tokens[len(rows) :].norm(),
        "gradient": gradient.norm(),
    }
    return {name: float(value) for name, value in found.items()}, gradient


def diagnose(curves: Mapping[str, list[float]]) -> str:
    """Walk the decision tree of tutorial 11; return the letter of the fault.

    Args:
        curves: the metrics of a run that is known to be ill.
    """
    first = {name: curve[0] for name, curve in curves.items()}
    earned = (curves[name] for name in ("reward", "accuracy", "format"))
    if max(curves["rescoring"]) > 1e-6:
        return "I"
    if max(curves["mismatch"]) > 1e-6:
        return "E"
    if max(curves["counted"]) > 1.001:
        return "D"
    if min(curves["homogeneous"]) > 0.8:
        return "B" if min(curves["reward"]) == max(curves["reward"]) else "G"
    if first["group_bias"] > 1e-3:
        return "C"
    if max(curves["expert_push"]) == 0:
        return "H"
    if max(curves["format"]) == 0:
        return "J"
    unexplained = max(reward - right - formatted for reward, right, formatted in zip(*earned, strict=True))
    return "F" if unexplained > 1e-6 else "A"
