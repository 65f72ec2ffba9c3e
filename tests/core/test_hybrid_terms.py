"""CHORD, HPT and SRFT: their terms by hand, what is detached, and batches of one kind of row."""

import math

import pytest
import torch
from conftest import close, gradient, make_rollouts, said

from calibrl_ref import (
    IMITATION_WEIGHTS,
    RECIPES,
    ClippedSurrogate,
    EntropyWeightedReinforce,
    Rollouts,
    WeightedImitation,
    WeightedSurrogate,
)

LN2 = math.log(2.0)


def one_token_rows(log_prob, advantage, *, expert, correct, entropy=None, group=None):
    values = torch.tensor(log_prob, dtype=torch.float64).view(-1, 1).requires_grad_()
    rows = len(log_prob)
    return Rollouts(
        token_log_prob=values,
        old_token_log_prob=values.detach(),
        mask=torch.ones(rows, 1, dtype=torch.bool),
        group=torch.tensor(group or [0] * rows),
        is_expert=torch.tensor(expert),
        correct=torch.tensor(correct),
        advantage=torch.tensor(advantage, dtype=torch.float64),
        token_entropy=torch.tensor(entropy or [0.0] * rows, dtype=torch.float64).view(-1, 1),
    )


def test_chord_by_hand():
    rollouts = one_token_rows([-0.3, -LN2], [1.0, 0.0], expert=[False, True], correct=[True, True])
    losses = RECIPES["chord"](mu=0.1)(rollouts)
    close(losses.total, -0.9 + 0.1 * 0.25 * LN2)
    close(losses.total, -0.8826713, atol=1e-7, rtol=0.0)
    close(gradient(RECIPES["chord"](mu=0.1), rollouts), torch.tensor([[-0.9], [-0.025]], dtype=torch.float64))
    close(RECIPES["chord"](mu=0.3, phi=False)(rollouts).total, -0.7 + 0.3 * LN2)


@pytest.mark.parametrize("name", ["chord", "hpt", "srft"])
def test_without_an_expert_the_imitation_is_exactly_zero(name):
    losses = RECIPES[name]()(make_rollouts(0, experts=False))
    assert losses.terms["imitation"].item() == 0.0
    assert losses.total.isfinite()


def test_chord_without_an_expert_keeps_the_weight_of_the_other():
    rollouts = make_rollouts(0, experts=False)
    plain = RECIPES["grpo"](aggregation="token_mean", dual_clip=3.0)(rollouts).total
    close(RECIPES["chord"](mu=0.4)(rollouts).total, 0.6 * plain)


def test_hpt_by_hand():
    rollouts = one_token_rows(
        [-LN2, -0.2, -0.2], [0.0, 0.5, -0.5], expert=[True, False, False], correct=[True, True, False], group=[0, 1, 1]
    )
    losses = RECIPES["hpt"](entropy_weight=0.0, max_length=2)(rollouts)
    close(losses.terms["imitation"], LN2)
    close(losses.terms["surrogate"], 0.0)
    expected = torch.tensor([[-1.0], [-0.25], [0.25]], dtype=torch.float64)
    close(gradient(RECIPES["hpt"](entropy_weight=0.0, max_length=2), rollouts), expected)


def test_srft_by_hand():
    rollouts = one_token_rows(
        [-2.0, -3.0, -LN2],
        [9.0, 9.0, 0.5],
        expert=[False, False, True],
        correct=[True, False, True],
        entropy=[1.0, 5.0, 1.0],
    )
    losses = RECIPES["srft"](entropy_weight=0.0, max_length=4)(rollouts)
    close(losses.terms["imitation"], 0.5 * math.exp(-1.0) * LN2)
    right, wrong, expert = 0.1 * math.e * 2.0, -3.0, -0.5 * 0.5 / 0.6
    close(losses.terms["surrogate"], (right + wrong + expert) / 4)
    repository = RECIPES["srft"](entropy_weight=0.0, weighting="high_entropy")(rollouts)
    close(repository.terms["imitation"], 0.5 * math.e * LN2)


def test_the_weights_by_hand():
    rollouts = one_token_rows([-LN2, -0.1], [0.0, 0.0], expert=[True, True], correct=[True, True], entropy=[2.0, 0.0])
    found = {name: weigh(rollouts).flatten().tolist() for name, weigh in IMITATION_WEIGHTS.items()}
    p = math.exp(-0.1)
    assert found["none"] == [1.0, 1.0]
    assert found["phi"] == pytest.approx([0.25, p * (1 - p)])
    assert found["low_entropy"] == pytest.approx([math.exp(-2.0), 1.0])
    assert found["high_entropy"] == pytest.approx([math.exp(2.0), 1.0])


def test_no_gradient_flows_through_a_weight():
    for weighting in IMITATION_WEIGHTS:
        rollouts = make_rollouts(3)
        rollouts.token_entropy.requires_grad_()
        weight = IMITATION_WEIGHTS[weighting](rollouts)
        loss = WeightedImitation(weight=2.0, weighting=weighting)(rollouts)
        (by_log_prob,) = torch.autograd.grad(loss.sum(), rollouts.token_log_prob)
        close(by_log_prob[rollouts.mask], -2.0 * weight[rollouts.mask])
        assert not weight.requires_grad


def test_a_row_without_a_token_has_no_entropy():
    mask = make_rollouts(0).mask.clone()
    mask[0] = False
    term = EntropyWeightedReinforce()
    assert term(make_rollouts(0, mask=mask)).isfinite().all()


def test_the_entropy_is_needed_only_where_it_weighs():
    assert WeightedImitation(weighting="phi").needs == {"expert"}
    assert WeightedImitation(weighting="low_entropy").needs == {"expert", "token_entropy"}
    assert EntropyWeightedReinforce().needs == {"expert", "token_entropy"}


def test_a_weighted_surrogate_is_the_surrogate_times_its_weight():
    rollouts = make_rollouts(1)
    close(WeightedSurrogate(weight=0.3, clip_high=0.1)(rollouts), 0.3 * ClippedSurrogate(clip_high=0.1)(rollouts))


def test_a_negative_weight_is_refused():
    for made in (
        lambda: WeightedSurrogate(weight=-0.1),
        lambda: WeightedImitation(weight=-0.1),
        lambda: EntropyWeightedReinforce(positive_scale=-0.1),
    ):
        with pytest.raises(ValueError, match=r"=-0\.1: expected"):
            made()
    with pytest.raises(ValueError, match="weighting='phy'"):
        WeightedImitation(weighting="phy")


def test_what_is_wrong_is_refused_by_name():
    assert said(EntropyWeightedReinforce, positive_scale=-1.0).startswith("positive_scale=-1.0: expected")
    assert said(WeightedSurrogate, weight=-1.0).startswith("weight=-1.0: expected")
    without = make_rollouts(0, token_entropy=None)
    with pytest.raises(ValueError, match=r"^token_entropy=None: expected"):
        [term(without) for term in RECIPES["srft"]().terms]
