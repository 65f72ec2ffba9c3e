"""Speed and memory of the core: ``python -m benchmarks objectives import``.

Objectives: forward and backward on 120 rows of 4,096 tokens in float32, in one thread, beside PPO's clipped surrogate
written out by hand: seconds of the thread's own time. Memory is the peak of all allocations during a call.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.rows import Row, in_turns
from calibrl_ref import RECIPES, Objective, Rollouts

OBJECTIVES = ("grpo", "calibrl", "calibrl_released")
BY_HAND = "by hand"
BARS = {"calibrl": 1.15, "calibrl_released": 1.35}
"""Recipe -> the most that it may take beside the surrogate written by hand."""

Loss = Callable[[Rollouts], Tensor]


def batch(groups: int = 8, size: int = 15, time_steps: int = 4096) -> dict[str, Tensor]:
    """Return the fields of a random batch, an expert in each group."""
    generator = torch.Generator().manual_seed(0)
    rows = groups * size
    log_prob = -2.0 * torch.rand(rows, time_steps, generator=generator)
    length = torch.randint(time_steps // 4, time_steps + 1, (rows,), generator=generator)
    return {
        "token_log_prob": log_prob,
        "old_token_log_prob": (log_prob + 0.05 * torch.randn(rows, time_steps, generator=generator)).clamp(max=0.0),
        "mask": torch.arange(time_steps) < length.unsqueeze(1),
        "group": torch.arange(rows) // size,
        "is_expert": torch.arange(rows) % size == 0,
        "correct": torch.rand(rows, generator=generator) > 0.5,
        "advantage": torch.randn(rows, generator=generator),
        "token_entropy": torch.rand(rows, time_steps, generator=generator),
        "reference_token_log_prob": log_prob - 0.01,
    }


def by_hand(rollouts: Rollouts) -> Tensor:
    """PPO's clipped surrogate and a token mean, as anybody would write them."""
    ratio = (rollouts.token_log_prob - rollouts.old_token_log_prob).exp()
    advantage = rollouts.advantage.unsqueeze(1)
    loss = torch.max(-advantage * ratio, -advantage * ratio.clamp(0.8, 1.2))
    return (loss * rollouts.mask).sum() / rollouts.mask.sum()


def losses(names: Sequence[str] = OBJECTIVES) -> dict[str, Loss]:
    """Return what is compared, by name."""
    return {BY_HAND: by_hand, **{name: total_of(RECIPES[name]()) for name in names}}


def total_of(objective: Objective) -> Loss:
    """Return a function that gives the objective's loss."""
    return lambda rollouts: objective(rollouts).total


def fresh(fields: dict[str, Tensor]) -> Rollouts:
    """Return rollouts with a leaf of their own."""
    own = fields | {"token_log_prob": fields["token_log_prob"].clone().requires_grad_()}
    return Rollouts(**own, validate=True)


def seconds(loss: Loss, fields: dict[str, Tensor]) -> float:
    """Time of one forward and backward pass."""
    rollouts = fresh(fields)
    start = time.thread_time()
    torch.autograd.backward(loss(rollouts))
    return time.thread_time() - start


def peak_bytes(call: Callable[[], object]) -> float:
    """Peak of what a call allocates."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        call()
    held = peak = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return float(peak)


def peak_tensors(loss: Loss, fields: dict[str, Tensor]) -> float:
    """Peak of what a forward and backward pass allocates, in tensors [rows, time]."""
    rollouts, one = fresh(fields), fields["token_log_prob"]
    return peak_bytes(lambda: torch.autograd.backward(loss(rollouts))) / (one.numel() * one.element_size())


def objective_rows(turns: int = 3) -> list[Row]:
    """Each recipe beside the surrogate written out by hand."""
    torch.set_num_threads(1)
    fields, found = batch(), []
    compared = losses(tuple(RECIPES))
    hand = compared.pop(BY_HAND)
    for name, loss in compared.items():
        ours, theirs = in_turns(lambda: 1e3 * seconds(loss, fields), lambda: 1e3 * seconds(hand, fields), turns)  # noqa: B023  # called at once
        found.append(Row.of(name, "ms", ours, peer=BY_HAND, theirs=theirs, bar=BARS.get(name)))
    plain = peak_tensors(hand, fields)
    return found + [
        Row.of(f"{name}: peak", "tensors", [peak_tensors(compared[name], fields)], peer=BY_HAND, theirs=[plain])
        for name in OBJECTIVES
    ]


def import_rows(turns: int = 2) -> list[Row]:
    """``import calibrl_ref`` beside the least that it can take, ``import torch``."""

    def taken(line: str) -> float:
        """Wall seconds of a new process."""
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", line], check=True)
        return time.perf_counter() - start

    ours, theirs = in_turns(lambda: taken("import calibrl_ref"), lambda: taken("import torch"), turns)
    return [Row.of("import calibrl_ref", "s", ours, peer="import torch", theirs=theirs)]
