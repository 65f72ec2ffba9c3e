"""One update, however it is cut: every recipe's loss, gradient and metrics are the same."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from batches import Tables, random_batch

from calibrl_ref import BASELINES, RECIPES, Baseline
from calibrl_ref.terms import OnPolicyTerm
from full_scale.training.rollouts import pruned
from full_scale.training.update import MicroBatch, Update, cut

GROUPS = 4
ORDER = [2, 0, 3, 1]


def options(name):
    return {"max_length": 6} if name in ("dr_grpo", "luffy", "rl_plus") else {}


def cut_into(batch, parts, *, whole_groups):
    return cut(batch, ORDER, updates=1, parts=parts, whole_groups=whole_groups, spare=batch.take([0]))


def updated(objective, parts, *, whole_groups, policy=None, score_fixed=None):
    """Loss, gradient and metrics of one update."""
    policy = policy or Tables()
    update = Update(objective, parts, whole_groups=whole_groups, peek=policy.score)
    losses = [update.loss(part, policy.score, score_fixed=score_fixed) for part in update.micro_batches]
    torch.stack(losses).sum().backward()
    return sum(loss.item() for loss in losses), policy.logits.grad, update.metrics()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_one_loss_gradient_and_metrics_however_the_update_is_cut(name):
    objective = RECIPES[name](**options(name))
    batch = pruned(random_batch(GROUPS), objective)
    whole = updated(objective, cut_into(batch, 1, whole_groups=True), whole_groups=True)
    assert whole[1].abs().max() > 1e-4
    cuts = [(parts, False) for parts in (1, 2, 5, 16)]
    cuts += [] if objective.scope == "batch" else [(parts, True) for parts in (2, 4, 6)]
    for parts, whole_groups in cuts:
        loss, gradient, metrics = updated(
            objective, cut_into(batch, parts, whole_groups=whole_groups), whole_groups=whole_groups
        )
        assert loss == pytest.approx(whole[0], abs=1e-12), (parts, whole_groups)
        torch.testing.assert_close(gradient, whole[1], atol=1e-12, rtol=1e-9)
        assert metrics == pytest.approx(whole[2], abs=1e-6), (parts, whole_groups)


def nearest(rollouts):
    """A baseline from everywhere: the response whose log-probability is next above the row's, in any group."""
    total = rollouts.token_log_prob.sum(1)
    above = torch.where(total.unsqueeze(0) > total.unsqueeze(1), total.unsqueeze(0), math.inf).min(1)
    return Baseline(
        token_log_prob=rollouts.token_log_prob[above.indices],
        mask=rollouts.mask[above.indices],
        present=above.values.isfinite(),
    )


@dataclass(frozen=True, kw_only=True)
class Unlike(OnPolicyTerm):
    """Every token costs what its log-probability differs from the batch's mean, squared."""

    name: ClassVar[str] = "unlike"

    def __call__(self, rollouts):
        counted = rollouts.mask & ~rollouts.is_expert.unsqueeze(1)
        return (rollouts.token_log_prob - rollouts.token_log_prob[counted].mean()) ** 2


@pytest.mark.parametrize("kind", ["baseline", "term"])
def test_a_users_baseline_and_term_that_look_across_groups_are_never_cut_wrongly(monkeypatch, kind):
    """Neither says so: what says nothing is taken to compare the whole batch."""
    monkeypatch.setitem(BASELINES, "nearest", nearest)
    objective = RECIPES["calibrl"](baseline="nearest", exploration_weight=1.0)
    if kind == "term":
        objective = replace(RECIPES["grpo"](), terms=(*RECIPES["grpo"]().terms, Unlike()))
    batch = pruned(random_batch(GROUPS), objective)
    whole = updated(objective, cut_into(batch, 1, whole_groups=True), whole_groups=True)
    assert objective.scope == "batch"
    for parts in (2, 5):
        loss, gradient, _ = updated(objective, cut_into(batch, parts, whole_groups=False), whole_groups=False)
        assert loss == pytest.approx(whole[0], abs=1e-12)
        torch.testing.assert_close(gradient, whole[1], atol=1e-12, rtol=1e-9)
    with pytest.raises(ValueError, match="Fix: use linearise"):
        updated(objective, cut_into(batch, 4, whole_groups=True), whole_groups=True)


