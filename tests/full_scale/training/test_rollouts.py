"""Sampled responses become a batch, experts join their groups, the objective prunes, further prompts fill the gaps."""

import types
from dataclasses import replace

import pytest
import torch
from batches import random_batch

from calibrl_ref import RECIPES
from full_scale.data.rendered import rendered_problems
from full_scale.training.batching import join
from full_scale.training.encoding import Encoding
from full_scale.training.rollouts import as_batch, expert_rows, finite_logits, inputs_of, pruned, resized, sample_groups
from full_scale.training.rows import Expert

PAD = 0
PROMPTS = [{"problem": problem} for problem in rendered_problems(2, seed=0)]


def encoding(*pictures):
    """Prompts of two tokens; each has so many patches in one picture, or none."""
    inputs = [
        {
            "pixel_values": torch.full((count, 2), float(count)),
            "image_grid_thw": torch.tensor([[1, count, 1]]),
            "mm_token_type_ids": torch.tensor([1, 0]),
        }
        if count
        else {"mm_token_type_ids": torch.tensor([0, 0])}
        for count in pictures
    ]
    return Encoding(ids=[[5, 6]] * len(pictures), pictures=[["p"] * bool(count) for count in pictures], inputs=inputs)


def test_trls_columns_become_a_batch_with_each_rows_own_pictures():
    columns = {
        "prompt_ids": torch.tensor([[5, 6], [0, 7]]),
        "prompt_mask": torch.tensor([[1, 1], [0, 1]]),
        "completion_ids": torch.tensor([[1, 2, 3], [4, 0, 0]]),
        "completion_mask": torch.tensor([[1, 1, 1], [1, 0, 0]]),
        "advantages": torch.ones(2),
        "num_items_in_batch": torch.tensor(4),
        "old_per_token_logps": torch.full((2, 3), -1.0),
        "ref_per_token_logps": torch.full((2, 3), -2.0),
    }
    reward, correct = torch.tensor([1.1, 0.0]), torch.tensor([True, False])
    batch = as_batch(columns, PROMPTS, encoding(3, 2), reward=reward, correct=correct, group_size=1)
    group = as_batch(columns, PROMPTS, encoding(3), reward=reward, correct=correct, group_size=2)
    assert group.group.tolist() == [0, 0]
    assert group.model_inputs["pixel_values"][1] is group.model_inputs["pixel_values"][0]
    assert batch.problem == [row["problem"].id for row in PROMPTS]
    assert batch.prompt_ids is columns["prompt_ids"]
    assert batch.prompt_mask is columns["prompt_mask"]
    assert batch.response_ids is columns["completion_ids"]
    assert batch.response_mask is columns["completion_mask"]
    assert batch.old_log_prob is columns["old_per_token_logps"]
    assert batch.reference_log_prob is columns["ref_per_token_logps"]
    assert (batch.reward is reward, batch.correct is correct) == (True, True)
    assert batch.group.tolist() == batch.row_id.tolist() == [0, 1]
    assert batch.is_expert.tolist() == [False, False]
    assert batch.advantage.tolist() == [0.0, 0.0]
    assert set(batch.model_inputs) == {"pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids"}
    assert [len(pixels) for pixels in batch.model_inputs["pixel_values"]] == [3, 2]
    assert batch.model_inputs["mm_token_type_ids"].tolist() == [[1, 0, 0, 0, 0]] * 2


@pytest.fixture
def second_of_two(monkeypatch):
    state = types.SimpleNamespace(process_index=1, num_processes=2)
    monkeypatch.setattr("full_scale.training.rollouts.PartialState", lambda: state)


def test_the_rows_of_processes_have_ids_of_their_own(second_of_two):
    columns = dict.fromkeys(("prompt_ids", "prompt_mask", "completion_ids", "completion_mask"), torch.zeros(2, 3))
    batch = as_batch(columns, PROMPTS, encoding(0), reward=torch.zeros(2), correct=torch.zeros(2) > 0, group_size=2)
    assert batch.row_id.tolist() == [2, 3]
    assert batch.row_id.dtype == torch.int64
    assert batch.is_expert.dtype == torch.bool
    rows = expert_rows(random_batch(2, 4, experts=False), experts(), pad_token=PAD)
    assert rows.row_id.tolist() == [18, 19]  # sixteen sampled rows, and the first process's two experts
    assert rows.old_log_prob.dtype == torch.float32


