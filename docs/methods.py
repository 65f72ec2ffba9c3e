"""The methods side by side: ``python docs/methods.py`` writes ``docs/methods.md`` from the recipes themselves.

What is compared, and where the gradient flows, is read off each recipe's objective on a small batch; the sources are
those of the docstrings; what a method was verified by is read off the numbers that lie in ``tests/core/data``.
"""

import inspect
import json
import re
from pathlib import Path

import numpy as np
import torch

from calibrl_ref import RECIPES, Objective, Rollouts, VerdictAdvantage

PAGE = Path(__file__).with_suffix(".md")
DATA = Path(__file__).parents[1] / "tests" / "core" / "data"

IDEAS = {
    "grpo": "clip the ratio, compare within the group",
    "dr_grpo": "GRPO without deviation and length division",
    "dapo": "clip higher, drop groups of one outcome",
    "cppo": "update only where the advantage is large",
    "cppo_released": "CPPO with one ranking of the batch",
    "entropy_bonus": "GRPO plus a reward for indecision",
    "entropy_coefficient": "an entropy bonus only below a target",
    "entropy_target": "the entropy bonus holds an entropy",
    "clip_cov": "freeze few tokens that drive entropy down",
    "kl_cov": "brake the tokens that drive entropy down",
    "sft": "imitate the expert",
    "luffy": "the expert is a shaped group member",
    "rl_plus": "the expert by multiple importance sampling",
    "luffy_released": "LUFFY as CalibRL's code runs it",
    "rl_plus_released": "RL-PLUS as CalibRL's code runs it",
    "cispo": "truncate the weight, keep every gradient",
    "gspo": "one ratio for the whole response",
    "sapo": "let the gradient fade instead of ending",
    "w_reinforce": "punish wrong answers, reward right ones little",
    "ace": "punish wrong answers that grew confident",
    "top_entropy": "train only the undecided fifth of tokens",
    "chord": "imitation mixed in, weighted by doubt",
    "hpt": "imitate what fails, reinforce the rest",
    "srft": "imitate and reinforce, weighted by entropy",
    "pivot": "an own earlier success is the expert",
    "calibrl": "the expert is a reference, not target",
    "calibrl_released": "CalibRL token by token, the expert detached",
    "calibrl_relu": "nothing beyond the expert's level",
    "calibrl_linear": "no gate",
    "calibrl_softplus": "a gate without a kink",
    "calibrl_sigmoid": "a gate that saturates",
    "calibrl_unweighted": "no weighting by the advantage",
    "calibrl_length_normalised": "the gap per token",
    "calibrl_reference_baseline": "a frozen policy instead of the expert",
    "calibrl_random_gate": "control: the gate is a coin",
    "calibrl_shuffled_expert": "control: another prompt's expert",
    "calibrl_dr_grpo": "CalibRL on Dr.GRPO",
    "calibrl_dapo": "CalibRL on DAPO",
    "calibrl_cppo": "CalibRL on CPPO",
    "calibrl_adaptive": "the slope holds an entropy",
}
FROM_TEXT = {"ace", "pivot"}  # of these there are numbers too, but of our own reading
BASELINES = {
    "expert": "the expert",
    "old_expert": "the old policy's expert",
    "shuffled_expert": "another prompt's expert",
    "reference": "the frozen policy's",
    "precomputed_expert": "the expert",
}
LEVELS = {
    "trajectory": "whole response",
    "trajectory_mean": "response per token",
    "token_aligned": "token t",
    "anchor_mean": "token",
}


def batch() -> Rollouts:
    """Two prompts, each with two right answers, two wrong ones and an expert's; the ratios are off 1."""
    generator = torch.Generator().manual_seed(0)
    log_prob = -2.0 * torch.rand(10, 4, generator=generator, dtype=torch.float64) - 0.1
    noise = 0.05 * torch.randn(10, 4, generator=generator, dtype=torch.float64)
    position = torch.arange(10) % 5
    return Rollouts(
        token_log_prob=log_prob.requires_grad_(),
        old_token_log_prob=(log_prob + noise).clamp(max=0.0),
        mask=torch.ones(10, 4, dtype=torch.bool),
        group=torch.arange(10) // 5,
        is_expert=position == 4,
        correct=(position < 2) | (position == 4),
        advantage=torch.tensor([0.9, 0.8, -0.7, -1.0, 0.5] * 2, dtype=torch.float64),
        token_entropy=torch.rand(10, 4, generator=generator, dtype=torch.float64),
        reference_token_log_prob=log_prob.detach() - 0.1,
    )


def compared(objective: Objective) -> str:
    """Which things a method sets side by side."""
    if not any(term.name == "surrogate" for term in objective.terms):
        return "nothing"
    verdict = isinstance(objective.advantage, VerdictAdvantage)
    parts = ["an answer with its verdict" if verdict else "an answer with its group"]
    if (exploration := objective.exploration) is not None:
        parts.append(f"its {LEVELS[exploration.gap]} with {BASELINES[exploration.baseline]}")
    return "; ".join(parts)


def gradient_flows(objective: Objective) -> str:
    """Into which kinds of row a gradient flows, on the batch above."""
    rollouts = batch()
    (gradient,) = torch.autograd.grad(
        objective(rollouts).total, rollouts.token_log_prob, allow_unused=True, materialize_grads=True
    )
    moved = gradient.abs().sum(1) > 0
    kinds = {
        "right": rollouts.correct & ~rollouts.is_expert,
        "wrong": ~rollouts.correct & ~rollouts.is_expert,
        "expert": rollouts.is_expert,
    }
    return ", ".join(kind for kind, rows in kinds.items() if bool((moved & rows).any())) or "nowhere"


def source(name: str) -> str:
    """The reference of the recipe's docstring, up to its first semicolon or bracket."""
    text = inspect.getdoc(RECIPES[name]) or ""
    reference = re.search(r"Reference:\n(.*)", text, re.DOTALL)
    words = " ".join(reference.group(1).split()) if reference else ""
    return re.split(r";| \(|: no code|, with |, which|, the combination", words)[0].rstrip(".")


def of_their_code() -> set[str]:
    """The recipes whose numbers were compared with their authors' own code's."""
    with np.load(DATA / "released_losses.npz") as file:
        modes = {case["mode"] for case in json.loads(str(file["__meta__"])).values()}
    of_mode = {"luffy": "luffy_released", "rlplus": "rl_plus_released", "expert-guided": "calibrl_released"}
    return (
        {of_mode[mode] for mode in modes & set(of_mode)}
        | {path.stem for path in DATA.glob("peers*/*.npz")}
        | {"cppo_released"}
    )  # the rows that it keeps are in cppo.npz


def verified(name: str) -> str:
    """By what a method's numbers were checked."""
    if name in FROM_TEXT:
        return "the text's formula; no code found"
    if name in of_their_code():
        return "its authors' code"
    return "TRL's own loss" if name == "grpo" else "by hand and by a loop"


def written() -> str:
    """The page."""
    rows = [
        f"| `{name}` | {IDEAS[name]} | {compared(RECIPES[name]())} | {gradient_flows(RECIPES[name]())} "
        f"| {source(name)} | {verified(name)} |"
        for name in RECIPES
    ]
    return "\n".join(
        [
            "# Methods",
            "",
            "Every recipe of `calibrl_ref.RECIPES`. Which rows a gradient reaches (right and wrong answers of the",
            "policy, the expert's) is what its objective gives on a small batch. Written by `python docs/methods.py`.",
            "",
            "| method | idea | what is compared | gradient into | source | verified by |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
