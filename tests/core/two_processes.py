"""One of two processes that share a batch under DDP: ``python two_processes.py RANK FOLDER`` (see test_divisors.py)."""

import sys
from pathlib import Path

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from calibrl_ref import AGGREGATIONS, RECIPES, Rollouts, linearise

METHODS = ("grpo", "calibrl", "calibrl_released", "luffy", "sft")
GROUP = torch.tensor([0, 0, 0, 1, 1, 2, 2])
EXPERT = torch.tensor([False, False, True, False, False, False, True])
OF_RANK = {1: ([0, 1, 2, 3, 4, 5, 6],), 2: ([0, 1, 2, 5, 6], [3, 4])}  # with two: the second has no expert


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.nn.Parameter(torch.randn(3, 4, generator=generator, dtype=torch.float64))

    def forward(self, features):
        """Log-probability of each token, and the entropy there."""
        log_softmax = (features @ self.weights).log_softmax(-1)
        return log_softmax[..., 0], -(log_softmax.exp() * log_softmax).sum(-1)


def rows_of(members, log_prob, entropy):
    lengths = torch.tensor([4, 2, 3, 1, 3, 2, 4])[members]
    return Rollouts(
        token_log_prob=log_prob,
        token_entropy=entropy,
        old_token_log_prob=log_prob.detach() + 0.05,
        mask=torch.arange(4) < lengths[:, None],
        group=GROUP[members],
        is_expert=EXPERT[members],
        correct=torch.tensor([True, False, True, False, True, True, True])[members],
        advantage=torch.tensor([1.0, -1.0, 0.5, -0.7, 0.7, 0.3, 0.3], dtype=torch.float64)[members],
    )


def gradients(wrap, members):
    """The gradient of every method and aggregation, by name: of the objective itself, and of its linear form."""
    features = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)[members]
    processes = distributed.get_world_size() if distributed.is_initialized() else 1
    found = {}
    for name in METHODS:
        for mode in AGGREGATIONS:
            objective = RECIPES[name](aggregation=mode, max_length=6)
            for way in ("objective", "linear"):
                model = wrap(Model())
                rows = rows_of(members, *model(features))
                divisors = objective.divisors(rows).over_processes()
                if way == "objective":
                    loss = objective(rows, divisors=divisors).total
                else:
                    loss = linearise(objective, rows, divisors=divisors).loss(rows.token_log_prob, rows.token_entropy)
                loss.backward()
                (parameter,) = model.parameters()
                found[f"{name} {mode} {way}"] = parameter.grad
    assert processes == len(OF_RANK[processes])
    return found


if __name__ == "__main__":
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    torch.save(gradients(DistributedDataParallel, OF_RANK[2][rank]), folder / f"rank{rank}.pt")
    distributed.destroy_process_group()