@pytest.mark.parametrize("name", ["calibrl", "luffy_released"])
def test_a_sampler_that_disagrees_is_corrected_for_however_the_update_is_cut(name):
    objective, plain = RECIPES[name](mismatch_cap=1.3), RECIPES[name]()
    batch = pruned(random_batch(GROUPS), objective)
    whole = updated(objective, cut_into(batch, 1, whole_groups=True), whole_groups=True)
    assert (whole[1] - updated(plain, cut_into(batch, 1, whole_groups=True), whole_groups=True)[1]).abs().max() > 1e-4
    for parts, whole_groups in ((2, True), (5, False)):
        found = updated(objective, cut_into(batch, parts, whole_groups=whole_groups), whole_groups=whole_groups)
        torch.testing.assert_close(found[1], whole[1], atol=1e-12, rtol=1e-9)
    own = batch.response_mask.bool() & ~batch.is_expert.unsqueeze(1)
    gap = (batch.sampler_log_prob - batch.old_log_prob).abs()[own]
    assert whole[2]["sampler_gap/mean"] == pytest.approx(gap.mean().item(), abs=1e-6)
    assert whole[2]["sampler_gap/max"] == pytest.approx(gap.max().item(), abs=1e-6)


def test_the_whole_update_is_the_objective_itself():
    objective = RECIPES["calibrl"]()
    batch = pruned(random_batch(GROUPS), objective)
    policy = Tables()
    wanted = objective(batch.rollouts(*policy.score(batch)))
    wanted.total.backward()
    loss, gradient, metrics = updated(objective, cut_into(batch, 3, whole_groups=False), whole_groups=False)
    assert loss == pytest.approx(wanted.total.item(), abs=1e-12)
    torch.testing.assert_close(gradient, policy.logits.grad, atol=1e-12, rtol=1e-9)
    assert metrics["loss/exploration"] == pytest.approx(wanted.terms["exploration"].item(), abs=1e-6)


def test_each_micro_batch_reports_an_equal_share_where_groups_are_split():
    objective = RECIPES["grpo"]()
    batch = pruned(random_batch(GROUPS, experts=False), objective)
    policy = Tables()
    update = Update(objective, cut_into(batch, 4, whole_groups=False), whole_groups=False, peek=policy.score)
    shares = [update.loss(part, policy.score).item() for part in update.micro_batches]
    assert shares == pytest.approx([shares[0]] * 4)
    assert shares[0] != 0.0


def test_a_process_without_rows_calls_the_model_and_adds_nothing():
    objective = RECIPES["grpo"]()
    batch = pruned(random_batch(2, experts=False), objective)
    called = []

    def score(rows):
        called.append(len(rows))
        return Tables().score(rows)

    parts = cut(batch, [0, 1], updates=1, parts=3, whole_groups=True, spare=batch.take([5]))
    assert [part.idle for part in parts] == [False, False, True]
    update = Update(objective, parts, whole_groups=True, peek=score)
    loss = update.loss(update.micro_batches[2], score)
    assert called == [1]
    assert loss.item() == 0.0
    assert loss.requires_grad


def test_an_update_without_any_row_is_zero():
    objective = RECIPES["calibrl_dapo"]()
    spare = random_batch(1).take([0])
    for whole_groups in (True, False):
        idle = [MicroBatch(rows=spare, idle=True)] * 2
        loss, gradient, metrics = updated(objective, idle, whole_groups=whole_groups)
        assert loss == 0.0
        assert gradient.abs().max() == 0.0
        assert metrics == {"loss/surrogate": 0.0, "loss/exploration": 0.0}


