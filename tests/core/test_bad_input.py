"""Bad input, one table: every error names the argument, the value, what was expected and the fix."""

import pytest
import torch
from conftest import fields_of, make_rollouts
from jaxtyping import config

import calibrl_ref as c

NAN, INF = float("nan"), float("inf")
ONES, BOOLS = torch.ones(3), torch.ones(3, dtype=torch.bool)
IDS = torch.zeros(3, dtype=torch.long)
MATRIX, MASK = torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool)


@pytest.fixture(autouse=True)
def _as_a_user_sees_it():
    """Switch the test suite's shape types off: users meet the library's own messages."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


def rollouts_with(**changes):
    return lambda: c.Rollouts(**{**fields_of(make_rollouts(0, requires_grad=False)), **changes})


def spoiled(name, index, value):
    values = fields_of(make_rollouts(0, requires_grad=False))[name].clone()
    values[index] = value
    return rollouts_with(**{name: values})


ROWS = len(make_rollouts(0).group)
CASES = {
    "gap: shapes": (lambda: c.log_prob_gap(ONES, ONES[:2]), "expert_log_prob"),
    "gap: integers": (lambda: c.log_prob_gap(IDS, ONES), "policy_log_prob.dtype"),
    "sign: floats": (lambda: c.correctness_sign(ONES), "correct.dtype"),
    "gate: integers": (lambda: c.leaky_relu_gate(IDS), "x.dtype"),
    "gate: slope negative": (lambda: c.leaky_relu_gate(ONES, slope=-0.1), "slope=-0.1"),
    "gate: slope above one": (lambda: c.leaky_relu_gate(ONES, slope=1.5), "slope=1.5"),
    "gate: slope NaN": (lambda: c.leaky_relu_gate(ONES, slope=NAN), "slope=nan"),
    "gate: slope text": (lambda: c.leaky_relu_gate(ONES, slope="0.5"), "slope='0.5'"),
    "gate: slope bool": (lambda: c.leaky_relu_gate(ONES, slope=True), "slope=True"),
    "weight: integers": (lambda: c.advantage_weight(IDS), "advantage.dtype"),
    "loss: shapes": (lambda: c.exploration_loss(ONES, ONES, BOOLS[:2], ONES), "correct"),
    "advantage: shapes": (lambda: c.group_advantage(ONES, IDS[:2]), "group"),
    "advantage: float groups": (lambda: c.group_advantage(ONES, ONES), "group.dtype"),
    "advantage: NaN": (lambda: c.group_advantage(torch.tensor([0.0, NAN, 1.0]), IDS), r"reward\[1\]=nan"),
    "advantage: integer rewards": (lambda: c.group_advantage(IDS, IDS), "reward.dtype"),
    "advantage: epsilon": (lambda: c.group_advantage(ONES, IDS, std_epsilon=-1.0), "std_epsilon=-1.0"),
    "ratio: shapes": (lambda: c.importance_ratio(ONES, ONES[:2]), "old_token_log_prob"),
    "surrogate: clip_low": (lambda: c.clipped_surrogate(ONES, ONES, clip_low=1.2), "clip_low=1.2"),
    "surrogate: clip_high": (lambda: c.clipped_surrogate(ONES, ONES, clip_high=-0.2), "clip_high=-0.2"),
    "surrogate: dual_clip": (lambda: c.clipped_surrogate(ONES, ONES, dual_clip=0.5), "dual_clip=0.5"),
    "off-policy: shape": (lambda: c.off_policy_surrogate(ONES, ONES, ONES, shape="x"), "shape='x'.*luffy"),
    "aggregate: mode": (lambda: c.aggregate(MATRIX, MASK, mode="mean"), "mode='mean'.*token_mean"),
    "aggregate: shapes": (lambda: c.aggregate(MATRIX, MASK[:1]), "mask"),
    "aggregate: max_length": (lambda: c.aggregate(MATRIX, MASK, max_length=0), "max_length=0"),
    "log-probs: temperature": (lambda: c.token_entropy(MATRIX, temperature=0.0), "temperature=0.0"),
    "log-probs: float tokens": (lambda: c.token_log_probs(MATRIX, torch.ones(2)), "tokens.dtype"),
    "log-probs: outside": (lambda: c.token_log_probs(MATRIX, torch.tensor([0, 3])), "tokens=3"),
    "log-probs: shapes": (lambda: c.token_log_probs(MATRIX, IDS), "tokens"),
    "log-probs: chunk": (
        lambda: c.chunked_token_log_probs(MATRIX[None], MATRIX, IDS[None, :2], chunk_size=0),
        "chunk_size=0",
    ),
    "trajectory: shapes": (lambda: c.trajectory_log_prob(MATRIX, MASK[:1]), "mask"),
    "rollouts: not a tensor": (rollouts_with(group=[0] * ROWS), "group="),
    "rollouts: one dimension": (rollouts_with(token_log_prob=torch.zeros(ROWS)), "token_log_prob.shape"),
    "rollouts: rows": (rollouts_with(advantage=torch.zeros(ROWS + 1)), "advantage.shape"),
    "rollouts: time": (rollouts_with(old_token_log_prob=torch.zeros(ROWS, 9)), "old_token_log_prob.shape"),
    "rollouts: integer log-probs": (rollouts_with(token_log_prob=torch.zeros(ROWS, 5).long()), "token_log_prob.dtype"),
    "rollouts: float mask": (rollouts_with(mask=torch.ones(ROWS, 5)), "mask.dtype"),
    "rollouts: integer correct": (rollouts_with(correct=torch.ones(ROWS).long()), "correct.dtype"),
    "rollouts: float groups": (rollouts_with(group=torch.zeros(ROWS)), "group.dtype"),
    "rollouts: empty row": (spoiled("mask", 4, False), r"mask\[4\]"),
    "rollouts: NaN log-prob": (spoiled("token_log_prob", (3, 0), NAN), r"token_log_prob\[3, 0\]=nan"),
    "rollouts: infinite old log-prob": (
        spoiled("old_token_log_prob", (3, 0), -INF),
        r"old_token_log_prob\[3, 0\]=-inf",
    ),
    "rollouts: NaN advantage": (spoiled("advantage", 2, NAN), r"advantage\[2\]=nan"),
    "rollouts: NaN entropy": (spoiled("token_entropy", (1, 0), NAN), r"token_entropy\[1, 0\]"),
    "rollouts: two experts": (spoiled("is_expert", 0, True), "is_expert='2 True in group 0'"),
    "rollouts: replica splits a group": (rollouts_with(replica=torch.arange(ROWS)), "replica="),
    "select: floats": (lambda: make_rollouts(0).select(torch.ones(ROWS)), "keep.dtype"),
    "select: rows": (lambda: make_rollouts(0).select(BOOLS), "keep.shape"),
    "recipe: slope": (lambda: c.RECIPES["calibrl"](slope=2.0), "slope=2.0"),
    "recipe: weight": (lambda: c.RECIPES["calibrl"](exploration_weight=-1.0), "exploration_weight=-1.0"),
    "recipe: gap": (lambda: c.RECIPES["calibrl"](gap="word"), "gap='word'.*trajectory"),
    "recipe: gate": (lambda: c.RECIPES["calibrl"](gate="elu"), "gate='elu'.*leaky_relu"),
    "recipe: baseline": (lambda: c.RECIPES["calibrl"](baseline="x"), "baseline='x'.*expert"),
    "recipe: aggregation": (lambda: c.RECIPES["grpo"](aggregation="sum"), "aggregation='sum'.*token_mean"),
    "recipe: ratio level": (lambda: c.RECIPES["grpo"](ratio_level="word"), "ratio_level='word'.*sequence"),
    "recipe: keep fraction": (lambda: c.RECIPES["cppo"](keep_fraction=0.0), "keep_fraction=0.0"),
    "recipe: entropy weight": (lambda: c.RECIPES["entropy_bonus"](entropy_weight=NAN), "entropy_weight=nan"),
    "recipe: kl weight": (lambda: c.RECIPES["grpo"](kl_weight=-1.0), "kl_weight=-1.0"),
    "recipe: covariance band": (lambda: c.RECIPES["clip_cov"](lower=2.0, upper=1.0), "upper=1.0"),
    "recipe: fraction": (lambda: c.RECIPES["kl_cov"](fraction=2.0), "fraction=2.0"),
    "recipe: buffer without length": (lambda: c.RECIPES["dapo"](overlong_buffer=4), "max_length=None"),
    "recipe: buffer too long": (lambda: c.RECIPES["dapo"](overlong_buffer=4, max_length=2), "overlong_buffer=4"),
    "recipe: target entropy": (lambda: c.RECIPES["calibrl_adaptive"](target_entropy=-1.0), "target_entropy=-1.0"),
    "objective: no entropy": (
        lambda: c.RECIPES["entropy_bonus"]()(make_rollouts(0, token_entropy=None)),
        "token_entropy=None",
    ),
    "objective: no reference": (
        lambda: c.RECIPES["calibrl_reference_baseline"]()(make_rollouts(0, reference_token_log_prob=None)),
        "reference_token_log_prob=None",
    ),
    "objective: no expert": (lambda: c.RECIPES["sft"]()(make_rollouts(0, experts=False)), "is_expert="),
    "objective: no terms": (
        lambda: c.Objective(terms=(), aggregation=c.RECIPES["grpo"]().aggregation, advantage=c.GroupAdvantage()),
        "terms=",
    ),
    "diagnostics: confidence": (lambda: c.expected_calibration_error(2 * ONES, BOOLS), "confidence=2.0"),
    "diagnostics: no rows": (lambda: c.expected_calibration_error(ONES[:0], BOOLS[:0]), "confidence.shape"),
    "diagnostics: bins": (lambda: c.expected_calibration_error(ONES, BOOLS, bins=0), "bins=0"),
    "diagnostics: slope": (lambda: c.quadrant_table(ONES, BOOLS, slope=3.0), "slope=3.0"),
}


@pytest.mark.parametrize("name", CASES)
def test_error_names_argument_value_and_fix(name):
    call, expected = CASES[name]
    with pytest.raises((ValueError, TypeError), match=rf"(?s){expected}.*Fix: "):
        call()


def test_the_table_is_long_enough():
    assert len(CASES) >= 40


def test_shape_types_are_enforced_in_this_suite():
    config.update("jaxtyping_disable", False)
    with pytest.raises(TypeError, match="Type-check error"):
        c.RECIPES["grpo"]().advantage(MATRIX, IDS, BOOLS)
