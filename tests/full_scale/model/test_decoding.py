"""Decoding with keys and values that grow in place, without the responses that have ended, gives the same tokens."""

from types import SimpleNamespace

import pytest
import torch
from architectures import architecture
from hypothesis import given
from hypothesis import strategies as st
from transformers import GenerationConfig
from transformers.cache_utils import DynamicCache, DynamicLayer

from full_scale.model.decoding import MOST_LEFT, ROOM, GrowingLayer, Unended
from full_scale.model.shared_prompt import generate_shared


def states(batch, time, seed):
    return torch.randn(2, batch, 3, time, 4, generator=torch.Generator().manual_seed(seed)).unbind()


def both():
    """A layer that holds seven tokens, and one that goes on from it in place."""
    layer = DynamicLayer()
    layer.update(*states(2, 7, 0))
    return layer, GrowingLayer(layer.keys, layer.values)


def assert_alike(plain, growing, *updates):
    for seed, time in enumerate(updates, start=1):
        new = states(len(plain.keys), time, seed)
        for wanted, found in zip(plain.update(*new), growing.update(*new), strict=True):
            assert torch.equal(found, wanted)
        assert growing.get_seq_length() == plain.get_seq_length()
        assert growing.get_mask_sizes(1) == plain.get_mask_sizes(1)


@given(st.lists(st.one_of(st.integers(1, 5), st.integers(ROOM - 1, 2 * ROOM + 1)), min_size=1, max_size=6))
def test_it_holds_what_the_layer_that_concatenates_holds(lengths):
    assert_alike(*both(), *lengths)


def test_a_token_is_written_behind_the_others_which_stay_where_they_are():
    _, layer = both()
    places = {tuple(held.data_ptr() for held in layer.update(*states(2, 1, seed))) for seed in range(ROOM)}
    assert len(places) == 1
    assert tuple(held.data_ptr() for held in layer.update(*states(2, 1, 0))) not in places


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer.crop(-3),
        lambda layer: layer.batch_repeat_interleave(2),
        lambda layer: layer.batch_select_indices(torch.tensor([1])),
        lambda layer: layer.reorder_cache(torch.tensor([1, 0])),
    ],
    ids=["crop", "repeat", "select", "reorder"],
)
def test_what_transformers_does_to_a_layer_is_not_lost(change):
    layers = both()
    assert_alike(*layers, 2)
    for layer in layers:
        change(layer)
    assert_alike(*layers, 2, 1)


def sampled(model, prompts, copies, ends):
    """Tokens as transformers alone samples them, as they are sampled here, and how many rows each call computed."""
    config = GenerationConfig(max_new_tokens=24, do_sample=True, top_k=0, pad_token_id=0, eos_token_id=ends)
    told = {"input_ids": prompts.repeat_interleave(copies, 0)}
    told["attention_mask"] = torch.ones_like(told["input_ids"])
    torch.manual_seed(0)
    apart = model.generate(**told, generation_config=config)
    rows = []
    handle = model.get_input_embeddings().register_forward_hook(lambda _, given, __: rows.append(len(given[0])))
    torch.manual_seed(0)
    found = generate_shared(model.generate, model, copies=copies, **told, generation_config=config)
    handle.remove()
    return apart[:, prompts.shape[1] :], found[:, prompts.shape[1] :], rows


@pytest.mark.parametrize("ends", [None, 1, [1], list(range(1, 12))], ids=["none", "one", "one in a list", "many"])
@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen2_5_vl", "qwen3_vl"])
def test_responses_that_have_ended_are_not_computed(name, ends):
    prompts = torch.tensor([[5, 30, 7], [9, 12, 1]])  # the second one's last token is an end: it ends nothing
    apart, found, (read, *rows) = sampled(architecture(name), prompts, 16, ends)
    assert torch.equal(found, apart)
    assert read == len(prompts)
    ended = torch.isin(found, torch.tensor(ends or [])).cumsum(1).bool()
    written = [32, *(~ended).sum(0).tolist()]
    assert len(rows) == found.shape[1]
    for computed, left in zip(rows, written, strict=False):
        assert max(left, 1) <= computed <= max(left / MOST_LEFT, 1)
    assert rows[0] == 32
    if isinstance(ends, list) and len(ends) > 1:
        assert rows[-1] < 8


def test_one_response_is_computed_although_all_have_ended():
    """Processes that share a model must all go on calling it, as long as one of them writes."""
    unended = Unended(DynamicCache(), 3, torch.tensor([7]))
    for token, computed in ((7, 3), (5, 3), (7, 1), (0, 1)):  # the first is the prompts' last token
        _, told = unended.before(None, (), {"input_ids": torch.full((3, 1), token)})
        assert told["input_ids"].tolist() == [[token]] * computed
        output = SimpleNamespace(last_hidden_state=torch.ones(computed, 1, 2))
        unended.after(None, (), output)
        assert output.last_hidden_state.sum(dim=(1, 2)).tolist() == [2.0] * computed + [0.0] * (3 - computed)


def test_the_model_is_left_as_it_was():
    model = architecture("llama")
    sampled(model, torch.tensor([[5, 30, 7]]), 2, [1])
    assert not model.base_model._forward_hooks
    assert not model.base_model._forward_pre_hooks
