"""The rows of a group share one prompt, and a prompt that is not the same is an error."""

from dataclasses import replace

import pytest
import torch
from batches import random_batch

from full_scale.training.scoring import prompts_of


def grouped(groups=3, **columns):
    batch = random_batch(groups, 2)
    return replace(batch, prompt_ids=batch.prompt_ids[batch.group * 2], **columns)  # of each group's first sampled row


def test_each_group_has_one_prompt_in_whatever_order_its_rows_stand():
    batch = grouped()
    first, prompt_of = prompts_of(batch.take([7, 0, 2, 3, 8]))  # groups 1, 0, 1, 1, 2
    assert (first, prompt_of.tolist()) == ([1, 0, 4], [1, 0, 1, 1, 2])


def test_a_prompt_that_differs_within_its_group_is_refused():
    batch = grouped()
    ids = batch.prompt_ids.clone()
    ids[3, 1] += 1
    message = r"row 3 \(problem 1\): expected the prompt and pictures of row 2, as both are of group 1"
    with pytest.raises(ValueError, match=message):
        prompts_of(replace(batch, prompt_ids=ids))
    mask = batch.prompt_mask.clone()
    mask[3, 0] = 0
    with pytest.raises(ValueError, match=message):
        prompts_of(replace(batch, prompt_mask=mask))


def test_a_picture_that_differs_within_its_group_is_refused():
    pictures = [torch.full((2, 2), float(number)) for number in (0, 0, 1, 1, 2, 2, 0, 1, 2)]
    inputs = {"pixel_values": pictures, "num_images": [1] * 9, "mm_token_type_ids": torch.zeros(9, 9)}
    batch = grouped(model_inputs=inputs)
    assert len(prompts_of(batch)[0]) == 3
    for name, other in (("pixel_values", torch.ones(2, 2)), ("num_images", 2)):
        changed = list(inputs[name])
        changed[1] = other
        with pytest.raises(ValueError, match=r"row 1 .* pictures of row 0, as both are of group 0"):
            prompts_of(replace(batch, model_inputs=inputs | {name: changed}))
