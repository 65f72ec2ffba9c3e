"""The released code's own numbers: 96 cases of losses and gradients (tests/core/data/SOURCE.md)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from calibrl_ref import (
    RECIPES,
    Rollouts,
    approx_kl,
    clip_fraction,
    dual_clip_fraction,
    group_advantage,
    importance_ratio,
)

with np.load(Path(__file__).parent / "data" / "released_losses.npz") as archive:
    FILE = dict(archive)  # read whole: processes forked from this one would share an open file's position
CASES = json.loads(str(FILE["__meta__"]))
RECIPE_OF_MODE = {
    "standard": "grpo",
    "luffy": "luffy_released",
    "rlplus": "rl_plus_released",
    "expert-guided": "calibrl_released",
}
AGGREGATION = {
    "token-mean": "token_mean",
    "seq-mean-token-sum": "sequence_mean_token_sum",
    "seq-mean-token-mean": "sequence_mean_token_mean",
    "seq-mean-token-sum-norm": "constant_length_sum",
}
LOSS_RTOL, GRADIENT_ATOL = 1e-7, 1e-9


def tensor(case, field):
    return torch.as_tensor(FILE[f"{case}/{field}"])


def released_objective(settings):
    extra = (
        {"slope": settings["slope"], "exploration_weight": settings["exploration_weight"]}
        if settings["mode"] == "expert-guided"
        else {}
    )
    return RECIPES[RECIPE_OF_MODE[settings["mode"]]](
        aggregation=AGGREGATION[settings["aggregation"]],
        clip_low=settings["clip_low"],
        clip_high=settings["clip_high"],
        dual_clip=settings["dual_clip"],
        scale_by_std=settings["scale_advantage_by_std"],
        **extra,
    )


def released_rollouts(case):
    return Rollouts(
        token_log_prob=tensor(case, "logp").clone().requires_grad_(),
        old_token_log_prob=tensor(case, "old_logp"),
        mask=tensor(case, "mask").bool(),
        group=tensor(case, "group").long(),
        is_expert=tensor(case, "is_expert").bool(),
        correct=tensor(case, "correct").bool(),
        advantage=row_advantage(case),
    )


def row_advantage(case):
    advantage = tensor(case, "advantage")
    if advantage.dim() == 1:
        return advantage
    return advantage[torch.arange(len(advantage)), tensor(case, "mask").long().argmax(-1)]


@pytest.mark.parametrize("case", sorted(CASES))
def test_losses_and_gradient_equal_the_released_codes(case):
    rollouts = released_rollouts(case)
    losses = released_objective(CASES[case])(rollouts)
    (gradient,) = torch.autograd.grad(losses.total, rollouts.token_log_prob)
    expected = {"surrogate": "surrogate_loss", "exploration": "exploration_loss"}
    weight = {"surrogate": 1.0, "exploration": CASES[case]["exploration_weight"]}
    for name, share in losses.terms.items():
        torch.testing.assert_close(share, weight[name] * tensor(case, expected[name]), rtol=LOSS_RTOL, atol=1e-12)
    torch.testing.assert_close(losses.total, tensor(case, "total_loss"), rtol=LOSS_RTOL, atol=1e-12)
    torch.testing.assert_close(gradient, tensor(case, "grad_logp"), rtol=0.0, atol=GRADIENT_ATOL)


@pytest.mark.parametrize("case", sorted(CASES))
def test_advantage_equals_the_released_codes(case):
    settings = CASES[case]
    advantage = group_advantage(
        tensor(case, "score"),
        tensor(case, "group").long(),
        tensor(case, "is_expert").bool(),
        scale_by_std=settings["scale_advantage_by_std"],
    )
    torch.testing.assert_close(advantage, row_advantage(case), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", sorted(CASES))
def test_statistics_equal_the_released_codes(case):
    logp, old, mask = tensor(case, "logp"), tensor(case, "old_logp"), tensor(case, "mask").bool()
    ratio, advantage = importance_ratio(logp, old), row_advantage(case).unsqueeze(-1).expand_as(logp)
    settings = CASES[case]
    clip = {"clip_low": settings["clip_low"], "clip_high": settings["clip_high"]}
    close = {"rtol": LOSS_RTOL, "atol": 1e-12}
    torch.testing.assert_close(
        clip_fraction(ratio, advantage, mask, **clip), tensor(case, "clip_fraction").double(), rtol=1e-6, atol=1e-7
    )
    torch.testing.assert_close(
        dual_clip_fraction(ratio, advantage, mask, dual_clip=settings["dual_clip"]),
        tensor(case, "dual_clip_fraction").double(),
        rtol=1e-6,
        atol=1e-7,
    )
    torch.testing.assert_close(approx_kl(logp, old, mask), tensor(case, "approx_kl"), **close)


def test_a_planted_wrong_slope_is_rejected():
    case = next(name for name, settings in CASES.items() if settings["mode"] == "expert-guided")
    wrong = released_objective({**CASES[case], "slope": CASES[case]["slope"] + 1e-3})(released_rollouts(case))
    with pytest.raises(AssertionError):
        torch.testing.assert_close(wrong.total, tensor(case, "total_loss"), rtol=LOSS_RTOL, atol=1e-12)
