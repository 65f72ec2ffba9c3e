"""The peers' own numbers: their losses, gradients, advantages and choices (tests/core/data/SOURCE.md)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from calibrl_ref import RECIPES, Rollouts, token_covariance

FOLDER = Path(__file__).parent / "data" / "peers"
AGGREGATION = {
    "token-mean": "token_mean",
    "seq-mean-token-sum": "sequence_mean_token_sum",
    "seq-mean-token-mean": "sequence_mean_token_mean",
    "seq-mean-token-sum-norm": "constant_length",
}


def read(path):
    with np.load(path) as archive:
        return dict(archive)  # read whole: processes forked from this one would share an open file's position


FILES = {path.stem: read(path) for path in sorted(FOLDER.glob("*.npz"))}
META = {name: json.loads(str(file["__meta__"])) for name, file in FILES.items()}
CASES = [(name, case) for name, cases in META.items() for case in cases]


def arrays(name, case):
    prefix = f"{case}/"
    found = {key.removeprefix(prefix): torch.as_tensor(v) for key, v in FILES[name].items() if key.startswith(prefix)}
    return {key: v.double() if v.is_floating_point() else v for key, v in found.items()}


def hybrid(flags, length):
    clip = None if flags["loss_remove_clip"] else flags["cliprange"]
    return {
        "clip_low": clip,
        "clip_high": clip,
        "scale_by_std": flags["grpo_use_std"],
        "count_expert": flags["adv_estimator"] == "grpo",
        "aggregation": "constant_length_sum" if flags["loss_remove_token_mean"] else "token_mean",
        "max_length": length,
    }


OPTIONS = {
    "luffy": hybrid,
    "rl_plus": hybrid,
    "clip_cov": lambda flags, length: {
        "clip_low": flags["clip_ratio_low"],
        "clip_high": flags["clip_ratio_high"],
        "fraction": flags["clip_cov_ratio"],
        "lower": flags["clip_cov_lb"],
        "upper": flags["clip_cov_ub"],
        "aggregation": AGGREGATION[flags["loss_agg_mode"]],
    },
    "kl_cov": lambda flags, length: {
        "fraction": flags["k_percent"] / 100,
        "kl_weight": float(flags["ppo_kl_coef"]),
        "aggregation": AGGREGATION[flags["loss_agg_mode"]],
    },
    "cppo": lambda flags, length: {"keep_fraction": 1 - flags["pruning"], "kl_weight": flags["beta"]},
    "dapo": lambda flags, length: {
        "dual_clip": flags["clip_ratio_c"],
        "overlong_buffer": flags["overlong_buffer_len"],
        "max_length": length,
        "dynamic_sampling": flags["filter_groups"],
    },
    "dr_grpo": lambda flags, length: {"max_length": length},
    "verl": lambda flags, length: {
        "clip_low": flags["clip_ratio_low"],
        "clip_high": flags["clip_ratio_high"],
        "dual_clip": flags.get("clip_ratio_c"),
        "ratio_level": "sequence" if flags["kind"] == "gspo" else "token",
        "aggregation": AGGREGATION[flags["loss_agg_mode"]],
        "max_length": length,
    },
}
HYBRID_SCRIPT = {
    "loss_remove_clip": True,
    "loss_remove_token_mean": True,
    "grpo_use_std": False,
    "adv_estimator": "grpo",
}
SCRIPTS = {  # the authors' scripts: cases with these flags are what a recipe gives with no option but a length
    "luffy": HYBRID_SCRIPT,
    "rl_plus": HYBRID_SCRIPT,
    "clip_cov": {"clip_ratio_low": 1.0, "clip_cov_ratio": 0.0002, "clip_cov_lb": 1.0, "loss_agg_mode": "token-mean"},
    "kl_cov": {"k_percent": 0.2, "ppo_kl_coef": 1, "loss_agg_mode": "token-mean"},
    "cppo": {"pruning": 0.5, "beta": 0.04},
    "dapo": {"filter_groups": True, "overlong_buffer_len": None},
    "dr_grpo": {},
}
OPTIONAL = {
    "reference_token_log_prob": "reference_logp",
    "token_entropy": "token_entropy",
    "off_policy": "prefix_mask",
}
HAS_LENGTH = {"luffy", "rl_plus", "dr_grpo"}


def is_script(name, case):
    flags = META[name][case]["flags"]
    return name in SCRIPTS and all(flags[key] == value for key, value in SCRIPTS[name].items())


def objective_with_flags(name, case):
    meta = META[name][case]
    return RECIPES["grpo" if name == "verl" else name](**OPTIONS[name](meta["flags"], meta["max_length"]))


def objective_by_default(name, case):
    length = {"max_length": META[name][case]["max_length"]} if name in HAS_LENGTH else {}
    return RECIPES[name](**length)


def rows_in(case_arrays):
    """The rows of the authors' loss: with a token, and not dropped."""
    rows = case_arrays["mask"].any(1)
    return rows & case_arrays["kept"] if "kept" in case_arrays else rows


