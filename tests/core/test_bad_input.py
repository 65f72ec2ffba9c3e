"""Bad input: every error names the argument, the value, what was expected and the fix.

The whole text of every message is in data/messages.json, so that no change of one goes unseen:
``python tests/core/test_bad_input.py`` writes that file anew; read its difference before you commit it.
"""

import json
from pathlib import Path

import pytest
import torch
from conftest import fields_of, make_rollouts
from jaxtyping import config
from public_functions import CALLS

import calibrl_ref as c

NAN, INF = float("nan"), float("inf")
ONES, BOOLS = torch.ones(3), torch.ones(3, dtype=torch.bool)
IDS = torch.zeros(3, dtype=torch.long)
MATRIX, MASK = torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool)


@pytest.fixture(autouse=True)
def _as_a_user_sees_it():
    """Switch shape types off, where they are checked (``make test-shapes``): users meet the library's own messages."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


def rollouts_with(**changes):
    return lambda: c.Rollouts(**{**fields_of(make_rollouts(0, requires_grad=False)), **changes})


def spoiled(name, index, value):
    values = fields_of(make_rollouts(0, requires_grad=False))[name].clone()
    values[index] = value
    return rollouts_with(**{name: values})


def keep(selection=None, **changes):
    given = {"reward": ONES, "advantage": ONES, "group": IDS, "is_expert": BOOLS} | changes
    return (selection or c.RECIPES["grpo"]().keep)(**given)


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
    "advantage: float is_expert": (lambda: c.group_advantage(ONES, IDS, ONES), "is_expert.dtype"),
    "advantage: short is_expert": (lambda: c.group_advantage(ONES, IDS, BOOLS[:2]), "is_expert"),
    "advantage: NaN": (lambda: c.group_advantage(torch.tensor([0.0, NAN, 1.0]), IDS), r"reward\[1\]=nan"),
    "advantage: integer rewards": (lambda: c.group_advantage(IDS, IDS), "reward.dtype"),
    "advantage: epsilon": (lambda: c.group_advantage(ONES, IDS, std_epsilon=-1.0), "std_epsilon=-1.0"),
    "ratio: shapes": (lambda: c.importance_ratio(ONES, ONES[:2]), "old_token_log_prob"),
    "surrogate: clip_low": (lambda: c.clipped_surrogate(ONES, ONES, clip_low=1.2), "clip_low=1.2"),
    "surrogate: clip_high": (lambda: c.clipped_surrogate(ONES, ONES, clip_high=-0.2), "clip_high=-0.2"),
    "surrogate: dual_clip": (lambda: c.clipped_surrogate(ONES, ONES, dual_clip=0.5), "dual_clip=0.5"),
    "off-policy: shape": (lambda: c.off_policy_surrogate(ONES, ONES, ONES, shape="x"), "shape='x'.*luffy"),
    "exploration: a row's slope": (lambda: c.Exploration(slope=torch.tensor([0.0, 1.0, 2.0])), "slope=2.0"),
    "aggregation: mode": (lambda: c.Aggregation(mode="mean"), "aggregation='mean'"),
    "aggregation: max_length": (lambda: c.Aggregation(mode="constant_length", max_length=0), "max_length=0"),
    "aggregate: mode": (lambda: c.aggregate(MATRIX, MASK, mode="mean"), "mode='mean'.*token_mean"),
    "aggregate: mode, divisor given": (
        lambda: c.aggregate(MATRIX, MASK, mode="mean", divisor=torch.ones(())),
        "mode='mean'",
    ),
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
    "rollouts: positive log-prob": (spoiled("token_log_prob", (3, 0), 0.01), r"token_log_prob\[3, 0\]=0.01.*most 0"),
    "rollouts: positive old": (
        spoiled("old_token_log_prob", (3, 0), 2.0),
        r"old_token_log_prob\[3, 0\]=2.0.*at most 0",
    ),
    "rollouts: positive reference": (
        spoiled("reference_token_log_prob", (3, 0), 2.0),
        r"reference_token_log_prob\[3, 0\]=2.0.*at most 0",
    ),
    "rollouts: positive sampler": (
        rollouts_with(sampler_token_log_prob=torch.full((ROWS, 5), 0.5)),
        r"sampler_token_log_prob\[0, 0\]=0.5.*at most 0",
    ),
    "rollouts: bf16, far above zero": (
        rollouts_with(old_token_log_prob=torch.full((ROWS, 5), 0.25, dtype=torch.bfloat16)),
        r"old_token_log_prob\[0, 0\]=0.25.*at most 0",
    ),
    "rollouts: positive expert": (rollouts_with(expert_log_prob=torch.ones(ROWS)), r"expert_log_prob\[0\]=1.0"),
    "rollouts: infinite expert": (
        rollouts_with(expert_log_prob=torch.full((ROWS,), -INF)),
        r"expert_log_prob\[0\]=-inf.*finite",
    ),
    "rollouts: float off-policy": (rollouts_with(off_policy=torch.ones(ROWS, 5)), "off_policy.dtype"),
    "rollouts: off-policy by row": (rollouts_with(off_policy=torch.ones(ROWS) > 0), "off_policy.shape"),
    "rollouts: float row ids": (rollouts_with(row_id=torch.ones(ROWS)), "row_id.dtype"),
    "rollouts: NaN log-prob": (spoiled("token_log_prob", (3, 0), NAN), r"token_log_prob\[3, 0\]=nan"),
    "rollouts: infinite old log-prob": (
        spoiled("old_token_log_prob", (3, 0), -INF),
        r"old_token_log_prob\[3, 0\]=-inf",
    ),
    "rollouts: NaN advantage": (spoiled("advantage", 2, NAN), r"advantage\[2\]=nan"),
    "rollouts: NaN entropy": (spoiled("token_entropy", (1, 0), NAN), r"token_entropy\[1, 0\]"),
    "rollouts: reference of the wrong type, no entropy": (
        rollouts_with(token_entropy=None, reference_token_log_prob=torch.zeros(ROWS, 5).long()),
        "reference_token_log_prob.dtype",
    ),
    "rollouts: float replica, no entropy": (
        rollouts_with(token_entropy=None, replica=torch.zeros(ROWS)),
        "replica.dtype",
    ),
    "objective: no precomputed expert": (
        lambda: c.RECIPES["calibrl"](baseline="precomputed_expert")(make_rollouts(0)),
        "expert_log_prob=None",
    ),
    "objective: precomputed expert per token of length": (
        lambda: c.RECIPES["calibrl"](baseline="precomputed_expert", gap="trajectory_mean")(
            make_rollouts(0, expert_log_prob=-torch.ones(ROWS))
        ),
        "gap=.*trajectory",
    ),
    "objective: precomputed expert by token": (
        lambda: c.RECIPES["calibrl"](baseline="precomputed_expert", gap="token_aligned")(
            make_rollouts(0, expert_log_prob=-torch.ones(ROWS))
        ),
        "gap=.*trajectory",
    ),
    "rollouts: replica splits a group": (rollouts_with(replica=torch.arange(ROWS)), "replica="),
    "rollouts: replica splits a pair": (
        lambda: make_rollouts(0, groups=1, size=1, replica=torch.tensor([0, 1])),
        "replica='group 0 in two replicas'",
    ),
    "rollouts: replica splits the last group": (
        lambda: make_rollouts(0, groups=2, size=1, replica=torch.tensor([0, 0, 0, 1])),
        "replica='group 1 in two replicas'",
    ),
    "select: floats": (lambda: make_rollouts(0).select(torch.ones(ROWS)), "keep.dtype"),
    "select: rows": (lambda: make_rollouts(0).select(BOOLS), "keep.shape"),
    "top entropy: replica": (
        lambda: c.top_entropy_tokens(torch.ones(2, 3), torch.ones(2, 3) > 0, replica=torch.tensor([0])),
        "replica.shape",
    ),
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
    "recipe: buffer of nothing": (
        lambda: c.RECIPES["dapo"](overlong_buffer=0, max_length=2),
        "overlong_buffer=0",
    ),
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
    "objective: no terms": (
        lambda: c.Objective(terms=(), aggregation=c.RECIPES["grpo"]().aggregation, advantage=c.GroupAdvantage()),
        "terms=",
    ),
    "objective: divisors with replicas": (
        lambda: c.RECIPES["grpo"]()(
            make_rollouts(0, replica=torch.zeros(ROWS, dtype=torch.long)), divisors=(torch.ones(()),)
        ),
        "divisors='given'",
    ),
    "objective: keep, short reward": (lambda: keep(reward=ONES[:2]), "reward"),
    "objective: keep, short advantage": (lambda: keep(advantage=ONES[:2]), "advantage"),
    "objective: keep, short group": (lambda: keep(group=IDS[:2]), "group"),
    "objective: keep, short is_expert": (lambda: keep(is_expert=BOOLS[:2]), "is_expert"),
    "switch: short reward": (lambda: keep(c.SwitchBySuccess(), reward=ONES[:2]), "reward, group, is_expert="),
    "switch: short group": (lambda: keep(c.SwitchBySuccess(), group=IDS[:2]), "reward, group, is_expert="),
    "switch: short is_expert": (lambda: keep(c.SwitchBySuccess(), is_expert=BOOLS[:2]), "reward, group, is_expert="),
    "informative: float correct": (lambda: keep(c.informative_groups, correct=ONES), "correct.dtype"),
    "informative: short correct": (lambda: keep(c.informative_groups, correct=BOOLS[:2]), "correct"),
    "informative: shaped reward": (lambda: keep(c.informative_groups, reward=1.5 * ONES), "correct=None.*reward=1.5"),
    "objective: length, short": (lambda: c.RECIPES["grpo"]().shape_reward(ONES, IDS[:2]), "length"),
    "objective: reward, short": (lambda: c.RECIPES["grpo"]().shape_reward(ONES[:2], IDS), "reward"),
    "prune: short advantage": (lambda: keep(c.PruneByAdvantage(), advantage=ONES[:2]), "advantage"),
    "prune: short group": (lambda: keep(c.PruneByAdvantage(), group=IDS[:2]), "group"),
    "prune: short is_expert": (lambda: keep(c.PruneByAdvantage(), is_expert=BOOLS[:2]), "is_expert"),
    "prune: too much": (lambda: c.PruneByAdvantage(keep_fraction=1.01), "keep_fraction=1.01"),
    "penalty: max_length": (lambda: c.OverlongPenalty(max_length=0, buffer=1), "max_length=0"),
    "penalty: buffer": (lambda: c.OverlongPenalty(max_length=4, buffer=0), "overlong_buffer=0"),
    "controller: rate": (lambda: c.SlopeController(target_entropy=1.0, rate=-0.1), "adaptation_rate=-0.1"),
    "estimator: epsilon": (lambda: c.GroupAdvantage(std_epsilon=-1.0), "std_epsilon=-1.0"),
    "term: clip_low": (lambda: c.ClippedSurrogate(clip_low=1.1), "clip_low=1.1"),
    "term: clip_high": (lambda: c.ClippedSurrogate(clip_high=-0.1), "clip_high=-0.1"),
    "term: dual_clip": (lambda: c.ClippedSurrogate(dual_clip=0.9), "dual_clip=0.9"),
    "term: gamma": (lambda: c.HybridSurrogate(on_policy=c.ClippedSurrogate(), gamma=-0.1), "gamma=-0.1"),
    "term: mismatch cap": (lambda: c.ClippedSurrogate(mismatch_cap=0.9), "mismatch_cap=0.9"),
    "term: imitation weight": (lambda: c.Imitation(weight=-1.0), "imitation_weight=-1.0"),
    "term: shape": (lambda: c.HybridSurrogate(on_policy=c.ClippedSurrogate(), shape="x"), "shape='x'"),
    "term: weight of a row": (lambda: c.Exploration(weight=torch.tensor([0.1, -0.2])), "exploration_weight=-0.2"),
    "term: slope of a row": (lambda: c.Exploration(slope=torch.tensor([0.1, 1.5])), "slope=1.5"),
    "clip-cov: fraction": (lambda: c.ClipCovSurrogate(fraction=1.5), "fraction=1.5"),
    "clip-cov: lower": (lambda: c.ClipCovSurrogate(lower=NAN), "lower=nan"),
    "clip-cov: upper": (lambda: c.ClipCovSurrogate(lower=2.0, upper=1.9), "upper=1.9"),
    "clip-cov: clip_low": (lambda: c.ClipCovSurrogate(clip_low=1.1), "clip_low=1.1"),
    "clip-cov: clip_high": (lambda: c.ClipCovSurrogate(clip_high=-0.1), "clip_high=-0.1"),
    "kl-cov: fraction": (lambda: c.KLCovSurrogate(fraction=-0.1), "fraction=-0.1"),
    "kl-cov: weight": (lambda: c.KLCovSurrogate(weight=-0.1), "kl_weight=-0.1"),
    "kl penalty: no reference": (
        lambda: c.RECIPES["grpo"](kl_weight=0.1)(make_rollouts(0, reference_token_log_prob=None)),
        "reference_token_log_prob=None",
    ),
    "schedule: shares": (lambda: c.Schedule(((c.RECIPES["grpo"](), 0.5),)), "shares"),
    "schedule: name": (lambda: c.Schedule.named("ppo"), "method='ppo'"),
    "schedule: hyper-parameter": (
        lambda: c.Schedule.named("sft_grpo", slope=0.1),
        "hyper-parameter of sft_grpo='slope'",
    ),
    "method: no value": (lambda: c.read_method("calibrl:slope"), "method='calibrl:slope'"),
    "method: no number": (lambda: c.read_method("calibrl:slope=high"), "slope='high'"),
    "method: hyper-parameter": (lambda: c.read_method("calibrl:slpe=0.1"), "hyper-parameter of calibrl='slpe'"),
    "diagnostics: confidence": (lambda: c.expected_calibration_error(2 * ONES, BOOLS), "confidence=2.0"),
    "diagnostics: no rows": (lambda: c.expected_calibration_error(ONES[:0], BOOLS[:0]), "confidence.shape"),
    "diagnostics: bins": (lambda: c.expected_calibration_error(ONES, BOOLS, bins=0), "bins=0"),
    "diagnostics: slope": (lambda: c.quadrant_table(ONES, BOOLS, slope=3.0), "slope=3.0"),
}


def faults():
    """Every argument of every public function: one row short, of a wrong type, out of its range."""
    for call in CALLS:
        for name, value in call.tensors().items():
            wrong_type = value.long() if value.is_floating_point() else value.double()
            yield f"{call.name}: short {name}", lambda c=call, n=name, v=value: c(**{n: v[:-1]})
            yield f"{call.name}: type of {name}", lambda c=call, n=name, v=wrong_type: c(**{n: v})
        for name, default in call.defaults.items():
            if isinstance(default, float | int | str) and not isinstance(default, bool):
                for value in (-7.0, 0.0, 0.4, 5.0, NAN, "x"):
                    yield f"{call.name}: {name}={value}", lambda c=call, n=name, v=value: c(**{n: v})


def messages():
    """The message of every case, and of every fault that a function refuses."""
    found = {}
    for name, call in [*((name, case[0]) for name, case in CASES.items()), *faults()]:
        try:
            call()
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def test_every_refusal_says_what_to_do():
    assert [name for name, message in messages().items() if "Fix: " not in message] == []


MESSAGES = Path(__file__).parent / "data" / "messages.json"


def test_messages_are_those_on_file():
    assert messages() == json.loads(MESSAGES.read_text())


@pytest.mark.parametrize("name", CASES)
def test_error_names_argument_value_and_fix(name):
    call, expected = CASES[name]
    with pytest.raises((ValueError, TypeError), match=rf"(?s){expected}.*Fix: "):
        call()


def test_the_table_is_long_enough():
    assert len(CASES) >= 40


if __name__ == "__main__":
    MESSAGES.write_text(json.dumps(messages(), indent=1, sort_keys=True) + "\n")
