"""An objective as constants: for every recipe, any cut of a batch gives the batch's own gradient."""

import dataclasses

import pytest
import torch
from conftest import close, fields_of, make_rollouts, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrl_ref import RECIPES, Rollouts, linearise

EVERY_RECIPE = sorted(RECIPES)
VOCABULARY = 5


class Policy:
    """A table of logits by row and position, mixed by one matrix, so that every token moves every parameter."""

    def __init__(self, batch, seed):
        generator = torch.Generator().manual_seed(seed)
        shape = (*batch.mask.shape, VOCABULARY)
        self.features = torch.randn(shape, generator=generator, dtype=torch.float64)
        self.tokens = torch.randint(VOCABULARY, batch.mask.shape, generator=generator)
        self.weights = torch.randn(VOCABULARY, VOCABULARY, generator=generator, dtype=torch.float64)
        self.weights.requires_grad_()

    def score(self, rows):
        """Log-probabilities and entropies of some rows, [rows, time] each."""
        log_softmax = (self.features[rows] @ self.weights).log_softmax(-1)
        log_prob = log_softmax.gather(-1, self.tokens[rows].unsqueeze(-1)).squeeze(-1)
        return log_prob, -(log_softmax.exp() * log_softmax).sum(-1)

    def gradient_of(self, loss):
        return torch.autograd.grad(loss, self.weights)[0]


def batch_of(seed):
    """A random batch with the policy's own numbers, and the policy."""
    batch = make_rollouts(seed, requires_grad=False)
    policy = Policy(batch, seed)
    return with_scores(batch, *policy.score(slice(None))), policy


def with_scores(batch, log_prob, entropy):
    return dataclasses.replace(batch, token_log_prob=log_prob, token_entropy=entropy)