def rollouts_of(a, leaf, *, padded):
    """The authors' rows; ``padded`` leaves the row without a token in, which then must count for nothing."""
    keep = rows_in(a) | ~a["mask"].any(1) if padded else rows_in(a)
    given = {field: a[name][keep] for field, name in OPTIONAL.items() if name in a}
    return Rollouts(
        token_log_prob=leaf[keep],
        old_token_log_prob=a["old_logp"][keep],
        mask=a["mask"][keep],
        group=a["group"].long()[keep],
        is_expert=a["is_expert"][keep],
        correct=a["reward"][keep] > 0.5,
        advantage=a["advantage"][keep],
        **given,
    )


def agree(actual, expected):
    torch.testing.assert_close(actual.detach(), expected, rtol=1e-7, atol=1e-9)


def loss_and_gradient(objective, a, *, padded=False):
    leaf = a["logp"].clone().requires_grad_()
    losses = objective(rollouts_of(a, leaf, padded=padded))
    return losses, torch.autograd.grad(losses.total, leaf)[0]


def judge(objective, name, case):
    a = arrays(name, case)
    for padded in (False, True):
        losses, grad = loss_and_gradient(objective, a, padded=padded)
        agree(losses.total, a["policy_loss" if "policy_loss" in a else "pg_loss"])
        agree(grad, a["grad_logp"])
        if "policy_loss" in a:
            agree(losses.terms["surrogate"], a["pg_loss"])


DRAWN = [case for case, meta in META["clip_cov"].items() if not meta["deterministic"]]
EMPTY = {(name, case) for name, case in CASES if not rows_in(arrays(name, case)).any()}  # every group was dropped
JUDGED = [case for case in CASES if case not in EMPTY and not (case[0] == "clip_cov" and case[1] in DRAWN)]
# verl gives a group of one its raw score, this project 0: a convention
WITH_ADVANTAGE = [(name, case) for name, case in CASES if not META[name][case].get("group_of_one")]


@pytest.mark.parametrize(("name", "case"), JUDGED)
def test_loss_and_gradient_with_the_authors_flags(name, case):
    judge(objective_with_flags(name, case), name, case)


@pytest.mark.parametrize(("name", "case"), [case for case in JUDGED if is_script(*case)])
def test_loss_and_gradient_by_default_are_those_of_the_authors_script(name, case):
    judge(objective_by_default(name, case), name, case)


@pytest.mark.parametrize(("name", "case"), WITH_ADVANTAGE)
def test_advantages_are_the_authors(name, case):
    builders = [objective_with_flags, objective_by_default][: 1 + is_script(name, case)]
    a = arrays(name, case)
    rows = rows_in(a)
    for objective in (build(name, case) for build in builders):
        reward = a["shaped_reward"] if name == "dapo" else a["reward"]
        advantage = objective.advantage(reward, a["group"].long(), a["is_expert"])
        agree(advantage[rows], a["advantage"][rows])


