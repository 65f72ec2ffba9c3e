"""Tinker's custom loss on stand-ins of its data; `make test-verl` uses the real client."""

from types import SimpleNamespace

import pytest
import torch
from conftest import close, make_rollouts, said

from calibrl_ref import RECIPES
from calibrl_ref.integrations.tinker import custom_loss


def as_data(batch):
    """One datum a row, as long as the row is."""
    lengths = batch.mask.sum(1).tolist()

    def field(values):
        return SimpleNamespace(to_torch=lambda: values)

    return [
        SimpleNamespace(
            loss_fn_inputs={
                "group": field(batch.group[row]),
                "is_expert": field(batch.is_expert[row].long()),
                "correct": field(batch.correct[row].long()),
                "advantage": field(batch.advantage[row]),
                "old_token_log_prob": field(batch.old_token_log_prob[row, :length]),
                "mask": field(torch.ones(length)),
            }
        )
        for row, length in enumerate(lengths)
    ]


@pytest.mark.parametrize("name", ["grpo", "calibrl", "calibrl_released", "luffy_released"])
def test_the_loss_and_its_derivative_are_the_objectives(name):
    batch = make_rollouts(2, dtype=torch.float32)
    leaves = [
        batch.token_log_prob.detach()[row, :n].requires_grad_() for row, n in enumerate(batch.mask.sum(1).tolist())
    ]
    loss, metrics = custom_loss(RECIPES[name]())(as_data(batch), leaves)
    wanted = RECIPES[name]()(batch)
    close(loss, wanted.total, rtol=1e-6, atol=1e-6)
    assert set(metrics) == set(wanted.terms)
    found = torch.autograd.grad(loss, leaves, materialize_grads=True, allow_unused=True)
    (expected,) = torch.autograd.grad(wanted.total, batch.token_log_prob)
    for row, gradient in enumerate(found):
        close(gradient, expected[row, : len(gradient)], rtol=1e-5, atol=1e-6)


def test_what_the_service_does_not_give_is_refused_at_once():
    wanted = "expected one that reads log-probabilities alone. Fix: choose another method."
    for objective, what in (
        (RECIPES["entropy_bonus"](), "the entropy of each token"),
        (RECIPES["grpo"](kl_weight=0.1), "a reference policy"),
    ):
        assert said(custom_loss, objective) == f"objective='reads {what}': {wanted}"


def test_a_field_that_is_missing_is_named_with_its_datum():
    data = as_data(make_rollouts(0, dtype=torch.float32))
    del data[3].loss_fn_inputs["group"]
    given = ["advantage", "correct", "is_expert", "mask", "old_token_log_prob"]
    assert said(custom_loss(RECIPES["grpo"]()), data, [torch.zeros(1)] * len(data)) == (
        f"data[3].loss_fn_inputs={given}: expected ['group'] too. Fix: put them into the datum when it is built."
    )
