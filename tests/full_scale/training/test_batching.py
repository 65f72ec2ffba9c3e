"""Batches: chosen, joined, cut and gathered."""

from dataclasses import fields, replace

import pytest
import torch
from batches import Tables, random_batch

from full_scale.training.batching import (
    Batch,
    chunks,
    first_groups,
    gather_rollouts,
    group_count,
    group_members,
    join,
    join_rollouts,
)


def batch(prompts, responses, group, **model_inputs):
    rows = len(group)
    width = len(prompts[0]) + len(responses[0])
    return Batch(
        problem=[f"problem {number}" for number in group],
        prompt_ids=torch.tensor(prompts),
        prompt_mask=torch.ones_like(torch.tensor(prompts)),
        response_ids=torch.tensor(responses),
        response_mask=torch.ones_like(torch.tensor(responses)),
        group=torch.tensor(group),
        row_id=torch.arange(rows),
        is_expert=torch.zeros(rows, dtype=torch.bool),
        correct=torch.ones(rows, dtype=torch.bool),
        reward=torch.ones(rows),
        advantage=torch.ones(rows),
        old_log_prob=torch.full((rows, len(responses[0])), -1.0),
        model_inputs={"mm_token_type_ids": torch.ones(rows, width, dtype=torch.long), **model_inputs},
    )


def picture(value, patches):
    return {
        "pixel_values": [torch.full((patches, 2), value)],
        "image_grid_thw": [torch.tensor([[1, patches, 1]])],
        "num_images": [1],
    }


def test_joined_batches_are_padded_left_before_the_prompt_and_right_after_the_response():
    joined = join([batch([[5, 6]], [[7]], [0]), batch([[8]], [[9, 10, 11]], [1])], pad_token=3)
    assert joined.prompt_ids.tolist() == [[5, 6], [3, 8]]
    assert joined.prompt_mask.tolist() == [[1, 1], [0, 1]]
    assert joined.response_ids.tolist() == [[7, 3, 3], [9, 10, 11]]
    assert joined.response_mask.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert joined.old_log_prob.tolist() == [[-1, 0, 0], [-1, -1, -1]]
    assert joined.reference_log_prob is None
    assert joined.model_inputs["mm_token_type_ids"].tolist() == [[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]]
    assert joined.problem == ["problem 0", "problem 1"]
    assert joined.group.tolist() == [0, 1]


def test_rows_of_text_are_joined_with_rows_that_have_pictures():
    text = batch([[5, 6]], [[7, 7]], [1])
    text = replace(text, model_inputs={})
    joined = join([text, batch([[8]], [[9]], [0], **picture(0.5, 4))], pad_token=0)
    assert joined.model_inputs["num_images"] == [0, 1]
    assert [len(pixels) for pixels in joined.model_inputs["pixel_values"]] == [0, 4]
    assert torch.cat(joined.model_inputs["image_grid_thw"]).tolist() == [[1, 4, 1]]
    assert joined.model_inputs["mm_token_type_ids"].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0]]


def test_pictures_of_one_size_stand_in_one_tensor():
    text = replace(batch([[5, 6]], [[7]], [1]), model_inputs={})
    joined = join([batch([[8]], [[9]], [0], pixel_values=torch.ones(1, 2, 3)), text], pad_token=0)
    assert joined.model_inputs["pixel_values"].shape == (2, 2, 3)
    assert joined.model_inputs["pixel_values"][1].abs().max() == 0


def test_a_batch_without_rows_can_be_joined():
    empty = batch([[8]], [[9, 9]], [0], **picture(0.5, 4)).take([])
    joined = join([empty, batch([[8]], [[9]], [0], **picture(0.5, 4))], pad_token=0)
    assert len(joined) == 1
    assert joined.response_ids.tolist() == [[9, 0]]
    assert len(join([empty, empty], pad_token=0)) == 0


def test_taking_rows_takes_them_from_every_column():
    whole = random_batch(2)
    taken = whole.take([7, 0])
    for item in fields(Batch):
        column = getattr(whole, item.name)
        if isinstance(column, torch.Tensor):
            assert torch.equal(getattr(taken, item.name), column[[7, 0]]), item.name
    assert taken.problem == ["problem 1", "problem 0"]
    two = join([batch([[1]], [[2]], [0], **picture(0.1, 1)), batch([[1]], [[2]], [0], **picture(0.2, 2))], pad_token=0)
    assert [len(pixels) for pixels in two.take([1, 0, 1]).model_inputs["pixel_values"]] == [2, 1, 2]


