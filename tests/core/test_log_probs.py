"""Log-probabilities and entropies against the naive formula, and their precision."""

import math

import pytest
import torch
from conftest import close, seeds
from hypothesis import given
from hypothesis import strategies as st

from calibrl_ref import (
    chunked_token_log_probs,
    chunked_token_log_probs_and_entropy,
    log_probs,
    token_entropy,
    token_log_probs,
    token_log_probs_and_entropy,
    trajectory_log_prob,
)


def random_logits(seed, rows=2, time=3, vocab=5):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, time, vocab, generator=generator, dtype=torch.float64)
    return logits, torch.randint(vocab, (rows, time), generator=generator)


def test_by_hand():
    logits = torch.tensor([[[0.0, math.log(3.0)]]], dtype=torch.float64)
    close(token_log_probs(logits, torch.tensor([[1]])), [[math.log(0.75)]])
    close(token_entropy(logits), [[-0.75 * math.log(0.75) - 0.25 * math.log(0.25)]])
    close(token_log_probs(logits, torch.tensor([[1]]), temperature=0.5), [[math.log(0.9)]])


@given(seeds, st.floats(0.1, 5.0))
def test_equals_the_naive_formula(seed, temperature):
    logits, tokens = random_logits(seed)
    probability = (logits / temperature).softmax(-1)
    log_prob, entropy = token_log_probs_and_entropy(logits, tokens, temperature=temperature)
    close(log_prob, probability.gather(-1, tokens[..., None])[..., 0].log(), rtol=1e-7, atol=1e-9)
    close(entropy, -(probability * probability.clamp(min=1e-300).log()).sum(-1), rtol=1e-7, atol=1e-9)
    close(token_entropy(logits, temperature=temperature), entropy)


@given(seeds, st.integers(1, 9))
def test_chunks_equal_the_whole_with_their_gradient(seed, chunk_size):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    head = torch.randn(6, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    tokens = torch.randint(6, (2, 3), generator=generator)
    settings = {"chunk_size": chunk_size, "temperature": 0.7}
    log_prob, entropy = chunked_token_log_probs_and_entropy(hidden, head, tokens, **settings)
    whole = token_log_probs_and_entropy(hidden @ head.T, tokens, temperature=0.7)
    for ours, naive in (
        (chunked_token_log_probs(hidden, head, tokens, **settings), whole[0]),
        (log_prob, whole[0]),
        (entropy, whole[1]),
    ):
        close(ours, naive)
        for our_slope, naive_slope in zip(
            torch.autograd.grad(ours.square().sum(), (hidden, head), retain_graph=True),
            torch.autograd.grad(naive.square().sum(), (hidden, head), retain_graph=True),
            strict=True,
        ):
            close(our_slope, naive_slope, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("chunk_size", "sizes"), [(None, [1024, 1]), (400, [400, 400, 225])])
@pytest.mark.parametrize("name", ["token_log_probs", "token_log_probs_and_entropy"])
def test_no_more_than_a_chunk_of_logits_is_made_at_a_time(name, chunk_size, sizes, monkeypatch):
    seen, function = [], getattr(log_probs, name)

    def watched(logits, tokens, **options):
        seen.append(len(tokens))
        return function(logits, tokens, **options)

    monkeypatch.setattr(log_probs, name, watched)
    settings = {} if chunk_size is None else {"chunk_size": chunk_size}
    hidden, tokens = torch.ones(5, 205, 1), torch.zeros(5, 205, dtype=torch.long)
    scored = getattr(log_probs, f"chunked_{name}")(hidden.requires_grad_(), torch.ones(2, 1), tokens, **settings)
    scored = scored[0] if name.endswith("entropy") else scored
    close(scored, torch.full((5, 205), -math.log(2.0)), rtol=1e-6, atol=1e-6)
    assert seen == sizes
    scored.sum().backward()
    assert sorted(seen) == sorted(2 * sizes), "the logits are made again in the backward pass"


def test_a_vocabulary_of_one_token_is_certain():
    assert token_log_probs(torch.full((2, 1), 3.0), torch.zeros(2, dtype=torch.long)).tolist() == [0.0, 0.0]


def test_gradcheck():
    logits, tokens = random_logits(0)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda values: token_log_probs_and_entropy(values, tokens), (logits,))


def test_bf16_logits_accumulate_in_float32():
    logits = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0)).bfloat16()
    tokens = torch.arange(4)
    log_prob, entropy = token_log_probs_and_entropy(logits, tokens)
    assert log_prob.dtype == entropy.dtype == torch.float32
    close(log_prob, token_log_probs(logits.double(), tokens), rtol=1e-5, atol=1e-5)


def test_impossible_tokens_contribute_no_entropy():
    logits = torch.tensor([[0.0, 0.0, -torch.inf]], dtype=torch.float64, requires_grad=True)
    entropy = token_entropy(logits)
    close(entropy, [math.log(2.0)])
    entropy.sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_trajectory_log_prob_ignores_garbage_under_the_mask():
    values = torch.tensor([[-1.0, -2.0], [-4.0, float("nan")], [9.0, 9.0]])
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    close(trajectory_log_prob(values, mask), [-3.0, -4.0, 0.0])


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match=r"temperature=.*Fix"):
        token_entropy(torch.zeros(1, 2), temperature=temperature)
