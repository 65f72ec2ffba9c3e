"""TRL's head in tiles of any size gives what all logits give, holds no more of them than told, and skips padding."""

import contextlib

import pytest
import torch
from architectures import TEXT, architecture
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer import utils

from calibrl_ref import token_log_probs_and_entropy
from full_scale.model.head import CHUNK, chunked_head

VOCABULARY = TEXT["vocab_size"]


def model_with_head(temperature=1.0, *, tied=False):
    model = architecture("llama", dtype=torch.float32)
    if tied:
        torch.manual_seed(0)
        model = LlamaForCausalLM(LlamaConfig(**TEXT, tie_word_embeddings=True))
    utils.add_fused_lm_head(model, temperature=temperature, outputs=("log_probs", "entropy"))
    return model


def scored(model, ids, labels, chunk):
    with chunked_head(chunk, places=labels.numel(), vocabulary=VOCABULARY):
        found = model(input_ids=ids, shift_labels=labels, fused_lm_head=True)
    return found.log_probs, found.entropy


def by_logits(model, ids, labels, temperature):
    logits = model(input_ids=ids).logits
    scores = token_log_probs_and_entropy(logits, labels.clamp(min=0), temperature=temperature)
    return tuple(part.where(labels != -100, 0.0) for part in scores)


def slopes(model, scores):
    model.zero_grad()
    sum((part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in scores).backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    chunk=st.sampled_from([1, 2, 3, 5, 64, 10_000]),
    temperature=st.sampled_from([0.5, 1.0, 1.7]),
    tied=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(max_examples=25, deadline=None)
def test_scores_and_gradients_are_those_of_all_logits(lengths, chunk, temperature, tied, seed):
    model = model_with_head(temperature, tied=tied)
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(VOCABULARY, (len(lengths), max(lengths)), generator=generator)
    labels = torch.randint(VOCABULARY, ids.shape, generator=generator)
    labels[torch.arange(ids.shape[1]) >= torch.tensor(lengths).unsqueeze(1)] = -100
    wanted = by_logits(model, ids, labels, temperature)
    slope = slopes(model, wanted)
    found = scored(model, ids, labels, chunk)
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)
    size = max(float(value.abs().max()) for value in slope.values())
    for name, value in slopes(model, found).items():
        torch.testing.assert_close(value, slope[name], atol=1e-5 * size, rtol=0)


def test_in_half_precision_it_is_no_further_from_the_truth_than_all_logits():
    model, ids, labels = model_with_head(), torch.arange(24).view(2, 12), torch.arange(24).view(2, 12) + 1
    truth = by_logits(model, ids, labels, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        wanted, found = by_logits(model, ids, labels, 1.0), scored(model, ids, labels, 3)
    for mine, theirs, true in zip(found, wanted, truth, strict=True):
        assert mine.dtype == torch.float32
        assert (mine - true).norm() < 1.5 * (theirs - true).norm() + 1e-6


class Tiles(TorchDispatchMode):
    """Takes note of the tiles: rows of each, and the numbers that its memory holds."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if function is torch.ops.aten.mm.out:
            self.seen.add((len(found), found.untyped_storage().nbytes() // found.element_size()))
        return found


@pytest.mark.parametrize(("chunk", "words"), [(1, 3), (2, 6), (5, 16), (1000, VOCABULARY)])
def test_no_more_logits_are_held_than_of_the_chunk_and_none_of_padding(chunk, words):
    model = model_with_head()
    ids = torch.randint(VOCABULARY, (2, 10), generator=torch.Generator().manual_seed(0))
    labels = ids.clone()
    labels[1, 6:] = -100
    with Tiles() as tiles:
        log_prob, entropy = scored(model, ids, labels, chunk)
        (log_prob.sum() + entropy.sum()).backward()
    assert tiles.seen == {(16, 16 * words)}


def test_no_label_at_all_gives_a_zero_that_can_be_differentiated():
    model, ids = model_with_head(), torch.arange(6).view(1, 6)
    log_prob, entropy = scored(model, ids, torch.full((1, 6), -100), 4)
    assert not log_prob.any()
    assert not any(value.any() for value in slopes(model, (log_prob, entropy)).values())


def test_afterwards_trl_is_as_before():
    former = utils._CHUNKED_LOGPROB_CHUNK_SIZE, utils._use_triton
    with contextlib.suppress(KeyError), chunked_head(3, places=5, vocabulary=100):
        assert utils._CHUNKED_LOGPROB_CHUNK_SIZE == 60
        raise KeyError
    assert (utils._CHUNKED_LOGPROB_CHUNK_SIZE, utils._use_triton) == former


def test_a_chunk_without_a_token_is_refused():
    with (
        pytest.raises(ValueError, match=f"head_chunk=0: expected at least 1. Fix: --head-chunk {CHUNK}"),
        chunked_head(0, places=5, vocabulary=100),
    ):
        pass
