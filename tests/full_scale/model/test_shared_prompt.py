"""Reading a prompt once for all its responses gives what reading it once for each gives: scores, gradients, tokens."""

import pytest
import torch
from architectures import BUILD, IMAGE, architecture, double_precision, prompt
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from calibrl_ref import token_log_probs_and_entropy
from full_scale.model.shared_prompt import (
    allow_sharing,
    pack,
    prompt_positions,
)


def padded(rows, *, left, extra=0):
    width = max(map(len, rows)) + extra
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    for number, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[number, place], mask[number, place] = torch.tensor(row), 1
    return ids, mask


class Groups:
    """Random prompts, and responses of random lengths to each of them."""

    def __init__(self, name, prompts, responses, *, extra=0, seed=0, dtype=torch.float64):
        generator = torch.Generator().manual_seed(seed)
        made = [prompt(name, words, sides, generator, dtype) for words, sides in prompts]
        self.prompts, self.seen = [ids for ids, _ in made], [inputs for _, inputs in made]
        self.prompt_of = torch.tensor([number for number, _ in responses])
        self.responses = [torch.randint(2, 60, (n,), generator=generator).tolist() for _, n in responses]
        self.prompt_ids, self.prompt_mask = padded(self.prompts, left=True, extra=extra)
        self.response_ids, self.response_mask = padded(self.responses, left=False, extra=extra)

    def inputs(self, numbers):
        """Pictures of some prompts, one behind the other."""
        seen = [self.seen[number] for number in numbers]
        names = {name: None for inputs in seen for name in inputs}
        return {name: torch.cat([inputs[name] for inputs in seen if name in inputs]) for name in names}

    def shared(self, model):
        """Log-probabilities and entropies, [responses, time], from one sequence."""
        kinds = {"mm_token_type_ids": (self.prompt_ids == IMAGE).long()}
        inputs = self.inputs(range(len(self.prompts)))
        positions = prompt_positions(model, self.prompt_ids, self.prompt_mask, inputs | kinds)
        packed = pack(
            self.prompt_ids, self.prompt_mask, positions, self.response_ids, self.response_mask, self.prompt_of
        )
        logits = model(**packed.model_inputs(), **inputs, use_cache=False).logits
        scores = token_log_probs_and_entropy(logits, packed.next_ids.clamp(min=0))
        return tuple(packed.by_response(values) for values in scores)

    def one_by_one(self, model):
        """The same from prompt and response of each row alone, without any padding."""
        found = torch.zeros(2, *self.response_ids.shape, dtype=model.dtype)
        for row, (number, response) in enumerate(zip(self.prompt_of.tolist(), self.responses, strict=True)):
            ids = torch.tensor([self.prompts[number] + response])
            inputs = self.inputs([number])
            if "image_grid_thw" in inputs:
                inputs["mm_token_type_ids"] = (ids == IMAGE).long()
            logits = model(input_ids=ids, **inputs, use_cache=False).logits[:, -len(response) - 1 : -1]
            scores = token_log_probs_and_entropy(logits, torch.tensor([response]))
            found[:, row, : len(response)] = torch.cat(scores)
        return tuple(found)


def with_gradients(model, scores):
    """Scores, and the gradient of a sum of them with different weights in every parameter."""
    model.zero_grad()
    sum((part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in scores).backward()
    return [part.detach() for part in scores], {
        name: (torch.zeros_like(value) if value.grad is None else value.grad)
        for name, value in model.named_parameters()
    }


def assert_equal(groups, model, *, tolerance):
    wanted, slopes = with_gradients(model, groups.one_by_one(model))
    allow_sharing(model)
    found, shared_slopes = with_gradients(model, groups.shared(model))
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, atol=tolerance, rtol=tolerance)
    size = max(float(slope.abs().max()) for slope in slopes.values())
    for name, slope in slopes.items():
        torch.testing.assert_close(
            shared_slopes[name], slope, atol=tolerance * size, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert size > 0.01


sides = st.lists(st.integers(1, 3), max_size=2)
some_prompts = st.lists(st.tuples(st.integers(1, 9), sides), min_size=1, max_size=3)


@st.composite
def groups_of(draw, name, dtype):
    prompts = draw(some_prompts)
    rows = st.tuples(st.integers(0, len(prompts) - 1), st.integers(1, 7))
    return Groups(
        name,
        prompts,
        draw(st.lists(rows, min_size=1, max_size=6)),
        extra=draw(st.integers(0, 3)),
        seed=draw(st.integers(0, 100)),
        dtype=dtype,
    )


@pytest.mark.parametrize("name", BUILD)
@given(data=st.data())
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
def test_scores_and_gradients_equal_those_of_each_row_alone(name, data):
    with double_precision():
        assert_equal(data.draw(groups_of(name, torch.float64)), architecture(name), tolerance=1e-10)


@pytest.mark.parametrize("name", BUILD)
def test_in_single_precision_too(name):
    groups = Groups(name, [(9, [2, 1]), (4, []), (1, [3])], [(0, 5), (2, 1), (0, 7), (1, 3)], dtype=torch.float32)
    assert_equal(groups, architecture(name, dtype=torch.float32), tolerance=1e-5)
