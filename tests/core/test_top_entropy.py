"""The 80/20 rule: which tokens are kept, by numpy's quantile, and that the divisor counts all."""

import numpy as np
import pytest
import torch
from conftest import close, gradient, make_rollouts, seeds
from hypothesis import given
from hypothesis import strategies as st

from calibrl_ref import RECIPES, ClippedSurrogate, TopEntropySurrogate, top_entropy_tokens


def test_by_hand():
    entropy = torch.tensor([[0.1, 2.0, 0.5], [0.3, 0.4, 9.0]])
    counted = torch.tensor([[True, True, True], [True, True, False]])
    assert top_entropy_tokens(entropy, counted).tolist() == [[False, True, False], [False, False, False]]
    # of five the 0.6-quantile lies at position 2.4, between 0.4 and 0.5
    assert top_entropy_tokens(entropy, counted, fraction=0.4).tolist() == [[False, True, True], [False, False, False]]
    assert top_entropy_tokens(entropy, counted, fraction=1.0).equal(counted)


def test_ties_are_kept():
    entropy, counted = torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool)
    assert top_entropy_tokens(entropy, counted, fraction=0.2).all()


def test_nothing_is_kept_of_nothing():
    assert not top_entropy_tokens(torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.bool)).any()


@given(seed=seeds, fraction=st.sampled_from([0.05, 0.2, 0.5, 0.99]))
def test_the_threshold_is_numpys_quantile_in_each_replica(seed, fraction):
    batch = make_rollouts(seed, groups=4)
    replica = torch.tensor([7, 3, 7, 3]).repeat_interleave(5)
    kept = top_entropy_tokens(batch.token_entropy, batch.mask, fraction=fraction, replica=replica)
    for name in (3, 7):
        rows = replica == name
        values = batch.token_entropy[rows][batch.mask[rows]].numpy()
        threshold = np.quantile(values, 1.0 - fraction)
        expected = (batch.token_entropy[rows] >= threshold - 1e-12) & batch.mask[rows]
        assert torch.equal(kept[rows], expected)


def test_other_tokens_lose_their_gradient_and_the_divisor_counts_them():
    rollouts = make_rollouts(4)
    plain = gradient(RECIPES["dapo"](), rollouts)
    few = gradient(RECIPES["top_entropy"](entropy_fraction=0.3), rollouts)
    counted = rollouts.mask & ~rollouts.is_expert[:, None]
    kept = top_entropy_tokens(rollouts.token_entropy, counted, fraction=0.3)
    assert 0 < kept.sum() < counted.sum()
    close(few, plain.where(kept, 0.0))


def test_the_whole_share_is_dapo():
    rollouts = make_rollouts(5)
    close(RECIPES["top_entropy"](entropy_fraction=1.0)(rollouts).total, RECIPES["dapo"]()(rollouts).total)


def test_the_experts_entropy_does_not_count():
    rollouts = make_rollouts(6)
    louder = rollouts.token_entropy + 100.0 * rollouts.is_expert[:, None]
    term = TopEntropySurrogate(on_policy=ClippedSurrogate(), fraction=0.3)
    assert torch.equal(term(rollouts), term(make_rollouts(6, token_entropy=louder)))


def test_what_is_wrong_is_refused_by_name():
    entropy, counted = torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(TypeError, match=r"\breplica\b"):
        top_entropy_tokens(entropy, counted, replica=torch.zeros(2))
    surrogate = TopEntropySurrogate(on_policy=ClippedSurrogate())
    with pytest.raises(ValueError, match=r"^token_entropy=None: expected"):
        surrogate(make_rollouts(0, token_entropy=None))


def test_a_single_token_is_kept():
    one = torch.ones(1, 1, dtype=torch.bool)
    assert top_entropy_tokens(torch.ones(1, 1), one).item()
    assert top_entropy_tokens(torch.tensor([[0.5, 0.7]]), torch.tensor([[True, False]])).tolist() == [[True, False]]


def test_each_replica_has_a_threshold_of_its_own_in_the_term():
    batch = make_rollouts(2, groups=4)
    replica = torch.tensor([0, 0, 1, 1]).repeat_interleave(5)
    entropy = batch.token_entropy + 100.0 * replica.unsqueeze(1)
    split = make_rollouts(2, groups=4, replica=replica, token_entropy=entropy)
    loss = TopEntropySurrogate(on_policy=ClippedSurrogate())(split)
    assert loss[replica == 0].any()
    assert loss[replica == 1].any()


def test_a_replica_s_only_token_is_its_own_threshold():
    entropy, counted = torch.tensor([[9.0], [1.0]]), torch.ones(2, 1, dtype=torch.bool)
    assert top_entropy_tokens(entropy, counted, replica=torch.tensor([0, 1])).all()


def test_where_every_token_counts_the_quantile_reaches_up_to_the_last():
    everything = torch.ones(1, 3, dtype=torch.bool)
    assert top_entropy_tokens(torch.tensor([[1.0, 2.0, 3.0]]), everything).tolist() == [[False, False, True]]