@pytest.mark.parametrize("case", META["dapo"])
def test_dapo_shapes_and_drops_as_its_authors(case):
    a, objective = arrays("dapo", case), objective_with_flags("dapo", case)
    shaped = objective.shape_reward(a["reward"], a["mask"].sum(1))
    has_tokens = a["mask"].any(1)
    agree(shaped[has_tokens], a["shaped_reward"][has_tokens])
    if not META["dapo"][case]["group_of_one"]:
        kept = objective.keep(shaped, shaped, a["group"].long(), a["is_expert"], a["reward"] == 1)
        assert kept.tolist() == a["kept"].tolist()


@pytest.mark.parametrize("case", [case for case, meta in META["cppo"].items() if not meta["ties"]])
def test_cppo_keeps_its_authors_rows(case):
    """Per group where the code does so too; over the whole batch as released, rounded down as in the verl version."""
    a, meta = arrays("cppo", case), META["cppo"][case]
    fraction = {"keep_fraction": 1 - meta["flags"]["pruning"]}
    every = RECIPES["cppo"](**fraction).advantage(a["reward"], a["group"].long(), a["is_expert"])
    rows = (a["reward"], every, a["group"].long(), a["is_expert"])
    assert RECIPES["cppo_released"](**fraction).keep(*rows).tolist() == a["kept_by_verl_version"].tolist()
    if meta["code_agrees_with_paper"]:
        assert RECIPES["cppo"](**fraction).keep(*rows).tolist() == a["kept"].tolist()


@pytest.mark.parametrize("case", DRAWN)
def test_clip_cov_draws_its_quota_from_the_authors_band(case):
    a, meta = arrays("clip_cov", case), META["clip_cov"][case]
    plain = a["grad_without_selection"]
    _, grad = loss_and_gradient(objective_with_flags("clip_cov", case), a)
    drawn = (plain != 0) & (grad == 0)
    assert not (drawn & ~a["band"]).any()
    assert drawn.sum() == min(meta["quota"], int(a["band"].sum()))
    agree(grad[~drawn], plain[~drawn])


@pytest.mark.parametrize("case", META["kl_cov"])
def test_kl_cov_penalises_the_authors_tokens(case):
    a = arrays("kl_cov", case)
    rollouts = rollouts_of(a, a["logp"], padded=False)
    covariance = token_covariance(rollouts)[rollouts.mask]
    chosen = a["chosen"][rows_in(a)][rollouts.mask]
    assert covariance[chosen].min() >= covariance[~chosen].max()


@pytest.mark.parametrize("name", ["luffy", "rl_plus"])
@pytest.mark.parametrize("case", META["luffy"])
def test_the_bonus_reaches_the_entropy_of_every_token(name, case):
    a = arrays(name, case)
    leaf = a["token_entropy"].clone().requires_grad_()
    rollouts = rollouts_of({**a, "token_entropy": leaf}, a["logp"], padded=False)
    (grad,) = torch.autograd.grad(objective_with_flags(name, case)(rollouts).total, leaf)
    agree(grad, a["grad_entropy"])


def test_rows_that_the_policy_finished_are_among_the_cases():
    mixed = [case for case, meta in META["luffy"].items() if meta["mixed_rows"]]
    a = arrays("luffy", mixed[0])
    assert (a["mask"] & a["is_expert"][:, None] & ~a["prefix_mask"]).any()


def test_a_planted_wrong_constant_is_rejected():
    case = "case_000"
    meta = META["luffy"][case]
    wrong = RECIPES["luffy"](**OPTIONS["luffy"](meta["flags"], meta["max_length"]) | {"gamma": 0.1001})
    with pytest.raises(AssertionError):
        judge(wrong, "luffy", case)
