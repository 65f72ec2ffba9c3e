"""Training rows: prompts, experts, and what is left out."""

import copy
import json
import random
import re
from dataclasses import replace

import pytest
from tiny_runs import processor

from full_scale.data import Quarantine, expert_response
from full_scale.data.rendered import rendered_problems
from full_scale.data.shortcut import miscomputed, shortcut_problems
from full_scale.training.rows import expert_of, kept_back, training_rows
from full_scale.verifier.rewards import reward

PROBLEMS = rendered_problems(4, seed=0)


def build(problems, **changes):
    lengths = {"max_prompt_length": 300, "max_response_length": 60}
    return training_rows(problems, processor(), **({"instruct": False, "format_weight": 0.1} | lengths | changes))


def test_a_row_has_the_question_the_pictures_and_the_expert():
    data, dropped = build(PROBLEMS)
    row = data[1]
    assert row["prompt"] == [{"role": "user", "content": PROBLEMS[1].question}]
    assert row["images"][0].tobytes() == PROBLEMS[1].rgb_images()[0].tobytes()
    assert row["problem"] is PROBLEMS[1]
    assert row["expert"] == expert_of(PROBLEMS[1], processor(), format_weight=0.1)
    assert len(data) == 4
    assert str(dropped) == (
        "dropped: 0 too long prompts, 0 too long experts, 0 experts that the verifier rejects (0% of all experts)"
    )
    assert "FIRST think" in build(PROBLEMS, instruct=True)[0][0]["prompt"][0]["content"]


