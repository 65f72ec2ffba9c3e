"""Training rows: prompts, experts, and what is left out."""

from dataclasses import replace

import pytest
from tiny_runs import processor

from full_scale.data import expert_response
from full_scale.data.rendered import rendered_problems
from full_scale.training.rows import expert_of, training_rows
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
    assert str(dropped) == "dropped: 0 too long prompts, 0 too long experts, 0 experts that the verifier rejects"
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


def test_an_expert_with_the_image_token_is_refused_by_name():
    marked = replace(PROBLEMS[0], solution="see <|image_pad|>")
    with pytest.raises(ValueError, match=f"record '{PROBLEMS[0].id}' of .*: the expert's response contains the image"):
        build([marked])


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
