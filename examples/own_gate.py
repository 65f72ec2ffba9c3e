"""A gate of your own, trained beside the paper's on the toy: ``python examples/own_gate.py`` (seconds).

A gate is a function of the signed gap, in nats, element by element. Registered, it has a name in every recipe that
takes a ``gate``; nothing else changes.
"""

import torch
from torch import Tensor

from calibrl_ref import GATES
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.world import World


def saturating_gate(x: Tensor, *, slope: float | Tensor = 0.5) -> Tensor:
    """Like the paper's gate, but a response that needs correction pushes ever less the further it is off."""
    return torch.where(x > 0, torch.log1p(x.clamp(min=0.0)), slope * x)


GATES["saturating"] = saturating_gate


def main(steps: int = 600, seeds: int = 8) -> dict[str, float]:
    """Train, and return each method's exact accuracy at the end, the mean over the seeds."""
    names = ("grpo", "calibrl", "calibrl:gate=saturating")
    runs = {name: train(parse_method(name), World(), Training(steps=steps), range(seeds)) for name in names}
    return {name: float(curves["accuracy"][-1].mean()) for name, curves in runs.items()}


if __name__ == "__main__":
    for method, accuracy in main().items():
        print(f"{method:26s} accuracy {accuracy:.3f}")