@pytest.mark.parametrize("name", EVERY_RECIPE)
@settings(max_examples=10)
@given(seed=seeds, parts=st.integers(1, 15), ranks=st.integers(1, 3))
def test_any_cut_into_rows_micro_batches_and_ranks_gives_the_batch_s_gradient(name, seed, parts, ranks):
    batch, policy = batch_of(seed)
    objective = RECIPES[name]()
    wanted = policy.gradient_of(objective(batch).total)
    found = linearise(objective, batch)
    order = torch.randperm(len(batch.group), generator=torch.Generator().manual_seed(seed))
    by_rank = [torch.zeros_like(wanted) for _ in range(ranks)]
    for number, rows in enumerate(order.tensor_split(parts)):
        loss = found.loss(*policy.score(rows), rows=rows) * ranks  # gradients are averaged over ranks
        by_rank[number % ranks] += policy.gradient_of(loss)
    close(torch.stack(by_rank).mean(0), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", EVERY_RECIPE)
def test_value_and_derivatives_are_constants_and_those_of_the_objective(name):
    batch, _ = batch_of(0)
    objective = RECIPES[name]()
    found = linearise(objective, batch)
    losses = objective(batch)
    close(found.total, losses.total.detach())
    assert found.terms.keys() == losses.terms.keys()
    constants = [found.total, found.by_log_prob, found.by_entropy, *found.terms.values()]
    assert not any(tensor.requires_grad for tensor in constants)
    assert found.by_log_prob[~batch.mask].abs().max() == 0.0
    bonus = objective.entropy_bonus
    assert (found.by_entropy.abs().max() > 0.0) == (bonus is not None and bonus.weight > 0.0)
    assert (found.by_log_prob[batch.is_expert].abs().max() > 0.0) == objective.moves_expert


def test_it_works_where_gradients_are_off_and_changes_nothing():
    batch, _ = batch_of(0)
    with torch.no_grad():
        found = linearise(RECIPES["calibrl"](), batch)
    assert torch.equal(found.by_log_prob, linearise(RECIPES["calibrl"](), batch).by_log_prob)
    assert batch.token_log_prob.requires_grad


def test_a_batch_without_entropies():
    batch, _ = batch_of(0)
    plain = dataclasses.replace(batch, token_entropy=None)
    found = linearise(RECIPES["calibrl"](), plain)
    assert found.by_entropy.shape == found.by_log_prob.shape
    assert found.by_entropy.abs().max() == 0.0
    close(found.by_log_prob, linearise(RECIPES["calibrl"](), batch).by_log_prob)


def test_padding_may_be_cut_off_and_garbage_under_it_is_not_looked_at():
    batch, _ = batch_of(0)
    found = linearise(RECIPES["calibrl"](), batch)
    row = int(batch.mask.sum(1).argmin())
    length = int(batch.mask[row].sum())
    full = batch.token_log_prob[row : row + 1].detach().masked_fill(~batch.mask[row : row + 1], torch.nan)
    whole, short = (found.loss(values, rows=torch.tensor([row])) for values in (full, full[:, :length]))
    assert torch.isfinite(whole)
    close(whole, short)


def test_entropies_that_the_objective_reads_must_be_given():
    batch, _ = batch_of(0)
    with pytest.raises(ValueError, match=r"token_entropy=None: expected a tensor \[rows, time\]. Fix: pass it"):
        linearise(RECIPES["entropy_bonus"](), batch).loss(batch.token_log_prob)


def two_rows(policy, expert, correct=True):
    """A policy's row of one token and its expert's."""
    return Rollouts(
        token_log_prob=torch.tensor([[policy], [expert]]),
        old_token_log_prob=torch.tensor([[policy], [expert]]),
        mask=torch.tensor([[True], [True]]),
        group=torch.tensor([0, 0]),
        is_expert=torch.tensor([False, True]),
        correct=torch.tensor([correct, True]),
        advantage=torch.tensor([1.0, 0.0]),
    )


@pytest.mark.parametrize(
    ("gap", "correct", "open_at_start"), [("trajectory", True, True), ("token_aligned", False, False)]
)
def test_changed_gates_are_counted(gap, correct, open_at_start):
    """A correct response less likely than the expert's is on the side of slope 1, and leaves it when it overtakes."""
    start = two_rows(-2.0, -1.0, correct)
    found = linearise(RECIPES["calibrl"](gap=gap), start)
    assert found.open_gates.flatten().tolist() == [open_at_start, False]
    assert found.changed_gates(start) == 0
    assert found.changed_gates(two_rows(-1.5, -1.0, correct)) == 0
    assert found.changed_gates(two_rows(-0.5, -1.0, correct)) == 1


@pytest.mark.parametrize("gap", ["trajectory", "token_aligned"])
@pytest.mark.parametrize("correct", [True, False])
def test_a_gate_is_closed_where_policy_and_expert_are_equal(gap, correct):
    found = linearise(RECIPES["calibrl"](gap=gap), two_rows(-1.0, -1.0, correct))
    assert not found.open_gates.any()


def on_meta(values):
    """The same field on a device that is not the CPU."""
    return values.to("meta") if isinstance(values, torch.Tensor) else values


def test_an_objective_without_gates_changes_none():
    found = linearise(RECIPES["grpo"](), two_rows(-2.0, -1.0))
    assert found.open_gates is None
    elsewhere = Rollouts(
        **{name: on_meta(values) for name, values in vars(two_rows(-0.5, -1.0)).items()}, validate=False
    )
    for rollouts in (two_rows(-0.5, -1.0), elsewhere):
        changed = found.changed_gates(rollouts)
        assert (changed.dtype, changed.device, changed.shape) == (torch.long, rollouts.group.device, ())
    assert found.changed_gates(two_rows(-0.5, -1.0)) == 0


def test_gates_of_rows_without_an_expert_are_not_counted():
    fields = fields_of(two_rows(-2.0, -1.0)) | {"is_expert": torch.tensor([False, False])}
    found = linearise(RECIPES["calibrl"](), Rollouts(**fields))
    assert found.open_gates.tolist() == [False, False]