@pytest.mark.parametrize(
    ("name", "changes", "moved"),
    [
        ("calibrl_released", {}, False),
        ("calibrl", {"detach_expert": True}, False),
        ("calibrl", {}, True),
        ("luffy", {"max_length": 6}, True),
        ("sft", {}, True),
    ],
)
def test_an_expert_is_spared_its_backward_pass_only_where_it_has_no_derivative(name, changes, moved):
    objective = RECIPES[name](**changes)
    batch = pruned(random_batch(GROUPS), objective)
    policy = Tables()
    split = Update(objective, cut_into(batch, 4, whole_groups=False), whole_groups=False, peek=policy.score)
    derivatives = torch.cat([part.derivatives[0][part.rows.is_expert] for part in split.micro_batches])
    assert bool(derivatives.abs().max() > 1e-6) == objective.moves_expert == moved
    fixed = []

    def score_fixed(rows):
        assert not torch.is_grad_enabled()
        fixed.append(rows.is_expert.tolist())
        return policy.score(rows)

    whole = updated(objective, cut_into(batch, 2, whole_groups=True), whole_groups=True)
    spared = updated(
        objective, cut_into(batch, 2, whole_groups=True), whole_groups=True, policy=policy, score_fixed=score_fixed
    )
    assert fixed == ([] if moved else [[True, True]] * 2)
    assert spared[0] == pytest.approx(whole[0], abs=1e-12)
    torch.testing.assert_close(spared[1], whole[1], atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("whole_groups", [True, False])
@pytest.mark.parametrize("spoilt", ["log_prob", "entropy", "old", "reference", "sampler"])
def test_a_number_that_is_not_finite_makes_the_gradient_nan(whole_groups, spoilt):
    objective = RECIPES["calibrl"]()
    batch = pruned(random_batch(GROUPS), objective)
    policy = Tables()
    spoil = torch.zeros_like(batch.old_log_prob)
    spoil[0, 0] = math.inf
    if spoilt == "old":
        batch = replace(batch, old_log_prob=batch.old_log_prob + spoil)
    if spoilt == "reference":
        batch = replace(batch, reference_log_prob=batch.reference_log_prob + spoil)
    if spoilt == "sampler":
        batch = replace(batch, sampler_log_prob=batch.sampler_log_prob + spoil)

    def score(rows):
        log_prob, entropy = policy.score(rows)
        added = spoil[: len(rows), : rows.response_ids.shape[1]] * (rows.problem[0] == "problem 2")
        added = added.nan_to_num(0.0, posinf=math.inf)
        return log_prob + added * (spoilt == "log_prob"), (entropy + added if spoilt == "entropy" else entropy)

    parts = cut_into(batch, 2, whole_groups=whole_groups)
    update = Update(objective, parts, whole_groups=whole_groups, peek=score)
    torch.stack([update.loss(part, score) for part in update.micro_batches]).sum().backward()
    assert policy.logits.grad.isnan().any()


def test_garbage_outside_the_responses_is_not_looked_at():
    objective = RECIPES["calibrl"]()
    batch = pruned(random_batch(GROUPS), objective)
    outside = ~batch.response_mask.bool()
    garbled = replace(batch, old_log_prob=batch.old_log_prob.masked_fill(outside, math.nan))
    wanted = updated(objective, cut_into(batch, 2, whole_groups=True), whole_groups=True)
    found = updated(objective, cut_into(garbled, 2, whole_groups=True), whole_groups=True)
    assert found[0] == wanted[0]


def test_updates_are_cut_from_whole_groups_in_the_given_order():
    batch = random_batch(GROUPS)
    parts = cut(batch, [3, 1, 0, 2], updates=2, parts=2, whole_groups=True, spare=batch.take([0]))
    assert [part.rows.group.tolist() for part in parts] == [[3] * 5, [1] * 5, [0] * 5, [2] * 5]
    split = cut(batch, [3, 1, 0, 2], updates=2, parts=4, whole_groups=False, spare=batch.take([0]))
    assert [part.rows.group.tolist() for part in split[:4]] == [[3] * 3, [3] * 2 + [1], [1] * 2, [1] * 2]
    assert {identity for part in split[4:] for identity in part.rows.group.tolist()} == {0, 2}
    assert not any(part.idle for part in [*parts, *split])