def test_an_expert_is_tokenised_verified_and_rewarded_as_a_response_is():
    expert = expert_of(PROBLEMS[0], processor(), format_weight=0.25)
    tokenizer = processor().tokenizer
    assert expert.text == expert_response(PROBLEMS[0])
    assert expert.ids == (*tokenizer(expert.text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id)
    assert expert.reward == reward(expert.text, PROBLEMS[0], format_weight=0.25).total == 1.25
    assert expert.correct is True
    wrong = replace(PROBLEMS[0], solution="<think>a guess</think><answer>-77</answer>")
    assert expert_of(wrong, processor(), format_weight=0.25).correct is False
    assert expert_of(wrong, processor(), format_weight=0.25).reward == 0.25
    assert expert_of(replace(PROBLEMS[0], solution=None), processor(), format_weight=0.25) is None


def test_an_expert_goes_on_behind_the_opening_that_the_template_writes():
    own = copy.deepcopy(processor())
    own.chat_template = own.chat_template.replace("assistant\n", "assistant\n<think>\n")
    expert, plain = (expert_of(PROBLEMS[0], each, format_weight=0.1) for each in (own, processor()))
    assert own.tokenizer.decode(expert.ids[:-1]) == plain.text.removeprefix("<think>")
    assert expert.ids[-1] == own.tokenizer.eos_token_id
    assert expert.text == plain.text.replace("<think>", "<think>\n")
    assert (expert.correct, expert.reward) == (True, 1.1)
    bare = expert_of(replace(PROBLEMS[0], solution="<answer>5</answer>"), own, format_weight=0.1)
    assert (bare.correct, bare.reward) == (False, 0.0)  # as of a sampled response: thoughts that never end


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|vision_start|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"])
def test_a_special_token_in_a_question_or_an_expert_is_refused_by_name(token):
    name = f"record '{PROBLEMS[1].id}' of 'rendered'"
    asked = replace(PROBLEMS[1], question=f"see {token} there")
    with pytest.raises(ValueError, match=re.escape(f"{name}: the question holds {token!r}, a special token")):
        build([PROBLEMS[0], asked])
    shown = replace(PROBLEMS[1], solution=f"see {token} there")
    with pytest.raises(ValueError, match=re.escape(f"{name}: the expert's response holds {token!r}, a special")):
        build([PROBLEMS[0], shown])


def test_what_the_model_cannot_read_goes_to_the_quarantine(tmp_path):
    asked = replace(PROBLEMS[1], question="see <|image_pad|>")
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    data, _ = build([PROBLEMS[0], asked], quarantine=quarantine)
    assert len(data) == quarantine.count == 1
    line = json.loads((tmp_path / "quarantine.jsonl").read_text())
    assert (line["dataset"], line["id"]) == ("rendered", PROBLEMS[1].id)
    assert "the question holds '<|image_pad|>'" in line["reason"]
    with pytest.raises(ValueError, match=r"2 of 3 records \(67%\) are broken"):
        build([PROBLEMS[0], asked, asked], quarantine=Quarantine())


def test_an_expert_ends_once():
    tokenizer, text = processor().tokenizer, expert_response(PROBLEMS[0])
    ended = replace(PROBLEMS[0], solution=text + "<|im_end|>\n<|endoftext|>\n")
    expert = expert_of(ended, processor(), format_weight=0.1)
    assert expert == expert_of(PROBLEMS[0], processor(), format_weight=0.1)
    assert expert.ids.count(tokenizer.eos_token_id) == 1
    assert expert.reward == 1.1


def test_a_method_about_experts_needs_one():
    wrong = replace(PROBLEMS[0], solution="<think>a guess</think><answer>-77</answer>")
    _, none = build([wrong])
    assert none.share == 1.0
    with pytest.raises(
        ValueError, match=r"method='luffy': expected experts, but 0 are longer .* rejects 1, so none is"
    ):
        none.check_experts("luffy")
    _, half = build([wrong, PROBLEMS[1]])
    assert (half.share, half.kept_experts) == (0.5, 1)
    assert "1 experts that the verifier rejects (50% of all experts)" in str(half)
    half.check_experts("luffy")
    _, without = build([replace(PROBLEMS[0], solution=None)])
    assert (without.share, without.kept_experts) == (0.0, 0)


def test_what_is_too_long_or_wrong_is_left_out_and_counted():
    wrong = replace(PROBLEMS[0], solution="<think>a guess</think><answer>-77</answer>")
    data, dropped = build([wrong, PROBLEMS[1], replace(PROBLEMS[2], solution=None)])
    assert [row["expert"] is None for row in data] == [True, False, True]
    assert (dropped.long_prompts, dropped.long_experts, dropped.wrong_experts) == (0, 0, 1)
    longest = max(len(expert_of(problem, processor(), format_weight=0.1).ids) for problem in PROBLEMS)
    assert build(PROBLEMS, max_response_length=longest)[1].long_experts == 0
    data, dropped = build(PROBLEMS, max_response_length=longest - 1)
    assert dropped.long_experts == sum(row["expert"] is None for row in data) >= 1
    assert len(data) == 4
    long = replace(PROBLEMS[0], question=PROBLEMS[0].question * 40)
    data, dropped = build([long, PROBLEMS[1]], max_prompt_length=200)
    assert (len(data), dropped.long_prompts) == (1, 1)
    with pytest.raises(ValueError, match=r"all 4 prompts are longer than max_prompt_length \(5\); raise it"):
        build(PROBLEMS, max_prompt_length=5)


def test_a_tenth_of_the_experts_is_kept_back_at_equal_distances():
    problems = rendered_problems(24, seed=0)
    problems = [replace(problem, solution=None) if row in (0, 1) else problem for row, problem in enumerate(problems)]
    data, _ = build(problems)
    training, kept = kept_back(data)
    assert [row["problem"].id for row in kept] == [problems[index].id for index in (2, 9, 16)]
    assert [row["problem"].id for row in training] == [
        problem.id for index, problem in enumerate(problems) if index not in (2, 9, 16)
    ]
    assert [row["problem"].id for row in kept_back(data, most=1)[1]] == [problems[2].id]
    assert [len(part) for part in kept_back(build(problems[:3])[0])] == [2, 1]
    assert [len(part) for part in kept_back(build(problems[:2])[0])] == [2, 0]


def test_a_trusted_expert_is_kept_and_earns_as_a_right_one():
    problems = shortcut_problems(2, seed=0)
    wrong = [miscomputed(problems[0], random.Random(0)), problems[1]]
    rows, dropped = build(wrong, trust_experts=True)
    assert (dropped.wrong_experts, dropped.kept_experts) == (0, 2)
    assert [(row["expert"].correct, row["expert"].reward) for row in rows] == [(True, 1.1), (True, 1.1)]
    assert build(wrong)[1].wrong_experts == 1