def test_a_batch_is_read_as_rollouts():
    rows = random_batch(2)
    log_prob, entropy = Tables().score(rows)
    found = rows.rollouts(log_prob, entropy)
    mask = rows.response_mask.bool()
    assert torch.equal(found.mask, mask)
    assert torch.equal(found.old_token_log_prob[mask], rows.old_log_prob[mask])
    assert torch.equal(found.reference_token_log_prob[mask], rows.reference_log_prob[mask])
    assert torch.equal(found.token_entropy[mask], entropy[mask])
    for name in ("group", "row_id", "is_expert", "correct", "advantage"):
        assert torch.equal(getattr(found, name), getattr(rows, name)), name
    fresh = replace(rows, old_log_prob=None).rollouts(log_prob, entropy)
    assert torch.equal(fresh.old_token_log_prob[mask], log_prob.detach()[mask])
    assert not fresh.old_token_log_prob.requires_grad


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_finite_at_the_responses_tokens(value):
    rows = random_batch(2)
    scores = torch.zeros(rows.response_mask.shape)
    assert rows.is_finite(scores)
    inside, outside = rows.response_mask.bool().nonzero()[3], (~rows.response_mask.bool()).nonzero()[0]
    scores[tuple(outside)] = value
    assert rows.is_finite(scores, torch.zeros_like(scores))
    scores[tuple(inside)] = value
    assert not rows.is_finite(torch.zeros_like(scores), scores)
    assert not replace(rows, old_log_prob=scores).is_finite(torch.zeros_like(scores))
    assert not replace(rows, reference_log_prob=scores).is_finite(torch.zeros_like(scores))
    assert rows.is_finite()


def test_chunks_are_even():
    assert chunks([0, 1, 2, 3, 4], 3) == [[0, 1], [2, 3], [4]]
    assert chunks([0], 2) == [[0], []]


def test_members_of_groups_in_a_given_order():
    assert group_members(torch.tensor([4, 2, 4, 0]), [2, 7, 4]) == [[1], [0, 2]]


def test_groups_of_several_batches_are_counted_each_with_its_own_ids():
    assert group_count([batch([[1]] * 3, [[1]] * 3, [0, 0, 5]), batch([[1]], [[1]], [0])]) == 3


def test_first_groups_renumbers_and_cuts():
    rounds = [batch([[5]], [[7]], [3]), batch([[6]], [[8]], [0]), batch([[6]], [[9]], [7])]
    taken = first_groups(rounds, 2, pad_token=0)
    assert taken.group.tolist() == [0, 1]
    assert taken.response_ids.tolist() == [[7], [8]]
    assert first_groups(rounds, 5, pad_token=0).group.tolist() == [0, 1, 2]
    rounds = [batch([[5]] * 2, [[7]] * 2, [3, 4]), batch([[5]], [[7]], [3]).take([]), batch([[6]], [[8]], [0])]
    assert first_groups(rounds, 5, pad_token=0).row_id.tolist() == [0, 1, 2]


def test_rollouts_are_joined_to_the_longest_response():
    rows = random_batch(2)
    cut = ("response_ids", "response_mask", "old_log_prob", "reference_log_prob", "sampler_log_prob")
    short = rows.take([0, 1])
    short = replace(short, **{name: getattr(short, name)[:, :2] for name in cut})
    parts = [part.rollouts(*Tables().score(part)) for part in (short, rows.take([4, 9]))]
    joined = join_rollouts(parts)
    assert joined.mask.shape == (4, 6)
    assert torch.equal(joined.token_log_prob[:2, :2], parts[0].token_log_prob)
    assert joined.token_log_prob[:2, 2:].abs().max() == 0
    assert torch.equal(joined.token_entropy[2:], parts[1].token_entropy)
    assert joined.group.tolist() == [0, 0, 1, 1]


@pytest.fixture
def three_processes(monkeypatch):
    """Three processes that hold the same."""
    monkeypatch.setattr("full_scale.training.batching.gather_object", lambda own: own * 3)


def test_the_groups_of_processes_are_told_apart(three_processes):
    rows = random_batch(2)
    part = rows.take([0, 4]).rollouts(*Tables().score(rows.take([0, 4])))
    everyone = gather_rollouts([part, part])
    assert [[part.group.tolist() for part in process] for process in everyone] == [
        [[0, 1]] * 2,
        [[2, 3]] * 2,
        [[4, 5]] * 2,
    ]
    assert not everyone[0][0].token_log_prob.requires_grad
    assert gather_rollouts([]) == [[], [], []]


def test_rollouts_that_one_process_cannot_use_nobody_uses(monkeypatch):
    monkeypatch.setattr("full_scale.training.batching.gather_object", lambda own: [*own, None])
    assert gather_rollouts([]) is None
    assert gather_rollouts(None) is None