def experts():
    return [Expert(text="a", ids=(3, 1, 2), correct=False, reward=0.1), None]


def test_an_expert_has_its_own_tokens_reward_and_verdict_and_its_groups_prompt():
    batch = random_batch(2, 4, experts=False)
    batch = replace(
        batch, model_inputs={"mm_token_type_ids": torch.ones(8, 9, dtype=torch.long), "num_images": [1] * 8}
    )
    rows = expert_rows(batch, experts(), pad_token=PAD)
    assert rows.response_ids.tolist() == [[3, 1, 2], [PAD, PAD, PAD]]
    assert rows.response_mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert rows.is_expert.tolist() == [True, True]
    assert rows.correct.tolist() == [False, False]
    assert rows.reward.tolist() == pytest.approx([0.1, 0.0])
    assert torch.equal(rows.prompt_ids, batch.prompt_ids[[0, 4]])
    assert rows.group.tolist() == [0, 1]
    assert rows.row_id.tolist() == [8, 9]
    assert rows.old_log_prob.tolist() == rows.reference_log_prob.tolist() == [[0.0] * 3] * 2
    assert rows.model_inputs["mm_token_type_ids"].shape == (2, 6)
    assert rows.model_inputs["num_images"] == [1, 1]
    right = [Expert(text="a", ids=(3,), correct=True, reward=1.1)] * 2
    plain = replace(batch, old_log_prob=None, reference_log_prob=None)
    rows = expert_rows(plain, right, pad_token=PAD)
    assert rows.correct.tolist() == [True, True]
    assert rows.old_log_prob is None
    assert rows.reference_log_prob is None


def test_a_column_is_cut_or_padded_on_the_right():
    assert resized(torch.tensor([[1, 2]]), 3).tolist() == [[1, 2, 0]]
    assert resized(torch.tensor([[1, 2]]), 1).tolist() == [[1]]


def test_advantages_and_the_choice_of_rows_are_the_objectives():
    batch = random_batch(2, 4)
    batch = replace(batch, reward=torch.tensor([1.0, 0, 0, 0, 1, 1, 1, 1, 1, 1]), correct=batch.reward > 9)
    objective = RECIPES["dapo"](overlong_buffer=2, max_length=4)
    shaped = objective.shape_reward(batch.reward, batch.response_mask.sum(dim=1))
    shaped[8:] = 1.0  # a penalty is for what the policy writes
    correct = torch.tensor([True, False, False, False] + [True] * 6)
    kept = pruned(replace(batch, correct=correct), objective)
    assert kept.group.tolist() == [0, 0, 0, 0, 0]
    assert kept.is_expert.tolist() == [False] * 4 + [True]
    torch.testing.assert_close(kept.reward, shaped[[0, 1, 2, 3, 8]])
    wanted = objective.advantage(shaped, batch.group, batch.is_expert)
    torch.testing.assert_close(kept.advantage, wanted[[0, 1, 2, 3, 8]])
    assert (shaped[:8] != batch.reward[:8]).any()


