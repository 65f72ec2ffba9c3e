"""Speed and memory of the core: ``python benchmarks/core.py`` prints a line for each objective.

Forward and backward of an objective on 120 rows of 4,096 tokens in float32, in one thread, beside PPO's clipped
surrogate written out by hand and beside ``grpo``: seconds of the thread's own time, the least of interleaved repeats
(what else the machine does makes a repeat longer, never shorter). Memory is the peak of all allocations during a call.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from calibrl_ref import RECIPES, Objective, Rollouts

OBJECTIVES = ("grpo", "calibrl", "calibrl_released")
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
    }


def by_hand(rollouts: Rollouts) -> Tensor:
    """PPO's clipped surrogate and a token mean, as anybody would write them."""
    ratio = (rollouts.token_log_prob - rollouts.old_token_log_prob).exp()
    advantage = rollouts.advantage.unsqueeze(1)
    loss = torch.max(-advantage * ratio, -advantage * ratio.clamp(0.8, 1.2))
    return (loss * rollouts.mask).sum() / rollouts.mask.sum()


def losses() -> dict[str, Loss]:
    """Return what is compared, by name."""
    return {"by hand": by_hand, **{name: total_of(RECIPES[name]()) for name in OBJECTIVES}}


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


def peak_tensors(loss: Loss, fields: dict[str, Tensor]) -> float:
    """Peak of what a forward and backward pass allocates, in tensors [rows, time]."""
    rollouts = fresh(fields)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        torch.autograd.backward(loss(rollouts))
    held = peak = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    one = fields["token_log_prob"]
    return peak / (one.numel() * one.element_size())


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description="speed and memory of the core's objectives")
    arguments.add_argument("--repeats", type=int, default=40, help="interleaved repeats (default: 40)")
    repeats = arguments.parse_args().repeats
    torch.set_num_threads(1)
    fields, compared = batch(), losses()
    taken: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(repeats):
        for name, loss in compared.items():
            taken[name].append(seconds(loss, fields))
    print(f"{'':18s} least ms  median ms  / by hand  / grpo  peak [rows, time]")
    for name, times in taken.items():
        least, hand, grpo = (min(taken[other]) for other in (name, "by hand", "grpo"))
        middle, peak = statistics.median(times), peak_tensors(compared[name], fields)
        print(
            f"{name:18s} {1e3 * least:8.2f} {1e3 * middle:10.2f} {least / hand:10.2f} {least / grpo:7.2f} {peak:12.1f}"
        )


if __name__ == "__main__":
    main()