class Source:
    """Gives groups of two rows; those of unwelcome prompts are dropped."""

    def __init__(self, unwelcome):
        self.unwelcome, self.asked, self.sampled = unwelcome, [], []

    def sample(self, prompts):
        self.sampled.append(prompts[::2])
        batch = random_batch(len(prompts) // 2, 2, experts=False)
        batch = replace(batch, problem=[str(prompt) for prompt in prompts])
        return batch.take([row for row, prompt in enumerate(prompts) if prompt not in self.unwelcome])

    def further(self, count, drawn):
        self.asked.append((count, drawn))
        return [100 + drawn + number for number in range(count) for _ in range(2)]


def found(source, rounds=5, prompts=(1, 2, 3)):
    return sample_groups(
        source.sample,
        [prompt for prompt in prompts for _ in range(2)],
        source.further,
        group_size=2,
        rounds=rounds,
        pad_token=PAD,
    )


def test_full_groups_need_one_round():
    source = Source(unwelcome=())
    sampling = found(source)
    assert (sampling.rounds, sampling.dropped_groups, source.asked) == (1, 0, [])
    assert sampling.rows.problem == ["1", "1", "2", "2", "3", "3"]


def test_further_prompts_fill_the_gaps():
    source = Source(unwelcome=(1, 2, 100))
    sampling = found(source)
    assert source.asked == [(2, 0), (1, 2)]
    assert sampling.rows.problem == ["3", "3", "101", "101", "102", "102"]
    assert sampling.rows.group.tolist() == [0, 0, 1, 1, 2, 2]
    assert (sampling.rounds, sampling.dropped_groups) == (3, 3)


def test_the_rounds_are_bounded():
    source = Source(unwelcome=range(1000))
    sampling = found(source, rounds=3)
    assert source.asked == [(3, 0), (3, 3)]
    assert (len(sampling.rows), sampling.rounds, sampling.dropped_groups) == (0, 3, 9)
    assert found(Source(unwelcome=(1,)), rounds=1).rounds == 1


def test_of_several_processes_the_poorest_decides(monkeypatch):
    monkeypatch.setattr("full_scale.training.rollouts.PartialState", lambda: type("Two", (), {"num_processes": 2}))
    monkeypatch.setattr("full_scale.training.rollouts.gather_object", lambda own: [*own, own[0] + 1 - len(asked)])
    asked = []
    source = Source(unwelcome=())
    source.asked = asked
    sampling = found(source)
    assert asked == [(1, 0)]  # the other process lacks a group
    assert sampling.rounds == 2
    assert len(sampling.rows) == 6  # no more than was wanted


def test_the_model_reads_the_pictures_of_the_rows_that_have_some():
    columns = {
        "pixel_values": [torch.full((count, 2), float(count)) for count in (3, 0, 1)],
        "image_grid_thw": [torch.tensor([[1, 3, 1]]), torch.zeros(0, 3, dtype=torch.long), torch.tensor([[1, 1, 1]])],
        "num_images": [1, 0, 1],
        "mm_token_type_ids": torch.arange(6).reshape(3, 2),
    }
    found = inputs_of(columns, [2, 1])
    assert found["pixel_values"].tolist() == [[1.0, 1.0]]
    assert found["image_grid_thw"].tolist() == [[1, 1, 1]]
    assert found["num_images"] == [1, 0]
    assert found["mm_token_type_ids"].tolist() == [[4, 5], [2, 3]]
    assert set(inputs_of(columns, [1])) == {"mm_token_type_ids"}
    assert inputs_of({}, [1]) == {}


def test_experts_and_sampled_rows_make_one_batch():
    batch = random_batch(2, 4, experts=False)
    joined = join([batch, expert_rows(batch, experts(), pad_token=PAD).take([0])], pad_token=PAD)
    assert joined.is_expert.tolist() == [False] * 8 + [True]
    assert joined.group.tolist() == [0] * 4 + [1] * 4 + [0]


def logits(value):
    return types.SimpleNamespace(logits=torch.tensor([[1.0, value]]))


class Constant(torch.nn.Module):
    def forward(self, value):
        return logits(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_logit_that_is_not_finite_is_told_and_does_not_stop_the_sampling(value):
    model = Constant()
    with finite_logits(model) as spoilt:
        assert model(2.0).logits.tolist() == [[1.0, 2.0]]
        assert model(value).logits.tolist() == [[1.0, 0.0]]
        assert model(2.0).logits.tolist() == [[1.0, 2.0]]
        assert not spoilt
    assert spoilt
    assert not torch.isfinite(model(value).logits).all()  # the model itself is as it was
    with finite_logits(model) as spoilt:
        model(2.0)
    assert not spoilt
